//! Random small histories and the truth about them.

use consistory::history::{
    Actor, Event, Header, History, HistoryBuilder, Nanos, Outcome, Phase, Place, ProcessId, Symbol, Ties, Value,
    ValueId,
};
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

/// The time of a return that never came.
pub(super) const NEVER: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub(super) struct Op {
    pub process: u32,
    pub function: &'static str,
    pub argument: Value,
    pub result: Value,
    pub outcome: Outcome,
    pub invoked: u32,
    pub returned: u32,
}

/// What an object does, for brute force.
pub(super) trait Specification {
    type State: Clone + Eq + Hash;

    fn initial(&self) -> Self::State;

    /// What a process calls next, given what it called before.
    fn choose(&self, random: &mut SmallRng, before: &[Op]) -> (&'static str, Value);

    /// Everything that an operation can lead to, and return, in this state; nothing if it must wait or is refused.
    fn run(&self, state: &Self::State, op: &Op) -> Vec<(Self::State, Value)>;

    /// The states after an operation with its outcome.
    fn after(&self, state: &Self::State, op: &Op) -> Vec<Self::State> {
        let runs = self.run(state, op).into_iter();
        let fits = |result: &Value| op.outcome == Outcome::Indeterminate || *result == op.result;
        runs.filter(|(_, result)| fits(result)).map(|(state, _)| state).collect()
    }
}

/// Whether some order of the operations explains them; rejected ones have not happened.
pub(super) fn some_order<S: Specification>(spec: &S, ops: &[Op]) -> bool {
    let required = |at: usize, placed: u32| {
        ops[at].outcome == Outcome::Completed && placed >> at & 1 == 0 && ops[at].returned != NEVER
    };
    let mut seen = HashSet::new();
    let mut open = vec![(0u32, spec.initial())];
    while let Some((placed, state)) = open.pop() {
        let first_return = (0..ops.len()).filter(|&at| required(at, placed)).map(|at| ops[at].returned).min();
        let Some(first_return) = first_return else { return true };
        if !seen.insert((placed, state.clone())) {
            continue;
        }
        for (at, op) in ops.iter().enumerate() {
            if placed >> at & 1 == 0 && op.outcome != Outcome::Rejected && op.invoked < first_return {
                open.extend(spec.after(&state, op).into_iter().map(|next| (placed | 1 << at, next)));
            }
        }
    }
    false
}

/// What was known when the event of that time had happened. What returns later need not have happened yet; if it
/// has, then with the result that it will return.
pub(super) fn prefix(ops: &[Op], last_event: u32) -> Vec<Op> {
    let known = ops.iter().filter(|op| op.invoked <= last_event).cloned();
    known.map(|op| Op { returned: if op.returned > last_event { NEVER } else { op.returned }, ..op }).collect()
}

/// A history with at most `ops_max` operations, and the order in which it was made.
pub(super) struct Made {
    pub ops: Vec<Op>,
    pub order: Vec<usize>,
}

/// Makes a history by running the object, so that it has an order.
pub(super) fn make<S: Specification>(random: &mut SmallRng, spec: &S, ops_max: usize) -> Made {
    let mut ops = intervals(random, ops_max);
    let mut by_process: BTreeMap<u32, Vec<Op>> = BTreeMap::new();
    for op in &mut ops {
        let before = by_process.entry(op.process).or_default();
        (op.function, op.argument) = spec.choose(random, before);
        before.push(op.clone());
    }
    let mut state = spec.initial();
    let mut order = Vec::new();
    for at in points(random, &ops) {
        let runs = spec.run(&state, &ops[at]);
        if runs.is_empty() {
            if ops[at].outcome == Outcome::Completed {
                ops[at].outcome = Outcome::Rejected;
            }
            continue;
        }
        let (next, result) = runs[random.random_range(0..runs.len())].clone();
        state = next;
        if ops[at].outcome == Outcome::Completed {
            ops[at].result = result;
        }
        order.push(at);
    }
    Made { ops, order }
}

/// Intervals of a few processes that each do one thing at a time; a process that never hears back is replaced.
fn intervals(random: &mut SmallRng, ops_max: usize) -> Vec<Op> {
    let count = random.random_range(1..=ops_max);
    let mut processes: Vec<(u32, Option<usize>)> = (0..random.random_range(1..5)).map(|id| (id, None)).collect();
    let lost = [0.0, 0.1, 0.3][random.random_range(0..3)];
    let mut next_process = 100;
    let mut ops: Vec<Op> = Vec::new();
    let mut time = 0;
    while ops.len() < count || processes.iter().any(|(_, open)| open.is_some()) {
        let slot = random.random_range(0..processes.len());
        let (process, open) = processes[slot];
        match open {
            None if ops.len() < count => {
                processes[slot].1 = Some(ops.len());
                ops.push(Op {
                    process,
                    function: "",
                    argument: Value::Nil,
                    result: Value::Nil,
                    outcome: Outcome::Indeterminate,
                    invoked: time,
                    returned: NEVER,
                });
                time += 1;
            }
            None => {}
            Some(_) if random.random_bool(lost) => {
                processes[slot] = (next_process, None);
                next_process += 1;
            }
            Some(at) => {
                ops[at].returned = time;
                ops[at].outcome = Outcome::Completed;
                time += 1;
                processes[slot].1 = None;
            }
        }
    }
    ops
}

/// Some order of the operations that real time allows, without some of the indeterminate ones.
fn points(random: &mut SmallRng, ops: &[Op]) -> Vec<usize> {
    let last = 2 * u32::try_from(ops.len()).expect("few");
    let mut points: Vec<(f64, usize)> = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        if op.returned != NEVER || random.random_bool(0.6) {
            let end = if op.returned == NEVER { last } else { op.returned };
            points.push((random.random_range(f64::from(op.invoked)..f64::from(end)), at));
        }
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.into_iter().map(|(_, at)| at).collect()
}

/// Changes results so that the history may no longer have an order. A result that only repeats its argument says
/// nothing and stays; a lock operation that was refused may turn out to have happened.
pub(super) fn corrupt(random: &mut SmallRng, ops: &mut [Op]) {
    for _ in 0..random.random_range(1..4) {
        let one = random.random_range(0..ops.len());
        let other = random.random_range(0..ops.len());
        if ops[one].outcome == Outcome::Rejected && ["acquire", "release"].contains(&ops[one].function) {
            ops[one].outcome = Outcome::Completed;
            ops[one].result = Value::Int(random.random_range(0..6));
        }
        let tells = |op: &Op| op.outcome == Outcome::Completed && op.result != op.argument;
        if !tells(&ops[one]) || !tells(&ops[other]) {
            continue;
        }
        if one == other {
            distort(random, &mut ops[one].result, -6);
        } else if ops[one].function == ops[other].function && ops[one].argument == ops[other].argument {
            let result = ops[one].result.clone();
            ops[one].result = std::mem::replace(&mut ops[other].result, result);
        }
    }
}

fn distort(random: &mut SmallRng, value: &mut Value, least: i64) {
    match value {
        Value::Int(number) => *number = (*number + random.random_range(-2..=2)).max(least),
        Value::Bool(truth) => *truth = !*truth,
        Value::List(items) if !items.is_empty() => {
            let at = random.random_range(0..items.len());
            distort(random, &mut items[at], 0);
        }
        _ => {}
    }
}

/// The history as the checker reads it.
pub(super) fn record(ops: &[Op]) -> History {
    let mut builder = HistoryBuilder::new(Header::default(), Ties::FileOrder);
    let mut events: Vec<(u32, usize, bool)> = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        events.push((op.invoked, at, true));
        if op.returned != NEVER {
            events.push((op.returned, at, false));
        }
    }
    events.sort_unstable();
    for (line, (_, at, invokes)) in (1..).zip(events) {
        let op = &ops[at];
        let value = builder.values().intern(if invokes { &op.argument } else { &op.result });
        let phase = match (invokes, op.outcome) {
            (true, _) => Phase::Invoke,
            (false, Outcome::Completed) => Phase::Ok,
            (false, Outcome::Rejected) => Phase::Fail,
            (false, Outcome::Indeterminate) => Phase::Info,
        };
        let event = Event {
            time: Nanos::UNKNOWN,
            actor: Actor::Client(ProcessId(op.process)),
            phase,
            function: builder.functions().intern(op.function),
            key: ValueId::ABSENT,
            value,
            node: Symbol::NONE,
            error: Symbol::NONE,
            retry: None,
            place: Place { line, column: 1 },
        };
        builder.push(&event).expect("well formed by construction");
    }
    builder.finish()
}
