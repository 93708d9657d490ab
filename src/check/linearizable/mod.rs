//! Linearizability (Herlihy and Wing 1990): a ladder of deciders, the cheapest sound one first.
//!
//! Each decider is given one object's [`Problem`] and answers [`Decision`]. It is asked in order; the first that
//! decides names itself in the verdict. A decider that does not apply says why, and so does one that gives up.

mod core_closure;
mod depth_first;
mod layered;
mod necessary;
mod overwriting;
mod register_view;
mod unique_register;
mod zones;

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
}

/// Which deciders answer for a model, cheapest first. The last one is a search that always applies.
pub trait Ladder: Model {
    /// The steps.
    #[must_use]
    fn ladder() -> Vec<Decider<Self>> {
        vec![Decider { name: "search", decide: depth_first::decide }]
    }
}

impl Ladder for Register {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider { name: "unique writers", decide: unique_register::decide },
            Decider { name: "necessary conditions", decide: necessary::decide },
            Decider { name: "layers", decide: layered::decide },
            Decider { name: "search", decide: depth_first::decide },
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

/// Asks the model's deciders one after another, until one decides or the budget has ended. Of those that gave up, the
/// one that explained the most has the last word.
#[must_use]
pub fn decide<M: Ladder>(problem: &Problem<M>, wish: Wish, budget: &Budget) -> Answer {
    let mut last = Answer { decision: Decision::NotApplicable("no decider was asked"), by: "none" };
    for decider in M::ladder() {
        let decision = (decider.decide)(problem, wish, budget);
        let settled = matches!(decision, Decision::Holds(_) | Decision::Violated(_));
        if settled || decision.explained() >= last.decision.explained() {
            last = Answer { decision, by: decider.name };
        }
        if settled || budget.exceeded().is_some() {
            break;
        }
    }
    last
}
