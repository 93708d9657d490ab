//! When a value is gone for certain, and whether anybody can still have seen it.
//!
//! A value set by a call that returned at `t` is overwritten once a completed call that sets another value, invoked
//! after `t`, has returned. Both questions are answered from suffix minima and prefix maxima: O(n log n) to build,
//! O(log n) to ask, O(n) space.

use super::register_view::{Act, RegisterView};
use crate::check::problem::NEVER;

/// The earliest certain return of a call that overwrites something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overwriter {
    /// Its return; [`NEVER`] if there is none.
    pub(super) returned: u32,
    /// Which call; meaningless if there is none.
    pub(super) at: u32,
    value: u32,
}

const NOT_OVERWRITTEN: Overwriter = Overwriter { returned: NEVER, at: u32::MAX, value: u32::MAX };

/// Answers when values are overwritten.
pub(super) struct Overwriting {
    /// The invocations of completed calls that set values, ascending.
    invoked: Vec<u32>,
    /// From each of them on: the call that returns first, and the first one that sets another value than that one.
    firsts: Vec<[Overwriter; 2]>,
}

impl Overwriting {
    pub(super) fn new(view: &RegisterView) -> Self {
        let setters: Vec<(u32, u32)> = (0u32..)
            .zip(&view.acts)
            .filter(|&(at, _)| view.completed(at as usize))
            .filter_map(|(at, act)| act.set().map(|value| (at, value)))
            .collect();
        let mut firsts = vec![[NOT_OVERWRITTEN; 2]; setters.len() + 1];
        for (index, &(at, value)) in setters.iter().enumerate().rev() {
            let candidate = Overwriter { returned: view.returned[at as usize], at, value };
            firsts[index] = with_candidate(firsts[index + 1], candidate);
        }
        let invoked = setters.iter().map(|&(at, _)| view.invoked[at as usize]).collect();
        Self { invoked, firsts }
    }

    /// The first certain overwriting of `value` by calls invoked after `since`.
    pub(super) fn of(&self, value: u32, since: u32) -> Overwriter {
        self.after(self.invoked.partition_point(|&invoked| invoked <= since), value)
    }

    /// The first certain overwriting of the initial `value`.
    pub(super) fn of_initial(&self, value: u32) -> Overwriter {
        self.after(0, value)
    }

    fn after(&self, index: usize, value: u32) -> Overwriter {
        let [first, other] = self.firsts[index];
        if first.value == value { other } else { first }
    }
}

fn with_candidate([first, other]: [Overwriter; 2], candidate: Overwriter) -> [Overwriter; 2] {
    if candidate.returned < first.returned {
        let other = if first.value == candidate.value { other } else { first };
        [candidate, other]
    } else if candidate.value != first.value && candidate.returned < other.returned {
        [first, candidate]
    } else {
        [first, other]
    }
}

/// Answers whether a value can still be observed, positively or negatively.
pub(super) struct Observers {
    begins: Vec<u32>,
    /// By value, in order of invocation: (invocation, the latest return so far). Indeterminate compare-and-sets
    /// return never.
    calls: Vec<(u32, u32)>,
}

impl Observers {
    pub(super) fn new(view: &RegisterView) -> Self {
        let observed = |act: &Act| match *act {
            Act::Read(value) | Act::Differs(value) | Act::Cas(value, _) => Some(value as usize),
            Act::Write(_) => None,
        };
        let mut begins = vec![0; view.values + 2];
        for value in view.acts.iter().filter_map(observed) {
            begins[value + 2] += 1;
        }
        for value in 2..begins.len() {
            begins[value] += begins[value - 1];
        }
        let mut calls = vec![(0, 0); *begins.last().expect("never empty") as usize];
        for (at, act) in view.acts.iter().enumerate() {
            if let Some(value) = observed(act) {
                let (begin, end) = (begins[value] as usize, begins[value + 1] as usize);
                let latest = if begin < end && end > 0 { calls[end - 1].1 } else { 0 };
                calls[end] = (view.invoked[at], view.returned[at].max(latest));
                begins[value + 1] += 1;
            }
        }
        Self { begins, calls }
    }

    /// Whether a call invoked before `before` and not returned before `now` observes `value`.
    pub(super) fn any(&self, value: u32, now: u32, before: u32) -> bool {
        let value = value as usize;
        let calls = &self.calls[self.begins[value] as usize..self.begins[value + 1] as usize];
        let begun = calls.partition_point(|&(invoked, _)| invoked < before);
        begun > 0 && calls[begun - 1].1 >= now
    }
}
