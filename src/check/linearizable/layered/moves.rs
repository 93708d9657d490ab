//! How a configuration gets past the return of a call.
//!
//! Lowe's normal form ("Testing for linearizability", CCPE 2017, §4, just-in-time linearization): every call is
//! linearized as late as possible, so the order falls into blocks, one for each return of a call `x` not linearized
//! before, and each block ends with `x`. On top of it, blind writes make most of a block free to choose later:
//! whatever a block does before a blind write is overwritten by it, so it is an *excursion* that can be inserted
//! there afterwards, when a return asks for it. What remains of a block:
//!
//! * `x` a write: it is inserted at a place kept for it at no cost, or it becomes the last blind write;
//! * `x` an observer or a compare-and-set: it joins an excursion before the last blind write, or the register is
//!   brought to the value it needs, by compare-and-sets after at most one blind write.
//!
//! Only a walk of compare-and-sets that begins in the *state* before a blind write cannot wait, since the next
//! blind write starts from another state. Its last step is only a place kept (`free`): no other call can use it, and
//! the compare-and-set may still take effect elsewhere. The same holds at the end of an excursion.
//!
//! Identical calls are exchangeable: the one that returns first is used first, an indeterminate one last.

use super::super::register_view::Act;
use super::antichain::Antichain;
use super::choices::{
    Ground, can_step, enter, is_exchangeable, observe, observe_in_excursion, spare, spare_on, writer,
};
use super::configuration::{Configuration, DEAD};
use super::mask::SlotMask;
use super::open_calls::OpenCalls;
use super::supply::Supply;
use crate::check::budget::Budget;

/// What was decided on the way from a configuration to the next; enough to rebuild the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The call comes last.
    Forward(Who),
    /// A write comes right before the last blind write and begins an excursion.
    Excursion(Who),
    /// A compare-and-set continues the excursion.
    Walk(Who),
    /// A place is kept for the compare-and-set after all that there is now.
    KeepLast(usize),
    /// A place is kept for the compare-and-set at the end of the excursion.
    KeepInExcursion(usize),
    /// The call takes the place kept for it.
    Take(usize),
}

/// A call: an open one by its slot, or any indeterminate one of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Open(usize),
    Indeterminate(u32),
}

/// A configuration on the way, with the last of the steps that led to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<M> {
    pub(super) at: Configuration<M>,
    /// An index into [`Moves::trail`].
    pub(super) trail: u32,
}

/// Expands configurations; its buffers are reused.
#[derive(Debug)]
pub(super) struct Moves<'t, M> {
    /// Ends all patience.
    budget: &'t Budget,
    /// The steps so far with the step before each one; empty unless `tracing`.
    pub(super) trail: Vec<(u32, Step)>,
    pub(super) tracing: bool,
    /// The configurations after the return, with `x` forgotten.
    pub(super) out: Vec<Node<M>>,
    pub(super) visited: Antichain<M>,
    pub(super) kept: Vec<Node<M>>,
    pub(super) walking: Vec<(Node<M>, u32)>,
    pub(super) forward: Vec<Node<M>>,
    pub(super) values: Vec<u32>,
    pub(super) seen: Vec<(u32, Configuration<M>)>,
    /// So many more steps may be looked at before the next return.
    pub(super) patience: usize,
    /// How many steps were looked at in all.
    looks: usize,
    /// Whether patience ended, so that configurations may be missing.
    pub(super) impatient: bool,
}

/// So many steps are looked at between two looks at the budget.
const BUDGET_EVERY: usize = 1024;
/// Before any step.
pub(super) const NO_STEP: u32 = u32::MAX;

impl<'t, M: SlotMask> Moves<'t, M> {
    pub(super) fn new(values: usize, budget: &'t Budget) -> Self {
        Self {
            budget,
            looks: 0,
            trail: Vec::new(),
            tracing: false,
            out: Vec::new(),
            visited: Antichain::new(values),
            kept: Vec::new(),
            walking: Vec::new(),
            forward: Vec::new(),
            values: Vec::new(),
            seen: Vec::new(),
            patience: usize::MAX,
            impatient: false,
        }
    }

    /// Prepares for the return of another call, for which at most so many steps are looked at.
    pub(super) fn begin_event(&mut self, patience: usize) {
        self.patience = patience;
        self.impatient = false;
        self.visited.clear();
        self.trail.clear();
        self.out.clear();
    }

