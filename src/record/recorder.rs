//! The single writer of a run's history.
//!
//! An invocation is in the file (the kernel has it) before [`Recorder::invoke`] returns, so before its request can
//! be sent: after kill -9 at any byte the file is a prefix that tells of every request that left. Clients that are
//! ready at the same time share one write (group commit). Completions may wait for the next write: losing one only
//! makes its operation indeterminate, which is true then.
//!
//! Times are read under the lock of the queue, so the file is in the order of the clock, and every recorded interval
//! contains the real one: the clock is read before sending and after receiving.

use super::clock::Clock;
use super::system::{Action, Answer, Certainty, Failure, NodeId, Reply};
use crate::history::formats::consistory::{EventLine, Payload, encode_header, encode_stamp, encode_unstamped};
use crate::history::{Actor, Header, Nanos, Phase, ProcessId, Retry, Value};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::fs::File;
use std::future::poll_fn;
use std::io::{Error, Result as Written, Write};
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Instant;

/// Bytes of completions that may wait for the next write.
const PENDING_MAX: usize = 64 * 1024;
/// How often a client that finds the file in use lets the others run before it waits.
const TURNS_MAX: usize = 16;

/// Writes events as they happen; shared by all workers.
///
/// Two locks, so that clients queue lines while others are being written; the file's is taken first.
pub struct Recorder {
    clock: Clock,
    nodes: Vec<String>,
    queue: Mutex<Queue>,
    file: Mutex<Output>,
    /// How many of the queued bytes the kernel has.
    written: AtomicU64,
}

/// Lines in their order in the file, not yet written.
struct Queue {
    lines: Vec<u8>,
    /// The number of the next event.
    index: u64,
    /// Bytes ever queued.
    queued: u64,
}

struct Output {
    file: Box<dyn Write + Send>,
    /// The space of the lines that were written last, for those that will be queued next.
    spare: Vec<u8>,
    /// A write has failed; nothing is written after that, since a gap would make the history untrue.
    broken: bool,
    /// The error of that write, until somebody has heard of it.
    error: Option<Error>,
}

/// A stamped line in the queue.
#[derive(Clone, Copy)]
struct Queued {
    at: Instant,
    /// Where it ends, in bytes ever queued.
    end: u64,
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
        let space = || Vec::with_capacity(PENDING_MAX + 4096);
        let output = Output { file, spare: space(), broken: false, error: None };
        let queue = Queue { lines: space(), index: 0, queued: 0 };
        Ok(Self { clock, nodes, queue: Mutex::new(queue), file: Mutex::new(output), written: AtomicU64::new(0) })
    }

    /// Records that `process` is about to send `action`; returns when. Other tasks that are ready run meanwhile,
    /// so that their lines go along in the same write.
    ///
    /// # Errors
    /// When this or an earlier line could not be written: the request must not be sent.
    pub async fn invoke(&self, process: ProcessId, action: &Action) -> Result<Instant, RecorderBroken> {
        self.invoke_again(process, action, None).await
    }

    /// The same, of an attempt that may follow upon another.
    ///
    /// # Errors
    /// As [`Recorder::invoke`].
    pub async fn invoke_again(
        &self,
        process: ProcessId,
        action: &Action,
        retry: Option<Retry>,
    ) -> Result<Instant, RecorderBroken> {
        let queued = self.queue(&EventLine { retry, ..event(process, Phase::Invoke, action, &mut [0; 2]) });
        for _ in 0..TURNS_MAX {
            others_first().await;
            if self.written.load(Ordering::Acquire) >= queued.end {
                return Ok(queued.at);
            }
            if let Some(mut output) = self.file.try_lock() {
                self.write_queue(&mut output);
                return if output.broken { Err(RecorderBroken) } else { Ok(queued.at) };
            }
        }
        self.commit(queued.end)?;
        Ok(queued.at)
    }

    /// Records how `process`'s `action` ended; returns when.
    pub fn complete(&self, process: ProcessId, action: &Action, result: &Result<Reply, Failure>) -> Instant {
        let mut argument = [0; 2];
        let mut event = event(process, Phase::Ok, action, &mut argument);
        match result {
            Ok(reply) => {
                event.node = self.node(reply.node);
                match &reply.answer {
                    Answer::Done => {}
                    Answer::Value(value) => event.value = value.map_or(Payload::Nil, Payload::Int),
                    Answer::Members(members) => event.value = Payload::Ints(members),
                    Answer::Lost => event.value = Payload::Text("lost"),
                }
            }
            Err(failure) => {
                event.phase = if failure.certainty == Certainty::Definite { Phase::Fail } else { Phase::Info };
                event.node = self.node(failure.node);
                event.error = &failure.error;
            }
        }
        let queued = self.queue(&event);
        // Others may have written more than this by now.
        if queued.end.saturating_sub(self.written.load(Ordering::Acquire)) > PENDING_MAX as u64 {
            // A failed write is heard of by the next invocation.
            let _ = self.commit(queued.end);
        }
        queued.at
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
            retry: None,
        };
        let queued = self.queue(&event);
        let _ = self.commit(queued.end);
    }

    /// Hands everything to the kernel.
    ///
    /// # Errors
    /// The first error of any write since the start: the history is then incomplete.
    pub fn flush(&self) -> Written<()> {
        let mut output = self.file.lock();
        self.write_queue(&mut output);
        if output.broken { Err(output.error.take().unwrap_or_else(|| Error::other(RecorderBroken))) } else { Ok(()) }
    }

    /// Stamps an event and queues its line. The clock is read under the lock, so that the file is in the order of
    /// its times. All but the stamp is encoded before, so that clients wait for each other no longer than one stamp
    /// and one copy take.
    fn queue(&self, event: &EventLine<'_>) -> Queued {
        thread_local! {
            static UNSTAMPED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        UNSTAMPED.with_borrow_mut(|line| {
            line.clear();
            encode_unstamped(line, event);
            let mut queue = self.queue.lock();
            let (at, before) = (Instant::now(), queue.lines.len());
            let index = queue.index;
            encode_stamp(&mut queue.lines, index, self.clock.time(at));
            queue.lines.extend_from_slice(line);
            queue.index += 1;
            queue.queued += (queue.lines.len() - before) as u64;
            Queued { at, end: queue.queued }
        })
    }

    /// Returns when the kernel has the first `end` bytes of lines.
    fn commit(&self, end: u64) -> Result<(), RecorderBroken> {
        if self.written.load(Ordering::Acquire) >= end {
            return Ok(());
        }
        let mut output = self.file.lock();
        if self.written.load(Ordering::Acquire) < end {
            self.write_queue(&mut output);
        }
        if output.broken { Err(RecorderBroken) } else { Ok(()) }
    }

    /// Writes all lines queued so far, unless the file is broken: `written` stays behind then.
    fn write_queue(&self, output: &mut Output) {
        let queued = {
            let mut queue = self.queue.lock();
            mem::swap(&mut queue.lines, &mut output.spare);
            queue.queued
        };
        if !output.broken {
            match output.file.write_all(&output.spare) {
                Ok(()) => self.written.store(queued, Ordering::Release),
                Err(error) => {
                    output.broken = true;
                    output.error = Some(error);
                }
            }
        }
        output.spare.clear();
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
        let _ = self.flush();
    }
}

