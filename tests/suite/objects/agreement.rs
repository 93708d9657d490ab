//! Asks every decider of a ladder about random histories whose truth is known.

use super::histories::{Made, Op, Specification, corrupt, make, prefix, record, some_order};
use consistory::check::budget::Budget;
use consistory::check::linearizable::{Conflict, Decision, Ladder, Wish, decide};
use consistory::check::models::Model;
use consistory::check::problem::{NEVER, Problem};
use consistory::check::witness::{has_no_order, replay};
use consistory::history::{History, OpId, Outcome};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::env;

const OPS_MAX: usize = 7;
const ROUNDS: u64 = 20_000;

fn setting(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[derive(Default, Debug)]
struct Tally {
    holds: u64,
    violated: u64,
    /// By decider: decided, not applicable.
    by: BTreeMap<&'static str, (u64, u64)>,
    with_places: u64,
}

/// Judges so many random histories of one object; the deciders in `often` settle at least a third of them.
#[expect(clippy::print_stdout, reason = "the seeds of a failed run must be known")]
pub(super) fn agree<S, M>(name: &str, spec: &S, model: impl Fn(&History) -> M, often: &[&str])
where
    S: Specification,
    M: Ladder,
{
    let rounds = setting("CONSISTORY_ORACLE_ROUNDS", ROUNDS);
    let first = setting("CONSISTORY_ORACLE_SEED", 0);
    let mut tally = Tally::default();
    for seed in first..first + rounds {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut made = make(&mut random, spec, OPS_MAX);
        let trial = Trial { name, seed };
        trial.restrict(&made, &model, &mut random);
        if random.random_bool(0.6) {
            corrupt(&mut random, &mut made.ops);
        }
        trial.judge(spec, &made.ops, &model, &mut tally);
    }
    println!("{name}: seeds {first}..{}: {tally:?}", first + rounds);
    assert!(tally.holds * 10 > rounds && tally.violated * 50 > rounds, "{name}: one-sided histories: {tally:?}");
    for decider in often {
        let decided = tally.by.get(decider).map_or(0, |counts| counts.0);
        assert!(decided * 3 > rounds, "{name}: '{decider}' hardly ever decides: {tally:?}");
    }
}

#[derive(Clone, Copy)]
struct Trial<'n> {
    name: &'n str,
    seed: u64,
}

