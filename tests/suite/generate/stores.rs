//! Generated histories of replicated stores keep what their store promises, and a plant breaks what it says.

use consistory::check::budget::Budget;
use consistory::check::guarantee;
use consistory::check::judge::{Question, judge};
use consistory::check::verdict::Verdict;
use consistory::generate::{self, GenerateError, Plant, Spelling, Store, StoreOptions};
use consistory::history::History;
use consistory::history::formats::{self, ReadOptions};

fn options(store: &'static Store, accesses: u32, seed: u64) -> StoreOptions {
    StoreOptions {
        store,
        ops: 400,
        sessions: 3 + u32::try_from(seed % 5).expect("small"),
        keys: 12,
        accesses,
        replicas: 1 + u32::try_from(seed % 4).expect("small"),
        read_percent: 50.0,
        plant: None,
        spelling: Spelling::ALL[usize::try_from(seed % 3).expect("small")],
        seed,
    }
}

fn history(options: &StoreOptions) -> History {
    let mut text = Vec::new();
    generate::generate_store(options, &mut text).expect("possible options");
    formats::read(&text[..], "generated", None, &ReadOptions::default()).expect("readable")
}

fn verdict(history: &History, claim: &str) -> Verdict {
    let question = Question { claims: vec![guarantee::find(claim).expect("a claim")], ..Question::default() };
    judge(history, &question, &Budget::unlimited()).unwrap_or_else(|error| panic!("{error}")).remove(0).verdict
}

#[test]
fn what_a_store_promises_holds_in_every_spelling_and_not_more() {
    let mut beyond = [0, 0];
    for (store, beyond) in generate::stores().iter().zip(&mut beyond) {
        for seed in 0..30 {
            let options = options(store, [1, 2, 8][usize::try_from(seed / 3 % 3).expect("small")], seed);
            let history = history(&options);
            assert_eq!(history.len(), 400, "{} seed {seed}", store.name);
            let held = verdict(&history, store.claim);
            assert!(matches!(held, Verdict::Holds(_)), "{} seed {seed}: {held:?}", store.name);
            let more = if store.claim == "sequential" { "linearizable" } else { "causal-memory" };
            *beyond += u32::from(matches!(verdict(&history, more), Verdict::Violated(_)));
        }
    }
    assert!(beyond.iter().all(|&broken| broken > 2), "histories are stronger than they need to be: {beyond:?}");
}

#[test]
fn a_plant_breaks_its_claim_and_the_stronger_ones() {
    let broken = [
        (Plant::Divergence, "causal-convergence"),
        (Plant::MissedCause, "causal"),
        (Plant::FracturedRead, "read-atomic"),
        (Plant::BackwardRead, "read-committed"),
    ];
    assert_eq!(broken.map(|(plant, _)| plant), Store::plants());
    for store in generate::stores() {
        for ((plant, claim), seed) in broken.iter().cycle().zip(0..40) {
            let accesses = if matches!(plant, Plant::Divergence | Plant::MissedCause) && seed % 3 == 0 { 1 } else { 4 };
            let options = StoreOptions { plant: Some(*plant), ..options(store, accesses, seed) };
            let found = verdict(&history(&options), claim);
            assert!(matches!(found, Verdict::Violated(_)), "{plant} in {} seed {seed}: {found:?}", store.name);
        }
    }
}

#[test]
fn a_divergence_is_none_for_causal_nor_a_fractured_read_for_read_committed() {
    let causal = &generate::stores()[0];
    for seed in 0..10 {
        let fractured = StoreOptions { plant: Some(Plant::FracturedRead), ..options(causal, 4, seed) };
        let found = verdict(&history(&fractured), "read-committed");
        assert!(matches!(found, Verdict::Holds(_)), "seed {seed}: {found:?}");
    }
}

#[test]
fn the_same_options_give_the_same_bytes_and_options_without_sense_are_refused() {
    let store = &generate::stores()[0];
    let write = |options: &StoreOptions| {
        let mut text = Vec::new();
        generate::generate_store(options, &mut text).map(|summary| (text, summary))
    };
    let fine = options(store, 4, 7);
    assert_eq!(write(&fine).expect("possible"), write(&fine).expect("possible"));
    assert_ne!(
        write(&fine).expect("possible").0,
        write(&StoreOptions { seed: 8, ..fine.clone() }).expect("possible").0
    );
    let refused = [
        StoreOptions { keys: 3, ..fine.clone() },
        StoreOptions { sessions: 0, ..fine.clone() },
        StoreOptions { replicas: 0, ..fine.clone() },
        StoreOptions { accesses: 0, ..fine.clone() },
        StoreOptions { accesses: 1, plant: Some(Plant::FracturedRead), ..fine.clone() },
        StoreOptions { plant: Some(Plant::DoubleGrant), ..fine.clone() },
        StoreOptions { plant: Some(Plant::Divergence), sessions: 2, ..fine.clone() },
    ];
    for options in refused {
        let error = write(&options).expect_err("without sense");
        let told = matches!(error, GenerateError::Option { .. } | GenerateError::NotThisModel { .. });
        assert!(told, "{error}");
    }
}
