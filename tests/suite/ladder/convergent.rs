//! Convergence after the work: what the last reads at the nodes say, by the definition's own words.

use crate::oracle::random_histories::Dice;
use crate::oracle::{first_seed, rounds};
use consistory::check::budget::Budget;
use consistory::check::convergent::agreement;
use consistory::check::guarantee::Claim;
use consistory::check::judge::{Question, judge};
use consistory::check::verdict::Verdict;
use consistory::history::History;
use consistory::history::formats::{self, ReadOptions};
use std::fmt::Write;

const ROUNDS: u64 = 20_000;

#[derive(Clone, Debug)]
struct Op {
    process: usize,
    value: usize,
    writes: bool,
    end: &'static str,
}

/// What was done with one register, and what three nodes returned afterwards; the last of each counts.
#[derive(Clone, Debug)]
struct Drawn {
    work: Vec<Op>,
    reads: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Holds,
    Violated,
    Undecided,
}

fn draw(dice: &mut Dice) -> Drawn {
    let mut retired = [false; 3];
    let mut written = vec![0];
    let mut work = Vec::new();
    for at in 0..dice.below(6) {
        let process = dice.below(3);
        if retired[process] {
            continue;
        }
        let writes = dice.chance(65);
        let end = ["ok", "ok", "ok", "ok", "info", "fail"][dice.below(6)];
        let value = if writes { at + 1 } else { written[dice.below(written.len())] };
        written.extend(writes.then_some(value));
        retired[process] = end == "info";
        work.push(Op { process, value, writes, end });
    }
    let last = *written.last().expect("the initial value");
    let mut reads = Vec::new();
    for at in 0..3 + dice.below(3) {
        let value = match dice.below(100) {
            0..80 => last,
            80 => 99,
            _ => written[dice.below(written.len())],
        };
        let node = if at < 3 { at } else { dice.below(3) };
        if !dice.chance(3) {
            reads.push((node, value));
        }
    }
    Drawn { work, reads }
}