/// Lets every task that is ready run first. Unlike tokio's `yield_now`, this does not go by way of the I/O driver,
/// which would cost a system call: what this is there to save.
async fn others_first() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The event of an action with its argument, for which `argument` lends the space.
fn event<'a>(process: ProcessId, phase: Phase, action: &Action, argument: &'a mut [i64; 2]) -> EventLine<'a> {
    let value = match *action {
        Action::Read { .. } | Action::Members { .. } => Payload::Nil,
        Action::Acquire { .. } | Action::Release { .. } => Payload::Absent,
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
        retry: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::system::Key;
    use serde_json::Value as Json;
    use std::sync::Arc;

    const CLIENTS: u32 = 8;
    const WRITES: i64 = 50;

    /// A file that its writer and a test share.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<Vec<u8>>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> Written<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> Written<()> {
            Ok(())
        }
    }

    impl Disk {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).expect("lines are UTF-8")
        }
    }

    async fn client(recorder: Arc<Recorder>, disk: Disk, process: u32) {
        for value in 0..WRITES {
            let action = Action::Write { key: Key(0), value };
            recorder.invoke(ProcessId(process), &action).await.expect("the disk takes it");
            let line =
                format!("\"process\":{process},\"type\":\"invoke\",\"f\":\"write\",\"key\":0,\"value\":{value}}}\n");
            assert!(disk.text().contains(&line), "the kernel has no {line}");
            recorder.complete(ProcessId(process), &action, &Ok(Reply { answer: Answer::Done, node: None }));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn invocations_are_written_before_they_are_sent_and_all_lines_in_the_order_of_the_clock() {
        let disk = Disk::default();
        let recorder = Recorder::to(Box::new(disk.clone()), &Header::default(), Vec::new(), Clock::start());
        let recorder = Arc::new(recorder.expect("the disk takes it"));
        let clients = (0..CLIENTS).map(|process| tokio::spawn(client(Arc::clone(&recorder), disk.clone(), process)));
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("no assertion failed");
        }
        recorder.flush().expect("the disk takes it");
        let lines: Vec<Json> =
            disk.text().lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2 * CLIENTS as usize * usize::try_from(WRITES).expect("positive"));
        assert!(lines.iter().enumerate().all(|(place, line)| line["index"] == place), "numbered as they stand");
        assert!(lines.is_sorted_by_key(|line| line["time"].as_u64().expect("every event has a time")));
    }
}
