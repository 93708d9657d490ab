//! Values of a container from the operation that put them in to the one that took them out.
//!
//! Shared by the deciders of queues and stacks. For a value `v` that comes once, the insertion took effect no later
//! than it or the removal returned, and the removal no earlier than it or the insertion was called: tightening the
//! ends so changes nothing. Between the latest insertion and the earliest removal `v` is certainly inside; that is
//! its *critical interval*. A container was certainly not empty where critical intervals cover all of the time of
//! an operation that found nothing.
//!
//! The forbidden patterns are those of Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs"
//! (CONCUR 2013, §3: `VFresh`, `VRepet`, `VWit`). O(n log n).

use super::{Conflict, Decision};
use crate::check::models::{ContainerCall, Model};
use crate::check::problem::{NEVER, Problem};
use crate::history::ValueId;
use rustc_hash::FxHashMap;

/// One value's time in a container. All ends are ranks of events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub insert: u32,
    /// The removal, if there was one.
    pub take: Option<u32>,
    /// Earliest time of the insertion.
    pub insert_from: u32,
    /// Latest time of the insertion.
    pub insert_to: u32,
    /// Earliest time of the removal; [`NEVER`] for a value that stays.
    pub take_from: u32,
    /// Latest time of the removal; [`NEVER`] if it did not return.
    pub take_to: u32,
    /// A removal of this value that has not returned, and may still not have happened.
    pub maybe: Option<u32>,
}

impl Extent {
    /// The open interval in which the value is certainly inside.
    pub(super) fn critical(&self) -> Option<(u32, u32)> {
        (self.insert_to < self.take_from).then_some((self.insert_to, self.take_from))
    }

    fn places(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.insert).chain(self.take).chain(self.maybe)
    }
}

/// What a container's history is made of.
pub(super) struct Extents {
    /// The values that matter: an insertion that never returned and whose value nobody took is left out.
    pub values: Vec<Extent>,
    /// Operations that found nothing.
    pub nothing: Vec<u32>,
    /// Removals of something unknown.
    pub unknown: Vec<u32>,
}

impl Extents {
    /// Reads a problem whose values come once each. Fails with the answer where that settles it: a value put in twice
    /// is not for these deciders, a value taken twice or never put in has no order.
    pub(super) fn read<M: Model<Call = ContainerCall>>(problem: &Problem<M>) -> Result<Self, Decision> {
        let mut index: FxHashMap<ValueId, u32> = FxHashMap::default();
        let mut extents = Self { values: Vec::new(), nothing: Vec::new(), unknown: Vec::new() };
        for (place, call) in (0..).zip(&problem.calls) {
            match *call {
                ContainerCall::Insert(value) => {
                    if index.insert(value, u32::try_from(extents.values.len()).expect("places are 32 bits")).is_some() {
                        return Err(Decision::NotApplicable("a value is put in twice"));
                    }
                    let (from, to) = (problem.invoked[place as usize], problem.returned[place as usize]);
                    extents.values.push(Extent {
                        insert: place,
                        take: None,
                        insert_from: from,
                        insert_to: to,
                        take_from: NEVER,
                        take_to: NEVER,
                        maybe: None,
                    });
                }
                ContainerCall::TakeNothing => extents.nothing.push(place),
                ContainerCall::TakeUnknown => extents.unknown.push(place),
                ContainerCall::Take(_) => {}
            }
        }
        extents.take(problem, &index)?;
        extents.values.retain(|value| value.take.is_some() || value.insert_to != NEVER);
        extents.nothing.retain(|&place| problem.returned[place as usize] != NEVER);
        Ok(extents)
    }

