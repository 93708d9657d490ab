//! Linearizability (Herlihy and Wing 1990): a ladder of deciders, the cheapest sound one first.
//!
//! Each decider is given one object's [`Problem`] and answers [`Decision`]. It is asked in order; the first that
//! decides names itself in the verdict. A decider that does not apply says why, and so does one that gives up.

pub mod catalogue;
mod core_closure;
mod counting;
mod coverage;
mod cut;
mod depth_first;
mod extents;
mod fifo;
mod ladders;
mod layered;
mod lifo;
mod multiset;
mod necessary;
pub mod objects;
mod overwriting;
mod permits;
mod positions;
mod register_view;
mod sessions;
mod set_elements;
mod set_snapshots;
mod sums;
mod timeline;
mod unique_register;
mod versions;
mod why_not;
mod zones;

pub use ladders::decide_with_search;

use super::budget::{Budget, Stop};
use super::models::{Model, Register};
use super::problem::Problem;

/// What a decider says about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Linearizable. The order is a permutation of places in the problem, without the indeterminate calls that
    /// never take effect; `None` if none was asked for.
    Holds(Option<Vec<u32>>),
    /// Not linearizable.
    Violated(Conflict),
    /// The problem is outside what this decider is exact for.
    NotApplicable(&'static str),
    /// It could decide this in principle, but not within its budget.
    GaveUp {
        /// What ended.
        stop: Stop,
        /// So many calls (in order of return) certainly have a legal order.
        explained: usize,
    },
}

impl Decision {
    /// How much was explained by a decider that gave up; `None` for one that did not.
    fn explained(&self) -> Option<usize> {
        match *self {
            Self::GaveUp { explained, .. } => Some(explained),
            Self::Holds(_) | Self::Violated(_) | Self::NotApplicable(_) => None,
        }
    }
}

/// Where a contradiction lies.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Conflict {
    /// Places in the problem which together already admit no order, ascending; closed under the model's `needs`
    /// in the problem's prefix that ends with the last return which matters. Empty if the decider cannot tell: then
    /// the whole prefix up to `event` is meant.
    pub places: Vec<u32>,
    /// The rank of the return event at which no order remains, if the decider knows it: the prefix before it is
    /// linearizable, the prefix with it is not.
    pub event: Option<u32>,
}

/// What the caller wants of a decision besides yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Wish {
    /// The order itself, when it holds.
    pub order: bool,
}

/// A named step of a ladder.
pub struct Decider<M: Model> {
    /// The word that verdicts show.
    pub name: &'static str,
    /// Decides one object.
    pub decide: fn(&Problem<M>, Wish, &Budget) -> Decision,
    /// Whether it may take very long: then every object is asked for a cheaper answer first.
    pub searches: bool,
}

impl<M: Model> Decider<M> {
    /// A decider whose cost is at most near-linear.
    fn near_linear(name: &'static str, decide: fn(&Problem<M>, Wish, &Budget) -> Decision) -> Self {
        Self { name, decide, searches: false }
    }

    /// A decider that may need the whole budget.
    fn searching(name: &'static str, decide: fn(&Problem<M>, Wish, &Budget) -> Decision) -> Self {
        Self { name, decide, searches: true }
    }
}

/// Which deciders answer for a model, cheapest first. The last one is a search that always applies.
pub trait Ladder: Model {
    /// The steps.
    #[must_use]
    fn ladder() -> Vec<Decider<Self>> {
        vec![Decider::searching("search", depth_first::decide)]
    }
}

impl Ladder for Register {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider::near_linear("unique writers", unique_register::decide),
            Decider::near_linear("necessary conditions", necessary::decide),
            Decider::searching("layers", layered::decide),
            Decider::searching("search", depth_first::decide),
        ]
    }
}

/// What a ladder said about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The last word.
    pub decision: Decision,
    /// Who said it.
    pub by: &'static str,
}

impl Answer {
    /// Whether it settles the object.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.decision, Decision::Holds(_) | Decision::Violated(_))
    }
}

/// Asks the model's deciders one after another, until one decides or the budget has ended. Of those that gave up, the
/// one that explained the most has the last word.
#[must_use]
pub fn decide<M: Ladder>(problem: &Problem<M>, wish: Wish, budget: &Budget) -> Answer {
    ask(M::ladder(), problem, wish, budget)
}

/// Asks only those of the model's deciders that are sure to be quick.
#[must_use]
pub fn decide_quickly<M: Ladder>(problem: &Problem<M>, wish: Wish, budget: &Budget) -> Answer {
    ask(M::ladder().into_iter().filter(|decider| !decider.searches), problem, wish, budget)
}

/// Asks only those of the model's deciders that search.
#[must_use]
pub fn decide_by_search<M: Ladder>(problem: &Problem<M>, wish: Wish, budget: &Budget) -> Answer {
    ask(M::ladder().into_iter().filter(|decider| decider.searches), problem, wish, budget)
}

fn ask<M: Ladder>(
    deciders: impl IntoIterator<Item = Decider<M>>,
    problem: &Problem<M>,
    wish: Wish,
    budget: &Budget,
) -> Answer {
    let mut last = Answer { decision: Decision::NotApplicable("no decider applies"), by: "none" };
    for decider in deciders {
        let answer = Answer { decision: (decider.decide)(problem, wish, budget), by: decider.name };
        if answer.is_settled() || answer.decision.explained() >= last.decision.explained() {
            last = answer;
        }
        if last.is_settled() || budget.exceeded().is_some() {
            break;
        }
    }
    last
}
