//! Queues in order, queues without order, and stacks.
//!
//! Taking from an empty one answers `fail` and did not happen. Why the plants are violations, with unique values
//! where `Plant::needs_unique_values` says so:
//!
//! *Phantom*: nobody ever puts the element in. *Future read*: it is put in only by an operation that is invoked after
//! the taker returned. *Duplicated*: two takers return the one element. *Lost*, queue: `v` is acknowledged and
//! never comes out, and an element whose enqueue was invoked after that does; `v` was before it and no taker
//! in doubt can have had `v`, for none ends in doubt on that key. *Lost*, stack: `v` was pushed strictly after the
//! push of `u` and never comes out, yet `u` comes out strictly later, with `v` still above it. *Reordered*, queue:
//! `v` went in strictly before `w` and came out strictly after it. *Reordered*, stack: `v` went in strictly
//! after `u` and strictly before the taker of `u` was invoked, and comes out strictly after it.

use super::{Doubt, Fate, Generated, Initial, Object, Op, Reply, Setup, any_key};
use crate::generate::dice::Dice;
use crate::generate::palette::Palette;
use crate::generate::plant::{Plan, Plant};
use crate::generate::simulation::simulate;
use crate::history::Value;
use std::collections::{BTreeMap, VecDeque};

pub(super) const FIFO_QUEUE: Generated = Generated {
    name: "fifo-queue",
    functions: "enqueue value, dequeue -> value",
    plants: &[Plant::FutureRead, Plant::Phantom, Plant::Lost, Plant::Duplicated, Plant::Reordered],
    initial: Initial::Empty,
    keyed: true,
    simulate: simulate::<Queues<FIFO>>,
};

pub(super) const UNORDERED_QUEUE: Generated = Generated {
    name: "unordered-queue",
    plants: &[Plant::FutureRead, Plant::Phantom, Plant::Duplicated],
    simulate: simulate::<Queues<UNORDERED>>,
    ..FIFO_QUEUE
};

pub(super) const STACK: Generated = Generated {
    name: "stack",
    functions: "push value, pop -> value",
    simulate: simulate::<Queues<LIFO>>,
    ..FIFO_QUEUE
};

const FIFO: u8 = 0;
const UNORDERED: u8 = 1;
const LIFO: u8 = 2;

/// How many insertions into the watched queue are remembered.
const REMEMBERED_MAX: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Put {
    invoked: u64,
    returned: Option<u64>,
}

/// An acknowledged element that was never put in.
#[derive(Clone, Copy, Debug)]
struct Dropped {
    element: i64,
    /// When its insertion returned, and the first value that nobody had drawn then.
    returned: Option<(u64, i64)>,
    /// In a stack, the element below.
    under: Option<i64>,
}

