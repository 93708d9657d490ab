//! What each object does, in as few words as possible and without the checker's models.

use super::histories::{Op, Specification};
use consistory::history::{Outcome, Value};
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("{other} is no number"),
    }
}

fn list(items: &[Value]) -> Value {
    Value::List(items.into())
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        other => panic!("{other} is no list"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ContainerKind {
    Fifo,
    Unordered,
    Stack,
}

/// Queues and stacks of numbers.
pub(super) struct Container {
    kind: ContainerKind,
    values: i64,
}

impl Container {
    /// Whose values are mostly unique.
    pub(super) fn new(kind: ContainerKind) -> Self {
        Self { kind, values: 60 }
    }

    /// Whose values come again.
    pub(super) fn repeated(kind: ContainerKind) -> Self {
        Self { kind, values: 2 }
    }
}

impl Specification for Container {
    type State = Vec<i64>;

    fn initial(&self) -> Vec<i64> {
        Vec::new()
    }

    fn choose(&self, random: &mut SmallRng, _: &[Op]) -> (&'static str, Value) {
        let (insert, take) = match self.kind {
            ContainerKind::Stack => ("push", "pop"),
            _ => ("enqueue", "dequeue"),
        };
        if random.random_bool(0.5) {
            (insert, Value::Int(random.random_range(0..self.values)))
        } else {
            (take, Value::Nil)
        }
    }

    fn run(&self, state: &Vec<i64>, op: &Op) -> Vec<(Vec<i64>, Value)> {
        if op.function == "enqueue" || op.function == "push" {
            return vec![([&state[..], &[int(&op.argument)]].concat(), op.argument.clone())];
        }
        if state.is_empty() {
            return vec![(Vec::new(), Value::Nil)];
        }
        let takable = match self.kind {
            ContainerKind::Fifo => 0..1,
            ContainerKind::Unordered => 0..state.len(),
            ContainerKind::Stack => state.len() - 1..state.len(),
        };
        let take = |at: usize| {
            let mut rest = state.clone();
            let taken = rest.remove(at);
            if self.kind == ContainerKind::Unordered {
                rest.sort_unstable();
            }
            (rest, Value::Int(taken))
        };
        takable.map(take).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CounterKind {
    EqualSteps,
    Down,
    Sums,
    Any,
}

pub(super) struct CounterSpec(pub CounterKind);

impl Specification for CounterSpec {
    type State = i64;

    fn initial(&self) -> i64 {
        0
    }

    fn choose(&self, random: &mut SmallRng, _: &[Op]) -> (&'static str, Value) {
        let plain = match self.0 {
            CounterKind::EqualSteps => [("add", 2), ("read", 0), ("add", 2)],
            CounterKind::Down => [("dec", 1), ("read", 0), ("add", -1)],
            CounterKind::Sums => {
                [("add-and-get", 1 + i64::from(random.random_bool(0.1))), ("fetch-add", 1), ("add", 1)]
            }
            CounterKind::Any => [("add", random.random_range(-1..3)), ("inc", 1), ("read", 0)],
        };
        let sums = [("add-and-get", 3), ("fetch-add", 1), ("read", 0)];
        let all_return = self.0 == CounterKind::Any && random.random_bool(0.5);
        let (function, delta) = if all_return { sums } else { plain }[random.random_range(0..3)];
        let function = if self.0 == CounterKind::Sums && random.random_bool(0.3) { "read" } else { function };
        (function, if function == "read" { Value::Nil } else { Value::Int(delta) })
    }

    fn run(&self, state: &i64, op: &Op) -> Vec<(i64, Value)> {
        let sum = match op.function {
            "read" => *state,
            "dec" => state - int(&op.argument),
            _ => state + int(&op.argument),
        };
        let answer = match op.function {
            "read" | "add-and-get" => Value::Int(sum),
            "fetch-add" => Value::Int(*state),
            _ => op.argument.clone(),
        };
        vec![(sum, answer)]
    }
}

pub(super) struct Sets {
    pub elements: i64,
    pub results: bool,
    pub removes: bool,
    pub reads: bool,
}

impl Specification for Sets {
    type State = Vec<i64>;

    fn initial(&self) -> Vec<i64> {
        Vec::new()
    }

    fn choose(&self, random: &mut SmallRng, _: &[Op]) -> (&'static str, Value) {
        let element = Value::Int(random.random_range(0..self.elements));
        match random.random_range(0..6) {
            0 if self.removes => ("remove", element),
            1 if self.removes && self.results => ("remove", element),
            2 | 3 if self.reads => ("read", Value::Nil),
            2 => ("contains", element),
            _ => ("add", element),
        }
    }

    fn run(&self, state: &Vec<i64>, op: &Op) -> Vec<(Vec<i64>, Value)> {
        if op.function == "read" {
            return vec![(state.clone(), list(&state.iter().map(|&element| Value::Int(element)).collect::<Vec<_>>()))];
        }
        let element = int(&op.argument);
        let there = state.contains(&element);
        let mut next: Vec<i64> = state.iter().copied().filter(|&other| other != element).collect();
        let truth = match op.function {
            "add" => !there,
            _ => there,
        };
        if op.function == "add" || op.function == "contains" && there {
            next.push(element);
            next.sort_unstable();
        }
        let tells = self.results || op.function == "contains";
        vec![(next, if tells { Value::Bool(truth) } else { op.argument.clone() })]
    }

    /// A read returns its elements in no particular order; an addition that says nothing always fits.
    fn after(&self, state: &Vec<i64>, op: &Op) -> Vec<Vec<i64>> {
        let fits = |result: &Value| match (&op.result, result) {
            _ if op.outcome == Outcome::Indeterminate => true,
            (Value::List(seen), Value::List(there)) => {
                seen.iter().all(|element| there.contains(element)) && there.iter().all(|element| seen.contains(element))
            }
            (Value::Int(_), Value::Int(_)) => true,
            (seen, result) => seen == result,
        };
        self.run(state, op).into_iter().filter(|(_, result)| fits(result)).map(|(state, _)| state).collect()
    }
}

/// A lock without owner, or a semaphore.
pub(super) struct Permits {
    pub permits: i64,
    pub weighted: bool,
}

impl Specification for Permits {
    type State = i64;

    fn initial(&self) -> i64 {
        0
    }

    fn choose(&self, random: &mut SmallRng, _: &[Op]) -> (&'static str, Value) {
        let function = if random.random_bool(0.5) { "acquire" } else { "release" };
        (function, if self.weighted { Value::Int(random.random_range(1..3)) } else { Value::Nil })
    }

    fn run(&self, taken: &i64, op: &Op) -> Vec<(i64, Value)> {
        let permits = if op.argument == Value::Nil { 1 } else { int(&op.argument) };
        let next = if op.function == "acquire" { taken + permits } else { taken - permits };
        if (0..=self.permits).contains(&next) { vec![(next, Value::Nil)] } else { Vec::new() }
    }

    fn after(&self, taken: &i64, op: &Op) -> Vec<i64> {
        self.run(taken, op).into_iter().map(|(taken, _)| taken).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LockKind {
    Owner,
    Reentrant,
    Fenced,
}

/// A lock that knows which process holds it.
pub(super) struct Lock(pub LockKind);

impl Specification for Lock {
    /// Holder, how often it holds it, last token.
    type State = (Option<u32>, u32, i64);

    fn initial(&self) -> Self::State {
        (None, 0, -100)
    }

    fn choose(&self, random: &mut SmallRng, before: &[Op]) -> (&'static str, Value) {
        let depth: i32 = before.iter().map(|op| if op.function == "acquire" { 1 } else { -1 }).sum();
        let acquires = match self.0 {
            LockKind::Reentrant if depth == 1 => random.random_bool(0.4),
            _ => depth <= 0,
        };
        let mistaken = random.random_bool(0.05);
        (if acquires ^ mistaken { "acquire" } else { "release" }, Value::Nil)
    }

    fn run(&self, &(holder, depth, token): &Self::State, op: &Op) -> Vec<(Self::State, Value)> {
        let own = holder == Some(op.process);
        match op.function {
            "acquire" if holder.is_none() || own && self.0 == LockKind::Reentrant => {
                let now = (Some(op.process), depth + 1);
                match (self.0, op.outcome) {
                    (LockKind::Fenced, Outcome::Completed) => {
                        let least = token.max(0);
                        (least + 1..least + 3).map(|token| ((now.0, now.1, token), Value::Int(token))).collect()
                    }
                    _ => vec![((now.0, now.1, token), Value::Nil)],
                }
            }
            "release" if own => vec![((holder.filter(|_| depth > 1), depth - 1, token), Value::Nil)],
            _ => Vec::new(),
        }
    }

    fn after(&self, state: &Self::State, op: &Op) -> Vec<Self::State> {
        let mut states: Vec<_> = self.run(state, op).into_iter().map(|(state, _)| state).collect();
        if self.0 == LockKind::Fenced && op.function == "acquire" && op.outcome == Outcome::Completed {
            let token = int(&op.result);
            states.truncate(1);
            states.retain(|_| token > state.2);
            for state in &mut states {
                state.2 = token;
            }
        }
        states
    }
}

/// A register with versions that grow by one or, if they skip, by one or two.
pub(super) struct Versions {
    pub skip: bool,
}

impl Specification for Versions {
    type State = (i64, Value);

    fn initial(&self) -> (i64, Value) {
        (0, Value::Nil)
    }

    fn choose(&self, random: &mut SmallRng, _: &[Op]) -> (&'static str, Value) {
        let mut value = || Value::Int(random.random_range(0..6));
        let (one, two) = (value(), value());
        match random.random_range(0..6) {
            0..=2 => ("read", list(&[Value::Nil, Value::Nil])),
            3 | 4 => ("write", list(&[Value::Nil, one])),
            _ => ("cas", list(&[Value::Nil, list(&[one, two])])),
        }
    }

    fn run(&self, (version, value): &(i64, Value), op: &Op) -> Vec<((i64, Value), Value)> {
        let written = match op.function {
            "read" => return vec![((*version, value.clone()), list(&[Value::Int(*version), value.clone()]))],
            "write" => items(&op.argument)[1].clone(),
            _ => {
                let pair = items(&items(&op.argument)[1]);
                if pair[0] != *value {
                    return Vec::new();
                }
                pair[1].clone()
            }
        };
        let unknown = if op.outcome == Outcome::Indeterminate { 4 } else { 2 };
        let furthest = if self.skip { (*version + unknown).max(version + 1) } else { version + 1 };
        let after = |made| ((made, written.clone()), list(&[Value::Int(made), items(&op.argument)[1].clone()]));
        (version + 1..=furthest).map(after).collect()
    }

    fn after(&self, state: &(i64, Value), op: &Op) -> Vec<(i64, Value)> {
        if self.skip && op.function != "read" && op.outcome == Outcome::Completed {
            let told = int(&items(&op.result)[0]);
            let mut one_state = self.run(state, op);
            one_state.truncate(1);
            return one_state.into_iter().filter(|_| told > state.0).map(|((_, value), _)| (told, value)).collect();
        }
        if self.skip && op.function != "read" && op.outcome == Outcome::Indeterminate {
            // No read tells a version as large as that.
            let later = |(_, value): &(i64, Value)| (state.0 + 1..60).map(|made| (made, value.clone())).collect();
            return self.run(state, op).first().map_or_else(Vec::new, |(next, _)| later(next));
        }
        let fits = |result: &Value| match op.function {
            _ if op.outcome == Outcome::Indeterminate => true,
            "read" => *result == op.result,
            _ => items(result)[0] == items(&op.result)[0],
        };
        self.run(state, op).into_iter().filter(|(_, result)| fits(result)).map(|(state, _)| state).collect()
    }
}

/// Two registers, of which x is 0 and y nil at first.
pub(super) struct Registers;

impl Specification for Registers {
    type State = BTreeMap<String, Value>;

    fn initial(&self) -> Self::State {
        BTreeMap::from([("x".to_owned(), Value::Int(0)), ("y".to_owned(), Value::Nil)])
    }

    fn choose(&self, random: &mut SmallRng, _: &[Op]) -> (&'static str, Value) {
        let mut access = || {
            let key = Value::text(["x", "y"][random.random_range(0..2)]);
            match random.random_range(0..4) {
                0 => list(&[Value::text("read"), key, Value::Nil]),
                1 => list(&[Value::text("r"), key, Value::Nil]),
                _ => list(&[Value::text("write"), key, Value::Int(random.random_range(0..3))]),
            }
        };
        let accesses = [access(), access(), access()];
        ("txn", list(&accesses[..random.random_range(1..4)]))
    }

    fn run(&self, state: &Self::State, op: &Op) -> Vec<(Self::State, Value)> {
        let mut state = state.clone();
        let mut told = Vec::new();
        for access in items(&op.argument) {
            let [function, key, value] = items(access) else { panic!("an access has three parts") };
            if *function == Value::text("write") {
                state.insert(key.to_string(), value.clone());
                told.push(access.clone());
            } else {
                told.push(list(&[function.clone(), key.clone(), state[&key.to_string()].clone()]));
            }
        }
        vec![(state, list(&told))]
    }

    /// The completion repeats the writes; what counts there is what it says.
    fn after(&self, state: &Self::State, op: &Op) -> Vec<Self::State> {
        if op.outcome == Outcome::Indeterminate {
            return self.run(state, op).into_iter().map(|(state, _)| state).collect();
        }
        let mut state = state.clone();
        for access in items(&op.result) {
            let [function, key, value] = items(access) else { panic!("an access has three parts") };
            if *function == Value::text("write") {
                state.insert(key.to_string(), value.clone());
            } else if state[&key.to_string()] != *value {
                return Vec::new();
            }
        }
        vec![state]
    }
}

/// A text that is replaced and appended to.
pub(super) struct GrowingText;

impl Specification for GrowingText {
    type State = String;

    fn initial(&self) -> String {
        String::new()
    }

    fn choose(&self, random: &mut SmallRng, _: &[Op]) -> (&'static str, Value) {
        let text = Value::text(["a", "b", "ab"][random.random_range(0..3)]);
        match random.random_range(0..5) {
            0 | 1 => ("get", Value::Nil),
            2 => ("put", text),
            _ => ("append", text),
        }
    }

    fn run(&self, state: &String, op: &Op) -> Vec<(String, Value)> {
        let next = match op.function {
            "get" => return vec![(state.clone(), Value::text(state))],
            "put" => op.argument.to_string(),
            _ => format!("{state}{}", op.argument),
        };
        vec![(next, op.argument.clone())]
    }
}
