//! Jepsen's `history.edn`: operations as maps, one a line or inside one vector or list.
//!
//! Keys may come in any order and beside unknown ones; the maps may be tagged. Numbers must be whole except
//! in what faults carry. `:value [k v]` of independent keys is split as [`super::jepsen`] describes.

use super::edn::Edn;
use super::error::{BadText, ReadError, ReadErrorKind, shortened, utf8};
use super::forms::Forms;
use super::jepsen::{self, Collector, Operation};
use super::{Format, FormatInfo, Input, ReadOptions, porcupine_kv_log};
use crate::history::columns::History;
use crate::history::value::Values;

/// The format.
#[derive(Clone, Copy, Debug)]
pub(super) struct JepsenEdn;

impl Format for JepsenEdn {
    fn info(&self) -> FormatInfo {
        FormatInfo {
            name: "jepsen-edn",
            about: "Jepsen's history.edn: operations as EDN maps, one a line or in one vector",
            extensions: &["edn"],
        }
    }

    fn detects(&self, head: &[u8]) -> bool {
        first_event(head).is_some() && !porcupine_kv_log::looks_like_one(head)
    }

    fn read(&self, input: &mut Input<'_>, options: &ReadOptions) -> Result<History, ReadError> {
        read_events(input, options, KeyField::Ignored)
    }
}

/// Whether `:key` is a field of its own or one of the unknown ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyField {
    Ignored,
    Read,
}

/// The text from the first map on, if what stands before it is only what may stand before events.
pub(super) fn first_event(head: &[u8]) -> Option<&[u8]> {
    let mut rest = head.trim_ascii_start();
    loop {
        match rest.first()? {
            b';' => {
                let end = rest.iter().position(|&byte| byte == b'\n')?;
                rest = rest[end..].trim_ascii_start();
            }
            b'[' | b'(' => rest = rest[1..].trim_ascii_start(),
            b'#' => {
                let end = rest.iter().position(|&byte| byte == b'{')?;
                rest = &rest[end..];
            }
            b'{' => return rest[1..].trim_ascii_start().starts_with(b":").then_some(rest),
            _ => return None,
        }
    }
}

pub(super) fn read_events(
    input: &mut Input<'_>,
    options: &ReadOptions,
    key_field: KeyField,
) -> Result<History, ReadError> {
    let mut collector = Collector::new();
    let mut forms = Forms::new(input);
    while let Some(form) = forms.next()? {
        let wrong = |bad| form.error(bad);
        let mut edn = Edn::new(utf8(form.text).map_err(wrong)?);
        // A discarded form at the top level is nothing at all.
        if edn.peek().map_err(wrong)?.is_none() {
            continue;
        }
        let operation = operation(&mut edn, key_field, collector.values()).map_err(wrong)?;
        collector.push(operation, &form)?;
    }
    for warning in forms.into_warnings() {
        collector.warn(warning);
    }
    collector.finish(options)
}

fn operation<'t>(edn: &mut Edn<'t>, key_field: KeyField, values: &mut Values) -> Result<Operation<'t>, BadText> {
    edn.skip_tags()?;
    if edn.peek()? != Some(b'{') {
        return edn.fail("an event must be a map such as {:process 0, :type :invoke, :f :read, :value nil}");
    }
    edn.eat();
    let mut operation = Operation::default();
    while edn.peek()? != Some(b'}') {
        match edn.word()? {
            Some(":type") => operation.phase = Some(phase(edn)?),
            Some(":process") => operation.actor = field(edn, "process", jepsen::PROCESS, jepsen::actor)?,
            Some(":time") => {
                let time = field(edn, "time", "a whole number of nanoseconds", jepsen::time)?;
                operation.time = time.unwrap_or(operation.time);
            }
            Some(":f") => operation.function = name(edn.raw()?),
            Some(":error") => operation.error = name(edn.raw()?),
            Some(":node") => operation.node = name(edn.raw()?),
            Some(":value") => operation.value = edn.value(values)?,
            Some(":key") if key_field == KeyField::Read => operation.key = edn.value(values)?,
            Some(_) => edn.skip()?,
            None => {
                edn.skip()?;
                edn.skip()?;
            }
        }
    }
    operation.bad_number = edn.take_bad_number();
    Ok(operation)
}

/// A field of one word; `nil` is as good as no field.
fn field<T>(
    edn: &mut Edn<'_>,
    field: &'static str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, BadText> {
    edn.peek()?;
    let at = edn.at();
    let raw = edn.raw()?;
    if raw == "nil" {
        return Ok(None);
    }
    let wrong = || ReadErrorKind::WrongField { field, found: shortened(raw), expected };
    parse(name(raw)).map(Some).ok_or_else(|| BadText { at, kind: wrong() })
}

fn phase(edn: &mut Edn<'_>) -> Result<crate::history::builder::Phase, BadText> {
    edn.peek()?;
    let at = edn.at();
    let raw = edn.raw()?;
    let found = || ReadErrorKind::UnknownType { found: shortened(raw) };
    jepsen::phase(name(raw)).ok_or_else(|| BadText { at, kind: found() })
}

/// A keyword without its colon, a string without its quotes, anything else as it stands.
fn name(raw: &str) -> &str {
    let word = raw.strip_prefix(':').unwrap_or(raw);
    let word = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word);
    if word == "nil" { "" } else { word }
}
