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
mod queues;
mod register;
mod set;

use super::dice::Dice;
use super::palette::{NIL, Palette};
use super::plant::{Plan, Plant};
use super::simulation::Drive;
use crate::history::Value;

/// What an object needs to know to be made.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// How many objects.
    pub(crate) keys: u32,
    /// How many clients use them.
    pub(crate) clients: u32,
    /// How many hold a semaphore at once.
    pub(crate) permits: u32,
    /// The values to write.
    pub(crate) palette: Palette,
    /// The chance of an operation that only looks or takes, in millionths.
    pub(crate) read_share: u32,
    /// The violation, if one is wanted.
    pub(crate) plan: Option<Plan>,
}

/// How an operation will end, drawn at its invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// With the object's answer.
    Answered,
    /// Refused before it had any effect.
    Refused,
    /// Nobody knows.
    InDoubt,
}

/// Whether an operation that ends in doubt takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Half of the time.
    Maybe,
    /// Always, so that a lock is never held for ever by a process that is gone.
    Always,
    /// Never, for the same reason.
    Never,
    /// It does not end in doubt: the proof of the planted violation would fail.
    Excluded,
}

/// One operation under way.
#[derive(Clone, Debug)]
pub(crate) struct Op<C> {
    /// Who calls, from 0.
    pub(crate) client: u32,
    /// Its process at the time.
    pub(crate) process: u32,
    /// The object.
    pub(crate) key: u32,
    /// What is called.
    pub(crate) call: C,
    /// How it will end.
    pub(crate) fate: Fate,
    /// When it was invoked: the number of the event, from 1. Also its identity.
    pub(crate) invoked: u64,
    /// What the object noted at the invocation.
    pub(crate) mark: u64,
}

/// The result of an operation, or why it certainly did not happen.
pub(crate) type Reply = Result<Value, &'static str>;

/// All objects of one model, one for each key.
pub(crate) trait Object {
    /// A call with its argument.
    type Call;

    /// Untouched objects.
    fn new(setup: Setup) -> Self;

    /// What the client calls next, and on which key; `now` is the number of the next event.
    fn next_call(&mut self, client: u32, now: u64, dice: &mut Dice) -> (u32, Self::Call);

    /// What an end in doubt means for this call.
    fn doubt(&self, key: u32, call: &Self::Call) -> Doubt {
        let _ = (key, call);
        Doubt::Maybe
    }

    /// The operation is invoked; its mark is to be set.
    fn invoked(&mut self, op: &mut Op<Self::Call>) {
        let _ = op;
    }

    /// The operation takes effect now. Never called for one that is refused.
    fn take_effect(&mut self, op: &Op<Self::Call>, dice: &mut Dice) -> Reply;

    /// The operation returns with an answer as event `now`. Never called for one that ends in doubt.
    fn returned(&mut self, op: &Op<Self::Call>, reply: Reply, now: u64) -> Reply {
        let _ = (op, now);
        reply
    }

    /// The function and argument as the history has them.
    fn spell(call: &Self::Call) -> (&'static str, Value);

    /// At which event the violation became certain.
    fn planted(&self) -> Option<u64>;
}

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
