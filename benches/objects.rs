//! How long the deciders of objects besides registers take for a million operations, and how much memory.
//!
//! `cargo bench --bench objects [-- OPERATIONS]`. Histories are valid, with unique values and about ten operations
//! open at a time. Each line: the object, the decider that answered, seconds for the verdict alone, seconds for the
//! verdict with its order, seconds to replay that order, and the process's peak memory so far.

#![expect(clippy::print_stdout, reason = "a benchmark tells what it measured")]

use consistory::check::budget::Budget;
use consistory::check::linearizable::{Decision, Ladder, Wish, decide};
use consistory::check::models::{
    ContainerCall, Counter, CounterCall, FifoQueue, Mutex, MutexCall, Semaphore, SemaphoreCall, Set, SetCall, Stack,
    UnorderedQueue, VersionedCall, VersionedKind, VersionedRegister,
};
use consistory::check::problem::Problem;
use consistory::check::witness::replay;
use consistory::history::{OpId, Rank, ValueId};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::time::Instant;

const SEED: u64 = 1;

fn main() {
    let operations = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    println!("{operations} operations, seed {SEED}");
    println!("object               decider          verdict  with order   replay    peak");
    let mut random = SmallRng::seed_from_u64(SEED);
    measure("fifo-queue", FifoQueue, &containers(&mut random, operations, VecDeque::pop_front));
    measure("stack", Stack, &containers(&mut random, operations, VecDeque::pop_back));
    measure(
        "unordered-queue",
        UnorderedQueue,
        &containers(&mut random, operations, |inside| inside.swap_remove_back(0)),
    );
    measure("set by element", Set, &elements(operations));
    measure("set with reads", Set, &snapshots(operations));
    measure("counter", Counter::starting_at(0), &counter(&mut random, operations));
    measure("counter with sums", Counter::starting_at(0), &sums(operations));
    measure("mutex", Mutex, &(0..operations).map(|at| mutex(at % 2 == 0)).collect::<Vec<_>>());
    let permit = |at: usize| SemaphoreCall { kind: mutex(at % 8 < 4), permits: 1 };
    measure("semaphore", Semaphore::new(4), &(0..operations).map(permit).collect::<Vec<_>>());
    measure("versioned-register", VersionedRegister::default(), &versions(&mut random, operations));
}

fn value(number: usize) -> ValueId {
    ValueId::small(i64::try_from(number).expect("small")).expect("small")
}

fn mutex(acquires: bool) -> MutexCall {
    if acquires { MutexCall::Acquire } else { MutexCall::Release }
}

fn containers(
    random: &mut SmallRng,
    operations: usize,
    take: impl Fn(&mut VecDeque<usize>) -> Option<usize>,
) -> Vec<ContainerCall> {
    let mut inside = VecDeque::new();
    let call = |at| {
        if random.random_bool(0.5) {
            inside.push_back(at);
            return ContainerCall::Insert(value(at));
        }
        take(&mut inside).map_or(ContainerCall::TakeNothing, |at| ContainerCall::Take(value(at)))
    };
    (0..operations).map(call).collect()
}

fn elements(operations: usize) -> Vec<SetCall> {
    let call = |at: usize| {
        let element = value(at / 4);
        match at % 4 {
            0 => SetCall::Add { element, changed: Some(true) },
            1 => SetCall::Contains { element, found: true },
            2 => SetCall::Remove { element, changed: Some(true) },
            _ => SetCall::Contains { element, found: false },
        }
    };
    (0..operations).map(call).collect()
}

/// Ten reads of everything on the way.
fn snapshots(operations: usize) -> Vec<SetCall> {
    let every = operations / 10;
    let call = |at: usize| match at % every {
        0 => SetCall::read((0..at).filter(|before| before % every != 0).map(value).collect()),
        _ => SetCall::Add { element: value(at), changed: None },
    };
    (0..operations).map(call).collect()
}

fn counter(random: &mut SmallRng, operations: usize) -> Vec<CounterCall> {
    let mut sum = 0;
    let call = |_| {
        if random.random_bool(0.5) {
            return CounterCall::Read(sum);
        }
        sum += 1;
        CounterCall::Add(1)
    };
    (0..operations).map(call).collect()
}

fn sums(operations: usize) -> Vec<CounterCall> {
    let mut sum = 0;
    let call = |at: usize| {
        let delta = i64::try_from(at % 3).expect("small") + 1;
        sum += delta;
        CounterCall::AddAndGet { delta, sum }
    };
    (0..operations).map(call).collect()
}

fn versions(random: &mut SmallRng, operations: usize) -> Vec<VersionedCall> {
    let mut version = 0;
    let mut last = ValueId::NIL;
    let call = |at| {
        if random.random_bool(0.5) {
            return VersionedCall { version: Some(version), kind: VersionedKind::Read(last) };
        }
        version += 1;
        last = value(at);
        VersionedCall { version: Some(version), kind: VersionedKind::Write(last) }
    };
    (0..operations).map(call).collect()
}

/// The calls, each around its place in the order, as a problem.
fn overlap<M: Ladder>(model: M, calls: &[M::Call]) -> Problem<M> {
    let mut random = SmallRng::seed_from_u64(SEED);
    let mut ends = Vec::with_capacity(2 * calls.len());
    for at in 0..calls.len() {
        let point = 1000 + 10 * at;
        ends.push((point - random.random_range(1..100), true, at));
        ends.push((point + random.random_range(1..100), false, at));
    }
    ends.sort_unstable_by_key(|&(time, calls, at)| (time, !calls, at));
    let mut ranks = vec![(0u32, 0u32); calls.len()];
    let mut by_call = Vec::with_capacity(calls.len());
    for (rank, (_, is_call, at)) in (0..).zip(ends) {
        if is_call {
            ranks[at].0 = rank;
            by_call.push(at);
        } else {
            ranks[at].1 = rank;
        }
    }
    let mut problem = Problem::empty(model);
    for (id, at) in (0..).zip(by_call) {
        problem.push(calls[at].clone(), Rank(ranks[at].0), Rank(ranks[at].1), OpId(id));
    }
    problem
}

fn measure<M: Ladder>(name: &str, model: M, calls: &[M::Call]) {
    let problem = overlap(model, calls);
    let budget = Budget::unlimited();
    let start = Instant::now();
    let verdict = decide(&problem, Wish::default(), &budget);
    let alone = start.elapsed();
    assert!(matches!(verdict.decision, Decision::Holds(None)), "{name}: {:?} by {}", verdict.decision, verdict.by);
    let start = Instant::now();
    let answer = decide(&problem, Wish { order: true }, &budget);
    let ordered = start.elapsed();
    let Decision::Holds(Some(order)) = answer.decision else { panic!("{name}: {:?}", answer.decision) };
    let start = Instant::now();
    replay(&problem, &order).expect("a linearization");
    let replayed = start.elapsed();
    println!(
        "{name:20} {:14} {:>8.3} s  {:>8.3} s {:>6.3} s {:>4} MB",
        answer.by,
        alone.as_secs_f64(),
        ordered.as_secs_f64(),
        replayed.as_secs_f64(),
        peak_mb()
    );
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
