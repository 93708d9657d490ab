//! Counters: add a positive number, read the sum.
//!
//! All that the sum of a read can be lies between the acknowledged additions that returned before it was invoked
//! and the additions that were invoked, and not refused, before it returned. Additions only grow the counter, so
//! a read below the first bound or above the second one has no place in any order that respects real time:
//! a stale read and a lost increment fall below, a phantom increment above. The latter two also change the counter.

use super::{Fate, Generated, Initial, Object, Op, Reply, Setup, any_key};
use crate::generate::dice::Dice;
use crate::generate::palette::{Palette, Values};
use crate::generate::plant::{Plan, Plant};
use crate::generate::simulation::simulate;
use crate::history::Value;

pub(super) const COUNTER: Generated = Generated {
    name: "counter",
    functions: "read -> sum, add number",
    plants: &[Plant::StaleRead, Plant::LostIncrement, Plant::PhantomIncrement],
    initial: Initial::Is(&Value::Int(0)),
    keyed: true,
    simulate: simulate::<Counters>,
};

/// Additions are between 1 and this when their values need not repeat: sums have no identity to keep unique.
const ADDED_MAX: u32 = 5;

#[derive(Debug)]
pub(super) struct Counters {
    sums: Vec<u64>,
    added: Palette,
    read_share: u32,
    plan: Option<Plan>,
    /// Of the watched counter: acknowledged, invoked, and the latest acknowledged addition.
    acknowledged: u64,
    invoked: u64,
    latest: u64,
    planted: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Read,
    Add(u64),
}

impl Counters {
    fn watches(&self, key: u32) -> bool {
        self.plan.is_some_and(|plan| plan.key == key)
    }

    /// The sum that a read is told, if it is time for a lie and there is something to lie about.
    fn lie(&self, op: &Op<Call>, now: u64) -> Option<u64> {
        let plan = self.plan.filter(|plan| self.planted.is_none() && now >= plan.from)?;
        match plan.plant {
            Plant::PhantomIncrement => Some(self.invoked + self.latest.max(1)),
            _ if op.mark == 0 => None,
            _ => Some(op.mark - self.latest.min(op.mark)),
        }
    }
}

impl Object for Counters {
    type Call = Call;

    fn new(setup: Setup) -> Self {
        let added = if setup.palette.is_unique() { Palette::new(Values::Among(ADDED_MAX)) } else { setup.palette };
        Self {
            sums: vec![0; setup.keys as usize],
            added,
            read_share: setup.read_share,
            plan: setup.plan,
            acknowledged: 0,
            invoked: 0,
            latest: 0,
            planted: None,
        }
    }

    fn next_call(&mut self, _: u32, _: u64, dice: &mut Dice) -> (u32, Call) {
        let key = any_key(u32::try_from(self.sums.len()).expect("made from a u32"), dice);
        if dice.chance(self.read_share) {
            return (key, Call::Read);
        }
        (key, Call::Add(1 + self.added.draw(dice).unsigned_abs()))
    }

    fn invoked(&mut self, op: &mut Op<Call>) {
        if !self.watches(op.key) {
            return;
        }
        op.mark = self.acknowledged;
        if let Call::Add(number) = op.call
            && op.fate != Fate::Refused
        {
            self.invoked += number;
        }
    }

    fn take_effect(&mut self, op: &Op<Call>, _: &mut Dice) -> Reply {
        let sum = &mut self.sums[op.key as usize];
        match op.call {
            Call::Read => Ok(spell_number(*sum)),
            Call::Add(number) => {
                *sum += number;
                Ok(Value::Nil)
            }
        }
    }

    fn returned(&mut self, op: &Op<Call>, reply: Reply, now: u64) -> Reply {
        if !self.watches(op.key) || op.fate != Fate::Answered {
            return reply;
        }
        if let Call::Add(number) = op.call {
            self.acknowledged += number;
            self.latest = number;
            return reply;
        }
        let Some(lie) = self.lie(op, now) else { return reply };
        self.planted = Some(now);
        if self.plan.is_some_and(|plan| plan.plant != Plant::StaleRead) {
            self.sums[op.key as usize] = lie;
        }
        Ok(spell_number(lie))
    }

    fn spell(call: &Call) -> (&'static str, Value) {
        match *call {
            Call::Read => ("read", Value::Nil),
            Call::Add(number) => ("add", spell_number(number)),
        }
    }

    fn planted(&self) -> Option<u64> {
        self.planted
    }
}

fn spell_number(number: u64) -> Value {
    Value::Int(i64::try_from(number).expect("a sum of at most 2^30 numbers below 2^32"))
}
