//! Registers and compare-and-set registers in which every observed value has one writer.
//!
//! Gibbons and Korach, "Testing shared memories" (SIAM Journal on Computing 26(4), 1997), §4, for reads and writes;
//! chains of compare-and-sets and indeterminate calls on top. Who wrote what each call saw is then known, so the
//! calls fall into blocks: a write (or the initial value), the reads of it, the one compare-and-set from it, the
//! reads of that, and so on. A legal order is a concatenation of blocks, hence one exists iff the order inside each
//! block agrees with real time and the blocks themselves can be ordered, which [`zones`](super::zones) decides.
//!
//! An indeterminate call is kept iff a kept call saw its value: unobserved, it may as well never have happened.
//! Values that several calls wrote and nobody saw do no harm: each such call is a block's end.
//!
//! Sound and complete where it applies; O(n log n) time for the blocks' order, O(n) otherwise, O(n) space. Does not
//! apply when an observed value has several writers. Failed compare-and-sets are left out: what contradicts without
//! them is a contradiction, but where there are some it never says that the object holds.

use super::core_closure::closure;
use super::register_view::{Act, INITIAL, RegisterView};
use super::zones::{NOBODY, Zone, arrange};
use super::{Conflict, Decision, Wish};
use crate::check::budget::{Budget, Stop};
use crate::check::models::Register;
use crate::check::problem::Problem;

/// Decides one object.
pub(super) fn decide(problem: &Problem<Register>, wish: Wish, budget: &Budget) -> Decision {
    // Per call: the view (28), writers and versions (16), blocks (32 for each of at most all), the order (16).
    let bytes = problem.len() as u64 * 92;
    if let Some(stop) = budget.exceeded() {
        return Decision::GaveUp { stop, explained: 0 };
    }
    if budget.reserve(bytes).is_err() {
        return Decision::GaveUp { stop: Stop::Memory, explained: 0 };
    }
    let decision = decide_view(problem, &RegisterView::new(problem), wish);
    budget.release(bytes);
    decision
}

fn decide_view(problem: &Problem<Register>, view: &RegisterView, wish: Wish) -> Decision {
    let mut provenance = Provenance::new(view);
    match provenance.blocks() {
        Ok(_) if view.acts.iter().any(|act| matches!(act, Act::Differs(_))) => {
            Decision::NotApplicable("a failed compare-and-set says only what the register did not hold")
        }
        Ok(roots) => Decision::Holds(wish.order.then(|| provenance.order(&roots))),
        Err(Obstacle::ManyWriters) => Decision::NotApplicable("an observed value has several writers"),
        Err(Obstacle::Contradiction(calls)) => {
            let calls = calls.into_iter().filter(|&at| at != NOBODY);
            let places: Vec<u32> =
                calls.flat_map(|at| provenance.witnesses(at)).map(|at| view.places[at as usize]).collect();
            Decision::Violated(Conflict { places: closure(problem, &places), event: None })
        }
    }
}

/// Why there is no order by blocks.
enum Obstacle {
    ManyWriters,
    /// These calls contradict each other, as long as the indeterminate ones among them did happen.
    Contradiction(Vec<u32>),
}

/// No call.
const NONE: u32 = u32::MAX;
/// The initial value's writer.
const BEGINNING: u32 = u32::MAX - 1;
/// More than one writer.
const MANY: u32 = u32::MAX - 2;

/// Who wrote what each call saw.
struct Provenance<'v> {
    view: &'v RegisterView,
    /// By value: the call that wrote it, or one of the three above.
    writer: Vec<u32>,
    /// By call: [`NONE`] if it is dropped; a completed call keeps itself, an indeterminate one is kept by a call that
    /// saw its value.
    keeper: Vec<u32>,
    /// By value: the reads of it.
    reads: Vec<Zone>,
    /// By value: the compare-and-set from it.
    successor: Vec<u32>,
}

impl<'v> Provenance<'v> {
    fn new(view: &'v RegisterView) -> Self {
        let mut writer = vec![NONE; view.values];
        writer[INITIAL as usize] = BEGINNING;
        for (at, act) in (0..).zip(&view.acts) {
            if let Some(value) = act.set() {
                let slot = &mut writer[value as usize];
                *slot = if *slot == NONE { at } else { MANY };
            }
        }
        let reads = vec![Zone::EMPTY; view.values];
        let successor = vec![NONE; view.values];
        Self { view, writer, keeper: vec![NONE; view.len()], reads, successor }
    }

    /// The blocks' first calls in an order that respects real time; [`BEGINNING`] stands for the initial value.
    fn blocks(&mut self) -> Result<Vec<u32>, Obstacle> {
        self.keep()?;
        self.observe()?;
        let mut roots = vec![BEGINNING];
        let kept_writes = self.kept().filter(|&at| matches!(self.view.acts[at as usize], Act::Write(_)));
        roots.extend(kept_writes);
        let zones = self.zones(&roots)?;
        let sequence = arrange(&zones)
            .map_err(|(a, b)| Obstacle::Contradiction(zones[a].extremes().chain(zones[b].extremes()).collect()))?;
        Ok(sequence.into_iter().map(|block| roots[block as usize]).collect())
    }

