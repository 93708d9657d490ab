//! What the simulation asks of an object, and what it tells it.

use crate::generate::dice::Dice;
use crate::generate::palette::Palette;
use crate::generate::plant::Plan;
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
