//! Walks of compare-and-sets where what they lead to is overwritten: before a blind write that comes next, and in
//! excursions before the last one (see [`moves`](super::moves)).
//!
//! Walks are looked at shortest first, so that a bounded look (see [`Moves::begin_event`]) sees the cheapest ones.

use super::super::register_view::Act;
use super::choices::{Ground, Member, can_step, is_exchangeable, observe, observe_in_excursion, spare_on, writer};
use super::configuration::{Configuration, DEAD};
use super::mask::SlotMask;
use super::moves::{Moves, Node, Step, Who};
use super::open_calls::OpenCalls;
use super::supply::Supply;

impl<M: SlotMask> Moves<'_, M> {
    /// Every way to walk on by compare-and-sets from `value` through calls in `among`. All that a walk leads to but
    /// calls that it lets observe is a place kept for its last step.
    #[expect(clippy::too_many_arguments, reason = "the search's parts are borrowed one by one")]
    pub(super) fn walk_on(
        &mut self,
        node: Node<M>,
        value: u32,
        among: M,
        ground: Ground,
        open: &OpenCalls<'_, M>,
        supply: &mut Supply,
        ends: &mut Vec<Node<M>>,
    ) {
        if value == DEAD || !can_step(&node.at, value, among, ground, open, supply) {
            ends.push(node);
            return;
        }
        let mut walking = std::mem::take(&mut self.walking);
        self.seen.clear();
        walking.clear();
        walking.push((node, value));
        let mut next = 0;
        while let Some(&(node, value)) = walking.get(next) {
            next += 1;
            if !self.has_patience() {
                break;
            }
            if self.was_here(&node.at, value, open, supply) {
                continue;
            }
            let mut kept = false;
            let candidates = open.cas_from[value as usize].and(among).minus(node.at.done);
            for slot in candidates.slots() {
                if is_exchangeable(&node.at, slot, candidates, open) {
                    continue;
                }
                if !node.at.free.has(slot) {
                    kept = true;
                    let mut end = node;
                    end.at.free = end.at.free.or(M::bit(slot));
                    let keep =
                        if ground == Ground::Present { Step::KeepLast(slot) } else { Step::KeepInExcursion(slot) };
                    end.trail = self.step(node.trail, keep);
                    ends.push(end);
                }
                let to = open.target(slot);
                let mut next = node;
                next.at.consume(slot);
                let useful = observe(&mut next.at, to, among, open);
                if useful || can_step(&next.at, to, among, ground, open, supply) {
                    next.trail = self.step(node.trail, ground.step(Who::Open(slot)));
                    walking.push((next, to));
                }
            }
            for &class in &open.cas_classes[value as usize] {
                let Some(next) = self.step_indeterminate(node, class, among, ground, open, supply) else { continue };
                let to = open.timeline.classes[class as usize].act.set().expect("a compare-and-set");
                if next.1 || can_step(&next.0.at, to, among, ground, open, supply) {
                    walking.push((next.0, to));
                }
            }
            if !kept {
                ends.push(node);
            }
        }
        self.walking = walking;
    }

    /// A walk's step by an indeterminate compare-and-set, and whether some call could observe there; `None` if there
    /// is no spare one, or an open identical one does as well.
    pub(super) fn step_indeterminate(
        &mut self,
        node: Node<M>,
        class: u32,
        among: M,
        ground: Ground,
        open: &OpenCalls<'_, M>,
        supply: &mut Supply,
    ) -> Option<(Node<M>, bool)> {
        let member = spare_on(node.at, class, ground, open, supply)?;
        let act = open.timeline.classes[class as usize].act;
        let from = act.seen().expect("a compare-and-set");
        let to = act.set().expect("a compare-and-set");
        let open_ones = open.cas_from[from as usize].and(among).minus(node.at.done);
        let early = member == Member::Early;
        let as_well = |slot: usize| open.target(slot) == to && (early || !node.at.pool.has(slot));
        if open_ones.slots().any(as_well) {
            return None;
        }
        let mut next = node;
        next.at.used = supply.with(node.at.used, class, member.is_late());
        next.trail = self.step(node.trail, ground.step(Who::Indeterminate(class)));
        let useful = observe(&mut next.at, to, among, open);
        Some((next, useful))
    }

    /// Whether a walk has been at this value with all the same and no more indeterminate calls used: circles of
    /// indeterminate compare-and-sets lead nowhere.
    fn was_here(&mut self, at: &Configuration<M>, value: u32, open: &OpenCalls<'_, M>, supply: &Supply) -> bool {
        if open.timeline.classes.is_empty() {
            return false;
        }
        let same = |(there, other): &(u32, Configuration<M>)| {
            *there == value
                && other.done == at.done
                && other.free == at.free
                && other.pool == at.pool
                && supply.leaves_more(other.used, at.used)
        };
        if self.seen.iter().any(same) {
            return true;
        }
        self.seen.push((value, *at));
        false
    }

    /// Past an observer or a compare-and-set by an excursion before the last blind write.
    pub(super) fn join_excursion(&mut self, node: Node<M>, slot: usize, open: &OpenCalls<'_, M>, supply: &mut Supply) {
        let values = self.helpful_values(&node.at, slot, node.at.pool, Ground::Excursion, open, supply);
        for &value in &values {
            let Some(who) = writer(&node.at, value, node.at.pool, Ground::Excursion, open, supply) else { continue };
            let mut begun = node;
            match who {
                Who::Open(by) => begun.at.consume(by),
                Who::Indeterminate(class) => begun.at.used = supply.with(node.at.used, class, false),
            }
            begun.trail = self.step(node.trail, Step::Excursion(who));
            observe_in_excursion(&mut begun.at, value, open);
            self.walk_to(begun, value, slot, open, supply);
        }
        self.values = values;
    }

    /// Walks an excursion on until the call in `goal` takes part.
    fn walk_to(&mut self, begun: Node<M>, value: u32, goal: usize, open: &OpenCalls<'_, M>, supply: &mut Supply) {
        let mut walks = vec![(begun, value)];
        let mut been: Vec<(u32, Configuration<M>)> = Vec::new();
        let mut next = 0;
        while let Some(&(node, value)) = walks.get(next) {
            next += 1;
            if !self.has_patience() {
                break;
            }
            if node.at.done.has(goal) {
                self.leave_excursion(node, value, goal, open, supply);
                continue;
            }
            if let Act::Cas(from, to) = open.act(goal)
                && from == value
            {
                let mut joined = node;
                joined.at.consume(goal);
                joined.trail = self.step(node.trail, Step::Walk(Who::Open(goal)));
                observe_in_excursion(&mut joined.at, to, open);
                self.leave_excursion(joined, to, goal, open, supply);
            }
            std::mem::swap(&mut self.seen, &mut been);
            let again = self.was_here(&node.at, value, open, supply);
            std::mem::swap(&mut self.seen, &mut been);
            if again {
                continue;
            }
            let pool = node.at.pool;
            let arrives = |at: &Configuration<M>, value: u32| {
                at.done.has(goal) || matches!(open.act(goal), Act::Cas(from, _) if from == value)
            };
            let candidates = open.cas_from[value as usize].and(pool);
            for slot in candidates.minus(M::bit(goal)).slots() {
                if is_exchangeable(&node.at, slot, candidates, open) {
                    continue;
                }
                let to = open.target(slot);
                let mut next = node;
                next.at.consume(slot);
                observe(&mut next.at, to, pool, open);
                if arrives(&next.at, to) || can_step(&next.at, to, pool, Ground::Excursion, open, supply) {
                    next.trail = self.step(node.trail, Step::Walk(Who::Open(slot)));
                    walks.push((next, to));
                }
            }
            for &class in &open.cas_classes[value as usize] {
                let Some((next, _)) = self.step_indeterminate(node, class, pool, Ground::Excursion, open, supply)
                else {
                    continue;
                };
                let to = open.timeline.classes[class as usize].act.set().expect("a compare-and-set");
                if arrives(&next.at, to) || can_step(&next.at, to, pool, Ground::Excursion, open, supply) {
                    walks.push((next, to));
                }
            }
        }
    }

    /// Past the call in `slot`, which the excursion contains, after every useful way to go on with it.
    pub(super) fn leave_excursion(
        &mut self,
        node: Node<M>,
        value: u32,
        slot: usize,
        open: &OpenCalls<'_, M>,
        supply: &mut Supply,
    ) {
        let mut ends = std::mem::take(&mut self.kept);
        self.walk_on(node, value, node.at.pool, Ground::Excursion, open, supply, &mut ends);
        for mut end in ends.drain(..) {
            end.at.forget(slot);
            self.out.push(end);
        }
        self.kept = ends;
    }
}
