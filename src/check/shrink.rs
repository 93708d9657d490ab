//! The smallest sub-history that still violates.
//!
//! Only sound steps are taken, so that what remains contradicts the claim *as a part of the whole history*: an
//! operation may be dropped if every kept operation that [needs](Model::needs) it is dropped too or
//! [forgets](Model::forget) what it observed. Otherwise every counterexample would shrink to the useless "somebody
//! read a value that nobody wrote". The result is 1-minimal: dropping any one operation more makes the rest
//! linearizable (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", TSE 2002, §3).

use super::linearizable::Conflict;
use super::models::{Effect, Model};
use super::problem::{NEVER, Problem};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The most checks that shrinking may cost; what is reached by then is returned.
const CHECKS_MAX: u32 = 4_000;

/// The shortest stretch of calls to start from.
const WINDOW_LEAST: usize = 8;
/// More names than this are not closed before short windows were tried, of fewer calls than this.
const NAMED_SHORT: usize = 128;

/// A sub-history: places of the problem, with whether each forgets its observation.
type Kept = BTreeMap<usize, bool>;

/// A shrunk contradiction.
pub struct Shrunk<M: Model> {
    /// Its calls as a problem of their own.
    pub core: Problem<M>,
    /// Whether no single call more can be dropped; false if the search for a smaller one was ended.
    pub minimal: bool,
}

/// The core of a contradiction. `violated` decides sub-problems; an undecided one counts as not violated. `enough`
/// ends the search for a smaller one.
pub fn shrink<M: Model>(
    problem: &Problem<M>,
    conflict: &Conflict,
    violated: &dyn Fn(&Problem<M>) -> bool,
    enough: &dyn Fn() -> bool,
) -> Shrunk<M> {
    let mut shrinker = Shrinker { problem, violated, enough, checks: 0, sources: RefCell::default() };
    let start = shrinker.start(conflict);
    let (small, minimal) = shrinker.minimise(start);
    Shrunk { core: shrinker.restrict(&small), minimal }
}

/// A contradiction that begins in the middle of an object's life, without the observers it can do without. Nothing else
/// may be dropped there: what a call needs may lie before.
pub fn drop_observers<M: Model>(
    problem: &Problem<M>,
    violated: &dyn Fn(&Problem<M>) -> bool,
    enough: &dyn Fn() -> bool,
) -> Shrunk<M> {
    let mut core = problem.clone();
    let mut at = core.len();
    while at > 0 && !enough() {
        at -= 1;
        if core.model.effect(&core.calls[at]) == Effect::Observe {
            let rest: Vec<usize> = (0..core.len()).filter(|&other| other != at).collect();
            let smaller = core.select(&rest);
            if violated(&smaller) {
                core = smaller;
            }
        }
    }
    Shrunk { core, minimal: at == 0 }
}

struct Shrinker<'p, M: Model> {
    problem: &'p Problem<M>,
    violated: &'p dyn Fn(&Problem<M>) -> bool,
    enough: &'p dyn Fn() -> bool,
    checks: u32,
    /// What each operation may owe its result to, as far as it was asked.
    sources: RefCell<FxHashMap<usize, Vec<usize>>>,
}

