//! The linearizability of a whole history: every object apart, in parallel, and the evidence verified.

use super::{Answer, Conflict, Decision, Ladder, Wish, cut, decide, decide_by_search, decide_quickly, why_not};
use crate::check::budget::{Budget, Stop};
use crate::check::guarantee::Claim;
use crate::check::judge::JudgeError;
use crate::check::models::{Model, NotThisModel};
use crate::check::partition::{Part, by_key};
use crate::check::problem::{NEVER, Problem};
use crate::check::shrink::{Shrunk, drop_observers, shrink};
use crate::check::verdict::{
    Contradiction, Explains, Finding, LegalOrder, OpenObject, Origin, Stuck, Undecided, Verdict, Violation, Why,
    WhyNot, Witness,
};
use crate::check::witness::{Start, has_no_order_from, replay};
use crate::history::{History, OpId, Outcome, ValueId};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// In histories of at most so many operations every order that a quick decider finds is replayed, asked for or not.
const REPLAYED_MAX: usize = 100_000;
/// The least time that a search of one object is given at first.
const SLICE_MIN: Duration = Duration::from_millis(200);
/// So many violated objects are shrunk in search of the smallest counterexample.
const SHRUNK_MAX: usize = 8;

/// Judges a history whose objects follow `model`.
///
/// Every object is first asked for a cheap answer; only then the open ones are searched, the smallest first, each with a
/// share of the time that is left, so that one hard object does not hide what is plain in another. What that leaves open
/// is searched again, one object after another, with all that is left.
///
/// # Errors
/// The first operation that the model does not have, or evidence that the verifier refuses.
pub fn judge_model<M: Ladder>(
    history: &History,
    model: &M,
    order: bool,
    budget: &Budget,
) -> Result<Finding, JudgeError> {
    let parts = if model.partitions_by_key() { by_key(history) } else { vec![whole(history)] };
    let wish = Wish { order: order || history.len() <= REPLAYED_MAX };
    let judged: Vec<Result<Judged<M>, NotThisModel>> =
        parts.par_iter().map(|part| Judged::quickly(history, part, model, wish, budget)).collect();
    let mut judged = judged.into_iter().collect::<Result<Vec<Judged<M>>, NotThisModel>>()?;
    search_open(&mut judged, Wish { order }, budget);
    for object in &judged {
        object.verify(history)?;
    }
    let mut decided_by = BTreeMap::new();
    for object in judged.iter().filter(|object| object.answer.is_settled()) {
        *decided_by.entry(object.answer.by).or_insert(0) += 1;
    }
    Ok(Finding {
        claim: Claim::Linearizable,
        model: None,
        verdict: combine(history, &judged, order, budget)?,
        decided_by: decided_by.into_iter().collect(),
        operations: history.len(),
        objects: judged.len(),
        assumptions: Vec::new(),
    })
}

/// Searches the objects that no quick decider settled.
fn search_open<M: Ladder>(judged: &mut [Judged<M>], wish: Wish, budget: &Budget) {
    let mut open: Vec<&mut Judged<M>> = judged.iter_mut().filter(|object| !object.answer.is_settled()).collect();
    if open.is_empty() {
        return;
    }
    open.sort_by_key(|object| object.problem.as_ref().map_or(0, Problem::len));
    let share = open.len().div_ceil(rayon::current_num_threads()) + 1;
    open.par_iter_mut().with_max_len(1).for_each(|object| object.search(wish, &budget.slice(share, SLICE_MIN)));
    for object in open.into_iter().filter(|object| !object.answer.is_settled()) {
        object.search(wish, budget);
    }
}

fn whole(history: &History) -> Part {
    let ops = (0..u32::try_from(history.len()).expect("operations are counted in 32 bits")).map(OpId).collect();
    Part { key: ValueId::ABSENT, ops }
}

/// One object with its answer. The problem is kept only where it is still needed.
struct Judged<M: Model> {
    key: ValueId,
    problem: Option<Problem<M>>,
    answer: Answer,
    order: Vec<OpId>,
    flaw: Option<String>,
}

impl<M: Ladder> Judged<M> {
    /// An object with the answer of the quick deciders.
    fn quickly(history: &History, part: &Part, model: &M, wish: Wish, budget: &Budget) -> Result<Self, NotThisModel> {
        let problem = Problem::compile(model.clone(), history, part.ops.iter().copied())?;
        let answer = match budget.exceeded() {
            Some(stop) => Answer { decision: Decision::GaveUp { stop, explained: 0 }, by: "none" },
            None => decide_quickly(&problem, wish, budget),
        };
        Ok(Self { key: part.key, problem: None, answer, order: Vec::new(), flaw: None }.with_problem(problem))
    }

