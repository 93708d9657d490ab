//! Our own format: JSON Lines, a header and then one event a line.
//!
//! Ties in time are concurrent. A file without a header is read with a warning, so that histories can be
//! written by hand. A last line without a line break that does not parse is a torn one: the history is what
//! came before. Everything else that does not parse is an error.

mod block;
mod encode;
mod fast;
mod header;
mod tail;
mod wire;

pub use encode::{EventLine, Payload, encode_event, encode_stamp, encode_unstamped};
pub use header::{VERSION, encode_header};
pub use tail::{Batch, Tail};

use super::blocks::{Block, Blocks};
use super::error::{ReadError, ReadErrorKind};
use super::pipeline::{self, Ends};
use super::{Format, FormatInfo, Input, ReadOptions};
use crate::history::builder::{Defect, DefectKind, Event, HistoryBuilder, Ties};
use crate::history::columns::History;
use crate::history::header::Header;
use block::{Parsed, line_at};

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

    fn read(&self, input: &mut Input<'_>, options: &ReadOptions) -> Result<History, ReadError> {
        let builder = HistoryBuilder::new(Header::default(), Ties::CallsFirst);
        let mut reading = Reading {
            blocks: Blocks::new(input),
            builder,
            lines_before: 0,
            first: true,
            headed: false,
            spare: Vec::new(),
        };
        let done = pipeline::run(options.threads, &mut reading, |piece: Piece| {
            block::parse(piece.block, piece.start, piece.events)
        });
        let Reading { mut builder, headed, .. } = reading;
        done?;
        if let Some(warning) = input.torn() {
            builder.warn(warning);
        }
        let history = builder.finish();
        if history.is_empty() && history.faults().is_empty() && !headed {
            return Err(ReadErrorKind::Empty.into());
        }
        Ok(history)
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A block to parse from byte `start` on, and memory for its events.
struct Piece {
    block: Block,
    start: usize,
    events: Vec<Event>,
}

/// Blocks on their way into the builder.
struct Reading<'i, 'r> {
    blocks: Blocks<'i, 'r>,
    builder: HistoryBuilder,
    /// How many lines the blocks taken so far had.
    lines_before: u32,
    first: bool,
    /// Whether there was a header.
    headed: bool,
    spare: Vec<Vec<Event>>,
}

impl Ends for Reading<'_, '_> {
    type Piece = Piece;
    type Done = Parsed;
    type Error = ReadError;

    fn next(&mut self) -> Result<Option<Piece>, ReadError> {
        let Some(block) = self.blocks.next()? else { return Ok(None) };
        let start = if std::mem::take(&mut self.first) { self.begin(&block)? } else { 0 };
        Ok(Some(Piece { block, start, events: self.spare.pop().unwrap_or_default() }))
    }

    fn take(&mut self, done: Parsed) -> Result<(), ReadError> {
        let first_line = self.lines_before + 1;
        let names = done.tables.merge_into(&mut self.builder);
        for event in &done.events {
            let mut event = names.apply(event);
            event.place.line += first_line;
            self.builder.push(&event).map_err(|defect| refused(defect, &done, first_line))?;
        }
        if let Some(stop) = done.stop {
            let line = self.lines_before + done.lines.max(1);
            if !stop.torn {
                let text = line_at(done.block.bytes(), stop.start);
                return Err(ReadError::in_line(stop.kind, line, text, stop.at));
            }
            self.builder.warn(format!("line {line} is torn; the history is what came before it"));
        }
        self.lines_before += done.lines;
        self.blocks.recycle(done.block);
        self.spare.push(done.events);
        Ok(())
    }
}

impl Reading<'_, '_> {
    /// Takes the header, if there is one, off the first block; the result is where the events begin.
    fn begin(&mut self, block: &Block) -> Result<usize, ReadError> {
        if block.too_long {
            return Ok(0);
        }
        let text = block.bytes();
        let start = if text.starts_with(BOM) { BOM.len() } else { 0 };
        let line = line_at(text, start);
        match header::parse(line.trim_ascii_end()) {
            Ok(Some(header)) => {
                *self.builder.header() = header;
                self.lines_before = 1;
                self.headed = true;
                Ok(start + line.len())
            }
            Ok(None) => {
                self.builder.warn(NO_HEADER.to_owned());
                Ok(start)
            }
            // The recorder was killed before its first line was out.
            Err(_) if !line.ends_with(b"\n") => Err(ReadErrorKind::Empty.into()),
            Err(error) => Err(ReadError::in_line(error.kind, 1, line, error.at)),
        }
    }
}

/// The builder's refusal, with the column of the field that is to blame.
fn refused(mut defect: Defect, parsed: &Parsed, first_line: u32) -> ReadError {
    let field: &[u8] = match defect.kind {
        DefectKind::TimeBackwards { .. } => b"\"time\"",
        DefectKind::OtherFunction { .. } => b"\"f\"",
        DefectKind::OtherKey { .. } => b"\"key\"",
        _ => b"\"process\"",
    };
    let number = (defect.place.line - first_line) as usize;
    let line = parsed.lines_from_start().nth(number).unwrap_or_default();
    let at = line.windows(field.len()).position(|window| window == field).unwrap_or(0);
    defect.place.column = u32::try_from(at + 1).unwrap_or(u32::MAX);
    ReadError::defect(defect, Some(line))
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
            retry: None,
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