impl<M: Model> Shrinker<'_, M> {
    /// Where to start: what the decider named, or the shortest window before the failing event that will do. To close a
    /// long list of names costs more than to try a few short windows before its end, which mostly do.
    fn start(&mut self, conflict: &Conflict) -> Kept {
        let named: Kept = conflict.places.iter().map(|&at| (at as usize, false)).collect();
        if !named.is_empty() {
            let last = *named.keys().last().expect("it is not empty");
            if named.len() > NAMED_SHORT
                && let Some(window) = self.window(last + 1, NAMED_SHORT)
            {
                return window;
            }
            // Deciders close what they name over the prefix that they looked at; a call of it that returned only later
            // may owe its result to one behind that prefix.
            let named = if self.problem.model.needs_only_the_past() { self.with_needs(named) } else { named };
            if self.still_violated(&named) {
                return named;
            }
        }
        let end = conflict
            .event
            .map_or(self.problem.len(), |event| self.problem.invoked.partition_point(|&call| call <= event));
        if let Some(window) = self.window(end, end) {
            return window;
        }
        let whole = || (0..self.problem.len()).map(|at| (at, false)).collect();
        if (self.enough)() {
            return whole();
        }
        let prefix = self.with_needs((0..end).map(|at| (at, false)).collect());
        if self.still_violated(&prefix) { prefix } else { whole() }
    }

    /// The shortest window before `end` that still violates, each twice as long as the one before and shorter than
    /// `most`.
    fn window(&mut self, end: usize, most: usize) -> Option<Kept> {
        let mut width = WINDOW_LEAST;
        while width < most.min(end) && !(self.enough)() {
            let window = self.with_needs((end - width..end).map(|at| (at, false)).collect());
            if self.still_violated(&window) {
                return Some(window);
            }
            width *= 2;
        }
        None
    }

    /// Adds what is needed, except that operations which can forget do so instead of asking for more.
    fn with_needs(&self, mut kept: Kept) -> Kept {
        let mut todo: Vec<usize> = kept.keys().copied().collect();
        while let Some(at) = todo.pop() {
            if (self.enough)() {
                // Everything is closed under whatever is needed.
                return (0..self.problem.len()).map(|at| (at, false)).collect();
            }
            for source in self.sources(at) {
                if let Entry::Vacant(place) = kept.entry(source) {
                    let forgets = *place.insert(self.problem.model.forget(&self.problem.calls[source]).is_some());
                    if !forgets {
                        todo.push(source);
                    }
                }
            }
        }
        kept
    }

    /// Drops operations in ever smaller blocks until no single one can go; whether it got that far.
    fn minimise(&mut self, mut kept: Kept) -> (Kept, bool) {
        let mut block = kept.len() / 2;
        while block >= 1 {
            let mut dropped_some = false;
            let places: Vec<usize> = kept.keys().copied().collect();
            for chunk in places.chunks(block) {
                if self.checks > CHECKS_MAX || (self.enough)() {
                    return (kept, false);
                }
                let smaller = self.without(&kept, chunk);
                if smaller.len() < kept.len() && self.still_violated(&smaller) {
                    kept = smaller;
                    dropped_some = true;
                }
            }
            if block > 1 {
                block /= 2;
            } else if !dropped_some {
                break;
            }
        }
        (kept, true)
    }

    /// What remains without those places: whoever needs one of them forgets, or goes too.
    fn without(&self, kept: &Kept, drop: &[usize]) -> Kept {
        let mut rest = kept.clone();
        let mut todo: Vec<usize> = drop.iter().copied().filter(|at| rest.remove(at).is_some()).collect();
        while let Some(gone) = todo.pop() {
            let dependants: Vec<usize> =
                rest.iter().filter(|&(&at, &forgets)| !forgets && self.may_need(at, gone)).map(|(&at, _)| at).collect();
            for at in dependants {
                if self.problem.model.forget(&self.problem.calls[at]).is_some() {
                    rest.insert(at, true);
                } else {
                    rest.remove(&at);
                    todo.push(at);
                }
            }
        }
        rest
    }

    /// The operations that `at` may owe its result to. If every one was certainly overwritten, the last of them all
    /// the same: without it the contradiction would read "a value that nobody wrote".
    fn sources(&self, at: usize) -> Vec<usize> {
        let Problem { model, calls, invoked, returned, .. } = self.problem;
        // Whoever changes nothing is needed by nobody, whatever a cautious model says.
        let changes = |other: usize| model.effect(&calls[other]) != Effect::Observe;
        let needed = |&other: &usize| other != at && changes(other) && model.needs(&calls[at], &calls[other]);
        if !model.needs_only_the_past() {
            return (0..self.problem.len()).filter(needed).collect();
        }
        let end = invoked.partition_point(|&call| call < returned[at]);
        let before: Vec<usize> = (0..end).filter(needed).collect();
        let live: Vec<usize> = before.iter().copied().filter(|&other| !self.is_overwritten(other, at)).collect();
        if live.is_empty() { before.last().copied().into_iter().collect() } else { live }
    }

    fn may_need(&self, at: usize, other: usize) -> bool {
        self.sources.borrow_mut().entry(at).or_insert_with(|| self.sources(at)).contains(&other)
    }

    /// Whether a completed change that `at` does not need lies strictly between `other` and `at` in real time.
    fn is_overwritten(&self, other: usize, at: usize) -> bool {
        let Problem { model, calls, invoked, returned, .. } = self.problem;
        let end = invoked.partition_point(|&call| call < invoked[at]);
        let begin = invoked.partition_point(|&call| call < returned[other]);
        (begin..end).any(|between| {
            returned[between] < invoked[at]
                && returned[between] != NEVER
                && model.effect(&calls[between]) != Effect::Observe
                && !model.needs(&calls[at], &calls[between])
        })
    }

    fn still_violated(&mut self, kept: &Kept) -> bool {
        self.checks += 1;
        (self.violated)(&self.restrict(kept))
    }

    fn restrict(&self, kept: &Kept) -> Problem<M> {
        let places: Vec<usize> = kept.keys().copied().collect();
        let mut part = self.problem.select(&places);
        for (call, &forgets) in part.calls.iter_mut().zip(kept.values()) {
            if forgets {
                *call = self.problem.model.forget(call).expect("only calls that can forget are marked");
            }
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::models::{Register, RegisterCall};
    use crate::check::witness::has_no_order;
    use crate::history::{OpId, Rank, ValueId};

    fn value(number: i64) -> ValueId {
        ValueId::small(number).expect("a small number")
    }

    /// Calls one after another, each over before the next begins.
    fn sequential(calls: &[RegisterCall]) -> Problem<Register> {
        let mut problem = Problem::empty(Register::starting_at(ValueId::NIL));
        for (at, call) in (0..).zip(calls) {
            problem.push(*call, Rank(2 * at), Rank(2 * at + 1), OpId(at));
        }
        problem
    }

    fn core(calls: &[RegisterCall]) -> Vec<u32> {
        let core =
            shrink(&sequential(calls), &Conflict::default(), &|part| has_no_order(part) == Some(true), &|| false).core;
        core.ops.iter().map(|id| id.0).collect()
    }

    #[test]
    fn a_stale_read_shrinks_to_two_writes_and_the_read() {
        use RegisterCall::{Cas, Read, Write};
        let cas = |from, to| Cas { from: value(from), to: value(to) };
        assert_eq!(
            core(&[Write(value(1)), Read(value(1)), Write(value(2)), Write(value(3)), Read(value(2))]),
            [2, 3, 4]
        );
        assert_eq!(core(&[Write(value(1)), cas(1, 2), cas(2, 3), cas(3, 4), Read(value(2))]), [1, 3, 4]);
        assert_eq!(core(&[Write(value(1)), Write(value(2)), Read(ValueId::NIL)]), [1, 2]);
    }

    #[test]
    fn the_write_behind_a_read_is_kept() {
        use RegisterCall::{Read, Write};
        let kept = core(&[Write(value(7)), Write(value(8)), Read(value(8)), Read(value(7))]);
        assert!(kept.contains(&0), "the write of 7 is what makes reading 7 late a contradiction: {kept:?}");
    }
}
