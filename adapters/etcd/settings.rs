//! The adapter's options, checked before anything is started.

use crate::record::system::{Backend, OptionInfo, ReadFrom, SystemError};
use std::time::Duration;

/// What the user can set.
pub(super) const OPTIONS: &[OptionInfo] = &[
    OptionInfo { name: NODES, values: "1|3|5", default: "3", about: "how many members a local cluster has" },
    OptionInfo {
        name: READS,
        values: "linearizable|serializable",
        default: "linearizable",
        about: "whether a read is confirmed by a majority or answered from the member's own, maybe stale, state",
    },
    OptionInfo {
        name: HEARTBEAT,
        values: "1..=10000 ms",
        default: "100",
        about: "how often the leader of a local cluster sends heartbeats",
    },
    OptionInfo {
        name: ELECTION,
        values: "10..=50000 ms",
        default: "1000",
        about: "how long a member of a local cluster waits for a heartbeat before it stands for election; \
                at least five heartbeats",
    },
    OptionInfo {
        name: LOCK_TTL,
        values: "2..=60 s",
        default: "2",
        about: "how long the lease that a client's locks are on lasts without being kept alive",
    },
];

const LOCK_TTL: &str = "lock-ttl";
const NODES: &str = "nodes";
const READS: &str = "reads";
const HEARTBEAT: &str = "heartbeat-interval";
const ELECTION: &str = "election-timeout";

/// The options in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Members of a local cluster.
    pub nodes: usize,
    /// Whether reads are answered from the member's own state.
    pub serializable: bool,
    /// The time of the lease that locks are on.
    pub lock_time: Duration,
    /// The leader's heartbeat.
    pub heartbeat: Duration,
    /// How long a member waits for one.
    pub election: Duration,
}

impl Settings {
    /// Reads and checks the options.
    ///
    /// # Errors
    /// For a topology, option, value, login or node number that etcd cannot have.
    pub(super) fn of(backend: &Backend) -> Result<Self, SystemError> {
        refuse_unknown(backend)?;
        let existing = !backend.nodes.is_empty();
        if existing {
            refuse_local_only(backend)?;
        } else if backend.tls.is_some() || backend.user.is_some() || backend.password.is_some() {
            let text = "user, password and TLS are for existing clusters: a local one has none of them";
            return Err(SystemError::Other(text.into()));
        }
        let settings = Self {
            nodes: one_of(backend, NODES, &[("3", 3), ("1", 1), ("5", 5)])?,
            serializable: one_of(backend, READS, &[("linearizable", false), ("serializable", true)])?,
            lock_time: seconds(backend, LOCK_TTL, 2, 2..=60)?,
            heartbeat: milliseconds(backend, HEARTBEAT, 100, 1..=10_000)?,
            election: milliseconds(backend, ELECTION, 1_000, 10..=50_000)?,
        };
        if settings.election < 5 * settings.heartbeat {
            return Err(SystemError::BadOption {
                option: ELECTION.into(),
                value: settings.election.as_millis().to_string(),
                expected: format!("etcd wants at least five times {HEARTBEAT}"),
            });
        }
        refuse_missing_node(backend.read_from, if existing { backend.nodes.len() } else { settings.nodes })?;
        Ok(settings)
    }

    /// The options in force, for the header of the history.
    pub(super) fn config(&self, existing: Option<usize>) -> Vec<(String, String)> {
        let reads = if self.serializable { "serializable" } else { "linearizable" };
        let mut config =
            vec![(NODES.to_owned(), existing.unwrap_or(self.nodes).to_string()), (READS.to_owned(), reads.to_owned())];
        config.push((LOCK_TTL.to_owned(), format!("{}s", self.lock_time.as_secs())));
        if existing.is_none() {
            config.push((HEARTBEAT.to_owned(), format!("{}ms", self.heartbeat.as_millis())));
            config.push((ELECTION.to_owned(), format!("{}ms", self.election.as_millis())));
        }
        config
    }
}

fn refuse_unknown(backend: &Backend) -> Result<(), SystemError> {
    if !backend.topology.is_empty() {
        let text = format!("etcd has no topology '{}'; nodes=1|3|5 sets its size", backend.topology);
        return Err(SystemError::Other(text));
    }
    for (option, _) in &backend.options {
        if !OPTIONS.iter().any(|known| known.name == option) {
            let known: Vec<_> = OPTIONS.iter().map(|known| known.name).collect();
            return Err(SystemError::UnknownOption {
                backend: "etcd".into(),
                option: option.clone(),
                known: known.join(", "),
            });
        }
    }
    Ok(())
}

