//! The options of the backend, parsed once.
//!
//! Contract: an option that the adapter does not have, that its topology does not have, or that only a
//! cluster started by consistory can obey is an error, never ignored. [`Settings::config`] lists every
//! setting that consistory chose, defaults included. It reads no server.

use super::catalogue::OPTIONS;
use crate::record::system::{Backend, SystemError};
use std::time::Duration;

/// What is started or reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topology {
    /// One server, or a primary with replicas that nobody fails over.
    Standalone,
    /// A primary and its replicas, watched by sentinels.
    Sentinel,
    /// Redis Cluster: slots spread over shards.
    Cluster,
}

impl Topology {
    fn parse(word: &str) -> Result<Self, SystemError> {
        match word {
            "" => Ok(Self::Standalone),
            "sentinel" => Ok(Self::Sentinel),
            "cluster" => Ok(Self::Cluster),
            other => Err(SystemError::BadOption {
                option: "topology".into(),
                value: other.into(),
                expected: "redis, redis:sentinel or redis:cluster".into(),
            }),
        }
    }

    /// The backend's name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Standalone => "redis",
            Self::Sentinel => "redis:sentinel",
            Self::Cluster => "redis:cluster",
        }
    }
}

/// When a server forces its append-only file to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fsync {
    /// When the operating system likes to.
    No,
    /// Once a second.
    EverySecond,
    /// Before each reply.
    Always,
}

impl Fsync {
    /// Redis's word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::EverySecond => "everysec",
            Self::Always => "always",
        }
    }
}

/// Milliseconds without an answer after which a sentinel calls a server down, unless set.
const DOWN_AFTER_MS: u64 = 2_000;
/// Milliseconds without contact after which a cluster node calls another failing, unless set.
const NODE_TIMEOUT_MS: u64 = 2_000;

/// The parsed options.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) topology: Topology,
    /// Replicas that must acknowledge a write, 0 for no WAIT.
    pub(super) wait: u32,
    /// When a lock ends by itself.
    pub(super) lock_time: Duration,
    /// The append-only file, `None` for no persistence at all.
    pub(super) appendfsync: Option<Fsync>,
    /// Replicas without which a primary refuses writes.
    pub(super) replicas_to_write_min: u32,
    /// Sentinel's `down-after-milliseconds`.
    pub(super) down_after_ms: u64,
    /// Redis Cluster's `cluster-node-timeout`.
    pub(super) node_timeout_ms: u64,
    /// The name under which the sentinels watch the primary.
    pub(super) master: String,
}

impl Settings {
    pub(super) fn parse(backend: &Backend) -> Result<Self, SystemError> {
        let topology = Topology::parse(&backend.topology)?;
        for (name, value) in &backend.options {
            check_applies(backend, topology, name, value)?;
        }
        Ok(Self {
            topology,
            wait: number(backend, "wait", 0, 0..=100)?,
            lock_time: Duration::from_secs(number(backend, "lock-ttl", 2, 1..=60)?),
            appendfsync: appendfsync(backend)?,
            replicas_to_write_min: number(backend, "min-replicas-to-write", 0, 0..=100)?,
            down_after_ms: number(backend, "down-after", DOWN_AFTER_MS, 100..=600_000)?,
            node_timeout_ms: number(backend, "node-timeout", NODE_TIMEOUT_MS, 100..=600_000)?,
            master: backend.option("master").unwrap_or("mymaster").to_owned(),
        })
    }

    /// The settings of a cluster that consistory starts.
    pub(super) fn config(&self) -> Vec<(String, String)> {
        let mut config = vec![
            ("wait", self.wait.to_string()),
            ("lock-ttl", self.lock_time.as_secs().to_string()),
            ("save", String::new()),
            ("appendonly", if self.appendfsync.is_some() { "yes" } else { "no" }.to_owned()),
            ("appendfsync", self.appendfsync.map_or("none", Fsync::word).to_owned()),
            ("min-replicas-to-write", self.replicas_to_write_min.to_string()),
            ("min-replicas-max-lag", "10".to_owned()),
        ];
        if self.topology != Topology::Standalone {
            config.extend([
                ("repl-diskless-sync-delay", "0".to_owned()),
                ("repl-timeout", REPLICATION_TIMEOUT_S.to_string()),
                ("repl-ping-replica-period", "1".to_owned()),
            ]);
        }
        match self.topology {
            Topology::Standalone => {}
            Topology::Sentinel => config.extend([
                ("master", self.master.clone()),
                ("quorum", QUORUM.to_string()),
                ("down-after", self.down_after_ms.to_string()),
                ("failover-timeout", FAILOVER_TIMEOUT_MS.to_string()),
                ("parallel-syncs", "1".to_owned()),
            ]),
            Topology::Cluster => config.push(("node-timeout", self.node_timeout_ms.to_string())),
        }
        config.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The arguments of every data server, apart from its address.
    pub(super) fn server_arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--daemonize", "no", "--save", "", "--dir", "."];
        match self.appendfsync {
            None => arguments.extend(["--appendonly", "no"]),
            Some(fsync) => arguments.extend(["--appendonly", "yes", "--appendfsync", fsync.word()]),
        }
        let replicas = self.replicas_to_write_min.to_string();
        arguments.extend(["--min-replicas-to-write", &replicas, "--min-replicas-max-lag", "10"]);
        let timeout = REPLICATION_TIMEOUT_S.to_string();
        if self.topology != Topology::Standalone {
            arguments.extend(["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"]);
            arguments.extend(["--repl-timeout", &timeout, "--repl-ping-replica-period", "1"]);
        }
        arguments.into_iter().map(str::to_owned).collect()
    }
}

