//! Convergence after the work: what the last reads at the nodes say, by the definition's own words.

use crate::oracle::random_histories::Dice;
use crate::oracle::{first_seed, rounds};
use consistory::check::budget::Budget;
use consistory::check::convergent::{Agreement, agreement};
use consistory::check::guarantee::Claim;
use consistory::check::judge::{Question, judge};
use consistory::check::verdict::{Finding, Verdict};
use consistory::history::History;
use consistory::history::formats::{self, ReadOptions};
use std::collections::BTreeSet;
use std::fmt::Write;

const ROUNDS: u64 = 20_000;
/// A value that nobody writes, and that of a key that nobody wrote.
const NOBODYS: usize = 998;
const INITIAL: usize = 0;

/// What an operation does with one key.
#[derive(Clone, Copy, Debug)]
struct Act {
    key: usize,
    value: usize,
    writes: bool,
}

#[derive(Clone, Debug)]
struct Op {
    process: usize,
    function: &'static str,
    acts: Vec<Act>,
    call: usize,
    ret: usize,
    end: &'static str,
    node: Option<usize>,
}

/// What was done with two keys before the work ended and after, at three nodes.
#[derive(Clone, Debug)]
struct Drawn {
    topology: bool,
    transactions: bool,
    ended: usize,
    ops: Vec<Op>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Holds,
    Violated,
    Undecided,
}

/// What is being drawn: the time, the values written so far with the last one of each key, and who may still call.
struct Drawing<'d> {
    dice: &'d mut Dice,
    drawn: Drawn,
    now: usize,
    values: usize,
    written: [Vec<usize>; 2],
    free: Vec<usize>,
}

impl Drawing<'_> {
    fn value_read(&mut self, key: usize, right: usize) -> usize {
        match self.dice.below(100) {
            0 => NOBODYS,
            // Who writes that comes later, if at all.
            1 => self.values + 1,
            at if at <= right => self.written[key][self.written[key].len() - 1],
            _ => self.written[key][self.dice.below(self.written[key].len())],
        }
    }

    fn act(&mut self, key: usize, writes: bool, right: usize) -> Act {
        if !writes {
            return Act { key, value: self.value_read(key, right), writes };
        }
        // Now and then a value is written again.
        let again = self.dice.chance(3) && self.written[key].len() > 1;
        self.values += 1;
        let value = if again { self.written[key][1] } else { self.values };
        Act { key, value, writes }
    }

    fn acts(&mut self, function: &str, key: usize, right: usize) -> Vec<Act> {
        match function {
            "read" => vec![self.act(key, false, right)],
            "write" => vec![self.act(key, true, right)],
            "cas" => vec![self.act(key, false, right), self.act(key, true, right)],
            _ => {
                let mut acts = Vec::new();
                for _ in 0..=self.dice.below(3) {
                    let (key, writes) = (self.dice.below(2), self.dice.chance(60));
                    acts.push(self.act(key, writes, right));
                }
                acts
            }
        }
    }

    /// One more operation; `late` is the chance that it returns only later, in percent.
    fn call(&mut self, process: usize, function: &'static str, acts: Vec<Act>, node: Option<usize>, late: usize) {
        let end = match self.dice.below(100) {
            0..94 => "ok",
            94..97 => "info",
            _ => "fail",
        };
        let is_late = self.dice.chance(late);
        let ret = self.now + 5 + if is_late { 10 * (1 + self.dice.below(12)) } else { 0 };
        for act in acts.iter().filter(|act| act.writes && end != "fail") {
            self.written[act.key].push(act.value);
        }
        if is_late || end == "info" {
            self.free.retain(|&free| free != process);
        }
        self.drawn.ops.push(Op { process, function, acts, call: self.now, ret, end, node });
        self.now += 10;
    }

    fn work(&mut self) {
        let functions: &[&str] =
            if self.drawn.transactions { &["txn"] } else { &["write", "write", "write", "read", "read", "cas"] };
        for _ in 0..self.dice.below(5) {
            if self.free.is_empty() {
                return;
            }
            let process = self.free[self.dice.below(self.free.len())];
            let function = functions[self.dice.below(functions.len())];
            let key = usize::from(self.dice.chance(20));
            let acts = self.acts(function, key, 60);
            let node = self.dice.chance(70).then_some(0);
            self.call(process, function, acts, node, 15);
        }
    }

    fn final_reads(&mut self) {
        let mut next = 10;
        let both = self.dice.chance(50);
        let mut rounds: Vec<(usize, usize)> = (0..6).map(|at| (at % 3, at / 3)).collect();
        rounds.retain(|_| !self.dice.chance(1));
        for _ in 0..self.dice.below(3) {
            rounds.push((self.dice.below(3), self.dice.below(2)));
        }
        for (node, key) in rounds {
            if key == 1 && !both && self.written[1].len() == 1 {
                continue;
            }
            if self.dice.chance(4) {
                let by_client = self.dice.chance(50) && !self.free.is_empty();
                let process = if by_client { self.free[0] } else { next + 100 };
                let function = if self.drawn.transactions { "txn" } else { "write" };
                let acts = self.acts(function, key, 60);
                self.call(process, function, acts, Some(node), 30);
            }
            next += 1;
            let mut acts = vec![self.act(key, false, 90)];
            let own = self.drawn.transactions && self.dice.chance(2);
            if own {
                acts.insert(0, self.act(key, true, 90));
            }
            let single = !own && (!self.drawn.transactions || self.dice.chance(20));
            let node = (!self.dice.chance(1)).then_some(node);
            self.call(next, if single { "read" } else { "txn" }, acts, node, 5);
        }
    }
}

