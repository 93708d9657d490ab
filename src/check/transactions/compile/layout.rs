//! Which operation is which transaction.

use crate::check::session_kind::SessionNames;
use crate::check::transactions::index;
use crate::history::{History, OpId, Outcome};
use rustc_hash::FxHashMap;

/// Operations that may have happened, session after session.
pub(super) struct Layout {
    pub(super) ops: Vec<OpId>,
    pub(super) sessions: Vec<u32>,
    pub(super) session_starts: Vec<u32>,
}

impl Layout {
    /// Sessions in order of their first operations.
    pub(super) fn of(history: &History, names_of: SessionNames) -> Self {
        let counted = || history.operations().filter(|operation| operation.outcome() != Outcome::Rejected);
        let mut names = FxHashMap::default();
        let mut lengths: Vec<u32> = Vec::new();
        for operation in counted() {
            let session = *names.entry(names_of.of_operation(&operation)).or_insert_with(|| {
                lengths.push(0);
                lengths.len() - 1
            });
            lengths[session] += 1;
        }
        let mut session_starts = vec![0];
        for (session, length) in lengths.iter().enumerate() {
            session_starts.push(session_starts[session] + length);
        }
        let total = session_starts[lengths.len()] as usize;
        let (mut ops, mut sessions) = (vec![OpId(0); total], vec![0; total]);
        let mut next = session_starts.clone();
        for operation in counted() {
            let session = names[&names_of.of_operation(&operation)];
            let at = next[session] as usize;
            next[session] += 1;
            (ops[at], sessions[at]) = (operation.id(), index(session));
        }
        Self { ops, sessions, session_starts }
    }
}
