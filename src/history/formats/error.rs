//! What can be wrong with a history file, said so that its owner can repair it.
//!
//! Every error knows the input's name, the line and column (both from 1, columns in bytes) and a short piece
//! of the offending line; the message says what is wrong and what to do. It holds at most
//! [`EXCERPT_BYTES`] of the file, however long the line is.

use crate::history::builder::{Defect, DefectKind, Place};
use std::fmt;

/// The most bytes of an offending line that an error keeps and prints.
pub const EXCERPT_BYTES: usize = 120;

/// The longest line, or value spread over lines, that a reader takes into memory.
pub const LINE_BYTES_MAX: usize = 64 << 20;

/// How deep readers follow nested values.
pub(super) const DEPTH_MAX: usize = 127;

/// What is wrong inside a piece of text, and at which of its bytes (from 0).
#[derive(Debug)]
pub(super) struct BadText {
    pub at: usize,
    pub kind: ReadErrorKind,
}

/// The bytes as text; NUL is as wrong as what is not UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, BadText> {
    if bytes.contains(&0) {
        let at = bytes.iter().position(|&byte| byte == 0).unwrap_or_default();
        return Err(BadText { at, kind: ReadErrorKind::Nul });
    }
    std::str::from_utf8(bytes).map_err(|error| BadText { at: error.valid_up_to(), kind: ReadErrorKind::Utf8 })
}

/// Why a history could not be read.
#[derive(Debug)]
pub struct ReadError {
    /// The name of the input, as given to [`super::read`].
    pub input: String,
    /// Where; `None` when the input as a whole is meant.
    pub place: Option<Place>,
    /// What, and what to do.
    pub kind: Box<ReadErrorKind>,
    excerpt: Option<Excerpt>,
}

/// The ways in which a file is no history.
#[derive(Debug, thiserror::Error)]
pub enum ReadErrorKind {
    /// The input itself failed.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Compressed data that does not decompress, other than by ending early.
    #[error("the {method} stream is damaged: {cause}; decompress it by other means or fetch the file again")]
    Compression {
        /// `gzip` or `zstd`.
        method: &'static str,
        /// What the decompressor says.
        cause: String,
    },
    /// No byte, or no event and no header.
    #[error("the file is empty: there is no event in it; was the run stopped before its first operation?")]
    Empty,
    /// Nothing that any format recognises.
    #[error("this looks like no history format I know; name it with --from, one of: {known}")]
    Unrecognised {
        /// The names of all formats.
        known: String,
    },
    /// `--from` names no format.
    #[error("there is no history format '{name}'; --from takes one of: {known}")]
    UnknownFormat {
        /// What was asked for.
        name: String,
        /// The names of all formats.
        known: String,
    },
    /// A header of a version that this program does not know.
    #[error(
        "the file is of history version {found}, this program reads versions up to {known}; update consistory, or export the history with the program that wrote it"
    )]
    NewerVersion {
        /// The version in the file.
        found: u64,
        /// The newest version known here.
        known: u64,
    },
    /// The bytes are not of the format at all.
    #[error("{what}; correct the line or remove it together with its partner of the same process")]
    Syntax {
        /// What the parser says.
        what: String,
    },
    /// A line that stops in the middle although others follow.
    #[error(
        "this {what} is cut off, and not at the end of the file; a recorder was killed while writing and another went on: cut the file before this line"
    )]
    TornInside {
        /// What is not closed.
        what: &'static str,
    },
    /// Bytes that are not UTF-8.
    #[error("these bytes are not UTF-8; histories are UTF-8 text: convert the file, for instance with iconv")]
    Utf8,
    /// Zero bytes, as file systems leave them after a power failure.
    #[error(
        "there are NUL bytes here; a crashed machine leaves such holes in files: cut the file before this line and check what is left"
    )]
    Nul,
    /// A line, or value over several lines, of more than [`LINE_BYTES_MAX`].
    #[error(
        "this {what} is longer than 64 MiB; an event is one line of at most that: is this really a history, and not a file without line breaks?"
    )]
    TooLong {
        /// What is too long.
        what: &'static str,
    },
    /// A header that is not the first line.
    #[error("a second header: two files were joined; a file is one run: split it before this line")]
    SecondHeader,
    /// A type other than the four.
    #[error("unknown type {found}; an event's type is invoke, ok, fail or info")]
    UnknownType {
        /// What stands there.
        found: String,
    },
    /// A field that every event needs.
    #[error("the event has no '{field}'; every event needs {needed}")]
    MissingField {
        /// The field.
        field: &'static str,
        /// All fields that are needed.
        needed: &'static str,
    },
    /// A field of another shape than it must have.
    #[error("'{field}' is {found}, but must be {expected}")]
    WrongField {
        /// The field.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What must stand there.
        expected: &'static str,
    },
    /// A number that a value cannot hold.
    #[error(
        "the number {found} is not a whole number of 64 bits with sign (from -2^63 to 2^63-1); rounding would make different values equal: write it as a string"
    )]
    Number {
        /// The number as it stands.
        found: String,
    },
    /// A client value that is no pair although keys were asked for.
    #[error("the value {found} is no [key value] pair; read the file with --no-keyed if its values carry no keys")]
    NotKeyed {
        /// What stands there.
        found: String,
    },
    /// Values nested deeper than any real one.
    #[error("values are nested deeper than {limit} levels here; no model reads such values: flatten them")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Events that no recorder can have written.
    #[error(transparent)]
    Defect(#[from] DefectKind),
}

