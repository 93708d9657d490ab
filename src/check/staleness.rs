//! How far from linearizable a history of registers is: how many versions, and how much time, its reads are behind.
//!
//! What is *proven* counts, from below. A write took effect when it returned at the latest, or when somebody returned who
//! had read it; `done(w)` is the earliest of those returns. Write `w'` certainly lies between `w` and a read `r` of `w` when
//! `done(w) < call(w')` and `done(w') < call(r)`. So `r` is stale if there is such a write, as many **versions** behind as
//! there are, and `call(r) - done(w')` **behind** for the first of them. Concurrent writes, and indeterminate ones that
//! nobody saw, prove nothing. That takes O(n log n): one suffix minimum, and one count of dominated points.
//!
//! Of a history as a whole:
//!
//! - **k** (Golab, Li and Shah, "Analyzing consistency properties for fun and profit", PODC 2011): every read returns one of
//!   the last `k` versions in some order that respects real time. `k = 1` is decided by zones (Gibbons and Korach 1997),
//!   `k = 2` by search, since no quicker general way is simple (Golab, Hurwitz and Li, ICDCS 2013), within a bound of steps.
//!   Beyond that, one more than the versions that some read is certainly behind is a lower bound.
//! - **Δ** (the same): the smallest time by which reads must be taken to have begun earlier for the history to be atomic.
//!   Exact, by bisection with one test of zones a step; mostly it is what the most stale read is behind, which the first
//!   test tells.
//!
//! A compare-and-set counts as a write of its new value: what it found is no read here, and k and Δ are lower bounds if
//! there is one. So they are if reads are unclear, since only values with one writer tell where they come from, and where
//! the clock is too coarse for every client's own order. Reads of the final state, after the work, are left out.

use super::budget::Budget;
use super::initial::Initial;
use super::judge::Question;
use super::linearizable::{Decision, Wish, decide_with_search};
use super::models::{Model, NotThisModel};
use super::partition::{Part, by_key};
use super::problem::Problem;
use super::session_kind::{SessionKind, blurred};
use super::transactions::is_key_value;
use crate::history::fault_windows::{FaultWindow, WORK_ENDED, fault_windows};
use crate::history::{History, Nanos, OpId, Operation, Outcome, Rank, ValueId};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// So many looks at the budget, of 256 configurations each, may be spent on orders in which two versions are enough: on
/// all objects together, and on each at least.
const LOOKS: u64 = 20_000;
const LOOKS_MIN: u64 = 64;

/// A measure that is exact, or known from below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound<T> {
    /// At least this.
    pub at_least: T,
    /// Whether it is this.
    pub exact: bool,
}

/// The reads that were called inside, or outside, of faults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// How many there are whose source is known.
    pub reads: u64,
    /// How many of them by how many versions behind, where that is proven.
    pub versions: BTreeMap<u32, u64>,
    /// How much each stale one is behind, ascending; empty for a history without times.
    pub behind: Vec<Nanos>,
}

impl Reads {
    /// How many are stale for certain.
    #[must_use]
    pub fn stale(&self) -> u64 {
        self.versions.values().sum()
    }

    /// The most versions that one is behind.
    #[must_use]
    pub fn versions_max(&self) -> u32 {
        self.versions.last_key_value().map_or(0, |(&versions, _)| versions)
    }

    /// The longest time that one is behind.
    #[must_use]
    pub fn behind_max(&self) -> Option<Nanos> {
        self.behind.last().copied()
    }

    fn add(&mut self, other: Self) {
        self.reads += other.reads;
        for (versions, reads) in other.versions {
            *self.versions.entry(versions).or_default() += reads;
        }
        self.behind.extend(other.behind);
    }
}

/// How far from linearizable a history is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staleness {
    /// Reads called outside faults.
    pub outside: Reads,
    /// Reads called inside faults.
    pub inside: Reads,
    /// Every read returns one of so many last versions.
    pub k: Bound<u32>,
    /// The time by which reads must be taken to have begun earlier; `None` for a history without times.
    pub delta: Option<Bound<Nanos>>,
    /// Reads whose value several may have written.
    pub unclear: u64,
    /// Reads of what nobody had written by then; no number of versions and no time explains those.
    pub impossible: u64,
}

impl Staleness {
    /// All reads together.
    #[must_use]
    pub fn whole(&self) -> Reads {
        let mut whole = self.outside.clone();
        whole.add(self.inside.clone());
        whole.behind.sort_unstable();
        whole
    }
}

