//! Several registers that one operation reads and writes together: atomic transactions.
//!
//! Knossos's shape: function `txn`, value `[[:read key value] [:write key value] …]` (or `:r` and `:w`), in order.
//! Linearizability of the one object that all registers form is strict serializability of the transactions.

use super::{Effect, Model, ModelInfo, NotThisModel};
use crate::check::persistent::PersistentMap;
use crate::history::{History, Operation, Outcome, Value, ValueId, ValueRef};
use rustc_hash::FxHashMap;
use std::sync::Arc;

pub(super) const MULTI_REGISTER: ModelInfo = ModelInfo {
    name: "multi-register",
    about: "registers by key that one operation reads and writes atomically",
    functions: "txn [[read key value] [write key value] ...]",
};

const EXPECTED: &str = "it has txn, whose value is a list of [read key value] and [write key value]";

/// How a history's transactions are to be read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MultiRegisterOptions {
    /// The values before any write by key; `nil` for the others.
    pub initial: Vec<(Value, Value)>,
    /// Whether a completed read of `nil` may have seen any value (Knossos's reading).
    pub nil_reads_anything: bool,
}

/// The model, for the values of one history.
#[derive(Clone, Debug)]
pub struct MultiRegister {
    initial: Arc<FxHashMap<ValueId, ValueId>>,
    nil_reads_anything: bool,
}

/// The registers that have been written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct MultiRegisterState {
    written: PersistentMap,
}

/// One read or write of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Access {
    /// Which register.
    pub key: ValueId,
    /// What was read or written.
    pub value: ValueId,
    /// Whether it was written.
    pub writes: bool,
}

/// One transaction: its accesses in order.
pub type Transaction = Arc<[Access]>;

impl MultiRegister {
    /// Registers for the values of `history`.
    #[must_use]
    pub fn new(history: &History, options: &MultiRegisterOptions) -> Self {
        let mut values = history.values().clone();
        // Ids that the history does not know stand for values that it does not mention; none of its accesses has them.
        let pairs = options.initial.iter().map(|(key, value)| (values.intern(key), values.intern(value)));
        Self { initial: Arc::new(pairs.collect()), nil_reads_anything: options.nil_reads_anything }
    }

    fn value(&self, state: &MultiRegisterState, key: ValueId) -> u32 {
        let initial = || self.initial.get(&key).copied().unwrap_or(ValueId::NIL).raw();
        state.written.get(u64::from(key.raw())).unwrap_or_else(initial)
    }

    /// Adds one access of a transaction, unless it is a read of nobody knows what; `None` if it has another shape.
    fn access(&self, operation: &Operation<'_>, item: ValueId, into: &mut Vec<Access>) -> Option<()> {
        let &[function, key, value] = operation.values().items(item)? else { return None };
        let writes = match operation.values().get(function) {
            ValueRef::Text("read" | "r") => false,
            ValueRef::Text("write" | "w") => true,
            _ => return None,
        };
        let unseen = operation.outcome() != Outcome::Completed || self.nil_reads_anything && value == ValueId::NIL;
        into.extend((writes || !unseen).then_some(Access { key, value, writes }));
        Some(())
    }
}

impl Model for MultiRegister {
    type State = MultiRegisterState;
    type Call = Transaction;

    fn initial(&self) -> MultiRegisterState {
        MultiRegisterState::default()
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<Transaction>, NotThisModel> {
        let unknown = || NotThisModel::new(MULTI_REGISTER.name, operation, EXPECTED);
        if operation.function() != "txn" {
            return Err(unknown());
        }
        if operation.outcome() == Outcome::Rejected {
            return Ok(None);
        }
        let told = operation.outcome() == Outcome::Completed && !operation.result().is_absent();
        let items = operation.values().items(if told { operation.result() } else { operation.argument() });
        let mut accesses = Vec::new();
        for &item in items.ok_or_else(unknown)? {
            self.access(operation, item, &mut accesses).ok_or_else(unknown)?;
        }
        Ok((!accesses.is_empty()).then(|| accesses.into()))
    }

    fn step(&self, state: &MultiRegisterState, transaction: &Transaction) -> Option<MultiRegisterState> {
        let mut state = state.clone();
        for access in &**transaction {
            if access.writes {
                state.written = state.written.with(u64::from(access.key.raw()), access.value.raw());
            } else if self.value(&state, access.key) != access.value.raw() {
                return None;
            }
        }
        Some(state)
    }

    fn effect(&self, transaction: &Transaction) -> Effect<MultiRegisterState> {
        if transaction.iter().any(|access| access.writes) { Effect::Update } else { Effect::Observe }
    }

    /// What was read needs every transaction that wrote that value to that register.
    fn needs(&self, kept: &Transaction, other: &Transaction) -> bool {
        let reads = kept.iter().filter(|access| !access.writes);
        let mut pairs = reads.flat_map(|read| other.iter().map(move |write| (read, write)));
        pairs.any(|(read, write)| write.writes && read.key == write.key && read.value == write.value)
    }

    fn partitions_by_key(&self) -> bool {
        false
    }

    fn describe(&self, state: &MultiRegisterState) -> String {
        format!("{:?}", state.written)
    }
}
