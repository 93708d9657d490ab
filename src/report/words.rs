//! A counterexample in words: its operations with times and nodes, and the sentence that says why no order will do.

use super::orders;
use crate::check::verdict::{Contradiction, Diverged, Origin, Violation};
use crate::history::{History, Nanos, OpId, Operation, Outcome, Value, ValueId};

/// So many lost elements are named; more are counted.
const NAMED_MAX: usize = 8;

/// A core that could not be made smaller is shown from its end, where the contradiction shows.
const SHOWN_MAX: usize = 24;

/// The counterexample as lines without colour.
#[must_use]
pub fn counterexample(history: &History, violation: &Violation) -> Vec<String> {
    let mut shown = cast(violation);
    // Of one that cannot be smaller, and is explained, every operation matters.
    let left_out = if violation.minimal && violation.verified { 0 } else { shown.len().saturating_sub(SHOWN_MAX) };
    shown.drain(..left_out);
    let scene = Scene { history, violation, shown };
    let mut lines = scene.operations();
    if left_out > 0 {
        let before = super::counted(left_out as u64, "operation");
        lines.insert(0, format!("… and {before} before these"));
    }
    lines.extend(scene.conclusion());
    lines
}

/// The operations of the counterexample and those that explain it, in the order of their letters.
#[must_use]
pub fn cast(violation: &Violation) -> Vec<OpId> {
    let mut shown: Vec<OpId> = violation.core.iter().chain(&violation.context).copied().collect();
    shown.sort_unstable();
    shown.dedup();
    shown
}

/// How a key is called in a headline: `key 17`, or nothing where there is only one object.
#[must_use]
pub fn key_name(history: &History, key: ValueId) -> Option<String> {
    (!key.is_absent()).then(|| format!("key {}", history.values().to_value(key)))
}

struct Scene<'h> {
    history: &'h History,
    violation: &'h Violation,
    shown: Vec<OpId>,
}

impl Scene<'_> {
    fn operations(&self) -> Vec<String> {
        let rows: Vec<[String; 6]> = self.shown.iter().map(|&id| self.row(id)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        let pad = |text: &str, width: usize| format!("{text}{}", " ".repeat(width - text.chars().count()));
        rows.iter()
            .map(|row| {
                let cells: Vec<String> = row
                    .iter()
                    .zip(&widths)
                    .filter(|(_, width)| **width > 0)
                    .map(|(cell, &width)| pad(cell, width))
                    .collect();
                cells.join("  ").trim_end().to_owned()
            })
            .collect()
    }

    /// Letter, client, operation, outcome, times with node, relation.
    fn row(&self, id: OpId) -> [String; 6] {
        let operation = self.history.operation(id);
        let outcome = match operation.outcome() {
            Outcome::Completed => "ok".to_owned(),
            Outcome::Rejected => with_reason("failed", operation.error()),
            Outcome::Indeterminate => with_reason("unknown", operation.error()),
        };
        let times = [interval(&operation), operation.node().to_owned()];
        let times = times.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
        [
            self.letter(id),
            format!("client {}", operation.process().0),
            described(&operation),
            outcome,
            times,
            if self.is_timed() { self.relation(&operation) } else { String::new() },
        ]
    }

    fn letter(&self, id: OpId) -> String {
        match self.shown.iter().position(|&shown| shown == id).map(u8::try_from) {
            Some(Ok(at)) if at < 26 => char::from(b'A' + at).to_string(),
            // By its place in the file, which also names those that are not shown.
            _ => format!("line {}", self.history.operation(id).line()),
        }
    }

    /// What real time says about an operation and the one that ended last before it began.
    fn relation(&self, operation: &Operation<'_>) -> String {
        let earlier =
            || self.shown.iter().map(|&id| self.history.operation(id)).filter(|other| other.id() < operation.id());
        let before = earlier().filter(|other| other.returned() < operation.called()).max_by_key(Operation::returned);
        match before {
            Some(before) => {
                let gap = operation.call_time().0.checked_sub(before.return_time().0);
                let known = before.return_time() != Nanos::UNKNOWN && operation.call_time() != Nanos::UNKNOWN;
                let after = match gap.filter(|_| known) {
                    Some(gap) => format!("{} after", duration(gap)),
                    None => "after".to_owned(),
                };
                format!("began {after} {} ended", self.letter(before.id()))
            }
            None => earlier().next().map_or(String::new(), |other| format!("overlaps {}", self.letter(other.id()))),
        }
    }

    fn conclusion(&self) -> Vec<String> {
        match &self.violation.kind {
            Contradiction::LostAcknowledged { lost } => self.lost(lost),
            Contradiction::NoOrder => self.no_order(),
            Contradiction::WrongRead(wrong) => vec![orders::wrong_read(self.history, wrong, |id| self.letter(id))],
            Contradiction::Forbidden { pattern, steps, reader } => {
                orders::forbidden(self.history, *pattern, steps, *reader, |id| self.letter(id))
            }
            Contradiction::NotConverged(diverged) => vec![self.diverged(diverged)],
            Contradiction::Implied { by } => vec![format!("These operations violate {} already.", by.name())],
        }
    }

    /// Whether times say anything about the contradiction.
    fn is_timed(&self) -> bool {
        matches!(self.violation.kind, Contradiction::NoOrder | Contradiction::LostAcknowledged { .. })
    }

    fn diverged(&self, diverged: &Diverged) -> String {
        match *diverged {
            Diverged::Disagree { one, other } => {
                let node = |id: OpId| self.history.operation(id).node().to_owned();
                let (a, b) = (self.letter(one), self.letter(other));
                format!(
                    "{a} and {b}, the last reads at {} and {}, differ: the nodes did not converge.",
                    node(one),
                    node(other)
                )
            }
            Diverged::Overwritten { reader, seen, by } => {
                let (reader, by) = (self.letter(reader), self.letter(by));
                match seen.map(|seen| self.letter(seen)) {
                    None => format!(
                        "{reader} is the last read there, but returned the initial value, which {by} overwrote."
                    ),
                    Some(seen) if seen == by => {
                        format!("{reader} is the last read there, but {by} replaced that value.")
                    }
                    Some(seen) => format!(
                        "{reader} is the last read there, but the client of {by} knew that value by {seen} and overwrote it."
                    ),
                }
            }
        }
    }

    fn lost(&self, lost: &[OpId]) -> Vec<String> {
        let named: Vec<String> =
            lost.iter().take(NAMED_MAX).map(|&id| self.history.operation(id).argument_value().to_string()).collect();
        let more = lost.len().saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let plural = if lost.len() == 1 { "addition is" } else { "additions are" };
        vec![
            "A was acknowledged before B began, but B does not contain its element.".to_owned(),
            format!("{} acknowledged {plural} missing: {}{more}.", lost.len(), named.join(" ")),
        ]
    }

    fn no_order(&self) -> Vec<String> {
        let Some(why) = self.violation.why_not.as_ref().filter(|why| self.shown.contains(&why.op)) else {
            return vec!["No order of these operations is legal and respects their times.".to_owned()];
        };
        let observer = self.history.operation(why.op);
        let (found, find) = if observer.function() == "cas" { ("found", "find") } else { ("returned", "return") };
        let name = |&value: &ValueId| self.history.values().to_value(value).to_string();
        let had_to = match why.could_see.as_slice() {
            [] => String::new(),
            values => format!(", but had to {find} {}", alternatives(&values.iter().map(name).collect::<Vec<_>>())),
        };
        let saw = self.history.values().to_value(why.saw);
        vec![format!("{} {found} {saw}{had_to}: {}.", self.letter(why.op), self.origin(&saw, &why.origin))]
    }

    fn origin(&self, saw: &Value, origin: &Origin) -> String {
        let of = |writers: &[OpId]| match writers {
            [] => String::new(),
            writers => format!(", of {},", writers.iter().map(|&id| self.letter(id)).collect::<Vec<_>>().join(" and ")),
        };
        match origin {
            Origin::Nowhere => format!("no write of {saw} succeeded or is still open"),
            Origin::Initial => format!("{saw}, the initial value, is overwritten by then"),
            Origin::Later(writers) => format!("{saw}{} is only written later", of(writers)),
            Origin::Overwritten(writers) => format!("{saw}{} is overwritten by then", of(writers)),
            Origin::Written(writers) => format!("{saw}{} is the last value in no order", of(writers)),
        }
    }
}