    /// Asks the deciders that search.
    fn search(&mut self, wish: Wish, budget: &Budget) {
        if let Some(problem) = self.problem.take() {
            if budget.exceeded().is_none() {
                self.answer = decide_by_search(&problem, wish, budget);
            }
            self.keep(problem);
        }
    }

    fn with_problem(mut self, problem: Problem<M>) -> Self {
        self.keep(problem);
        self
    }

    /// Replays an order, and keeps the problem only where it is still needed.
    fn keep(&mut self, problem: Problem<M>) {
        match &mut self.answer.decision {
            Decision::Holds(Some(order)) => {
                self.flaw = replay(&problem, order).err().map(|flaw| flaw.to_string());
                self.order = order.drain(..).map(|at| problem.ops[at as usize]).collect();
            }
            Decision::Holds(None) => {}
            _ => self.problem = Some(problem),
        }
    }

    fn verify(&self, history: &History) -> Result<(), JudgeError> {
        self.flaw.as_ref().map_or(Ok(()), |flaw| Err(self.contradicted(history, flaw.clone())))
    }

    fn contradicted(&self, history: &History, flaw: String) -> JudgeError {
        let key = if self.key.is_absent() { "-".into() } else { history.values().to_value(self.key).to_string() };
        JudgeError::Contradicted { decider: self.answer.by, key, flaw }
    }

    fn conflict(&self) -> Option<(&Conflict, &Problem<M>)> {
        match (&self.answer.decision, &self.problem) {
            (Decision::Violated(conflict), Some(problem)) => Some((conflict, problem)),
            _ => None,
        }
    }
}

/// Violated outweighs Undecided, which outweighs Holds.
fn combine<M: Ladder>(
    history: &History,
    judged: &[Judged<M>],
    order: bool,
    budget: &Budget,
) -> Result<Verdict, JudgeError> {
    let mut violated: Vec<&Judged<M>> = judged.iter().filter(|object| object.conflict().is_some()).collect();
    if !violated.is_empty() {
        let keys = violated.iter().map(|object| object.key).collect();
        // Small named conflicts first; among equals the order of the history decides, so that threads don't.
        violated.sort_by_key(|object| {
            object.conflict().map_or(usize::MAX, |(conflict, _)| conflict.places.len().wrapping_sub(1))
        });
        let mut cores = Vec::new();
        for object in violated.iter().take(SHRUNK_MAX) {
            cores.push(violation(history, object, budget)?);
            if budget.exceeded().is_some() {
                break;
            }
        }
        let smallest = cores.into_iter().min_by_key(|violation| violation.core.len()).expect("there is a first one");
        return Ok(Verdict::Violated(Violation { keys, ..smallest }));
    }
    let open: Vec<_> = judged.iter().filter_map(open_object).collect();
    if open.is_empty() {
        let orders = judged.iter().filter(|object| order && !object.order.is_empty());
        let orders = orders
            .map(|object| LegalOrder { explains: Explains::Object(object.key), ops: object.order.clone() })
            .collect();
        return Ok(Verdict::Holds(Witness { orders, stopped: None }));
    }
    let decided = judged.len() - open.len();
    let stop = judged.iter().find_map(|object| match object.answer.decision {
        Decision::GaveUp { stop, .. } => Some(Why::Stopped(stop)),
        Decision::NotApplicable(why) => Some(Why::Unsupported(why.into())),
        _ => None,
    });
    let why = stop.unwrap_or(Why::Stopped(Stop::Cancelled));
    Ok(Verdict::Undecided(Undecided { why, open, decided }))
}

fn open_object<M: Ladder>(object: &Judged<M>) -> Option<OpenObject> {
    let explained = match object.answer.decision {
        Decision::GaveUp { explained, .. } => explained,
        Decision::NotApplicable(_) => 0,
        _ => return None,
    };
    let problem = object.problem.as_ref()?;
    Some(OpenObject {
        key: object.key,
        operations: problem.len(),
        indeterminate: problem.returned.iter().filter(|&&returned| returned == NEVER).count(),
        explained,
        overlap: overlap(problem),
    })
}

