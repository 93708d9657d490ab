//! Every decider alone and the whole ladder say what brute force says, and their evidence is checked.

use super::brute_force::{Act, Small};
use super::random_histories::{Dice, Kind, draw};
use super::{first_seed, rounds};
use consistory::check::budget::Budget;
use consistory::check::linearizable::{Conflict, Decider, Decision, Ladder, Wish, decide};
use consistory::check::models::{Model, Register, RegisterCall};
use consistory::check::problem::{NEVER, Problem};
use consistory::check::witness::{CORE_MAX, has_no_order, replay};
use consistory::history::{OpId, Rank, ValueId};

pub(super) fn compile(small: &Small) -> Problem<Register> {
    let value = |number: u8| ValueId::small(i64::from(number)).expect("bytes are small");
    let mut problem = Problem::empty(Register::starting_at(value(small.initial)));
    for (at, op) in small.ops.iter().enumerate() {
        let call = match op.act {
            Act::Read(seen) => RegisterCall::Read(value(seen)),
            Act::Write(written) => RegisterCall::Write(value(written)),
            Act::Cas(from, to) => RegisterCall::Cas { from: value(from), to: value(to) },
            Act::FailedCas(from) => RegisterCall::FailedCas(value(from)),
        };
        let id = OpId(u32::try_from(at).expect("few operations"));
        problem.push(call, Rank(op.called), Rank(op.returned.unwrap_or(NEVER)), id);
    }
    problem
}

/// What is known about a small history without asking `check`.
struct Truth {
    holds: bool,
    first_violation: Option<u32>,
}

/// Holds a decision against the truth; whether it decided at all.
fn expect_true<M: Model>(problem: &Problem<M>, decision: &Decision, truth: &Truth, about: &str) -> bool {
    match decision {
        Decision::Holds(order) => {
            assert!(truth.holds, "{about}: it holds to the decider, brute force finds no order");
            if let Some(order) = order {
                replay(problem, order).unwrap_or_else(|flaw| panic!("{about}: order {order:?}: {flaw}"));
            }
            true
        }
        Decision::Violated(conflict) => {
            assert!(!truth.holds, "{about}: violated to the decider, brute force finds an order");
            expect_conflict(problem, conflict, truth, about);
            true
        }
        Decision::NotApplicable(_) | Decision::GaveUp { .. } => false,
    }
}

fn expect_conflict<M: Model>(problem: &Problem<M>, conflict: &Conflict, truth: &Truth, about: &str) {
    if conflict.event.is_some() {
        assert_eq!(conflict.event, truth.first_violation, "{about}: the event at which no order remains");
    }
    if conflict.places.is_empty() {
        return;
    }
    assert!(conflict.places.is_sorted_by(|a, b| a < b), "{about}: places ascend: {conflict:?}");
    let places: Vec<usize> = conflict.places.iter().map(|&at| at as usize).collect();
    assert!(places.len() <= CORE_MAX, "{about}: a small history has a small core");
    let core = problem.select(&places);
    assert_eq!(has_no_order(&core), Some(true), "{about}: the core has an order: {conflict:?}");
    // The core speaks for the whole: in some prefix it is closed under what it needs and has no order.
    let mut returns = problem.returned.iter().copied().filter(|&at| at != NEVER);
    let speaks = returns.any(|event| {
        let prefix = problem.prefix(event);
        let inside: Vec<usize> = places.iter().copied().filter(|&at| at < prefix.len()).collect();
        let core = prefix.select(&inside);
        let needed = |at: &usize| core.calls.iter().any(|kept| problem.model.needs(kept, &prefix.calls[*at]));
        let closed = (0..prefix.len()).filter(|at| !inside.contains(at)).all(|at| !needed(&at));
        closed && has_no_order(&core) == Some(true)
    });
    assert!(speaks, "{about}: the core {places:?} is not closed under what it needs");
}

#[expect(clippy::print_stdout, reason = "a random test tells its seeds")]
fn agree(kind: Kind, by_default: u64, always_decided_by: &str) {
    let (mut holding, mut violated) = (0, 0);
    let mut undecided = 0;
    let named = |decider: &Decider<Register>| decider.name == always_decided_by;
    assert!(Register::ladder().iter().any(named), "there is a decider '{always_decided_by}'");
    let first = first_seed();
    for seed in first..first + rounds(by_default) {
        let small = draw(&mut Dice::new(seed), kind);
        let truth = Truth { holds: small.is_linearizable(), first_violation: small.first_violation() };
        if truth.holds {
            holding += 1;
        } else {
            violated += 1;
        }
        let problem = compile(&small);
        for wish in [Wish { order: true }, Wish { order: false }] {
            for decider in Register::ladder() {
                let about = format!("seed {seed}, {kind:?}, decider '{}': {small:#?}", decider.name);
                let decision = (decider.decide)(&problem, wish, &Budget::unlimited());
                let decided = expect_true(&problem, &decision, &truth, &about);
                if decider.name == always_decided_by {
                    assert!(decided, "{about}: {decision:?}");
                }
                undecided += u64::from(!decided);
                let ordered = matches!(decision, Decision::Holds(Some(_)));
                assert!(ordered == (wish.order && truth.holds) || !decided, "{about}: an order exactly when wished");
            }
            let answer = decide(&problem, wish, &Budget::unlimited());
            let about = format!("seed {seed}, {kind:?}, the ladder ('{}'): {small:#?}", answer.by);
            assert!(expect_true(&problem, &answer.decision, &truth, &about), "{about}: the ladder always decides");
        }
    }
    println!("seeds {first}.., {kind:?}: {holding} hold, {violated} violated, {undecided} times not applicable");
    let enough = rounds(by_default) / 20;
    assert!(holding > enough && violated > enough, "histories of both kinds: {holding} hold, {violated} do not");
}

const SMALL: Kind = Kind { operations_max: 8, processes_max: 5, cas: true, failed_cas: true, unique: false };

#[test]
fn deciders_agree_with_brute_force_on_registers_with_few_values() {
    agree(Kind { cas: false, failed_cas: false, ..SMALL }, 5_000, "layers");
}

#[test]
fn deciders_agree_with_brute_force_on_cas_registers_with_few_values() {
    agree(Kind { failed_cas: false, ..SMALL }, 5_000, "layers");
}

#[test]
fn deciders_agree_with_brute_force_on_cas_registers_with_observed_failures() {
    agree(SMALL, 5_000, "layers");
}

#[test]
fn unique_writers_are_always_decided_without_search_and_agree_with_brute_force() {
    agree(Kind { unique: true, cas: false, failed_cas: false, ..SMALL }, 4_000, "unique writers");
}

#[test]
fn unique_writers_with_cas_are_always_decided_without_search_and_agree_with_brute_force() {
    agree(Kind { unique: true, failed_cas: false, ..SMALL }, 4_000, "unique writers");
}

#[test]
fn unique_writers_with_observed_failures_agree_with_brute_force() {
    agree(Kind { unique: true, ..SMALL }, 4_000, "layers");
}

#[test]
fn deciders_agree_with_brute_force_where_many_operations_overlap() {
    agree(Kind { operations_max: 15, processes_max: 9, ..SMALL }, 3_000, "layers");
}

#[test]
fn deciders_agree_with_brute_force_where_many_overlap_and_failures_are_dropped() {
    agree(Kind { operations_max: 15, processes_max: 9, failed_cas: false, ..SMALL }, 3_000, "layers");
}
