//! From a history to sessions of transactions with the source of every read. O(accesses).
//!
//! - A rejected operation had no effect; who reads its value reads what was aborted.
//! - An indeterminate operation happened if somebody read what it wrote, after everything that its process did before.
//!   If nobody did, it is left out: nothing follows it in its session, so that no claim can turn on it. What it read
//!   itself is not known.
//! - Only values that are *read* must have one writer. A read of a value that several may have written (the initial value
//!   counts as written) is left out and counted: what is violated without it is violated, but nothing holds for sure.
//! - Reads of the own transaction's writes are checked here and are no part of the result.

use super::{Ambiguous, INITIAL, Read, Rows, Transactions, index};
use crate::check::judge::Question;
use crate::check::models::FailedCas;
use crate::check::session_kind::SessionNames;
use crate::check::verdict::{WrongRead, WrongReadKind};
use crate::history::{History, OpId, Operation, Outcome, Value, ValueId, ValueRef};
use hashbrown::HashTable;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::Hasher;

/// Models whose objects are keys with values.
const MODELS: [&str; 3] = ["register", "cas-register", "multi-register"];

/// What a function does to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    CompareAndSet,
    Transaction,
    Other,
}

fn kind(function: &str) -> Kind {
    match function {
        "read" | "r" | "get" => Kind::Read,
        "write" | "w" | "put" => Kind::Write,
        "cas" => Kind::CompareAndSet,
        "txn" => Kind::Transaction,
        _ => Kind::Other,
    }
}

/// Whether the history is about keys with values at all, as far as its functions and its model say.
#[must_use]
pub fn is_key_value(history: &History, question: &Question) -> bool {
    let model = question.model.as_deref().or(history.header().model.as_deref());
    model.is_none_or(|model| MODELS.contains(&model))
        && history.operations().all(|operation| kind(operation.function()) != Kind::Other)
}

/// The sessions of a history.
///
/// # Errors
/// Why this history has none, in words.
pub fn compile(history: &History, question: &Question) -> Result<Transactions, String> {
    let model = question.model.as_deref().or(history.header().model.as_deref());
    if let Some(model) = model.filter(|model| !MODELS.contains(model)) {
        return Err(format!("this is decided for keys with values that are read and written, not for model {model}"));
    }
    let source = Source::new(history, question);
    source.refuse_observed_failures()?;
    let layout = Layout::of(history, SessionNames::of(history, question.session)?);
    let mut reading = Reading::new(&source, &layout)?;
    for transaction in 0..index(layout.ops.len()) {
        if history.operation(layout.ops[transaction as usize]).outcome() == Outcome::Completed {
            reading.resolve(transaction)?;
        }
    }
    reading.resolve_observed()?;
    reading.finish()
}

/// One access of an operation.
#[derive(Clone, Copy, Debug)]
struct Access {
    key: ValueId,
    value: ValueId,
    writes: bool,
}

/// How to read accesses from a history.
struct Source<'h> {
    history: &'h History,
    kinds: Vec<Kind>,
    /// The words `r` and `read`, `w` and `write` of transactions.
    words: [ValueId; 4],
    nil_reads_anything: bool,
    failed_cas: FailedCas,
    initial: Initial,
}

/// The value of a key that nobody wrote.
enum Initial {
    Same(ValueId),
    ByKey(FxHashMap<ValueId, ValueId>),
}

impl Initial {
    fn new(history: &History, value: Option<&Value>) -> Self {
        let id = |value: &Value| history.values().id_of(value);
        match value {
            None => Self::Same(ValueId::NIL),
            Some(Value::Map(pairs)) => Self::ByKey(pairs.iter().map(|(key, value)| (id(key), id(value))).collect()),
            Some(value) => Self::Same(id(value)),
        }
    }

    fn of(&self, key: ValueId) -> ValueId {
        match self {
            Self::Same(value) => *value,
            Self::ByKey(values) => values.get(&key).copied().unwrap_or(ValueId::NIL),
        }
    }
}

impl<'h> Source<'h> {
    fn new(history: &'h History, question: &Question) -> Self {
        let word = |word| history.values().find(ValueRef::Text(word)).unwrap_or(ValueId::ABSENT);
        let initial = question.initial.as_ref().or(history.header().initial.as_ref());
        Self {
            history,
            kinds: history.functions().iter().map(kind).collect(),
            words: ["r", "read", "w", "write"].map(word),
            nil_reads_anything: question.nil_reads_anything,
            failed_cas: question.failed_cas,
            initial: Initial::new(history, initial),
        }
    }

