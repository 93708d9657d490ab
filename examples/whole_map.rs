//! A model of your own: a map of texts judged as *one* object, instead of one object a key.
//!
//! `cargo run --release --example whole_map -- FILE…` with the key-value logs of Porcupine's test data, or any history
//! of `get`, `put` and `append`. Judging keys apart is always the better choice, since linearizability is local; taken
//! together they show what the search of any model costs.

#![expect(clippy::print_stdout, reason = "an example prints what it finds")]

use consistory::check::budget::Budget;
use consistory::check::linearizable::{Decision, Wish, decide_with_search};
use consistory::check::models::{Effect, KvAppend, KvAppendCall, Model, NotThisModel};
use consistory::check::problem::Problem;
use consistory::history::formats::{ReadOptions, read};
use consistory::history::{Operation, ValueId};
use std::error::Error;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

/// All keys together.
#[derive(Clone)]
struct WholeMap;

impl Model for WholeMap {
    /// The texts that are not empty, in the order of their keys.
    type State = Vec<(ValueId, Arc<str>)>;
    type Call = (ValueId, KvAppendCall);

    fn initial(&self) -> Self::State {
        Vec::new()
    }

    fn call(&self, operation: &Operation<'_>) -> Result<Option<Self::Call>, NotThisModel> {
        Ok(KvAppend.call(operation)?.map(|call| (operation.key(), call)))
    }

    fn step(&self, state: &Self::State, (key, call): &Self::Call) -> Option<Self::State> {
        let place = state.binary_search_by_key(key, |&(key, _)| key);
        let before = place.map_or_else(|_| "".into(), |at| state[at].1.clone());
        let after = KvAppend.step(&before, call)?;
        let mut state = state.clone();
        match place {
            Ok(at) => state[at].1 = after,
            Err(_) if after.is_empty() => {}
            Err(at) => state.insert(at, (*key, after)),
        }
        Some(state)
    }

    fn effect(&self, (_, call): &Self::Call) -> Effect<Self::State> {
        if matches!(call, KvAppendCall::Get(_)) { Effect::Observe } else { Effect::Update }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args().skip(1) {
        let history = read(File::open(&path)?, &path, None, &ReadOptions::default())?;
        let begun = Instant::now();
        let problem = Problem::compile(WholeMap, &history, history.operations().map(|operation| operation.id()))?;
        let answer = decide_with_search(&problem, Wish::default(), &Budget::unlimited());
        let verdict = match answer.decision {
            Decision::Holds(_) => "linearizable",
            Decision::Violated(_) => "not linearizable",
            Decision::NotApplicable(_) | Decision::GaveUp { .. } => "undecided",
        };
        println!("{path}: {verdict}, {} operations, {:.0?}", problem.len(), begun.elapsed());
    }
    Ok(())
}
