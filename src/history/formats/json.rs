//! JSON values of histories: whole numbers of 64 bits, text, lists, maps; no floats.
//!
//! Values go straight into the table without an owned tree. Numbers that `i64` cannot hold are refused:
//! rounding to a float would make different values equal.

use super::error::{BadText, DEPTH_MAX, ReadErrorKind, shortened};
use crate::history::value::{ValueId, ValueRef, Values};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Interns the value that `text` is.
pub(super) fn intern(text: &str, values: &mut Values) -> Result<ValueId, BadText> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = ValueSeed(values).deserialize(&mut reader).and_then(|id| reader.end().map(|()| id));
    read.map_err(|error| diagnose(text, &error))
}

/// The value of a field that is there, `null` included; for `deserialize_with` beside `default`.
pub(super) fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<&'de RawValue>, D::Error> {
    serde::Deserialize::deserialize(reader).map(Some)
}

/// Turns serde's complaint about `text`, one line, into ours.
pub(super) fn diagnose(text: &str, error: &serde_json::Error) -> BadText {
    let number = number_out_of_range(text.as_bytes());
    if let (serde_json::error::Category::Data, Some((at, found))) = (error.classify(), number) {
        let found = shortened(&String::from_utf8_lossy(found));
        return BadText { at, kind: ReadErrorKind::Number { found } };
    }
    if let Some(at) = too_deep(text.as_bytes()) {
        return BadText { at, kind: ReadErrorKind::TooDeep { limit: DEPTH_MAX } };
    }
    // serde's column is the count of bytes up to and including the one it stumbled over.
    let at = error.column().saturating_sub(1);
    if error.is_eof() {
        return BadText { at, kind: ReadErrorKind::TornInside { what: "line" } };
    }
    let mut what = error.to_string();
    if let Some(place) = what.rfind(" at line ") {
        what.truncate(place);
    }
    BadText { at, kind: ReadErrorKind::Syntax { what: format!("not JSON: {what}") } }
}

struct ValueSeed<'t>(&'t mut Values);

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ValueId;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<ValueId, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ValueId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without floats")
    }

    fn visit_unit<E: Error>(self) -> Result<ValueId, E> {
        Ok(ValueId::NIL)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<ValueId, E> {
        Ok(self.0.intern_ref(ValueRef::Bool(truth)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<ValueId, E> {
        Ok(self.0.int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<ValueId, E> {
        i64::try_from(number).map(|number| self.0.int(number)).map_err(|_| E::custom("number out of range"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<ValueId, E> {
        Err(E::custom("not a whole number of 64 bits"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ValueId, E> {
        Ok(self.0.text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ValueId, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(ValueSeed(self.0))? {
            items.push(item);
        }
        Ok(self.0.list(&items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ValueId, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key_seed(KeySeed(self.0))? {
            pairs.push((key, map.next_value_seed(ValueSeed(self.0))?));
        }
        Ok(self.0.map(&mut pairs))
    }
}

/// The key of a map. JSON can write only text there, so a key spelled like a whole number is one: accounts
/// of a bank are the same numbers in `{"from":6}` and in `{"6":100}`.
struct KeySeed<'t>(&'t mut Values);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = ValueId;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<ValueId, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = ValueId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key of an object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ValueId, E> {
        let canonical = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit())
            && (text == "0" || !text.trim_start_matches('-').starts_with('0'));
        let number = if canonical { text.parse::<i64>().ok() } else { None };
        Ok(match number {
            Some(number) => self.0.int(number),
            None => self.0.text(text),
        })
    }
}

/// The first number token outside strings that is no `i64`.
fn number_out_of_range(text: &[u8]) -> Option<(usize, &[u8])> {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => at = string_end(text, at),
            b'-' | b'0'..=b'9' => {
                let len = text[at..].iter().take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
                let token = &text[at..at + len.count()];
                let whole = std::str::from_utf8(token).ok().and_then(|token| token.parse::<i64>().ok());
                if whole.is_none() || token == b"-0" {
                    return Some((at, token));
                }
                at += token.len();
            }
            _ => at += 1,
        }
    }
    None
}

/// The place of the first bracket that nests too deep.
fn too_deep(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0usize);
    while at < text.len() {
        match text[at] {
            b'"' => {
                at = string_end(text, at);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The place after the string that begins at `at`.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < text.len() && text[end] != b'"' {
        end += if text[end] == b'\\' { 2 } else { 1 };
    }
    end + 1
}
