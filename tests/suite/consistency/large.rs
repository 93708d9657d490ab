//! Histories too large for any definition by brute force: their verdict is known from how they were made.

use consistory::check::budget::Budget;
use consistory::check::guarantee;
use consistory::check::judge::{Question, judge};
use consistory::check::verdict::{Finding, Verdict};
use consistory::generate::{self, Plant, Spelling, Store, StoreOptions};
use consistory::history::formats::{self, ReadOptions};
use std::time::{Duration, Instant};

fn store(name: &str) -> &'static Store {
    generate::stores().iter().find(|store| store.name == name).expect("a store")
}

fn options(name: &str) -> StoreOptions {
    StoreOptions {
        store: store(name),
        ops: 20_000,
        sessions: 12,
        keys: 40,
        accesses: 1,
        replicas: 3,
        read_percent: 60.0,
        plant: None,
        spelling: Spelling::Consistory,
        seed: 1,
    }
}

/// The finding on one claim, with a witness if it holds; within a minute.
fn find(options: &StoreOptions, claim: &str) -> Finding {
    let mut text = Vec::new();
    generate::generate_store(options, &mut text).expect("possible options");
    let history = formats::read(&text[..], "generated", None, &ReadOptions::default()).expect("readable");
    let claims = vec![guarantee::find(claim).expect("a claim")];
    let question = Question { claims, witness: true, ..Question::default() };
    let budget = Budget::new(Some(Instant::now() + Duration::from_secs(60)), 1 << 30);
    judge(&history, &question, &budget).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

#[test]
fn a_replicated_log_has_one_order_of_all_sessions_and_it_is_found() {
    for (seed, spelling) in (0..6).zip(Spelling::ALL.into_iter().cycle()) {
        let keys = [1, 4, 40, 400][usize::try_from(seed % 4).expect("small")];
        let accesses = [1, 3][usize::try_from(seed % 2).expect("small")].min(keys);
        let options = StoreOptions { seed, keys, accesses, spelling, ..options("replicated-log") };
        let finding = find(&options, "sequential");
        let Verdict::Holds(witness) = &finding.verdict else { panic!("{options:?}: {:?}", finding.verdict) };
        assert_eq!(witness.orders[0].ops.len(), finding.operations, "seed {seed}: the order is of all operations");
    }
}

#[test]
fn one_wrong_order_among_thousands_of_operations_is_found_and_explained() {
    for (seed, plant) in (0..).zip([Plant::Divergence, Plant::MissedCause]) {
        let options = StoreOptions { seed, plant: Some(plant), ..options("replicated-log") };
        let finding = find(&options, "sequential");
        let Verdict::Violated(violation) = &finding.verdict else { panic!("{plant}: {:?}", finding.verdict) };
        assert!(violation.core.len() <= 8 && violation.verified, "{plant}: {violation:?}");
    }
}

/// So many sessions at once are concurrent that a few of thousands of choices are wrong.
fn fifty_sessions(keys: u32, seed: u64) -> StoreOptions {
    StoreOptions { ops: 30_000, sessions: 50, keys, seed, ..options("replicated-log") }
}

#[test]
fn an_order_of_fifty_sessions_is_found_though_choices_on_the_way_to_it_are_wrong() {
    for (seed, keys) in (0..).zip([1, 5, 100]) {
        let finding = find(&fifty_sessions(keys, seed), "sequential");
        let Verdict::Holds(witness) = &finding.verdict else { panic!("{keys} keys: {:?}", finding.verdict) };
        assert_eq!(witness.orders[0].ops.len(), finding.operations, "{keys} keys: the order is of all operations");
    }
}

#[test]
fn one_wrong_order_among_a_hundred_thousand_operations_of_fifty_sessions_is_found() {
    for (seed, keys) in (0..).zip([5, 100]) {
        let options = StoreOptions { ops: 100_000, plant: Some(Plant::Divergence), ..fifty_sessions(keys, seed) };
        let finding = find(&options, "sequential");
        let Verdict::Violated(violation) = &finding.verdict else { panic!("{keys} keys: {:?}", finding.verdict) };
        assert!(violation.core.len() <= 8 && violation.verified, "{keys} keys: {violation:?}");
    }
}

#[test]
fn replicas_that_merge_are_not_sequential() {
    let finding = find(&options("causal-store"), "sequential");
    assert!(matches!(finding.verdict, Verdict::Violated(_)), "{:?}", finding.verdict);
}
