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
use super::configuration::{Configuration, DEAD};
use super::mask::SlotMask;
use super::open_calls::OpenCalls;
use super::supply::Supply;

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

/// Where a walk of compare-and-sets takes place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// At the end of the order.
    Present,
    /// Before the last blind write.
    Excursion,
}

/// Expands configurations; its buffers are reused.
#[derive(Debug)]
pub(super) struct Moves<M> {
    /// The steps so far with the step before each one; empty unless `tracing`.
    pub(super) trail: Vec<(u32, Step)>,
    pub(super) tracing: bool,
    /// The configurations after the return, with `x` forgotten.
    pub(super) out: Vec<Node<M>>,
    visited: Antichain<M>,
    kept: Vec<Node<M>>,
    walking: Vec<(Node<M>, u32)>,
    forward: Vec<Node<M>>,
    values: Vec<u32>,
    seen: Vec<(u32, Configuration<M>)>,
    /// So many more steps may be looked at before the next return.
    patience: usize,
    /// Whether patience ended, so that configurations may be missing.
    pub(super) impatient: bool,
}

/// Before any step.
pub(super) const NO_STEP: u32 = u32::MAX;

impl<M: SlotMask> Moves<M> {
    pub(super) fn new(values: usize, tracing: bool) -> Self {
        Self {
            trail: Vec::new(),
            tracing,
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

    /// Every way to walk on by compare-and-sets from `value` through calls in `among`. All that a walk leads to but
    /// calls that it lets observe is a place kept for its last step.
    #[expect(clippy::too_many_arguments, reason = "the search's parts are borrowed one by one")]
    fn walk_on(
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
    fn step_indeterminate(
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

    /// Past an observer or a compare-and-set by an excursion before the last blind write.
    fn join_excursion(&mut self, node: Node<M>, slot: usize, open: &OpenCalls<'_, M>, supply: &mut Supply) {
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
    fn leave_excursion(
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

    /// The values that help the call in `goal`: the one it needs, and those that a compare-and-set leads on from.
    fn helpful_values(
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

    fn has_patience(&mut self) -> bool {
        self.impatient |= self.patience == 0;
        self.patience = self.patience.saturating_sub(1);
        !self.impatient
    }

    fn step(&mut self, before: u32, step: Step) -> u32 {
        if !self.tracing {
            return NO_STEP;
        }
        self.trail.push((before, step));
        u32::try_from(self.trail.len() - 1).expect("fewer steps than 2^32")
    }
}

impl Ground {
    fn step(self, who: Who) -> Step {
        match self {
            Self::Present => Step::Forward(who),
            Self::Excursion => Step::Walk(who),
        }
    }
}

/// Which members of a class a use takes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    /// Invoked before the last blind write was linearized.
    Early,
    /// After it.
    Late,
}

impl Member {
    fn is_late(self) -> bool {
        self == Self::Late
    }
}

/// An unused indeterminate call of that class, a late one if there is one.
fn spare<M: SlotMask>(at: Configuration<M>, class: u32, open: &OpenCalls<'_, M>, supply: &Supply) -> Option<Member> {
    let available = open.available[class as usize];
    if available == 0 || supply.unlimited {
        return (available > 0).then_some(Member::Early);
    }
    let early = open.available_before(class, at.point);
    let (used_early, used_late) = supply.used(at.used, class);
    if available - early > used_late { Some(Member::Late) } else { (early > used_early).then_some(Member::Early) }
}

/// The same, but for an excursion only an early one will do.
fn spare_on<M: SlotMask>(
    at: Configuration<M>,
    class: u32,
    ground: Ground,
    open: &OpenCalls<'_, M>,
    supply: &Supply,
) -> Option<Member> {
    if ground == Ground::Present {
        return spare(at, class, open, supply);
    }
    let early = open.available_before(class, at.point);
    let enough = early > 0 && (supply.unlimited || early > supply.used(at.used, class).0);
    enough.then_some(Member::Early)
}

/// The call to write `value` with: the open one that returns first, else an indeterminate one.
fn writer<M: SlotMask>(
    at: &Configuration<M>,
    value: u32,
    among: M,
    ground: Ground,
    open: &OpenCalls<'_, M>,
    supply: &Supply,
) -> Option<Who> {
    let writes = open.writes_of[value as usize].and(among).minus(at.done);
    if let Some(slot) = writes.slots().min_by_key(|&slot| open.returned[slot]) {
        return Some(Who::Open(slot));
    }
    let class = open.write_class[value as usize]?;
    spare_on(*at, class, ground, open, supply).map(|_| Who::Indeterminate(class))
}

/// Whether another call that does the same is to be used before the one in `slot`: it returns earlier, and it can do
/// without nothing that this one can.
fn is_exchangeable<M: SlotMask>(at: &Configuration<M>, slot: usize, candidates: M, open: &OpenCalls<'_, M>) -> bool {
    let to = open.target(slot);
    candidates.slots().any(|other| {
        open.returned[other] < open.returned[slot]
            && open.target(other) == to
            && (at.free.has(slot) || !at.free.has(other))
            && (at.pool.has(slot) || !at.pool.has(other))
    })
}

/// Whether some compare-and-set leads on from `value`.
fn can_step<M: SlotMask>(
    at: &Configuration<M>,
    value: u32,
    among: M,
    ground: Ground,
    open: &OpenCalls<'_, M>,
    supply: &Supply,
) -> bool {
    !open.cas_from[value as usize].and(among).minus(at.done).is_empty()
        || open.cas_classes[value as usize].iter().any(|&class| spare_on(*at, class, ground, open, supply).is_some())
}

/// Linearizes the observers in `among` for whom `value` is right; whether there were any.
fn observe<M: SlotMask>(at: &mut Configuration<M>, value: u32, among: M, open: &OpenCalls<'_, M>) -> bool {
    let mut seeing = open.reads_of[value as usize];
    for slot in open.differing.minus(at.done).slots() {
        if open.act(slot) != Act::Differs(value) {
            seeing = seeing.or(M::bit(slot));
        }
    }
    let seeing = seeing.and(among).minus(at.done);
    at.done = at.done.or(seeing);
    at.pool = at.pool.minus(seeing);
    !seeing.is_empty()
}

/// Linearizes the observers in an excursion for whom `value` is right.
fn observe_in_excursion<M: SlotMask>(at: &mut Configuration<M>, value: u32, open: &OpenCalls<'_, M>) {
    let pool = at.pool;
    observe(at, value, pool, open);
}

/// The register now holds `value`, set by `call`.
fn enter<M: SlotMask>(at: &mut Configuration<M>, call: u32, value: u32, open: &OpenCalls<'_, M>) {
    at.state = if open.timeline.is_dead(call, value, open.now) { DEAD } else { value };
    observe(at, value, open.all(), open);
    let same = open.writes_of[value as usize].minus(at.done).minus(at.pool);
    at.free = at.free.or(same);
}
