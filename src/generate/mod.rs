//! Histories made up: seeded, right by construction, or with one planted violation: linearizable ones of objects, and
//! those of replicated stores ([`stores`]), which keep less.
//!
//! For tests of checkers, for measurements, and for learning what a violation looks like. The same
//! [`Options`] give the same bytes on every machine. A planted violation is one: the place is chosen so that no
//! linearization exists, and the argument stands with each object. It is chosen in a rehearsal that writes nothing,
//! so that a history that cannot hold the plant is refused before its first byte, and a long history is never
//! held in memory. What this does not do: no faults, no nodes, no clock but the virtual one.

mod dice;
mod objects;
mod palette;
mod plant;
mod replicas;
mod simulation;
mod watch;

pub use objects::{Generated, all};
pub use palette::{UnknownValues, Values};
pub use plant::{Plant, UnknownPlant};
pub use replicas::{Spelling, Store, StoreOptions, generate_store, stores};

use crate::history::formats::consistory::{EventLine, Payload, encode_event, encode_header};
use crate::history::{Actor, Header, Nanos, ProcessId, Value};
use dice::Dice;
use objects::{Initial, Setup};
use palette::Palette;
use plant::Plan;
use simulation::{Drive, Happening, Pace};
use std::io::{self, Write};

/// More operations than this make more events than a history may have.
pub const OPS_MAX: u64 = 1 << 30;
/// How many places are tried for a plant.
const REHEARSALS_MAX: u64 = 16;
/// Shares are kept in millionths.
const MILLIONTHS_PER_PERCENT: f64 = 10_000.0;

/// What to generate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The objects; one of [`all`].
    pub model: &'static Generated,
    /// How many operations, at most [`OPS_MAX`].
    pub ops: u64,
    /// How many clients call at the same time, at least 1.
    pub clients: u32,
    /// How many objects (registers, for the multi-register), at least 1.
    pub keys: u32,
    /// How many percent of its time a client has an operation open, above 0. The mean number of operations open at
    /// once on a key is `clients * overlap / 100 / keys`.
    pub overlap_percent: f64,
    /// The values to write.
    pub values: Values,
    /// How many percent of the operations only look, or take from a queue or stack; locks have none.
    pub read_percent: f64,
    /// How many percent of the operations end in doubt.
    pub info_percent: f64,
    /// How many percent of the operations are refused without effect.
    pub fail_percent: f64,
    /// How many may hold a semaphore at once, at least 1.
    pub permits: u32,
    /// The violation, if one is wanted.
    pub plant: Option<Plant>,
    /// Every other choice follows from this.
    pub seed: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Lines without the header.
    pub events: u64,
    /// Where the violation is.
    pub planted: Option<Planted>,
}

/// Where a planted violation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    /// What.
    pub plant: Plant,
    /// On which object.
    pub key: u32,
    /// The index of the event with which it became certain: everything up to it violates, once the operations open
    /// there have got their answers.
    pub index: u64,
}

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// An option that makes no sense.
    #[error("{option} must be {expected}")]
    Option {
        /// Its name on the command line.
        option: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A model that cannot commit the violation.
    #[error("'{plant}' cannot be planted in model '{model}'; it can have {possible}")]
    NotThisModel {
        /// The violation.
        plant: Plant,
        /// The model.
        model: &'static str,
        /// What can be planted in it.
        possible: String,
    },
    /// A violation that is only certain when no value repeats.
    #[error("'{plant}' is only certain to be a violation when no value repeats: use --values unique")]
    NeedsUniqueValues {
        /// The violation.
        plant: Plant,
    },
    /// A history in which the violation has no place.
    #[error(
        "no place for '{plant}' in this history ({tried} tried): it needs operations on one key that follow each other; use more --ops, fewer --keys, less --overlap, another --read-share or another --seed"
    )]
    NoPlace {
        /// The violation.
        plant: Plant,
        /// How many were tried.
        tried: u64,
    },
    /// The output cannot be written.
    #[error("cannot write the history")]
    Write(#[from] io::Error),
}

/// Writes a history.
///
/// # Errors
/// Impossible options and plants without a place before anything is written; what `out` says otherwise.
pub fn generate(options: &Options, out: &mut dyn Write) -> Result<Summary, GenerateError> {
    validate(options)?;
    let found = options.plant.map(|plant| rehearse(options, plant)).transpose()?;
    let (plan, planted) = found.unzip();
    out.write_all(encode_header(&header(options, planted)).as_bytes())?;
    let mut line = Vec::new();
    let mut events = 0;
    let mut sink = |happening: &Happening<'_>| {
        events += 1;
        line.clear();
        encode(&mut line, options.model, happening);
        out.write_all(&line)
    };
    run(options, plan, false, &mut sink)?;
    Ok(Summary { events, planted })
}

/// Finds a place for the plant: the first of several random ones at which the violation becomes certain.
fn rehearse(options: &Options, plant: Plant) -> Result<(Plan, Planted), GenerateError> {
    let mut dice = Dice::new(options.seed, PLACES);
    for _ in 0..REHEARSALS_MAX {
        let key = u32::try_from(dice.below(options.keys.into())).expect("below the number of keys");
        // Somewhere in the second quarter: late enough to have a past, early enough to have a future.
        let from = options.ops / 2 + dice.below(options.ops / 2 + 1);
        let plan = Plan { plant, key, from };
        if let Some(event) = run(options, Some(plan), true, &mut |_| Ok(()))? {
            let key = if options.model.keyed { key } else { 0 };
            return Ok((plan, Planted { plant, key, index: event - 1 }));
        }
    }
    Err(GenerateError::NoPlace { plant, tried: REHEARSALS_MAX })
}

