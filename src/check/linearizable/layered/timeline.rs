//! The events of one register in order of time, and what a search needs to know of them in advance.
//!
//! Every completed call gets a slot from its invocation to its return, the same one in whatever order events are
//! visited; there are as many slots as calls open at once. Indeterminate calls never get one: they stay available
//! for ever, so they are counted by class instead. O(n log n) time, O(n) space.

use super::super::overwriting::{Observers, Overwriting};
use super::super::register_view::{Act, RegisterView};
use crate::check::problem::NEVER;
use rustc_hash::FxHashMap;

/// What happens at an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// A completed call begins, in that slot.
    Begin { call: u32, slot: u32 },
    /// It ends.
    End { call: u32, slot: u32 },
    /// An indeterminate call of that class becomes available.
    Supply { class: u32 },
}

/// An event with its rank in the history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) rank: u32,
    pub(super) happening: Happening,
}

/// Indeterminate calls that do the same.
#[derive(Clone, Debug)]
pub(super) struct Class {
    /// A write or a compare-and-set.
    pub(super) act: Act,
    /// The calls, in order of invocation.
    pub(super) calls: Vec<u32>,
    /// For each of them how many indeterminate calls of all classes came before it.
    pub(super) numbers: Vec<u32>,
    /// For each of them the index of the event of its invocation.
    pub(super) event_indices: Vec<u32>,
}

/// So many events lie between two places from which the open calls are known without looking back further.
pub(super) const ANCHOR_EVERY: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Timeline {
    pub(super) acts: Vec<Act>,
    pub(super) returned: Vec<u32>,
    pub(super) events: Vec<Event>,
    pub(super) classes: Vec<Class>,
    pub(super) values: usize,
    /// The largest number of calls open at once.
    pub(super) slots: usize,
    /// Whether some call saw only what the register did not hold.
    pub(super) negative: bool,
    /// By call: when the value that it sets is gone for certain.
    pub(super) gone: Vec<u32>,
    pub(super) observers: Observers,
    /// At every [`ANCHOR_EVERY`]th event: the open calls with their slots.
    pub(super) anchors: Vec<Vec<(u32, u32)>>,
}

impl std::fmt::Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observers")
    }
}

impl Timeline {
    pub(super) fn new(view: &RegisterView) -> Self {
        let negative = view.acts.iter().any(|act| matches!(act, Act::Differs(_)));
        let relevant = relevant_calls(view, negative);
        let overwriting = Overwriting::new(view);
        let gone = (0..view.len())
            .map(|at| match view.acts[at].set() {
                Some(value) => overwriting.of(value, view.returned[at]).returned,
                None => NEVER,
            })
            .collect();
        let mut timeline = Self {
            acts: view.acts.clone(),
            returned: view.returned.clone(),
            events: Vec::with_capacity(2 * view.len()),
            classes: Vec::new(),
            values: view.values,
            slots: 0,
            negative,
            gone,
            observers: Observers::new(view),
            anchors: Vec::new(),
        };
        timeline.lay_out(view, &relevant);
        timeline
    }

    fn lay_out(&mut self, view: &RegisterView, relevant: &[bool]) {
        let mut moments: Vec<(u32, u32, bool)> = Vec::with_capacity(2 * view.len());
        for (at, call) in (0..view.len()).zip(0u32..) {
            if relevant[at] {
                moments.push((view.invoked[at], call, true));
                if view.completed(at) {
                    moments.push((view.returned[at], call, false));
                }
            }
        }
        moments.sort_unstable();
        let mut open: Vec<(u32, u32)> = Vec::new();
        let mut slot_of: FxHashMap<u32, u32> = FxHashMap::default();
        let mut unused: Vec<u32> = Vec::new();
        let mut class_of: FxHashMap<Act, u32> = FxHashMap::default();
        let mut supplied = 0;
        for (rank, call, begins) in moments {
            if self.events.len().is_multiple_of(ANCHOR_EVERY) {
                self.anchors.push(open.clone());
            }
            let happening = if !begins {
                let slot = slot_of.remove(&call).expect("it began before");
                open.retain(|&(other, _)| other != call);
                unused.push(slot);
                Happening::End { call, slot }
            } else if view.completed(call as usize) {
                let fresh = u32::try_from(self.slots).expect("fewer slots than calls");
                let slot = unused.pop().unwrap_or(fresh);
                self.slots = self.slots.max(slot as usize + 1);
                slot_of.insert(call, slot);
                open.push((call, slot));
                Happening::Begin { call, slot }
            } else {
                let class = self.supply(call, &mut class_of, supplied);
                supplied += 1;
                Happening::Supply { class }
            };
            self.events.push(Event { rank, happening });
        }
    }

    fn supply(&mut self, call: u32, class_of: &mut FxHashMap<Act, u32>, number: u32) -> u32 {
        let act = self.acts[call as usize];
        let class = *class_of.entry(act).or_insert_with(|| {
            self.classes.push(Class { act, calls: Vec::new(), numbers: Vec::new(), event_indices: Vec::new() });
            u32::try_from(self.classes.len() - 1).expect("fewer classes than calls")
        });
        let index = u32::try_from(self.events.len()).expect("events are 32 bits");
        let members = &mut self.classes[class as usize];
        members.calls.push(call);
        members.numbers.push(number);
        members.event_indices.push(index);
        class
    }

    /// Whether nobody can see the value any more that `call` set, from the event of rank `now` on.
    pub(super) fn is_dead(&self, call: u32, value: u32, now: u32) -> bool {
        !self.observers.any(value, now, self.gone[call as usize])
    }
}

/// Which calls can matter: an indeterminate one whose value nobody sees does not, unless somebody saw what the
/// register did *not* hold.
fn relevant_calls(view: &RegisterView, negative: bool) -> Vec<bool> {
    let mut seen = vec![negative; view.values];
    for value in view.acts.iter().filter_map(|act| act.seen()) {
        seen[value as usize] = true;
    }
    (0..view.len())
        .map(|at| view.completed(at) || view.acts[at].set().is_none_or(|value| seen[value as usize]))
        .collect()
}
