//! What is open at one event: the same for all configurations of a layer.

use super::super::register_view::Act;
use super::mask::SlotMask;
use super::timeline::{ANCHOR_EVERY, Happening, Timeline};
use crate::check::problem::NEVER;

/// The open calls by slot, by kind and by value, and the indeterminate calls available.
#[derive(Debug)]
pub(super) struct OpenCalls<'t, M> {
    pub(super) timeline: &'t Timeline,
    /// The index of the next event.
    pub(super) next: usize,
    /// The rank of the event in progress.
    pub(super) now: u32,
    /// By slot: the call in it.
    pub(super) call: Vec<u32>,
    /// By slot: its return.
    pub(super) returned: Vec<u32>,
    /// Reads and failed compare-and-sets.
    pub(super) observers: M,
    pub(super) writes: M,
    pub(super) cases: M,
    /// Failed compare-and-sets only.
    pub(super) differing: M,
    /// By value.
    pub(super) reads_of: Vec<M>,
    /// By value.
    pub(super) writes_of: Vec<M>,
    /// By the value expected.
    pub(super) cas_from: Vec<M>,
    /// By class: how many indeterminate calls are available.
    pub(super) available: Vec<u32>,
    /// How many indeterminate calls are available in all.
    pub(super) supplied: u32,
    /// By value: the class of indeterminate writes of it.
    pub(super) write_class: Vec<Option<u32>>,
    /// By the value expected: the classes of indeterminate compare-and-sets.
    pub(super) cas_classes: Vec<Vec<u32>>,
}

impl<'t, M: SlotMask> OpenCalls<'t, M> {
    /// Before the first event.
    pub(super) fn new(timeline: &'t Timeline) -> Self {
        let values = timeline.values;
        let mut write_class = vec![None; values];
        let mut cas_classes = vec![Vec::new(); values];
        for (number, class) in (0..).zip(&timeline.classes) {
            match class.act {
                Act::Write(value) => write_class[value as usize] = Some(number),
                Act::Cas(from, _) => cas_classes[from as usize].push(number),
                Act::Read(_) | Act::Differs(_) => unreachable!("unanswered observers are left out of a view"),
            }
        }
        Self {
            timeline,
            next: 0,
            now: 0,
            call: vec![0; timeline.slots],
            returned: vec![NEVER; timeline.slots],
            observers: M::default(),
            writes: M::default(),
            cases: M::default(),
            differing: M::default(),
            reads_of: vec![M::default(); values],
            writes_of: vec![M::default(); values],
            cas_from: vec![M::default(); values],
            available: vec![0; timeline.classes.len()],
            supplied: 0,
            write_class,
            cas_classes,
        }
    }

    /// Everything open.
    pub(super) fn all(&self) -> M {
        self.observers.or(self.writes).or(self.cases)
    }

    /// What the call in a slot does.
    pub(super) fn act(&self, slot: usize) -> Act {
        self.timeline.acts[self.call[slot] as usize]
    }

    /// The value that the compare-and-set in a slot sets.
    pub(super) fn target(&self, slot: usize) -> u32 {
        self.act(slot).set().expect("it is a compare-and-set")
    }

    /// Takes note that a call begins.
    pub(super) fn begin(&mut self, call: u32, slot: u32) {
        let slot = slot as usize;
        self.call[slot] = call;
        self.returned[slot] = self.timeline.returned[call as usize];
        self.toggle(slot, M::or);
    }

    /// Takes note that a call has ended.
    pub(super) fn end(&mut self, slot: u32) {
        self.toggle(slot as usize, M::minus);
    }

    fn toggle(&mut self, slot: usize, set: fn(M, M) -> M) {
        let bit = M::bit(slot);
        match self.act(slot) {
            Act::Read(value) => {
                self.observers = set(self.observers, bit);
                self.reads_of[value as usize] = set(self.reads_of[value as usize], bit);
            }
            Act::Differs(_) => {
                self.observers = set(self.observers, bit);
                self.differing = set(self.differing, bit);
            }
            Act::Write(value) => {
                self.writes = set(self.writes, bit);
                self.writes_of[value as usize] = set(self.writes_of[value as usize], bit);
            }
            Act::Cas(from, _) => {
                self.cases = set(self.cases, bit);
                self.cas_from[from as usize] = set(self.cas_from[from as usize], bit);
            }
        }
    }

    /// Takes note that an indeterminate call is available.
    pub(super) fn supply(&mut self, class: u32) {
        self.available[class as usize] += 1;
        self.supplied += 1;
    }

    /// How many calls of a class were among the first `point` indeterminate calls.
    pub(super) fn available_before(&self, class: u32, point: u32) -> u32 {
        if point >= self.supplied {
            return self.available[class as usize];
        }
        let numbers = &self.timeline.classes[class as usize].numbers;
        u32::try_from(numbers.partition_point(|&number| number < point)).expect("fewer than calls")
    }

    /// Jumps to before the event of that index.
    pub(super) fn seek(&mut self, event: usize) {
        for slot in self.all().slots() {
            self.toggle(slot, M::minus);
        }
        let anchor = event / ANCHOR_EVERY;
        let (open, begin) = match self.timeline.anchors.get(anchor) {
            Some(open) => (open.as_slice(), anchor * ANCHOR_EVERY),
            None => (&[][..], event),
        };
        for &(call, slot) in open {
            self.begin(call, slot);
        }
        for index in begin..event {
            match self.timeline.events[index].happening {
                Happening::Begin { call, slot } => self.begin(call, slot),
                Happening::End { slot, .. } => self.end(slot),
                Happening::Supply { .. } => {}
            }
        }
        self.next = event;
        self.now = self.timeline.events.get(event).map_or(NEVER, |event| event.rank);
        self.supplied = 0;
        for (class, available) in self.timeline.classes.iter().zip(&mut self.available) {
            let invoked = class.event_indices.partition_point(|&index| (index as usize) < event);
            *available = u32::try_from(invoked).expect("fewer than calls");
            self.supplied += *available;
        }
    }
}
