//! `consistory heal`: undoes what runs that were killed have left on this machine.

use super::{Exit, Failed};
use crate::record::faults::journal::{self, JOURNAL_FILE};
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct HealArgs {
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    runs: PathBuf,
}

pub(super) fn heal(arguments: &HealArgs) -> Result<Exit, Failed> {
    let (mut undone, mut exit) = (0, Exit::Holds);
    for path in journals(&arguments.runs).map_err(Failed::environment)? {
        let run = path.parent().unwrap_or(&path).display();
        let healed = journal::heal(&path).with_context(|| format!("cannot heal by {}", path.display()));
        let healed = healed.map_err(Failed::environment)?;
        if healed.running {
            super::say(&format!("{run} still runs: left alone\n"));
        }
        undone += healed.undone.len();
        for what in &healed.undone {
            super::print(&format!("✓ {run}  {what}\n"))?;
        }
        for what in &healed.failed {
            super::print(&format!("✗ {run}  {what}\n"))?;
            exit = Exit::Environment;
        }
    }
    if undone == 0 && exit == Exit::Holds {
        super::print("nothing to undo\n")?;
    }
    Ok(exit)
}

/// The journals of all runs in a folder, in the order of their names; none if there is no such folder.
pub(super) fn journals(runs: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(runs) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read {}", runs.display()))?,
    };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut journals: Vec<_> =
        folders.map(|entry| entry.path().join(JOURNAL_FILE)).filter(|path| path.exists()).collect();
    journals.sort();
    Ok(journals)
}
