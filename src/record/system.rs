//! What a system under test offers the recorder: the traits that an adapter implements.
//!
//! An [`Adapter`] is a catalogue entry: it says what it can do and promises, and starts a [`Cluster`] (or
//! reaches an existing one). A cluster opens one [`Client`] for each logical process: one connection, one
//! outstanding operation, no retries and no pooling, because a hidden retry duplicates a write.
//! Nothing here knows a consistency model.

pub use super::action::{Action, Answer, Function, Key};
use super::clients::Clients;
use super::cluster::links::Links;
use super::cluster::network::Network;
pub use super::failure::{Certainty, Failure};
use super::faults::means::Means;
pub use super::membership::MembershipChange;
use futures_util::future::BoxFuture;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// The index of a node in [`Cluster::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u16);

/// A completed operation: what it returned, and which node answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The returned value.
    pub answer: Answer,
    /// The node that answered, as far as the protocol shows it.
    pub node: Option<NodeId>,
}

/// One logical process's connection: at most one operation at a time.
pub trait Client: Send {
    /// Performs one operation. The runner bounds it in time by dropping the future and the client.
    fn invoke<'a>(&'a mut self, action: &'a Action) -> BoxFuture<'a, Result<Reply, Failure>>;

    /// Returns when the client learns that a lock that it holds has ended, or cannot rely on it any more.
    fn lost(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// The node that was asked last, or is connected to: who left a request unanswered.
    fn node(&self) -> Option<NodeId> {
        None
    }
}

/// One node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `n1`, `n2`, …
    pub name: String,
    /// `host:port`, or empty for an in-process store.
    pub address: String,
    /// `primary`, `replica`, `leader`, `follower`, …, as of the start; empty where all are alike.
    pub role: String,
}

/// A running system under test.
pub trait Cluster: Send + Sync {
    /// Its nodes, in a fixed order.
    fn nodes(&self) -> &[Node];

    /// Server names and versions, as the servers report them.
    fn versions(&self) -> Vec<(String, String)>;

    /// The settings in force, defaults included, for the header of the history.
    fn config(&self) -> Vec<(String, String)>;

    /// Opens the connection of one logical process; `slot` spreads processes over nodes. Its failures are always
    /// definite, whatever certainty they carry: no operation has been sent. The runner bounds it in time.
    fn connect(&self, slot: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>>;

    /// Opens a connection whose reads see the final state (the primary, a linearizable read): for the
    /// reads after the run that invariants are judged by.
    fn connect_final(&self, slot: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        self.connect(slot)
    }

    /// Opens a connection whose reads that node answers, in the way the run's other clients read; `None` where the
    /// adapter cannot have a node of its own choice answer for every key.
    fn connect_node(&self, node: NodeId) -> Option<BoxFuture<'_, Result<Box<dyn Client>, Failure>>> {
        let _ = node;
        None
    }

    /// Waits until the cluster answers on every node again, at most until `deadline`. To get there an adapter may
    /// start local servers anew that have died, with the data they have kept, but change nothing else: it neither writes nor
    /// repairs what the final reads are about. Where it fails, the final reads are tried all the same.
    fn settle(&self, deadline: Instant) -> BoxFuture<'_, Result<(), SystemError>>;

    /// Removes what the run wrote from an existing cluster and stops a local one. Local processes also die
    /// when the cluster is dropped, and when consistory itself is killed.
    fn stop(&mut self) -> BoxFuture<'_, Result<(), SystemError>>;

    /// The child processes by node name, for faults and for the contract test. Empty for an existing cluster.
    fn pids(&self) -> Vec<(String, u32)> {
        Vec::new()
    }

