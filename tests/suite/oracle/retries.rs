//! Operations that were tried again: the same value is written by several operations, of which the earlier ones may take
//! effect at any later time. Every decider must say what brute force says.

use super::agreement::compile;
use super::brute_force::{Act, Small};
use super::random_histories::{Dice, Kind, draw, written};
use super::{first_seed, rounds};
use consistory::check::budget::Budget;
use consistory::check::linearizable::{Decision, Ladder, Wish, decide};
use consistory::check::models::Register;

const UNIQUE: Kind = Kind { operations_max: 9, processes_max: 4, cas: true, failed_cas: false, unique: true };

/// Makes a later write one more attempt at an earlier indeterminate one: from then on both values are one. Returns
/// whether there was such a pair.
fn try_again(dice: &mut Dice, small: &mut Small) -> bool {
    let is_write = |at: &usize| matches!(small.ops[*at].act, Act::Write(_) | Act::Cas(..));
    let places = || (0..small.ops.len()).filter(is_write);
    let pairs: Vec<(usize, usize)> = places()
        .filter(|&first| small.ops[first].returned.is_none())
        .flat_map(|first| places().filter(move |&second| second > first).map(move |second| (first, second)))
        .collect();
    if pairs.is_empty() {
        return false;
    }
    let (first, second) = pairs[dice.below(pairs.len())];
    let [to, from] = [first, second].map(|at| written(small.ops[at].act).expect("it writes"));
    let renamed = |value: u8| if value == from { to } else { value };
    for op in &mut small.ops {
        op.act = match op.act {
            Act::Read(seen) => Act::Read(renamed(seen)),
            Act::Write(value) => Act::Write(renamed(value)),
            Act::Cas(expected, value) => Act::Cas(renamed(expected), renamed(value)),
            Act::FailedCas(expected) => Act::FailedCas(renamed(expected)),
        };
    }
    true
}

#[test]
fn deciders_agree_with_brute_force_where_writes_are_tried_again() {
    let (mut holding, mut violated, mut by_one) = (0, 0, 0);
    let first = first_seed();
    for seed in first..first + rounds(12_000) {
        let mut dice = Dice::new(seed);
        let mut small = draw(&mut dice, UNIQUE);
        if !try_again(&mut dice, &mut small) {
            continue;
        }
        if dice.chance(30) {
            try_again(&mut dice, &mut small);
        }
        let truth = small.is_linearizable();
        *if truth { &mut holding } else { &mut violated } += 1;
        let problem = compile(&small);
        let about = |who: &str| format!("seed {seed}, {who}: {small:#?}");
        for decider in Register::ladder() {
            match (decider.decide)(&problem, Wish { order: false }, &Budget::unlimited()) {
                Decision::Holds(_) => assert!(truth, "{}", about(decider.name)),
                Decision::Violated(_) => assert!(!truth, "{}", about(decider.name)),
                Decision::NotApplicable(_) | Decision::GaveUp { .. } => continue,
            }
            by_one += 1;
        }
        let answer = decide(&problem, Wish { order: true }, &Budget::unlimited());
        assert_eq!(matches!(answer.decision, Decision::Holds(_)), truth, "{}", about(answer.by));
        assert!(
            !matches!(answer.decision, Decision::NotApplicable(_) | Decision::GaveUp { .. }),
            "{}",
            about("ladder")
        );
    }
    let enough = rounds(12_000) / 100;
    assert!(holding > enough && violated > enough, "both kinds: {holding} hold, {violated} do not");
    assert!(by_one > holding + violated, "some decider besides the general one had a say: {by_one}");
}
