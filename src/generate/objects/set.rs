//! Sets: add and remove say whether they changed the set, `contains` whether the element is in, `read` lists all.
//!
//! Why the plants are violations. *Lost element*: let an acknowledged addition of `e` have returned before an
//! observer was invoked, and let every removal of `e` that can ever take effect have returned before that
//! addition was invoked (one invoked after the observer returned comes after it anyway). Real time then orders
//! the removals before the addition before the observer, so `e` is in the set that the observer sees. *Resurrected* is
//! the same with additions and removals exchanged. *Phantom*: nobody ever adds the element. An element that is lost
//! or resurrected stays so.

use super::{Fate, Generated, Initial, Object, Op, Reply, Setup, any_key};
use crate::generate::dice::Dice;
use crate::generate::palette::Palette;
use crate::generate::plant::{Plan, Plant};
use crate::generate::simulation::simulate;
use crate::history::Value;
use std::collections::BTreeMap;

pub(super) const SET: Generated = Generated {
    name: "set",
    functions: "add element -> changed, remove element -> changed, contains element -> present, read -> [element …]",
    plants: &[Plant::LostElement, Plant::Resurrected, Plant::Phantom],
    initial: Initial::Empty,
    keyed: true,
    simulate: simulate::<Sets>,
};

/// A larger set is only removed from, so that reading it all stays cheap.
const MEMBERS_MAX: usize = 32;
/// How many removed elements of a set are guessed at.
const FORMER_MAX: usize = 8;
/// How many elements of the watched set are remembered when they do not repeat.
const REMEMBERED_MAX: usize = 256;

#[derive(Clone, Debug, Default)]
struct Members {
    /// In increasing order.
    present: Vec<i64>,
    former: Vec<i64>,
}

impl Members {
    fn insert(&mut self, element: i64) -> bool {
        let place = self.present.binary_search(&element);
        if let Err(place) = place {
            self.present.insert(place, element);
        }
        place.is_err()
    }

    fn remove(&mut self, element: i64) -> bool {
        let Ok(place) = self.present.binary_search(&element) else { return false };
        self.present.remove(place);
        if self.former.len() == FORMER_MAX {
            self.former.remove(0);
        }
        self.former.push(element);
        true
    }

    /// An element that is or was in the set.
    fn guess(&self, dice: &mut Dice) -> Option<i64> {
        const PRESENT: u32 = 750_000;
        let pool = if self.former.is_empty() || dice.chance(PRESENT) { &self.present } else { &self.former };
        (!pool.is_empty()).then(|| pool[dice.place(pool.len())])
    }
}

/// The additions, or the removals, of one element.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// How many can still take effect.
    open: u32,
    last_return: u64,
    /// The latest invocation among the acknowledged ones.
    latest: u64,
}

impl Side {
    fn settled_before(self, time: u64) -> bool {
        self.open == 0 && self.last_return < time
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    additions: Side,
    removals: Side,
}

#[derive(Debug)]
pub(super) struct Sets {
    members: Vec<Members>,
    palette: Palette,
    read_share: u32,
    plan: Option<Plan>,
    known: BTreeMap<i64, Known>,
    /// Smaller elements have been forgotten.
    floor: i64,
    phantom: Option<i64>,
    planted: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Add(i64),
    Remove(i64),
    Contains(i64),
    /// The whole set; the element is the one to lie about, if any.
    Read(Option<i64>),
}

impl Sets {
    fn due(&self, key: u32, now: u64) -> Option<Plant> {
        let plan = self.plan.filter(|plan| plan.key == key && now >= plan.from && self.planted.is_none())?;
        Some(plan.plant)
    }

    /// An element about which an observer that is invoked now can be told a lie.
    fn target(&mut self, key: u32, now: u64) -> Option<i64> {
        let plant = self.due(key, now)?;
        if plant == Plant::Phantom {
            let palette = &mut self.palette;
            return Some(*self.phantom.get_or_insert_with(|| palette.foreign()));
        }
        let certain = |known: &Known| {
            let (gone, there) = (known.removals, known.additions);
            let (past, last) = if plant == Plant::LostElement { (gone, there) } else { (there, gone) };
            past.settled_before(last.latest)
        };
        self.known.iter().rev().find(|(_, known)| certain(known)).map(|(&element, _)| element)
    }

    fn observe(&mut self, key: u32, now: u64, dice: &mut Dice) -> Call {
        const SNAPSHOTS: u64 = 8;
        let target = self.target(key, now);
        if dice.below(SNAPSHOTS) == 0 {
            return Call::Read(target);
        }
        let guess = target.or_else(|| self.members[key as usize].guess(dice));
        Call::Contains(guess.unwrap_or_else(|| self.palette.guess(dice)))
    }

