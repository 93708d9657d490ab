//! What a counterexample says is true of the whole history, by brute force.

use super::brute_force::{Act, Op, Small};
use super::random_histories::{Dice, Kind, draw, written};
use super::{first_seed, rounds};
use consistory::check::budget::Budget;
use consistory::check::judge::{Question, judge};
use consistory::check::models::FailedCas;
use consistory::check::verdict::{Origin, Verdict, Violation, WhyNot};
use consistory::history::{
    Actor, Event, Header, History, HistoryBuilder, Nanos, OpId, Phase, Place, ProcessId, Symbol, Ties, Value, ValueId,
};

/// Small histories as a recorder would have written them, on a key each: one process for each operation.
pub(super) fn recorded(objects: &[(ValueId, &Small)]) -> History {
    let initial = objects.first().map(|(_, small)| Value::Int(small.initial.into()));
    let mut builder = HistoryBuilder::new(Header { initial, ..Header::default() }, Ties::FileOrder);
    let mut events: Vec<(u32, u32, bool, ValueId, Act)> = Vec::new();
    let operations = objects.iter().flat_map(|&(key, small)| small.ops.iter().map(move |op| (key, op)));
    for (process, (key, op)) in (0..).zip(operations) {
        events.push((op.called, process, true, key, op.act));
        events.extend(op.returned.map(|returned| (returned, process, false, key, op.act)));
    }
    events.sort_unstable_by_key(|&(time, process, ..)| (time, process));
    for (_, process, invokes, key, act) in events {
        push(&mut builder, ProcessId(process), key, act, invokes);
    }
    builder.finish()
}

fn push(builder: &mut HistoryBuilder, process: ProcessId, key: ValueId, act: Act, invokes: bool) {
    let value = |number: u8| ValueId::small(number.into()).expect("bytes are small");
    let (function, argument, result) = match act {
        Act::Read(seen) => ("read", ValueId::NIL, value(seen)),
        Act::Write(to) => ("write", value(to), value(to)),
        Act::Cas(from, to) => ("cas", builder.values().list(&[value(from), value(to)]), ValueId::NIL),
        // What it would have set is of no account.
        Act::FailedCas(from) => ("cas", builder.values().list(&[value(from), value(from)]), ValueId::NIL),
    };
    let ends = if matches!(act, Act::FailedCas(_)) { Phase::Fail } else { Phase::Ok };
    let event = Event {
        time: Nanos::UNKNOWN,
        actor: Actor::Client(process),
        phase: if invokes { Phase::Invoke } else { ends },
        function: builder.functions().intern(function),
        key,
        value: if invokes { argument } else { result },
        node: Symbol::NONE,
        error: Symbol::NONE,
        retry: None,
        place: Place::default(),
    };
    builder.push(&event).expect("the events are well formed");
}

/// The history in which whoever is not in the core forgets what it saw: still a contradiction, if the core is one.
fn forgetful(small: &Small, core: &[OpId]) -> Small {
    let in_core = |at: usize| core.iter().any(|id| id.index() == at);
    let forget = |(at, op): (usize, &Op)| match op.act {
        _ if in_core(at) => Some(*op),
        Act::Read(_) | Act::FailedCas(_) => None,
        Act::Write(to) | Act::Cas(_, to) => Some(Op { act: Act::Write(to), ..*op }),
    };
    Small { initial: small.initial, ops: small.ops.iter().enumerate().filter_map(forget).collect() }
}

fn expect_true_words(small: &Small, why: &WhyNot, about: &str) {
    let observer = why.op.index();
    let op = small.ops[observer];
    let saw = u8::try_from(why.saw.as_small().expect("a byte")).expect("a byte");
    let writers: Vec<&Op> = (0..small.ops.len()).filter(|&at| at != observer).map(|at| &small.ops[at]).collect();
    let writers: Vec<&Op> = writers.into_iter().filter(|op| written(op.act) == Some(saw)).collect();
    let returned = op.returned.expect("an observer of a core has returned");
    match why.origin {
        Origin::Nowhere => assert!(writers.is_empty() && saw != small.initial, "{about}: somebody wrote {saw}"),
        Origin::Initial => assert!(writers.is_empty() && saw == small.initial, "{about}: not only initial"),
        Origin::Later(_) => assert!(writers.iter().all(|op| op.called > returned), "{about}: not later"),
        Origin::Overwritten(_) => {
            for writer in writers.iter().filter(|op| op.called < returned) {
                let between = |other: &Op| {
                    written(other.act).is_some()
                        && writer.returned.is_some_and(|end| end < other.called)
                        && other.returned.is_some_and(|end| end < op.called)
                };
                assert!(small.ops.iter().any(between), "{about}: nothing overwrote {writer:?}");
            }
        }
        Origin::Written(_) => assert!(writers.iter().any(|op| op.called < returned) || saw == small.initial, "{about}"),
    }
    if why.could_see.is_empty() {
        return;
    }
    let prefix = small.prefix(returned);
    let possible = |value: u8| {
        let mut changed = prefix.clone();
        changed.ops[observer].act = match op.act {
            Act::Cas(_, to) => Act::Cas(value, to),
            _ => Act::Read(value),
        };
        changed.is_linearizable()
    };
    let mut expected: Vec<u8> = (0..=u8::MAX).filter(|&value| possible(value)).collect();
    let mut said: Vec<u8> =
        why.could_see.iter().map(|id| u8::try_from(id.as_small().expect("a byte")).expect("a byte")).collect();
    expected.sort_unstable();
    said.sort_unstable();
    assert_eq!(said, expected, "{about}: what it had to see");
}

fn expect_true(small: &Small, violation: &Violation, about: &str) {
    assert!(
        !forgetful(small, &violation.core).is_linearizable(),
        "{about}: the core {:?} is no contradiction",
        violation.core
    );
    assert!(violation.verified && violation.minimal, "{about}: small cores are verified and minimal");
    if let Some(why) = &violation.why_not {
        expect_true_words(small, why, about);
    }
}

fn hold(kind: Kind) {
    let mut violated = 0;
    for seed in (first_seed()..).take(usize::try_from(rounds(4_000)).expect("fits")) {
        let small = draw(&mut Dice::new(seed), kind);
        let question =
            Question { model: Some("cas-register".into()), failed_cas: FailedCas::Observe, ..Question::default() };
        let findings = judge(&recorded(&[(ValueId::ABSENT, &small)]), &question, &Budget::unlimited())
            .expect("a register's history");
        let about = format!("seed {seed}, {kind:?}: {small:#?}");
        match &findings[0].verdict {
            Verdict::Holds(_) => assert!(small.is_linearizable(), "{about}"),
            Verdict::Violated(violation) => {
                assert!(!small.is_linearizable(), "{about}");
                expect_true(&small, violation, &about);
                violated += 1;
            }
            Verdict::Undecided(undecided) => panic!("{about}: {undecided:?}"),
        }
    }
    assert!(violated > 100, "{kind:?}: only {violated} violations were explained");
}

const PLAIN: Kind = Kind { operations_max: 8, processes_max: 4, cas: false, failed_cas: false, unique: false };

#[test]
fn counterexamples_of_registers_are_true_of_the_whole_history() {
    hold(PLAIN);
}

#[test]
fn counterexamples_of_registers_with_unique_values_are_true_of_the_whole_history() {
    hold(Kind { unique: true, cas: true, ..PLAIN });
}

#[test]
fn counterexamples_of_compare_and_set_registers_are_true_of_the_whole_history() {
    hold(Kind { cas: true, ..PLAIN });
    hold(Kind { cas: true, failed_cas: true, ..PLAIN });
}
