//! Reads the format while somebody else still writes it: bytes as they arrive, events as far as lines are whole.
//!
//! What follows the last line break waits for the rest of its line. Lines are read by the same parser as those of a
//! finished file; what that one would call a torn last line never becomes one here.

use super::super::blocks::Block;
use super::super::error::{LINE_BYTES_MAX, ReadError, ReadErrorKind};
use super::block::{self, Parsed, line_at};
use super::{BOM, Consistory, Format, header};
use crate::history::builder::Event;
use crate::history::header::Header;
use crate::history::live::LiveHistory;

/// A file that grows.
#[derive(Debug, Default)]
pub struct Tail {
    /// The beginning of a line whose end has not arrived.
    carry: Vec<u8>,
    begun: bool,
    header: Option<Header>,
    /// How many lines have been read.
    lines: u32,
}

/// The events of some whole lines.
#[derive(Debug)]
pub struct Batch {
    parsed: Parsed,
    first_line: u32,
}

impl Tail {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The header, once the first line is whole and if it is one.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Takes the next bytes of the file; the result is what they complete.
    ///
    /// # Errors
    /// The first thing that is wrong. Nothing can be read after that.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Batch>, ReadError> {
        let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') else {
            self.carry.extend_from_slice(bytes);
            if self.carry.len() > LINE_BYTES_MAX {
                return Err(ReadError::on_line(ReadErrorKind::TooLong { what: "line" }, self.lines + 1));
            }
            return Ok(None);
        };
        let mut whole = std::mem::take(&mut self.carry);
        whole.extend_from_slice(&bytes[..=end]);
        self.carry.extend_from_slice(&bytes[end + 1..]);
        let start = if std::mem::replace(&mut self.begun, true) { 0 } else { self.begin(&whole)? };
        let first_line = self.lines + 1;
        let parsed = block::parse(Block::of(whole), start, Vec::new());
        self.lines += parsed.lines;
        if let Some(stop) = parsed.stop {
            let text = line_at(parsed.block.bytes(), stop.start);
            return Err(ReadError::in_line(stop.kind, self.lines, text, stop.at));
        }
        Ok(Some(Batch { parsed, first_line }))
    }

    /// Takes the header, if there is one, off the first lines; the result is where the events begin.
    fn begin(&mut self, text: &[u8]) -> Result<usize, ReadError> {
        let start = if text.starts_with(BOM) { BOM.len() } else { 0 };
        let line = line_at(text, start);
        if !Consistory.detects(line) {
            let known = Consistory.info().name.to_owned();
            return Err(ReadErrorKind::Unrecognised { known }.into());
        }
        self.header =
            header::parse(line.trim_ascii_end()).map_err(|error| ReadError::in_line(error.kind, 1, line, error.at))?;
        if self.header.is_none() {
            return Ok(start);
        }
        self.lines = 1;
        Ok(start + line.len())
    }
}

impl Batch {
    /// The events, in the tables of `live`.
    pub fn events_for(&self, live: &mut LiveHistory) -> impl Iterator<Item = Event> + use<'_> {
        let (values, functions) = live.tables();
        let names = self.parsed.tables.merge_values_into(values, functions);
        self.parsed.events.iter().map(move |event| {
            let mut event = names.apply_to_values(event);
            event.place.line += self.first_line;
            event
        })
    }
}
