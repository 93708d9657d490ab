//! The JSON that dbcop reads: `{"data": [[{"events": [{"Write": {"variable": 0, "version": 1}}, …], "committed": true}]]}`,
//! sessions of transactions of events. A read whose version is null saw the initial value.
//!
//! The document is one value, so it is held in memory as a whole, up to [`LINE_BYTES_MAX`].

use super::error::{BadText, LINE_BYTES_MAX, ReadError, ReadErrorKind, line_breaks, utf8};
use super::sessions::{End, Sessions};
use super::{Format, FormatInfo, Input, ReadOptions};
use crate::history::builder::Place;
use crate::history::columns::History;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The format.
#[derive(Clone, Copy, Debug)]
pub(super) struct DbcopJson;

impl Format for DbcopJson {
    fn info(&self) -> FormatInfo {
        FormatInfo {
            name: "dbcop-json",
            about: "sessions of transactions as dbcop reads them: one JSON object with data",
            extensions: &["json"],
        }
    }

    fn detects(&self, head: &[u8]) -> bool {
        let has = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
        head.trim_ascii_start().starts_with(b"{") && has(b"\"data\"") && has(b"\"events\"")
    }

    fn read(&self, input: &mut Input<'_>, _: &ReadOptions) -> Result<History, ReadError> {
        let bytes = whole(input)?;
        let wrong = |bad| ReadError::in_form(bad, &bytes, 1, 0);
        let text = utf8(&bytes).map_err(wrong)?;
        let document: Document<'_> = serde_json::from_str(text).map_err(|error| wrong(bad(text, 0, &error)))?;
        let mut sessions = Sessions::new();
        let (mut line, mut counted) = (1, 0);
        for (session, transactions) in (0..).zip(&document.data) {
            for raw in transactions {
                let at = raw.get().as_ptr() as usize - text.as_ptr() as usize;
                line += u32::try_from(line_breaks(&bytes[counted..at])).unwrap_or(u32::MAX);
                counted = at;
                let read: Transaction =
                    serde_json::from_str(raw.get()).map_err(|error| wrong(bad(raw.get(), at, &error)))?;
                let accesses: Vec<_> = read.events.iter().map(|event| event.access(&mut sessions)).collect();
                let end = if read.committed { End::Committed } else { End::Aborted };
                sessions.push(session, &accesses, end, Place { line, column: 1 })?;
            }
        }
        if let Some(warning) = input.torn() {
            sessions.warn(warning);
        }
        Ok(sessions.finish(None))
    }
}

#[derive(Deserialize)]
struct Document<'l> {
    #[serde(borrow)]
    data: Vec<Vec<&'l RawValue>>,
}

#[derive(Deserialize)]
struct Transaction {
    events: Vec<Event>,
    committed: bool,
}

#[derive(Deserialize)]
enum Event {
    Read(ReadEvent),
    Write(WriteEvent),
}

#[derive(Deserialize)]
struct ReadEvent {
    variable: i64,
    version: Option<i64>,
}

#[derive(Deserialize)]
struct WriteEvent {
    variable: i64,
    version: i64,
}

impl Event {
    fn access(&self, sessions: &mut Sessions) -> crate::history::value::ValueId {
        match self {
            Self::Read(event) => sessions.access(false, event.variable, event.version),
            Self::Write(event) => sessions.access(true, event.variable, Some(event.version)),
        }
    }
}

fn whole(input: &mut Input<'_>) -> Result<Vec<u8>, ReadError> {
    let mut bytes = vec![0; 1 << 20];
    let mut len = 0;
    loop {
        len += input.fill(&mut bytes[len..])?;
        if len < bytes.len() {
            bytes.truncate(len);
            return Ok(bytes);
        }
        if len >= LINE_BYTES_MAX {
            return Err(ReadErrorKind::TooLong { what: "document" }.into());
        }
        bytes.resize(2 * len, 0);
    }
}

/// Where in the document a parser of `part`, which begins at byte `start`, stumbled.
fn bad(part: &str, start: usize, error: &serde_json::Error) -> BadText {
    let before: usize = part.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let said = error.to_string();
    let what = said.split(" at line ").next().unwrap_or(&said);
    let kind = ReadErrorKind::Syntax { what: format!("this is no history of dbcop: {what}") };
    BadText { at: start + before + error.column().saturating_sub(1), kind }
}
