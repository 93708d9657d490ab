//! The order behind a search that reached the end.
//!
//! The finder keeps a checkpoint every few events. From the last one back, the layers in between are computed again,
//! this time with every configuration's parent, which gives one path; on the way forward the moves between the
//! path's configurations are computed again, this time with their steps, which say where each call is inserted.
//! O(n) space; about twice the time of the search.

use super::super::register_view::{Act, INITIAL};
use super::configuration::Configuration;
use super::front::{Front, Passage};
use super::mask::SlotMask;
use super::moves::{NO_STEP, Step, Who};
use super::open_calls::OpenCalls;
use super::search::{Checkpoint, Search};
use super::supply::Supply;
use super::timeline::{Happening, Timeline};
use crate::check::budget::Budget;

/// One configuration after each event at which configurations changed, from the last event to the first.
pub(super) struct Path<M> {
    after: Vec<(usize, Configuration<M>)>,
    supply: Supply,
}

/// Finds a path to the end of a search.
pub(super) fn path<M: SlotMask>(timeline: &Timeline, search: Search<'_, M>) -> Path<M> {
    let Search { mut checkpoints, finder, .. } = search;
    let unlimited = Budget::unlimited();
    let mut front = Front::new(timeline, false, &unlimited);
    front.supply = finder.supply;
    let mut after = Vec::new();
    let mut end = timeline.events.len();
    let mut index = 0;
    while let Some(checkpoint) = checkpoints.pop() {
        let begin = checkpoint.event;
        index = retrace(&mut front, checkpoint, end, index, &mut after);
        end = begin;
    }
    Path { after, supply: front.supply }
}

/// From the configuration at `index` before the event `end` back to a checkpoint; its index there.
fn retrace<M: SlotMask>(
    front: &mut Front<'_, M>,
    checkpoint: Checkpoint<M>,
    end: usize,
    mut index: usize,
    after: &mut Vec<(usize, Configuration<M>)>,
) -> usize {
    front.open.seek(checkpoint.event);
    front.layer = checkpoint.layer;
    let mut layers: Vec<(usize, Vec<Configuration<M>>)> = Vec::new();
    while front.open.next < end {
        let (passage, _) = front.pass(checkpoint.width);
        if passage == Passage::Renewed {
            layers.push((front.open.next - 1, front.layer.clone()));
        }
    }
    for (event, layer) in layers.into_iter().rev() {
        let at = layer[index];
        after.push((event, at));
        index = at.parent as usize;
    }
    index
}

/// The calls in the order that a path stands for.
pub(super) fn rebuild<M: SlotMask>(timeline: &Timeline, mut path: Path<M>) -> Vec<u32> {
    let unlimited = Budget::unlimited();
    let mut front: Front<'_, M> = Front::new(timeline, false, &unlimited);
    front.supply = path.supply;
    front.moves.tracing = true;
    front.layer.push(Configuration::initial(INITIAL));
    let mut order: Order<M> = Order::new(timeline);
    while front.open.next < timeline.events.len() {
        let event = front.open.next;
        let renewed = path.after.pop_if(|(at, _)| *at == event).map(|(_, after)| after);
        match (timeline.events[event].happening, renewed) {
            (Happening::End { slot, .. }, Some(after)) => {
                front.open.now = timeline.events[event].rank;
                let before = front.layer[0];
                if !before.done.has(slot as usize) {
                    for step in steps_between(&mut front, &before, slot as usize, &after) {
                        order.take(step, &front.open);
                    }
                }
                front.layer[0] = after;
                front.open.end(slot);
                order.close(slot as usize);
                front.open.next += 1;
            }
            (happening, _) => {
                let _ = front.pass_all(1);
                match happening {
                    Happening::Begin { slot, .. } => order.begin(slot as usize, &front.open),
                    Happening::Supply { class } => order.supply(class, &front.open),
                    Happening::End { slot, .. } => order.close(slot as usize),
                }
            }
        }
    }
    order.collect()
}

/// The steps by which `before` becomes `after` when the call in `slot` returns.
fn steps_between<M: SlotMask>(
    front: &mut Front<'_, M>,
    before: &Configuration<M>,
    slot: usize,
    after: &Configuration<M>,
) -> Vec<Step> {
    front.moves.begin_event(usize::MAX);
    front.moves.expand(before, slot, &front.open, &mut front.supply);
    let parent = before.parent;
    let same = |at: &Configuration<M>| Configuration { parent, ..*at } == Configuration { parent, ..*after };
    let node = front.moves.out.iter().find(|node| same(&node.at));
    let mut at = node.expect("the same moves lead to the same configurations").trail;
    let mut steps = Vec::new();
    while at != NO_STEP {
        let (before, step) = front.moves.trail[at as usize];
        steps.push(step);
        at = before;
    }
    steps.reverse();
    steps
}

/// Stands before the first call.
const HEAD: u32 = u32::MAX;

/// An order under construction: a list into which calls are inserted.
struct Order<'t, M> {
    timeline: &'t Timeline,
    /// By call, and at the end for [`HEAD`]: the call after it.
    next: Vec<u32>,
    /// By call: the call before it.
    before: Vec<u32>,
    last: u32,
    /// The last blind write.
    point: u32,
    /// The last call of the excursion in progress.
    cursor: u32,
    state: u32,
    placed: M,
    pool: M,
    /// By slot: after which call there is a place for it.
    kept_after: Vec<u32>,
    /// By class: its unused calls as (number among all indeterminate calls, call), ascending.
    unused: Vec<Vec<(u32, u32)>>,
    /// How many indeterminate calls there were at the last blind write.
    supplied_at_point: u32,
}

