//! Who wrote which value of one object and when: the proof that a lie about a versioned value is a violation.
//!
//! Everything about plants in objects that hold *the last value written* (registers, map entries, and strings
//! whose last token names the last mutator) is here. Times are numbers of events, so that "before" is strict;
//! the state before any operation counts as written at time 0.
//!
//! The one argument behind stale reads, lost writes and lost updates: let every operation that can ever produce
//! value `a` have returned before an acknowledged write `w` of the same object was invoked, and let `w` have
//! returned before observer `o` was invoked. Real time then orders all producers of `a` before `w` before `o`.
//! In any linearization the last write before `o` is therefore `w` or a later one, hence no producer of `a`, and
//! `o` cannot have seen `a`. An operation invoked after `o` returned cannot come before `o`, so it is enough
//! to look at what has been invoked when `o` returns; that is when the lie is told. Indeterminate producers
//! count as open for ever.

use super::palette::{NIL, Palette};
use super::plant::{Plan, Plant};
use std::collections::BTreeMap;

/// How many values of an object with unique values are remembered.
const REMEMBERED_MAX: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Producers {
    /// How many can still take effect.
    open: u32,
    /// When the last one returned.
    last_return: u64,
}

/// An acknowledged write that was dropped, as long as nothing has been written over it.
#[derive(Clone, Copy, Debug)]
struct Dropped {
    invoked: u64,
    returned: Option<u64>,
}

/// The producers of the values of the one object that misbehaves, and what it is to be told.
#[derive(Debug)]
pub(crate) struct Watch {
    plan: Option<Plan>,
    unique: bool,
    producers: BTreeMap<i64, Producers>,
    /// The latest invocation among the acknowledged writes so far.
    overwritten: u64,
    dropped: Option<Dropped>,
    reserved: Option<i64>,
    planted: Option<u64>,
}

impl Watch {
    /// The watch of a plan; without one it does nothing.
    pub(crate) fn new(plan: Option<Plan>, palette: &Palette) -> Self {
        let producers = [(NIL, Producers::default())].into();
        let unique = palette.is_unique();
        Self { plan, unique, producers, overwritten: 0, dropped: None, reserved: None, planted: None }
    }

    /// Whether the object of `key` is the watched one.
    pub(crate) fn watches(&self, key: u32) -> bool {
        self.plan.is_some_and(|plan| plan.key == key)
    }

    /// When the violation became certain.
    pub(crate) fn planted(&self) -> Option<u64> {
        self.planted
    }

    /// Whether it is time to plant `plant`.
    fn wants(&self, plant: Plant, now: u64) -> bool {
        self.planted.is_none() && self.plan.is_some_and(|plan| plan.plant == plant && now >= plan.from)
    }

    /// The value that an observer was told before anybody wrote it, if one waits for its writer.
    pub(crate) fn reserved(&self) -> Option<i64> {
        self.reserved
    }

    /// A stale value for a compare-and-set to be invoked now, if it is time to plant one.
    pub(crate) fn stale_guess(&self, now: u64) -> Option<i64> {
        if self.wants(Plant::LostUpdate, now) { self.stale(self.overwritten) } else { None }
    }

    /// A write of `value` is invoked that is not known to be refused.
    pub(crate) fn write_invoked(&mut self, value: i64, now: u64) {
        self.producers.entry(value).or_default().open += 1;
        if self.reserved == Some(value) {
            self.reserved = None;
            self.planted = Some(now);
        }
        while self.unique && self.producers.len() > REMEMBERED_MAX {
            self.producers.pop_first();
        }
    }

    /// What an observer must remember from its invocation.
    pub(crate) fn observer_invoked(&self) -> u64 {
        self.overwritten
    }

    /// Whether the write invoked at `invoked`, which will be acknowledged, is to be dropped.
    pub(crate) fn drops(&mut self, invoked: u64) -> bool {
        let drops = self.dropped.is_none() && self.wants(Plant::LostWrite, invoked);
        if drops {
            self.dropped = Some(Dropped { invoked, returned: None });
        }
        drops
    }

    /// A write to the object of `key` took effect: a dropped one before it can no longer be missed.
    pub(crate) fn overwrite_of(&mut self, key: u32) {
        if self.watches(key) {
            self.dropped = None;
        }
    }

    /// A write of `value` returned, acknowledged or certainly without effect.
    pub(crate) fn write_returned(&mut self, value: i64, invoked: u64, now: u64, acknowledged: bool) {
        if let Some(producers) = self.producers.get_mut(&value) {
            producers.open -= 1;
            if acknowledged {
                producers.last_return = now;
            }
        }
        if acknowledged {
            self.overwritten = self.overwritten.max(invoked);
            if let Some(dropped) = self.dropped.as_mut().filter(|dropped| dropped.invoked == invoked) {
                dropped.returned = Some(now);
            }
        }
    }

    /// What an observer that returns now is told instead of `truth`.
    pub(crate) fn observed(&mut self, truth: i64, seen: Observer, now: u64, palette: &mut Palette) -> i64 {
        if self.planted.is_some() {
            return truth;
        }
        let missed = self.dropped.filter(|dropped| dropped.returned.is_some_and(|returned| returned < seen.invoked));
        if missed.is_some_and(|dropped| self.settled_before(truth, dropped.invoked)) {
            self.planted = Some(now);
        } else if self.wants(Plant::StaleRead, now)
            && let Some(stale) = self.stale(seen.mark)
        {
            self.planted = Some(now);
            return stale;
        } else if self.wants(Plant::GarbageRead, now) {
            self.planted = Some(now);
            return palette.foreign();
        } else if self.reserved.is_none() && self.wants(Plant::FutureRead, now) {
            let reserved = palette.foreign();
            self.reserved = Some(reserved);
            return reserved;
        }
        truth
    }

    /// Whether a compare-and-set from `expected` that failed is told that it succeeded: the acknowledged write
    /// that it did not see is the update that gets lost.
    pub(crate) fn forgives(&mut self, expected: i64, seen: Observer, now: u64) -> bool {
        let forgives = self.wants(Plant::LostUpdate, now) && self.settled_before(expected, seen.mark);
        if forgives {
            self.planted = Some(now);
        }
        forgives
    }

    /// Whether every producer of `value` returned before `time`.
    fn settled_before(&self, value: i64, time: u64) -> bool {
        self.producers.get(&value).is_some_and(|producers| producers.open == 0 && producers.last_return < time)
    }

    /// The youngest value that an observer with this mark cannot see.
    fn stale(&self, mark: u64) -> Option<i64> {
        let settled = self.producers.iter().filter(|(_, it)| it.open == 0 && it.last_return < mark);
        settled.max_by_key(|(_, it)| it.last_return).map(|(&value, _)| value)
    }
}

/// An observer's invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observer {
    /// When it was invoked.
    pub(crate) invoked: u64,
    /// What [`Watch::observer_invoked`] said then.
    pub(crate) mark: u64,
}
