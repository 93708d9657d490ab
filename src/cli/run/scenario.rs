//! `consistory.toml`: runs by name, so that what is tested is kept beside what it tests.
//!
//! A table `[scenario.NAME]` holds the options of `run` by their long names, the backend, and the lists `faults`, `claims`
//! and `thresholds`. `consistory run NAME` looks for it in `consistory.toml` of the working folder, or in the file of
//! `--config`. What is given on the command line wins. Unknown keys are refused, and every error says where it is.

use super::super::{Exit, Failed};
use super::arguments::RunArgs;
use super::entries::{Entry, is_given, is_option, with_entries};
use crate::adapters;
use clap::ArgMatches;
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The file that is looked for.
const FILE: &str = "consistory.toml";
/// The table of scenarios.
const SCENARIO: &str = "scenario";
/// Keys that are options of another name, since they hold lists.
const LISTS: [(&str, &str); 4] =
    [("faults", "fault"), ("claims", "claim"), ("thresholds", "threshold"), ("config", "set")];
/// Options that make no sense in a file, or have a list's name there.
const NOT_HERE: [&str; 10] =
    ["config", "dry-run", "runs", "progress", "format", "password", "fault", "claim", "threshold", "set"];

/// A scenario, read.
#[derive(Debug, PartialEq, Eq)]
struct Scenario {
    backend: String,
    entries: Vec<Entry>,
}

/// What is wrong, and at which byte.
#[derive(Debug)]
struct Wrong {
    at: usize,
    what: String,
}

type Read<T> = Result<T, Wrong>;

/// The arguments with those of the scenario that they name, if they name one.
pub(super) fn with_scenario(
    arguments: &RunArgs,
    matches: &ArgMatches,
    words: &[OsString],
) -> Result<Option<RunArgs>, Failed> {
    let path = match &arguments.config {
        Some(path) => path.as_path(),
        None if Path::new(FILE).exists() => Path::new(FILE),
        None => return Ok(None),
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failed::new(Exit::Environment, anyhow::Error::new(error).context(format!("cannot read {}", path.display())))
    })?;
    let refuse = |wrong: Wrong| Failed::usage(format!("{}:{}: {}", path.display(), place(&text, wrong.at), wrong.what));
    let mut scenarios = scenarios(&text).map_err(refuse)?;
    let names: Vec<String> = scenarios.iter().map(|(name, _)| name.clone()).collect();
    let wanted = is_given(matches, "backend").then_some(arguments.backend.as_str());
    let at = match (wanted, scenarios.len()) {
        (Some(name), _) => names.iter().position(|known| known == name),
        (None, 1) if arguments.config.is_some() => Some(0),
        (None, _) => None,
    };
    match (at, &arguments.config) {
        (Some(at), _) => {
            let (name, scenario) = scenarios.swap_remove(at);
            let scenario = scenario.map_err(refuse)?;
            if adapters::find(&name).is_some() {
                return Err(Failed::usage(format!("{}: '{name}' is a backend: name it otherwise", path.display())));
            }
            let (mut arguments, _) = with_entries(words, &scenario.entries)?;
            arguments.backend = scenario.backend;
            Ok(Some(arguments))
        }
        (None, Some(_)) => {
            let names = names.join(", ");
            Err(Failed::usage(format!(
                "name a scenario of {}: consistory run NAME; there are: {names}",
                path.display()
            )))
        }
        (None, None) => Ok(None),
    }
}

/// Every scenario of a file. What is wrong inside one matters to whoever runs it.
fn scenarios(text: &str) -> Read<Vec<(String, Read<Scenario>)>> {
    let document = DeTable::parse(text).map_err(|error| {
        let what = error.message().lines().collect::<Vec<_>>().join("; ");
        Wrong { at: error.span().map_or(0, |span| span.start), what }
    })?;
    let mut found = Vec::new();
    for (key, value) in document.get_ref() {
        if key.get_ref() != SCENARIO {
            return wrong(&key.span(), format!("unknown key '{}'; there is [scenario.NAME]", key.get_ref()));
        }
        for (name, scenario) in table(value, "a table of scenarios")? {
            found.push((name.get_ref().to_string(), read_scenario(name, scenario)));
        }
    }
    Ok(found)
}

