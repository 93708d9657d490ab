//! Why orders of operations contradict each other, in words: one line a step, then what it comes to.

use crate::check::verdict::{Pattern, Reason, Step, WrongRead, WrongReadKind};
use crate::history::{History, OpId, ValueId};

/// A read that is wrong by itself.
pub(super) fn wrong_read(history: &History, wrong: &WrongRead, letter: impl Fn(OpId) -> String) -> String {
    let value = history.values().to_value(wrong.value);
    let key = key_name(history, wrong.key);
    let reader = letter(wrong.reader);
    let writer = wrong.writer.map_or_else(|| "its writer".to_owned(), letter);
    match wrong.kind {
        WrongReadKind::ThinAir => format!("{reader} read {value} of {key}, which nobody wrote."),
        WrongReadKind::Aborted => {
            format!("{reader} read {value} of {key}, which only {writer} wrote, and that failed.")
        }
        WrongReadKind::Future => format!("{reader} read {value} of {key} before it wrote that itself."),
        WrongReadKind::Early => format!("{reader} read {value} of {key} before {writer}, which wrote it, had begun."),
        WrongReadKind::NotOwn => format!("{reader} read {value} of {key} after it had written another value itself."),
        WrongReadKind::Intermediate => format!("{reader} read {value} of {key}, which {writer} itself overwrote."),
    }
}

/// The steps with their reasons, and the contradiction.
pub(super) fn forbidden(
    history: &History,
    pattern: Pattern,
    steps: &[Step<OpId>],
    reader: Option<(OpId, ValueId)>,
    letter: impl Fn(OpId) -> String,
) -> Vec<String> {
    let mut lines: Vec<String> = steps.iter().map(|step| line(history, step, &letter)).collect();
    let wrong = reader.map(|(reader, key)| (letter(reader), key_name(history, key)));
    let (reader, key) = wrong.unwrap_or_default();
    lines.push(match pattern {
        Pattern::CausalCycle | Pattern::NoView | Pattern::NoCommonOrder => {
            let whose = if pattern == Pattern::NoView { " for the session that read" } else { "" };
            format!("So each of them comes before itself{whose}.")
        }
        Pattern::InitialAfterWrite => {
            format!("So {reader} comes after a write of {key}, but read the initial value, which precedes every write.")
        }
        Pattern::Overwritten => {
            format!("So what {reader} read of {key} was overwritten before, as it had to know.")
        }
        Pattern::Unexplained => "These operations contradict the claim; there are too many to say how.".to_owned(),
        Pattern::NoAgreedOrder => {
            "Whatever order of each key's writes all clients agree on, the reads of one of them do not fit.".to_owned()
        }
        Pattern::NoOrder => {
            "No order of these operations that contains each client's own explains every read.".to_owned()
        }
    });
    lines
}

fn line(history: &History, step: &Step<OpId>, letter: &impl Fn(OpId) -> String) -> String {
    let (from, to) = (letter(step.from), letter(step.to));
    let why = match &step.why {
        Reason::Session => "the same client, in this order".to_owned(),
        Reason::ReadFrom { key } => format!("{to} read {} from {from}", key_name(history, *key)),
        Reason::Hidden { reader, key } => {
            let reader = letter(*reader);
            let key = key_name(history, *key);
            format!("{reader} comes after {from}, but read what {to} wrote of {key}")
        }
        Reason::Followed { reader, key } => {
            format!("the client of {to} had read {} from {from} by {}", key_name(history, *key), letter(*reader))
        }
        Reason::MustSee => format!("{to} has to see {from}"),
    };
    format!("{from} before {to}: {why}")
}

fn key_name(history: &History, key: ValueId) -> String {
    if key.is_absent() { "the value".to_owned() } else { format!("key {}", history.values().to_value(key)) }
}