fn text(drawn: &Drawn) -> String {
    let topology = r#""topology":{"n0":"","n1":"","n2":""}"#;
    let mut out = format!("{{\"consistory\":1,\"initial\":0,\"model\":\"register\",{topology}}}\n");
    let mut time = 0;
    let mut line = |process: usize, phase: &str, writes: bool, value: usize, node: &str| {
        time += 10;
        let f = if writes { "write" } else { "read" };
        let told = if writes || phase == "ok" { value.to_string() } else { "null".to_owned() };
        let _ = writeln!(
            out,
            r#"{{"time":{time},"process":{process},"type":"{phase}","f":"{f}","value":{told},"node":"{node}"}}"#
        );
    };
    for op in &drawn.work {
        line(op.process, "invoke", op.writes, op.value, "");
        line(op.process, op.end, op.writes, op.value, "n0");
    }
    let mut text = String::new();
    std::mem::swap(&mut text, &mut out);
    time += 10;
    let _ = writeln!(text, r#"{{"time":{time},"process":"nemesis","type":"info","f":"work-ended","value":null}}"#);
    for (at, (node, value)) in drawn.reads.iter().enumerate() {
        for (phase, told) in [("invoke", "null".to_owned()), ("ok", value.to_string())] {
            time += 10;
            let process = 10 + at;
            let _ = writeln!(
                text,
                r#"{{"time":{time},"process":{process},"type":"{phase}","f":"read","value":{told},"node":"n{node}"}}"#
            );
        }
    }
    text
}

/// The definition.
fn expected(drawn: &Drawn) -> Said {
    let last: Vec<Option<usize>> =
        (0..3).map(|node| drawn.reads.iter().rev().find(|(at, _)| *at == node).map(|(_, value)| *value)).collect();
    let held: Vec<usize> = last.iter().flatten().copied().collect();
    let wrote = |value: usize, end: &str| drawn.work.iter().any(|op| op.writes && op.value == value && op.end == end);
    for &value in &held {
        if value != 0 && !wrote(value, "ok") && !wrote(value, "info") {
            return Said::Violated;
        }
        for (at, later) in drawn.work.iter().enumerate() {
            if !later.writes || later.end != "ok" || later.value == value {
                continue;
            }
            let knew = |op: &Op| op.process == later.process && op.end == "ok" && op.value == value;
            if value == 0 || drawn.work[..at].iter().any(knew) {
                return Said::Violated;
            }
        }
    }
    let sure = |value: &&usize| !wrote(**value, "info");
    for one in held.iter().filter(sure) {
        if held.iter().filter(sure).any(|other| one != other) {
            return Said::Violated;
        }
    }
    let agree = held.iter().all(|value| *value == held[0]);
    if agree && held.len() == 3 { Said::Holds } else { Said::Undecided }
}

fn history(text: &str) -> History {
    formats::read(text.as_bytes(), "drawn", None, &ReadOptions::default()).expect("a history")
}

fn said(history: &History, claim: Claim) -> Said {
    let question = Question { claims: vec![claim], ..Question::default() };
    match judge(history, &question, &Budget::unlimited()).expect("judged").remove(0).verdict {
        Verdict::Holds(_) => Said::Holds,
        Verdict::Violated(_) => Said::Violated,
        Verdict::Undecided(_) => Said::Undecided,
    }
}

#[test]
fn convergence_is_judged_as_it_is_defined_and_linearizable_histories_converge() {
    let mut counts = [0; 3];
    let mut linearizable = 0;
    for seed in first_seed()..first_seed() + rounds(ROUNDS) {
        let drawn = draw(&mut Dice::new(seed));
        let history = history(&text(&drawn));
        let judged = said(&history, Claim::Convergent);
        assert_eq!(judged, expected(&drawn), "seed {seed}: {drawn:#?}");
        counts[judged as usize] += 1;
        if judged == Said::Violated {
            assert_eq!(said(&history, Claim::Linearizable), Said::Violated, "seed {seed}: {drawn:#?}");
        } else {
            linearizable += usize::from(said(&history, Claim::Linearizable) == Said::Holds);
        }
        assert_eq!(judged == Said::Holds, agreement(&history).is_some() && judged == Said::Holds);
    }
    println!("{counts:?} hold, are violated, are undecided; {linearizable} linearizable");
    assert!(rounds(ROUNDS) < ROUNDS || counts.iter().all(|&count| count > 500) && linearizable > 500, "{counts:?}");
}

/// A history of lines without the fields that repeat.
fn told(lines: &[&str]) -> History {
    let mut out = "{\"consistory\":1,\"model\":\"cas-register\",\"clock\":\"test\"}\n".to_owned();
    for line in lines {
        writeln!(out, "{{{line}}}").expect("a string takes everything");
    }
    history(&out)
}

#[test]
fn a_compare_and_set_replaces_what_it_found_whoever_made_it() {
    let history = told(&[
        r#""time":1,"process":0,"type":"invoke","f":"write","value":1"#,
        r#""time":2,"process":0,"type":"ok","f":"write","value":1"#,
        r#""time":3,"process":1,"type":"invoke","f":"cas","value":[1,2]"#,
        r#""time":4,"process":1,"type":"ok","f":"cas","value":[1,2]"#,
        r#""time":5,"process":"nemesis","type":"info","f":"work-ended""#,
        r#""time":6,"process":2,"type":"invoke","f":"read","value":null"#,
        r#""time":7,"process":2,"type":"ok","f":"read","value":1,"node":"n1""#,
    ]);
    assert_eq!(said(&history, Claim::Convergent), Said::Violated);
}

#[test]
fn the_time_to_agree_is_that_of_the_last_node_to_answer_as_it_did_at_last() {
    let history = told(&[
        r#""time":10,"process":0,"type":"invoke","f":"write","value":1"#,
        r#""time":20,"process":0,"type":"ok","f":"write","value":1"#,
        r#""time":100,"process":"nemesis","type":"info","f":"work-ended""#,
        r#""time":110,"process":2,"type":"invoke","f":"read","value":null"#,
        r#""time":120,"process":3,"type":"invoke","f":"read","value":null"#,
        r#""time":130,"process":2,"type":"ok","f":"read","value":1,"node":"n1""#,
        r#""time":140,"process":3,"type":"ok","f":"read","value":null,"node":"n2""#,
        r#""time":150,"process":3,"type":"invoke","f":"read","value":null"#,
        r#""time":190,"process":3,"type":"ok","f":"read","value":1,"node":"n2""#,
    ]);
    let agreement = agreement(&history).expect("they agree");
    assert_eq!((agreement.nodes, agreement.keys, agreement.within.0), (2, 1, 90));
}

#[test]
fn a_history_whose_nodes_were_not_read_is_undecided() {
    let history = told(&[
        r#""time":10,"process":0,"type":"invoke","f":"write","value":1"#,
        r#""time":20,"process":0,"type":"ok","f":"write","value":1"#,
    ]);
    assert_eq!(said(&history, Claim::Convergent), Said::Undecided);
    assert_eq!(agreement(&history), None);
}

/// A write, and what two nodes returned after it, with lines in between.
fn two_nodes(head: &str, first: &str, between: &str, second: &str) -> History {
    let read = |process: u32, end: &str| {
        format!(
            r#"{{"process":{process},"type":"invoke","f":"read","value":null}}
{{"process":{process},{end}}}
"#
        )
    };
    let write = r#"{"process":0,"type":"invoke","f":"write","value":1}
{"process":0,"type":"ok","f":"write","value":1}
{"process":"nemesis","type":"info","f":"work-ended"}
"#;
    let (first, second) = (read(2, first), read(3, second));
    history(&format!("{head}\n{write}{first}{between}{second}"))
}

const RIGHT: &str = r#""type":"ok","f":"read","value":1,"node":"n1""#;
const STALE: &str = r#""type":"ok","f":"read","value":null,"node":"n2""#;
const SILENT: &str = "{\"process\":4,\"type\":\"invoke\",\"f\":\"read\",\"value\":null}\n{\"process\":4,\"type\":\"fail\",\"f\":\"read\",\"value\":null,\"node\":\"n2\"}\n";
const SETTLED: &str = "{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"settled\"}\n";

#[test]
fn what_a_node_said_before_it_fell_silent_is_not_held_against_it() {
    let head = r#"{"consistory":1,"topology":{"n1":"","n2":""}}"#;
    assert_eq!(said(&two_nodes(head, STALE, "", RIGHT), Claim::Convergent), Said::Violated);
    assert_eq!(said(&two_nodes(head, STALE, SILENT, RIGHT), Claim::Convergent), Said::Undecided);
}

#[test]
fn of_a_recorded_run_only_what_was_read_after_the_system_had_settled_counts() {
    let recorded = r#"{"consistory":1,"run":"x","topology":{"n1":"","n2":""}}"#;
    let early = two_nodes(recorded, STALE, SETTLED, RIGHT);
    assert_eq!(said(&early, Claim::Convergent), Said::Undecided, "n2 was not read after that");
    assert_eq!(said(&two_nodes(recorded, STALE, "", RIGHT), Claim::Convergent), Said::Undecided, "it ended before");
    let both = [RIGHT.replace("n1", "n2"), RIGHT.to_owned()];
    let agreed = format!(
        "{SETTLED}{{\"process\":5,\"type\":\"invoke\",\"f\":\"read\",\"value\":null}}\n{{\"process\":5,{}}}\n",
        both[0]
    );
    assert_eq!(said(&two_nodes(recorded, STALE, &agreed, &both[1]), Claim::Convergent), Said::Holds);
}
