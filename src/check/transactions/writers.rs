//! Who wrote a key, session by session: the index behind "the last writer of this key that is visible here".

use super::{Rows, Transactions, index};
use std::ops::Range;

/// The writers of every key.
#[derive(Clone, Debug)]
pub struct Writers {
    /// For each key the range of its entries.
    entries: Rows<u32>,
    /// For each entry its session.
    sessions: Vec<u32>,
    /// For each entry its writers, ascending.
    rows: Rows<u32>,
}

impl Writers {
    /// Indexes all writes. O(writes).
    #[must_use]
    pub fn of(transactions: &Transactions) -> Self {
        let pairs = transactions.all().flat_map(|t| transactions.writes(t).iter().map(move |&key| (key, t)));
        let by_key = Rows::grouped(transactions.key_count(), pairs);
        let mut entries = Rows::with_capacity(transactions.key_count());
        let mut sessions = Vec::new();
        let mut rows = Rows::with_capacity(0);
        for key in 0..index(transactions.key_count()) {
            let same = |one: &u32, two: &u32| transactions.session(*one) == transactions.session(*two);
            for of_session in by_key.row(key).chunk_by(same) {
                entries.push(index(sessions.len()));
                sessions.push(transactions.session(of_session[0]));
                for &writer in of_session {
                    rows.push(writer);
                }
                rows.end_row();
            }
            entries.end_row();
        }
        Self { entries, sessions, rows }
    }

    /// How many pairs of a key and a session that writes it there are.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.sessions.len()
    }

    /// The entries of a key.
    #[must_use]
    pub fn entries(&self, key: u32) -> Range<usize> {
        self.entries.span(key)
    }

    /// The session of an entry.
    #[must_use]
    pub fn session(&self, entry: usize) -> u32 {
        self.sessions[entry]
    }

    /// An entry's writers, ascending.
    #[must_use]
    pub fn row(&self, entry: usize) -> &[u32] {
        self.rows.row(index(entry))
    }
}
