//! A register: read, write, compare-and-set.

use super::{Effect, Model, ModelInfo, NotThisModel};
use crate::history::{History, Operation, Outcome, Value, ValueId};

pub(super) const REGISTER: ModelInfo = ModelInfo {
    name: "register",
    about: "one value; a read returns the last one written",
    functions: "read -> value, write value",
};

pub(super) const CAS_REGISTER: ModelInfo = ModelInfo {
    name: "cas-register",
    about: "a register with compare-and-set",
    functions: "read -> value, write value, cas [from to]",
};

/// A field that was forgotten must not accuse a store of having lost what was written.
const NO_VALUE: &str = "a completed read needs a value; write null for nil";

/// What a compare-and-set that answered `fail` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FailedCas {
    /// Nothing: it did not happen (Jepsen's meaning of `fail`).
    #[default]
    Drop,
    /// The register did not hold the expected value (Porcupine's reading). Only where *every* `fail` of a `cas`
    /// is such an answer and none is an error.
    Observe,
}

/// How a history's register operations are to be read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RegisterOptions {
    /// The value before any write; `nil` where absent.
    pub initial: Option<Value>,
    /// What a failed compare-and-set says.
    pub failed_cas: FailedCas,
    /// Whether a completed read of `nil` may have seen any value (Knossos's reading).
    pub nil_reads_anything: bool,
}

/// The register model. Values are ids of one history's table.
#[derive(Clone, Debug)]
pub struct Register {
    initial: ValueId,
    failed_cas: FailedCas,
    nil_reads_anything: bool,
}

/// One operation on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RegisterCall {
    /// Returned this value.
    Read(ValueId),
    /// Set this value.
    Write(ValueId),
    /// Found `from` and set `to`.
    Cas {
        /// What it found.
        from: ValueId,
        /// What it set.
        to: ValueId,
    },
    /// Found something else than this value.
    FailedCas(ValueId),
}

impl Register {
    /// A register for the values of `history`.
    #[must_use]
    pub fn new(history: &History, options: &RegisterOptions) -> Self {
        let initial = options.initial.as_ref().map_or(ValueId::NIL, |value| history.values().id_of(value));
        Self { initial, failed_cas: options.failed_cas, nil_reads_anything: options.nil_reads_anything }
    }

    /// A register whose initial value is already an id.
    #[must_use]
    pub fn starting_at(initial: ValueId) -> Self {
        Self { initial, failed_cas: FailedCas::Drop, nil_reads_anything: false }
    }

    /// The value before any write.
    #[must_use]
    pub fn initial_value(&self) -> ValueId {
        self.initial
    }

    /// What a failed compare-and-set says.
    #[must_use]
    pub fn failed_cas(&self) -> FailedCas {
        self.failed_cas
    }

    /// The same register with another initial value, or with the same one under another id.
    #[must_use]
    pub fn with_initial_value(self, initial: ValueId) -> Self {
        Self { initial, ..self }
    }

    fn cas(&self, operation: &Operation<'_>) -> Result<Option<RegisterCall>, NotThisModel> {
        let Some(&[from, to]) = operation.values().items(operation.argument()) else {
            return Err(NotThisModel::new(CAS_REGISTER.name, operation, "the value of 'cas' is [from to]"));
        };
        Ok(match (operation.outcome(), self.failed_cas) {
            (Outcome::Completed | Outcome::Indeterminate, _) => Some(RegisterCall::Cas { from, to }),
            (Outcome::Rejected, FailedCas::Observe) => Some(RegisterCall::FailedCas(from)),
            (Outcome::Rejected, FailedCas::Drop) => None,
        })
    }
}

impl Model for Register {
    type State = ValueId;
    type Call = RegisterCall;

    fn initial(&self) -> ValueId {
        self.initial
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<RegisterCall>, NotThisModel> {
        let outcome = operation.outcome();
        match operation.function() {
            "read" | "r" | "get" => {
                let value = operation.result();
                if outcome == Outcome::Completed && value.is_absent() {
                    return Err(NotThisModel::new(CAS_REGISTER.name, operation, NO_VALUE));
                }
                let seen = outcome == Outcome::Completed && !(self.nil_reads_anything && value == ValueId::NIL);
                Ok(seen.then_some(RegisterCall::Read(value)))
            }
            "write" | "w" | "put" => {
                let argument = operation.argument();
                let value = if argument.is_absent() { ValueId::NIL } else { argument };
                Ok((outcome != Outcome::Rejected).then_some(RegisterCall::Write(value)))
            }
            "cas" => self.cas(operation),
            _ => Err(NotThisModel::new(CAS_REGISTER.name, operation, "it has read, write and cas")),
        }
    }

    fn step(&self, state: &ValueId, call: &RegisterCall) -> Option<ValueId> {
        match *call {
            RegisterCall::Read(value) => (*state == value).then_some(value),
            RegisterCall::Write(value) => Some(value),
            RegisterCall::Cas { from, to } => (*state == from).then_some(to),
            RegisterCall::FailedCas(from) => (*state != from).then_some(*state),
        }
    }

    fn effect(&self, call: &RegisterCall) -> Effect<ValueId> {
        match *call {
            RegisterCall::Read(_) | RegisterCall::FailedCas(_) => Effect::Observe,
            RegisterCall::Write(value) => Effect::Overwrite(value),
            RegisterCall::Cas { .. } => Effect::Update,
        }
    }

    /// An observer needs every operation that may have produced what it saw. What a failed compare-and-set saw is
    /// not known, so it needs every one that can have changed the register to something else.
    fn needs(&self, kept: &RegisterCall, other: &RegisterCall) -> bool {
        let produced = match *other {
            RegisterCall::Write(value) | RegisterCall::Cas { to: value, .. } => value,
            RegisterCall::Read(_) | RegisterCall::FailedCas(_) => return false,
        };
        match *kept {
            RegisterCall::Read(seen) | RegisterCall::Cas { from: seen, .. } => seen == produced,
            RegisterCall::FailedCas(not_seen) => produced != not_seen,
            RegisterCall::Write(_) => false,
        }
    }

    fn needs_only_the_past(&self) -> bool {
        true
    }

    fn forget(&self, call: &RegisterCall) -> Option<RegisterCall> {
        match *call {
            RegisterCall::Cas { to, .. } => Some(RegisterCall::Write(to)),
            _ => None,
        }
    }

    fn returning(&self, call: &RegisterCall, value: ValueId) -> Option<RegisterCall> {
        match *call {
            RegisterCall::Read(_) => Some(RegisterCall::Read(value)),
            RegisterCall::Cas { to, .. } => Some(RegisterCall::Cas { from: value, to }),
            RegisterCall::Write(_) | RegisterCall::FailedCas(_) => None,
        }
    }

    fn holds_initially(&self) -> Option<ValueId> {
        Some(self.initial)
    }

    fn observes(&self, call: &RegisterCall) -> Option<ValueId> {
        match *call {
            RegisterCall::Read(value) | RegisterCall::Cas { from: value, .. } => Some(value),
            RegisterCall::Write(_) | RegisterCall::FailedCas(_) => None,
        }
    }

    fn produces(&self, call: &RegisterCall) -> Option<ValueId> {
        match *call {
            RegisterCall::Write(value) | RegisterCall::Cas { to: value, .. } => Some(value),
            RegisterCall::Read(_) | RegisterCall::FailedCas(_) => None,
        }
    }
}
