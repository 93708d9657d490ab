//! The operations in a `jepsen.log`: `INFO  jepsen.util - 2 :invoke :write 4`, tabs or spaces between.
//!
//! A word for the value of a failed or indeterminate operation, such as `:timed-out`, is its error. Other
//! lines of the log are skipped, and a warning says how many.

use super::blocks::Blocks;
use super::edn::Edn;
use super::error::{BadText, ReadError, ReadErrorKind, shortened, utf8};
use super::forms::Form;
use super::jepsen::{self, Collector, Operation};
use super::{Format, FormatInfo, Input, ReadOptions};
use crate::history::builder::{Actor, Phase};
use crate::history::columns::History;
use crate::history::value::Values;

/// The format.
#[derive(Clone, Copy, Debug)]
pub(super) struct JepsenLog;

/// Where Jepsen logs operations from.
const LOGGER: &str = "jepsen.util";

impl Format for JepsenLog {
    fn info(&self) -> FormatInfo {
        FormatInfo {
            name: "jepsen-log",
            about: "the operations in a jepsen.log, such as Porcupine's recordings of etcd",
            extensions: &["log"],
        }
    }

    fn detects(&self, head: &[u8]) -> bool {
        let mut lines = head.split(|&byte| byte == b'\n');
        lines.any(|line| std::str::from_utf8(line).is_ok_and(|line| operation_text(line).is_some()))
    }

    fn read(&self, input: &mut Input<'_>, options: &ReadOptions) -> Result<History, ReadError> {
        let mut collector = Collector::new();
        let mut blocks = Blocks::new(input);
        let (mut line, mut skipped) = (0, 0_usize);
        while let Some(block) = blocks.next()? {
            for text in block.bytes().split_inclusive(|&byte| byte == b'\n') {
                line += 1;
                let form = Form { text, line, column: 0 };
                if block.too_long {
                    return Err(form.error(BadText { at: 0, kind: ReadErrorKind::TooLong { what: "line" } }));
                }
                let read = utf8(text).and_then(|text| operation(text, collector.values()));
                match read {
                    Ok(Some(operation)) => collector.push(operation, &form)?,
                    Ok(None) => skipped += usize::from(!text.trim_ascii().is_empty()),
                    Err(_) if block.last && !text.ends_with(b"\n") => {
                        collector.warn(format!("line {line} is torn; the history is what came before it"));
                    }
                    Err(bad) => return Err(form.error(bad)),
                }
            }
            blocks.recycle(block);
        }
        if skipped > 0 {
            collector.warn(format!("{skipped} lines of the log are no operations and were skipped"));
        }
        if let Some(warning) = input.torn() {
            collector.warn(warning);
        }
        collector.finish(options)
    }
}

/// The part of a line from the process on, if the line is an operation.
fn operation_text(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(LOGGER)?;
    let rest = rest.trim_start_matches([' ', '\t', '-']);
    let (process, rest_of_operation) = rest.split_once([' ', '\t'])?;
    let process = process.strip_prefix(':').unwrap_or(process);
    (jepsen::actor(process).is_some() && rest_of_operation.trim_start().starts_with(':')).then_some(rest)
}

fn operation<'l>(line: &'l str, values: &mut Values) -> Result<Option<Operation<'l>>, BadText> {
    let Some(text) = operation_text(line) else { return Ok(None) };
    let start = text.as_ptr() as usize - line.as_ptr() as usize;
    let mut edn = Edn::new(text);
    fields(&mut edn, values).map(Some).map_err(|bad| BadText { at: start + bad.at, ..bad })
}

fn fields<'l>(edn: &mut Edn<'l>, values: &mut Values) -> Result<Operation<'l>, BadText> {
    let keyword = |word: &'l str| word.strip_prefix(':').unwrap_or(word);
    let actor = edn.word()?.and_then(|word| jepsen::actor(keyword(word)));
    edn.peek()?;
    let at = edn.at();
    let kind = edn.raw()?;
    let unknown = || BadText { at, kind: ReadErrorKind::UnknownType { found: shortened(kind) } };
    let phase = jepsen::phase(keyword(kind)).ok_or_else(unknown)?;
    let mut operation = Operation { actor, phase: Some(phase), function: keyword(edn.raw()?), ..Operation::default() };
    let fault = actor == Some(Actor::Nemesis);
    match edn.peek()? {
        None => {}
        Some(b':') if matches!(phase, Phase::Fail | Phase::Info) && !fault => operation.error = keyword(edn.raw()?),
        Some(_) => operation.value = edn.value(values)?,
    }
    if edn.peek()?.is_some() && operation.error.is_empty() {
        operation.error = keyword(edn.raw()?);
    }
    operation.bad_number = edn.take_bad_number().filter(|_| !fault);
    if let Some(bad) = operation.bad_number.take() {
        return Err(bad);
    }
    Ok(operation)
}