/// The stream of [`Dice`] that the clients use.
const CLIENTS: u64 = 0;
/// The stream of [`Dice`] that chooses places for plants.
const PLACES: u64 = 1;

fn run(
    options: &Options,
    plan: Option<Plan>,
    until_planted: bool,
    sink: &mut dyn FnMut(&Happening<'_>) -> io::Result<()>,
) -> io::Result<Option<u64>> {
    let pace = Pace {
        ops: options.ops,
        clients: options.clients,
        overlap: millionths(options.overlap_percent).max(1),
        info: millionths(options.info_percent),
        fail: millionths(options.fail_percent),
    };
    let setup = Setup {
        keys: options.keys,
        clients: options.clients,
        permits: options.permits,
        palette: Palette::new(options.values),
        read_share: millionths(options.read_percent),
        plan,
    };
    let dice = Dice::new(options.seed, CLIENTS);
    let mut drive = Drive { pace, dice, sink, until_planted, planted: None, written: Ok(()) };
    (options.model.simulate)(&mut drive, setup);
    drive.written.map(|()| drive.planted)
}

fn validate(options: &Options) -> Result<(), GenerateError> {
    let percent = |value: f64| (0.0..=100.0).contains(&value);
    let checks = [
        (options.ops <= OPS_MAX, "--ops", "at most 1073741824"),
        ((1..1 << 30).contains(&options.clients), "--clients", "at least 1 and below 2^30"),
        (options.keys >= 1, "--keys", "at least 1"),
        (percent(options.overlap_percent) && options.overlap_percent > 0.0, "--overlap", "above 0 and at most 100"),
        (options.values != Values::Among(0), "--values", "'unique' or at least 1"),
        (percent(options.read_percent), "--read-share", "between 0 and 100"),
        (percent(options.info_percent), "--info", "between 0 and 100"),
        (percent(options.fail_percent), "--fail", "between 0 and 100"),
        (options.info_percent + options.fail_percent <= 100.0, "--info and --fail", "at most 100 together"),
        (options.permits >= 1, "--permits", "at least 1"),
    ];
    for (sound, option, expected) in checks {
        if !sound {
            return Err(GenerateError::Option { option, expected });
        }
    }
    let Some(plant) = options.plant else { return Ok(()) };
    if !options.model.plants.contains(&plant) {
        let possible = options.model.plants.iter().map(|plant| plant.word()).collect::<Vec<_>>().join(", ");
        return Err(GenerateError::NotThisModel { plant, model: options.model.name, possible });
    }
    if plant.needs_unique_values() && options.values != Values::Unique {
        return Err(GenerateError::NeedsUniqueValues { plant });
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage was validated to be one")]
fn millionths(percent: f64) -> u32 {
    (percent * MILLIONTHS_PER_PERCENT).round() as u32
}

fn header(options: &Options, planted: Option<Planted>) -> Header {
    let mut config = vec![
        ("ops", options.ops.to_string()),
        ("clients", options.clients.to_string()),
        ("keys", options.keys.to_string()),
        ("overlap", options.overlap_percent.to_string()),
        ("values", options.values.to_string()),
        ("read-share", options.read_percent.to_string()),
        ("info", options.info_percent.to_string()),
        ("fail", options.fail_percent.to_string()),
        ("permits", options.permits.to_string()),
        ("plant", options.plant.map_or("none", Plant::word).to_owned()),
    ];
    if let Some(planted) = planted {
        config.push(("planted-key", planted.key.to_string()));
        config.push(("planted-index", planted.index.to_string()));
    }
    Header {
        tool: Some(concat!("consistory ", env!("CARGO_PKG_VERSION")).to_owned()),
        config: config.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        workload: Some("gen".to_owned()),
        model: Some(options.model.name.to_owned()),
        initial: initial(options),
        claims: vec!["linearizable".to_owned()],
        seed: Some(options.seed),
        clock: Some("virtual ns".to_owned()),
        ..Header::default()
    }
}

fn initial(options: &Options) -> Option<Value> {
    match options.model.initial {
        Initial::Is(value) => Some(value.clone()),
        Initial::Text(text) => Some(Value::text(text)),
        Initial::Empty => Some(Value::List(Box::new([]))),
        Initial::Permits => Some(Value::Int(options.permits.into())),
        Initial::Unstated => None,
    }
}

fn encode(line: &mut Vec<u8>, model: &Generated, happening: &Happening<'_>) {
    let &Happening { index, time, process, phase, function, key, value, error } = happening;
    let actor = Actor::Client(ProcessId(process));
    let key = if model.keyed { Payload::Int(key.into()) } else { Payload::Absent };
    let value = Payload::Value(value);
    encode_event(
        line,
        &EventLine { index, time: Nanos(time), actor, phase, function, key, value, node: "", error, retry: None },
    );
}
