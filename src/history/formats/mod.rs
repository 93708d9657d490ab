//! The formats in which histories come: one file each, wire types private to it.
//!
//! A format turns an [`Input`] into a validated [`History`]. It reads streams and opens no files; what it
//! cannot read it refuses with a [`ReadError`] that names the place. A file that merely stops early (a killed
//! recorder, a torn line or stream) is the history of everything before, with a warning.
//!
//! To add one: write `name.rs` with a unit struct that implements [`Format`], add `mod name;` below, and
//! list it in [`all`]. Help, completions and documents take names and descriptions from there.

mod awdit_text;
mod blocks;
pub mod consistory;
mod dbcop_json;
mod edn;
mod error;
mod forms;
mod input;
mod jepsen;
mod jepsen_edn;
mod jepsen_json;
mod jepsen_log;
mod json;
mod pipeline;
mod plume_text;
mod porcupine_kv_log;
mod sessions;
mod tables;

pub use error::{EXCERPT_BYTES, LINE_BYTES_MAX, ReadError, ReadErrorKind};
pub use input::Input;

use super::columns::History;
use std::io::Read;

/// What people are told about a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatInfo {
    /// The name that `--from` takes.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// Usual endings of file names, without the dot; none is ever required.
    pub extensions: &'static [&'static str],
}

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Whether values are `[key value]` pairs of independent objects; `None` leaves it to the reader, which
    /// says in a warning when it took them for pairs. Formats with a field for the key ignore it.
    pub keyed: Option<bool>,
    /// How many threads may parse, at least 1.
    pub threads: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { keyed: None, threads: 1 }
    }
}

/// A format that histories come in.
pub trait Format: Sync {
    /// Its name and description.
    fn info(&self) -> FormatInfo;

    /// Whether a file that begins with `head` is one. `head` may end anywhere. At most one format of
    /// [`all`] says yes to a file it can read; the first one is taken.
    fn detects(&self, head: &[u8]) -> bool;

    /// Reads a whole history.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    fn read(&self, input: &mut Input<'_>, options: &ReadOptions) -> Result<History, ReadError>;
}

/// Every format, our own first.
#[must_use]
pub fn all() -> &'static [&'static dyn Format] {
    &[
        &consistory::Consistory,
        &jepsen_edn::JepsenEdn,
        &jepsen_json::JepsenJson,
        &jepsen_log::JepsenLog,
        &porcupine_kv_log::PorcupineKvLog,
        &plume_text::PlumeText,
        &awdit_text::AwditText,
        &dbcop_json::DbcopJson,
    ]
}

/// The format of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Format> {
    all().iter().copied().find(|format| format.info().name == name)
}

/// The JSON Schema of a line of our own format.
#[must_use]
pub fn schema() -> &'static str {
    include_str!("../../../docs/history.schema.json")
}

/// Reads a history from a stream, plain or compressed with gzip or zstd.
///
/// `name` is what errors call the input, such as its path; `from` names the format, `None` recognises it.
///
/// # Errors
/// The first thing that is wrong with the input.
pub fn read(source: impl Read, name: &str, from: Option<&str>, options: &ReadOptions) -> Result<History, ReadError> {
    read_as(source, from, options).map_err(|error| error.in_input(name))
}

fn read_as(source: impl Read, from: Option<&str>, options: &ReadOptions) -> Result<History, ReadError> {
    let known = || all().iter().map(|format| format.info().name).collect::<Vec<_>>().join(" ");
    let format = from
        .map(|name| find(name).ok_or_else(|| ReadErrorKind::UnknownFormat { name: name.to_owned(), known: known() }))
        .transpose()?;
    let mut input = Input::open(source)?;
    if input.head().iter().all(u8::is_ascii_whitespace) && input.head().len() < input::HEAD_BYTES {
        return Err(ReadErrorKind::Empty.into());
    }
    let format = match format {
        Some(format) => format,
        None => *all()
            .iter()
            .find(|format| format.detects(input.head()))
            .ok_or_else(|| ReadErrorKind::Unrecognised { known: known() })?,
    };
    format.read(&mut input, options)
}
