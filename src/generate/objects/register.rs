//! Registers with and without compare-and-set.
//!
//! Plants: all of `watch`. A compare-and-set that finds another value answers `fail` and did not happen.

use super::{Fate, Generated, Initial, Object, Op, Reply, Setup, any_key, number};
use crate::generate::dice::Dice;
use crate::generate::palette::{NIL, Palette};
use crate::generate::plant::Plant;
use crate::generate::simulation::simulate;
use crate::generate::watch::{Observer, Watch};
use crate::history::Value;

pub(super) const REGISTER: Generated = Generated {
    name: "register",
    functions: "read -> value, write value",
    plants: &[Plant::StaleRead, Plant::GarbageRead, Plant::FutureRead, Plant::LostWrite],
    initial: Initial::Is(&Value::Nil),
    keyed: true,
    simulate: simulate::<Registers<false>>,
};

pub(super) const CAS_REGISTER: Generated = Generated {
    name: "cas-register",
    functions: "read -> value, write value, cas [from to]",
    plants: &[Plant::StaleRead, Plant::GarbageRead, Plant::FutureRead, Plant::LostWrite, Plant::LostUpdate],
    simulate: simulate::<Registers<true>>,
    ..REGISTER
};

#[derive(Debug)]
pub(super) struct Registers<const CAS: bool> {
    cells: Vec<i64>,
    palette: Palette,
    read_share: u32,
    watch: Watch,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Read,
    Write(i64),
    Cas { from: i64, to: i64 },
}

impl Call {
    /// What it leaves behind when it has an effect.
    fn product(self) -> Option<i64> {
        match self {
            Self::Read => None,
            Self::Write(value) | Self::Cas { to: value, .. } => Some(value),
        }
    }
}

impl<const CAS: bool> Registers<CAS> {
    fn guess(&self, key: u32, now: u64, dice: &mut Dice) -> i64 {
        const GOOD_GUESSES: u32 = 750_000;
        if self.watch.watches(key)
            && let Some(stale) = self.watch.stale_guess(now)
        {
            return stale;
        }
        if dice.chance(GOOD_GUESSES) { self.cells[key as usize] } else { self.palette.guess(dice) }
    }
}

impl<const CAS: bool> Object for Registers<CAS> {
    type Call = Call;

    fn new(setup: Setup) -> Self {
        let watch = Watch::new(setup.plan, &setup.palette);
        Self { cells: vec![NIL; setup.keys as usize], palette: setup.palette, read_share: setup.read_share, watch }
    }

    fn next_call(&mut self, _: u32, now: u64, dice: &mut Dice) -> (u32, Call) {
        const HALF: u32 = 500_000;
        let keys = u32::try_from(self.cells.len()).expect("made from a u32");
        let key = any_key(keys, dice);
        if dice.chance(self.read_share) {
            return (key, Call::Read);
        }
        if let Some(reserved) = self.watch.reserved().filter(|_| self.watch.watches(key)) {
            return (key, Call::Write(reserved));
        }
        if CAS && dice.chance(HALF) && self.cells[key as usize] != NIL {
            let from = self.guess(key, now, dice);
            return (key, Call::Cas { from, to: self.palette.draw(dice) });
        }
        (key, Call::Write(self.palette.draw(dice)))
    }

    fn invoked(&mut self, op: &mut Op<Call>) {
        if !self.watch.watches(op.key) {
            return;
        }
        op.mark = self.watch.observer_invoked();
        if let Some(value) = op.call.product().filter(|_| op.fate != Fate::Refused) {
            self.watch.write_invoked(value, op.invoked);
        }
    }

    fn take_effect(&mut self, op: &Op<Call>, _: &mut Dice) -> Reply {
        let watched = self.watch.watches(op.key);
        let cell = &mut self.cells[op.key as usize];
        match op.call {
            Call::Read => return Ok(number(*cell)),
            Call::Cas { from, .. } if *cell != from => return Err("another value"),
            Call::Write(_) if watched && op.fate == Fate::Answered && self.watch.drops(op.invoked) => {}
            Call::Write(value) | Call::Cas { to: value, .. } => {
                *cell = value;
                self.watch.overwrite_of(op.key);
            }
        }
        Ok(Self::spell(&op.call).1)
    }

    fn returned(&mut self, op: &Op<Call>, reply: Reply, now: u64) -> Reply {
        if !self.watch.watches(op.key) || op.fate == Fate::Refused {
            return reply;
        }
        let seen = Observer { invoked: op.invoked, mark: op.mark };
        let mut reply = reply;
        match (op.call, &reply) {
            (Call::Read, Ok(told)) => {
                let truth = if let Value::Int(value) = *told { value } else { NIL };
                return Ok(number(self.watch.observed(truth, seen, now, &mut self.palette)));
            }
            (Call::Cas { from, to }, Err(_)) if self.watch.forgives(from, seen, now) => {
                self.cells[op.key as usize] = to;
                reply = Ok(Self::spell(&op.call).1);
            }
            _ => {}
        }
        if let Some(value) = op.call.product() {
            self.watch.write_returned(value, op.invoked, now, reply.is_ok());
        }
        reply
    }

    fn spell(call: &Call) -> (&'static str, Value) {
        match *call {
            Call::Read => ("read", Value::Nil),
            Call::Write(value) => ("write", number(value)),
            Call::Cas { from, to } => ("cas", Value::List(Box::new([number(from), number(to)]))),
        }
    }

    fn planted(&self) -> Option<u64> {
        self.watch.planted()
    }
}
