//! `consistory check FILE…`: judges recorded histories.

use super::follow::{self, FollowArgs};
use super::judging::{Judged, Judgement, ObjectArgs, QuestionArgs};
use super::{Exit, Failed};
use crate::report::json::{self, Document};
use anyhow::Context;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// A history without a single completed operation shows nothing.
const MIN_OPS: u64 = 1;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The histories; - is standard input. Plain, .gz or .zst. A run's folder means its history.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the orders of operations that show what holds, as line numbers of the history
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    #[command(flatten)]
    following: FollowArgs,
    #[command(flatten)]
    objects: ObjectArgs,
    #[command(flatten)]
    judging: QuestionArgs,
    /// How to print the verdicts
    #[arg(long, value_enum, default_value_t = CheckFormat::Text, help_heading = "Judging")]
    format: CheckFormat,
}

/// How verdicts on several histories are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// For people
    Text,
    /// One JSON document about all histories
    Json,
    /// One JSON document a line, a line a history
    Ndjson,
}

pub(super) fn check(arguments: &CheckArgs, quiet: bool) -> Result<Exit, Failed> {
    let violated_early = arguments.following.follow && follow_it(arguments, quiet)?;
    let threads = arguments.judging.thread_count();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Failed::new(Exit::Internal, error))?;
    let (mut exit, mut documents) = (Exit::Holds, Vec::new());
    for file in &arguments.files {
        let path = history_of(file);
        let result = pool.install(|| judge_file(arguments, &path));
        match arguments.format {
            CheckFormat::Text => tell(arguments, &path, &result, quiet)?,
            CheckFormat::Json => documents.push(document(&path, &result)),
            CheckFormat::Ndjson => super::print(&document(&path, &result).line())?,
        }
        exit = exit.worse(match &result {
            Ok(judged) => judged.exit,
            Err(failure) => super::report(failure),
        });
        if let (Some(path), Ok(judged)) = (&arguments.witness, &result) {
            // After the verdict: a full disk takes nothing from it.
            let written =
                std::fs::write(path, judged.orders()).with_context(|| format!("cannot write {}", path.display()));
            exit = exit
                .worse(written.map_err(Failed::environment).map_or_else(|failure| super::report(&failure), |()| exit));
        }
    }
    match documents.as_slice() {
        [] => {}
        [one] => super::print(&one.pretty())?,
        several => super::print(&json::several(several, exit.word(), exit.code()))?,
    }
    follow::confirm(violated_early, exit)
}

/// Judges the one file while it grows; whether that showed a violation.
fn follow_it(arguments: &CheckArgs, quiet: bool) -> Result<bool, Failed> {
    let [file] = &arguments.files[..] else {
        return Err(Failed::usage("--follow follows one file; start it once for each"));
    };
    if file.as_os_str() == "-" {
        return Err(Failed::usage("--follow reads files; standard input cannot be read again when it is whole"));
    }
    if arguments.objects.format().is_some_and(|format| format != "consistory") {
        return Err(Failed::usage("--follow reads plain files of the format 'consistory' only"));
    }
    let question = arguments.objects.question(&arguments.judging);
    follow::follow(&history_of(file), &arguments.following, question, quiet)
}

/// The file itself, or the history in a run's folder.
fn history_of(file: &Path) -> PathBuf {
    if file.is_dir() { file.join(super::run::HISTORY_FILE) } else { file.to_owned() }
}

fn judge_file(arguments: &CheckArgs, path: &Path) -> Result<Judged, Failed> {
    let judgement = Judgement::start(&arguments.objects, &arguments.judging, MIN_OPS, arguments.witness.is_some());
    let history = judgement.read(path)?;
    let vacuous = judgement.vacuous(&history);
    judgement.judge(history, path.display().to_string(), vacuous)
}

/// The verdict for people. Why there is none is said like any other error.
fn tell(arguments: &CheckArgs, path: &Path, result: &Result<Judged, Failed>, quiet: bool) -> Result<(), Failed> {
    let Ok(judged) = result else { return Ok(()) };
    if arguments.files.len() > 1 {
        super::print(&format!("{}\n", path.display()))?;
    }
    super::print(&judged.text())?;
    if !quiet {
        super::say(&format!("{}\n", judged.cost()));
    }
    Ok(())
}

fn document(path: &Path, result: &Result<Judged, Failed>) -> Document {
    match result {
        Ok(judged) => judged.document(),
        Err(failure) => {
            let (exit, error) = (failure.exit, format!("{:#}", failure.error));
            Document::failed(path.display().to_string(), exit.word(), exit.code(), error)
        }
    }
}