    /// The nodes that lead now, as far as their servers tell within a second or two; several where a system has
    /// several primaries, or where an old leader does not know yet that it is none. Empty where nobody leads.
    fn leaders(&self) -> BoxFuture<'_, Vec<NodeId>> {
        Box::pin(async { Vec::new() })
    }

    /// Asks one node something that it answers as long as it serves, over a new connection. The caller bounds it in time.
    fn probe(&self, node: NodeId) -> BoxFuture<'_, Result<(), String>> {
        let name = self.nodes().get(usize::from(node.0)).map_or_else(String::new, |node| node.name.clone());
        Box::pin(async move { Err(format!("{name} cannot be asked")) })
    }

    /// What time it is by the clock of a node's server, if it tells within a second or two.
    fn wall_clock(&self, node: NodeId) -> BoxFuture<'_, Option<SystemTime>> {
        let _ = node;
        Box::pin(async { None })
    }

    /// Takes a node out of the cluster, or the lead from it, by the system's own means. Returns when that is in force.
    ///
    /// # Errors
    /// Why that is not possible.
    fn change_members(&self, node: NodeId) -> BoxFuture<'_, Result<MembershipChange, SystemError>> {
        let _ = node;
        Box::pin(async { Err(SystemError::Other("its members cannot be changed".into())) })
    }

    /// Makes the node a member again, if [`Self::change_members`] took it out, and starts its server.
    ///
    /// # Errors
    /// Why that is not possible.
    fn restore_members(&self, node: NodeId) -> BoxFuture<'_, Result<MembershipChange, SystemError>> {
        let _ = node;
        Box::pin(async { Err(SystemError::Other("its members cannot be changed".into())) })
    }

    /// Moves some of what a node is responsible for to another node, or what was moved back.
    ///
    /// # Errors
    /// Why that is not possible.
    fn migrate_slots(&self, node: NodeId, back: bool) -> BoxFuture<'_, Result<MembershipChange, SystemError>> {
        let _ = (node, back);
        Box::pin(async { Err(SystemError::Other("it has no slots".into())) })
    }

    /// Starts the ended server of a node again, as it was first started, with the data that it has kept. Does not wait
    /// until it is ready.
    ///
    /// # Errors
    /// When the node has no server of ours, or it cannot be started.
    fn restart(&self, node: NodeId) -> Result<(), SystemError> {
        let name = self.nodes().get(usize::from(node.0)).map_or("the node", |node| node.name.as_str());
        Err(SystemError::Other(format!("{name} is not a server that this run started")))
    }
}

/// Why a system could not be started, reached or stopped: exit code 5.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A program is not installed.
    #[error("{program} is not installed; {install}")]
    NotInstalled {
        /// The program.
        program: String,
        /// The command that installs it.
        install: String,
    },
    /// A server did not become ready.
    #[error("{what} was not ready after {after:.1?}: {last}; its log is {log}")]
    NotReady {
        /// What was waited for.
        what: String,
        /// For how long.
        after: Duration,
        /// The last thing seen.
        last: String,
        /// Where to look.
        log: PathBuf,
    },
    /// A server ended by itself.
    #[error("{what} ended while starting ({status}); the last lines of its log {log}:\n{tail}")]
    Died {
        /// Which.
        what: String,
        /// How it ended.
        status: String,
        /// Where to look.
        log: PathBuf,
        /// The end of the log.
        tail: String,
    },
    /// An existing cluster could not be reached.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// Its address.
        address: String,
        /// Why.
        reason: String,
    },
    /// An option that this backend does not have, or a value it cannot take.
    #[error("{backend} has no option '{option}'; it has: {known}")]
    UnknownOption {
        /// The backend.
        backend: String,
        /// The offending option.
        option: String,
        /// Those it has.
        known: String,
    },
    /// A value that an option cannot take.
    #[error("option '{option}' cannot be '{value}': {expected}")]
    BadOption {
        /// The option.
        option: String,
        /// Its value.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The refusal.
        source: std::io::Error,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl SystemError {
    /// Wraps a refusal of the operating system with what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// Which node a client talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReadFrom {
    /// Where the adapter's documentation sends clients that want the strongest reads.
    #[default]
    Default,
    /// The primary or leader.
    Primary,
    /// Only nodes that are not the primary.
    Replica,
    /// Clients are spread over all nodes.
    Any,
    /// One node, by its number from 0.
    Node(NodeId),
}

impl fmt::Display for ReadFrom {
    /// As it is asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Primary => f.write_str("primary"),
            Self::Replica => f.write_str("replica"),
            Self::Any => f.write_str("any"),
            Self::Node(NodeId(number)) => write!(f, "{}", u32::from(*number) + 1),
        }
    }
}

/// A text that is not to be shown: what prints its owner prints `…` in its place.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for whoever must send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What the user asked for: which backend, with which settings.
#[derive(Clone, Debug, Default)]
pub struct Backend {
    /// The adapter's name, such as `redis`.
    pub system: String,
    /// The topology after the colon, such as `sentinel`; empty for the default.
    pub topology: String,
    /// The settings after the question mark and of `--set`, such as `wait=1`.
    pub options: Vec<(String, String)>,
    /// Addresses of an existing cluster; empty to start a local one.
    pub nodes: Vec<String>,
    /// Which node answers reads.
    pub read_from: ReadFrom,
    /// User name for an existing cluster.
    pub user: Option<String>,
    /// Password for an existing cluster.
    pub password: Option<Secret>,
    /// TLS for an existing cluster.
    pub tls: Option<Tls>,
    /// The prefix of every key that the run touches, ending in a separator.
    pub prefix: String,
    /// Where servers keep data and logs: the run's folder.
    pub folder: PathBuf,
    /// Where local servers run instead of on loopback, each node in a namespace of its own.
    pub network: Option<Network>,
    /// Proxies between local servers, where there is no network.
    pub links: Option<Links>,
    /// By which means faults are to reach the links between nodes; the best there is if not said.
    pub means: Option<Means>,
    /// Who sleeps, for what clients do in the background.
    pub clients: Clients,
    /// The bound on one operation; connections use it too.
    pub timeout: Duration,
    /// The seed of any random choice.
    pub seed: u64,
}

