//! Correct sequential objects that clients share, each with the violations that it can be made to commit.
//!
//! To add one: 1. write `name.rs` with a type that implements [`Object`]; 2. `mod name;` below; 3. one entry in
//! [`all`].
//!
//! An object is asked four times about an operation: what is called, what it must remember of the invocation,
//! what happens when it takes effect, and what the client is told. Honest objects decide in the third step and
//! repeat it in the fourth; a planted lie is told in the step at which it is certain to be one.

mod counter;
mod kv_append;
mod locks;
mod multi_register;
mod object;
mod queues;
mod register;
mod set;

pub(crate) use object::{Doubt, Fate, Object, Op, Reply, Setup};

use super::dice::Dice;
use super::palette::NIL;
use super::plant::Plant;
use super::simulation::Drive;
use crate::history::Value;

/// A model for which histories can be generated.
#[derive(Clone, Copy, Debug)]
pub struct Generated {
    /// The word of `--model`.
    pub name: &'static str,
    /// Its functions with their values.
    pub functions: &'static str,
    /// The violations that can be planted.
    pub plants: &'static [Plant],
    /// The state of an untouched object.
    pub(crate) initial: Initial,
    /// Whether events name a key.
    pub(crate) keyed: bool,
    pub(crate) simulate: fn(&mut Drive<'_>, Setup),
}

/// The state of an untouched object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Initial {
    Is(&'static Value),
    Text(&'static str),
    Empty,
    Permits,
    Unstated,
}

/// Every model.
#[must_use]
pub fn all() -> &'static [Generated] {
    &[
        register::REGISTER,
        register::CAS_REGISTER,
        multi_register::MULTI_REGISTER,
        kv_append::KV_APPEND,
        locks::MUTEX,
        locks::OWNER_MUTEX,
        locks::FENCED_MUTEX,
        locks::SEMAPHORE,
        counter::COUNTER,
        set::SET,
        queues::FIFO_QUEUE,
        queues::UNORDERED_QUEUE,
        queues::STACK,
    ]
}

/// A written value as histories have it.
fn number(value: i64) -> Value {
    if value == NIL { Value::Nil } else { Value::Int(value) }
}

/// Any key, each as likely.
fn any_key(keys: u32, dice: &mut Dice) -> u32 {
    u32::try_from(dice.below(keys.into())).expect("below the number of keys")
}