    /// Appends to `out` what can follow `from` once the call in `slot`, not linearized there, has returned.
    pub(super) fn expand(
        &mut self,
        from: &Configuration<M>,
        slot: usize,
        open: &OpenCalls<'_, M>,
        supply: &mut Supply,
    ) {
        let node = Node { at: *from, trail: NO_STEP };
        match open.act(slot) {
            Act::Write(value) => self.expand_write(node, slot, value, open, supply),
            Act::Cas(_, to) if from.free.has(slot) => {
                self.take(node, slot);
                if open.timeline.negative || !open.timeline.is_dead(open.call[slot], to, open.now) {
                    self.bring_about(node, slot, open, supply);
                }
                // It has a place of its own, but in an excursion it may lead others on.
                let leads_on = can_step(from, to, from.pool, Ground::Excursion, open, supply)
                    || observe(&mut from.clone(), to, from.pool, open);
                if from.pool.has(slot) && leads_on {
                    self.join_excursion(node, slot, open, supply);
                }
            }
            _ => {
                self.bring_about(node, slot, open, supply);
                if from.pool.has(slot) {
                    self.join_excursion(node, slot, open, supply);
                }
            }
        }
    }

    /// Past a write.
    fn expand_write(&mut self, node: Node<M>, slot: usize, value: u32, open: &OpenCalls<'_, M>, supply: &mut Supply) {
        let at_no_cost = node.at.pool.or(node.at.free).has(slot);
        if node.at.pool.has(slot) {
            let mut absorbed = node;
            absorbed.at.consume(slot);
            absorbed.trail = self.step(node.trail, Step::Excursion(Who::Open(slot)));
            observe_in_excursion(&mut absorbed.at, value, open);
            self.leave_excursion(absorbed, value, slot, open, supply);
        } else if node.at.free.has(slot) {
            self.take(node, slot);
        }
        let pointless = !open.timeline.negative && open.timeline.is_dead(open.call[slot], value, open.now);
        if !(at_no_cost && pointless) {
            let mut written = std::mem::take(&mut self.forward);
            written.clear();
            self.write(node, Who::Open(slot), value, open, supply, &mut written);
            for mut after in written.drain(..) {
                after.at.forget(slot);
                self.out.push(after);
            }
            self.forward = written;
        }
    }

    /// The call takes the place kept for it.
    fn take(&mut self, mut node: Node<M>, slot: usize) {
        node.trail = self.step(node.trail, Step::Take(slot));
        node.at.forget(slot);
        self.out.push(node);
    }

    /// A blind write at the end of the order, after every useful walk from the state before it.
    fn write(
        &mut self,
        mut node: Node<M>,
        who: Who,
        value: u32,
        open: &OpenCalls<'_, M>,
        supply: &mut Supply,
        written: &mut Vec<Node<M>>,
    ) {
        if let Who::Open(slot) = who {
            node.at.consume(slot);
        }
        let before = written.len();
        self.walk_on(node, node.at.state, open.all(), Ground::Present, open, supply, written);
        for after in &mut written[before..] {
            let call = match who {
                Who::Open(slot) => open.call[slot],
                Who::Indeterminate(class) => {
                    let late = spare(after.at, class, open, supply).expect("the caller saw one").is_late();
                    after.at.used = supply.with(after.at.used, class, late);
                    open.timeline.classes[class as usize].calls[0]
                }
            };
            after.trail = self.step(after.trail, Step::Forward(who));
            after.at.used = supply.settled(after.at.used);
            after.at.point = open.supplied;
            after.at.pool = open.all().minus(after.at.done);
            after.at.free = after.at.free.and(open.cases);
            enter(&mut after.at, call, value, open);
        }
    }

