//! What a session is: whose operations have an order that the claims about sessions speak of.
//!
//! - **process** (default): what one process did. After an indeterminate operation a process ends, and its client goes on
//!   as another: nothing is promised across.
//! - **user**: what one client of the run did under all its process ids, which follow one another in steps of the number
//!   of clients (`run.clients` of the header). An indeterminate operation is a session by itself: it may take effect long
//!   after what its user did next.
//! - **connection**: what one process did at one node. A client that moves to another node loses its session, and finds
//!   it again where it comes back. An indeterminate operation whose node nobody knows is a session by itself.
//!
//! Reads after the work ([`WORK_ENDED`](crate::history::fault_windows::WORK_ENDED)) are nobody's: there a session is a
//! process, whatever was asked. O(1) an operation.

use crate::history::fault_windows::WORK_ENDED;
use crate::history::{History, OpId, Operation, Outcome, ProcessId, Rank, Symbol};
use rustc_hash::FxHashMap;

/// The setting of the header that says how many clients there were.
const CLIENTS: &str = "run.clients";

/// What a session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// What one process did.
    #[default]
    Process,
    /// What one process did at one node.
    Connection,
    /// What one client did under all its process ids.
    User,
}

impl SessionKind {
    /// Every kind, the default first.
    pub const ALL: [Self; 3] = [Self::Process, Self::Connection, Self::User];

    /// The word of `--session`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Connection => "connection",
            Self::User => "user",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What was assumed where it is not the default, in words.
    #[must_use]
    pub fn assumption(self) -> Option<&'static str> {
        match self {
            Self::Process => None,
            Self::Connection => Some("a session is a connection: what one process did at one node"),
            Self::User => Some("a session is a user: what one client did under all its process ids"),
        }
    }
}

/// Which session an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SessionName {
    Process(ProcessId),
    Connection(ProcessId, Symbol),
    User(u32),
    Alone(OpId),
}

/// Names the sessions of one history.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionNames {
    kind: SessionKind,
    clients: u32,
    /// The first operation after the work.
    work_end: u32,
}

impl SessionNames {
    /// For a history.
    ///
    /// # Errors
    /// In words, what the history lacks.
    pub(super) fn of(history: &History, kind: SessionKind) -> Result<Self, String> {
        let told = history.header().config.iter().find(|(name, _)| name == CLIENTS);
        let clients = told.and_then(|(_, clients)| clients.parse().ok()).filter(|&clients: &u32| clients > 0);
        if kind == SessionKind::User && clients.is_none() {
            return Err(format!("whose process is whose is not known: the header has no {CLIENTS}; judge by process"));
        }
        let ended = history.faults().iter().find(|note| history.functions().get(note.function) == WORK_ENDED);
        let work_end = ended.map_or(u32::MAX, |note| note.after_calls);
        Ok(Self { kind, clients: clients.unwrap_or(1), work_end })
    }

    /// The session of one operation.
    pub(super) fn of_operation(&self, operation: &Operation<'_>) -> SessionName {
        let process = operation.process();
        let is_open = operation.outcome() == Outcome::Indeterminate;
        if operation.id().0 >= self.work_end {
            return SessionName::Process(process);
        }
        match self.kind {
            SessionKind::Process => SessionName::Process(process),
            SessionKind::Connection if is_open && operation.node().is_empty() => SessionName::Alone(operation.id()),
            SessionKind::Connection => SessionName::Connection(process, operation.node_symbol()),
            SessionKind::User if is_open => SessionName::Alone(operation.id()),
            SessionKind::User => SessionName::User(process.0 % self.clients),
        }
    }
}

/// How many operations count as concurrent with the previous one of their own session: others called at the very time when
/// one ended and the other began, and one line of ranks cannot keep all these orders and make up none. 0 where sessions
/// have no names. O(n).
pub(super) fn blurred(history: &History, kind: SessionKind) -> usize {
    let Ok(names) = SessionNames::of(history, kind) else { return 0 };
    let mut returned: FxHashMap<SessionName, Rank> = FxHashMap::default();
    let mut is_blurred = |operation: &Operation<'_>| {
        let before = returned.insert(names.of_operation(operation), operation.returned());
        before.is_some_and(|before| before > operation.called())
    };
    history.operations().filter(|operation| is_blurred(operation)).count()
}
