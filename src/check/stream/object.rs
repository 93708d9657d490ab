//! What judging one object event by event means, and what can come of it.

use super::layers::Layers;
use crate::check::models::Model;
use crate::history::ValueId;
use std::fmt;

/// An operation of one object, in order of invocation.
pub(super) type Handle = u64;

/// A moment: the number of an event among all events of all objects, from 1.
pub(super) type Moment = u64;

/// Why an object is not judged any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// No order of what has happened is legal.
    Violated(Conflict),
    /// It cannot be judged within bounds.
    GaveUp(&'static str),
}

/// The kinds of contradiction that a stream can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Conflict {
    /// A value was observed that nobody can have written by then, or that was certainly overwritten before.
    NeverWrittenOrStale,
    /// Of two values each was seen before the other.
    OutOfOrder,
    /// Two compare-and-sets both replaced the same write.
    LostUpdate,
    /// A value was observed whose writer then turned out to have failed.
    FailedWriteSeen,
    /// No order of the operations is legal; the search cannot say more.
    NoOrder,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverWrittenOrStale => "a value was seen that was never written or is long overwritten",
            Self::OutOfOrder => "two values were seen each before the other",
            Self::LostUpdate => "two compare-and-sets replaced the same write",
            Self::FailedWriteSeen => "the value of a failed write was seen",
            Self::NoOrder => "no order of the operations is legal",
        })
    }
}

/// What a stream holds in memory, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Calls, blocks of calls, and events that are kept.
    pub calls: usize,
    /// Configurations of searches.
    pub configurations: usize,
}

impl std::ops::AddAssign for Stored {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.configurations += other.configurations;
    }
}

/// One object judged as it goes. After a [`Halt`] it is of no further use.
pub(super) trait Object<M: Model>: Sized {
    /// An object that nobody has used yet.
    fn new(model: &M) -> Self;
    /// An operation begins; `call` is what it is if it ends in doubt.
    fn invoke(&mut self, call: Option<M::Call>, now: Moment) -> Result<Handle, Halt>;
    /// An operation ends; `call` is what it was.
    fn complete(&mut self, handle: Handle, call: Option<M::Call>, now: Moment) -> Result<(), Halt>;
    /// Nobody will ever know how the operation ended.
    fn in_doubt(&mut self, handle: Handle, now: Moment);
    /// How much is kept.
    fn stored(&self) -> Stored;
    /// Whether [`Self::rename`] does anything.
    const RENAMES: bool = false;
    /// Gives every value another name.
    fn rename(&mut self, name: &mut dyn FnMut(ValueId) -> ValueId) {
        let _ = name;
    }
}

impl<M: Model> Object<M> for Layers<M> {
    fn new(model: &M) -> Self {
        Self::new(model.clone(), vec![model.initial()])
    }

    fn invoke(&mut self, call: Option<M::Call>, _now: Moment) -> Result<Handle, Halt> {
        self.invoke(call)
    }

    fn complete(&mut self, handle: Handle, call: Option<M::Call>, _now: Moment) -> Result<(), Halt> {
        self.complete(handle, call)
    }

    fn in_doubt(&mut self, handle: Handle, _now: Moment) {
        self.in_doubt(handle);
    }

    fn stored(&self) -> Stored {
        self.stored()
    }
}
