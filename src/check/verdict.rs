//! What a judgement says.
//!
//! Undecided is a verdict of its own and never a kind of success. Combined over objects and claims, Violated
//! outweighs Undecided, which outweighs Holds.

use super::budget::Stop;
use super::guarantee::Claim;
use crate::history::{OpId, ValueId};
use std::fmt;

/// The verdict on one claim.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The claim.
    pub claim: Claim,
    /// The model that the objects were held against, if any.
    pub model: Option<&'static str>,
    /// The verdict.
    pub verdict: Verdict,
    /// Which deciders decided how many objects.
    pub decided_by: Vec<(&'static str, usize)>,
    /// How many operations were judged.
    pub operations: usize,
    /// How many objects there are.
    pub objects: usize,
    /// What was assumed without being told, in words, such as an inferred model.
    pub assumptions: Vec<String>,
}

/// The answer on one claim about a whole history.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// No execution contradicts the claim, and here is why.
    Holds(Witness),
    /// The claim is broken, and here is where.
    Violated(Violation),
    /// The budget ended first, or the history cannot be decided in principle.
    Undecided(Undecided),
}

/// Evidence that a claim holds.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// Empty when no witness was asked for, and for claims that have none but the absence of a contradiction.
    pub orders: Vec<LegalOrder>,
    /// What ended before the orders were made and replayed, if anything did; the verdict does not rest on them.
    pub stopped: Option<Stop>,
}

/// An order of operations that shows a claim to hold; what it must keep to is a matter of the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegalOrder {
    /// What it is an order for.
    pub explains: Explains,
    /// The operations.
    pub ops: Vec<OpId>,
}

/// What a [`LegalOrder`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explains {
    /// One object ([`ValueId::ABSENT`] if the history has only one): its operations as they took effect.
    Object(ValueId),
    /// The whole history, for all sessions.
    All,
    /// What the session of this operation, its first one, saw.
    Session(OpId),
    /// What this operation saw, which the order for all does not explain.
    Reader(OpId),
}

/// Evidence that a claim is broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The object ([`ValueId::ABSENT`] if the history has only one).
    pub key: ValueId,
    /// The smallest set of operations found that still violates, in order of invocation; dropping any one of
    /// them makes the rest acceptable.
    pub core: Vec<OpId>,
    /// What kind of contradiction it is.
    pub kind: Contradiction,
    /// Every violated object, in order of first violation; the first is `key`.
    pub keys: Vec<ValueId>,
    /// For a search: how far the history can be explained.
    pub stuck: Option<Stuck>,
    /// Why one observer of the core cannot have seen what it saw.
    pub why_not: Option<WhyNot>,
    /// Operations that explain the core without being part of the contradiction, such as a failed write of the value
    /// that was read.
    pub context: Vec<OpId>,
    /// How many operations of the object had returned before the core; it contradicts itself in every state that they
    /// can have led to. 0 where it does so by itself.
    pub before: usize,
    /// Those states, in words.
    pub states: Vec<String>,
    /// Whether no operation more can be dropped; false if the budget ended the search for a smaller core.
    pub minimal: bool,
    /// Whether the independent verifier tried every order of the core and found none. It only ever declines, for a
    /// core too large to try every order; where it finds one, there is no verdict at all.
    pub verified: bool,
}

impl Violation {
    /// One of these operations, in any order and perhaps repeatedly: as small as can be, and verified.
    #[must_use]
    pub fn of_core(key: ValueId, mut core: Vec<OpId>, kind: Contradiction) -> Self {
        core.sort_unstable();
        core.dedup();
        Self {
            key,
            core,
            kind,
            keys: vec![key],
            stuck: None,
            why_not: None,
            context: Vec::new(),
            before: 0,
            states: Vec::new(),
            minimal: true,
            verified: true,
        }
    }
}

/// Why an observer cannot have seen what it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyNot {
    /// The observer.
    pub op: OpId,
    /// What it saw.
    pub saw: ValueId,
    /// Who can have put that there.
    pub origin: Origin,
    /// What it could have seen without contradiction at that time, in the order in which the values' writers were
    /// called; empty if that was too much to find out.
    pub could_see: Vec<ValueId>,
}

/// Where a value that was seen wrongly comes from, in the whole history of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it: no write of it completed or is still open.
    Nowhere,
    /// It is the initial value, and nobody wrote it again.
    Initial,
    /// Every write of it began after the observer had returned; those of the core.
    Later(Vec<OpId>),
    /// Every write of it that began before the observer returned is followed, strictly before the observer, by a
    /// completed change; those of the core.
    Overwritten(Vec<OpId>),
    /// It was written before or meanwhile, but cannot come last; those writes that are in the core.
    Written(Vec<OpId>),
}

/// How far a history can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// So many operations of the object have a legal order.
    pub explained: usize,
    /// The operation whose return admits no order any more.
    pub at: OpId,
}

