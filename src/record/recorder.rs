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
use crate::history::formats::consistory::{EventLine, LineValue, encode_event, encode_header};
use crate::history::{Header, Nanos, Phase, Value};
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
    pub fn invoke(&self, process: u32, action: &Action) -> Nanos {
        let mut writer = self.writer.lock();
        let time = self.clock.now();
        writer.line(EventLine {
            time,
            process: Some(process),
            phase: Phase::Invoke,
            function: action.function().name(),
            key: Some(action.key().0),
            value: argument(action),
            node: "",
            error: "",
        });
        writer.flush();
        time
    }

    /// Records how `process`'s `action` ended; returns when.
    pub fn complete(&self, process: u32, action: &Action, result: &Result<Reply, Failure>) -> Nanos {
        let mut line = EventLine {
            time: Nanos(0),
            process: Some(process),
            phase: Phase::Ok,
            function: action.function().name(),
            key: Some(action.key().0),
            value: argument(action),
            node: "",
            error: "",
        };
        match result {
            Ok(reply) => {
                line.node = self.node(reply.node);
                match &reply.answer {
                    Answer::Done => {}
                    Answer::Value(value) => line.value = value.map_or(LineValue::Nil, LineValue::Int),
                    Answer::Members(members) => line.value = LineValue::Ints(members),
                }
            }
            Err(failure) => {
                line.phase = if failure.certainty == Certainty::Definite { Phase::Fail } else { Phase::Info };
                line.node = self.node(failure.node);
                line.error = &failure.error;
            }
        }
        let mut writer = self.writer.lock();
        line.time = self.clock.now();
        let time = line.time;
        writer.line(line);
        if writer.pending.len() > PENDING_MAX {
            writer.flush();
        }
        time
    }

    /// Records something about the cluster: what a fault did, which node leads.
    pub fn note(&self, function: &str, value: &Value) {
        let mut writer = self.writer.lock();
        let time = self.clock.now();
        let value = LineValue::Any(value);
        let line =
            EventLine { time, process: None, phase: Phase::Info, function, key: None, value, node: "", error: "" };
        writer.line(line);
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

impl Writer {
    fn line(&mut self, line: EventLine<'_>) {
        encode_event(&mut self.pending, self.index, &line);
        self.index += 1;
    }

    fn flush(&mut self) {
        if self.broken.is_none() {
            self.broken = self.file.write_all(&self.pending).err();
        }
        self.pending.clear();
    }
}

fn argument(action: &Action) -> LineValue<'static> {
    match *action {
        Action::Read { .. } | Action::Members { .. } => LineValue::Nil,
        Action::Write { value, .. } => LineValue::Int(value),
        Action::Cas { from, to, .. } => LineValue::Pair(from, to),
        Action::Add { element, .. } => LineValue::Int(element),
    }
}