fn draw(dice: &mut Dice) -> Drawn {
    let drawn = Drawn { topology: dice.chance(50), transactions: dice.chance(40), ended: 0, ops: Vec::new() };
    let written = [vec![INITIAL], vec![INITIAL]];
    let mut drawing = Drawing { dice, drawn, now: 10, values: 0, written, free: vec![0, 1, 2] };
    drawing.work();
    drawing.drawn.ended = drawing.now;
    drawing.now += 10;
    drawing.final_reads();
    drawing.drawn
}

/// Every third value is a list.
fn spelled(value: usize) -> String {
    match value {
        INITIAL => "null".to_owned(),
        value if value % 3 == 0 => format!("[{value},{value}]"),
        value => value.to_string(),
    }
}

fn text(drawn: &Drawn) -> String {
    let mut lines = Vec::new();
    for op in &drawn.ops {
        let node = op.node.map(|node| format!(r#","node":"n{node}""#)).unwrap_or_default();
        for (time, phase) in [(op.call, "invoke"), (op.ret, op.end)] {
            let value = |act: &Act| if act.writes || phase == "ok" { spelled(act.value) } else { "null".to_owned() };
            let name = |key: usize| ["x", "y"][key];
            let item =
                |act: &Act| format!(r#"["{}","{}",{}]"#, if act.writes { "w" } else { "r" }, name(act.key), value(act));
            let told = match op.function {
                "txn" => format!("[{}]", op.acts.iter().map(item).collect::<Vec<_>>().join(",")),
                "cas" => format!("[{},{}]", spelled(op.acts[0].value), spelled(op.acts[1].value)),
                _ => value(&op.acts[0]),
            };
            let key =
                if op.function == "txn" { String::new() } else { format!(r#","key":"{}""#, name(op.acts[0].key)) };
            let (process, function) = (op.process, op.function);
            let line = format!(
                r#"{{"time":{time},"process":{process},"type":"{phase}","f":"{function}"{key},"value":{told}{node}}}"#
            );
            lines.push((time, line));
        }
    }
    let ended =
        format!(r#"{{"time":{},"process":"nemesis","type":"info","f":"work-ended","value":null}}"#, drawn.ended);
    lines.push((drawn.ended, ended));
    lines.sort_by_key(|(time, _)| *time);
    let topology = if drawn.topology { r#","topology":{"n0":"","n1":"","n2":""}"# } else { "" };
    let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    format!("{{\"consistory\":1{topology}}}\n{}\n", lines.join("\n"))
}

impl Op {
    fn is_read(&self) -> bool {
        self.function != "cas" && self.acts.iter().any(|act| !act.writes)
    }

    fn asks(&self, key: usize) -> bool {
        self.is_read() && self.acts.iter().any(|act| !act.writes && act.key == key)
    }

    /// What it found of a key before it wrote it.
    fn sees(&self, key: usize) -> Vec<usize> {
        let of_key = self.acts.iter().filter(|act| act.key == key);
        let found = of_key.take_while(|act| !act.writes).map(|act| act.value).collect();
        if self.end == "ok" { found } else { Vec::new() }
    }

    fn leaves(&self, key: usize) -> Option<usize> {
        self.acts.iter().rev().find(|act| act.writes && act.key == key).map(|act| act.value)
    }

    fn knows(&self, key: usize, value: usize) -> bool {
        self.end == "ok" && (self.sees(key).contains(&value) || self.leaves(key) == Some(value))
    }

    fn effect_ends(&self) -> usize {
        if self.end == "info" { usize::MAX } else { self.ret }
    }
}

impl Drawn {
    fn after(&self) -> impl DoubleEndedIterator<Item = &Op> {
        self.ops.iter().filter(|op| op.call > self.ended)
    }

    /// The last word of a node about a key, if it is an answer.
    fn answer(&self, key: usize, node: usize) -> Option<(&Op, usize)> {
        let concerns =
            |op: &&Op| op.is_read() && op.node.is_none_or(|at| at == node) && (op.end != "ok" || op.asks(key));
        let last = self.after().filter(concerns).max_by_key(|op| op.call)?;
        let told = last.sees(key).last().copied()?;
        last.node.is_some().then_some((last, told))
    }

    /// Who may have left a value by the time a read returned.
    fn sources<'a>(&'a self, key: usize, value: usize, read: &'a Op) -> Vec<&'a Op> {
        let fits = |op: &&Op| op.end != "fail" && op.leaves(key) == Some(value) && op.call < read.ret;
        self.ops.iter().filter(fits).filter(|op| !std::ptr::eq(*op, read)).collect()
    }

    fn is_overwritten(&self, key: usize, value: usize, read: &Op) -> bool {
        let sources = self.sources(key, value, read);
        let gone = |by: &Op| by.end == "ok" && by.ret < read.call && by.leaves(key).is_some_and(|left| left != value);
        let knew = |by: &Op| {
            let earlier = |seen: &Op| seen.process == by.process && seen.ret < by.call && seen.knows(key, value);
            by.sees(key).contains(&value) || self.ops.iter().any(earlier)
        };
        match (value, sources.len()) {
            (INITIAL, 0) => self.ops.iter().any(gone),
            (INITIAL, _) => false,
            (_, 1) => self.ops.iter().any(|by| gone(by) && knew(by)),
            _ => false,
        }
    }

    fn expected_of_key(&self, key: usize, nodes: &BTreeSet<usize>) -> Said {
        let answers: Vec<Option<(&Op, usize)>> = nodes.iter().map(|&node| self.answer(key, node)).collect();
        let held: Vec<(&Op, usize)> = answers.iter().flatten().copied().collect();
        for &(read, value) in &held {
            let unwritten = value != INITIAL && self.sources(key, value, read).is_empty();
            if unwritten || self.is_overwritten(key, value, read) {
                return Said::Violated;
            }
        }
        let first = held.iter().map(|(read, _)| read.call).min();
        let last = held.iter().map(|(read, _)| read.ret).max();
        let is_late = |value: usize| {
            let overlaps = |op: &Op| Some(op.effect_ends()) > first && Some(op.call) < last;
            self.ops.iter().any(|op| op.end != "fail" && op.leaves(key) == Some(value) && overlaps(op))
        };
        let values: BTreeSet<usize> = held.iter().map(|(_, value)| *value).collect();
        if values.iter().filter(|&&value| !is_late(value)).count() > 1 {
            return Said::Violated;
        }
        if values.len() == 1 && answers.iter().all(Option::is_some) { Said::Holds } else { Said::Undecided }
    }

    /// The definition.
    fn expected(&self) -> Said {
        if !self.after().any(|op| op.is_read() && op.node.is_some()) {
            return Said::Undecided;
        }
        let asked = self.after().filter(|op| op.is_read());
        let mut nodes: BTreeSet<usize> = asked.filter_map(|op| op.node).collect();
        if self.topology {
            nodes.extend(0..3);
        } else {
            nodes.extend(self.ops.iter().filter_map(|op| op.node));
        }
        let concerns = |key: usize| {
            let wrote = |op: &Op| op.end != "fail" && op.leaves(key).is_some();
            self.ops.iter().any(wrote) || self.after().any(|op| op.asks(key))
        };
        let said: Vec<Said> =
            (0..2).filter(|&key| concerns(key)).map(|key| self.expected_of_key(key, &nodes)).collect();
        if said.contains(&Said::Violated) {
            Said::Violated
        } else if said.contains(&Said::Undecided) {
            Said::Undecided
        } else {
            Said::Holds
        }
    }

    /// Whether one model has all its operations.
    fn has_model(&self) -> bool {
        let transactions = self.ops.iter().filter(|op| op.function == "txn").count();
        transactions == 0 || transactions == self.ops.len()
    }
}

fn history(text: &str) -> History {
    formats::read(text.as_bytes(), "drawn", None, &ReadOptions::default()).expect("a history")
}

fn agreed(history: &History) -> Option<Agreement> {
    agreement(history, &Question::default())
}

fn spoken(finding: &Finding) -> Said {
    match finding.verdict {
        Verdict::Holds(_) => Said::Holds,
        Verdict::Violated(_) => Said::Violated,
        Verdict::Undecided(_) => Said::Undecided,
    }
}

fn said(history: &History, claim: Claim) -> Said {
    let question = Question { claims: vec![claim], ..Question::default() };
    spoken(&judge(history, &question, &Budget::unlimited()).expect("judged")[0])
}

#[test]
fn convergence_is_judged_as_it_is_defined_and_linearizable_histories_converge() {
    // By the way of speaking: single operations or transactions.
    let mut counts = [[0; 3]; 2];
    let mut linearizable = 0;
    for seed in first_seed()..first_seed() + rounds(ROUNDS) {
        let drawn = draw(&mut Dice::new(seed));
        let history = history(&text(&drawn));
        let judged = said(&history, Claim::Convergent);
        assert_eq!(judged, drawn.expected(), "seed {seed}: {drawn:#?}\n{}", text(&drawn));
        counts[usize::from(drawn.transactions)][judged as usize] += 1;
        if drawn.has_model() {
            let whole = said(&history, Claim::Linearizable);
            assert!(judged != Said::Violated || whole == Said::Violated, "seed {seed}: {}", text(&drawn));
            linearizable += usize::from(whole == Said::Holds);
        }
        let agreement = agreed(&history).is_some();
        assert!(if agreement { judged != Said::Undecided } else { judged != Said::Holds }, "seed {seed}: {drawn:#?}");
    }
    println!("{counts:?} hold, are violated, are undecided; {linearizable} linearizable");
    let often = counts.iter().flatten().all(|&count| count > 500) && linearizable > 3_000;
    assert!(rounds(ROUNDS) < ROUNDS || often, "{counts:?}, {linearizable} linearizable");
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
    let agreement = agreed(&history).expect("they agree");
    assert_eq!((agreement.nodes, agreement.keys, agreement.within.0), (2, 1, 90));
}

#[test]
fn a_history_whose_nodes_were_not_read_is_undecided() {
    let history = told(&[
        r#""time":10,"process":0,"type":"invoke","f":"write","value":1"#,
        r#""time":20,"process":0,"type":"ok","f":"write","value":1"#,
    ]);
    assert_eq!(said(&history, Claim::Convergent), Said::Undecided);
    assert_eq!(agreed(&history), None);
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

/// What is said of lines with a header before them: process, phase, function, key, value and node, or the name of a line
/// of the recorder.
fn of_lines(header: &str, lines: &[&str]) -> History {
    let mut out = format!("{{\"consistory\":1{header}}}\n");
    for (time, line) in lines.iter().enumerate() {
        let fields: Vec<&str> = line.split(' ').collect();
        let line = match fields[..] {
            [name] => format!(r#""process":"nemesis","type":"info","f":"{name}""#),
            [process, phase, f, key, value, node] => format!(
                r#""process":{process},"type":"{phase}","f":"{f}","key":"{key}","value":{value},"node":"{node}""#
            ),
            _ => panic!("a line of six words: {line}"),
        };
        writeln!(out, "{{\"time\":{time},{line}}}").expect("a string takes everything");
    }
    history(&out)
}

const TOPOLOGY: &str = r#","topology":{"n1":"a","n2":"b"}"#;

#[test]
fn a_key_whose_last_reads_nobody_answered_is_undecided() {
    let work = ["0 invoke write x 1 n1", "0 ok write x 1 n1", "0 invoke write y 2 n1", "0 ok write y 2 n1"];
    let of_x = ["1 invoke read x null n1", "1 ok read x 1 n1", "2 invoke read x null n2", "2 ok read x 1 n2"];
    let failed =
        ["3 invoke read y null n1", "3 fail read y null n1", "4 invoke read y null n2", "4 fail read y null n2"];
    let open = ["3 invoke read y null n1", "3 info read y null n1", "4 invoke read y null n2", "4 info read y null n2"];
    for header in ["", TOPOLOGY] {
        for of_y in [&failed, &open, &[""; 4]] {
            let lines: Vec<&str> = work
                .iter()
                .chain(&["work-ended"])
                .chain(of_y)
                .chain(&of_x)
                .copied()
                .filter(|l| !l.is_empty())
                .collect();
            let history = of_lines(header, &lines);
            assert_eq!(said(&history, Claim::Convergent), Said::Undecided, "{lines:?}");
            assert_eq!(agreed(&history), None);
        }
    }
}

#[test]
fn a_node_that_was_not_read_is_no_witness_though_the_others_are_linearizable() {
    let lines = [
        "0 invoke write x 5 n1",
        "0 ok write x 5 n1",
        "work-ended",
        "settled",
        "1 invoke read x null n1",
        "1 ok read x 5 n1",
    ];
    let history = of_lines(TOPOLOGY, &lines);
    let question = Question { all: true, ..Question::default() };
    let findings = judge(&history, &question, &Budget::unlimited()).expect("judged");
    let of = |claim: Claim| spoken(findings.iter().find(|finding| finding.claim == claim).expect("it was asked"));
    assert_eq!((of(Claim::Linearizable), of(Claim::Convergent)), (Said::Holds, Said::Undecided));
}

#[test]
fn nodes_that_hold_a_number_and_a_list_disagree() {
    let lines = [
        "0 invoke write x 5 n1",
        "0 ok write x 5 n1",
        "3 invoke write x [1,2] n2",
        "3 ok write x [1,2] n2",
        "work-ended",
        "1 invoke read x null n2",
        "1 ok read x 5 n2",
        "1 invoke read x null n1",
        "1 ok read x 5 n1",
        "2 invoke read x null n2",
        "2 ok read x [1,2] n2",
    ];
    let history = of_lines(TOPOLOGY, &lines);
    assert_eq!(said(&history, Claim::Convergent), Said::Violated);
    assert_eq!(agreed(&history), None);
}

#[test]
fn a_value_that_was_read_before_its_write_began_is_wrong() {
    let lines =
        ["work-ended", "1 invoke read x null n1", "1 ok read x 5 n1", "0 invoke write x 5 n1", "0 ok write x 5 n1"];
    assert_eq!(said(&of_lines("", &lines), Claim::Convergent), Said::Violated);
}

#[test]
fn sets_and_their_whole_reads_are_no_values() {
    let lines =
        ["0 invoke add x 5 n1", "0 ok add x 5 n1", "work-ended", "1 invoke read x null n1", "1 ok read x [5] n1"];
    let history = of_lines("", &lines);
    assert_eq!((said(&history, Claim::Convergent), agreed(&history)), (Said::Undecided, None));
}