/// The kinds of contradiction; rendered in words by `report`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contradiction {
    /// No order of the core's operations is legal and respects real time.
    NoOrder,
    /// Acknowledged elements are missing from a read that began after their acknowledgement.
    LostAcknowledged {
        /// The add operations whose elements are missing; `core` shows the first of them.
        lost: Vec<OpId>,
    },
    /// A read that is wrong by itself.
    WrongRead(WrongRead),
    /// The orders that the claim asks for contradict each other.
    Forbidden {
        /// In which way.
        pattern: Pattern,
        /// What must come before what: a cycle, or what leads from a write to the read that does not see it. Empty if
        /// that was found by search only.
        steps: Vec<Step<OpId>>,
        /// The operation whose read is wrong and the key, if it is one.
        reader: Option<(OpId, ValueId)>,
    },
    /// The nodes did not come to hold the same, or hold what is gone.
    NotConverged(Diverged),
    /// A weaker claim is broken, and its counterexample is one of this claim too.
    Implied {
        /// The weaker claim.
        by: Claim,
    },
}

/// What is wrong with what the nodes hold when the work has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diverged {
    /// Two nodes hold different values.
    Disagree {
        /// The last read at one node.
        one: OpId,
        /// The last read at another.
        other: OpId,
    },
    /// A node holds a value that somebody has overwritten who knew it.
    Overwritten {
        /// The last read at the node.
        reader: OpId,
        /// How the session that overwrote it knew; `None` for the initial value, which everybody knows.
        seen: Option<OpId>,
        /// What overwrote it.
        by: OpId,
    },
}

/// How orders contradict each other, below linearizable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// What sessions did and what they read goes round in a circle.
    CausalCycle,
    /// The initial value was read although a write of the key comes before the read.
    InitialAfterWrite,
    /// A value was read although it was overwritten before, as the reader had to know.
    Overwritten,
    /// The writers of the same keys cannot be put into one order that all agree on.
    NoCommonOrder,
    /// One session's reads fit into no order of the writes.
    NoView,
    /// The sessions fit into no single order.
    NoOrder,
    /// Some session's reads do not fit, whatever order of the writes of each key all agree on.
    NoAgreedOrder,
    /// They do, but the operations are too many, or the time is over, to say how.
    Unexplained,
}

/// One thing that must come before another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<T> {
    /// Before.
    pub from: T,
    /// After.
    pub to: T,
    /// Why.
    pub why: Reason<T>,
}

/// Why something must come before something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason<T> {
    /// The same session did both, in this order.
    Session,
    /// The second read what the first wrote.
    ReadFrom {
        /// The key.
        key: ValueId,
    },
    /// The reader had to see the first but read the second: both wrote that key, so that the second is the later one.
    Hidden {
        /// Who read.
        reader: T,
        /// The key.
        key: ValueId,
    },
    /// The session of the second had read the first before.
    Followed {
        /// Who read.
        reader: T,
        /// The key.
        key: ValueId,
    },
    /// The claim says that the second must see the first.
    MustSee,
}

impl<T> Step<T> {
    /// The same step between what those are called elsewhere.
    #[must_use]
    pub fn renamed<U>(self, name: impl Fn(T) -> U) -> Step<U> {
        let why = match self.why {
            Reason::Session => Reason::Session,
            Reason::ReadFrom { key } => Reason::ReadFrom { key },
            Reason::Hidden { reader, key } => Reason::Hidden { reader: name(reader), key },
            Reason::Followed { reader, key } => Reason::Followed { reader: name(reader), key },
            Reason::MustSee => Reason::MustSee,
        };
        Step { from: name(self.from), to: name(self.to), why }
    }
}

/// A read that is wrong by itself, whatever the others did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongRead {
    /// The operation that read.
    pub reader: OpId,
    /// The key.
    pub key: ValueId,
    /// What it saw.
    pub value: ValueId,
    /// The operation that has to do with that value, if any.
    pub writer: Option<OpId>,
    /// What is wrong.
    pub kind: WrongReadKind,
}

/// What is wrong with a read by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WrongReadKind {
    /// Nobody wrote that value.
    ThinAir,
    /// Only an operation that certainly had no effect wrote it.
    Aborted,
    /// Its own transaction wrote it only afterwards.
    Future,
    /// Whoever wrote it began only when the read was over.
    Early,
    /// Its own transaction had written another value before.
    NotOwn,
    /// The writer overwrote it itself.
    Intermediate,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// What ended first.
    pub why: Why,
    /// The undecided objects with how far each one was decided.
    pub open: Vec<OpenObject>,
    /// How many objects were decided to hold.
    pub decided: usize,
}

/// An object without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenObject {
    /// Which.
    pub key: ValueId,
    /// How many operations it has.
    pub operations: usize,
    /// How many of them are indeterminate.
    pub indeterminate: usize,
    /// How many operations are certainly explained (a legal order of that prefix exists).
    pub explained: usize,
    /// The largest number of its operations open at once.
    pub overlap: usize,
}

/// What kept a claim from being decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The budget.
    Stopped(Stop),
    /// The history lacks what the decision needs, in words.
    Unsupported(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(Stop::Time) => f.write_str("the time budget ended"),
            Self::Stopped(Stop::Memory) => f.write_str("the memory budget ended"),
            Self::Stopped(Stop::Cancelled) => f.write_str("it was interrupted"),
            Self::Unsupported(why) => f.write_str(why),
        }
    }
}
