//! Processor consistency of single reads and writes, by trying every view of every session.

use crate::oracle::random_histories::Dice;
use crate::oracle::{first_seed, rounds};
use consistory::check::budget::Budget;
use consistory::check::guarantee::Claim;
use consistory::check::judge::{Question, judge};
use consistory::check::verdict::Verdict;
use consistory::history::formats::{self, ReadOptions};
use std::collections::BTreeSet;
use std::fmt::Write;

const ROUNDS: u64 = 20_000;
const SESSIONS: usize = 4;
const KEYS: usize = 2;
/// In so many rounds nothing but processor consistency itself must be broken, of what it implies.
const ALONE_MIN: usize = 40;

#[derive(Clone, Copy, Debug)]
struct Op {
    session: usize,
    key: usize,
    value: usize,
    writes: bool,
}

/// Reads return anything that is written to their key, or what it holds at first.
fn draw(dice: &mut Dice) -> Vec<Op> {
    let count = 3 + dice.below(6);
    let mut ops: Vec<Op> = (0..count)
        .map(|at| {
            let (session, key, writes) = (dice.below(SESSIONS), dice.below(KEYS), dice.chance(55));
            Op { session, key, value: if writes { at + 1 } else { 0 }, writes }
        })
        .collect();
    for at in 0..count {
        let written: Vec<usize> =
            ops.iter().filter(|op| op.writes && op.key == ops[at].key).map(|op| op.value).collect();
        if !ops[at].writes && !written.is_empty() && dice.chance(85) {
            ops[at].value = written[dice.below(written.len())];
        }
    }
    ops
}

fn text(ops: &[Op]) -> String {
    let mut out = "{\"consistory\":1,\"initial\":0,\"model\":\"register\"}\n".to_owned();
    for &Op { session, key, value, writes } in ops {
        let f = if writes { "write" } else { "read" };
        for phase in ["invoke", "ok"] {
            let told = if writes || phase == "ok" { value.to_string() } else { "null".to_owned() };
            let _ = writeln!(out, r#"{{"process":{session},"type":"{phase}","f":"{f}","key":{key},"value":{told}}}"#);
        }
    }
    out
}

/// Every order of the writes of each key that some view of that session has.
fn orders_of(ops: &[Op], session: usize) -> BTreeSet<Vec<Vec<usize>>> {
    fn go(ops: &[Op], session: usize, view: &mut Vec<usize>, found: &mut BTreeSet<Vec<Vec<usize>>>) {
        let members = || (0..ops.len()).filter(|&at| ops[at].writes || ops[at].session == session);
        if view.len() == members().count() {
            let of = |key| view.iter().copied().filter(|&at| ops[at].writes && ops[at].key == key).collect();
            found.insert((0..KEYS).map(of).collect());
            return;
        }
        for next in members() {
            let first = members().filter(|at| !view.contains(at)).find(|&at| ops[at].session == ops[next].session);
            if first != Some(next) {
                continue;
            }
            let holds = view.iter().rev().find(|&&at| ops[at].writes && ops[at].key == ops[next].key);
            if ops[next].writes || holds.map_or(0, |&at| ops[at].value) == ops[next].value {
                view.push(next);
                go(ops, session, view, found);
                view.pop();
            }
        }
    }
    let mut found = BTreeSet::new();
    go(ops, session, &mut Vec::new(), &mut found);
    found
}

fn is_processor_consistent(ops: &[Op]) -> bool {
    let mut common = orders_of(ops, 0);
    for session in 1..SESSIONS {
        let others = orders_of(ops, session);
        common.retain(|orders| others.contains(orders));
    }
    !common.is_empty()
}

/// Whether the history keeps each claim; what violates one must be shown and verified.
fn verdicts<const N: usize>(history: &str, claims: [Claim; N]) -> [bool; N] {
    let read = formats::read(history.as_bytes(), "drawn", None, &ReadOptions::default()).expect("a history");
    let question = Question { claims: claims.to_vec(), ..Question::default() };
    let findings = judge(&read, &question, &Budget::unlimited()).unwrap_or_else(|error| panic!("{error}\n{history}"));
    std::array::from_fn(|at| match &findings[at].verdict {
        Verdict::Holds(_) => true,
        Verdict::Violated(violation) => {
            assert!(violation.verified && violation.minimal, "{history}");
            false
        }
        Verdict::Undecided(undecided) => panic!("{}\n{history}", undecided.why),
    })
}

const IMPLIED: [Claim; 5] =
    [Claim::Processor, Claim::Pram, Claim::ReadYourWrites, Claim::MonotonicWrites, Claim::MonotonicReads];

#[test]
fn processor_consistency_is_judged_as_it_is_defined() {
    let (mut held, mut alone) = (0, 0);
    let rounds = rounds(ROUNDS);
    for seed in first_seed()..first_seed() + rounds {
        let ops = draw(&mut Dice::new(seed));
        let expected = is_processor_consistent(&ops);
        let [processor, implied @ ..] = verdicts(&text(&ops), IMPLIED);
        assert_eq!(processor, expected, "seed {seed}: {ops:#?}");
        assert!(!processor || implied == [true; 4], "seed {seed}: {ops:#?}");
        held += usize::from(expected);
        alone += usize::from(!processor && implied == [true; 4]);
    }
    println!("{held} of {rounds} hold; in {alone} nothing that it implies is broken");
    assert!(rounds < ROUNDS || held > 2_000 && alone >= ALONE_MIN, "{held} hold, {alone} alone");
}

#[test]
fn views_that_each_session_has_need_not_agree_on_a_key() {
    // Who saw y = 1 of the first session overwrote x = 1, but the third session saw x = 1 last.
    let text = "w(1,1,0,0)\nw(2,1,0,1)\nr(2,1,1,2)\nw(1,2,1,3)\nr(1,2,2,4)\nr(1,1,2,5)\n";
    assert_eq!(verdicts(text, IMPLIED), [false, true, true, true, true]);
    // Two sessions that do not see each other's writes of different keys agree on each of them.
    let buffered = "w(1,1,0,0)\nr(2,0,0,1)\nw(2,1,1,2)\nr(1,0,1,3)\n";
    assert_eq!(verdicts(buffered, IMPLIED), [true; 5]);
    assert_eq!(verdicts(buffered, [Claim::Sequential]), [false]);
}