    fn refuse_observed_failures(&self) -> Result<(), String> {
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
    fn accesses(&self, id: OpId, mut visit: impl FnMut(Access)) -> Result<(), String> {
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

/// Which operation is which transaction.
struct Layout {
    ops: Vec<OpId>,
    sessions: Vec<u32>,
    session_starts: Vec<u32>,
}

impl Layout {
    /// Sessions in order of their first operations.
    fn of(history: &History, names_of: SessionNames) -> Self {
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

/// Who wrote a value.
#[derive(Clone, Copy, Debug)]
struct Writer {
    key: u32,
    value: ValueId,
    transaction: u32,
    /// Whether it is what the transaction left behind.
    last: bool,
    several: bool,
}

/// Every value that was written, by key.
#[derive(Default)]
struct Writers {
    all: Vec<Writer>,
    table: HashTable<u32>,
}

fn hash(key: u32, value: ValueId) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u64(u64::from(key) << 32 | u64::from(value.raw()));
    hasher.finish()
}

impl Writers {
    fn add(&mut self, key: u32, value: ValueId, transaction: u32, last: bool) {
        let Self { all, table } = self;
        let same = |&at: &u32| all[at as usize].key == key && all[at as usize].value == value;
        if let Some(&at) = table.find(hash(key, value), same) {
            let writer = &mut all[at as usize];
            writer.several |= writer.transaction != transaction;
            writer.last |= last;
            return;
        }
        let at = index(all.len());
        all.push(Writer { key, value, transaction, last, several: false });
        table.insert_unique(hash(key, value), at, |&at| hash(all[at as usize].key, all[at as usize].value));
    }

    fn find(&self, key: u32, value: ValueId) -> Option<Writer> {
        let same = |&at: &u32| self.all[at as usize].key == key && self.all[at as usize].value == value;
        self.table.find(hash(key, value), same).map(|&at| self.all[at as usize])
    }
}

/// Transactions whose reads are being resolved.
struct Reading<'s> {
    source: &'s Source<'s>,
    layout: &'s Layout,
    names: FxHashMap<ValueId, u32>,
    keys: Vec<ValueId>,
    writers: Writers,
    aborted: FxHashMap<(u32, ValueId), OpId>,
    reads: Vec<(u32, Read)>,
    /// Indeterminate transactions that somebody read from, and those of them whose own reads are still to be resolved.
    observed: Vec<bool>,
    to_resolve: Vec<u32>,
    wrong_reads: Vec<WrongRead>,
    ambiguous: Option<Ambiguous>,
    /// The own writes of the transaction that is being resolved.
    own: Vec<(u32, ValueId)>,
}

impl<'s> Reading<'s> {
    fn new(source: &'s Source<'s>, layout: &'s Layout) -> Result<Self, String> {
        let mut reading = Self {
            source,
            layout,
            names: FxHashMap::default(),
            keys: Vec::new(),
            writers: Writers::default(),
            aborted: FxHashMap::default(),
            reads: Vec::new(),
            observed: vec![false; layout.ops.len()],
            to_resolve: Vec::new(),
            wrong_reads: Vec::new(),
            ambiguous: None,
            own: Vec::new(),
        };
        let mut written: Vec<(u32, ValueId)> = Vec::new();
        let mut seen: Vec<u32> = Vec::new();
        for (transaction, &op) in (0..).zip(&layout.ops) {
            written.clear();
            source.accesses(op, |access| {
                let key = reading.name(access.key);
                if access.writes {
                    written.push((key, access.value));
                }
            })?;
            seen.resize(reading.keys.len(), u32::MAX);
            for &(key, value) in written.iter().rev() {
                let last = std::mem::replace(&mut seen[key as usize], transaction) != transaction;
                reading.writers.add(key, value, transaction, last);
            }
        }
        for operation in source.history.operations().filter(|operation| operation.outcome() == Outcome::Rejected) {
            source.accesses(operation.id(), |access| {
                let key = reading.name(access.key);
                if access.writes {
                    reading.aborted.insert((key, access.value), operation.id());
                }
            })?;
        }
        Ok(reading)
    }

    fn name(&mut self, key: ValueId) -> u32 {
        *self.names.entry(key).or_insert_with(|| {
            self.keys.push(key);
            index(self.keys.len() - 1)
        })
    }

    fn resolve(&mut self, transaction: u32) -> Result<(), String> {
        let source = self.source;
        let op = self.layout.ops[transaction as usize];
        self.own.clear();
        source.accesses(op, |access| {
            let key = self.names[&access.key];
            if access.writes {
                self.own.push((key, access.value));
            } else {
                self.read(transaction, key, access);
            }
        })
    }

    fn read(&mut self, transaction: u32, key: u32, access: Access) {
        let value = access.value;
        if let Some(&(_, own)) = self.own.iter().rev().find(|(written, _)| *written == key) {
            if own != value {
                self.wrong(transaction, access, WrongReadKind::NotOwn, None);
            }
            return;
        }
        let initial = self.source.initial.of(access.key) == value;
        match self.writers.find(key, value) {
            Some(writer) if writer.several || initial => self.unclear(transaction, access),
            Some(writer) if writer.transaction == transaction => {
                self.wrong(transaction, access, WrongReadKind::Future, None);
            }
            Some(writer) if !writer.last => {
                let writer = self.layout.ops[writer.transaction as usize];
                self.wrong(transaction, access, WrongReadKind::Intermediate, Some(writer));
            }
            Some(writer) => self.found(transaction, Read { key, source: writer.transaction }),
            None if initial => self.found(transaction, Read { key, source: INITIAL }),
            None => {
                let aborted = self.aborted.get(&(key, value)).copied();
                let kind = if aborted.is_some() { WrongReadKind::Aborted } else { WrongReadKind::ThinAir };
                self.wrong(transaction, access, kind, aborted);
            }
        }
    }

    fn found(&mut self, transaction: u32, read: Read) {
        if let Some(seen) = self.observed.get_mut(read.source as usize)
            && !std::mem::replace(seen, true)
        {
            self.to_resolve.push(read.source);
        }
        self.reads.push((transaction, read));
    }

    fn wrong(&mut self, transaction: u32, access: Access, kind: WrongReadKind, writer: Option<OpId>) {
        let reader = self.layout.ops[transaction as usize];
        self.wrong_reads.push(WrongRead { reader, key: access.key, value: access.value, writer, kind });
    }

    fn unclear(&mut self, transaction: u32, access: Access) {
        let first = self.layout.ops[transaction as usize];
        let ambiguous =
            self.ambiguous.get_or_insert(Ambiguous { reads: 0, first, key: access.key, value: access.value });
        ambiguous.reads += 1;
    }

    /// An indeterminate compare-and-set that was observed found what it asks for.
    fn resolve_observed(&mut self) -> Result<(), String> {
        while let Some(transaction) = self.to_resolve.pop() {
            let op = self.layout.ops[transaction as usize];
            if self.source.history.operation(op).outcome() == Outcome::Indeterminate {
                self.resolve(transaction)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Transactions, String> {
        let Self { source, layout, names, keys, writers, mut reads, observed, wrong_reads, ambiguous, .. } = self;
        drop(writers);
        if !reads.is_sorted_by_key(|(transaction, _)| *transaction) {
            reads.sort_by_key(|(transaction, _)| *transaction);
        }
        let resolved = Rows::grouped(layout.ops.len(), &reads);
        drop(reads);
        let mut writes = Rows::with_capacity(layout.ops.len());
        let mut row: Vec<u32> = Vec::new();
        for (transaction, &op) in layout.ops.iter().enumerate() {
            row.clear();
            if observed[transaction] || source.history.operation(op).outcome() == Outcome::Completed {
                source.accesses(op, |access| row.extend(access.writes.then(|| names[&access.key])))?;
            }
            row.sort_unstable();
            row.dedup();
            for &key in &row {
                writes.push(key);
            }
            writes.end_row();
        }
        let (ops, sessions, session_starts) =
            (layout.ops.clone(), layout.sessions.clone(), layout.session_starts.clone());
        Ok(Transactions { ops, sessions, session_starts, keys, reads: resolved, writes, wrong_reads, ambiguous })
    }
}
