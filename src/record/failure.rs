//! What it means that an operation failed: [`Failure`], which adapters answer instead of a reply.

use super::system::NodeId;

/// Whether a failed operation may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Certainty {
    /// It certainly did not: recorded as `fail`. Only for errors of the adapter's failure table.
    Definite,
    /// Nobody knows: recorded as `info`. Everything not proven otherwise, and every timeout.
    #[default]
    Indefinite,
}

/// A failed operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// Whether it may have taken effect.
    pub certainty: Certainty,
    /// A short stable word or sentence without values in it, such as `timeout` or `connection refused`.
    pub error: String,
    /// The node that was asked.
    pub node: Option<NodeId>,
    /// Whether the connection is still usable; if not, the runner opens a new client.
    pub reconnect: bool,
}

impl Failure {
    /// The error of a compare-and-set whose object held something else.
    pub const MISMATCH: &'static str = "mismatch";
    /// The error of taking a lock that somebody has.
    pub const HELD: &'static str = "held";
    /// The error of an operation that did not end within its bound.
    pub const TIMEOUT: &'static str = "timeout";

    /// Whether the server answered after all, with a no.
    #[must_use]
    pub fn is_an_answer(&self) -> bool {
        [Self::MISMATCH, Self::HELD].contains(&self.error.as_str())
    }

    /// It certainly had no effect; the connection stays usable.
    #[must_use]
    pub fn definite(error: impl Into<String>) -> Self {
        Self { certainty: Certainty::Definite, error: error.into(), node: None, reconnect: false }
    }

    /// It may have taken effect; the connection is given up.
    #[must_use]
    pub fn indefinite(error: impl Into<String>) -> Self {
        Self { certainty: Certainty::Indefinite, error: error.into(), node: None, reconnect: true }
    }

    /// The same failure, of that node.
    #[must_use]
    pub fn at(mut self, node: NodeId) -> Self {
        self.node = Some(node);
        self
    }

    /// The same failure, after which the runner opens a new client.
    #[must_use]
    pub fn reconnecting(mut self) -> Self {
        self.reconnect = true;
        self
    }
}