impl Trial<'_> {
    /// The order in which a history was made is legal, and so is what remains of it when calls are left out that
    /// nobody who stays needs.
    fn restrict<M: Ladder>(self, made: &Made, model: &impl Fn(&History) -> M, random: &mut SmallRng) {
        let history = record(&made.ops);
        let model = model(&history);
        let call =
            |&at: &usize| model.call(&history.operation(OpId(u32::try_from(at).expect("few")))).expect("a known call");
        let calls: Vec<M::Call> = made.order.iter().filter_map(call).collect();
        let legal = |kept: &[bool]| {
            let mut state = Some(model.initial());
            for (call, _) in calls.iter().zip(kept).filter(|(_, kept)| **kept) {
                state = state.and_then(|state| model.step(&state, call));
            }
            state.is_some()
        };
        let Self { name, seed } = self;
        assert!(legal(&vec![true; calls.len()]), "{name} seed {seed}: the history was made so: {calls:?}");
        let mut kept: Vec<bool> = calls.iter().map(|_| random.random_bool(0.3)).collect();
        close(&model, &calls, &mut kept);
        assert!(legal(&kept), "{name} seed {seed}: {calls:?} restricted to {kept:?}");
    }

    fn judge<S, M>(self, spec: &S, ops: &[Op], model: &impl Fn(&History) -> M, tally: &mut Tally)
    where
        S: Specification,
        M: Ladder,
    {
        let history = record(ops);
        let problem = Problem::compile(model(&history), &history, history.operations().map(|op| op.id()))
            .expect("every operation is one of the model");
        let truth = self.ask(spec, ops, &problem, tally);
        *if truth { &mut tally.holds } else { &mut tally.violated } += 1;
        // The same of what was known at some earlier time, when results are known of what has not returned.
        let event = u32::try_from(self.seed % (2 * OPS_MAX as u64)).expect("small");
        self.ask(spec, &prefix(ops, event), &problem.prefix(event), &mut Tally::default());
    }

    /// The truth, which is also what every decider said that said anything.
    fn ask<S, M>(self, spec: &S, ops: &[Op], problem: &Problem<M>, tally: &mut Tally) -> bool
    where
        S: Specification,
        M: Ladder,
    {
        let Self { name, seed } = self;
        let truth = some_order(spec, ops);
        let budget = Budget::unlimited();
        let answer = decide(problem, Wish { order: true }, &budget);
        let said = matches!(answer.decision, Decision::Holds(_));
        assert_eq!(said, truth, "{name} seed {seed}: the ladder, by '{}': {ops:#?}", answer.by);
        for decider in M::ladder() {
            let decision = (decider.decide)(problem, Wish { order: true }, &budget);
            let counts = tally.by.entry(decider.name).or_default();
            let by = decider.name;
            match decision {
                Decision::Holds(order) => {
                    assert!(truth, "{name} seed {seed}: '{by}' holds: {ops:#?}");
                    let order = order.expect("an order was wished");
                    let replayed = replay(problem, &order);
                    assert_eq!(replayed, Ok(()), "{name} seed {seed}: '{by}' order {order:?}: {ops:#?}");
                }
                Decision::Violated(conflict) => {
                    assert!(!truth, "{name} seed {seed}: '{by}' violated: {ops:#?}");
                    tally.with_places += u64::from(!conflict.places.is_empty());
                    self.verify(spec, ops, problem, &conflict, by);
                }
                Decision::NotApplicable(_) => {
                    counts.1 += 1;
                    continue;
                }
                Decision::GaveUp { .. } => panic!("{name} seed {seed}: '{by}' gave up without a limit"),
            }
            counts.0 += 1;
        }
        truth
    }

    fn verify<S, M>(self, spec: &S, ops: &[Op], problem: &Problem<M>, conflict: &Conflict, by: &str)
    where
        S: Specification,
        M: Model,
    {
        let about = format!("{} seed {}: '{by}' {conflict:?}: {ops:#?}", self.name, self.seed);
        if !conflict.places.is_empty() {
            let places: Vec<usize> = conflict.places.iter().map(|&place| place as usize).collect();
            assert!(places.is_sorted_by(|a, b| a < b), "ascending: {about}");
            assert!(speaks_for_the_whole(problem, &places), "closed under needs in some prefix: {about}");
            assert_eq!(has_no_order(&problem.select(&places)), Some(true), "has no order: {about}");
            let core: Vec<Op> = places.iter().map(|&at| ops[problem.ops[at].index()].clone()).collect();
            assert!(!some_order(spec, &core), "has no order by brute force: {about}");
        }
        if let Some(event) = conflict.event {
            assert!(!some_order(spec, &prefix(ops, event)), "the prefix has no order: {about}");
            assert!(event == 0 || some_order(spec, &prefix(ops, event - 1)), "the prefix before has: {about}");
        }
    }
}

/// Whether in some prefix of the problem those calls need no others, and still have no order there.
fn speaks_for_the_whole<M: Model>(problem: &Problem<M>, places: &[usize]) -> bool {
    let ends = problem.returned.iter().filter(|&&returned| returned != NEVER);
    ends.copied().any(|end| {
        let prefix = problem.prefix(end);
        let mut kept: Vec<bool> = (0..prefix.len()).map(|at| places.contains(&at)).collect();
        let before = kept.clone();
        close(&prefix.model, &prefix.calls, &mut kept);
        let inside: Vec<usize> = places.iter().copied().filter(|&at| at < prefix.len()).collect();
        kept == before && has_no_order(&prefix.select(&inside)) == Some(true)
    })
}

fn close<M: Model>(model: &M, calls: &[M::Call], kept: &mut [bool]) {
    loop {
        let needed = (0..calls.len()).find(|&other| {
            !kept[other] && (0..calls.len()).any(|at| kept[at] && model.needs(&calls[at], &calls[other]))
        });
        match needed {
            Some(other) => kept[other] = true,
            None => break,
        }
    }
}

/// Whether an operation took effect is known of completed ones alone; the tests rely on the words.
#[test]
fn rejected_operations_are_not_part_of_a_problem() {
    use consistory::check::models::Mutex;
    let mut random = SmallRng::seed_from_u64(1);
    let made = make(&mut random, &super::specifications::Permits { permits: 1, weighted: false }, OPS_MAX);
    let history = record(&made.ops);
    let problem = Problem::compile(Mutex, &history, history.operations().map(|op| op.id())).unwrap();
    let expected = made.ops.iter().filter(|op| op.outcome != Outcome::Rejected).count();
    assert_eq!(problem.len(), expected);
}
