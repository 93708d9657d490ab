//! `consistory rerun RUN`: the same backend, workload, seed, schedule and options once more, from the header of a history.
//!
//! Not the same operations at the same times: clients and servers run as they do. What else is different now (versions,
//! settings, the verdict) is told.

use super::super::{Exit, Failed};
use super::entries::{Entry, is_option, with_entries};
use super::{HISTORY_FILE, Performed, VERDICT_FILE, perform};
use crate::history::Header;
use crate::history::formats::{self, ReadOptions};
use crate::record::faults::journal;
use crate::record::runner::{FAULTS_SETTING, THRESHOLDS_SETTING};
use anyhow::Context;
use clap::Args;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// What the names of a run's options begin with in the header.
const RUN: &str = "run.";

#[derive(Debug, Args)]
pub(in crate::cli) struct RerunArgs {
    /// The run: its folder, or its history
    run: PathBuf,
    /// Options of `run` that are to be different now, such as --seed 7
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

pub(in crate::cli) fn rerun(arguments: &RerunArgs, quiet: bool) -> Result<Exit, Failed> {
    let path = if arguments.run.is_dir() { arguments.run.join(HISTORY_FILE) } else { arguments.run.clone() };
    let before = header(&path)?;
    let backend = before.backend.as_deref().ok_or_else(|| cannot(&path, "it does not name its backend"))?;
    let entries = entries(&before).map_err(|why| cannot(&path, &why))?;
    if names_commands(&before) && !std::fs::metadata(&path).is_ok_and(|file| journal::is_own(&file)) {
        return Err(cannot(&path, "it names commands to run, and others can have written it"));
    }
    let words: Vec<OsString> = ["consistory", "run", backend].into_iter().map(OsString::from).collect();
    let words: Vec<OsString> = words.into_iter().chain(arguments.options.iter().cloned()).collect();
    let (run, _) = with_entries(&words, &entries)?;
    let Performed { exit, history } = perform(&run, quiet)?;
    if let Some(history) = history.filter(|_| !quiet) {
        let after = header(&history)?;
        let name = before.run.as_deref().unwrap_or("the run");
        let differences = differences(&before, &after).into_iter().chain(verdicts(&path, &history));
        super::super::say(&told(name, &differences.collect::<Vec<_>>()));
    }
    Ok(exit)
}

fn told(name: &str, differences: &[String]) -> String {
    if differences.is_empty() {
        return format!("rerun of {name}: same seed and schedule, and nothing known is different\n");
    }
    let mut out = format!("rerun of {name}: same schedule; different are\n");
    for difference in differences {
        let _ = writeln!(out, "  {difference}");
    }
    out
}

fn cannot(path: &Path, why: &str) -> Failed {
    Failed::usage(format!("{} cannot be run again: {why}", path.display()))
}

/// The header of a history, from its first line.
fn header(path: &Path) -> Result<Header, Failed> {
    let read = || {
        let mut line = String::new();
        BufReader::new(File::open(path)?).read_line(&mut line)?;
        Ok::<_, std::io::Error>(line)
    };
    let line = read().with_context(|| format!("cannot read {}", path.display())).map_err(Failed::environment)?;
    let name = path.display().to_string();
    let history = formats::read(line.as_bytes(), &name, Some("consistory"), &ReadOptions::default());
    history.map(|history| history.header().clone()).map_err(Failed::environment)
}

/// The options of a run, as its header tells them.
fn entries(header: &Header) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    entries.extend(header.workload.iter().map(|name| Entry::new("workload", [name.clone()])));
    entries.extend(header.seed.map(|seed| Entry::new("seed", [seed.to_string()])));
    if !header.claims.is_empty() {
        entries.push(Entry::new("claim", [header.claims.join(",")]));
    }
    for (setting, value) in &header.config {
        let Some(name) = setting.strip_prefix(RUN) else { continue };
        let (name, value) = match name {
            _ if setting == FAULTS_SETTING => ("fault", value.clone()),
            _ if setting == THRESHOLDS_SETTING => ("threshold", value.clone()),
            "rate" if value == "closed loop" => continue,
            _ => match name.strip_suffix("-ms") {
                Some(name) => (name, format!("{value}ms")),
                None => (name, value.clone()),
            },
        };
        if !is_option(name) {
            return Err(format!("this version knows no option --{name}, which it was made with"));
        }
        entries.push(Entry::new(name, [value]));
    }
    Ok(entries)
}

/// Whether a run was made with commands of the user, which would be run again.
fn names_commands(header: &Header) -> bool {
    header.config.iter().any(|(setting, _)| setting.starts_with(RUN) && setting.ends_with("-cmd"))
}

/// What is different between two runs, as their headers tell, in words.
fn differences(before: &Header, after: &Header) -> Vec<String> {
    let tool = |header: &Header| vec![("tool".to_owned(), header.tool.clone().unwrap_or_default())];
    let seed = |header: &Header| vec![("seed".to_owned(), header.seed.map_or(String::new(), |seed| seed.to_string()))];
    [
        (tool(before), tool(after)),
        (seed(before), seed(after)),
        (before.versions.clone(), after.versions.clone()),
        (before.config.clone(), after.config.clone()),
    ]
    .iter()
    .flat_map(|(before, after)| different(before, after))
    .collect()
}

fn different(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    let value = |all: &[(String, String)], name: &str| {
        all.iter().find(|(known, _)| known == name).map_or("not set".to_owned(), |(_, value)| value.clone())
    };
    let mut names: Vec<&String> = before.iter().chain(after).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let pairs = names.into_iter().map(|name| (name, value(before, name), value(after, name)));
    pairs.filter(|(_, then, now)| then != now).map(|(name, then, now)| format!("{name}: {then}, now {now}")).collect()
}

/// The verdicts beside two histories, if they are not the same.
fn verdicts(before: &Path, after: &Path) -> Option<String> {
    let word = |history: &Path| {
        let text = std::fs::read_to_string(history.with_file_name(VERDICT_FILE)).ok()?;
        let verdict: serde_json::Value = serde_json::from_str(&text).ok()?;
        verdict["verdict"].as_str().map(str::to_owned)
    };
    let (then, now) = (word(before)?, word(after)?);
    (then != now).then(|| format!("verdict: {then}, now {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_settings_that_changed_are_named() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let before = Header {
            versions: vec![pair("etcd", "3.4.23")],
            config: vec![pair("run.clients", "10"), pair("nodes", "3")],
            seed: Some(1),
            ..Header::default()
        };
        let after =
            Header { versions: vec![pair("etcd", "3.6.9")], config: vec![pair("nodes", "3")], ..before.clone() };
        assert_eq!(differences(&before, &before), Vec::<String>::new());
        assert_eq!(differences(&before, &after), ["etcd: 3.4.23, now 3.6.9", "run.clients: 10, now not set"]);
    }

    #[test]
    fn an_option_that_is_not_known_any_more_is_an_error() {
        let config = vec![("run.flux".to_owned(), "9".to_owned())];
        assert!(entries(&Header { config, ..Header::default() }).is_err());
    }
}
