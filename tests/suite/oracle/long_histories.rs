//! Histories too long for brute force: correct ones must hold with an order that replays, and corrupted ones are
//! judged by a second decider that shares no reduction with the first.

use super::agreement::compile;
use super::brute_force::Small;
use super::random_histories::{Dice, Kind, draw_long};
use super::{first_seed, rounds};
use consistory::check::budget::{Budget, Stop};
use consistory::check::linearizable::{Decider, Decision, Ladder, Wish};
use consistory::check::models::Register;
use consistory::check::problem::Problem;
use consistory::check::witness::replay;

fn decider(name: &str) -> Decider<Register> {
    let found = Register::ladder().into_iter().find(|decider| decider.name == name);
    found.unwrap_or_else(|| panic!("there is a decider '{name}'"))
}

fn kind(dice: &mut Dice, processes_max: usize) -> Kind {
    Kind { operations_max: 600, processes_max, cas: !dice.chance(30), failed_cas: dice.chance(40), unique: false }
}

#[expect(clippy::print_stdout, reason = "a random test tells its seeds")]
fn each(by_default: u64, processes_max: usize, faults: usize, check: impl Fn(&str, &Small)) {
    let first = first_seed();
    for seed in first..first + rounds(by_default) / 50 {
        let mut dice = Dice::new(seed);
        let kind = kind(&mut dice, processes_max);
        let long = draw_long(&mut dice, kind, faults);
        check(&format!("seed {seed}, {kind:?}, {} operations", long.ops.len()), &long);
    }
    println!("seeds {first}..");
}

#[test]
fn long_correct_histories_hold_with_an_order_that_replays() {
    each(10_000, 14, 0, |about, long| {
        let problem = compile(long);
        for wish in [Wish { order: true }, Wish { order: false }] {
            match (decider("layers").decide)(&problem, wish, &Budget::unlimited()) {
                Decision::Holds(Some(order)) if wish.order => {
                    replay(&problem, &order).unwrap_or_else(|flaw| panic!("{about}: {flaw}"));
                }
                Decision::Holds(None) if !wish.order => {}
                other => panic!("{about}: {other:?}"),
            }
        }
    });
}

fn holds(problem: &Problem<Register>, by: &str, about: &str) -> bool {
    match (decider(by).decide)(problem, Wish::default(), &Budget::unlimited()) {
        Decision::Holds(_) => true,
        Decision::Violated(_) => false,
        open => panic!("{about}: '{by}' says {open:?}"),
    }
}

#[test]
fn long_corrupted_histories_get_the_verdict_of_the_general_search() {
    each(10_000, 4, 1, |about, long| {
        let problem = compile(long);
        match (decider("layers").decide)(&problem, Wish { order: true }, &Budget::unlimited()) {
            Decision::Holds(order) => {
                let order = order.expect("it was wished for");
                replay(&problem, &order).unwrap_or_else(|flaw| panic!("{about}: {flaw}"));
            }
            Decision::Violated(conflict) => {
                let event = conflict.event.unwrap_or(u32::MAX - 1);
                assert!(!holds(&problem.prefix(event), "search", about), "{about}: there is an order");
                if let Some(event) = conflict.event {
                    assert!(holds(&problem.prefix(event - 1), "search", about), "{about}: it failed before");
                }
            }
            open => panic!("{about}: {open:?}"),
        }
    });
}

#[test]
fn more_open_calls_than_a_word_has_bits_are_decided_with_an_order_that_replays() {
    let first = first_seed();
    for (seed, processes) in (first..).zip([80, 140, 300]) {
        let kind = Kind { operations_max: 900, processes_max: processes, cas: false, failed_cas: false, unique: false };
        let long = draw_long(&mut Dice::new(seed), kind, 0);
        let problem = compile(&long);
        match (decider("layers").decide)(&problem, Wish { order: true }, &Budget::unlimited()) {
            Decision::Holds(Some(order)) => {
                replay(&problem, &order).unwrap_or_else(|flaw| panic!("seed {seed}: {flaw}"));
            }
            other => panic!("seed {seed}, {kind:?}: {other:?}"),
        }
    }
}

#[test]
fn the_layered_search_gives_up_when_its_budget_has_ended_and_gives_back_what_it_reserved() {
    each(500, 8, 0, |about, long| {
        let problem = compile(long);
        let decider = decider("layers");
        let stopped = Budget::unlimited();
        stopped.stop(Stop::Cancelled);
        for (budget, stop) in [(stopped, Stop::Cancelled), (Budget::new(None, 0), Stop::Memory)] {
            let decision = (decider.decide)(&problem, Wish::default(), &budget);
            assert_eq!(decision, Decision::GaveUp { stop, explained: 0 }, "{about}");
            assert_eq!(budget.reserve(budget.bytes_max()), Ok(()), "{about}: bytes are kept");
        }
    });
}