impl<'t, M: SlotMask> Order<'t, M> {
    fn new(timeline: &'t Timeline) -> Self {
        let calls = timeline.acts.len();
        Self {
            timeline,
            next: vec![HEAD; calls + 1],
            before: vec![HEAD; calls],
            last: HEAD,
            point: HEAD,
            cursor: HEAD,
            state: INITIAL,
            placed: M::default(),
            pool: M::default(),
            kept_after: vec![HEAD; timeline.slots],
            unused: vec![Vec::new(); timeline.classes.len()],
            supplied_at_point: 0,
        }
    }

    fn begin(&mut self, slot: usize, open: &OpenCalls<'_, M>) {
        match open.act(slot) {
            Act::Write(value) if value == self.state => self.kept_after[slot] = self.last,
            Act::Write(_) | Act::Cas(..) => {}
            Act::Read(_) | Act::Differs(_) => self.observe_last(M::bit(slot), open),
        }
    }

    fn supply(&mut self, class: u32, open: &OpenCalls<'_, M>) {
        let members = &self.timeline.classes[class as usize];
        let index = open.available[class as usize] as usize - 1;
        self.unused[class as usize].push((members.numbers[index], members.calls[index]));
    }

    fn close(&mut self, slot: usize) {
        self.placed = self.placed.minus(M::bit(slot));
        self.pool = self.pool.minus(M::bit(slot));
    }

    fn take(&mut self, step: Step, open: &OpenCalls<'_, M>) {
        match step {
            Step::Forward(who) => {
                let call = self.call(who, false, open);
                self.append(call);
                if let Act::Write(_) = self.timeline.acts[call as usize] {
                    self.point = call;
                    self.supplied_at_point = open.supplied;
                    self.pool = open.all().minus(self.placed);
                }
                self.state = self.timeline.acts[call as usize].set().expect("moves are by calls that set values");
                self.observe_last(open.observers, open);
                for slot in open.writes_of[self.state as usize].minus(self.placed).slots() {
                    self.kept_after[slot] = self.last;
                }
            }
            Step::Excursion(who) => {
                let call = self.call(who, true, open);
                self.insert_after(self.before[self.point as usize], call);
                self.observe_in_excursion(call, open);
            }
            Step::Walk(who) => {
                let call = self.call(who, true, open);
                self.insert_after(self.cursor, call);
                self.observe_in_excursion(call, open);
            }
            Step::KeepLast(slot) => self.kept_after[slot] = self.last,
            Step::KeepInExcursion(slot) => self.kept_after[slot] = self.cursor,
            Step::Take(slot) => {
                self.placed = self.placed.or(M::bit(slot));
                self.insert_after(self.kept_after[slot], open.call[slot]);
            }
        }
    }

    /// The call that a step speaks of. Of indeterminate ones the latest that will do: earlier ones fit in more places.
    fn call(&mut self, who: Who, in_excursion: bool, open: &OpenCalls<'_, M>) -> u32 {
        match who {
            Who::Open(slot) => {
                self.placed = self.placed.or(M::bit(slot));
                open.call[slot]
            }
            Who::Indeterminate(class) => {
                let unused = &mut self.unused[class as usize];
                let limit = if in_excursion { self.supplied_at_point } else { u32::MAX };
                let fitting = unused.partition_point(|&(number, _)| number < limit);
                unused.remove(fitting.checked_sub(1).expect("the configuration counted them")).1
            }
        }
    }

    /// Appends those of the observers that see the present value.
    fn observe_last(&mut self, among: M, open: &OpenCalls<'_, M>) {
        for slot in among.minus(self.placed).slots() {
            if sees(open.act(slot), self.state) {
                self.placed = self.placed.or(M::bit(slot));
                self.append(open.call[slot]);
            }
        }
    }

    /// Adds the observers that see what `call` sets to the excursion that it just joined.
    fn observe_in_excursion(&mut self, call: u32, open: &OpenCalls<'_, M>) {
        self.cursor = call;
        let value = self.timeline.acts[call as usize].set().expect("excursions are by calls that set values");
        for slot in open.observers.and(self.pool).minus(self.placed).slots() {
            if sees(open.act(slot), value) {
                self.placed = self.placed.or(M::bit(slot));
                self.insert_after(self.cursor, open.call[slot]);
                self.cursor = open.call[slot];
            }
        }
    }

    fn append(&mut self, call: u32) {
        self.insert_after(self.last, call);
    }

    fn insert_after(&mut self, place: u32, call: u32) {
        let head = self.before.len();
        let at = if place == HEAD { head } else { place as usize };
        let follower = self.next[at];
        self.next[at] = call;
        self.next[call as usize] = follower;
        self.before[call as usize] = place;
        if follower == HEAD {
            self.last = call;
        } else {
            self.before[follower as usize] = call;
        }
    }

    fn collect(&self) -> Vec<u32> {
        let first = self.next[self.before.len()];
        std::iter::successors((first != HEAD).then_some(first), |&call| {
            let next = self.next[call as usize];
            (next != HEAD).then_some(next)
        })
        .collect()
    }
}

fn sees(act: Act, state: u32) -> bool {
    match act {
        Act::Read(value) => value == state,
        Act::Differs(value) => value != state,
        Act::Write(_) | Act::Cas(..) => false,
    }
}
