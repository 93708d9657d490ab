//! `consistory explain RUN`: one object's verdict in full: the counterexample, or the order that explains it.

use super::judging::{Judgement, ObjectArgs, QuestionArgs};
use super::{Exit, Failed};
use crate::history::{History, OpId};
use clap::Args;
use std::path::PathBuf;

/// A history without a single completed operation shows nothing.
const MIN_OPS: u64 = 1;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// A history, or the folder of a run
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Only this object
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The object of the operation that was invoked on this line of the history
    #[arg(long, value_name = "LINE", conflicts_with = "key")]
    op: Option<u32>,
    #[command(flatten)]
    objects: ObjectArgs,
    #[command(flatten)]
    judging: QuestionArgs,
}

pub(super) fn explain(arguments: &ExplainArgs) -> Result<Exit, Failed> {
    let path =
        if arguments.run.is_dir() { arguments.run.join(super::run::HISTORY_FILE) } else { arguments.run.clone() };
    let judgement = Judgement::start(&arguments.objects, &arguments.judging, MIN_OPS, true);
    let history = judgement.read(&path)?;
    // What was tested is a matter of the whole, even if one object is asked about.
    let vacuous = judgement.vacuous(&history);
    let part = selected(&history, arguments)?;
    let judged = judgement.judge(part, path.display().to_string(), vacuous)?;
    super::print(&judged.text())?;
    super::print(&judged.orders())?;
    Ok(judged.exit)
}

/// The operations of the object that is asked about; all if none is.
fn selected(history: &History, arguments: &ExplainArgs) -> Result<History, Failed> {
    let wanted = match (&arguments.key, arguments.op) {
        (Some(key), _) => {
            let is_it = |id: &&crate::history::ValueId| history.values().to_value(**id).to_string() == *key;
            history
                .keys()
                .iter()
                .find(is_it)
                .copied()
                .ok_or_else(|| Failed::usage(format!("no operation is on key {key}")))?
        }
        (None, Some(line)) => {
            let operation = history.operations().find(|operation| operation.line() == line);
            let missing = || Failed::usage(format!("no operation is invoked on line {line}"));
            operation.ok_or_else(missing)?.key()
        }
        (None, None) => return Ok(history.clone()),
    };
    let places = (0..).map(OpId).zip(history.keys()).filter(|(_, key)| **key == wanted).map(|(id, _)| id);
    Ok(history.select(&places.collect::<Vec<_>>()))
}
