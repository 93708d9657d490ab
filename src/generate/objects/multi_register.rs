//! One object of several registers, read and written by small transactions.
//!
//! A transaction is a list of `["r", register, value]` and `["w", register, value]` on distinct registers, as in
//! Knossos. A linearization of the transactions orders the reads and writes of any one register in the same way,
//! so the argument of `watch` holds for the register that misbehaves, with the interval of the transaction as
//! the interval of each of its reads and writes.

use super::{Fate, Generated, Initial, Object, Op, Reply, Setup, any_key, number};
use crate::generate::dice::Dice;
use crate::generate::palette::{NIL, Palette};
use crate::generate::plant::Plant;
use crate::generate::simulation::simulate;
use crate::generate::watch::{Observer, Watch};
use crate::history::Value;

pub(super) const MULTI_REGISTER: Generated = Generated {
    name: "multi-register",
    functions: "txn [[r register value] [w register value] …]",
    plants: &[Plant::StaleRead, Plant::GarbageRead, Plant::FutureRead, Plant::LostWrite],
    initial: Initial::Unstated,
    keyed: false,
    simulate: simulate::<MultiRegister>,
};

/// The most reads and writes of one transaction.
const STEPS_MAX: u64 = 4;

#[derive(Debug)]
pub(super) struct MultiRegister {
    cells: Vec<i64>,
    palette: Palette,
    read_share: u32,
    watch: Watch,
}

/// A read, or a write of a value, of one register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    register: u32,
    write: Option<i64>,
}

impl Access {
    fn spell(self, read: i64) -> Value {
        let (word, value) = self.write.map_or(("r", read), |value| ("w", value));
        Value::List(Box::new([Value::text(word), Value::Int(self.register.into()), number(value)]))
    }
}

/// Lists of accesses, with what the reads saw.
fn spell_all(accesses: &[Access], seen: impl Fn(usize) -> i64) -> Value {
    Value::List(accesses.iter().enumerate().map(|(at, access)| access.spell(seen(at))).collect())
}

/// What the read at a place of a spelt transaction saw.
fn told(result: &Value, at: usize) -> i64 {
    let Value::List(accesses) = result else { return NIL };
    let Some(Value::List(access)) = accesses.get(at) else { return NIL };
    if let Some(Value::Int(value)) = access.last() { *value } else { NIL }
}

impl MultiRegister {
    fn write(&mut self, register: u32, dice: &mut Dice) -> i64 {
        match self.watch.reserved() {
            Some(reserved) if self.watch.watches(register) => reserved,
            _ => self.palette.draw(dice),
        }
    }

    /// The access to the register that misbehaves.
    fn watched(&self, op: &Op<Vec<Access>>) -> Option<(usize, Access)> {
        let mut accesses = op.call.iter().copied().enumerate();
        accesses.find(|(_, access)| self.watch.watches(access.register))
    }
}

impl Object for MultiRegister {
    type Call = Vec<Access>;

    fn new(setup: Setup) -> Self {
        let watch = Watch::new(setup.plan, &setup.palette);
        Self { cells: vec![NIL; setup.keys as usize], palette: setup.palette, read_share: setup.read_share, watch }
    }

    fn next_call(&mut self, _: u32, _: u64, dice: &mut Dice) -> (u32, Vec<Access>) {
        let registers = u32::try_from(self.cells.len()).expect("made from a u32");
        let steps = 1 + dice.below(STEPS_MAX.min(registers.into()));
        let mut accesses: Vec<Access> = Vec::new();
        for _ in 0..steps {
            let register = any_key(registers, dice);
            let read = dice.chance(self.read_share);
            if accesses.iter().all(|access| access.register != register) {
                let write = (!read).then(|| self.write(register, dice));
                accesses.push(Access { register, write });
            }
        }
        (0, accesses)
    }

    fn invoked(&mut self, op: &mut Op<Vec<Access>>) {
        op.mark = self.watch.observer_invoked();
        if let Some((_, Access { write: Some(value), .. })) = self.watched(op)
            && op.fate != Fate::Refused
        {
            self.watch.write_invoked(value, op.invoked);
        }
    }

    fn take_effect(&mut self, op: &Op<Vec<Access>>, _: &mut Dice) -> Reply {
        let result = spell_all(&op.call, |at| self.cells[op.call[at].register as usize]);
        for access in &op.call {
            let Some(value) = access.write else { continue };
            let watched = self.watch.watches(access.register);
            if watched && op.fate == Fate::Answered && self.watch.drops(op.invoked) {
                continue;
            }
            self.cells[access.register as usize] = value;
            self.watch.overwrite_of(access.register);
        }
        Ok(result)
    }

    fn returned(&mut self, op: &Op<Vec<Access>>, reply: Reply, now: u64) -> Reply {
        let (Some((place, access)), true) = (self.watched(op), op.fate == Fate::Answered) else { return reply };
        let result = reply?;
        if let Some(value) = access.write {
            self.watch.write_returned(value, op.invoked, now, true);
            return Ok(result);
        }
        let seen = Observer { invoked: op.invoked, mark: op.mark };
        let lie = self.watch.observed(told(&result, place), seen, now, &mut self.palette);
        Ok(spell_all(&op.call, |at| if at == place { lie } else { told(&result, at) }))
    }

    fn spell(accesses: &Vec<Access>) -> (&'static str, Value) {
        ("txn", spell_all(accesses, |_| NIL))
    }

    fn planted(&self) -> Option<u64> {
        self.watch.planted()
    }
}
