//! Registers of any values: a layered search over configurations that cost what is open, not what has passed.
//!
//! After each return only the open calls of an interval order are undecided, so a configuration is a state and a few
//! bits for each open call (compare the frontier graphs of Lee and Mathur, "Fixed parameter tractable linearizability
//! monitoring", PLDI 2026), and a layer is an antichain of them: the reasons why one configuration is at least as good
//! as another are in [`configuration`], the moves from layer to layer and why no others are needed in [`moves`], the
//! order in which layers are visited in [`search`].
//!
//! Sound and complete; exponential in the number of open compare-and-sets at worst (the problem is NP-complete:
//! Gibbons and Korach 1997, §5), and then it gives up when the budget ends. Not applicable when more than
//! [`SLOTS_MAX`] calls are open at once.

mod antichain;
mod choices;
mod chunks;
mod configuration;
mod front;
mod mask;
mod moves;
mod open_calls;
mod order;
mod search;
mod supply;
#[cfg(test)]
mod tests;
mod timeline;
mod walks;

use super::register_view::RegisterView;
use super::{Conflict, Decision, Wish};
use crate::check::budget::{Budget, Stop};
use crate::check::models::Register;
use crate::check::problem::Problem;
use mask::{SlotMask, Wide};
use search::{Effort, Finding, Search};
use timeline::Timeline;

/// More calls open at once than this are left to the general search.
const SLOTS_MAX: usize = 1024;

/// Decides one object.
pub(super) fn decide(problem: &Problem<Register>, wish: Wish, budget: &Budget) -> Decision {
    // Per call: the view and the timeline (28 each), two events (16 each), overwriting and observers (48).
    let bytes = problem.len() as u64 * 136;
    if budget.reserve(bytes).is_err() {
        return Decision::GaveUp { stop: Stop::Memory, explained: 0 };
    }
    let view = RegisterView::new(problem);
    let timeline = Timeline::new(&view);
    let decision = match timeline.slots {
        0..=64 => run::<u64>(&timeline, &view.places, wish, budget),
        65..=128 => run::<u128>(&timeline, &view.places, wish, budget),
        129..=256 => run::<Wide<4>>(&timeline, &view.places, wish, budget),
        257..=SLOTS_MAX => run::<Wide<{ SLOTS_MAX / 64 }>>(&timeline, &view.places, wish, budget),
        _ => Decision::NotApplicable("more than 1024 calls are open at once"),
    };
    budget.release(bytes);
    decision
}

fn run<M: SlotMask>(timeline: &Timeline, places: &[u32], wish: Wish, budget: &Budget) -> Decision {
    debug_assert!(timeline.slots <= M::SLOTS, "the caller chose the width");
    // An order is traced back event by event, so nothing may be leapt over.
    let effort = Effort { chunk: if wish.order { 0 } else { Effort::USUAL.chunk }, ..Effort::USUAL };
    let mut search: Search<'_, M> = Search::new(timeline, budget, effort);
    match search.run() {
        Finding::Order if !wish.order => Decision::Holds(None),
        Finding::Order => {
            let path = order::path(timeline, search);
            let order = order::rebuild(timeline, path);
            Decision::Holds(Some(order.into_iter().map(|call| places[call as usize]).collect()))
        }
        Finding::Stuck(event) => {
            let event = event.map(|index| timeline.events[index].rank);
            Decision::Violated(Conflict { places: Vec::new(), event })
        }
        Finding::Stopped(stop, event) => Decision::GaveUp { stop, explained: search.returned_before(event) },
    }
}
