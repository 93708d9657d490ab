//! `consistory completions SHELL`.

use super::{Exit, Failed};
use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(arguments: &CompletionsArgs) -> Result<Exit, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::command(), "consistory", &mut script);
    super::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Holds)
}
