//! Porcupine's logs of a key-value store: one EDN map a line with a `:key` of its own.
//!
//! Functions are `get`, `put` and `append` on text and stay as they are; models know them.

use super::error::ReadError;
use super::jepsen_edn::{KeyField, first_event, read_events};
use super::{Format, FormatInfo, Input, ReadOptions};
use crate::history::columns::History;

/// The format.
#[derive(Clone, Copy, Debug)]
pub(super) struct PorcupineKvLog;

impl Format for PorcupineKvLog {
    fn info(&self) -> FormatInfo {
        FormatInfo {
            name: "porcupine-kv-log",
            about: "Porcupine's key-value logs: EDN maps with :key, functions get, put and append",
            extensions: &["txt", "log"],
        }
    }

    fn detects(&self, head: &[u8]) -> bool {
        looks_like_one(head)
    }

    fn read(&self, input: &mut Input<'_>, _: &ReadOptions) -> Result<History, ReadError> {
        let keyed = ReadOptions { keyed: Some(false), threads: 1 };
        read_events(input, &keyed, KeyField::Read)
    }
}

/// Whether the first event has a key field and one of the three functions.
pub(super) fn looks_like_one(head: &[u8]) -> bool {
    let Some(event) = first_event(head) else { return false };
    let event = event.split(|&byte| byte == b'\n').next().unwrap_or(event);
    let has = |word: &[u8]| event.windows(word.len()).any(|window| window == word);
    has(b":key ") && [&b":f :get"[..], b":f :put", b":f :append"].iter().any(|function| has(function))
}
