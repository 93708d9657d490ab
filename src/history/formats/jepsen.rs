//! What the formats of Jepsen's family share: an operation's fields, and keys inside values.
//!
//! The order of the file is the order of events; times are for display. An operation on one of several
//! independent objects has the value `[key value]`, which looks like any other pair, so the reader is told
//! or infers it only when nothing else is possible ([`Collector::finish`]).

use super::ReadOptions;
use super::error::{BadText, ReadError, ReadErrorKind, shortened};
use super::forms::Form;
use crate::history::builder::{Actor, Event, HistoryBuilder, Phase, Place, Ties};
use crate::history::columns::{History, Nanos, ProcessId};
use crate::history::header::Header;
use crate::history::symbols::Symbol;
use crate::history::value::{ValueId, ValueRef, Values};
use rustc_hash::FxHashMap;

/// The function of an operation that names none but whose value is a transaction.
const TRANSACTION: &str = "txn";

/// Functions whose argument is itself a pair.
const COMPARE_AND_SET: [&str; 2] = ["cas", "compare-and-set"];

/// The fields of one event; those that are absent in the file are `None`, empty or absent here.
pub(super) struct Operation<'t> {
    pub phase: Option<Phase>,
    pub actor: Option<Actor>,
    pub function: &'t str,
    pub key: ValueId,
    pub value: ValueId,
    pub time: Nanos,
    pub node: &'t str,
    pub error: &'t str,
    /// A number in the key or value that does not fit; only faults may have it.
    pub bad_number: Option<BadText>,
}

impl Default for Operation<'_> {
    fn default() -> Self {
        Self {
            phase: None,
            actor: None,
            function: "",
            key: ValueId::ABSENT,
            value: ValueId::ABSENT,
            time: Nanos::UNKNOWN,
            node: "",
            error: "",
            bad_number: None,
        }
    }
}

/// The kind of event that a word, without its colon, names.
pub(super) fn phase(word: &str) -> Option<Phase> {
    match word {
        "invoke" => Some(Phase::Invoke),
        "ok" => Some(Phase::Ok),
        "fail" => Some(Phase::Fail),
        "info" => Some(Phase::Info),
        _ => None,
    }
}

/// Who a word, without its colon, names.
pub(super) fn actor(word: &str) -> Option<Actor> {
    match word {
        "nemesis" => Some(Actor::Nemesis),
        _ => word.parse().ok().map(|process| Actor::Client(ProcessId(process))),
    }
}

/// A time in nanoseconds; Jepsen writes -1 where it has none.
pub(super) fn time(word: &str) -> Option<Nanos> {
    let time: i64 = word.parse().ok()?;
    Some(u64::try_from(time).map_or(Nanos::UNKNOWN, Nanos))
}

/// What must stand in a `process` field, for messages.
pub(super) const PROCESS: &str = "a whole number from 0 to 4294967295, or nemesis";

/// Gathers operations into a history.
pub(super) struct Collector {
    builder: HistoryBuilder,
    events: Vec<Event>,
    /// Whether an operation named no process.
    processless: bool,
}

impl Collector {
    pub(super) fn new() -> Self {
        Self {
            builder: HistoryBuilder::new(Header::default(), Ties::FileOrder),
            events: Vec::new(),
            processless: false,
        }
    }

    /// The table for the values of operations.
    pub(super) fn values(&mut self) -> &mut Values {
        self.builder.values()
    }

    /// Something to be told about the history.
    pub(super) fn warn(&mut self, warning: String) {
        self.builder.warn(warning);
    }

    /// Takes the next operation, which is what `form` says.
    pub(super) fn push(&mut self, operation: Operation<'_>, form: &Form<'_>) -> Result<(), ReadError> {
        let missing = |field| {
            let kind = ReadErrorKind::MissingField { field, needed: "type, process and f" };
            form.error(BadText { at: 0, kind })
        };
        let actor = operation.actor.unwrap_or_else(|| {
            self.processless = true;
            Actor::Client(ProcessId(0))
        });
        let phase = operation.phase.ok_or_else(|| missing("type"))?;
        if let (Some(bad), Actor::Client(_)) = (operation.bad_number, actor) {
            return Err(form.error(bad));
        }
        let function = match operation.function {
            "" if is_transaction(self.builder.values(), operation.value) => {
                self.builder.functions().intern(TRANSACTION)
            }
            "" if actor != Actor::Nemesis && phase == Phase::Invoke => return Err(missing("f")),
            word => self.builder.functions().intern(word),
        };
        let event = Event {
            time: operation.time,
            actor,
            phase,
            function,
            key: operation.key,
            value: operation.value,
            node: if operation.node.is_empty() { Symbol::NONE } else { self.builder.nodes().intern(operation.node) },
            error: if operation.error.is_empty() {
                Symbol::NONE
            } else {
                self.builder.errors().intern(operation.error)
            },
            retry: None,
            place: Place { line: form.line, column: form.column + 1 },
        };
        self.events.push(event);
        Ok(())
    }

