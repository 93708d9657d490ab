//! A register that counts its writes: reads and writes return the version.
//!
//! Values have Jepsen's shape, `[version value]`: `nil` for the version where it is not known, which before a write
//! it never is. A `cas` compares values: `[version [from to]]`.

use super::{Effect, Model, ModelInfo, NotThisModel};
use crate::history::{Operation, Outcome, ValueId, ValueRef};

pub(super) const VERSIONED_REGISTER: ModelInfo = ModelInfo {
    name: "versioned-register",
    about: "a register whose operations also return how many writes it has seen",
    functions: "read -> [version value], write [nil value] -> [version value], \
                cas [nil [from to]] -> [version [from to]]",
};

const EXPECTED: &str = "values are [version value], and [version [from to]] for a cas; a version is a number or nil";

/// How the version changes with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum VersionStep {
    /// By one.
    #[default]
    One,
    /// By any amount, upwards: a revision that other objects share, such as etcd's.
    Any,
}

/// How a history's operations are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionedRegisterOptions {
    /// The value of version 0.
    pub initial: ValueId,
    /// How versions grow.
    pub step: VersionStep,
}

impl Default for VersionedRegisterOptions {
    fn default() -> Self {
        Self { initial: ValueId::NIL, step: VersionStep::One }
    }
}

/// The model.
#[derive(Clone, Debug, Default)]
pub struct VersionedRegister {
    options: VersionedRegisterOptions,
}

/// The value and its version: exactly `version`, or that at least where a write did not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VersionedState {
    version: u64,
    at_least: bool,
    value: ValueId,
}

/// What an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VersionedKind {
    /// Saw this value.
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
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionedCall {
    /// The version that a read saw or a mutation made, if it was told.
    pub version: Option<u64>,
    /// What it did.
    pub kind: VersionedKind,
}

impl VersionedCall {
    /// The value that it set.
    #[must_use]
    pub fn written(&self) -> Option<ValueId> {
        match self.kind {
            VersionedKind::Read(_) => None,
            VersionedKind::Write(value) | VersionedKind::Cas { to: value, .. } => Some(value),
        }
    }

    /// The value that it found.
    #[must_use]
    pub fn found(&self) -> Option<ValueId> {
        match self.kind {
            VersionedKind::Write(_) => None,
            VersionedKind::Read(value) | VersionedKind::Cas { from: value, .. } => Some(value),
        }
    }
}

impl VersionedRegister {
    /// The model with these options.
    #[must_use]
    pub fn new(options: VersionedRegisterOptions) -> Self {
        Self { options }
    }

    /// How versions grow.
    #[must_use]
    pub fn version_step(&self) -> VersionStep {
        self.options.step
    }

    /// The value of version 0.
    #[must_use]
    pub fn initial_value(&self) -> ValueId {
        self.options.initial
    }

    /// What the state after a mutation to `value` is, if the version fits.
    fn after(&self, state: &VersionedState, told: Option<u64>, value: ValueId) -> Option<VersionedState> {
        let next = state.version.checked_add(1)?;
        let (version, at_least) = match (told, self.options.step) {
            (None, VersionStep::One) => (next, false),
            (None, VersionStep::Any) => (next, true),
            (Some(told), VersionStep::One) => (told == next).then_some((told, false))?,
            (Some(told), VersionStep::Any) => (told >= next).then_some((told, false))?,
        };
        Some(VersionedState { version, at_least, value })
    }
}

/// What an operation did; `None` if its values have another shape.
fn kind(operation: &Operation<'_>) -> Option<(ValueId, VersionedKind)> {
    let values = operation.values();
    let source = if operation.function() == "read" { operation.result() } else { operation.argument() };
    let &[version, value] = values.items(source)? else { return None };
    let kind = match operation.function() {
        "read" => VersionedKind::Read(value),
        "write" => VersionedKind::Write(value),
        "cas" => match values.items(value)? {
            &[from, to] => VersionedKind::Cas { from, to },
            _ => return None,
        },
        _ => return None,
    };
    Some((version, kind))
}

fn read_call(operation: &Operation<'_>) -> Option<VersionedCall> {
    let values = operation.values();
    let (asked, kind) = kind(operation)?;
    let told = match values.items(operation.result()) {
        Some(&[told, _]) if operation.outcome() == Outcome::Completed => told,
        _ => asked,
    };
    let version = match values.get(told) {
        ValueRef::Nil => None,
        ValueRef::Int(number) => Some(u64::try_from(number).ok()?),
        _ => return None,
    };
    Some(VersionedCall { version, kind })
}

impl Model for VersionedRegister {
    type State = VersionedState;
    type Call = VersionedCall;

    fn initial(&self) -> VersionedState {
        VersionedState { version: 0, at_least: false, value: self.options.initial }
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<VersionedCall>, NotThisModel> {
        match (operation.function(), operation.outcome()) {
            ("read" | "write" | "cas", Outcome::Rejected) | ("read", Outcome::Indeterminate) => Ok(None),
            _ => read_call(operation)
                .map(Some)
                .ok_or_else(|| NotThisModel::new(VERSIONED_REGISTER.name, operation, EXPECTED)),
        }
    }

    fn step(&self, state: &VersionedState, call: &VersionedCall) -> Option<VersionedState> {
        if call.found().is_some_and(|found| found != state.value) {
            return None;
        }
        if let Some(value) = call.written() {
            return self.after(state, call.version, value);
        }
        match call.version {
            None => Some(*state),
            Some(seen) if seen == state.version || state.at_least && seen > state.version => {
                Some(VersionedState { version: seen, at_least: false, value: state.value })
            }
            Some(_) => None,
        }
    }

    fn effect(&self, call: &VersionedCall) -> Effect<VersionedState> {
        // Where versions may skip, a read settles which version a write that did not tell has made.
        let settles = self.options.step == VersionStep::Any && call.version.is_some();
        if call.written().is_some() || settles { Effect::Update } else { Effect::Observe }
    }

    /// A value that was found needs what can have made it. Where versions count the writes, a version that was
    /// told needs every write.
    fn needs(&self, kept: &VersionedCall, other: &VersionedCall) -> bool {
        let Some(written) = other.written() else { return false };
        let counts = self.options.step == VersionStep::One && kept.version.is_some();
        let same = match (kept.kind, kept.version, other.version) {
            (VersionedKind::Read(_), Some(seen), Some(made)) => seen == made,
            _ => true,
        };
        counts || (kept.found() == Some(written) && same)
    }
}
