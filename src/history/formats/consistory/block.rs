//! The events of one block of lines, in tables of the block's own.

use super::super::blocks::Block;
use super::super::error::ReadErrorKind;
use super::super::tables::Tables;
use super::fast::{self, Words};
use super::wire;
use crate::history::builder::Event;

/// What a block turned out to be. Lines are counted from 0 within it.
#[derive(Debug)]
pub(super) struct Parsed {
    pub block: Block,
    /// Where its events begin.
    start: usize,
    pub tables: Tables,
    pub events: Vec<Event>,
    /// How many lines there are, the unreadable one included.
    pub lines: u32,
    /// Why the rest of the block was not read.
    pub stop: Option<Stop>,
}

/// Where reading a block stopped.
#[derive(Debug)]
pub(super) struct Stop {
    /// Whether that is the end of a file whose last line is not whole.
    pub torn: bool,
    /// The line's first byte in the block.
    pub start: usize,
    /// The offending byte of the line, from 0.
    pub at: usize,
    pub kind: ReadErrorKind,
}

impl Parsed {
    /// The lines of the block, from where its events begin.
    pub(super) fn lines_from_start(&self) -> impl Iterator<Item = &[u8]> {
        self.block.bytes()[self.start..].split_inclusive(|&byte| byte == b'\n')
    }
}

/// Reads the lines of a block from byte `start` on.
pub(super) fn parse(block: Block, start: usize, mut events: Vec<Event>) -> Parsed {
    let text = block.bytes();
    let (mut tables, mut words) = (Tables::default(), Words::default());
    let (mut at, mut lines, mut stop) = (start, 0, None);
    events.clear();
    if block.too_long {
        let kind = ReadErrorKind::TooLong { what: "line" };
        stop = Some(Stop { torn: false, start: 0, at: 0, kind });
        at = text.len();
    }
    while at < text.len() {
        if let Some((event, len)) = fast::parse(&text[at..], lines, &mut tables, &mut words) {
            events.push(event);
            at += len;
            lines += 1;
            continue;
        }
        let line = line_at(text, at);
        if !line.trim_ascii().is_empty() {
            match wire::parse(line.trim_ascii_end(), lines, &mut tables) {
                Ok(event) => events.push(event),
                Err(error) => {
                    let torn = block.last && !line.ends_with(b"\n");
                    stop = Some(Stop { torn, start: at, at: error.at, kind: error.kind });
                    lines += 1;
                    break;
                }
            }
        }
        at += line.len();
        lines += 1;
    }
    Parsed { block, start, tables, events, lines, stop }
}

/// The line that begins at byte `start`, with its line break if it has one.
pub(super) fn line_at(text: &[u8], start: usize) -> &[u8] {
    let rest = &text[start..];
    rest.iter().position(|&byte| byte == b'\n').map_or(rest, |end| &rest[..=end])
}
