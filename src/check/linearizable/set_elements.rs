//! Sets without reads of all elements: each element is an object of its own.
//!
//! Horn and Kroening, "Faster linearizability checking via P-compositionality" (FORTE 2015): the set is a product of
//! one-bit objects, so it has an order exactly if each element has one. The orders of the elements are merged by
//! time: each operation at the latest call so far in its element's order.
//!
//! One element:
//! * If every completed addition and removal tells whether it changed the set, those that did flip the bit and all
//!   others observe it. Observations are placed as soon as the bit is right, which loses nothing; flips as late as
//!   possible, those that return first first, as in [`permits`](super::permits) and for the same reason: what is
//!   flipped later meets the same bits. O(m log m).
//! * If nothing is ever removed, whoever found it missing comes first, then one addition, then all others.
//! * Otherwise the general search decides that element alone; it is exponential only in what overlaps there, and may
//!   give up when the budget ends.
//!
//! Exact. Does not apply if the history has a read of all elements. O(n log n) but for the search.

use super::timeline::{Moment, moments};
use super::{Conflict, Decision, Wish, depth_first};
use crate::check::budget::Budget;
use crate::check::models::{Set, SetCall};
use crate::check::problem::{NEVER, Problem};
use crate::history::ValueId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Decides a set.
pub(super) fn decide(problem: &Problem<Set>, wish: Wish, budget: &Budget) -> Decision {
    let mut by_element: Vec<(ValueId, u32)> = Vec::with_capacity(problem.len());
    for (place, call) in (0..).zip(&problem.calls) {
        let Some(element) = call.element() else {
            return Decision::NotApplicable("the set is read as a whole");
        };
        by_element.push((element, place));
    }
    by_element.sort_unstable();
    let mut timed: Vec<(u32, u32, u32)> = Vec::with_capacity(problem.len());
    let mut violated: Vec<Conflict> = Vec::new();
    let mut gave_up = None;
    for group in by_element.chunk_by(|a, b| a.0 == b.0) {
        let element = Element { problem, places: group.iter().map(|&(_, place)| place).collect() };
        match element.decide(budget) {
            Decision::Holds(order) => element.merge(&order.unwrap_or_default(), &mut timed),
            Decision::Violated(conflict) => violated.push(conflict),
            other => gave_up = Some(other),
        }
    }
    if let Some(first) = earliest(violated) {
        return Decision::Violated(first);
    }
    if let Some(gave_up) = gave_up {
        return gave_up;
    }
    Decision::Holds(wish.order.then(|| {
        timed.sort_unstable();
        timed.into_iter().map(|(.., place)| place).collect()
    }))
}

/// The element whose orders end first, and when; elements are independent, so the whole history's end there. When is
/// not known if it is not known of some element.
fn earliest(violated: Vec<Conflict>) -> Option<Conflict> {
    let known = violated.iter().all(|conflict| conflict.event.is_some());
    let first = violated.into_iter().min_by_key(|conflict| conflict.event)?;
    Some(Conflict { event: first.event.filter(|_| known), ..first })
}

struct Element<'p> {
    problem: &'p Problem<Set>,
    places: Vec<u32>,
}

/// What an operation does to the one bit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// Sees this bit.
    See(bool),
    /// Changes the bit to this one.
    Flip(bool),
    /// Sets the bit to this one, whatever it was.
    Set(bool),
}

fn deed(call: &SetCall) -> Deed {
    match *call {
        SetCall::Add { changed: None, .. } => Deed::Set(true),
        SetCall::Remove { changed: None, .. } => Deed::Set(false),
        SetCall::Add { changed: Some(true), .. } => Deed::Flip(true),
        SetCall::Remove { changed: Some(true), .. } => Deed::Flip(false),
        SetCall::Add { changed: Some(false), .. } => Deed::See(true),
        SetCall::Remove { changed: Some(false), .. } => Deed::See(false),
        SetCall::Contains { found, .. } => Deed::See(found),
        SetCall::Read(_) => unreachable!("a read of all elements belongs to no element"),
    }
}