    fn take<M: Model<Call = ContainerCall>>(
        &mut self,
        problem: &Problem<M>,
        index: &FxHashMap<ValueId, u32>,
    ) -> Result<(), Decision> {
        for (place, call) in (0..).zip(&problem.calls) {
            let ContainerCall::Take(taken) = *call else { continue };
            let returned = problem.returned[place as usize];
            let Some(&at) = index.get(&taken) else {
                if returned == NEVER {
                    continue;
                }
                return Err(Decision::Violated(Conflict { places: vec![place], event: None }));
            };
            let value = &mut self.values[at as usize];
            if value.maybe.is_some() || value.take.is_some() && returned == NEVER {
                return Err(Decision::NotApplicable("of two removals of a value one has not returned"));
            }
            if value.take.is_some() {
                let whole =
                    |call: &ContainerCall| [ContainerCall::Take(taken), ContainerCall::Insert(taken)].contains(call);
                let places = (0..).zip(&problem.calls).filter(|(_, call)| whole(call)).map(|(place, _)| place);
                return Err(Decision::Violated(self.conflict(places.collect())));
            }
            if returned == NEVER {
                value.maybe = Some(place);
            } else {
                value.take = Some(place);
                value.take_to = returned;
                value.take_from = problem.invoked[place as usize].max(value.insert_from);
                value.insert_to = value.insert_to.min(returned);
            }
        }
        match self.values.iter().find(|value| value.take_to < value.insert_from) {
            Some(&value) => Err(Decision::Violated(self.conflict(value.places().collect()))),
            None => Ok(()),
        }
    }

    /// Whether some removal may or may not have happened: one of something unknown, or one that has not returned.
    pub(super) fn open(&self) -> bool {
        !self.unknown.is_empty() || self.values.iter().any(|value| value.maybe.is_some())
    }

    /// All operations of these values, and `others`: closed under what they need, unless something unknown was
    /// taken, for then nothing less than everything is.
    pub(super) fn evidence(&self, values: &[Extent], others: &[u32]) -> Conflict {
        self.conflict(values.iter().flat_map(Extent::places).chain(others.iter().copied()).collect())
    }

    fn conflict(&self, mut places: Vec<u32>) -> Conflict {
        if !self.unknown.is_empty() {
            return Conflict::default();
        }
        places.sort_unstable();
        places.dedup();
        Conflict { places, event: None }
    }

    /// A time in which nothing is certainly inside, for each operation that found nothing; or one for which there is
    /// none, with values whose critical intervals cover it.
    pub(super) fn empty_times<M: Model>(&self, problem: &Problem<M>) -> Result<Vec<(u32, u32)>, Covered> {
        let covered = union(self.values.iter().filter_map(Extent::critical).collect());
        let mut times = Vec::with_capacity(self.nothing.len());
        for &place in &self.nothing {
            let called = problem.invoked[place as usize];
            let returned = problem.returned[place as usize];
            let around = covered.partition_point(|&(start, _)| start < called).checked_sub(1).map(|at| covered[at]);
            match around.filter(|&(_, end)| end > called) {
                None => times.push((place, called)),
                Some((_, end)) if end < returned => times.push((place, end)),
                Some(_) => return Err(Covered { place, by: chain(&self.values, called, returned) }),
            }
        }
        Ok(times)
    }
}

/// An operation that found nothing although something was inside all the time.
pub(super) struct Covered {
    pub place: u32,
    /// One after another, what was inside.
    pub by: Vec<Extent>,
}

fn union(mut intervals: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    intervals.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (start, end) in intervals {
        match merged.last_mut() {
            Some(last) if start < last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// As few values as possible whose critical intervals together cover the time from `from` to `to`, of values that do.
/// A value whose interval begins at `from` itself covers it.
pub(super) fn chain(values: &[Extent], from: u32, to: u32) -> Vec<Extent> {
    let mut critical: Vec<&Extent> = values.iter().filter(|value| value.critical().is_some()).collect();
    critical.sort_unstable_by_key(|value| value.insert_to);
    let mut waiting = critical.into_iter().peekable();
    let mut chain = Vec::new();
    let mut best: Option<&Extent> = None;
    let mut reached = from;
    loop {
        while let Some(value) = waiting.next_if(|value| value.insert_to <= reached) {
            if best.is_none_or(|best| value.take_from > best.take_from) {
                best = Some(value);
            }
        }
        let next = best.filter(|best| best.take_from > reached).expect("the intervals cover all of it");
        chain.push(*next);
        reached = next.take_from;
        if reached >= to {
            return chain;
        }
    }
}