/// Sentinels that must agree that the primary is down.
pub(super) const QUORUM: u32 = 2;
/// Sentinel's bound on one attempt at a failover.
pub(super) const FAILOVER_TIMEOUT_MS: u64 = 6_000;
/// Short, so that a replica notices a silent primary within a run.
const REPLICATION_TIMEOUT_S: u32 = 5;

fn check_applies(backend: &Backend, topology: Topology, name: &str, value: &str) -> Result<(), SystemError> {
    let bad = |expected: String| SystemError::BadOption { option: name.into(), value: value.into(), expected };
    if !OPTIONS.iter().any(|known| known.name == name) {
        return Err(SystemError::UnknownOption {
            backend: topology.name().into(),
            option: name.into(),
            known: OPTIONS.iter().map(|known| known.name).collect::<Vec<_>>().join(", "),
        });
    }
    let only = match name {
        "down-after" | "master" => Some(Topology::Sentinel),
        "node-timeout" => Some(Topology::Cluster),
        _ => None,
    };
    if let Some(only) = only
        && only != topology
    {
        return Err(bad(format!("only {} has it", only.name())));
    }
    let ours_to_set = matches!(name, "appendfsync" | "min-replicas-to-write" | "down-after" | "node-timeout");
    if ours_to_set && !backend.nodes.is_empty() {
        return Err(bad("an existing cluster's own settings stay as they are".into()));
    }
    Ok(())
}

fn number<T>(backend: &Backend, name: &str, default: T, range: std::ops::RangeInclusive<T>) -> Result<T, SystemError>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let Some(text) = backend.option(name) else { return Ok(default) };
    text.parse().ok().filter(|value| range.contains(value)).ok_or_else(|| SystemError::BadOption {
        option: name.into(),
        value: text.into(),
        expected: format!("a whole number from {} to {}", range.start(), range.end()),
    })
}

fn appendfsync(backend: &Backend) -> Result<Option<Fsync>, SystemError> {
    match backend.option("appendfsync") {
        None | Some("none") => Ok(None),
        Some("no") => Ok(Some(Fsync::No)),
        Some("everysec") => Ok(Some(Fsync::EverySecond)),
        Some("always") => Ok(Some(Fsync::Always)),
        Some(other) => Err(SystemError::BadOption {
            option: "appendfsync".into(),
            value: other.into(),
            expected: "none (no persistence), no, everysec or always".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(topology: &str, options: &[(&str, &str)], nodes: &[&str]) -> Result<Settings, SystemError> {
        Settings::parse(&Backend {
            topology: topology.into(),
            options: options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            nodes: nodes.iter().map(|&node| node.to_owned()).collect(),
            ..Backend::default()
        })
    }

    #[test]
    fn an_unknown_option_names_those_that_exist() {
        let error = parse("", &[("wiat", "1")], &[]).unwrap_err();
        let SystemError::UnknownOption { option, known, .. } = error else { panic!("{error}") };
        assert_eq!(option, "wiat");
        assert!(known.contains("wait"), "{known}");
    }

    #[test]
    fn values_out_of_range_and_topologies_without_the_option_are_refused() {
        let bad: &[(&str, (&str, &str), &[&str])] = &[
            ("", ("wait", "-1"), &[]),
            ("", ("wait", "many"), &[]),
            ("", ("appendfsync", "sometimes"), &[]),
            ("", ("down-after", "2000"), &[]),
            ("sentinel", ("node-timeout", "2000"), &[]),
            ("cluster", ("master", "m"), &[]),
            ("sentinel", ("down-after", "2000"), &["127.0.0.1:26379"]),
            ("cluster", ("node-timeout", "1"), &[]),
        ];
        for (topology, option, nodes) in bad {
            let error = parse(topology, &[*option], nodes).unwrap_err();
            assert!(matches!(error, SystemError::BadOption { .. }), "{option:?}: {error}");
        }
        assert!(parse("moon", &[], &[]).is_err());
    }

    #[test]
    fn the_configuration_lists_defaults_and_is_what_the_servers_are_started_with() {
        let config = parse("", &[], &[]).unwrap().config();
        assert!(config.contains(&("wait".into(), "0".into())));
        assert!(config.contains(&("appendfsync".into(), "none".into())));
        let settings = parse("cluster", &[("appendfsync", "always"), ("min-replicas-to-write", "1")], &[]).unwrap();
        assert!(settings.config().contains(&("node-timeout".into(), "2000".into())));
        let line = settings.server_arguments().join(" ");
        assert!(line.contains("--appendfsync always") && line.contains("--min-replicas-to-write 1"), "{line}");
    }
}
