//! A counter: add, read, and additions that return the sum.

use super::{Effect, Model, ModelInfo, NotThisModel};
use crate::history::{History, Operation, Outcome, ValueRef};

pub(super) const COUNTER: ModelInfo = ModelInfo {
    name: "counter",
    about: "a whole number that additions change and reads return",
    functions: "add number, inc [number], dec [number], read -> number; \
                add-and-get number -> sum, fetch-add number -> sum before",
};

const EXPECTED: &str = "it has add, inc, dec, read, add-and-get and fetch-add with whole numbers that 64 bits hold";

/// What the completion of an `add`, `inc` or `dec` carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AddAnswer {
    /// [`AddAnswer::After`] if any completed one of the history carries a number that is not its argument,
    /// [`AddAnswer::Echo`] otherwise.
    #[default]
    Detect,
    /// The argument again, or nothing (Jepsen's habit).
    Echo,
    /// The sum with the addition.
    After,
    /// The sum before the addition.
    Before,
}

/// How a history's counter operations are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CounterOptions {
    /// The sum before any addition.
    pub initial: i64,
    /// What a completed addition carries.
    pub answer: AddAnswer,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Counter {
    initial: i64,
    answer: AddAnswer,
}

/// One operation on a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CounterCall {
    /// Returned this sum.
    Read(i64),
    /// Added this much, and said nothing.
    Add(i64),
    /// Added `delta`, and returned the sum with it.
    AddAndGet {
        /// How much.
        delta: i64,
        /// The sum after it.
        sum: i64,
    },
}

impl CounterCall {
    /// How much it adds.
    #[must_use]
    pub fn delta(self) -> i64 {
        match self {
            Self::Read(_) => 0,
            Self::Add(delta) | Self::AddAndGet { delta, .. } => delta,
        }
    }
}

impl Counter {
    /// A counter for the operations of `history`.
    #[must_use]
    pub fn new(history: &History, options: &CounterOptions) -> Self {
        let answer = match options.answer {
            AddAnswer::Detect if history.operations().any(answers_otherwise) => AddAnswer::After,
            AddAnswer::Detect => AddAnswer::Echo,
            chosen => chosen,
        };
        Self { initial: options.initial, answer }
    }

    /// A counter that starts at `initial` and whose additions return nothing.
    #[must_use]
    pub fn starting_at(initial: i64) -> Self {
        Self { initial, answer: AddAnswer::Echo }
    }

    /// The sum before any addition.
    #[must_use]
    pub fn initial_sum(&self) -> i64 {
        self.initial
    }

    fn read(operation: &Operation<'_>) -> Option<CounterCall> {
        number(operation.values().get(operation.result())).map(CounterCall::Read)
    }

    fn add(&self, operation: &Operation<'_>, delta: i64) -> Option<CounterCall> {
        let answer = match operation.function() {
            "add-and-get" => AddAnswer::After,
            "fetch-add" | "get-and-add" => AddAnswer::Before,
            _ => self.answer,
        };
        if operation.outcome() == Outcome::Indeterminate || answer == AddAnswer::Echo {
            return Some(CounterCall::Add(delta));
        }
        let result = number(operation.values().get(operation.result()))?;
        let sum = if answer == AddAnswer::Before { result.checked_add(delta)? } else { result };
        Some(CounterCall::AddAndGet { delta, sum })
    }
}

fn number(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Int(number) => Some(number),
        _ => None,
    }
}

/// How much an operation adds by its argument; `None` if it is no addition, or of nothing that is a number.
fn delta(operation: &Operation<'_>) -> Option<i64> {
    let argument = operation.values().get(operation.argument());
    let steps = if argument == ValueRef::Nil { Some(1) } else { number(argument) };
    match operation.function() {
        "add" | "add-and-get" | "fetch-add" | "get-and-add" => number(argument),
        "inc" | "increment" => steps,
        "dec" | "decrement" => steps.and_then(i64::checked_neg),
        _ => None,
    }
}

fn answers_otherwise(operation: Operation<'_>) -> bool {
    let plain = matches!(operation.function(), "add" | "inc" | "increment" | "dec" | "decrement");
    let result = number(operation.values().get(operation.result()));
    plain && operation.outcome() == Outcome::Completed && result.is_some() && operation.result() != operation.argument()
}

impl Model for Counter {
    type State = i64;
    type Call = CounterCall;

    fn initial(&self) -> i64 {
        self.initial
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<CounterCall>, NotThisModel> {
        let call = match (operation.function(), operation.outcome()) {
            (_, Outcome::Rejected) | ("read" | "get", Outcome::Indeterminate) => return Ok(None),
            ("read" | "get", Outcome::Completed) => Self::read(operation),
            _ => delta(operation).and_then(|delta| self.add(operation, delta)),
        };
        call.map(Some).ok_or_else(|| NotThisModel::new(COUNTER.name, operation, EXPECTED))
    }

    /// A sum that 64 bits do not hold is illegal.
    fn step(&self, state: &i64, call: &CounterCall) -> Option<i64> {
        let next = state.checked_add(call.delta())?;
        match *call {
            CounterCall::Read(sum) | CounterCall::AddAndGet { sum, .. } => (next == sum).then_some(next),
            CounterCall::Add(_) => Some(next),
        }
    }

    fn effect(&self, call: &CounterCall) -> Effect<i64> {
        if call.delta() == 0 { Effect::Observe } else { Effect::Update }
    }

    /// Every sum that was seen needs every addition.
    fn needs(&self, kept: &CounterCall, other: &CounterCall) -> bool {
        !matches!(kept, CounterCall::Add(_)) && other.delta() != 0
    }
}
