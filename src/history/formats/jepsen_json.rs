//! Jepsen's operations as JSON objects, one a line or inside one array, as elle-cli reads them.
//!
//! Fields may come in any order and beside unknown ones. Words may keep the colon of a keyword.

use super::error::{BadText, ReadError, ReadErrorKind, shortened, utf8};
use super::forms::Forms;
use super::jepsen::{self, Collector, Operation};
use super::json::{self, present};
use super::{Format, FormatInfo, Input, ReadOptions};
use crate::history::columns::History;
use crate::history::value::{ValueId, Values};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The format.
#[derive(Clone, Copy, Debug)]
pub(super) struct JepsenJson;

impl Format for JepsenJson {
    fn info(&self) -> FormatInfo {
        FormatInfo {
            name: "jepsen-json",
            about: "Jepsen operations as JSON objects in one array, or one a line when named with --from",
            extensions: &["json"],
        }
    }

    fn detects(&self, head: &[u8]) -> bool {
        let head = head.trim_ascii_start();
        let inside = head.strip_prefix(b"[").unwrap_or_default().trim_ascii_start();
        inside.strip_prefix(b"{").unwrap_or_default().trim_ascii_start().starts_with(b"\"")
    }

    fn read(&self, input: &mut Input<'_>, options: &ReadOptions) -> Result<History, ReadError> {
        let mut collector = Collector::new();
        let mut forms = Forms::new(input);
        while let Some(form) = forms.next()? {
            let wrong = |bad| form.error(bad);
            let text = utf8(form.text).map_err(wrong)?;
            let words = Words::of(text).map_err(wrong)?;
            let operation = words.operation(text, collector.values()).map_err(wrong)?;
            collector.push(operation, &form)?;
        }
        for warning in forms.into_warnings() {
            collector.warn(warning);
        }
        collector.finish(options)
    }
}

#[derive(Deserialize)]
struct WireOperation<'l> {
    #[serde(borrow, default, deserialize_with = "present")]
    r#type: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    process: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    time: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    f: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    node: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'l RawValue>,
}

/// An operation's raw fields, and its words without quotes.
struct Words<'l> {
    raw: WireOperation<'l>,
    kind: Cow<'l, str>,
    process: Cow<'l, str>,
    function: Cow<'l, str>,
    node: Cow<'l, str>,
    error: Cow<'l, str>,
}

impl<'l> Words<'l> {
    fn of(text: &'l str) -> Result<Self, BadText> {
        if !text.starts_with('{') {
            let what =
                "an event must be an object such as {\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}".to_owned();
            return Err(BadText { at: 0, kind: ReadErrorKind::Syntax { what } });
        }
        let raw: WireOperation<'l> = serde_json::from_str(text).map_err(|error| json::diagnose(text, &error))?;
        Ok(Self {
            kind: word(raw.r#type),
            process: word(raw.process),
            function: word(raw.f),
            node: word(raw.node),
            error: word(raw.error),
            raw,
        })
    }

    fn operation(&self, text: &str, values: &mut Values) -> Result<Operation<'_>, BadText> {
        let at = |raw: &RawValue| raw.get().as_ptr() as usize - text.as_ptr() as usize;
        let wrong = |raw: &RawValue, field, expected| {
            let found = shortened(raw.get());
            BadText { at: at(raw), kind: ReadErrorKind::WrongField { field, found, expected } }
        };
        let mut operation =
            Operation { function: &self.function, node: &self.node, error: &self.error, ..Operation::default() };
        if let Some(raw) = self.raw.r#type {
            let found = || ReadErrorKind::UnknownType { found: shortened(raw.get()) };
            let phase = jepsen::phase(&self.kind).ok_or_else(|| BadText { at: at(raw), kind: found() })?;
            operation.phase = Some(phase);
        }
        if let Some(raw) = self.raw.process.filter(is_there) {
            let actor = jepsen::actor(&self.process).ok_or_else(|| wrong(raw, "process", jepsen::PROCESS))?;
            operation.actor = Some(actor);
        }
        if let Some(raw) = self.raw.time.filter(is_there) {
            operation.time =
                jepsen::time(raw.get()).ok_or_else(|| wrong(raw, "time", "a whole number of nanoseconds"))?;
        }
        if let Some(raw) = self.raw.value {
            match json::intern(raw.get(), values) {
                Ok(value) => operation.value = value,
                Err(BadText { at: inside, kind: kind @ ReadErrorKind::Number { .. } }) => {
                    operation.value = ValueId::NIL;
                    operation.bad_number = Some(BadText { at: at(raw) + inside, kind });
                }
                Err(bad) => return Err(BadText { at: at(raw) + bad.at, ..bad }),
            }
        }
        Ok(operation)
    }
}

fn is_there(raw: &&RawValue) -> bool {
    raw.get() != "null"
}

/// A string's text without a keyword's colon, nothing for `null`, anything else as its JSON.
fn word(raw: Option<&RawValue>) -> Cow<'_, str> {
    let Some(raw) = raw.filter(is_there) else { return Cow::Borrowed("") };
    match serde_json::from_str::<String>(raw.get()) {
        Ok(text) => Cow::Owned(text.strip_prefix(':').map_or_else(|| text.clone(), ToOwned::to_owned)),
        Err(_) => Cow::Borrowed(raw.get()),
    }
}
