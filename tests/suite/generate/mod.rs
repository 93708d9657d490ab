//! Generated histories: what they are like, and that their verdict is the one that was asked for.

mod brute_force;
mod document;
mod shape;
mod stores;
mod verdicts;

use consistory::generate::{self, GenerateError, Generated, Options, Summary, Values};

/// The model of that name.
fn model(name: &str) -> &'static Generated {
    generate::all().iter().find(|model| model.name == name).expect("a generated model")
}

/// Something ordinary.
fn options(name: &str) -> Options {
    Options {
        model: model(name),
        ops: 1000,
        clients: 5,
        keys: 3,
        overlap_percent: 50.0,
        values: Values::Unique,
        read_percent: 50.0,
        info_percent: 0.0,
        fail_percent: 0.0,
        permits: 2,
        plant: None,
        seed: 4711,
    }
}

/// The lines of a history.
fn write(options: &Options) -> Result<(Vec<u8>, Summary), GenerateError> {
    let mut out = Vec::new();
    let summary = generate::generate(options, &mut out)?;
    Ok((out, summary))
}
