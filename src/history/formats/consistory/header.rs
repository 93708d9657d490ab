//! The first line of a file of the format: facts about the run.

use super::super::error::{BadText, ReadErrorKind, utf8};
use super::super::json::{self, present};
use super::encode::{push_text, push_value};
use crate::history::header::Header;
use crate::history::value::Values;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The version of the format that this program writes and the newest that it reads.
pub const VERSION: u64 = 1;

/// A cheap look at a first line: a header has its version as the first field when we wrote it, and anywhere
/// when people did.
#[derive(Deserialize)]
struct Versioned {
    consistory: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireHeader<'l> {
    tool: Option<String>,
    run: Option<String>,
    backend: Option<String>,
    versions: Pairs,
    topology: Pairs,
    config: Pairs,
    workload: Option<String>,
    model: Option<String>,
    #[serde(borrow, deserialize_with = "present")]
    initial: Option<&'l RawValue>,
    claims: Vec<String>,
    seed: Option<u64>,
    clock: Option<String>,
}

/// Reads a first line; `None` when it is no header.
///
/// # Errors
/// What is wrong with the header and at which byte (from 0).
pub(super) fn parse(text: &[u8]) -> Result<Option<Header>, BadText> {
    const MARK: &[u8] = b"\"consistory\"";
    if !text.windows(MARK.len()).any(|window| window == MARK) {
        return Ok(None);
    }
    let text = utf8(text)?;
    let version: Versioned = serde_json::from_str(text).map_err(|error| json::diagnose(text, &error))?;
    match version.consistory {
        None => return Ok(None),
        Some(found) if found > VERSION => {
            return Err(BadText { at: 0, kind: ReadErrorKind::NewerVersion { found, known: VERSION } });
        }
        Some(_) => {}
    }
    let wire: WireHeader<'_> = serde_json::from_str(text).map_err(|error| json::diagnose(text, &error))?;
    let mut values = Values::new();
    let initial = wire.initial.map(|raw| {
        json::intern(raw.get(), &mut values)
            .map_err(|error| BadText { at: raw.get().as_ptr() as usize - text.as_ptr() as usize + error.at, ..error })
    });
    let initial = initial.transpose()?.map(|id| values.to_value(id));
    Ok(Some(Header {
        tool: wire.tool,
        run: wire.run,
        backend: wire.backend,
        versions: wire.versions.0,
        topology: wire.topology.0,
        config: wire.config.0,
        workload: wire.workload,
        model: wire.model,
        initial,
        claims: wire.claims,
        seed: wire.seed,
        clock: wire.clock,
    }))
}

/// The first line of a file, with its line break. Fields that are unknown are left out.
#[must_use]
pub fn encode_header(header: &Header) -> String {
    let mut out = format!("{{\"consistory\":{VERSION}").into_bytes();
    let text = |out: &mut Vec<u8>, name: &str, value: Option<&str>| {
        if let Some(value) = value {
            push_name(out, name);
            push_text(out, value);
        }
    };
    text(&mut out, "tool", header.tool.as_deref());
    text(&mut out, "run", header.run.as_deref());
    text(&mut out, "backend", header.backend.as_deref());
    push_pairs(&mut out, "versions", &header.versions);
    push_pairs(&mut out, "topology", &header.topology);
    push_pairs(&mut out, "config", &header.config);
    text(&mut out, "workload", header.workload.as_deref());
    text(&mut out, "model", header.model.as_deref());
    if let Some(initial) = &header.initial {
        push_name(&mut out, "initial");
        push_value(&mut out, initial);
    }
    if !header.claims.is_empty() {
        push_name(&mut out, "claims");
        for (place, claim) in header.claims.iter().enumerate() {
            out.push(if place == 0 { b'[' } else { b',' });
            push_text(&mut out, claim);
        }
        out.push(b']');
    }
    if let Some(seed) = header.seed {
        push_name(&mut out, "seed");
        out.extend_from_slice(seed.to_string().as_bytes());
    }
    text(&mut out, "clock", header.clock.as_deref());
    out.extend_from_slice(b"}\n");
    String::from_utf8(out).expect("made of UTF-8 only")
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn push_pairs(out: &mut Vec<u8>, name: &str, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        return;
    }
    push_name(out, name);
    for (place, (key, value)) in pairs.iter().enumerate() {
        out.push(if place == 0 { b'{' } else { b',' });
        push_text(out, key);
        out.push(b':');
        push_text(out, value);
    }
    out.push(b'}');
}

/// An object of words in the order of the file; what is no text is kept as its JSON.
#[derive(Default)]
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of words")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some((key, raw)) = map.next_entry::<String, &RawValue>()? {
            let value = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
            pairs.push((key, value));
        }
        Ok(Pairs(pairs))
    }
}