#[derive(Debug)]
struct Excerpt {
    text: String,
    /// How many characters stand before the offending one.
    caret: usize,
}

impl ReadError {
    /// An error about the input as a whole.
    pub(super) fn whole(kind: ReadErrorKind) -> Self {
        Self { input: String::new(), place: None, kind: Box::new(kind), excerpt: None }
    }

    /// An error about a line that is no longer at hand.
    pub(super) fn on_line(kind: ReadErrorKind, line: u32) -> Self {
        Self { place: Some(Place { line, column: 1 }), ..Self::whole(kind) }
    }

    /// An error at byte `at` (from 0) of the line `text`, which is line `line` (from 1) of the input.
    pub(super) fn in_line(kind: ReadErrorKind, line: u32, text: &[u8], at: usize) -> Self {
        let column = u32::try_from(at.saturating_add(1)).unwrap_or(u32::MAX);
        let excerpt = Some(excerpt(text, at));
        Self { place: Some(Place { line, column }), excerpt, ..Self::whole(kind) }
    }

    /// An error at byte `bad.at` of `text`, which begins on line `line` (from 1) at column `column` (from 0)
    /// and may go over several lines.
    pub(super) fn in_form(bad: BadText, text: &[u8], line: u32, column: u32) -> Self {
        let (before, after) = text.split_at(bad.at.min(text.len()));
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let end = after.iter().position(|&byte| byte == b'\n').unwrap_or(after.len());
        let breaks = line_breaks(before);
        let mut error = Self::in_line(bad.kind, line, &text[start..before.len() + end], before.len() - start);
        if let Some(place) = &mut error.place {
            place.line = place.line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
            if breaks == 0 {
                place.column = place.column.saturating_add(column);
            }
        }
        error
    }

    /// An event that the builder refused; the line's text is shown if it is known.
    pub(super) fn defect(defect: Defect, text: Option<&[u8]>) -> Self {
        let excerpt = text.map(|text| excerpt(text, (defect.place.column as usize).saturating_sub(1)));
        Self { place: Some(defect.place), excerpt, ..Self::whole(defect.kind.into()) }
    }

    pub(super) fn in_input(mut self, name: &str) -> Self {
        name.clone_into(&mut self.input);
        self
    }
}

impl From<ReadErrorKind> for ReadError {
    fn from(kind: ReadErrorKind) -> Self {
        Self::whole(kind)
    }
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::whole(ReadErrorKind::Io(error))
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.input.is_empty() {
            write!(f, "{}:", self.input)?;
        }
        if let Some(place) = self.place {
            write!(f, "{place}:")?;
        }
        let gap = if self.input.is_empty() && self.place.is_none() { "" } else { " " };
        write!(f, "{gap}{}", self.kind)?;
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n  {}\n  {:caret$}^", excerpt.text, "", caret = excerpt.caret)?;
        }
        Ok(())
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.kind {
            ReadErrorKind::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// How many lines end in `bytes`.
#[expect(clippy::naive_bytecount, reason = "the compiler turns it into vector instructions, no crate needed")]
pub(super) fn line_breaks(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// A window of `line` around byte `at`, made printable: one character a byte or so, no control characters.
fn excerpt(line: &[u8], at: usize) -> Excerpt {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let at = at.min(line.len());
    let start = if line.len() <= EXCERPT_BYTES { 0 } else { at.saturating_sub(EXCERPT_BYTES / 2) };
    let end = line.len().min(start + EXCERPT_BYTES);
    let mut text = String::from(if start > 0 { "…" } else { "" });
    text.push_str(&printable(&line[start..at]));
    let caret = text.chars().count();
    text.push_str(&printable(&line[at..end]));
    if end < line.len() {
        text.push('…');
    }
    Excerpt { text, caret }
}

fn printable(bytes: &[u8]) -> String {
    let shown = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    String::from_utf8_lossy(bytes).chars().map(shown).collect()
}

/// At most forty characters of something found in a file, for a message.
pub(super) fn shortened(found: &str) -> String {
    const SHOWN: usize = 40;
    let mut text: String = printable(found.as_bytes()).chars().take(SHOWN).collect();
    if found.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shown_around_the_column_and_never_whole() {
        let mut line = vec![b'a'; 100_000];
        line[50_000] = b'!';
        let error = ReadError::in_line(ReadErrorKind::Utf8, 7, &line, 50_000).in_input("h.jsonl");
        let shown = error.to_string();
        assert!(shown.starts_with("h.jsonl:7:50001: "), "{shown}");
        let lines: Vec<_> = shown.lines().collect();
        let caret = lines[2].chars().position(|c| c == '^').expect("a caret");
        assert_eq!(lines[1].chars().nth(caret), Some('!'));
        assert!(lines[1].len() < EXCERPT_BYTES + 20);
    }

    #[test]
    fn control_characters_of_a_file_never_reach_the_terminal() {
        let shown = ReadError::in_line(ReadErrorKind::Utf8, 1, b"\x1b[31m\xff\0x", 5).to_string();
        assert!(!shown.contains('\x1b') && !shown.contains('\0'));
    }
}
