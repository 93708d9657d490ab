//! `consistory check FILE…`: judges recorded histories.

use super::follow::{self, FollowArgs};
use super::judging::{Judgement, JudgingArgs, ObjectArgs};
use super::{Exit, Failed, Format};
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};

/// A history without a single completed operation shows nothing.
const MIN_OPS: u64 = 1;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The histories; - is standard input. Plain, .gz or .zst. A run's folder means its history.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write for each object that holds a legal order of its operations, as line numbers of the history
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    #[command(flatten)]
    following: FollowArgs,
    #[command(flatten)]
    objects: ObjectArgs,
    #[command(flatten)]
    judging: JudgingArgs,
}

pub(super) fn check(arguments: &CheckArgs, quiet: bool) -> Result<Exit, Failed> {
    let violated_early = arguments.following.follow && follow_it(arguments, quiet)?;
    let threads = arguments.judging.thread_count();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Failed::new(Exit::Internal, error))?;
    let mut exit = Exit::Holds;
    for file in &arguments.files {
        match pool.install(|| check_one(arguments, file, quiet)) {
            Ok(one) => exit = exit.worse(one),
            Err(failure) if arguments.files.len() > 1 => exit = exit.worse(super::report(&failure)),
            Err(failure) => return Err(failure),
        }
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

fn check_one(arguments: &CheckArgs, file: &Path, quiet: bool) -> Result<Exit, Failed> {
    let path = history_of(file);
    let name = path.display().to_string();
    let judgement = Judgement::start(&arguments.objects, &arguments.judging, MIN_OPS, arguments.witness.is_some());
    let history = judgement.read(&path)?;
    let vacuous = judgement.vacuous(&history);
    let judged = judgement.judge(history, name.clone(), vacuous)?;
    if let Some(path) = &arguments.witness {
        let doing = || format!("cannot write {}", path.display());
        std::fs::write(path, judged.orders()).with_context(doing).map_err(Failed::environment)?;
    }
    match arguments.judging.format {
        Format::Json => super::print(&judged.json())?,
        Format::Text if arguments.files.len() > 1 => super::print(&format!("{name}\n{}", judged.text()))?,
        Format::Text => super::print(&judged.text())?,
    }
    if !quiet && arguments.judging.format == Format::Text {
        super::say(&format!("{}\n", judged.cost()));
    }
    Ok(judged.exit)
}