    /// Past an observer or a compare-and-set by bringing the register to the value it needs.
    fn bring_about(&mut self, node: Node<M>, slot: usize, open: &OpenCalls<'_, M>, supply: &mut Supply) {
        let mut pending = std::mem::take(&mut self.forward);
        pending.clear();
        pending.push(node);
        let values = self.helpful_values(&node.at, slot, open.all(), Ground::Present, open, supply);
        for &value in &values {
            if let Some(who) = writer(&node.at, value, open.all(), Ground::Present, open, supply) {
                self.write(node, who, value, open, supply, &mut pending);
            }
        }
        self.values = values;
        let mut next = 0;
        while let Some(&node) = pending.get(next) {
            next += 1;
            if !self.has_patience() {
                break;
            }
            if node.at.done.has(slot) {
                let mut past = node;
                past.at.forget(slot);
                self.out.push(past);
                continue;
            }
            if let Act::Cas(from, to) = open.act(slot)
                && node.at.state == from
            {
                let mut past = node;
                past.at.consume(slot);
                past.trail = self.step(node.trail, Step::Forward(Who::Open(slot)));
                enter(&mut past.at, open.call[slot], to, open);
                past.at.forget(slot);
                self.out.push(past);
            }
            if node.at.state != DEAD && self.visited.insert(node.at, open, supply) {
                self.walk_forward(node, slot, open, supply, &mut pending);
            }
        }
        self.forward = pending;
    }

    /// One step of compare-and-sets at the end of the order, on the way to what the call in `goal` needs.
    fn walk_forward(
        &mut self,
        node: Node<M>,
        goal: usize,
        open: &OpenCalls<'_, M>,
        supply: &mut Supply,
        pending: &mut Vec<Node<M>>,
    ) {
        let all = open.all();
        let arrives = |at: &Configuration<M>| {
            at.done.has(goal) || matches!(open.act(goal), Act::Cas(from, _) if from == at.state)
        };
        let candidates = open.cas_from[node.at.state as usize].minus(node.at.done);
        for slot in candidates.minus(M::bit(goal)).slots() {
            if is_exchangeable(&node.at, slot, candidates, open) {
                continue;
            }
            let to = open.target(slot);
            let mut next = node;
            next.at.consume(slot);
            enter(&mut next.at, open.call[slot], to, open);
            if arrives(&next.at) || can_step(&next.at, to, all, Ground::Present, open, supply) {
                next.trail = self.step(node.trail, Step::Forward(Who::Open(slot)));
                pending.push(next);
            }
        }
        for &class in &open.cas_classes[node.at.state as usize] {
            let Some((mut next, _)) = self.step_indeterminate(node, class, all, Ground::Present, open, supply) else {
                continue;
            };
            let members = &open.timeline.classes[class as usize];
            let to = members.act.set().expect("a compare-and-set");
            enter(&mut next.at, members.calls[0], to, open);
            if arrives(&next.at) || can_step(&next.at, to, all, Ground::Present, open, supply) {
                pending.push(next);
            }
        }
    }

    /// The values that help the call in `goal`: the one it needs, and those that a compare-and-set leads on from.
    pub(super) fn helpful_values(
        &mut self,
        at: &Configuration<M>,
        goal: usize,
        among: M,
        ground: Ground,
        open: &OpenCalls<'_, M>,
        supply: &Supply,
    ) -> Vec<u32> {
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        match open.act(goal) {
            Act::Read(value) | Act::Cas(value, _) => values.push(value),
            Act::Differs(_) => {
                let writes = open.writes.and(among).minus(at.done);
                values.extend(writes.slots().map(|slot| open.act(slot).set().expect("a write")));
                values.extend((0..).zip(&open.write_class).filter_map(|(value, class)| class.map(|_| value)));
            }
            Act::Write(_) => unreachable!("a write needs no value"),
        }
        let steps = open.cases.and(among).minus(at.done);
        values.extend(steps.slots().filter_map(|slot| open.act(slot).seen()));
        for (class, members) in (0..).zip(&open.timeline.classes) {
            if let Act::Cas(from, _) = members.act
                && spare_on(*at, class, ground, open, supply).is_some()
            {
                values.push(from);
            }
        }
        values.sort_unstable();
        values.dedup();
        values
    }

    pub(super) fn has_patience(&mut self) -> bool {
        self.looks += 1;
        if self.looks.is_multiple_of(BUDGET_EVERY) && self.budget.spend(BUDGET_EVERY as u64).is_some() {
            self.patience = 0;
        }
        self.impatient |= self.patience == 0;
        self.patience = self.patience.saturating_sub(1);
        !self.impatient
    }

    pub(super) fn step(&mut self, before: u32, step: Step) -> u32 {
        if !self.tracing {
            return NO_STEP;
        }
        self.trail.push((before, step));
        u32::try_from(self.trail.len() - 1).expect("fewer steps than 2^32")
    }
}