impl Element<'_> {
    fn decide(&self, budget: &Budget) -> Decision {
        let deeds = || self.places.iter().map(|&place| (place, deed(&self.problem.calls[place as usize])));
        let silent = deeds().any(|(place, deed)| matches!(deed, Deed::Set(_)) && self.returned(place) != NEVER);
        let removed = deeds().any(|(_, deed)| matches!(deed, Deed::Set(false) | Deed::Flip(false)));
        let found = match (silent, removed) {
            (false, _) => self.flips(),
            (true, false) => self.grows(),
            (true, true) => return self.search(budget),
        };
        match found {
            Ok(order) => Decision::Holds(Some(order)),
            Err(event) => {
                let called = |&place: &u32| event.is_none_or(|event| self.problem.invoked[place as usize] < event);
                Decision::Violated(Conflict { places: self.places.iter().copied().filter(called).collect(), event })
            }
        }
    }

    fn returned(&self, place: u32) -> u32 {
        self.problem.returned[place as usize]
    }

    fn deed(&self, place: u32) -> Deed {
        deed(&self.problem.calls[place as usize])
    }

    fn search(&self, budget: &Budget) -> Decision {
        let places: Vec<usize> = self.places.iter().map(|&place| place as usize).collect();
        match depth_first::decide(&self.problem.select(&places), Wish { order: true }, budget) {
            Decision::Holds(order) => {
                Decision::Holds(order.map(|order| order.iter().map(|&at| self.places[at as usize]).collect()))
            }
            Decision::Violated(_) => Decision::Violated(Conflict { places: self.places.clone(), event: None }),
            other => other,
        }
    }

    /// Adds an element's order to the times of all: each operation at the latest call so far.
    fn merge(&self, order: &[u32], timed: &mut Vec<(u32, u32, u32)>) {
        let mut time = 0;
        for (at, &place) in (0..).zip(order) {
            time = time.max(self.problem.invoked[place as usize]);
            timed.push((time, at, place));
        }
    }

    /// Nobody removes: misses, then an addition, then everything else. Of what never returned only one addition can
    /// be needed, as the first.
    fn grows(&self) -> Result<Vec<u32>, Option<u32>> {
        let returned = |place: &u32| self.returned(*place) != NEVER;
        let sees = |place: u32, bit| self.deed(place) == Deed::See(bit);
        let (mut order, rest): (Vec<u32>, Vec<u32>) =
            self.places.iter().filter(|place| returned(place)).partition(|&&place| sees(place, false));
        if rest.is_empty() {
            return Ok(order);
        }
        // The one that changed the set if it told so, else the one that was called first.
        let mut flips = rest.iter().copied().filter(|&place| self.deed(place) == Deed::Flip(true));
        let flip = flips.next();
        let adds = self.places.iter().copied().find(|&place| !matches!(self.deed(place), Deed::See(_)));
        let first = flip.or(adds).ok_or(None)?;
        order.push(first);
        order.extend(rest.iter().copied().filter(|&place| place != first));
        if flips.next().is_none() && self.in_time(&order) { Ok(order) } else { Err(None) }
    }

    fn in_time(&self, order: &[u32]) -> bool {
        let mut latest_call = 0;
        order.iter().all(|&place| {
            latest_call = latest_call.max(self.problem.invoked[place as usize]);
            self.returned(place) >= latest_call
        })
    }

    /// Every operation sees or flips the bit, but those that never returned, which may flip it.
    fn flips(&self) -> Result<Vec<u32>, Option<u32>> {
        let column = |from: &[u32]| self.places.iter().map(|&place| from[place as usize]).collect::<Vec<_>>();
        let mut bit = Bit::new(self);
        for moment in moments(&column(&self.problem.invoked), &column(&self.problem.returned)) {
            match moment {
                Moment::Call(at) => bit.call(at),
                Moment::Return(at) if bit.settle(at) => {}
                Moment::Return(at) => return Err(Some(self.returned(self.places[at as usize]))),
            }
        }
        Ok(bit.order)
    }
}

/// The bit of one element as time passes.
struct Bit<'e> {
    element: &'e Element<'e>,
    value: bool,
    placed: Vec<bool>,
    /// Flips to false and to true that have been called, by return.
    flips: [BinaryHeap<Reverse<(u32, u32)>>; 2],
    /// Observations of false and of true that wait for that bit.
    waiting: [Vec<u32>; 2],
    order: Vec<u32>,
}

impl<'e> Bit<'e> {
    fn new(element: &'e Element<'e>) -> Self {
        Self {
            element,
            value: false,
            placed: vec![false; element.places.len()],
            flips: Default::default(),
            waiting: Default::default(),
            order: Vec::with_capacity(element.places.len()),
        }
    }

    fn deed(&self, at: u32) -> Deed {
        self.element.deed(self.element.places[at as usize])
    }

    fn call(&mut self, at: u32) {
        match self.deed(at) {
            Deed::See(bit) if bit == self.value => self.place(at),
            Deed::See(bit) => self.waiting[usize::from(bit)].push(at),
            Deed::Flip(to) | Deed::Set(to) => {
                let returned = self.element.returned(self.element.places[at as usize]);
                self.flips[usize::from(to)].push(Reverse((returned, at)));
            }
        }
    }

    /// Places an operation that returns; whether that was possible.
    fn settle(&mut self, at: u32) -> bool {
        if self.placed[at as usize] {
            return true;
        }
        match self.deed(at) {
            // It waits for the other bit.
            Deed::See(bit) => self.flip_somehow(bit),
            Deed::Flip(to) | Deed::Set(to) => {
                let ready = self.value != to || self.flip_somehow(!to);
                if ready {
                    self.flip(at, to);
                }
                ready
            }
        }
    }

    fn flip_somehow(&mut self, to: bool) -> bool {
        while let Some(Reverse((_, at))) = self.flips[usize::from(to)].pop() {
            if !self.placed[at as usize] {
                self.flip(at, to);
                return true;
            }
        }
        false
    }

    fn flip(&mut self, at: u32, to: bool) {
        self.place(at);
        self.value = to;
        for seen in std::mem::take(&mut self.waiting[usize::from(to)]) {
            self.place(seen);
        }
    }

    fn place(&mut self, at: u32) {
        self.placed[at as usize] = true;
        self.order.push(self.element.places[at as usize]);
    }
}