/// Measures a history; `None` if it is not about registers that are read and written one by one, or knows no order of
/// different clients' operations.
#[must_use]
pub fn measure(history: &History, question: &Question, budget: &Budget) -> Option<Staleness> {
    let single = history.functions().iter().all(|name| name != "txn");
    if !history.header().has_time() || !single || !is_key_value(history, question) || question.nil_reads_anything {
        return None;
    }
    let mut windows = fault_windows(history);
    windows.retain(|window| window.idle.is_none());
    let ended = history.faults().iter().find(|note| history.functions().get(note.function) == WORK_ENDED);
    let end = ended.map_or(u32::MAX, |note| note.after_calls);
    let scene = Scene { history, initial: Initial::of(history, question), windows: &windows, end };
    let parts = by_key(history);
    let measured: Vec<Measured> = parts.par_iter().map(|part| scene.object(part)).collect();
    let k = scene.versions(&parts, &measured, budget);
    let unique = is_told(history, &measured);
    let has_times = measured.iter().all(|object| object.delta.is_some());
    let longest = measured.iter().filter_map(|object| object.delta).max().unwrap_or_default();
    let mut whole =
        Staleness { k, delta: has_times.then_some(Bound { at_least: longest, exact: unique }), ..Staleness::default() };
    for object in measured {
        whole.outside.add(object.outside);
        whole.inside.add(object.inside);
        whole.unclear += object.unclear;
        whole.impossible += object.impossible;
    }
    whole.outside.behind.sort_unstable();
    whole.inside.behind.sort_unstable();
    Some(whole)
}

/// Whether every measure is exact where it can be: each read has one source, every client's own order is known, and no
/// compare-and-set has found something, which is not measured.
fn is_told(history: &History, measured: &[Measured]) -> bool {
    let finds = |operation: Operation<'_>| operation.function() == "cas" && operation.outcome() == Outcome::Completed;
    measured.iter().all(|object| object.is_unique)
        && blurred(history, SessionKind::Process) == 0
        && !history.operations().any(finds)
}

/// What one operation does to its register.
#[derive(Clone, Copy, Debug)]
enum Act {
    Read(ValueId),
    Write(ValueId),
}

fn act(operation: &Operation<'_>) -> Option<Act> {
    let completed = operation.outcome() == Outcome::Completed;
    match operation.function() {
        "read" | "r" | "get" => completed.then(|| Act::Read(operation.result())),
        "cas" => {
            let to = operation.values().items(operation.argument()).and_then(|pair| pair.get(1).copied());
            to.filter(|_| operation.outcome() != Outcome::Rejected).map(Act::Write)
        }
        _ => {
            let value = operation.argument();
            let value = if value.is_absent() { ValueId::NIL } else { value };
            (operation.outcome() != Outcome::Rejected).then_some(Act::Write(value))
        }
    }
}

/// A write with the reads of its value.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    called: i64,
    called_at: u64,
    /// The earliest return by which it has certainly taken effect, and when that was.
    done: i64,
    done_at: u64,
    /// The latest call of a read of it.
    read_at: Option<u64>,
}

const NEVER: i64 = i64::MAX;

impl Cluster {
    fn finish(&mut self, returned: Rank, at: Nanos) {
        if returned != Rank::NEVER && i64::from(returned.0) < self.done {
            (self.done, self.done_at) = (i64::from(returned.0), at.0);
        }
    }
}

/// One object's measures.
struct Measured {
    outside: Reads,
    inside: Reads,
    k: u32,
    delta: Option<Nanos>,
    unclear: u64,
    impossible: u64,
    is_unique: bool,
}

struct Scene<'h> {
    history: &'h History,
    initial: Initial,
    windows: &'h [FaultWindow],
    end: u32,
}

