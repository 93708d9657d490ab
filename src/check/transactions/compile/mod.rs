//! From a history to sessions of transactions with the source of every read. O(accesses).
//!
//! - A rejected operation had no effect; who reads its value reads what was aborted.
//! - An indeterminate operation happened if somebody read what it wrote, after everything that its process did before.
//!   If nobody did, it is left out: nothing follows it in its session, so that no claim can turn on it. What it read
//!   itself is not known.
//! - Only values that are *read* must have one writer. A read of a value that several may have written (the initial value
//!   counts as written) is left out and counted: what is violated without it is violated, but nothing holds for sure.
//! - Reads of the own transaction's writes are checked here and are no part of the result.

mod flat;
mod layout;
mod source;
mod written;

use super::{Ambiguous, INITIAL, Read, Rows, Transactions};
use crate::check::judge::Question;
use crate::check::session_kind::SessionNames;
use crate::check::verdict::{WrongRead, WrongReadKind};
use crate::history::{History, OpId, Outcome, ValueId};
use flat::{Accesses, Flat};
use layout::Layout;
use source::{Kind, kind};
use written::Written;

pub(in crate::check) use source::Source;

/// Models whose objects are keys with values.
const MODELS: [&str; 3] = ["register", "cas-register", "multi-register"];

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
    let accesses = Accesses::of(&source, &layout)?;
    let mut reading = Reading::new(&source, &layout, &accesses);
    let mut reads = Rows::with_capacities(layout.ops.len(), accesses.reads());
    for (transaction, &op) in (0..).zip(&layout.ops) {
        if history.operation(op).outcome() == Outcome::Completed {
            reading.resolve(transaction, |read| reads.push(read));
        }
        reads.end_row();
    }
    let reads = reading.resolve_observed(reads);
    Ok(reading.finish(reads))
}

/// Transactions whose reads are being resolved.
struct Reading<'s> {
    source: &'s Source<'s>,
    layout: &'s Layout,
    accesses: &'s Accesses,
    written: Written,
    /// Indeterminate transactions that somebody read from, and those of them whose own reads are still to be resolved.
    observed: Vec<bool>,
    to_resolve: Vec<u32>,
    wrong_reads: Vec<WrongRead>,
    ambiguous: Option<Ambiguous>,
    /// By key: the last transaction that wrote it as far as it is resolved, and what.
    own: Vec<(u32, ValueId)>,
}

impl<'s> Reading<'s> {
    fn new(source: &'s Source<'s>, layout: &'s Layout, accesses: &'s Accesses) -> Self {
        Self {
            source,
            layout,
            accesses,
            written: accesses.written(),
            observed: vec![false; layout.ops.len()],
            to_resolve: Vec::new(),
            wrong_reads: Vec::new(),
            ambiguous: None,
            own: vec![(u32::MAX, ValueId::ABSENT); accesses.names.keys.len()],
        }
    }

    /// Hands out what a transaction read of others.
    fn resolve(&mut self, transaction: u32, mut visit: impl FnMut(Read)) {
        for &access in self.accesses.rows.row(transaction) {
            if access.writes() {
                self.own[access.key() as usize] = (transaction, access.value);
            } else if let Some(source) = self.source_of(transaction, access) {
                visit(Read { key: access.key(), source });
            }
        }
    }

    /// The transaction that wrote what was read, unless it is the same one, nobody, or not known.
    fn source_of(&mut self, transaction: u32, access: Flat) -> Option<u32> {
        let (key, value) = (access.key(), access.value);
        let (by, own) = self.own[key as usize];
        if by == transaction {
            if own != value {
                self.wrong(transaction, access, WrongReadKind::NotOwn, None);
            }
            return None;
        }
        let initial = self.source.initial_of(self.accesses.names.keys[key as usize]) == value;
        match self.written.find(key, value) {
            Some(writer) if initial || writer.several => self.unclear(transaction, access),
            Some(writer) if writer.transaction == transaction => {
                self.wrong(transaction, access, WrongReadKind::Future, None);
            }
            Some(writer) if !writer.last => {
                let op = self.layout.ops[writer.transaction as usize];
                self.wrong(transaction, access, WrongReadKind::Intermediate, Some(op));
            }
            Some(writer) => {
                self.observe(writer.transaction);
                return Some(writer.transaction);
            }
            None if initial => return Some(INITIAL),
            None => {
                let aborted = self.accesses.aborted.get(&(key, value)).copied();
                let kind = if aborted.is_some() { WrongReadKind::Aborted } else { WrongReadKind::ThinAir };
                self.wrong(transaction, access, kind, aborted);
            }
        }
        None
    }

    fn observe(&mut self, source: u32) {
        if !std::mem::replace(&mut self.observed[source as usize], true) {
            self.to_resolve.push(source);
        }
    }

    fn wrong(&mut self, transaction: u32, access: Flat, kind: WrongReadKind, writer: Option<OpId>) {
        let reader = self.layout.ops[transaction as usize];
        let key = self.accesses.names.keys[access.key() as usize];
        self.wrong_reads.push(WrongRead { reader, key, value: access.value, writer, kind });
    }

    fn unclear(&mut self, transaction: u32, access: Flat) {
        let first = self.layout.ops[transaction as usize];
        let key = self.accesses.names.keys[access.key() as usize];
        let ambiguous = self.ambiguous.get_or_insert(Ambiguous { reads: 0, first, key, value: access.value });
        ambiguous.reads += 1;
    }

    /// An indeterminate compare-and-set that was observed found what it asks for.
    fn resolve_observed(&mut self, reads: Rows<Read>) -> Rows<Read> {
        let mut late: Vec<(u32, Read)> = Vec::new();
        while let Some(transaction) = self.to_resolve.pop() {
            let op = self.layout.ops[transaction as usize];
            if self.source.history.operation(op).outcome() == Outcome::Indeterminate {
                self.resolve(transaction, |read| late.push((transaction, read)));
            }
        }
        if late.is_empty() {
            return reads;
        }
        let on_time = (0..reads.count()).flat_map(|at| reads.row(at).iter().map(move |&read| (at, read)));
        Rows::grouped(self.layout.ops.len(), on_time.chain(late.iter().copied()))
    }

    fn finish(self, reads: Rows<Read>) -> Transactions {
        let Self { source, layout, accesses, written, observed, wrong_reads, ambiguous, .. } = self;
        drop(written);
        let of_all = accesses.rows.items().len();
        let mut writes = Rows::with_capacities(layout.ops.len(), of_all - accesses.reads());
        for (transaction, &op) in (0..).zip(&layout.ops) {
            let happened = observed[transaction as usize];
            if happened || source.history.operation(op).outcome() == Outcome::Completed {
                let written = accesses.rows.row(transaction).iter().filter(|access| access.writes());
                written.for_each(|access| writes.push(access.key()));
                writes.sort_open_row();
            }
            writes.end_row();
        }
        let keys = accesses.names.keys.clone();
        let (ops, sessions) = (layout.ops.clone(), layout.sessions.clone());
        let session_starts = layout.session_starts.clone();
        Transactions { ops, sessions, session_starts, keys, reads, writes, wrong_reads, ambiguous }
    }
}
