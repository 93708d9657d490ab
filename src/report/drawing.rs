//! A counterexample as a picture: one row a client, one bar an operation, true order but no true scale.
//!
//! Only the order of calls and returns matters to a contradiction, so every event gets the same width; the times stand
//! in the words beside it.

use crate::history::{History, OpId, Operation, Rank};
use std::collections::BTreeMap;

/// More operations than this are not drawn: the picture would not fit a screen.
const DRAWN_MAX: usize = 14;
/// Columns between two events.
const STEP: usize = 5;

/// The picture of those operations, named by letters in their order; empty if there are too many.
#[must_use]
pub fn timeline(history: &History, shown: &[OpId]) -> Vec<String> {
    if shown.len() < 2 || shown.len() > DRAWN_MAX {
        return Vec::new();
    }
    let operations: Vec<Operation<'_>> = shown.iter().map(|&id| history.operation(id)).collect();
    let mut events: Vec<Rank> =
        operations.iter().flat_map(|operation| [operation.called(), operation.returned()]).collect();
    events.sort_unstable();
    events.dedup();
    let column = |rank: Rank| events.binary_search(&rank).expect("every rank is among the events") * STEP;
    let mut rows: BTreeMap<u32, Vec<char>> = BTreeMap::new();
    for (at, operation) in operations.iter().enumerate() {
        let row = rows.entry(operation.process().0).or_default();
        let open = operation.returned() == Rank::NEVER;
        bar(row, column(operation.called()), column(operation.returned()), letter(at), open);
    }
    let names: Vec<String> = rows.keys().map(|process| format!("client {process}")).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    names
        .iter()
        .zip(rows.values())
        .map(|(name, row)| format!("{name:<width$}  {}", row.iter().collect::<String>()))
        .collect()
}

/// The name of the operation at that place.
fn letter(at: usize) -> char {
    char::from(b'A' + u8::try_from(at).expect("few operations are drawn"))
}

/// Draws `├─A─┤`, or `├─A──▸` for an operation that never returned.
fn bar(row: &mut Vec<char>, from: usize, to: usize, name: char, open: bool) {
    if row.len() <= to {
        row.resize(to + 1, ' ');
    }
    row[from..=to].fill('─');
    row[from] = '├';
    row[to] = if open { '▸' } else { '┤' };
    row[usize::midpoint(from, to)] = name;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::formats::{ReadOptions, read};

    #[test]
    fn bars_stand_in_the_order_of_calls_and_returns() {
        let text = r#"{"consistory":1}
{"time":1,"process":0,"type":"invoke","f":"write","value":1}
{"time":2,"process":1,"type":"invoke","f":"write","value":2}
{"time":3,"process":0,"type":"ok","f":"write","value":1}
{"time":4,"process":0,"type":"invoke","f":"read"}
{"time":5,"process":0,"type":"ok","f":"read","value":2}
"#;
        let history = read(text.as_bytes(), "text", None, &ReadOptions::default()).expect("is a history");
        let picture = timeline(&history, &[OpId(0), OpId(1), OpId(2)]);
        assert_eq!(picture, ["client 0  ├────A────┤    ├─C──┤", "client 1       ├─────────B─────────▸"]);
    }
}
