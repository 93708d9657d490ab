//! When faults acted, as the lines of a history tell.
//!
//! A fault makes two lines, `NAME-start` and `NAME-stop`, each a map with `acted`. Other tools' lines have no `acted`,
//! and say nothing here.

use super::columns::{History, Nanos};
use super::value::Value;

/// The end of the name of a line about a strike.
pub const START: &str = "-start";
/// The end of the name of a line about a healing.
pub const STOP: &str = "-stop";
/// The line that says that the workload's operations have ended; what follows are reads of the final state.
pub const WORK_ENDED: &str = "work-ended";

/// One fault, from its strike to its healing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultWindow {
    /// The fault's name.
    pub name: String,
    /// When it struck.
    pub start: Nanos,
    /// When it was healed; `None` if the history ends before.
    pub stop: Option<Nanos>,
    /// Why it had no effect, if it had none.
    pub idle: Option<String>,
}

/// The faults of a history, in the order in which they struck.
#[must_use]
pub fn fault_windows(history: &History) -> Vec<FaultWindow> {
    let mut windows: Vec<FaultWindow> = Vec::new();
    for note in history.faults() {
        let line = history.functions().get(note.function);
        let value = history.values().to_value(note.value);
        let Some(&Value::Bool(acted)) = field(&value, "acted") else { continue };
        let why = || field(&value, "why").map_or_else(|| "nobody says why".to_owned(), ToString::to_string);
        let idle = (!acted).then(why);
        if let Some(name) = line.strip_suffix(START) {
            windows.push(FaultWindow { name: name.to_owned(), start: note.time, stop: None, idle });
        } else if let Some(name) = line.strip_suffix(STOP)
            && let Some(open) = windows.iter_mut().rev().find(|open| open.name == name && open.stop.is_none())
        {
            open.stop = Some(note.time);
            open.idle = open.idle.take().or(idle);
        }
    }
    windows
}

/// When the workload's operations ended, if a line says so.
#[must_use]
pub fn work_ended(history: &History) -> Option<Nanos> {
    history.faults().iter().find(|note| history.functions().get(note.function) == WORK_ENDED).map(|note| note.time)
}

/// The value of a name in a map.
fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let Value::Map(pairs) = value else { return None };
    pairs.iter().find(|(key, _)| *key == Value::text(name)).map(|(_, value)| value)
}