    /// What is known of the change that `op` makes to the watched set.
    fn side(&mut self, op: &Op<Call>) -> Option<&mut Side> {
        self.plan.filter(|plan| plan.key == op.key && op.fate != Fate::Refused)?;
        let (Call::Add(element) | Call::Remove(element)) = op.call else { return None };
        if element < self.floor {
            return None;
        }
        let known = self.known.entry(element).or_default();
        Some(if matches!(op.call, Call::Add(_)) { &mut known.additions } else { &mut known.removals })
    }

    fn forget(&mut self) {
        while self.palette.is_unique() && self.known.len() > REMEMBERED_MAX {
            let oldest = self.known.pop_first();
            self.floor = oldest.map_or(self.floor, |(element, _)| element + 1);
        }
    }

    /// Whether an observer that returns now can be told that `element` is not as it is.
    fn lies(&mut self, element: i64, op: &Op<Call>, now: u64) -> bool {
        let Some(plant) = self.due(op.key, now) else { return false };
        let Known { additions, removals } = self.known.get(&element).copied().unwrap_or_default();
        let certain = match plant {
            Plant::LostElement => removals.settled_before(op.mark) && op.mark > 0,
            Plant::Resurrected => additions.settled_before(op.mark) && op.mark > 0,
            _ => self.phantom == Some(element),
        };
        if certain {
            self.planted = Some(now);
            let set = &mut self.members[op.key as usize];
            match plant {
                Plant::LostElement => _ = set.remove(element),
                Plant::Resurrected => _ = set.insert(element),
                _ => {}
            }
        }
        certain
    }
}

impl Object for Sets {
    type Call = Call;

    fn new(setup: Setup) -> Self {
        Self {
            members: vec![Members::default(); setup.keys as usize],
            palette: setup.palette,
            read_share: setup.read_share,
            plan: setup.plan,
            known: BTreeMap::new(),
            floor: 0,
            phantom: None,
            planted: None,
        }
    }

    fn next_call(&mut self, _: u32, now: u64, dice: &mut Dice) -> (u32, Call) {
        let key = any_key(u32::try_from(self.members.len()).expect("made from a u32"), dice);
        if dice.chance(self.read_share) {
            return (key, self.observe(key, now, dice));
        }
        let set = &self.members[key as usize];
        let add = set.present.len() < MEMBERS_MAX && dice.below(2) == 0;
        match set.guess(dice).filter(|_| !add) {
            Some(element) => (key, Call::Remove(element)),
            None => (key, Call::Add(self.palette.draw(dice))),
        }
    }

    fn invoked(&mut self, op: &mut Op<Call>) {
        if let Call::Contains(element) | Call::Read(Some(element)) = op.call {
            let known = self.known.get(&element).copied().unwrap_or_default();
            op.mark = match self.due(op.key, op.invoked) {
                Some(Plant::LostElement) => known.additions.latest,
                Some(Plant::Resurrected) => known.removals.latest,
                _ => 0,
            };
        } else if let Some(side) = self.side(op) {
            side.open += 1;
            self.forget();
        }
    }

    fn take_effect(&mut self, op: &Op<Call>, _: &mut Dice) -> Reply {
        let set = &mut self.members[op.key as usize];
        Ok(match op.call {
            Call::Add(element) => Value::Bool(set.insert(element)),
            Call::Remove(element) => Value::Bool(set.remove(element)),
            Call::Contains(element) => Value::Bool(set.present.binary_search(&element).is_ok()),
            Call::Read(_) => Value::List(set.present.iter().map(|&element| Value::Int(element)).collect()),
        })
    }

    fn returned(&mut self, op: &Op<Call>, reply: Reply, now: u64) -> Reply {
        let Ok(truth) = &reply else {
            return reply;
        };
        if let Some(side) = self.side(op) {
            side.open -= 1;
            side.last_return = now;
            side.latest = side.latest.max(op.invoked);
            return reply;
        }
        let (Call::Contains(element) | Call::Read(Some(element))) = op.call else { return reply };
        if !self.lies(element, op, now) {
            return reply;
        }
        Ok(if let Value::List(members) = truth { without_or_with(members, element) } else { toggled(truth) })
    }

    fn spell(call: &Call) -> (&'static str, Value) {
        match *call {
            Call::Add(element) => ("add", Value::Int(element)),
            Call::Remove(element) => ("remove", Value::Int(element)),
            Call::Contains(element) => ("contains", Value::Int(element)),
            Call::Read(_) => ("read", Value::Nil),
        }
    }

    fn planted(&self) -> Option<u64> {
        self.planted
    }
}

fn toggled(present: &Value) -> Value {
    Value::Bool(*present == Value::Bool(false))
}

fn without_or_with(members: &[Value], element: i64) -> Value {
    let element = Value::Int(element);
    let mut members = members.to_vec();
    match members.binary_search(&element) {
        Ok(place) => _ = members.remove(place),
        Err(place) => members.insert(place, element),
    }
    Value::List(members.into())
}