/// The largest number of calls open at once that did return.
fn overlap<M: Model>(problem: &Problem<M>) -> usize {
    let mut returns: Vec<u32> = problem.returned.iter().copied().filter(|&returned| returned != NEVER).collect();
    returns.sort_unstable();
    let mut called = 0;
    let mut most = 0;
    for (at, &invoked) in problem.invoked.iter().enumerate() {
        if problem.returned[at] == NEVER {
            continue;
        }
        called += 1;
        most = most.max(called - returns.partition_point(|&returned| returned < invoked));
    }
    most
}

/// A conflict that names more operations than this is not yet a counterexample that people can read.
const NAMED_MAX: usize = 8;

/// A contradiction: calls that have no order from any of those starts.
struct Core<M: Model> {
    calls: Problem<M>,
    starts: Vec<Start<M::State>>,
    before: usize,
    minimal: bool,
}

/// The counterexample of one object, shrunk and verified.
fn violation<M: Ladder>(history: &History, object: &Judged<M>, budget: &Budget) -> Result<Violation, JudgeError> {
    let (conflict, problem) = object.conflict().expect("only violated objects are asked");
    let core = core(problem, conflict, budget);
    let no_order = has_no_order_from(&core.calls, &core.starts);
    if no_order == Some(false) {
        return Err(object.contradicted(history, "the smallest contradiction has a legal order".into()));
    }
    let why_not = why_not::explain(problem, &core.calls, budget);
    let stuck = conflict.event.and_then(|event| stuck(problem, event));
    Ok(Violation {
        key: object.key,
        states: states(&core),
        context: context(history, problem, why_not.as_ref()),
        why_not,
        minimal: core.minimal,
        core: core.calls.ops,
        kind: Contradiction::NoOrder,
        keys: Vec::new(),
        stuck,
        before: core.before,
        verified: no_order == Some(true),
    })
}

/// The smallest contradiction. Where every operation matters to what follows, the last few returns in which it lies.
fn core<M: Ladder>(problem: &Problem<M>, conflict: &Conflict, budget: &Budget) -> Core<M> {
    let enough = || budget.exceeded().is_some();
    let named = (1..=NAMED_MAX).contains(&conflict.places.len());
    if !named
        && !problem.model.needs_only_the_past()
        && let Some(found) = cut::find(problem, budget)
    {
        let violated = |part: &Problem<M>| cut::is_contradiction(part, &found.starts) == Some(true);
        let Shrunk { core, minimal } = drop_observers(&found.part, &violated, &enough);
        return Core { calls: core, starts: found.starts, before: found.before, minimal };
    }
    let violated = |part: &Problem<M>| matches!(decide(part, Wish::default(), budget).decision, Decision::Violated(_));
    let Shrunk { core, minimal } = shrink(problem, conflict, &violated, &enough);
    let start = Start { state: problem.model.initial(), placed: Vec::new() };
    Core { calls: core, starts: vec![start], before: 0, minimal }
}

/// The states that the calls before the core can have led to, spelled for people.
fn states<M: Model>(core: &Core<M>) -> Vec<String> {
    if core.before == 0 {
        return Vec::new();
    }
    let mut states: Vec<String> = core.starts.iter().map(|start| core.calls.model.describe(&start.state)).collect();
    states.sort_unstable();
    states.dedup();
    states
}

fn stuck<M: Model>(problem: &Problem<M>, event: u32) -> Option<Stuck> {
    let at = problem.returned.iter().position(|&returned| returned == event)?;
    let explained = problem.returned.iter().filter(|&&returned| returned < event).count();
    Some(Stuck { explained, at: problem.ops[at] })
}

/// Rejected operations that carry a value which was seen although nobody wrote it.
fn context<M: Model>(history: &History, problem: &Problem<M>, why_not: Option<&WhyNot>) -> Vec<OpId> {
    let Some(WhyNot { saw, origin: Origin::Nowhere, .. }) = why_not else { return Vec::new() };
    let key = problem.ops.first().map(|&id| history.operation(id).key());
    let carries =
        |argument| argument == *saw || history.values().items(argument).is_some_and(|items| items.last() == Some(saw));
    history
        .operations()
        .filter(|operation| operation.outcome() == Outcome::Rejected && Some(operation.key()) == key)
        .filter(|operation| carries(operation.argument()))
        .map(|operation| operation.id())
        .collect()
}