fn read_scenario(name: &Spanned<toml::de::DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Read<Scenario> {
    let (mut backend, mut entries) = (None, Vec::new());
    for (key, value) in table(value, "a table")? {
        let name = key.get_ref().as_ref();
        let list = LISTS.iter().find(|(list, _)| *list == name).map(|&(_, option)| option);
        let read: Placed = match (name, list) {
            ("backend", _) => {
                backend = Some(word(value)?);
                continue;
            }
            ("faults", Some(_)) => each(value, fault)?,
            ("config", Some(_)) => settings(value)?,
            (_, Some(_)) => each(value, word)?,
            _ if NOT_HERE.contains(&name) || !is_option(name) => return wrong(&key.span(), unknown(name)),
            _ => match value.get_ref() {
                DeValue::Boolean(true) => Vec::new(),
                DeValue::Boolean(false) => continue,
                _ => each(value, word)?,
            },
        };
        // One by one, so that an error is told at its own place.
        for (value, at) in &read {
            if let Some(why) = Entry::new(list.unwrap_or(name), [value.clone()]).why_refused() {
                return wrong(at, why);
            }
        }
        let entry = Entry::new(list.unwrap_or(name), read.into_iter().map(|(value, _)| value));
        if let Some(why) = entry.why_refused() {
            return wrong(&value.span(), why);
        }
        entries.push(entry);
    }
    match backend {
        Some(backend) => Ok(Scenario { backend, entries }),
        None => wrong(&name.span(), format!("scenario '{}' has no backend", name.get_ref())),
    }
}

fn unknown(name: &str) -> String {
    let lists: Vec<_> = LISTS.iter().map(|(list, _)| *list).collect();
    format!(
        "unknown key '{name}'; there are backend, {} and the options of 'consistory run --help' by their long names",
        lists.join(", ")
    )
}

/// `kind:target@at+for`, as text or as a table.
fn fault(value: &Spanned<DeValue<'_>>) -> Read<String> {
    let DeValue::Table(parts) = value.get_ref() else { return word(value) };
    let mut said: [Option<String>; 4] = [const { None }; 4];
    for (key, value) in parts {
        let place = ["kind", "target", "at", "for"].iter().position(|known| known == key.get_ref());
        let Some(place) = place else {
            let what = format!("unknown key '{}'; a fault has kind, target, at, for", key.get_ref());
            return wrong(&key.span(), what);
        };
        said[place] = Some(word(value)?);
    }
    let [Some(kind), target, at, length] = said else { return wrong(&value.span(), "a fault has a kind".into()) };
    if length.is_some() && at.is_none() {
        return wrong(&value.span(), "a fault with 'for' says 'at' too; fault-length is that of all others".into());
    }
    let with = |sign: &str, part: Option<String>| part.map_or(String::new(), |part| format!("{sign}{part}"));
    Ok(format!("{kind}{}{}{}", with(":", target), with("@", at), with("+", length)))
}

/// Values as they would be written on the command line, and where they stand.
type Placed = Vec<(String, Range<usize>)>;

fn settings(value: &Spanned<DeValue<'_>>) -> Read<Placed> {
    let pairs = table(value, "a table of settings, such as { wait = 1 }")?;
    let setting = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &toml::de::DeString<'_> = name.get_ref();
        word(value).map(|word| (format!("{name}={word}"), value.span()))
    };
    pairs.iter().map(setting).collect()
}

