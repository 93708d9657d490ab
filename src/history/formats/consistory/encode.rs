//! Events as lines of the format: what a recorder appends.
//!
//! Nothing is allocated beyond the growth of the output. Fields are written in one order and without spaces,
//! which is the spelling that the reader takes fastest.

use super::wire::NEMESIS;
use crate::history::builder::{Actor, Phase, Retry};
use crate::history::columns::Nanos;
use crate::history::value::Value;

/// A key or value to write, borrowed in whichever shape the recorder has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'v> {
    /// The field is left out.
    Absent,
    /// `null`: a register nobody wrote.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(&'v str),
    /// A list of whole numbers, such as the two of a compare-and-set.
    Ints(&'v [i64]),
    /// Anything.
    Value(&'v Value),
}

/// One event as a recorder has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLine<'v> {
    /// The number of the event in the run, from 0; for people, readers go by order.
    pub index: u64,
    /// When, or [`Nanos::UNKNOWN`].
    pub time: Nanos,
    /// Who.
    pub actor: Actor,
    /// Which kind.
    pub phase: Phase,
    /// What is called; not empty.
    pub function: &'v str,
    /// On which object.
    pub key: Payload<'v>,
    /// The argument of an invocation, the result of a completion.
    pub value: Payload<'v>,
    /// The node asked or answering; left out when empty.
    pub node: &'v str,
    /// Why it failed or is indeterminate; left out when empty.
    pub error: &'v str,
    /// Set on the invocation of an attempt after the first.
    pub retry: Option<Retry>,
}

/// Appends one event line with its line break.
pub fn encode_event(out: &mut Vec<u8>, event: &EventLine<'_>) {
    encode_stamp(out, event.index, event.time);
    encode_unstamped(out, event);
}

/// Appends the beginning of an event line: what is known only when its turn in the file has come.
pub fn encode_stamp(out: &mut Vec<u8>, index: u64, time: Nanos) {
    out.extend_from_slice(b"{\"index\":");
    push_unsigned(out, index);
    if time != Nanos::UNKNOWN {
        out.extend_from_slice(b",\"time\":");
        push_unsigned(out, time.0);
    }
}

/// Appends what follows [`encode_stamp`] on an event line, with the line break.
pub fn encode_unstamped(out: &mut Vec<u8>, event: &EventLine<'_>) {
    out.extend_from_slice(b",\"process\":");
    match event.actor {
        Actor::Client(process) => push_unsigned(out, process.0.into()),
        Actor::Nemesis => push_text(out, NEMESIS),
    }
    out.extend_from_slice(match event.phase {
        Phase::Invoke => b",\"type\":\"invoke\",\"f\":".as_slice(),
        Phase::Ok => b",\"type\":\"ok\",\"f\":",
        Phase::Fail => b",\"type\":\"fail\",\"f\":",
        Phase::Info => b",\"type\":\"info\",\"f\":",
    });
    push_text(out, event.function);
    push_payload(out, b",\"key\":", event.key);
    push_payload(out, b",\"value\":", event.value);
    for (name, word) in [(b",\"node\":".as_slice(), event.node), (b",\"error\":", event.error)] {
        if !word.is_empty() {
            out.extend_from_slice(name);
            push_text(out, word);
        }
    }
    if let Some(Retry { attempt, previous }) = event.retry {
        out.extend_from_slice(b",\"attempt\":");
        push_unsigned(out, attempt.into());
        out.extend_from_slice(b",\"previous\":");
        push_unsigned(out, previous.0.into());
    }
    out.extend_from_slice(b"}\n");
}

fn push_payload(out: &mut Vec<u8>, name: &[u8], payload: Payload<'_>) {
    if payload == Payload::Absent {
        return;
    }
    out.extend_from_slice(name);
    match payload {
        Payload::Absent | Payload::Nil => out.extend_from_slice(b"null"),
        Payload::Bool(truth) => push_bool(out, truth),
        Payload::Int(number) => push_int(out, number),
        Payload::Text(text) => push_text(out, text),
        Payload::Ints(numbers) => {
            out.push(b'[');
            for (place, &number) in numbers.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                push_int(out, number);
            }
            out.push(b']');
        }
        Payload::Value(value) => push_value(out, value),
    }
}

/// Appends a value as JSON. JSON has text for keys of maps only: other keys are written as the text of
/// themselves; whole numbers come back as numbers, other keys as text.
pub(super) fn push_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::Bool(truth) => push_bool(out, *truth),
        Value::Int(number) => push_int(out, *number),
        Value::Text(text) => push_text(out, text),
        Value::List(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                push_value(out, item);
            }
            out.push(b']');
        }
        Value::Map(pairs) => {
            out.push(b'{');
            for (place, (key, item)) in pairs.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                match key {
                    Value::Text(text) => push_text(out, text),
                    other => push_text(out, &other.to_string()),
                }
                out.push(b':');
                push_value(out, item);
            }
            out.push(b'}');
        }
    }
}

fn push_bool(out: &mut Vec<u8>, truth: bool) {
    out.extend_from_slice(if truth { b"true" } else { b"false" });
}

fn push_int(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    push_unsigned(out, number.unsigned_abs());
}

/// Appends decimal digits, two at a time.
fn push_unsigned(out: &mut Vec<u8>, mut number: u64) {
    const DIGITS_MAX: usize = 20;
    let mut digits = [0; DIGITS_MAX];
    let mut start = DIGITS_MAX;
    let digit = |number: u64| b'0' + u8::try_from(number % 10).expect("below ten");
    while number >= 10 {
        start -= 2;
        digits[start + 1] = digit(number);
        digits[start] = digit(number / 10);
        number /= 100;
    }
    if number > 0 || start == DIGITS_MAX {
        start -= 1;
        digits[start] = digit(number);
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a JSON string.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
