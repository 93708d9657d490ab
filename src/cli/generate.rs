//! `consistory gen`: made-up histories for tests and measurements.
//!
//! Same arguments, same bytes. A file appears under its name only when it is complete.

use super::{Exit, Failed};
use crate::generate::{self, GenerateError, Generated, Options, Plant, Spelling, Store, StoreOptions, Summary, Values};
use anyhow::Context as _;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Make up a history from a seed: right by construction, or with one planted violation
#[derive(Args, Debug)]
pub(super) struct GenArgs {
    /// What the clients share
    #[arg(long, value_name = "MODEL", default_value = "register", value_parser = model_parser())]
    pub model: ModelChoice,
    /// How many operations
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub ops: u64,
    /// How many clients call at the same time
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub clients: u32,
    /// How many objects
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub keys: u32,
    /// Share of its time in which a client has an operation open; open at once per key are clients × this / keys
    #[arg(long, value_name = "PERCENT", default_value_t = 50.0)]
    pub overlap: f64,
    /// Values written: 'unique', or how many there are
    #[arg(long, value_name = "unique|N", default_value_t = Values::Unique)]
    pub values: Values,
    /// Share of operations that only look, or take from a queue or stack (locks have none)
    #[arg(long, value_name = "PERCENT", default_value_t = 50.0)]
    pub read_share: f64,
    /// Share of operations whose outcome nobody knows
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub info: f64,
    /// Share of operations that are refused without effect
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub fail: f64,
    /// How many may hold a semaphore at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub permits: u32,
    /// Reads and writes of one operation of a store (1: single reads and writes instead of transactions)
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub accesses: u32,
    /// How many replicas a store has
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub replicas: u32,
    /// How the history of a store is written: consistory, plume-text or awdit-text
    #[arg(long, value_name = "FORMAT", default_value = Spelling::Consistory.name())]
    pub spelling: Spelling,
    /// The violation to plant
    #[arg(long, value_name = "PLANT", default_value = "none", value_parser = plant_parser())]
    pub plant: PlantChoice,
    /// Every other choice follows from this
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Where to write; compressed if it ends in .gz or .zst [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A violation, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlantChoice(pub Option<Plant>);

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub(super) enum ModelChoice {
    /// A linearizable object.
    Object(&'static Generated),
    /// A store that keeps less.
    Store(&'static Store),
}

fn model_parser() -> impl TypedValueParser<Value = ModelChoice> {
    let objects = generate::all().iter().map(|model| (model.name, ModelChoice::Object(model)));
    let choices: Vec<_> =
        objects.chain(generate::stores().iter().map(|store| (store.name, ModelChoice::Store(store)))).collect();
    PossibleValuesParser::new(choices.iter().map(|(name, _)| *name).collect::<Vec<_>>()).map(move |word| {
        choices.iter().find(|(name, _)| *name == word).expect("clap admits the names of the list only").1
    })
}

fn plant_parser() -> impl TypedValueParser<Value = PlantChoice> {
    let words = std::iter::once("none").chain(Plant::ALL.map(Plant::word));
    PossibleValuesParser::new(words).map(|word| PlantChoice(word.parse().ok()))
}

/// Writes the history and says on standard error where its violation is.
///
/// # Errors
/// Options without sense, plants without a place, and what the file system says.
pub(super) fn run(args: &GenArgs) -> Result<Exit, Failed> {
    let write = |out: &mut dyn Write| write_history(args, out);
    let summary = match &args.output {
        None => to_stdout(&write),
        Some(path) => to_file(&write, path),
    };
    let summary = summary.map_err(|error| match error.downcast_ref() {
        None | Some(GenerateError::Write(_)) => Failed::environment(error),
        Some(_) => Failed::new(Exit::Usage, error),
    })?;
    tell(&summary, args);
    Ok(Exit::Holds)
}

fn write_history(args: &GenArgs, out: &mut dyn Write) -> Result<Summary, GenerateError> {
    match args.model {
        ModelChoice::Object(model) => {
            if args.spelling != Spelling::Consistory {
                return Err(GenerateError::Option { option: "--spelling", expected: "'consistory' for this model" });
            }
            let options = Options {
                model,
                ops: args.ops,
                clients: args.clients,
                keys: args.keys,
                overlap_percent: args.overlap,
                values: args.values,
                read_percent: args.read_share,
                info_percent: args.info,
                fail_percent: args.fail,
                permits: args.permits,
                plant: args.plant.0,
                seed: args.seed,
            };
            generate::generate(&options, out)
        }
        ModelChoice::Store(store) => {
            if args.values != Values::Unique || args.info != 0.0 || args.fail != 0.0 {
                let option = "--values, --info and --fail";
                return Err(GenerateError::Option { option, expected: "left alone for a store" });
            }
            let options = StoreOptions {
                store,
                ops: args.ops,
                sessions: args.clients,
                keys: args.keys,
                accesses: args.accesses,
                replicas: args.replicas,
                read_percent: args.read_share,
                plant: args.plant.0,
                spelling: args.spelling,
                seed: args.seed,
            };
            generate::generate_store(&options, out)
        }
    }
}

type Generate<'w> = &'w dyn Fn(&mut dyn Write) -> Result<Summary, GenerateError>;

fn to_stdout(write: Generate<'_>) -> anyhow::Result<Summary> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    let summary = write(&mut out)?;
    out.flush()?;
    Ok(summary)
}

const BUFFER_BYTES: usize = 1 << 18;

fn to_file(write: Generate<'_>, path: &Path) -> anyhow::Result<Summary> {
    if path.exists() && !path.is_file() {
        // A pipe or a device must not be replaced by a file.
        return write_to(write, path, path);
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = write_to(write, path, &partial).and_then(|summary| {
        fs::rename(&partial, path).with_context(|| format!("cannot rename to {}", path.display()))?;
        Ok(summary)
    });
    if written.is_err() {
        // The first error is the one to tell.
        drop(fs::remove_file(&partial));
    }
    written
}

/// Writes to `partial` in the encoding that the name of `path` asks for.
fn write_to(write: Generate<'_>, path: &Path, partial: &Path) -> anyhow::Result<Summary> {
    let file = File::create(partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let summary = match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => {
            let mut gzip = flate2::write::GzEncoder::new(&mut out, flate2::Compression::default());
            let summary = write(&mut gzip)?;
            gzip.finish()?;
            summary
        }
        Some("zst") => {
            let mut zstd = zstd::Encoder::new(&mut out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            let summary = write(&mut zstd)?;
            zstd.finish()?;
            summary
        }
        _ => write(&mut out)?,
    };
    out.flush()?;
    Ok(summary)
}

#[expect(clippy::print_stderr, reason = "a command tells people what it did")]
fn tell(summary: &Summary, args: &GenArgs) {
    let (Summary { events, planted }, seed) = (*summary, args.seed);
    let keeps = match args.model {
        ModelChoice::Object(_) => "linearizable",
        ModelChoice::Store(store) => store.claim,
    };
    match planted {
        None => eprintln!("{events} events, seed {seed}, {keeps} by construction"),
        Some(planted) => eprintln!(
            "{events} events, seed {seed}, {} planted in key {}, certain from event {} on",
            planted.plant, planted.key, planted.index
        ),
    }
}
