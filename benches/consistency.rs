//! How long claims below linearizable take on generated histories of transactions, from text to verdict, stage by stage.
//!
//! `cargo bench --bench consistency [-- TRANSACTIONS SESSIONS]` (default 100000 and 50): transactions of eight reads and
//! writes of 10,000 keys at three replicas of a causal store, in the text of AWDIT, from seed 1. Each line: the claim,
//! seconds for reading, for compiling, for the verdict, and the process's peak memory so far.

#![expect(clippy::print_stdout, reason = "a benchmark tells what it measured")]

use consistory::check::budget::Budget;
use consistory::check::guarantee;
use consistory::check::judge::Question;
use consistory::check::key_value::Sessions;
use consistory::check::verdict::Verdict;
use consistory::generate::{self, Spelling, StoreOptions};
use consistory::history::formats::{self, ReadOptions};
use std::time::Instant;

const CLAIMS: [&str; 4] = ["read-committed", "read-atomic", "causal", "causal-convergence"];

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<u64>().ok());
    let ops = numbers.next().unwrap_or(100_000);
    let sessions = numbers.next().and_then(|sessions| u32::try_from(sessions).ok()).unwrap_or(50);
    let options = StoreOptions {
        store: generate::stores().iter().find(|store| store.name == "causal-store").expect("it is one of them"),
        ops,
        sessions,
        keys: 10_000,
        accesses: 8,
        replicas: 3,
        read_percent: 50.0,
        plant: None,
        spelling: Spelling::AwditText,
        seed: 1,
    };
    let mut text = Vec::new();
    generate::generate_store(&options, &mut text).expect("possible options");
    println!("{ops} transactions of {sessions} sessions");
    println!("claim                read  compile  verdict     peak");
    for name in CLAIMS {
        let claim = guarantee::find(name).expect("a claim");
        let began = Instant::now();
        let history = formats::read(&text[..], "generated", None, &ReadOptions::default()).expect("a history");
        let read = began.elapsed();
        let question = Question::default();
        let compiled = Sessions::of(&history, &question);
        let compile = began.elapsed().saturating_sub(read);
        let finding = compiled.judge(claim, &history, &question, &Budget::unlimited()).expect("a verdict");
        let verdict = began.elapsed().saturating_sub(read + compile);
        assert!(matches!(finding.verdict, Verdict::Holds(_)), "{name} holds by construction");
        let [read, compile, verdict] = [read, compile, verdict].map(|time| time.as_secs_f64());
        println!("{name:<19} {read:5.2} s {compile:5.2} s  {verdict:5.2} s  {:5} MB", peak_megabytes());
    }
}

/// The most memory the process ever held, as Linux counts it.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
