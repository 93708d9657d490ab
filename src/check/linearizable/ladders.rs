//! Which deciders answer for which model, and how a model of somebody else's is judged.

use super::{
    Answer, Decider, Decision, Ladder, Wish, counting, depth_first, fifo, lifo, multiset, permits, sessions,
    set_elements, set_snapshots, sums, versions,
};
use crate::check::budget::Budget;
use crate::check::models::{
    Counter, FifoQueue, KvAppend, Model, MultiRegister, Mutex, OwnedMutex, Semaphore, Set, Stack, UnorderedQueue,
    VersionedRegister,
};
use crate::check::problem::Problem;

fn search<M: Model>() -> Decider<M> {
    Decider::searching("search", depth_first::decide)
}

/// Runs a decider whose tables take so many bytes a call, if the budget has them left.
fn within<M: Model>(
    budget: &Budget,
    bytes_per_call: u64,
    problem: &Problem<M>,
    wish: Wish,
    decide: fn(&Problem<M>, Wish, &Budget) -> Decision,
) -> Decision {
    let bytes = problem.len() as u64 * bytes_per_call;
    if let Some(stop) = budget.exceeded().or_else(|| budget.reserve(bytes).err()) {
        return Decision::GaveUp { stop, explained: 0 };
    }
    let decision = decide(problem, wish, budget);
    budget.release(bytes);
    decision
}

/// Judges one object of any model by the general search: for models that no other decider knows.
///
/// # Examples
///
/// A light switch that tells its new position:
///
/// ```
/// use consistory::check::budget::Budget;
/// use consistory::check::linearizable::{Decision, Wish, decide_with_search};
/// use consistory::check::models::{Model, NotThisModel};
/// use consistory::check::problem::Problem;
/// use consistory::history::{History, HistoryBuilder, Operation, Outcome, ValueRef};
/// # use consistory::history::{Actor, Event, Header, Nanos, Phase, Place, ProcessId, Symbol, Ties, ValueId};
///
/// #[derive(Clone)]
/// struct Switch;
///
/// impl Model for Switch {
///     type State = bool;
///     type Call = Option<bool>; // the position that `press` returned, if it did
///
///     fn initial(&self) -> bool {
///         false
///     }
///
///     fn call(&self, operation: &Operation<'_>) -> Result<Option<Option<bool>>, NotThisModel> {
///         match (operation.outcome(), operation.values().get(operation.result())) {
///             (Outcome::Rejected, _) => Ok(None),
///             (Outcome::Indeterminate, _) => Ok(Some(None)),
///             (Outcome::Completed, ValueRef::Bool(on)) => Ok(Some(Some(on))),
///             _ => Err(NotThisModel::new("switch", operation, "press returns a bool")),
///         }
///     }
///
///     fn step(&self, on: &bool, told: &Option<bool>) -> Option<bool> {
///         told.is_none_or(|told| told != *on).then_some(!on)
///     }
/// }
///
/// # fn press(builder: &mut HistoryBuilder, process: u32, phase: Phase, told: Option<bool>) {
/// #     let value = told.map_or(ValueId::NIL, |on| builder.values().intern_ref(ValueRef::Bool(on)));
/// #     let function = builder.functions().intern("press");
/// #     let actor = Actor::Client(ProcessId(process));
/// #     let (key, node, error) = (ValueId::ABSENT, Symbol::NONE, Symbol::NONE);
/// #     let time = Nanos::UNKNOWN;
/// #     builder.push(&Event { time, actor, phase, function, key, value, node, error, retry: None, place: Place::default() }).unwrap();
/// # }
/// # fn read_history() -> History {
/// #     let mut builder = HistoryBuilder::new(Header::default(), Ties::FileOrder);
/// #     press(&mut builder, 1, Phase::Invoke, None);
/// #     press(&mut builder, 1, Phase::Ok, Some(true));
/// #     press(&mut builder, 2, Phase::Invoke, None);
/// #     press(&mut builder, 2, Phase::Ok, Some(true));
/// #     builder.finish()
/// # }
/// // Two presses one after the other, and both returned "on".
/// let history: History = read_history();
/// let problem = Problem::compile(Switch, &history, history.operations().map(|operation| operation.id()))?;
/// let answer = decide_with_search(&problem, Wish::default(), &Budget::unlimited());
/// assert!(matches!(answer.decision, Decision::Violated(_)));
/// # Ok::<(), NotThisModel>(())
/// ```
#[must_use]
pub fn decide_with_search<M: Model>(problem: &Problem<M>, wish: Wish, budget: &Budget) -> Answer {
    let search = search();
    Answer { decision: (search.decide)(problem, wish, budget), by: search.name }
}

impl Ladder for KvAppend {}
impl Ladder for MultiRegister {}

impl Ladder for Counter {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider::near_linear("equal steps", |problem, wish, budget| {
                within(budget, 128, problem, wish, counting::decide)
            }),
            Decider::near_linear("returned sums", |problem, wish, budget| {
                within(budget, 96, problem, wish, sums::decide)
            }),
            search(),
        ]
    }
}

impl Ladder for FifoQueue {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider::near_linear("queue order", |problem, wish, budget| {
                within(budget, 192, problem, wish, fifo::decide)
            }),
            search(),
        ]
    }
}

impl Ladder for Stack {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider::near_linear("stack nesting", |problem, wish, budget| {
                within(budget, 224, problem, wish, lifo::decide)
            }),
            search(),
        ]
    }
}

impl Ladder for UnorderedQueue {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider::near_linear("multiset", |problem, wish, budget| {
                within(budget, 160, problem, wish, multiset::decide)
            }),
            search(),
        ]
    }
}

impl Ladder for Set {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider::near_linear("set elements", |problem, wish, budget| {
                within(budget, 96, problem, wish, set_elements::decide)
            }),
            Decider::near_linear("set snapshots", |problem, wish, budget| {
                within(budget, 96, problem, wish, set_snapshots::decide)
            }),
            search(),
        ]
    }
}

impl Ladder for Mutex {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider::near_linear("permits", |problem, wish, budget| {
                within(budget, 48, problem, wish, permits::decide_mutex)
            }),
            search(),
        ]
    }
}

impl Ladder for Semaphore {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider::near_linear("permits", |problem, wish, budget| {
                within(budget, 48, problem, wish, permits::decide_semaphore)
            }),
            search(),
        ]
    }
}

impl Ladder for OwnedMutex {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider::near_linear("sessions", |problem, wish, budget| {
                within(budget, 128, problem, wish, sessions::decide)
            }),
            search(),
        ]
    }
}

impl Ladder for VersionedRegister {
    fn ladder() -> Vec<Decider<Self>> {
        vec![
            Decider::near_linear("versions", |problem, wish, budget| {
                within(budget, 96, problem, wish, versions::decide)
            }),
            search(),
        ]
    }
}
