//! The options of this backend: their names, their bounds and their defaults.

use crate::record::system::{Backend, OptionInfo, SystemError};
use std::time::Duration;

/// How a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// What the connected server holds.
    Local,
    /// The same after `sync`, which makes that server catch up with the leader.
    Sync,
}

impl Reads {
    fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Sync => "sync",
        }
    }
}

/// The options in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) reads: Reads,
    pub(super) session_timeout: Duration,
    /// How many servers to start.
    pub(super) nodes: usize,
    pub(super) tick_time_ms: u64,
    /// Whether a server writes its log through to the disk before it answers.
    pub(super) force_sync: bool,
}

/// What the options are, for the catalogue.
pub(super) const OPTIONS: &[OptionInfo] = &[
    OptionInfo {
        name: "reads",
        values: "local|sync",
        default: "local",
        about: "read what the connected server holds, or call sync before each read",
    },
    OptionInfo {
        name: "session-timeout",
        values: "milliseconds, 2 to 20 ticks for a local cluster",
        default: "4000",
        about: "how long a server keeps the session of a silent client; a silent server is given up after 2/5 of it",
    },
    OptionInfo { name: "nodes", values: "1|3|5", default: "3", about: "how many servers to start" },
    OptionInfo {
        name: "tick-time",
        values: "100..=10000",
        default: "500",
        about: "the servers' unit of time, in milliseconds: failover takes a few of them",
    },
    OptionInfo {
        name: "force-sync",
        values: "yes|no",
        default: "yes",
        about: "whether a server flushes its transaction log to the disk before it acknowledges",
    },
];

/// Those that only a server can be started with.
const LOCAL_ONLY: [&str; 3] = ["nodes", "tick-time", "force-sync"];

impl Settings {
    /// The settings that `backend` asks for.
    ///
    /// # Errors
    /// An unknown option, or a value that it cannot take.
    pub(super) fn of(backend: &Backend) -> Result<Self, SystemError> {
        if !backend.topology.is_empty() {
            return Err(bad("topology", &backend.topology, "empty: ZooKeeper has one topology"));
        }
        for (name, value) in &backend.options {
            if !OPTIONS.iter().any(|option| option.name == name) {
                return Err(unknown(name));
            }
            if !backend.nodes.is_empty() && LOCAL_ONLY.contains(&name.as_str()) {
                return Err(bad(name, value, "absent: an existing cluster has its own"));
            }
        }
        let tick_time_ms = number(backend, "tick-time", 100..=10_000)?;
        let session_ms = if backend.nodes.is_empty() { 2 * tick_time_ms..=20 * tick_time_ms } else { 100..=3_600_000 };
        Ok(Self {
            reads: word(backend, "reads", &[("local", Reads::Local), ("sync", Reads::Sync)])?,
            session_timeout: Duration::from_millis(number(backend, "session-timeout", session_ms)?),
            nodes: word(backend, "nodes", &[("1", 1), ("3", 3), ("5", 5)])?,
            tick_time_ms,
            force_sync: word(backend, "force-sync", &[("yes", true), ("no", false)])?,
        })
    }

    /// The settings for the header of a history; those of the servers only where we chose them.
    pub(super) fn in_force(&self, local: bool) -> Vec<(String, String)> {
        let mut settings = vec![
            ("reads".to_owned(), self.reads.name().to_owned()),
            ("session-timeout".to_owned(), self.session_timeout.as_millis().to_string()),
        ];
        if local {
            settings.push(("nodes".into(), self.nodes.to_string()));
            settings.push(("tick-time".into(), self.tick_time_ms.to_string()));
            settings.push(("force-sync".into(), if self.force_sync { "yes" } else { "no" }.into()));
        }
        settings
    }
}

fn default(name: &str) -> &'static str {
    OPTIONS
        .iter()
        .find(|option| option.name == name)
        .map(|option| option.default)
        .expect("only listed options are read")
}

fn word<T: Copy>(backend: &Backend, name: &str, choices: &[(&str, T)]) -> Result<T, SystemError> {
    let value = backend.option(name).unwrap_or_else(|| default(name));
    let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
    let choice = choices.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice);
    choice.ok_or_else(|| bad(name, value, &words.join("|")))
}

fn number(backend: &Backend, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, SystemError> {
    let value = backend.option(name).unwrap_or_else(|| default(name));
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| bad(name, value, &format!("{} to {} milliseconds", range.start(), range.end())))
}

fn bad(option: &str, value: &str, expected: &str) -> SystemError {
    SystemError::BadOption { option: option.into(), value: value.into(), expected: expected.into() }
}

fn unknown(option: &str) -> SystemError {
    let known: Vec<_> = OPTIONS.iter().map(|option| option.name).collect();
    SystemError::UnknownOption { backend: "zookeeper".into(), option: option.into(), known: known.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(options: &[(&str, &str)]) -> Backend {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Backend { system: "zookeeper".into(), options, ..Backend::default() }
    }

    #[test]
    fn every_option_has_the_default_that_is_in_force_without_it() {
        let settings = Settings::of(&Backend::default()).expect("the defaults are fine");
        let in_force = settings.in_force(true);
        for option in OPTIONS {
            assert!(in_force.contains(&(option.name.into(), option.default.into())), "{}", option.name);
        }
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_known_ones() {
        let error = Settings::of(&with(&[("read", "sync")])).expect_err("it is called reads").to_string();
        assert!(error.contains("'read'") && error.contains("session-timeout"), "{error}");
    }

    #[test]
    fn a_session_timeout_that_the_servers_would_change_is_refused() {
        for (tick, session, fits) in [("500", "999", false), ("500", "1000", true), ("500", "10001", false)] {
            let settings = Settings::of(&with(&[("tick-time", tick), ("session-timeout", session)]));
            assert_eq!(settings.is_ok(), fits, "{tick} {session}");
        }
    }

    #[test]
    fn values_outside_their_range_are_refused() {
        for (name, value) in [("nodes", "2"), ("reads", "quorum"), ("tick-time", "0"), ("force-sync", "true")] {
            assert!(matches!(Settings::of(&with(&[(name, value)])), Err(SystemError::BadOption { .. })), "{name}");
        }
    }

    #[test]
    fn an_existing_cluster_keeps_its_own_settings() {
        let mut backend = with(&[("tick-time", "500")]);
        backend.nodes = vec!["db1".into()];
        assert!(matches!(Settings::of(&backend), Err(SystemError::BadOption { .. })));
        backend.options = vec![("reads".into(), "sync".into())];
        assert_eq!(Settings::of(&backend).expect("it is about the clients").reads, Reads::Sync);
    }
}
