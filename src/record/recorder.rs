//! The single writer of a run's history.
//!
//! An invocation is in the file (the kernel has it) before [`Recorder::invoke`] returns, so before its request can
//! be sent: after kill -9 at any byte the file is a prefix that tells of every request that left. Completions may
//! wait for the next invocation's write: losing one only makes its operation indeterminate, which is true then.
//!
//! Times are read under the writer's lock, so the file is in the order of the clock, and every recorded interval
//! contains the real one: the clock is read before sending and after receiving.

use super::clock::Clock;
use super::system::{Action, Answer, Certainty, Failure, NodeId, Reply};
use crate::history::formats::consistory::{EventLine, Payload, encode_event, encode_header};
use crate::history::{Actor, Header, Nanos, Phase, ProcessId, Value};
use parking_lot::Mutex;
use std::fs::File;
use std::io::{Error, Result as Written, Write};
use std::path::Path;

/// Bytes of completions that may wait for the next invocation.
const PENDING_MAX: usize = 64 * 1024;

/// Writes events as they happen; shared by all workers.
pub struct Recorder {
    clock: Clock,
    nodes: Vec<String>,
    writer: Mutex<Writer>,
}

struct Writer {
    file: Box<dyn Write + Send>,
    pending: Vec<u8>,
    index: u64,
    /// A write has failed; nothing is written after that, since a gap would make the history untrue.
    broken: bool,
    /// The error of that write, until somebody has heard of it.
    error: Option<Error>,
}

/// A write to the history has failed: an operation that cannot be recorded must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history cannot be written any more")]
pub struct RecorderBroken;

impl Recorder {
    /// Creates the file and writes its header.
    ///
    /// # Errors
    /// Those of the file system; the file must not exist yet.
    pub fn create(path: &Path, header: &Header, nodes: Vec<String>, clock: Clock) -> Written<Self> {
        Self::to(Box::new(File::create_new(path)?), header, nodes, clock)
    }

    /// Writes the header to `file` and will write the events there.
    ///
    /// # Errors
    /// Those of writing the header.
    pub fn to(mut file: Box<dyn Write + Send>, header: &Header, nodes: Vec<String>, clock: Clock) -> Written<Self> {
        file.write_all(encode_header(header).as_bytes())?;
        let pending = Vec::with_capacity(PENDING_MAX + 4096);
        let writer = Writer { file, pending, index: 0, broken: false, error: None };
        Ok(Self { clock, nodes, writer: Mutex::new(writer) })
    }

    /// Records that `process` is about to send `action`; returns when.
    ///
    /// # Errors
    /// When this or an earlier line could not be written: the request must not be sent.
    pub fn invoke(&self, process: ProcessId, action: &Action) -> Result<Nanos, RecorderBroken> {
        let mut argument = [0; 2];
        let event = event(process, Phase::Invoke, action, &mut argument);
        let mut writer = self.writer.lock();
        let time = writer.append(&self.clock, event);
        writer.flush();
        if writer.broken { Err(RecorderBroken) } else { Ok(time) }
    }

    /// Records how `process`'s `action` ended; returns when.
    pub fn complete(&self, process: ProcessId, action: &Action, result: &Result<Reply, Failure>) -> Nanos {
        let mut argument = [0; 2];
        let mut event = event(process, Phase::Ok, action, &mut argument);
        match result {
            Ok(reply) => {
                event.node = self.node(reply.node);
                match &reply.answer {
                    Answer::Done => {}
                    Answer::Value(value) => event.value = value.map_or(Payload::Nil, Payload::Int),
                    Answer::Members(members) => event.value = Payload::Ints(members),
                }
            }
            Err(failure) => {
                event.phase = if failure.certainty == Certainty::Definite { Phase::Fail } else { Phase::Info };
                event.node = self.node(failure.node);
                event.error = &failure.error;
            }
        }
        let mut writer = self.writer.lock();
        let time = writer.append(&self.clock, event);
        if writer.pending.len() > PENDING_MAX {
            writer.flush();
        }
        time
    }

    /// Records something about the cluster: what a fault did, which node leads.
    pub fn note(&self, function: &str, value: &Value) {
        let event = EventLine {
            index: 0,
            time: Nanos(0),
            actor: Actor::Nemesis,
            phase: Phase::Info,
            function,
            key: Payload::Absent,
            value: Payload::Value(value),
            node: "",
            error: "",
        };
        let mut writer = self.writer.lock();
        writer.append(&self.clock, event);
        writer.flush();
    }

    /// Hands everything to the kernel.
    ///
    /// # Errors
    /// The first error of any write since the start: the history is then incomplete.
    pub fn flush(&self) -> Written<()> {
        let mut writer = self.writer.lock();
        writer.flush();
        if writer.broken { Err(writer.error.take().unwrap_or_else(|| Error::other(RecorderBroken))) } else { Ok(()) }
    }

    fn node(&self, node: Option<NodeId>) -> &str {
        node.and_then(|id| self.nodes.get(usize::from(id.0))).map_or("", String::as_str)
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("clock", &self.clock).field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

impl Drop for Recorder {
    /// A run that ends by a panic leaves what it knew. An error has nobody to go to here; [`Recorder::flush`] tells.
    fn drop(&mut self) {
        self.writer.get_mut().flush();
    }
}

impl Writer {
    /// Stamps an event and queues its line; returns the stamp. The clock is read here, under the lock, so that
    /// the file is in the order of its times.
    fn append(&mut self, clock: &Clock, event: EventLine<'_>) -> Nanos {
        let time = clock.now();
        encode_event(&mut self.pending, &EventLine { index: self.index, time, ..event });
        self.index += 1;
        time
    }

    fn flush(&mut self) {
        if !self.broken
            && let Err(error) = self.file.write_all(&self.pending)
        {
            self.broken = true;
            self.error = Some(error);
        }
        self.pending.clear();
    }
}

/// The event of an action with its argument, for which `argument` lends the space.
fn event<'a>(process: ProcessId, phase: Phase, action: &Action, argument: &'a mut [i64; 2]) -> EventLine<'a> {
    let value = match *action {
        Action::Read { .. } | Action::Members { .. } => Payload::Nil,
        Action::Write { value, .. } => Payload::Int(value),
        Action::Add { element, .. } => Payload::Int(element),
        Action::Cas { from, to, .. } => {
            *argument = [from, to];
            Payload::Ints(argument)
        }
    };
    EventLine {
        index: 0,
        time: Nanos(0),
        actor: Actor::Client(process),
        phase,
        function: action.function().name(),
        key: Payload::Int(i64::try_from(action.key().0).expect("fewer than 2^63 keys are used")),
        value,
        node: "",
        error: "",
    }
}