impl Backend {
    /// `system:topology?option=value&…`, as the user would write it.
    #[must_use]
    pub fn name(&self) -> String {
        let topology = if self.topology.is_empty() { String::new() } else { format!(":{}", self.topology) };
        let options: Vec<_> = self.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let options = if options.is_empty() { String::new() } else { format!("?{}", options.join("&")) };
        format!("{}{topology}{options}", self.system)
    }

    /// The value of an option, if the user set it.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }
}

/// TLS settings for an existing cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the certificates to trust; the system's own where absent.
    pub ca: Option<PathBuf>,
    /// PEM file with the client's certificate.
    pub certificate: Option<PathBuf>,
    /// PEM file with the client's key.
    pub key: Option<PathBuf>,
    /// Accept any certificate. For test clusters only.
    pub insecure: bool,
}

/// A setting that an adapter understands.
#[derive(Clone, Copy, Debug)]
pub struct OptionInfo {
    /// Its name.
    pub name: &'static str,
    /// What it may be, such as `0..=5` or `linearizable|serializable`.
    pub values: &'static str,
    /// What it is when not given.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// What a system's own documentation promises.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// Under which topology or option, in words.
    pub when: &'static str,
    /// The promise, in our words.
    pub promises: &'static str,
    /// Where it is written.
    pub url: &'static str,
}

/// One row of an adapter's failure table: why an error is a definite failure.
#[derive(Clone, Copy, Debug)]
pub struct DefiniteFailure {
    /// The error, as the server or library names it.
    pub error: &'static str,
    /// Why the operation cannot have taken effect.
    pub because: &'static str,
}

/// A topology that an adapter can start.
#[derive(Clone, Copy, Debug)]
pub struct Topology {
    /// The word after the colon; empty for the default.
    pub name: &'static str,
    /// What is started.
    pub about: &'static str,
}

/// Everything that `consistory list` and the runner need to know about an adapter.
#[derive(Clone, Copy, Debug)]
pub struct AdapterInfo {
    /// The word on the command line.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// What it can start, the default first.
    pub topologies: &'static [Topology],
    /// The operations it supports.
    pub functions: &'static [Function],
    /// Its settings.
    pub options: &'static [OptionInfo],
    /// What its documentation promises.
    pub promises: &'static [Promise],
    /// Its definite failures; every other error is indeterminate.
    pub definite_failures: &'static [DefiniteFailure],
    /// The programs that a local cluster needs, with the Debian package of each.
    pub programs: &'static [Program],
}

/// A program that a local cluster needs.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The executable's name, or the path of a file that must exist.
    pub name: &'static str,
    /// The Debian package that holds it.
    pub package: &'static str,
}

/// A system under test, as the catalogue knows it.
pub trait Adapter: Send + Sync {
    /// What it is and can do.
    fn info(&self) -> &'static AdapterInfo;

    /// How many nodes a local cluster of `backend` will have, if that is known before it is started.
    fn local_nodes(&self, _backend: &Backend) -> Option<usize> {
        None
    }

    /// Whether a local cluster can suffer the fault of that name. What runs inside this process can suffer none.
    fn suffers(&self, _fault: &str) -> bool {
        !self.info().programs.is_empty()
    }

    /// Starts a local cluster, or reaches the existing one of `backend.nodes`, and returns when every node
    /// is really ready, at most at `deadline`.
    fn start<'a>(
        &'a self,
        backend: &'a Backend,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Box<dyn Cluster>, SystemError>>;
}

impl fmt::Debug for dyn Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Adapter({})", self.info().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_backend_does_not_tell_its_password() {
        let backend = Backend { password: Some("hunter2".into()), ..Backend::default() };
        let printed = format!("{backend:?} {backend:#?}");
        assert!(printed.contains('…') && !printed.contains("hunter2"), "{printed}");
    }
}