    fn kept(&self) -> impl Iterator<Item = u32> + use<'_> {
        (0..).zip(&self.keeper).filter(|&(_, &keeper)| keeper != NONE).map(|(at, _)| at)
    }

    /// Finds the calls that certainly happened: the completed ones, and the writers of what they saw.
    fn keep(&mut self) -> Result<(), Obstacle> {
        for at in 0..self.view.len() {
            if self.view.completed(at) {
                let at = u32::try_from(at).expect("places are 32 bits");
                self.keeper[at as usize] = at;
                self.keep_writers(at)?;
            }
        }
        Ok(())
    }

    /// Keeps the writer of what a call saw, if it is indeterminate, the writer of what that one saw, and so on.
    fn keep_writers(&mut self, mut at: u32) -> Result<(), Obstacle> {
        while let Some(value) = self.view.acts[at as usize].seen() {
            match self.writer[value as usize] {
                NONE => return Err(Obstacle::Contradiction(vec![at])),
                MANY => return Err(Obstacle::ManyWriters),
                BEGINNING => break,
                writer if self.view.completed(writer as usize) || self.keeper[writer as usize] != NONE => break,
                writer => {
                    self.keeper[writer as usize] = at;
                    at = writer;
                }
            }
        }
        Ok(())
    }

    /// Sorts the kept observers by what they saw.
    fn observe(&mut self) -> Result<(), Obstacle> {
        for at in 0..self.view.len() {
            if self.keeper[at] == NONE {
                continue;
            }
            let place = u32::try_from(at).expect("places are 32 bits");
            match self.view.acts[at] {
                Act::Read(value) => {
                    self.reads[value as usize].add(place, self.view.invoked[at], self.view.returned[at]);
                }
                Act::Cas(value, _) => {
                    let other = std::mem::replace(&mut self.successor[value as usize], place);
                    if other != NONE {
                        return Err(Obstacle::Contradiction(vec![other, place]));
                    }
                }
                Act::Write(_) | Act::Differs(_) => {}
            }
        }
        Ok(())
    }

    /// The zone of each block, once the order inside it is known to agree with real time.
    fn zones(&self, roots: &[u32]) -> Result<Vec<Zone>, Obstacle> {
        let mut reached = vec![false; self.view.len()];
        let mut zones = Vec::with_capacity(roots.len());
        for &root in roots {
            zones.push(self.zone(root, &mut reached)?);
        }
        let unreached = |&at: &u32| self.view.acts[at as usize].set().is_some() && !reached[at as usize];
        // Compare-and-sets in a circle: each one needs another one first.
        match self.kept().find(unreached) {
            Some(at) => Err(Obstacle::Contradiction(vec![at])),
            None => Ok(zones),
        }
    }

    fn zone(&self, root: u32, reached: &mut [bool]) -> Result<Zone, Obstacle> {
        let mut zone = if root == BEGINNING { Zone::BEGINNING } else { Zone::EMPTY };
        let mut latest = Zone::EMPTY;
        let mut link = root;
        loop {
            if link != BEGINNING {
                let at = link as usize;
                reached[at] = true;
                let mut own = Zone::EMPTY;
                own.add(link, self.view.invoked[at], self.view.returned[at]);
                Self::follow(&mut zone, &mut latest, &own)?;
            }
            let value = self.value_set_by(link);
            Self::follow(&mut zone, &mut latest, &self.reads[value as usize])?;
            link = self.successor[value as usize];
            if link == NONE {
                return Ok(zone);
            }
        }
    }

    /// Appends calls to a block: none of them may have returned before one that comes earlier was invoked.
    fn follow(zone: &mut Zone, latest: &mut Zone, next: &Zone) -> Result<(), Obstacle> {
        if next.first_return < latest.last_call {
            return Err(Obstacle::Contradiction(vec![next.first_returned, latest.last_called]));
        }
        zone.join(next);
        latest.join(next);
        Ok(())
    }

    fn value_set_by(&self, link: u32) -> u32 {
        if link == BEGINNING {
            INITIAL
        } else {
            self.view.acts[link as usize].set().expect("links of a chain set values")
        }
    }

    /// The call, and if it is indeterminate those that prove that it happened.
    fn witnesses(&self, at: u32) -> Vec<u32> {
        let mut chain = vec![at];
        let mut last = at;
        while self.keeper[last as usize] != last && self.keeper[last as usize] != NONE {
            last = self.keeper[last as usize];
            chain.push(last);
        }
        chain
    }

    /// All kept calls, block by block, as places in the problem.
    fn order(&self, roots: &[u32]) -> Vec<u32> {
        let readers = Readers::new(self.view);
        let mut order = Vec::with_capacity(self.view.len());
        for &root in roots {
            let mut link = root;
            while link != NONE {
                if link != BEGINNING {
                    order.push(self.view.places[link as usize]);
                }
                let value = self.value_set_by(link);
                order.extend(readers.of(value).iter().map(|&at| self.view.places[at as usize]));
                link = self.successor[value as usize];
            }
        }
        order
    }
}

/// The reads of each value in order of invocation.
struct Readers {
    begins: Vec<u32>,
    calls: Vec<u32>,
}

impl Readers {
    fn new(view: &RegisterView) -> Self {
        let reads = || {
            (0u32..).zip(&view.acts).filter_map(|(at, act)| match *act {
                Act::Read(value) => Some((at, value as usize)),
                _ => None,
            })
        };
        let mut begins = vec![0; view.values + 2];
        for (_, value) in reads() {
            begins[value + 2] += 1;
        }
        for value in 2..begins.len() {
            begins[value] += begins[value - 1];
        }
        let mut calls = vec![0; reads().count()];
        for (at, value) in reads() {
            calls[begins[value + 1] as usize] = at;
            begins[value + 1] += 1;
        }
        Self { begins, calls }
    }

    fn of(&self, value: u32) -> &[u32] {
        let value = value as usize;
        &self.calls[self.begins[value] as usize..self.begins[value + 1] as usize]
    }
}