impl Scene<'_> {
    fn is_inside(&self, time: Nanos) -> bool {
        self.windows.iter().any(|window| window.holds(time))
    }

    /// The writes of an object and what is known of each; the initial value is the first.
    fn clusters(&self, part: &Part) -> (Vec<Cluster>, FxHashMap<ValueId, Option<usize>>) {
        let value = self.initial.value_of(part.key);
        let first = Cluster { called: -2, called_at: 0, done: -1, done_at: 0, read_at: None };
        let mut clusters = vec![first];
        // None: several may have written it.
        let mut by_value: FxHashMap<ValueId, Option<usize>> = FxHashMap::default();
        by_value.insert(value, Some(0));
        for operation in part.ops.iter().map(|&id| self.history.operation(id)) {
            let Some(Act::Write(value)) = act(&operation) else { continue };
            let number = clusters.len();
            by_value.entry(value).and_modify(|known| *known = None).or_insert(Some(number));
            let (called, called_at) = (i64::from(operation.called().0), operation.call_time().0);
            let mut cluster = Cluster { called, called_at, done: NEVER, done_at: u64::MAX, read_at: None };
            if operation.outcome() == Outcome::Completed {
                cluster.finish(operation.returned(), operation.return_time());
            }
            clusters.push(cluster);
        }
        (clusters, by_value)
    }

    fn object(&self, part: &Part) -> Measured {
        let (mut clusters, by_value) = self.clusters(part);
        let (mut unclear, mut impossible, mut has_times) = (0, 0, true);
        let mut reads: Vec<(Operation<'_>, usize)> = Vec::new();
        for operation in part.ops.iter().filter(|id| id.0 < self.end).map(|&id| self.history.operation(id)) {
            has_times &= operation.call_time() != Nanos::UNKNOWN;
            let Some(Act::Read(value)) = act(&operation) else { continue };
            match by_value.get(&value) {
                Some(&Some(source)) if i64::from(operation.returned().0) > clusters[source].called => {
                    clusters[source].finish(operation.returned(), operation.return_time());
                    let latest = &mut clusters[source].read_at;
                    *latest = (*latest).max(Some(operation.call_time().0));
                    reads.push((operation, source));
                }
                Some(None) => unclear += 1,
                Some(Some(_)) | None => impossible += 1,
            }
        }
        let (mut outside, mut inside) = (Reads::default(), Reads::default());
        let overwriting = Overwriting::of(&clusters);
        let mut stale: Vec<(i64, i64, bool)> = Vec::new();
        let mut longest = Nanos(0);
        for (operation, source) in &reads {
            let is_inside = self.is_inside(operation.call_time());
            let phase = if is_inside { &mut inside } else { &mut outside };
            phase.reads += 1;
            let called = i64::from(operation.called().0);
            let Some(first) = overwriting.first_after(clusters[*source].done).filter(|first| first.0 < called) else {
                continue;
            };
            stale.push((called, clusters[*source].done, is_inside));
            if has_times {
                let behind = Nanos(operation.call_time().0.saturating_sub(first.1));
                phase.behind.push(behind);
                longest = longest.max(behind);
            }
        }
        for (versions, is_inside) in overwriting.count(stale) {
            *if is_inside { &mut inside } else { &mut outside }.versions.entry(versions).or_default() += 1;
        }
        let most = outside.versions_max().max(inside.versions_max());
        let delta = has_times.then(|| delta(&clusters, longest));
        let is_atomic = most == 0 && (!has_times || delta == Some(Nanos(0)));
        let k = if is_atomic { 1 } else { (most + 1).max(2) };
        Measured {
            outside,
            inside,
            k,
            delta,
            unclear,
            impossible,
            is_unique: unclear == 0 && impossible == 0 && has_times,
        }
    }

    /// The least k of all objects.
    fn versions(&self, parts: &[Part], measured: &[Measured], budget: &Budget) -> Bound<u32> {
        let unique = is_told(self.history, measured);
        let at_least = measured.iter().map(|object| object.k).max().unwrap_or(1);
        if at_least != 2 {
            return Bound { at_least, exact: at_least == 1 && unique };
        }
        let open: Vec<&Part> =
            parts.iter().zip(measured).filter(|(_, object)| object.k == 2).map(|(part, _)| part).collect();
        let looks = (LOOKS / open.len().max(1) as u64).max(LOOKS_MIN);
        let answer = |part: &&Part| self.is_2_atomic(part, &budget.at_most(looks));
        let answers: Vec<Option<bool>> = open.par_iter().map(answer).collect();
        if unique && answers.contains(&Some(false)) {
            return Bound { at_least: 3, exact: false };
        }
        Bound { at_least, exact: unique && answers.iter().all(|answer| *answer == Some(true)) }
    }

    /// Whether two versions are enough for an object; `None` if the budget does not last.
    fn is_2_atomic(&self, part: &Part, budget: &Budget) -> Option<bool> {
        let model = LastTwo { initial: self.initial.value_of(part.key) };
        let ops: Vec<OpId> = part.ops.iter().copied().filter(|id| id.0 < self.end).collect();
        let problem = Problem::compile(model, self.history, ops).ok()?;
        match decide_with_search(&problem, Wish::default(), budget).decision {
            Decision::Holds(_) => Some(true),
            Decision::Violated(_) => Some(false),
            Decision::NotApplicable(_) | Decision::GaveUp { .. } => None,
        }
    }
}

/// Which writes had certainly replaced a version by when.
struct Overwriting {
    /// By call: when each write was called and done, and when that was.
    writes: Vec<(i64, i64, u64)>,
    /// The earliest to be done of this write and all called later.
    first: Vec<(i64, u64)>,
}

impl Overwriting {
    fn of(clusters: &[Cluster]) -> Self {
        let mut writes: Vec<_> =
            clusters[1..].iter().map(|cluster| (cluster.called, cluster.done, cluster.done_at)).collect();
        writes.sort_unstable();
        let mut first: Vec<(i64, u64)> = writes.iter().map(|&(_, done, at)| (done, at)).collect();
        for at in (0..first.len().saturating_sub(1)).rev() {
            first[at] = first[at].min(first[at + 1]);
        }
        Self { writes, first }
    }

