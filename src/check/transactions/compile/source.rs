//! What an operation reads and writes: the words of histories, as accesses to keys.

use crate::check::initial::Initial;
use crate::check::judge::Question;
use crate::check::models::FailedCas;
use crate::history::{History, OpId, Operation, Outcome, ValueId, ValueRef};

/// What a function does to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    CompareAndSet,
    Transaction,
    Other,
}

pub(super) fn kind(function: &str) -> Kind {
    match function {
        "read" | "r" | "get" => Kind::Read,
        "write" | "w" | "put" => Kind::Write,
        "cas" => Kind::CompareAndSet,
        "txn" => Kind::Transaction,
        _ => Kind::Other,
    }
}

/// One access of an operation.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct Access {
    pub(in crate::check) key: ValueId,
    pub(in crate::check) value: ValueId,
    pub(in crate::check) writes: bool,
}

/// How to read accesses from a history.
pub(in crate::check) struct Source<'h> {
    pub(super) history: &'h History,
    kinds: Vec<Kind>,
    /// The words `r` and `read`, `w` and `write` of transactions.
    words: [ValueId; 4],
    nil_reads_anything: bool,
    failed_cas: FailedCas,
    initial: Initial,
}

impl<'h> Source<'h> {
    pub(in crate::check) fn new(history: &'h History, question: &Question) -> Self {
        let word = |word| history.values().find(ValueRef::Text(word)).unwrap_or(ValueId::ABSENT);
        Self {
            history,
            kinds: history.functions().iter().map(kind).collect(),
            words: ["r", "read", "w", "write"].map(word),
            nil_reads_anything: question.nil_reads_anything,
            failed_cas: question.failed_cas,
            initial: Initial::of(history, question),
        }
    }

    pub(super) fn refuse_observed_failures(&self) -> Result<(), String> {
        let observed = |operation: Operation<'_>| {
            self.kinds[operation.function_symbol().index()] == Kind::CompareAndSet
                && operation.outcome() == Outcome::Rejected
        };
        if self.failed_cas == FailedCas::Observe && self.history.operations().any(observed) {
            return Err("what a failed compare-and-set did not see has no single writer; judge with --failed-cas drop"
                .to_owned());
        }
        Ok(())
    }

    /// Hands out the accesses of an operation in order; of one that did not complete, only what it would have written,
    /// and what a compare-and-set must then have found.
    pub(in crate::check) fn accesses(&self, id: OpId, mut visit: impl FnMut(Access)) -> Result<(), String> {
        let operation = self.history.operation(id);
        let completed = operation.outcome() == Outcome::Completed;
        let key = operation.key();
        let nil_if_absent = |value: ValueId| if value.is_absent() { ValueId::NIL } else { value };
        match self.kinds[operation.function_symbol().index()] {
            Kind::Read => {
                let value = operation.result();
                if completed && value.is_absent() {
                    return Err(format!("the completed read of line {} says no value", operation.line()));
                }
                if completed && self.tells(value) {
                    visit(Access { key, value, writes: false });
                }
            }
            Kind::Write => visit(Access { key, value: nil_if_absent(operation.argument()), writes: true }),
            Kind::CompareAndSet => {
                let Some(&[from, to]) = operation.values().items(operation.argument()) else {
                    return Err(format!("the value of the cas of line {} is not [from to]", operation.line()));
                };
                visit(Access { key, value: from, writes: false });
                visit(Access { key, value: to, writes: true });
            }
            Kind::Transaction => {
                let told = completed && !operation.result().is_absent();
                let items = operation.values().items(if told { operation.result() } else { operation.argument() });
                for &item in items.ok_or_else(|| self.strange(&operation))? {
                    let access = self.access_of(item).ok_or_else(|| self.strange(&operation))?;
                    if access.writes || completed && self.tells(access.value) {
                        visit(access);
                    }
                }
            }
            Kind::Other => {
                return Err(format!(
                    "this is decided for keys with values that are read and written; '{}' of line {} is neither",
                    operation.function(),
                    operation.line()
                ));
            }
        }
        Ok(())
    }

    /// Hands out the keys that an operation asks for, answered or not; a compare-and-set asks for none.
    pub(in crate::check) fn asked(&self, id: OpId, mut visit: impl FnMut(ValueId)) {
        let operation = self.history.operation(id);
        match self.kinds[operation.function_symbol().index()] {
            Kind::Read => visit(operation.key()),
            Kind::Transaction => {
                let items = operation.values().items(operation.argument());
                for &item in items.or_else(|| operation.values().items(operation.result())).unwrap_or_default() {
                    if let Some(access) = self.access_of(item).filter(|access| !access.writes) {
                        visit(access.key);
                    }
                }
            }
            Kind::Write | Kind::CompareAndSet | Kind::Other => {}
        }
    }

    /// The value that a key holds before any write.
    pub(super) fn initial_of(&self, key: ValueId) -> ValueId {
        self.initial.value_of(key)
    }

    fn tells(&self, value: ValueId) -> bool {
        !(self.nil_reads_anything && value == ValueId::NIL)
    }

    fn access_of(&self, item: ValueId) -> Option<Access> {
        let &[function, key, value] = self.history.values().items(item)? else { return None };
        let place = self.words.iter().position(|&word| word == function && !word.is_absent())?;
        Some(Access { key, value, writes: place >= 2 })
    }

    fn strange(&self, operation: &Operation<'_>) -> String {
        format!(
            "the transaction of line {} is no list of [r key value] and [w key value]: {}",
            operation.line(),
            self.history.functions().get(operation.function_symbol())
        )
    }
}
