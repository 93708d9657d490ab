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
use std::io::Write;
use std::path::Path;

/// Bytes of completions that may wait for the next invocation.
const PENDING_MAX: usize = 64 * 1024;

/// Writes events as they happen; shared by all workers.
#[derive(Debug)]
pub struct Recorder {
    clock: Clock,
    nodes: Vec<String>,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    file: File,
    pending: Vec<u8>,
    index: u64,
    broken: Option<std::io::Error>,
}

impl Recorder {
    /// Creates the file and writes its header.
    ///
    /// # Errors
    /// Those of the file system; the file must not exist yet.
    pub fn create(path: &Path, header: &Header, nodes: Vec<String>, clock: Clock) -> std::io::Result<Self> {
        let mut file = File::create_new(path)?;
        file.write_all(encode_header(header).as_bytes())?;
        let pending = Vec::with_capacity(PENDING_MAX + 4096);
        Ok(Self { clock, nodes, writer: Mutex::new(Writer { file, pending, index: 0, broken: None }) })
    }

    /// Records that `process` is about to send `action`; returns when.
    pub fn invoke(&self, process: ProcessId, action: &Action) -> Nanos {
        let mut argument = [0; 2];
        let event = event(process, Phase::Invoke, action, &mut argument);
        let mut writer = self.writer.lock();
        let time = writer.append(&self.clock, event);
        writer.flush();
        time
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
    pub fn flush(&self) -> std::io::Result<()> {
        let mut writer = self.writer.lock();
        writer.flush();
        writer.broken.take().map_or(Ok(()), Err)
    }

    /// Whether a write has failed: the run must end.
    pub fn is_broken(&self) -> bool {
        self.writer.lock().broken.is_some()
    }

    fn node(&self, node: Option<NodeId>) -> &str {
        node.and_then(|id| self.nodes.get(usize::from(id.0))).map_or("", String::as_str)
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
        if self.broken.is_none() {
            self.broken = self.file.write_all(&self.pending).err();
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
