//! `consistory man FOLDER`.

use super::{Exit, Failed};
use anyhow::Context;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Where to write consistory.1 and a page for each subcommand
    folder: PathBuf,
}

pub(super) fn man(arguments: &ManArgs) -> Result<Exit, Failed> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(super::command().disable_help_subcommand(true), folder))
        .with_context(|| format!("cannot write man pages to {}", folder.display()))
        .map_err(Failed::environment)?;
    Ok(Exit::Holds)
}
