//! When faults acted, as the lines of a history tell.
//!
//! A fault makes two lines, `NAME-start` and `NAME-stop`, each a map with `acted`. Other tools' lines have no `acted`,
//! and say nothing here. Faults may overlap: where the lines name their `step` of the plan, the healing of one belongs to
//! the strike of the same step.

use super::columns::{History, Nanos};
use super::value::Value;

/// The end of the name of a line about a strike.
pub const START: &str = "-start";
/// The end of the name of a line about a healing.
pub const STOP: &str = "-stop";
/// The line that says that the workload's operations have ended; what follows are reads of the final state.
pub const WORK_ENDED: &str = "work-ended";

/// The line that says that the system has settled after the work: what every node is read for begins here.
pub const SETTLED: &str = "settled";

/// One fault, from its strike to its healing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultWindow {
    /// The fault's name.
    pub name: String,
    /// When it struck.
    pub start: Nanos,
    /// When it was healed; `None` if the history ends before. A strike without effect is over as it begins.
    pub stop: Option<Nanos>,
    /// Why it had no effect, if it had none.
    pub idle: Option<String>,
    /// Its step of the plan, if its lines name it.
    pub step: Option<Value>,
    /// Who was kept from hearing whom: the one that speaks, the one that does not hear.
    pub cut: Vec<(String, String)>,
}

impl FaultWindow {
    /// Whether it acts at that time.
    #[must_use]
    pub fn holds(&self, time: Nanos) -> bool {
        self.start <= time && self.stop.is_none_or(|stop| time < stop)
    }
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
        let step = field(&value, "step").cloned();
        if let Some(name) = line.strip_suffix(START) {
            let over = (!acted).then_some(note.time);
            let (name, start, cut) = (name.to_owned(), note.time, cut(&value));
            windows.push(FaultWindow { name, start, stop: over, idle, step, cut });
        } else if let Some(name) = line.strip_suffix(STOP)
            && let Some(open) =
                windows.iter_mut().rev().find(|open| open.name == name && open.step == step && open.stop.is_none())
        {
            open.stop = Some(note.time);
            open.idle = open.idle.take().or(idle);
        }
    }
    windows
}

/// The links `n1→n2` of a line about a strike.
fn cut(value: &Value) -> Vec<(String, String)> {
    let Some(Value::List(links)) = field(value, "cut") else { return Vec::new() };
    let ends = |link: &Value| match link {
        Value::Text(text) => text.split_once('→').map(|(from, to)| (from.to_owned(), to.to_owned())),
        _ => None,
    };
    links.iter().filter_map(ends).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::formats::{self, ReadOptions};
    use std::fmt::Write;

    /// Lines of faults: a millisecond, a name, the map's text.
    fn windows(lines: &[(u64, &str, &str)]) -> Vec<FaultWindow> {
        let mut text = "{\"consistory\":1}\n".to_owned();
        for (time, name, value) in lines {
            let time = time * 1_000_000;
            let _ = writeln!(
                text,
                r#"{{"time":{time},"process":"nemesis","type":"info","f":"{name}","value":{{{value}}}}}"#
            );
        }
        let history = formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("well formed");
        fault_windows(&history)
    }

    fn milliseconds(window: &FaultWindow) -> (u64, Option<u64>) {
        (window.start.0 / 1_000_000, window.stop.map(|stop| stop.0 / 1_000_000))
    }

    #[test]
    fn a_strike_without_effect_is_over_as_it_begins() {
        let (idle, acted) = (r#""acted":false,"why":"gone""#, r#""acted":true"#);
        let windows = windows(&[(1, "kill-start", idle), (5, "kill-start", acted), (9, "kill-stop", acted)]);
        assert_eq!(windows.iter().map(milliseconds).collect::<Vec<_>>(), [(1, Some(1)), (5, Some(9))]);
        assert_eq!((windows[0].idle.is_some(), windows[1].idle.is_some()), (true, false));
    }

    #[test]
    fn of_faults_that_overlap_each_is_healed_by_its_own_line() {
        let at = |step: &str| format!(r#""acted":true,"step":"{step}""#);
        let (one, two) = (at("partition:n1@1s+3s"), at("partition:n2@2s+3s"));
        let windows = windows(&[
            (1, "partition-start", &one),
            (2, "partition-start", &two),
            (4, "partition-stop", &one),
            (5, "partition-stop", &two),
        ]);
        assert_eq!(windows.iter().map(milliseconds).collect::<Vec<_>>(), [(1, Some(4)), (2, Some(5))]);
    }
}
