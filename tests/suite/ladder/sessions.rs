//! What a session is: a history judged by user or by connection is the same history with its processes renamed so that
//! each session is one, judged by process.

use crate::oracle::first_seed;
use crate::oracle::random_histories::Dice;
use consistory::check::budget::Budget;
use consistory::check::guarantee::{self, Claim};
use consistory::check::judge::{Question, judge};
use consistory::check::session_kind::SessionKind;
use consistory::check::verdict::Verdict;
use consistory::history::formats::{self, ReadOptions};
use std::fmt::Write;

const CLIENTS: usize = 3;
const NODES: usize = 2;

#[derive(Clone, Debug)]
struct Op {
    client: usize,
    process: usize,
    node: Option<usize>,
    key: usize,
    value: usize,
    writes: bool,
    end: &'static str,
}

/// Operations one after another; after an indeterminate one a client goes on under another process id.
fn draw(dice: &mut Dice) -> Vec<Op> {
    let mut process = [0, 1, 2];
    let mut written = vec![vec![0]; 2];
    (0..3 + dice.below(7))
        .map(|at| {
            let (client, key, writes) = (dice.below(CLIENTS), dice.below(2), dice.chance(45));
            let end = if dice.chance(15) { "info" } else { "ok" };
            let node = (end == "ok" || dice.chance(50)).then(|| dice.below(NODES));
            let value = if writes {
                written[key].push(at + 1);
                at + 1
            } else {
                written[key][dice.below(written[key].len())]
            };
            let op = Op { client, process: process[client], node, key, value, writes, end };
            process[client] += if end == "info" { CLIENTS } else { 0 };
            op
        })
        .collect()
}

fn text(ops: &[Op], process_of: impl Fn(usize) -> usize) -> String {
    let mut out = format!(
        "{{\"consistory\":1,\"initial\":0,\"model\":\"register\",\"config\":{{\"run.clients\":\"{CLIENTS}\"}}}}\n"
    );
    for (at, op) in ops.iter().enumerate() {
        let Op { key, value, end, .. } = *op;
        let (process, f) = (process_of(at), if op.writes { "write" } else { "read" });
        for phase in ["invoke", end] {
            let told = if op.writes || phase == "ok" { value.to_string() } else { "null".to_owned() };
            let node = op.node.filter(|_| phase != "invoke").map_or(String::new(), |n| format!(r#","node":"n{n}""#));
            let _ =
                writeln!(out, r#"{{"process":{process},"type":"{phase}","f":"{f}","key":{key},"value":{told}{node}}}"#);
        }
    }
    out
}

/// The number of the session of each operation: the definition, looked up naively.
fn renamed(ops: &[Op], kind: SessionKind) -> Vec<usize> {
    let name = |at: usize| {
        let op = &ops[at];
        let alone = format!("alone {at}");
        match kind {
            SessionKind::Process => format!("process {}", op.process),
            SessionKind::User if op.end == "info" => alone,
            SessionKind::User => format!("client {}", op.client),
            SessionKind::Connection if op.end == "info" && op.node.is_none() => alone,
            SessionKind::Connection => format!("process {} at {:?}", op.process, op.node),
        }
    };
    (0..ops.len()).map(|at| (0..=at).find(|&first| name(first) == name(at)).expect("itself")).collect()
}

fn verdicts(text: &str, session: SessionKind) -> Vec<bool> {
    let history = formats::read(text.as_bytes(), "drawn", None, &ReadOptions::default()).expect("a history");
    let claims: Vec<Claim> =
        guarantee::all().iter().map(|info| info.claim).filter(|claim| claim.is_about_sessions()).collect();
    let question = Question { claims, session, ..Question::default() };
    let findings = judge(&history, &question, &Budget::unlimited()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    findings
        .iter()
        .map(|finding| match &finding.verdict {
            Verdict::Holds(_) => true,
            Verdict::Violated(_) => false,
            Verdict::Undecided(undecided) => panic!("{}\n{text}", undecided.why),
        })
        .collect()
}

#[test]
fn sessions_are_what_renaming_processes_makes_of_them() {
    let mut differ = [0; 3];
    for seed in first_seed()..first_seed() + 400 {
        let ops = draw(&mut Dice::new(seed));
        let original = text(&ops, |at| ops[at].process);
        let by_process = verdicts(&original, SessionKind::Process);
        for (kind, differ) in SessionKind::ALL.into_iter().zip(&mut differ) {
            let names = renamed(&ops, kind);
            let expected = verdicts(&text(&ops, |at| names[at]), SessionKind::Process);
            let judged = verdicts(&original, kind);
            assert_eq!(judged, expected, "{} with seed {seed}:\n{original}", kind.name());
            *differ += usize::from(judged != by_process);
        }
    }
    assert!(differ[0] == 0 && differ[1] > 5 && differ[2] > 0, "sessions make no difference: {differ:?}");
}

#[test]
fn a_client_that_moves_keeps_its_session_or_loses_it() {
    let line = |node: &str, f: &str, value: &str, process: u32| {
        format!(
            "{{\"process\":{process},\"type\":\"invoke\",\"f\":\"{f}\",\"key\":1,\"value\":{value}}}\n\
             {{\"process\":{process},\"type\":\"ok\",\"f\":\"{f}\",\"key\":1,\"value\":{value},\"node\":\"{node}\"}}\n"
        )
    };
    let header = "{\"consistory\":1,\"model\":\"register\",\"config\":{\"run.clients\":\"1\"}}\n";
    let at = guarantee::all()
        .iter()
        .filter(|info| info.claim.is_about_sessions())
        .position(|info| info.claim == Claim::ReadYourWrites)
        .expect("it is one of them");
    let moved = format!("{header}{}{}", line("n1", "write", "5", 0), line("n2", "read", "null", 0));
    assert!(!verdicts(&moved, SessionKind::Process)[at], "it did not read its write");
    assert!(verdicts(&moved, SessionKind::Connection)[at], "another connection need not have");
    let back = format!("{moved}{}", line("n1", "read", "null", 0));
    assert!(!verdicts(&back, SessionKind::Connection)[at], "the first connection is found again");
    let lost = "{\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"key\":1}\n\
                {\"process\":0,\"type\":\"info\",\"f\":\"read\",\"key\":1,\"error\":\"timeout\"}\n";
    let user = format!("{header}{}{lost}{}", line("n1", "write", "5", 0), line("n1", "read", "null", 1));
    assert!(verdicts(&user, SessionKind::Process)[at], "another process need not know");
    assert!(!verdicts(&user, SessionKind::User)[at], "it is the same user");
}

#[test]
fn users_of_a_history_that_does_not_say_how_many_there_are_are_not_guessed() {
    let text = "{\"consistory\":1,\"model\":\"register\"}\n{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1}\n\
                {\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"value\":1}\n";
    let history = formats::read(text.as_bytes(), "told", None, &ReadOptions::default()).expect("a history");
    let question = Question { claims: vec![Claim::Causal], session: SessionKind::User, ..Question::default() };
    let finding = judge(&history, &question, &Budget::unlimited()).expect("judged").remove(0);
    let Verdict::Undecided(undecided) = finding.verdict else { panic!("users were guessed") };
    assert!(undecided.why.to_string().contains("run.clients"), "{}", undecided.why);
}