    /// The first to be done of the writes that were called after `done`.
    fn first_after(&self, done: i64) -> Option<(i64, u64)> {
        let from = self.writes.partition_point(|&(called, ..)| called < done);
        self.first.get(from).copied()
    }

    /// For each stale read, given by its call and when its source was done: how many writes were called after that and
    /// done before the read was called. Reads by call, writes by when they were done, counted in a Fenwick tree.
    fn count(&self, mut stale: Vec<(i64, i64, bool)>) -> Vec<(u32, bool)> {
        if stale.is_empty() {
            return Vec::new();
        }
        stale.sort_unstable();
        let mut by_done: Vec<(i64, usize)> = (0..).zip(&self.writes).map(|(at, &(_, done, _))| (done, at)).collect();
        by_done.sort_unstable();
        let mut tree = vec![0_u32; self.writes.len() + 1];
        let mut added = 0;
        let counted = stale.into_iter().map(|(called, done, is_inside)| {
            while let Some(&(_, at)) = by_done.get(added).filter(|(done, _)| *done < called) {
                let mut node = at + 1;
                while node < tree.len() {
                    tree[node] += 1;
                    node += node & node.wrapping_neg();
                }
                added += 1;
            }
            let mut node = self.writes.partition_point(|&(called, ..)| called < done);
            let mut before = 0;
            while node > 0 {
                before += tree[node];
                node &= node - 1;
            }
            (u32::try_from(added).expect("operations are counted in 32 bits") - before, is_inside)
        });
        counted.collect()
    }
}

/// The smallest Δ of an object, which is at least `least`.
fn delta(clusters: &[Cluster], least: Nanos) -> Nanos {
    let mut observed: Vec<&Cluster> = clusters.iter().filter(|cluster| cluster.done != NEVER).collect();
    observed.sort_unstable_by_key(|cluster| (cluster.done_at, cluster.called));
    let fits = |delta: u64| zones_fit(&observed, delta);
    if fits(least.0) {
        return least;
    }
    // What does not fit at the low end fits at the high end, where no read is called after anything returned.
    let mut low = least.0;
    let mut high = observed.iter().filter_map(|cluster| cluster.read_at).max().unwrap_or(0).max(low) + 1;
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        *if fits(middle) { &mut high } else { &mut low } = middle;
    }
    Nanos(high)
}

/// Whether the zones of clusters (by when they were done) can be ordered if reads began so much earlier.
fn zones_fit(clusters: &[&Cluster], delta: u64) -> bool {
    let last_call = |cluster: &Cluster| {
        let write = if cluster.called < 0 { i128::MIN } else { i128::from(cluster.called_at) };
        let read = cluster.read_at.map_or(i128::MIN, |read| i128::from(read) - i128::from(delta));
        write.max(read)
    };
    let done = |cluster: &Cluster| if cluster.called < 0 { i128::MIN } else { i128::from(cluster.done_at) };
    let mut forward: Vec<(i128, i128)> = Vec::new();
    for cluster in clusters {
        let (done, last) = (done(cluster), last_call(cluster));
        if done < last {
            if forward.last().is_some_and(|&(_, before)| done < before) {
                return false;
            }
            forward.push((done, last));
        }
    }
    clusters.iter().all(|cluster| {
        let (done, last) = (done(cluster), last_call(cluster));
        let begun = forward.partition_point(|&(first, _)| first < last);
        let around = begun.checked_sub(1).map(|at| forward[at]);
        done < last || around.is_none_or(|(_, end)| end <= done)
    })
}

/// A register whose reads return one of the last two values.
#[derive(Clone, Debug)]
struct LastTwo {
    initial: ValueId,
}

/// A call on such a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LastTwoCall {
    Read(ValueId),
    Write(ValueId),
}

impl Model for LastTwo {
    type State = [ValueId; 2];
    type Call = LastTwoCall;

    fn initial(&self) -> [ValueId; 2] {
        [self.initial; 2]
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<LastTwoCall>, NotThisModel> {
        Ok(act(operation).map(|act| match act {
            Act::Read(value) => LastTwoCall::Read(value),
            Act::Write(value) => LastTwoCall::Write(value),
        }))
    }

    fn step(&self, state: &[ValueId; 2], call: &LastTwoCall) -> Option<[ValueId; 2]> {
        match *call {
            LastTwoCall::Read(value) => state.contains(&value).then_some(*state),
            LastTwoCall::Write(value) => Some([state[1], value]),
        }
    }
}