fn refuse_local_only(backend: &Backend) -> Result<(), SystemError> {
    for option in [NODES, HEARTBEAT, ELECTION] {
        if let Some(value) = backend.option(option) {
            return Err(SystemError::BadOption {
                option: option.into(),
                value: value.into(),
                expected: "an existing cluster keeps its own settings".into(),
            });
        }
    }
    if backend.prefix.is_empty() {
        let text = "an existing cluster needs a key prefix, since everything under it is deleted at the end";
        return Err(SystemError::Other(text.into()));
    }
    Ok(())
}

fn refuse_missing_node(read_from: ReadFrom, nodes: usize) -> Result<(), SystemError> {
    match read_from {
        ReadFrom::Replica if nodes == 1 => {
            Err(SystemError::Other("one etcd member has no follower to read from".into()))
        }
        ReadFrom::Node(node) if usize::from(node.0) >= nodes => {
            let text = format!("there is no node {} to read from: the {nodes} nodes are counted from 0", node.0);
            Err(SystemError::Other(text))
        }
        _ => Ok(()),
    }
}

/// The value of the option among `choices`, the first of which is the default.
fn one_of<T: Copy>(backend: &Backend, option: &str, choices: &[(&str, T)]) -> Result<T, SystemError> {
    let value = backend.option(option).unwrap_or(choices[0].0);
    choices.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        bad(option, value, format!("it is one of {}", words.join(", ")))
    })
}

fn seconds(
    backend: &Backend,
    option: &str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Duration, SystemError> {
    let Some(value) = backend.option(option) else { return Ok(Duration::from_secs(default)) };
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(Duration::from_secs(number)),
        _ => Err(bad(option, value, format!("it is a number of seconds from {} to {}", range.start(), range.end()))),
    }
}

fn milliseconds(
    backend: &Backend,
    option: &str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Duration, SystemError> {
    let Some(value) = backend.option(option) else { return Ok(Duration::from_millis(default)) };
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(Duration::from_millis(number)),
        _ => {
            Err(bad(option, value, format!("it is a number of milliseconds from {} to {}", range.start(), range.end())))
        }
    }
}

fn bad(option: &str, value: &str, expected: String) -> SystemError {
    SystemError::BadOption { option: option.into(), value: value.into(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::system::NodeId;

    fn with(options: &[(&str, &str)]) -> Backend {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Backend { system: "etcd".into(), options, prefix: "p/".into(), ..Backend::default() }
    }

    fn refusal(backend: &Backend) -> String {
        Settings::of(backend).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_table_tells_the_true_defaults() {
        let explicit: Vec<_> = OPTIONS.iter().map(|option| (option.name, option.default)).collect();
        assert_eq!(Settings::of(&with(&explicit)).unwrap(), Settings::of(&with(&[])).unwrap());
    }

    #[test]
    fn unknown_options_and_values_are_refused_with_what_would_do() {
        assert!(refusal(&with(&[("fsync", "no")])).contains("nodes, reads, heartbeat-interval, election-timeout"));
        assert!(refusal(&with(&[("nodes", "2")])).contains("one of 3, 1, 5"));
        assert!(refusal(&with(&[("reads", "stale")])).contains("linearizable, serializable"));
        assert!(refusal(&with(&[("heartbeat-interval", "0")])).contains("from 1 to 10000"));
        assert!(refusal(&with(&[("heartbeat-interval", "300")])).contains("five times"));
        assert!(refusal(&Backend { topology: "ring".into(), ..with(&[]) }).contains("ring"));
    }

    #[test]
    fn an_existing_cluster_takes_no_settings_of_a_local_one_and_needs_a_prefix() {
        let existing = |options| Backend { nodes: vec!["127.0.0.1:1".into()], ..with(options) };
        assert!(Settings::of(&existing(&[("reads", "serializable")])).unwrap().serializable);
        assert!(refusal(&existing(&[("nodes", "3")])).contains("keeps its own"));
        assert!(refusal(&Backend { prefix: String::new(), ..existing(&[]) }).contains("prefix"));
        assert!(refusal(&Backend { user: Some("root".into()), ..with(&[]) }).contains("existing"));
    }

    #[test]
    fn a_node_to_read_from_must_exist() {
        assert!(refusal(&Backend { read_from: ReadFrom::Node(NodeId(3)), ..with(&[]) }).contains("no node 3"));
        assert!(Settings::of(&Backend { read_from: ReadFrom::Node(NodeId(2)), ..with(&[]) }).is_ok());
        assert!(refusal(&Backend { read_from: ReadFrom::Replica, ..with(&[("nodes", "1")]) }).contains("no follower"));
    }
}