    /// The history. With `keyed`, every client value must be a pair and is split; without a word on it, values
    /// are split when all of them can only be such pairs, and a warning says so.
    pub(super) fn finish(mut self, options: &ReadOptions) -> Result<History, ReadError> {
        if self.processless {
            let warning = "some events name no process; they are taken for process 0, one operation after the other";
            self.builder.warn(warning.to_owned());
        }
        let unannounced = announce(&mut self.events);
        if unannounced > 0 {
            let warning = format!(
                "{unannounced} operations complete without an invocation; each is taken to have been called right \
                 after its process's event before, the earliest that is possible"
            );
            self.builder.warn(warning);
        }
        for event in &self.events {
            self.builder.push(event).map_err(|defect| ReadError::defect(defect, None))?;
        }
        let mut history = self.builder.finish();
        if options.keyed == Some(true) {
            require_pairs(&history)?;
            split_keys(&mut history);
        } else if options.keyed.is_none() && can_only_be_keyed(&history) {
            split_keys(&mut history);
            let warning = "every value is a [key value] pair: read as independent objects by key; say --no-keyed if \
                           the pairs are the values, or --keyed to confirm";
            history.warnings.push(warning.to_owned());
        }
        Ok(history)
    }
}

/// Adds the invocations that are missing, as in histories of which only the completions were kept, and says
/// how many. An earlier call makes an operation concurrent with more others, so no violation is made up.
fn announce(events: &mut Vec<Event>) -> usize {
    let mut processes: FxHashMap<ProcessId, (usize, Phase)> = FxHashMap::default();
    let mut missing = Vec::new();
    for (place, event) in (1..).zip(events.iter()) {
        let Actor::Client(process) = event.actor else { continue };
        let before = processes.insert(process, (place, event.phase));
        // After an invocation all is well; after an indeterminate operation nothing may follow, which the
        // builder says.
        let free = before.is_none_or(|(_, phase)| matches!(phase, Phase::Ok | Phase::Fail));
        if event.phase != Phase::Invoke && free {
            let called = Event { phase: Phase::Invoke, error: Symbol::NONE, ..*event };
            missing.push((before.map_or(0, |(place, _)| place), called));
        }
    }
    if missing.is_empty() {
        return 0;
    }
    missing.sort_by_key(|&(place, _)| place);
    let mut all = Vec::with_capacity(events.len() + missing.len());
    let mut next = missing.iter().peekable();
    for place in 0..=events.len() {
        while let Some((_, called)) = next.next_if(|(at, _)| *at == place) {
            all.push(*called);
        }
        all.extend(events.get(place));
    }
    *events = all;
    missing.len()
}

/// Whether a value is a list of lists, the steps of a transaction.
fn is_transaction(values: &Values, value: ValueId) -> bool {
    values.items(value).is_some_and(|steps| !steps.is_empty() && steps.iter().all(|&step| values.items(step).is_some()))
}

fn pair(values: &Values, value: ValueId) -> Option<[ValueId; 2]> {
    values.items(value)?.try_into().ok()
}

fn require_pairs(history: &History) -> Result<(), ReadError> {
    let values = &history.values;
    match history.operations().find(|operation| pair(values, operation.argument()).is_none()) {
        None => Ok(()),
        Some(operation) => {
            let found = shortened(&operation.argument_value().to_string());
            Err(ReadError::on_line(ReadErrorKind::NotKeyed { found }, operation.line()))
        }
    }
}

/// Whether no reading but keys is possible: every argument is a pair with a scalar first, results are pairs
/// with that same first, a compare-and-set has a pair inside, nothing is a transaction, and some read asks
/// `[key nil]`, which no single object's history contains.
fn can_only_be_keyed(history: &History) -> bool {
    let values = &history.values;
    let mut asks = false;
    history.operations().all(|operation| {
        let Some([key, argument]) = pair(values, operation.argument()) else { return false };
        let scalar = !matches!(values.get(key), ValueRef::List(_) | ValueRef::Map(_) | ValueRef::Nil);
        let nothing = matches!(values.get(operation.result()), ValueRef::Nil);
        let same_key = nothing || pair(values, operation.result()).is_some_and(|[of, _]| of == key);
        let function = operation.function();
        let fits = !COMPARE_AND_SET.contains(&function) || pair(values, argument).is_some();
        asks |= argument == ValueId::NIL;
        scalar && same_key && fits && function != TRANSACTION
    }) && asks
}

/// Moves the first of each pair into the key column. Values that are no pairs, such as the nil of a failed
/// operation, stay as they are.
fn split_keys(history: &mut History) {
    let History { values, columns, .. } = history;
    for (at, key) in columns.key.iter_mut().enumerate() {
        if let Some([of, argument]) = pair(values, columns.argument[at]) {
            (*key, columns.argument[at]) = (of, argument);
        }
        if let Some([of, result]) = pair(values, columns.result[at])
            && of == *key
        {
            columns.result[at] = result;
        }
    }
}
