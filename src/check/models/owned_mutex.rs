//! Locks that know who holds them: plain, reentrant, and with fencing tokens.
//!
//! A process is a client that does one thing at a time, so which of its releases ends which of its acquisitions is
//! known from the history alone: they form *sessions*, numbered when the history is read. A call names its
//! session, which says as much as naming its owner and lets operations of other sessions be left out of a
//! counterexample. A release without an acquisition is a session of its own, and never legal.

use super::mutex::{MutexCall, acquire_or_release};
use super::{Model, ModelInfo, NotThisModel};
use crate::history::{History, OpId, Operation, Outcome, ProcessId, ValueId, ValueRef};
use rustc_hash::FxHashMap;
use std::sync::Arc;

pub(super) const OWNER_MUTEX: ModelInfo = ModelInfo {
    name: "owner-mutex",
    about: "a lock that only the process that holds it can release, and not acquire again",
    functions: "acquire, release",
};

pub(super) const REENTRANT_MUTEX: ModelInfo = ModelInfo {
    name: "reentrant-mutex",
    about: "a lock that its holder may acquire again, and that is free after as many releases",
    functions: "acquire, release",
};

pub(super) const FENCED_MUTEX: ModelInfo = ModelInfo {
    name: "fenced-mutex",
    about: "an owner-mutex whose acquisitions return ever larger fencing tokens",
    functions: "acquire -> token, release",
};

/// Which lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnedMutexKind {
    /// [`OWNER_MUTEX`].
    Owner,
    /// [`REENTRANT_MUTEX`].
    Reentrant,
    /// [`FENCED_MUTEX`].
    Fenced,
}

impl OwnedMutexKind {
    fn name(self) -> &'static str {
        match self {
            Self::Owner => OWNER_MUTEX.name,
            Self::Reentrant => REENTRANT_MUTEX.name,
            Self::Fenced => FENCED_MUTEX.name,
        }
    }
}

/// The model, for the operations of one history.
#[derive(Clone, Debug)]
pub struct OwnedMutex {
    kind: OwnedMutexKind,
    /// The session of each operation of the history.
    sessions: Arc<[u32]>,
}

/// One operation of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OwnedMutexCall {
    /// Took the lock.
    Acquire {
        /// The number of the session that it begins, or goes on with if the lock is reentrant.
        session: u32,
        /// The token that it returned: of a fenced lock, if it returned.
        token: Option<i64>,
    },
    /// Gave it back.
    Release {
        /// The number of the session.
        session: u32,
    },
}

impl OwnedMutexCall {
    /// Its session.
    #[must_use]
    pub fn session(self) -> u32 {
        match self {
            Self::Acquire { session, .. } | Self::Release { session } => session,
        }
    }
}

/// Who holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct OwnedMutexState {
    holder: Option<u32>,
    depth: u32,
    last_token: Option<i64>,
}

/// How far one process is with one lock.
#[derive(Clone, Copy, Default)]
struct Progress {
    session: u32,
    depth: u32,
}

impl OwnedMutex {
    /// The model for the operations of `history`.
    #[must_use]
    pub fn new(history: &History, kind: OwnedMutexKind) -> Self {
        let mut progress: FxHashMap<(ProcessId, ValueId), Progress> = FxHashMap::default();
        let number = |operation: Operation<'_>| {
            let OpId(own) = operation.id();
            // Foreign functions are refused when they are read as calls.
            let call = acquire_or_release(kind.name(), &operation).ok().flatten();
            let Some(call) = call else { return own };
            let now = progress.entry((operation.process(), operation.key())).or_default();
            match call {
                MutexCall::Acquire if now.depth > 0 && kind == OwnedMutexKind::Reentrant => now.depth += 1,
                MutexCall::Acquire => *now = Progress { session: own, depth: 1 },
                MutexCall::Release if now.depth == 0 => return own,
                MutexCall::Release => now.depth -= 1,
            }
            now.session
        };
        Self { kind, sessions: history.operations().map(number).collect() }
    }

    /// Which lock it is.
    #[must_use]
    pub fn kind(&self) -> OwnedMutexKind {
        self.kind
    }

    fn token(&self, operation: &Operation<'_>) -> Result<Option<i64>, NotThisModel> {
        if self.kind != OwnedMutexKind::Fenced || operation.outcome() != Outcome::Completed {
            return Ok(None);
        }
        match operation.values().get(operation.result()) {
            ValueRef::Int(token) => Ok(Some(token)),
            _ => Err(NotThisModel::new(self.kind.name(), operation, "a completed acquire returns its token, a number")),
        }
    }
}

impl Model for OwnedMutex {
    type State = OwnedMutexState;
    type Call = OwnedMutexCall;

    fn initial(&self) -> OwnedMutexState {
        OwnedMutexState::default()
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<OwnedMutexCall>, NotThisModel> {
        let Some(kind) = acquire_or_release(self.kind.name(), operation)? else { return Ok(None) };
        let session = self.sessions[operation.id().index()];
        Ok(Some(match kind {
            MutexCall::Acquire => OwnedMutexCall::Acquire { session, token: self.token(operation)? },
            MutexCall::Release => OwnedMutexCall::Release { session },
        }))
    }

    /// An acquisition that did not return has a token that nobody knows: it is taken to fit.
    fn step(&self, state: &OwnedMutexState, call: &OwnedMutexCall) -> Option<OwnedMutexState> {
        match *call {
            OwnedMutexCall::Acquire { session, token } => {
                let again = self.kind == OwnedMutexKind::Reentrant && state.holder == Some(session);
                let grows = token.is_none() || state.last_token.is_none() || token > state.last_token;
                ((state.holder.is_none() || again) && grows).then_some(OwnedMutexState {
                    holder: Some(session),
                    depth: state.depth + 1,
                    last_token: token.or(state.last_token),
                })
            }
            OwnedMutexCall::Release { session } => (state.holder == Some(session)).then(|| OwnedMutexState {
                holder: state.holder.filter(|_| state.depth > 1),
                depth: state.depth - 1,
                last_token: state.last_token,
            }),
        }
    }

    /// Whole sessions: without one of them the others are as legal as before.
    fn needs(&self, kept: &OwnedMutexCall, other: &OwnedMutexCall) -> bool {
        kept.session() == other.session()
    }
}
