//! Verdicts that must follow from other verdicts.

use super::agreement::compile;
use super::brute_force::{Act, Op, Small};
use super::explanations::recorded;
use super::random_histories::{Dice, Kind, draw};
use super::{first_seed, rounds};
use consistory::check::budget::Budget;
use consistory::check::judge::{Question, judge};
use consistory::check::linearizable::{Decision, Wish, decide};
use consistory::check::models::FailedCas;
use consistory::check::verdict::Verdict;
use consistory::history::ValueId;

const KIND: Kind = Kind { operations_max: 12, processes_max: 7, cas: true, failed_cas: true, unique: false };

fn holds(small: &Small) -> bool {
    match decide(&compile(small), Wish::default(), &Budget::unlimited()).decision {
        Decision::Holds(_) => true,
        Decision::Violated(_) => false,
        open => panic!("not decided: {open:?} {small:#?}"),
    }
}

fn each_history(check: impl Fn(u64, &mut Dice, &Small)) {
    let first = first_seed();
    for seed in first..first + rounds(2_000) {
        let mut dice = Dice::new(seed);
        let small = draw(&mut dice, KIND);
        check(seed, &mut dice, &small);
    }
}

fn renamed(act: Act, name: impl Fn(u8) -> u8) -> Act {
    match act {
        Act::Read(value) => Act::Read(name(value)),
        Act::Write(value) => Act::Write(name(value)),
        Act::Cas(from, to) => Act::Cas(name(from), name(to)),
        Act::FailedCas(value) => Act::FailedCas(name(value)),
    }
}

#[test]
fn renaming_the_values_changes_no_verdict() {
    each_history(|seed, _, small| {
        let name = |value: u8| value.wrapping_mul(37).wrapping_add(11);
        let ops = small.ops.iter().map(|op| Op { act: renamed(op.act, name), ..*op }).collect();
        let other = Small { initial: name(small.initial), ops };
        assert_eq!(holds(small), holds(&other), "seed {seed}: {small:#?}");
    });
}

#[test]
fn histories_on_two_keys_are_together_what_both_are() {
    let question =
        Question { model: Some("cas-register".into()), failed_cas: FailedCas::Observe, ..Question::default() };
    let key = |number| ValueId::small(number).expect("a small key");
    each_history(|seed, dice, small| {
        let other = draw(dice, KIND);
        let history = recorded(&[(key(1), small), (key(2), &other)]);
        let findings = judge(&history, &question, &Budget::unlimited()).expect("a register's history");
        let together = match &findings[0].verdict {
            Verdict::Holds(_) => true,
            Verdict::Violated(violation) => {
                assert_eq!(violation.keys.len(), usize::from(!holds(small)) + usize::from(!holds(&other)));
                false
            }
            Verdict::Undecided(undecided) => panic!("seed {seed}: {undecided:?}"),
        };
        assert_eq!(together, holds(small) && holds(&other), "seed {seed}: {small:#?} {other:#?}");
    });
}

#[test]
fn dropping_an_indeterminate_operation_keeps_a_violation() {
    each_history(|seed, dice, small| {
        let lost: Vec<usize> = (0..small.ops.len()).filter(|&at| small.ops[at].returned.is_none()).collect();
        if lost.is_empty() || holds(small) {
            return;
        }
        let mut fewer = small.clone();
        fewer.ops.remove(lost[dice.below(lost.len())]);
        assert!(!holds(&fewer), "seed {seed}: {small:#?}");
    });
}

#[test]
fn an_operation_whose_return_is_forgotten_keeps_a_history_linearizable() {
    each_history(|seed, dice, small| {
        if !small.ops.is_empty() && holds(small) {
            let mut weaker = small.clone();
            let at = dice.below(weaker.ops.len());
            weaker.ops[at].returned = None;
            weaker.ops.retain(|op| op.returned.is_some() || matches!(op.act, Act::Write(_) | Act::Cas(..)));
            assert!(holds(&weaker), "seed {seed}: {small:#?}");
        }
    });
}

#[test]
fn a_completed_read_of_the_last_value_keeps_a_history_linearizable() {
    each_history(|seed, _, small| {
        let end = 1 + small.ops.iter().map(|op| op.called.max(op.returned.unwrap_or(0))).max().unwrap_or(0);
        let some_read_fits = (0..=99).any(|value| {
            let mut longer = small.clone();
            longer.ops.push(Op { act: Act::Read(value), called: end, returned: Some(end + 1) });
            holds(&longer)
        });
        assert_eq!(holds(small), some_read_fits, "seed {seed}: {small:#?}");
    });
}

#[test]
fn every_prefix_of_a_linearizable_history_is_linearizable() {
    each_history(|seed, dice, small| {
        if !small.ops.is_empty() && holds(small) {
            let event = small.ops[dice.below(small.ops.len())].called;
            assert!(holds(&small.prefix(event)), "seed {seed}: prefix to {event} of {small:#?}");
        }
    });
}
