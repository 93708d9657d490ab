//! What users asked for: an operation, or all attempts at one together.
//!
//! A client that tries again makes an operation for each attempt, since each goes over the wire and may take effect. The
//! user asked once: called with the first attempt, answered by the last. O(n) expected.

use super::columns::{History, OpId};
use rustc_hash::FxHashMap;

/// What was asked for once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its first attempt.
    pub first: OpId,
    /// Its last attempt.
    pub last: OpId,
    /// How many attempts there were.
    pub attempts: u32,
}

/// Everything that was asked for, in order of first attempts.
#[must_use]
pub fn requests(history: &History) -> Vec<Request> {
    let mut all: Vec<Request> = Vec::with_capacity(history.len());
    // The places of requests that may be tried again; only those of attempts are looked up.
    let mut place_of: FxHashMap<OpId, usize> = FxHashMap::default();
    for attempt in history.attempts() {
        place_of.insert(attempt.previous, usize::MAX);
    }
    let mut attempts = history.attempts().iter().peekable();
    for operation in history.operations() {
        let id = operation.id();
        let place = if let Some(attempt) = attempts.next_if(|attempt| attempt.id == id) {
            let place = place_of[&attempt.previous];
            all[place].last = id;
            all[place].attempts += 1;
            place
        } else {
            all.push(Request { first: id, last: id, attempts: 1 });
            all.len() - 1
        };
        if let Some(known) = place_of.get_mut(&id) {
            *known = place;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::formats::{self, ReadOptions};

    #[test]
    fn attempts_at_one_operation_are_one_request() {
        let text = r#"{"consistory":1}
{"time":1,"process":0,"type":"invoke","f":"write","value":1}
{"time":2,"process":1,"type":"invoke","f":"write","value":2}
{"time":3,"process":0,"type":"info","f":"write","value":1}
{"time":4,"process":10,"type":"invoke","f":"write","value":1,"attempt":2,"previous":0}
{"time":5,"process":1,"type":"ok","f":"write","value":2}
{"time":6,"process":10,"type":"fail","f":"write","value":1}
{"previous":10,"attempt":3,"time":7,"process":10,"type":"invoke","f":"write","value":1}
{"time":8,"process":10,"type":"ok","f":"write","value":1}
{"time":9,"process":1,"type":"invoke","f":"write","value":3,"attempt":1}
"#;
        let history = formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("well formed");
        let request = |first, last, attempts| Request { first: OpId(first), last: OpId(last), attempts };
        assert_eq!(requests(&history), [request(0, 3, 3), request(1, 1, 1), request(4, 4, 1)]);
    }
}
