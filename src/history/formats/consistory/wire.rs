//! One event line of the format, read by serde: any order of fields, any spacing, any value.
//!
//! Fields are first taken as raw slices of the line, so that an error knows its column exactly.

use super::super::error::{BadText, ReadErrorKind, shortened, utf8};
use super::super::json::{self, present};
use super::super::tables::Tables;
use crate::history::builder::{Actor, Event, Phase, Place, Retry};
use crate::history::columns::{Nanos, ProcessId};
use crate::history::symbols::{Symbol, Symbols};
use crate::history::value::ValueId;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The word for the injector of faults in place of a process number.
pub(super) const NEMESIS: &str = "nemesis";

/// What every event needs, for messages.
const NEEDED: &str = "process, type and f";

#[derive(Deserialize)]
struct WireEvent<'l> {
    #[serde(borrow, default, deserialize_with = "present")]
    time: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    process: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    r#type: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    f: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    key: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    node: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    attempt: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    previous: Option<&'l RawValue>,
    /// Only a header has it.
    #[serde(borrow, default, deserialize_with = "present")]
    consistory: Option<&'l RawValue>,
}

/// Reads one line, without its line break; `line` is its number from 1.
///
/// # Errors
/// What is wrong with it and at which byte (from 0).
pub(super) fn parse(text: &[u8], line: u32, tables: &mut Tables) -> Result<Event, BadText> {
    let text = utf8(text)?;
    let wire: WireEvent<'_> = serde_json::from_str(text).map_err(|error| json::diagnose(text, &error))?;
    if wire.consistory.is_some() {
        return Err(BadText { at: 0, kind: ReadErrorKind::SecondHeader });
    }
    let needed = |field, raw: Option<_>| {
        raw.ok_or(BadText { at: 0, kind: ReadErrorKind::MissingField { field, needed: NEEDED } })
    };
    let (process, kind, function) =
        (needed("process", wire.process)?, needed("type", wire.r#type)?, needed("f", wire.f)?);
    let line_text = Line(text);
    let key = wire.key.filter(|raw| raw.get() != "null");
    Ok(Event {
        time: wire.time.map_or(Ok(Nanos::UNKNOWN), |raw| line_text.time(raw))?,
        actor: line_text.actor(process)?,
        phase: line_text.phase(kind)?,
        function: line_text.function(function, &mut tables.functions)?,
        key: key.map_or(Ok(ValueId::ABSENT), |raw| line_text.value(raw, tables))?,
        value: wire.value.map_or(Ok(ValueId::ABSENT), |raw| line_text.value(raw, tables))?,
        node: wire.node.map_or(Ok(Symbol::NONE), |raw| line_text.node(raw, &mut tables.nodes))?,
        error: wire.error.map_or(Symbol::NONE, |raw| error_word(raw, &mut tables.errors)),
        retry: line_text.retry(wire.attempt, wire.previous)?,
        place: Place { line, column: 1 },
    })
}

/// The whole line, for the columns of its parts.
struct Line<'l>(&'l str);

impl<'l> Line<'l> {
    fn at(&self, raw: &RawValue) -> usize {
        raw.get().as_ptr() as usize - self.0.as_ptr() as usize
    }

    fn wrong(&self, raw: &RawValue, field: &'static str, expected: &'static str) -> BadText {
        let found = shortened(raw.get());
        BadText { at: self.at(raw), kind: ReadErrorKind::WrongField { field, found, expected } }
    }

    fn time(&self, raw: &RawValue) -> Result<Nanos, BadText> {
        if raw.get() == "null" {
            return Ok(Nanos::UNKNOWN);
        }
        let time = serde_json::from_str(raw.get()).ok().filter(|&time| time < Nanos::UNKNOWN.0);
        time.map(Nanos).ok_or_else(|| self.wrong(raw, "time", "a whole number of nanoseconds, 0 or more"))
    }

    /// Which attempt it is, and after whose. The first attempt may say that it is the first.
    fn retry(&self, attempt: Option<&'l RawValue>, previous: Option<&'l RawValue>) -> Result<Option<Retry>, BadText> {
        let given = |raw: Option<&'l RawValue>| raw.filter(|raw| raw.get() != "null");
        let Some(raw) = given(attempt) else { return Ok(None) };
        let number: u32 = serde_json::from_str(raw.get())
            .ok()
            .filter(|&number| number > 0)
            .ok_or_else(|| self.wrong(raw, "attempt", "the number of the attempt, 2 for the second"))?;
        if number == 1 {
            return Ok(None);
        }
        let Some(raw) = given(previous) else {
            return Err(self.wrong(raw, "attempt", "a number beside 'previous', the process of the attempt before"));
        };
        let process = serde_json::from_str(raw.get())
            .map_err(|_| self.wrong(raw, "previous", "the process that made the attempt before"))?;
        Ok(Some(Retry { attempt: number, previous: ProcessId(process) }))
    }

    fn actor(&self, raw: &RawValue) -> Result<Actor, BadText> {
        if let Ok(process) = serde_json::from_str(raw.get()) {
            return Ok(Actor::Client(ProcessId(process)));
        }
        match serde_json::from_str::<String>(raw.get()) {
            Ok(word) if word == NEMESIS => Ok(Actor::Nemesis),
            _ => Err(self.wrong(raw, "process", "a whole number from 0 to 4294967295, or \"nemesis\"")),
        }
    }

    fn phase(&self, raw: &RawValue) -> Result<Phase, BadText> {
        let word = serde_json::from_str::<String>(raw.get());
        match word.as_deref() {
            Ok("invoke") => Ok(Phase::Invoke),
            Ok("ok") => Ok(Phase::Ok),
            Ok("fail") => Ok(Phase::Fail),
            Ok("info") => Ok(Phase::Info),
            _ => Err(BadText { at: self.at(raw), kind: ReadErrorKind::UnknownType { found: shortened(raw.get()) } }),
        }
    }

    fn function(&self, raw: &'l RawValue, functions: &mut Symbols) -> Result<Symbol, BadText> {
        match serde_json::from_str::<String>(raw.get()) {
            Ok(word) if !word.is_empty() => Ok(functions.intern(&word)),
            _ => Err(self.wrong(raw, "f", "the name of a function, such as \"read\"")),
        }
    }

    fn node(&self, raw: &'l RawValue, nodes: &mut Symbols) -> Result<Symbol, BadText> {
        match serde_json::from_str::<Option<String>>(raw.get()) {
            Ok(word) => Ok(nodes.intern(word.as_deref().unwrap_or(""))),
            Err(_) => Err(self.wrong(raw, "node", "the name of a node, such as \"n1\"")),
        }
    }

    fn value(&self, raw: &RawValue, tables: &mut Tables) -> Result<ValueId, BadText> {
        json::intern(raw.get(), &mut tables.values).map_err(|error| BadText { at: self.at(raw) + error.at, ..error })
    }
}

/// Errors are for people: text as it is, anything else as the JSON that stands there.
fn error_word(raw: &RawValue, errors: &mut Symbols) -> Symbol {
    match serde_json::from_str::<Option<String>>(raw.get()) {
        Ok(word) => errors.intern(word.as_deref().unwrap_or("")),
        Err(_) => errors.intern(raw.get()),
    }
}