fn each(value: &Spanned<DeValue<'_>>, item: fn(&Spanned<DeValue<'_>>) -> Read<String>) -> Read<Placed> {
    match value.get_ref() {
        DeValue::Array(items) if items.is_empty() => wrong(&value.span(), "an empty list says nothing".into()),
        DeValue::Array(items) => items.iter().map(|value| Ok((item(value)?, value.span()))).collect(),
        _ => Ok(vec![(item(value)?, value.span())]),
    }
}

/// A text or a number, as it would be written on the command line.
fn word(value: &Spanned<DeValue<'_>>) -> Read<String> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        _ => wrong(&value.span(), "expected a text or a number".into()),
    }
}

fn table<'t, 'i>(value: &'t Spanned<DeValue<'i>>, expected: &str) -> Read<&'t DeTable<'i>> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => wrong(&value.span(), format!("expected {expected}")),
    }
}

fn wrong<T>(at: &Range<usize>, what: String) -> Read<T> {
    Err(Wrong { at: at.start, what })
}

/// `line:column` of a byte, both from 1.
fn place(text: &str, at: usize) -> String {
    let before = &text.as_bytes()[..at.min(text.len())];
    let lines: Vec<&[u8]> = before.split(|&byte| byte == b'\n').collect();
    format!("{}:{}", lines.len(), lines.last().map_or(0, |line| line.len()) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[scenario.sentinel]
backend = "redis:sentinel"
config = { wait = 1, appendfsync = "always" }
workload = "set"
faults = [{ kind = "partition", target = "leader", at = "10s", for = "15s" }, "kill+pause@30s"]
thresholds = ["lost=0", "p99<50ms"]
rate = 2_000
read-share = 0.25
seed = 4711
retry = "5,1s"
fail-fast = false
"#;

    fn only(text: &str) -> Result<Scenario, String> {
        let refuse = |wrong: Wrong| format!("{}: {}", place(text, wrong.at), wrong.what);
        let mut all = scenarios(text).map_err(refuse)?;
        assert_eq!(all.len(), 1);
        all.remove(0).1.map_err(refuse)
    }

    #[test]
    fn a_scenario_is_the_options_of_run() {
        let scenario = only(GOOD).expect("well formed");
        assert_eq!(scenario.backend, "redis:sentinel");
        let values = |name: &str| {
            let entry = scenario.entries.iter().find(|entry| entry.name == name);
            entry.unwrap_or_else(|| panic!("no {name}")).values.clone()
        };
        assert_eq!(values("fault"), ["partition:leader@10s+15s", "kill+pause@30s"]);
        assert_eq!(values("set").len(), 2);
        assert_eq!((values("rate"), values("read-share")), (vec!["2000".into()], vec!["0.25".into()]));
        assert_eq!(values("threshold"), ["lost=0", "p99<50ms"]);
        assert!(!scenario.entries.iter().any(|entry| entry.name == "fail-fast"), "false is not given");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let backend = "[scenario.s]\nbackend = \"redis\"\n";
        for (rest, expected) in [
            ("speed = 3\n", "3:1: unknown key 'speed'"),
            ("fault = [\"kill\"]\n", "3:1: unknown key 'fault'"),
            ("time = \"soon\"\n", "3:8: invalid value 'soon'"),
            ("faults = [\"kill\", \"flood\"]\n", "3:19: invalid value 'flood'"),
            ("faults = [{ kind = \"kill\", when = 1 }]\n", "3:28: unknown key 'when'"),
            ("faults = [{ kind = \"kill\", for = \"1s\" }]\n", "3:11: a fault with 'for'"),
            ("clients = [1, \n", "3:"),
            ("time = 1979-05-27\n", "3:8: expected a text or a number"),
        ] {
            let error = only(&format!("{backend}{rest}")).expect_err(rest);
            assert!(error.starts_with(expected), "{rest}: {error}");
        }
        assert!(only("[scenario.s]\nseed = 1\n").expect_err("no backend").starts_with("1:11: scenario 's'"));
        assert!(only("[profile.s]\nseed = 1\n").expect_err("no such table").starts_with("1:2: unknown key 'profile'"));
    }
}