fn alternatives(values: &[String]) -> String {
    match values {
        [] => "nothing that it can return".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn with_reason(word: &str, reason: &str) -> String {
    if reason.is_empty() { word.to_owned() } else { format!("{word} ({reason})") }
}

/// `write 17 := 5`, `read 17 = 5`, `cas 17: 5 → 6`, or the function with its values.
fn described(operation: &Operation<'_>) -> String {
    let key = operation.key();
    let key = if key.is_absent() { String::new() } else { format!(" {}", operation.values().to_value(key)) };
    let function = operation.function();
    let argument = operation.argument_value();
    let call = match (function, &argument) {
        ("cas", Value::List(pair)) if pair.len() == 2 => return format!("cas{key}: {} → {}", pair[0], pair[1]),
        ("write" | "w" | "put", value) => return format!("{function}{key} := {value}"),
        (_, Value::Nil) => format!("{function}{key}"),
        (_, value) => format!("{function}{key} {}", brief(value)),
    };
    let result = operation.result_value();
    let says_nothing = (result == argument || result == Value::Nil) && !LOOKS.contains(&function);
    if operation.outcome() != Outcome::Completed || says_nothing {
        call
    } else {
        format!("{call} = {}", brief(&result))
    }
}

/// Functions whose result is what they are called for, even if it is nil.
const LOOKS: &[&str] = &["read", "r", "get", "dequeue", "deq", "pop", "contains"];
/// Longer lists are counted instead of spelled.
const SPELLED_MAX: usize = 12;

fn brief(value: &Value) -> String {
    match value {
        Value::List(items) if items.len() > SPELLED_MAX => format!("{} elements", items.len()),
        Value::Text(text) if text.chars().count() > 40 => {
            let end: String = text.chars().rev().take(37).collect::<Vec<_>>().into_iter().rev().collect();
            format!("…{end}")
        }
        plain => plain.to_string(),
    }
}

/// `33.010–33.102 s`, as precise as it must be to tell the ends apart.
fn interval(operation: &Operation<'_>) -> String {
    let (call, end) = (operation.call_time(), operation.return_time());
    if call == Nanos::UNKNOWN {
        return String::new();
    }
    if end == Nanos::UNKNOWN {
        return format!("{:.6} s –", call.seconds());
    }
    let digits = if end.0 - call.0 < 10_000_000 { 6 } else { 3 };
    format!("{:.digits$}–{:.digits$} s", call.seconds(), end.seconds())
}

/// A duration in the unit that people would choose.
#[must_use]
pub fn duration(nanos: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for display only")]
    let exact = nanos as f64;
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.1} µs", exact / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", exact / 1e6),
        _ => format!("{:.2} s", exact / 1e9),
    }
}
