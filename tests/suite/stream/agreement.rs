//! What the stream says of registers is what brute force says, at every event.

use super::Stream;
use crate::oracle::brute_force::{Act, Op, Small};
use crate::oracle::random_histories::{Dice, Kind, draw};
use crate::oracle::{first_seed, rounds};
use consistory::check::judge::Question;
use consistory::check::models::FailedCas;
use consistory::check::stream::What;

/// What stands for the value that a compare-and-set would have set had it not failed.
const NEVER_SET: u8 = 250;

#[derive(Clone, Copy, Debug)]
enum Moment {
    Call(usize),
    Return(usize),
}

/// The events in order; an operation in doubt just stays open, or says so right after its call.
fn moments(small: &Small) -> Vec<Moment> {
    let mut moments: Vec<(u32, Moment)> = Vec::new();
    for (at, op) in small.ops.iter().enumerate() {
        moments.push((op.called, Moment::Call(at)));
        moments.extend(op.returned.map(|returned| (returned, Moment::Return(at))));
    }
    moments.sort_by_key(|&(rank, _)| rank);
    moments.into_iter().map(|(_, moment)| moment).collect()
}

fn line(small: &Small, moment: Moment, says_doubt: bool) -> String {
    let (Moment::Call(at) | Moment::Return(at)) = moment;
    let (function, argument, result) = match small.ops[at].act {
        Act::Read(seen) => ("read", "null".to_owned(), seen.to_string()),
        Act::Write(value) => ("write", value.to_string(), value.to_string()),
        Act::Cas(from, to) => ("cas", format!("[{from},{to}]"), format!("[{from},{to}]")),
        Act::FailedCas(from) => ("cas", format!("[{from},{NEVER_SET}]"), format!("[{from},{NEVER_SET}]")),
    };
    let event = |phase: &str, value: &str| {
        format!("{{\"process\":{at},\"type\":\"{phase}\",\"f\":\"{function}\",\"value\":{value}}}\n")
    };
    match moment {
        Moment::Return(_) if matches!(small.ops[at].act, Act::FailedCas(_)) => event("fail", &result),
        Moment::Return(_) => event("ok", &result),
        Moment::Call(_) if says_doubt && small.ops[at].returned.is_none() => {
            event("invoke", &argument) + &event("info", "null")
        }
        Moment::Call(_) => event("invoke", &argument),
    }
}

/// What was known by then: an open compare-and-set that will fail might still succeed.
fn known(small: &Small, so_far: &[Moment]) -> Small {
    let last = so_far.iter().map(|&moment| match moment {
        Moment::Call(at) => small.ops[at].called,
        Moment::Return(at) => small.ops[at].returned.expect("it returns"),
    });
    let mut known = small.prefix(last.max().expect("not empty"));
    for op in &mut known.ops {
        if let (Act::FailedCas(from), None) = (op.act, op.returned) {
            *op = Op { act: Act::Cas(from, NEVER_SET), ..*op };
        }
    }
    known
}

/// Feeds a history and compares at every event; whether it was violated, and whether that remained open.
fn compare(small: &Small, searching: bool, dice: &mut Dice, about: &str) -> (bool, bool) {
    let failed_cas = FailedCas::Observe;
    let with_failures = small.ops.iter().any(|op| matches!(op.act, Act::FailedCas(_)));
    let failed_cas = if with_failures { failed_cas } else { FailedCas::Drop };
    let mut stream = Stream::new(Question { failed_cas, ..Question::default() }, searching);
    stream.feed(format!("{{\"consistory\":1,\"model\":\"cas-register\",\"initial\":{}}}\n", small.initial).as_bytes());
    let moments = moments(small);
    let says_doubt = dice.chance(50);
    for (at, &moment) in moments.iter().enumerate() {
        let line = line(small, moment, says_doubt);
        let cut = dice.below(line.len());
        stream.feed(&line.as_bytes()[..cut]);
        stream.feed(&line.as_bytes()[cut..]);
        let violated = !known(small, &moments[..=at]).is_linearizable();
        match stream.news.first().map(|news| &news.what) {
            None => assert!(!violated, "{about}: nothing said at event {at}, {moment:?}, brute force finds no order"),
            Some(What::Violated(conflict)) => {
                assert!(violated, "{about}: '{conflict}' said at event {at}, {moment:?}, brute force finds an order");
                return (true, false);
            }
            Some(What::Unjudged(_)) => return (violated, true),
        }
    }
    stream.end();
    assert!(stream.news.is_empty(), "{about}: nothing had to wait");
    (false, false)
}

fn agree(kind: Kind, searching: bool, by_default: u64, always_judged: bool) {
    let (mut holding, mut violated, mut unjudged) = (0, 0, 0);
    let first = first_seed();
    for seed in first..first + rounds(by_default) {
        let mut dice = Dice::new(seed);
        let small = draw(&mut dice, kind);
        let about = format!("seed {seed}, {kind:?}, searching {searching}: {small:#?}");
        match compare(&small, searching, &mut dice, &about) {
            (_, true) => unjudged += 1,
            (true, _) => violated += 1,
            (false, _) => holding += 1,
        }
        assert!(unjudged == 0 || !always_judged, "{about}: it is always judged");
    }
    let enough = rounds(by_default) / 20;
    assert!(holding > enough && violated > enough, "histories of both kinds: {holding} hold, {violated} do not");
}

const SMALL: Kind = Kind { operations_max: 10, processes_max: 5, cas: true, failed_cas: true, unique: false };

#[test]
fn layers_agree_with_brute_force_at_every_event_of_registers_with_few_values() {
    agree(Kind { cas: false, failed_cas: false, ..SMALL }, true, 4_000, true);
}

#[test]
fn layers_agree_with_brute_force_at_every_event_with_compare_and_sets_and_observed_failures() {
    agree(SMALL, true, 4_000, true);
}

#[test]
fn unique_writers_agree_with_brute_force_at_every_event() {
    agree(Kind { unique: true, cas: false, failed_cas: false, ..SMALL }, false, 4_000, true);
}

#[test]
fn unique_writers_with_compare_and_sets_agree_with_brute_force_at_every_event() {
    agree(Kind { unique: true, failed_cas: false, ..SMALL }, false, 4_000, true);
}

#[test]
fn longer_histories_with_unique_writers_agree_with_brute_force_at_every_event() {
    let longer = Kind { operations_max: 24, processes_max: 4, unique: true, failed_cas: false, ..SMALL };
    agree(longer, false, 1_500, true);
}

#[test]
fn registers_that_turn_to_the_search_agree_with_brute_force_at_every_event() {
    agree(Kind { failed_cas: false, ..SMALL }, false, 4_000, true);
    agree(Kind { operations_max: 24, processes_max: 3, failed_cas: false, ..SMALL }, false, 1_500, true);
}

#[test]
fn observed_failures_go_to_the_search_and_agree_with_brute_force_at_every_event() {
    agree(SMALL, false, 2_000, true);
}