/// An element that is passed over until the one behind it is out.
#[derive(Clone, Copy, Debug)]
struct Held {
    element: i64,
    /// Who takes the one behind, and when that returned.
    overtaker: u64,
    overtaken: Option<u64>,
    /// Who takes the held one in the end.
    taker: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Queues<const ORDER: u8> {
    elements: Vec<VecDeque<i64>>,
    palette: Palette,
    read_share: u32,
    plan: Option<Plan>,
    puts: BTreeMap<i64, Put>,
    /// The last element that was taken, and returned to its taker.
    taken: Option<i64>,
    dropped: Option<Dropped>,
    held: Option<Held>,
    reserved: Option<i64>,
    /// The taker that is told an element that is not in the queue.
    liar: Option<u64>,
    planted: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Call<const ORDER: u8> {
    Put(i64),
    Take,
}

impl<const ORDER: u8> Queues<ORDER> {
    fn watches(&self, key: u32) -> bool {
        self.plan.is_some_and(|plan| plan.key == key)
    }

    fn due(&self, op: &Op<Call<ORDER>>) -> Option<Plant> {
        let free = self.planted.is_none() && self.liar.is_none() && op.fate == Fate::Answered;
        self.plan.filter(|plan| free && plan.key == op.key && op.invoked >= plan.from).map(|plan| plan.plant)
    }

    /// The place of the element that is next, and of the one after it.
    fn next_places(len: usize) -> (Option<usize>, Option<usize>) {
        if ORDER == LIFO {
            (len.checked_sub(1), len.checked_sub(2))
        } else {
            ((len > 0).then_some(0), (len > 1).then_some(1))
        }
    }

    fn put_before(&self, first: i64, time: u64) -> bool {
        let returned = self.puts.get(&first).and_then(|put| put.returned);
        returned.is_some_and(|returned| returned < time)
    }

    /// Whether the element that `op` puts in is dropped, for the first time or once more.
    fn drops(&mut self, element: i64, op: &Op<Call<ORDER>>) -> bool {
        if self.due(op) != Some(Plant::Lost) || self.dropped.is_some() {
            return false;
        }
        let under = self.elements[op.key as usize].back().copied();
        if ORDER == LIFO && !under.is_some_and(|under| self.put_before(under, op.invoked)) {
            return false;
        }
        self.dropped = Some(Dropped { element, returned: None, under });
        true
    }

    /// The element that `op` is told although it is not in the queue.
    fn invent(&mut self, op: &Op<Call<ORDER>>) -> Option<i64> {
        let element = match self.due(op)? {
            Plant::Phantom => self.palette.foreign(),
            Plant::FutureRead if self.reserved.is_none() => self.palette.foreign(),
            Plant::Duplicated => self.taken?,
            _ => return None,
        };
        self.liar = Some(op.invoked);
        Some(element)
    }

    /// The place from which `op` takes in a queue that is told to pass one over.
    fn overtake(&mut self, op: &Op<Call<ORDER>>) -> Option<usize> {
        let queue = &self.elements[op.key as usize];
        let (first, second) = Self::next_places(queue.len());
        if let (Some(held), Some(place)) = (&mut self.held, first)
            && held.element == queue[place]
        {
            let after = held.overtaken.is_some_and(|overtaken| overtaken < op.invoked);
            if op.fate != Fate::Answered || !after {
                return second;
            }
            held.taker = Some(op.invoked);
            return first;
        }
        if self.due(op) != Some(Plant::Reordered) || self.held.is_some() {
            return first;
        }
        let (Some(front), Some(behind)) = (first, second) else { return first };
        let (front, behind) = (queue[front], queue[behind]);
        let (older, younger) = if ORDER == LIFO { (behind, front) } else { (front, behind) };
        let ordered = self.puts.get(&younger).is_some_and(|put| self.put_before(older, put.invoked));
        if !ordered || !self.put_before(younger, op.invoked) {
            return first;
        }
        self.held = Some(Held { element: front, overtaker: op.invoked, overtaken: None, taker: None });
        second
    }

    fn take(&mut self, op: &Op<Call<ORDER>>, dice: &mut Dice) -> Option<i64> {
        let watched = self.watches(op.key);
        if watched && let Some(invented) = self.invent(op) {
            return Some(invented);
        }
        let place = if watched { self.overtake(op) } else { Self::next_places(self.elements[op.key as usize].len()).0 };
        let queue = &mut self.elements[op.key as usize];
        match ORDER {
            UNORDERED if queue.is_empty() => None,
            UNORDERED => queue.swap_remove_back(dice.place(queue.len())),
            _ => queue.remove(place?),
        }
    }

    fn put_returned(&mut self, element: i64, now: u64) {
        if let Some(put) = self.puts.get_mut(&element) {
            put.returned = Some(now);
        }
        let frontier = self.palette.frontier();
        if let Some(dropped) = self.dropped.as_mut().filter(|dropped| dropped.element == element) {
            dropped.returned = Some((now, frontier));
        }
    }

    fn take_returned(&mut self, element: i64, op: &Op<Call<ORDER>>, now: u64) {
        self.taken = Some(element);
        let mut certain = self.liar == Some(op.invoked);
        if certain && self.plan.is_some_and(|plan| plan.plant == Plant::FutureRead) {
            self.liar = None;
            self.reserved = Some(element);
            certain = false;
        }
        if let Some(held) = &mut self.held {
            if held.overtaker == op.invoked {
                held.overtaken = Some(now);
            }
            certain |= held.taker == Some(op.invoked);
        }
        if let Some(Dropped { returned, under, .. }) = self.dropped {
            if ORDER != LIFO {
                certain |= returned.is_some_and(|(_, frontier)| element >= frontier);
            } else if under == Some(element) {
                certain |= returned.is_some_and(|(returned, _)| returned < op.invoked);
                self.dropped = None;
            }
        }
        if certain {
            self.planted.get_or_insert(now);
        }
    }
}

impl<const ORDER: u8> Object for Queues<ORDER> {
    type Call = Call<ORDER>;

    fn new(setup: Setup) -> Self {
        Self {
            elements: vec![VecDeque::new(); setup.keys as usize],
            palette: setup.palette,
            read_share: setup.read_share,
            plan: setup.plan,
            puts: BTreeMap::new(),
            taken: None,
            dropped: None,
            held: None,
            reserved: None,
            liar: None,
            planted: None,
        }
    }

    fn next_call(&mut self, _: u32, _: u64, dice: &mut Dice) -> (u32, Call<ORDER>) {
        let key = any_key(u32::try_from(self.elements.len()).expect("made from a u32"), dice);
        if dice.chance(self.read_share) {
            return (key, Call::Take);
        }
        let element = self.reserved.filter(|_| self.watches(key)).unwrap_or_else(|| self.palette.draw(dice));
        (key, Call::Put(element))
    }

    fn doubt(&self, key: u32, call: &Call<ORDER>) -> Doubt {
        let lost = self.plan.is_some_and(|plan| plan.key == key && plan.plant == Plant::Lost);
        if lost && matches!(call, Call::Take) { Doubt::Excluded } else { Doubt::Maybe }
    }

    fn invoked(&mut self, op: &mut Op<Call<ORDER>>) {
        let Call::Put(element) = op.call else { return };
        if !self.watches(op.key) || op.fate == Fate::Refused {
            return;
        }
        self.puts.insert(element, Put { invoked: op.invoked, returned: None });
        if self.puts.len() > REMEMBERED_MAX {
            self.puts.pop_first();
        }
        if self.reserved == Some(element) {
            self.reserved = None;
            self.planted.get_or_insert(op.invoked);
        }
    }

    fn take_effect(&mut self, op: &Op<Call<ORDER>>, dice: &mut Dice) -> Reply {
        let Call::Put(element) = op.call else {
            return self.take(op, dice).map(Value::Int).ok_or("empty");
        };
        if !self.drops(element, op) {
            self.elements[op.key as usize].push_back(element);
        }
        Ok(Value::Int(element))
    }

    fn returned(&mut self, op: &Op<Call<ORDER>>, reply: Reply, now: u64) -> Reply {
        if self.watches(op.key)
            && let Ok(Value::Int(element)) = reply
        {
            match op.call {
                Call::Put(_) => self.put_returned(element, now),
                Call::Take => self.take_returned(element, op, now),
            }
        }
        reply
    }

    fn spell(call: &Call<ORDER>) -> (&'static str, Value) {
        let (put, take) = if ORDER == LIFO { ("push", "pop") } else { ("enqueue", "dequeue") };
        match *call {
            Call::Put(element) => (put, Value::Int(element)),
            Call::Take => (take, Value::Nil),
        }
    }

    fn planted(&self) -> Option<u64> {
        self.planted
    }
}
