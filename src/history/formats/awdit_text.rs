//! The text that AWDIT reads: `r key value` and `w key value`, `-----` between transactions, `=====` between sessions.
//!
//! The format does not say what a key holds at first. It is taken to be 0, unless somebody writes 0: then it is nil,
//! which no line can read.

use super::blocks::Blocks;
use super::error::{BadText, ReadError, ReadErrorKind};
use super::forms::Form;
use super::sessions::{self, End, Sessions};
use super::{Format, FormatInfo, Input, ReadOptions};
use crate::history::builder::Place;
use crate::history::columns::History;
use crate::history::value::ValueId;

/// The format.
#[derive(Clone, Copy, Debug)]
pub(super) struct AwditText;

const EXPECTED: &str = "a line is 'r key value' or 'w key value' in whole numbers, ----- after a transaction, or ===== \
                        after a session";

impl Format for AwditText {
    fn info(&self) -> FormatInfo {
        FormatInfo {
            name: "awdit-text",
            about: "transactions as AWDIT reads them: r key value, w key value, lines of dashes and equal signs between",
            extensions: &["txt"],
        }
    }

    fn detects(&self, head: &[u8]) -> bool {
        let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        lines.next().is_some_and(|first| matches!(line(first), Ok(Line::Access { .. })))
    }

    fn read(&self, input: &mut Input<'_>, _: &ReadOptions) -> Result<History, ReadError> {
        let mut reader =
            Reader { sessions: Sessions::new(), session: 0, accesses: Vec::new(), place: Place::default() };
        let mut blocks = Blocks::new(input);
        let mut number = 0;
        while let Some(block) = blocks.next()? {
            let mut left = block.bytes();
            while !left.is_empty() {
                number += 1;
                if !block.too_long
                    && let Some((line, rest)) = quick(left)
                {
                    reader.take(&line, number)?;
                    left = rest;
                    continue;
                }
                let end = left.iter().position(|&byte| byte == b'\n').map_or(left.len(), |at| at + 1);
                let (text, rest) = left.split_at(end);
                left = rest;
                let form = Form { text, line: number, column: 0 };
                if block.too_long {
                    return Err(form.error(BadText { at: 0, kind: ReadErrorKind::TooLong { what: "line" } }));
                }
                let trimmed = text.trim_ascii();
                if !trimmed.is_empty() {
                    let read = line(trimmed).map_err(|at| {
                        let kind = ReadErrorKind::Syntax { what: EXPECTED.to_owned() };
                        form.error(BadText { at: at + text.len() - text.trim_ascii_start().len(), kind })
                    })?;
                    reader.take(&read, number)?;
                }
            }
            blocks.recycle(block);
        }
        if let Some(warning) = input.torn() {
            reader.sessions.warn(warning);
        }
        reader.end_transaction()?;
        let initial = reader.sessions.zero_unless_written();
        Ok(reader.sessions.finish(Some(initial)))
    }
}

enum Line {
    Access { writes: bool, key: i64, value: i64 },
    EndOfTransaction,
    EndOfSession,
}

/// The first line, if it is an access spelled with single spaces and has its line break, and what follows it.
#[inline]
fn quick(text: &[u8]) -> Option<(Line, &[u8])> {
    let (writes, rest) = match text {
        [b'r', b' ', rest @ ..] => (false, rest),
        [b'w', b' ', rest @ ..] => (true, rest),
        _ => return None,
    };
    let (key, rest) = sessions::number(rest)?;
    let (value, rest) = sessions::number(rest.strip_prefix(b" ")?)?;
    Some((Line::Access { writes, key, value }, rest.strip_prefix(b"\n")?))
}

/// What a line says, or the byte at which it does not.
fn line(line: &[u8]) -> Result<Line, usize> {
    let is_all = |byte: u8| line.len() >= 3 && line.iter().all(|&other| other == byte);
    if is_all(b'-') {
        return Ok(Line::EndOfTransaction);
    }
    if is_all(b'=') {
        return Ok(Line::EndOfSession);
    }
    let text = std::str::from_utf8(line).map_err(|error| error.valid_up_to())?;
    let at = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    let mut words = text.split_ascii_whitespace();
    let writes = match words.next() {
        Some("r") => false,
        Some("w") => true,
        _ => return Err(0),
    };
    let mut number = || {
        let word = words.next().ok_or(text.len())?;
        word.parse().map_err(|_| at(word))
    };
    let access = Line::Access { writes, key: number()?, value: number()? };
    words.next().map_or(Ok(access), |more| Err(at(more)))
}

struct Reader {
    sessions: Sessions,
    session: u32,
    accesses: Vec<ValueId>,
    place: Place,
}

impl Reader {
    fn take(&mut self, line: &Line, number: u32) -> Result<(), ReadError> {
        match *line {
            Line::Access { writes, key, value } => {
                if self.accesses.is_empty() {
                    self.place = Place { line: number, column: 1 };
                }
                let access = self.sessions.access(writes, key, Some(value));
                self.accesses.push(access);
            }
            Line::EndOfTransaction => self.end_transaction()?,
            Line::EndOfSession => {
                self.end_transaction()?;
                self.session += 1;
            }
        }
        Ok(())
    }

    fn end_transaction(&mut self) -> Result<(), ReadError> {
        if self.accesses.is_empty() {
            return Ok(());
        }
        self.sessions.push(self.session, &self.accesses, End::Committed, self.place)?;
        self.accesses.clear();
        Ok(())
    }
}
