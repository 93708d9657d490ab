//! Our own format: JSON Lines, a header and then one event a line.
//!
//! Ties in time are concurrent. A file without a header is read with a warning, so that histories can be
//! written by hand. A last line without a line break that does not parse is a torn one: the history is what
//! came before. Everything else that does not parse is an error.

mod encode;
mod header;
mod wire;

pub use encode::{EventLine, Payload, encode_event};
pub use header::{VERSION, encode_header};

use super::error::{LINE_BYTES_MAX, ReadError, ReadErrorKind};
use super::json::JsonError;
use super::tables::Tables;
use super::{Format, FormatInfo, Input, ReadOptions};
use crate::history::builder::{HistoryBuilder, Ties};
use crate::history::columns::History;
use crate::history::header::Header;

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct Consistory;

impl Format for Consistory {
    fn info(&self) -> FormatInfo {
        FormatInfo {
            name: "consistory",
            about: "JSON Lines as consistory records them: a header, then one event a line",
            extensions: &["jsonl"],
        }
    }

    fn detects(&self, head: &[u8]) -> bool {
        let head = head.strip_prefix(BOM).unwrap_or(head).trim_ascii_start();
        let line = head.split(|&byte| byte == b'\n').next().unwrap_or(head);
        let has = |word: &[u8]| line.windows(word.len()).any(|window| window == word);
        line.starts_with(b"{") && (has(b"\"consistory\"") || has(b"\"process\"") && has(b"\"type\""))
    }

    fn read(&self, input: &mut Input<'_>, _: &ReadOptions) -> Result<History, ReadError> {
        let mut text = Vec::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let len = input.fill(&mut buffer)?;
            text.extend_from_slice(&buffer[..len]);
            if len < buffer.len() {
                break;
            }
        }
        let mut builder = HistoryBuilder::new(Header::default(), Ties::CallsFirst);
        read_lines(text.strip_prefix(BOM).unwrap_or(&text), &mut builder)?;
        if let Some(warning) = input.torn() {
            builder.warn(warning);
        }
        Ok(builder.finish())
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

fn read_lines(text: &[u8], builder: &mut HistoryBuilder) -> Result<(), ReadError> {
    for (line, text) in (1..).zip(text.split_inclusive(|&byte| byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let placed = |error: JsonError| ReadError::in_line(error.kind, line, text, error.at);
        if text.len() > LINE_BYTES_MAX {
            return Err(ReadError::in_line(ReadErrorKind::TooLong { what: "line" }, line, text, LINE_BYTES_MAX));
        }
        if line == 1 {
            if let Some(header) = header::parse(text).map_err(placed)? {
                *builder.header() = header;
                continue;
            }
            builder.warn(NO_HEADER.to_owned());
        }
        let mut tables = Tables::default();
        match wire::parse(text, line, &mut tables) {
            Ok(event) => {
                let event = tables.merge_into(builder).apply(&event);
                builder.push(&event).map_err(|defect| ReadError::defect(defect, Some(text)))?;
            }
            Err(_) if !text.ends_with(b"\n") => {
                builder.warn(format!("line {line} is torn; the history is what came before it"));
            }
            Err(error) => return Err(placed(error)),
        }
    }
    Ok(())
}

const NO_HEADER: &str = "there is no header line: the events are read all the same, but the backend, its \
                         model and initial value are unknown; if another tool wrote this, name its format";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::builder::{Actor, Phase};
    use crate::history::columns::{Nanos, Outcome, ProcessId};
    use crate::history::formats;
    use crate::history::value::Value;

    #[test]
    fn what_the_encoder_writes_reads_back() {
        let header = Header {
            tool: Some("consistory 0.1.0".into()),
            versions: vec![("redis".into(), "7.0.15".into())],
            model: Some("cas-register".into()),
            initial: Some(Value::Nil),
            claims: vec!["linearizable".into()],
            seed: Some(u64::MAX),
            ..Header::default()
        };
        let mut out = encode_header(&header).into_bytes();
        let event = EventLine {
            index: 0,
            time: Nanos(5),
            actor: Actor::Client(ProcessId(3)),
            phase: Phase::Invoke,
            function: "cas",
            key: Payload::Int(17),
            value: Payload::Ints(&[-3, 4]),
            node: "n\"1\u{1}",
            error: "",
        };
        encode_event(&mut out, &event);
        encode_event(
            &mut out,
            &EventLine { time: Nanos(1234), phase: Phase::Fail, error: "zeitüberschritten", ..event },
        );
        let history = formats::read(&out[..], "memory", None, &ReadOptions::default()).expect("well formed");
        assert_eq!(*history.header(), header);
        let operation = history.operations().next().expect("one operation");
        assert_eq!(operation.argument_value(), Value::List(Box::new([Value::Int(-3), Value::Int(4)])));
        assert_eq!((operation.outcome(), operation.node()), (Outcome::Rejected, "n\"1\u{1}"));
        assert_eq!((operation.error(), operation.key().as_small()), ("zeitüberschritten", Some(17)));
        assert_eq!(history.len(), 1);
    }
}
