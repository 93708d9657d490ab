//! What the formats of checkers of transactions share: sessions of committed and aborted transactions, without times.
//!
//! Each session becomes a process, each transaction an operation `txn` whose value is the list of `[r key value]` and
//! `[w key value]`. Such a file says nothing about time ([`Header::NO_CLOCK`]). Transactions are not compared with each
//! other, so that none is looked up in a table.

use super::error::ReadError;
use crate::history::builder::{Actor, Event, HistoryBuilder, Phase, Place, Ties};
use crate::history::columns::{History, Nanos, ProcessId};
use crate::history::header::Header;
use crate::history::symbols::Symbol;
use crate::history::value::{Value, ValueId};
use rustc_hash::FxHashSet;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Committed,
    Aborted,
}

/// Gathers transactions into a history.
pub(super) struct Sessions {
    builder: HistoryBuilder,
    transaction: Symbol,
    read: ValueId,
    write: ValueId,
    /// The keys of which somebody read 0, and those of which somebody wrote it.
    zeros: [FxHashSet<i64>; 2],
}

impl Sessions {
    pub(super) fn new() -> Self {
        let header = Header {
            model: Some("multi-register".to_owned()),
            claims: vec!["causal-convergence".to_owned()],
            clock: Some(Header::NO_CLOCK.to_owned()),
            ..Header::default()
        };
        let mut builder = HistoryBuilder::new(header, Ties::FileOrder);
        let transaction = builder.functions().intern("txn");
        let [read, write] = ["r", "w"].map(|word| builder.values().text(word));
        Self { builder, transaction, read, write, zeros: <[_; 2]>::default() }
    }

    /// One access of a transaction; `None` is the initial value as such.
    pub(super) fn access(&mut self, writes: bool, key: i64, value: Option<i64>) -> ValueId {
        if value == Some(0) {
            self.zeros[usize::from(writes)].insert(key);
        }
        let function = if writes { self.write } else { self.read };
        let values = self.builder.values();
        let key = values.int(key);
        let value = value.map_or(ValueId::NIL, |value| values.int(value));
        values.unshared_triple([function, key, value])
    }

    /// The next transaction of a session.
    pub(super) fn push(&mut self, session: u32, accesses: &[ValueId], end: End, place: Place) -> Result<(), ReadError> {
        let value = self.builder.values().unshared_list(accesses);
        let phase = match end {
            End::Committed => Phase::Ok,
            End::Aborted => Phase::Fail,
        };
        for phase in [Phase::Invoke, phase] {
            let event = Event {
                time: Nanos::UNKNOWN,
                actor: Actor::Client(ProcessId(session)),
                phase,
                function: self.transaction,
                key: ValueId::ABSENT,
                value,
                node: Symbol::NONE,
                error: Symbol::NONE,
                retry: None,
                place,
            };
            self.builder.push(&event).map_err(|defect| ReadError::defect(defect, None))?;
        }
        Ok(())
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.builder.warn(warning);
    }

    /// What keys hold at first where 0 is the initial value of every key that nobody writes 0 to.
    pub(super) fn zero_unless_written(&self) -> Value {
        let [read, written] = &self.zeros;
        if written.is_empty() {
            return Value::Int(0);
        }
        let mut keys: Vec<i64> = read.difference(written).copied().collect();
        keys.sort_unstable();
        Value::Map(keys.into_iter().map(|key| (Value::Int(key), Value::Int(0))).collect())
    }

    /// The history, whose keys hold that value at first; `None` is nil.
    pub(super) fn finish(mut self, initial: Option<Value>) -> History {
        self.builder.header().initial = initial;
        self.builder.finish()
    }
}

/// A whole number at the beginning of `text` and what follows it, if it is spelled with at most 18 digits and perhaps a
/// minus sign.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<(i64, &[u8])> {
    const DIGITS_MAX: usize = 18;
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (mut number, mut len) = (0_i64, 0);
    while let Some(digit) = digits.get(len).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
        if len == DIGITS_MAX {
            return None;
        }
        number = number * 10 + i64::from(digit);
        len += 1;
    }
    (len > 0).then(|| (if negative { -number } else { number }, &digits[len..]))
}
