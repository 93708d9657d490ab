//! Options of `run` that come from elsewhere than the command line: what is given on the command line wins.
//!
//! They are added to the words of the command line and read again with them, so that a value means the same wherever it
//! is written, and is refused in the same words.

use super::super::{Cli, Command, Failed};
use super::arguments::RunArgs;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;

/// An option with its values, by its long name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// None for an option that takes no value.
    pub(super) values: Vec<String>,
}

impl Entry {
    pub(super) fn new(name: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self { name: name.to_owned(), values: values.into_iter().collect() }
    }

    /// The words of the command line that say the same.
    fn words(&self) -> Vec<OsString> {
        if self.values.is_empty() {
            return vec![format!("--{}", self.name).into()];
        }
        self.values.iter().map(|value| format!("--{}={value}", self.name).into()).collect()
    }

    /// Why `run` would refuse it, in clap's words.
    pub(super) fn why_refused(&self) -> Option<String> {
        let words = ["consistory", "run"].into_iter().map(OsString::from).chain(self.words());
        let error = Cli::try_parse_from(words).err()?.to_string();
        let first = error.lines().next().unwrap_or_default();
        Some(first.strip_prefix("error: ").unwrap_or(first).to_owned())
    }
}

/// Whether `run` has an option of that long name.
pub(super) fn is_option(name: &str) -> bool {
    id_of(name).is_some()
}

fn id_of(name: &str) -> Option<String> {
    let cli = Cli::command();
    let run = cli.find_subcommand("run")?;
    let found = run.get_arguments().find(|argument| argument.get_long() == Some(name));
    found.map(|argument| argument.get_id().to_string())
}

/// Whether an option, or the backend, was given on the command line or in the environment.
pub(super) fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// The words of a command line with the entries that they do not give themselves, read again.
pub(super) fn with_entries(words: &[OsString], entries: &[Entry]) -> Result<(RunArgs, ArgMatches), Failed> {
    let read = |words: &[OsString]| {
        let matches = Cli::command().try_get_matches_from(words).map_err(|error| Failed::command_line(&error))?;
        Ok::<_, Failed>(matches)
    };
    let given = read(words)?;
    let given = given.subcommand_matches("run").ok_or_else(|| Failed::usage("this is no run"))?;
    let mut all = words.to_vec();
    for entry in entries {
        let id = id_of(&entry.name).ok_or_else(|| Failed::usage(format!("run has no option --{}", entry.name)))?;
        if !is_given(given, &id) {
            all.extend(entry.words());
        }
    }
    let matches = read(&all)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| Failed::command_line(&error))?;
    match (cli.command, matches.subcommand_matches("run")) {
        (Command::Run(arguments), Some(matches)) => Ok((*arguments, matches.clone())),
        _ => Err(Failed::usage("this is no run")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(words: &[&str], entries: &[Entry]) -> RunArgs {
        let words: Vec<OsString> = ["consistory", "run"].iter().chain(words).map(OsString::from).collect();
        with_entries(&words, entries).expect("it is a run").0
    }

    #[test]
    fn the_command_line_wins_over_other_entries() {
        let entries = [Entry::new("clients", ["7".into()]), Entry::new("seed", ["5".into()])];
        let arguments = merged(&["memory", "--seed", "9"], &entries);
        assert_eq!((arguments.clients, arguments.seed), (7, Some(9)));
        let faults = [Entry::new("fault", ["kill@1s".into(), "pause@9s".into()])];
        assert_eq!(merged(&["etcd"], &faults).faults.faults.len(), 2);
        assert_eq!(merged(&["etcd", "-f", "kill"], &faults).faults.faults.len(), 1, "lists are not mixed");
    }

    #[test]
    fn what_run_refuses_is_told_in_its_words() {
        let why = Entry::new("time", ["soon".into()]).why_refused().expect("no time");
        assert!(why.contains("soon") && !why.contains("error:"), "{why}");
        assert_eq!(Entry::new("time", ["5s".into()]).why_refused(), None);
        assert_eq!(Entry::new("fail-fast", []).why_refused(), None);
    }
}
