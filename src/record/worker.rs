//! One client slot of a run: a sequence of logical processes, each with one outstanding operation.
//!
//! Closed loop: the next operation starts when the last has ended. Open loop: operations have scheduled times, and
//! latency counts from those, so that a stalled server cannot hide by slowing its clients down. After an
//! indeterminate operation the process id retires and a fresh connection is opened under a new id. An operation that is
//! tried again is another operation for each attempt; its latency counts from the first.

use super::clients::{Clients, Lock, Wakefulness};
use super::final_reads::turned_true;
use super::policy::{Breaker, ClientPolicy};
use super::recorder::{Recorder, RecorderBroken};
use super::roaming;
use super::system::{Action, Certainty, Client, Cluster, Failure, Reply};
use super::work::Generator;
use crate::history::{ProcessId, Retry};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hdrhistogram::Histogram;
use std::future::{pending, poll_fn};
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The pause after a failure, so that a node that is dead or cannot serve is not asked ten thousand times a second.
const FAILURE_PAUSE: Duration = Duration::from_millis(20);
/// Among how many places clients spread their counts.
const STRIPES: usize = 16;

/// What all workers of a run share.
pub(super) struct Shared {
    pub(super) recorder: Recorder,
    /// Client `slot` counts at `slot % STRIPES`.
    pub(super) counts: [Counts; STRIPES],
    pub(super) stop: watch::Receiver<bool>,
    pub(super) wakefulness: Clients,
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    /// How many operations may still be started, or `None` for as many as time allows.
    pub(super) remaining: Option<AtomicU64>,
    pub(super) timeout: Duration,
    pub(super) policy: ClientPolicy,
    pub(super) clients: u32,
    /// The time between two scheduled operations of one client in an open loop.
    pub(super) interval: Option<Duration>,
    /// After so many operations each client moves to the next node.
    pub(super) hop: Option<NonZeroU32>,
}

/// Live counts of the ended operations of a few clients, on cache lines of their own: all clients of an in-process
/// store would otherwise wait for each other's.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    /// Completed.
    pub(super) ok: AtomicU64,
    /// Definitely failed.
    pub(super) failed: AtomicU64,
    /// Indeterminate.
    pub(super) unknown: AtomicU64,
    /// Of all these, attempts after the first.
    pub(super) again: AtomicU64,
}

/// What a worker leaves.
pub(super) struct Ended {
    /// Latencies of completed operations in microseconds.
    pub(super) latency_us: Histogram<u64>,
    /// The last process id it used.
    pub(super) last: ProcessId,
    /// Operations of an open loop that were due before the deadline and not started by then.
    pub(super) missed: u64,
    /// Why it ended before its time.
    pub(super) problem: Option<String>,
}

/// Why a worker cannot go on.
enum Halt {
    /// The run is over for all: the history cannot be written.
    Broken,
    /// There is no fresh process id for this slot.
    NoProcess,
}

impl From<RecorderBroken> for Halt {
    fn from(_: RecorderBroken) -> Self {
        Self::Broken
    }
}

/// One client slot.
pub(super) struct Worker {
    pub(super) slot: u32,
    pub(super) generator: Box<dyn Generator>,
    pub(super) latency_us: Histogram<u64>,
    process: ProcessId,
    client: Option<Box<dyn Client>>,
    wakefulness: Arc<Wakefulness>,
    breaker: Breaker,
}

impl Worker {
    pub(super) fn new(slot: u32, generator: Box<dyn Generator>, policy: ClientPolicy) -> Self {
        let (latency_us, breaker) = (latencies(), Breaker::new(policy.breaker));
        let (process, wakefulness) = (ProcessId(slot), Arc::default());
        Self { slot, generator, latency_us, process, client: None, wakefulness, breaker }
    }

    /// Works until told to stop.
    pub(super) async fn work(mut self, shared: Arc<Shared>, cluster: Arc<dyn Cluster>) -> Ended {
        self.wakefulness = shared.wakefulness.client(self.slot as usize);
        let mut driven = match shared.interval {
            None => self.closed_loop(&shared, cluster.as_ref()).await.map(|()| 0),
            Some(interval) => self.open_loop(&shared, cluster.as_ref(), interval).await,
        };
        if driven.is_ok()
            && let Some(action) = self.generator.closing()
        {
            driven = self.perform(action, &shared, cluster.as_ref(), None).await.and(driven);
        }
        let problem = matches!(driven, Err(Halt::NoProcess))
            .then(|| format!("client {} ended early: all process ids are used up", self.slot));
        Ended { latency_us: self.latency_us, last: self.process, missed: driven.unwrap_or(0), problem }
    }

    async fn closed_loop(&mut self, shared: &Shared, cluster: &dyn Cluster) -> Result<(), Halt> {
        let mut now = Instant::now();
        while !shared.stopped() && now < shared.deadline && shared.may_start() {
            now = self.step(shared, cluster, None).await?;
        }
        Ok(())
    }

    /// Starts an operation every `interval`; the slots are spread over it, so that clients do not move in step.
    /// Returns how many operations were due before the deadline and not started by then.
    async fn open_loop(&mut self, shared: &Shared, cluster: &dyn Cluster, interval: Duration) -> Result<u64, Halt> {
        let mut stop = shared.stop.clone();
        let offset = interval.mul_f64(f64::from(self.slot) / f64::from(shared.clients));
        let mut due = shared.started.checked_add(offset);
        while let Some(scheduled) = due.filter(|&scheduled| scheduled < shared.deadline) {
            // Who learns that its lock is lost says so at once, not when it is due.
            let lost = match self.client.as_mut() {
                Some(client) if self.wakefulness.holds() => client.lost(),
                _ => pending().boxed(),
            };
            tokio::select! {
                biased;
                () = turned_true(&mut stop) => return Ok(0),
                () = lost => {}
                () = tokio::time::sleep_until(scheduled.into()) => {}
            }
            if Instant::now() >= shared.deadline {
                return Ok(due_until(shared.deadline, scheduled, interval));
            }
            if !shared.may_start() {
                return Ok(0);
            }
            self.step(shared, cluster, Some(scheduled)).await?;
            due = scheduled.checked_add(interval);
        }
        Ok(0)
    }

    /// One operation with all its attempts, scheduled for an instant or for now; returns when it is over. What cannot be
    /// recorded is not sent.
    async fn step(
        &mut self,
        shared: &Shared,
        cluster: &dyn Cluster,
        scheduled: Option<Instant>,
    ) -> Result<Instant, Halt> {
        let pause = self.generator.pause();
        if !pause.is_zero() || self.wakefulness.is_asleep() {
            self.rest(pause, shared).await;
        }
        let action = self.generator.next();
        self.perform(action, shared, cluster, scheduled).await
    }

    /// Waits as long as the workload wants, or until what the client holds is lost, and as long as it is put to sleep.
    async fn rest(&mut self, pause: Duration, shared: &Shared) {
        let mut stop = shared.stop.clone();
        if !pause.is_zero() {
            let lost = self.client.as_mut().map_or_else(|| pending().boxed(), |client| client.lost());
            tokio::select! {
                () = turned_true(&mut stop) => {}
                () = tokio::time::sleep_until((Instant::now() + pause).min(shared.deadline).into()) => {}
                () = lost => {}
            }
        }
        if self.wakefulness.is_asleep() {
            tokio::select! {
                () = turned_true(&mut stop) => {}
                () = self.wakefulness.awake() => {}
            }
        }
    }

    /// Records, sends and records again, as often as the policy wants. Locks are not tried for again: who asks twice must
    /// tell which of the two it got.
    async fn perform(
        &mut self,
        action: Action,
        shared: &Shared,
        cluster: &dyn Cluster,
        scheduled: Option<Instant>,
    ) -> Result<Instant, Halt> {
        let (mut begun, mut retry) = (scheduled, None);
        loop {
            let process = self.process;
            let invoked = shared.recorder.invoke_again(process, &action, retry).await?;
            let begun = *begun.get_or_insert(invoked);
            let result = self.attempt(&action, shared, cluster).await;
            let completed = shared.recorder.complete(process, &action, &result);
            self.tell_of_locks(&action, &result);
            let counts = shared.counts_of(self.slot);
            if retry.is_some() {
                counts.again.fetch_add(1, Ordering::Relaxed);
            }
            let failure = match result {
                Ok(reply) => {
                    counts.ok.fetch_add(1, Ordering::Relaxed);
                    let latency = completed.saturating_duration_since(begun);
                    self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
                    self.generator.observe(&action, &reply.answer);
                    return Ok(completed);
                }
                Err(failure) => failure,
            };
            self.after_failure(&failure, shared)?;
            let attempt = retry.map_or(1, |retry: Retry| retry.attempt);
            if action.is_about_a_lock() || !shared.comes_again(&failure, attempt, completed).await {
                return Ok(pause(&failure, completed).await);
            }
            retry = Some(Retry { attempt: attempt + 1, previous: process });
        }
    }

    /// Whoever puts clients to sleep looks for those that hold something.
    fn tell_of_locks(&self, action: &Action, result: &Result<Reply, Failure>) {
        match (action, result) {
            (Action::Acquire { .. }, Ok(reply)) => self.wakefulness.hold(Lock::Of(reply.node)),
            (Action::Release { .. }, _) => self.wakefulness.hold(Lock::None),
            _ => {}
        }
    }

    /// One attempt, unless the breaker refuses it.
    async fn attempt(&mut self, action: &Action, shared: &Shared, cluster: &dyn Cluster) -> Result<Reply, Failure> {
        if shared.policy.breaker.is_none() {
            return self.send(action, shared, cluster).await;
        }
        if !self.breaker.allows(Instant::now()) {
            return Err(Failure::definite(Breaker::OPEN));
        }
        let result = self.send(action, shared, cluster).await;
        let answered = result.as_ref().err().is_none_or(Failure::is_an_answer);
        self.breaker.hear(answered, Instant::now());
        result
    }

    /// Performs one operation on this process's connection, opening one first where there is none.
    async fn send(&mut self, action: &Action, shared: &Shared, cluster: &dyn Cluster) -> Result<Reply, Failure> {
        if self.client.is_none() {
            let connection = roaming::connect(cluster, self.slot as usize, shared.hop, shared.timeout);
            self.client = Some(open(Box::pin(connection), shared.timeout).await?);
        }
        let client = self.client.as_mut().expect("was opened above");
        bounded(client.as_mut(), action, shared.timeout).await
    }

    fn after_failure(&mut self, failure: &Failure, shared: &Shared) -> Result<(), Halt> {
        let indefinite = failure.certainty == Certainty::Indefinite;
        let counts = shared.counts_of(self.slot);
        if indefinite { &counts.unknown } else { &counts.failed }.fetch_add(1, Ordering::Relaxed);
        if indefinite || failure.reconnect {
            self.client = None;
        }
        if indefinite {
            // The operation may still take effect at any later time: nothing that follows is ordered after it.
            // An id that came round again would order it all the same.
            self.process = ProcessId(self.process.0.checked_add(shared.clients).ok_or(Halt::NoProcess)?);
        }
        Ok(())
    }
}

impl Shared {
    fn counts_of(&self, slot: u32) -> &Counts {
        &self.counts[slot as usize % STRIPES]
    }

    /// Waits until a failed operation is to be tried again: whether it is. It is not when the run would be over by then.
    async fn comes_again(&self, failure: &Failure, attempt: u32, failed: Instant) -> bool {
        let Some(retry) = self.policy.retry.filter(|_| failure.error != Failure::MISMATCH) else { return false };
        let due = retry.pause_after(attempt).and_then(|pause| failed.checked_add(pause));
        let Some(due) = due.filter(|&due| due < self.deadline) else { return false };
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            () = turned_true(&mut stop) => false,
            () = tokio::time::sleep_until(due.into()) => true,
        }
    }

    /// Attempts after the first so far.
    pub(super) fn again(&self) -> u64 {
        self.counts.iter().map(|counts| counts.again.load(Ordering::Relaxed)).sum()
    }

    /// Completed, definitely failed and indeterminate operations so far, each attempt counted.
    pub(super) fn totals(&self) -> [u64; 3] {
        let sum = |count: fn(&Counts) -> &AtomicU64| {
            self.counts.iter().map(|counts| count(counts).load(Ordering::Relaxed)).sum()
        };
        [sum(|counts| &counts.ok), sum(|counts| &counts.failed), sum(|counts| &counts.unknown)]
    }

    /// Whether the run is to end now. Looking at the value takes a lock, at its version none.
    fn stopped(&self) -> bool {
        !matches!(self.stop.has_changed(), Ok(false)) && *self.stop.borrow()
    }

    fn may_start(&self) -> bool {
        self.remaining.as_ref().is_none_or(|remaining| {
            remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        })
    }
}

/// The pause after an operation that failed for good; when it is over.
async fn pause(failure: &Failure, completed: Instant) -> Instant {
    // A mismatch is an answer, and a timeout has waited already.
    if failure.error == Failure::MISMATCH || failure.error == Failure::TIMEOUT {
        return completed;
    }
    tokio::time::sleep(FAILURE_PAUSE).await;
    Instant::now()
}

/// How many operations are due before `deadline`, one every `interval` from `first` on.
fn due_until(deadline: Instant, first: Instant, interval: Duration) -> u64 {
    let left = deadline.saturating_duration_since(first).as_nanos();
    u64::try_from(left.div_ceil(interval.as_nanos().max(1))).unwrap_or(u64::MAX)
}

/// A connection within `timeout`. One that cannot be opened is a definite failure: nothing was sent.
pub(super) async fn open(
    connection: BoxFuture<'_, Result<Box<dyn Client>, Failure>>,
    timeout: Duration,
) -> Result<Box<dyn Client>, Failure> {
    let why = match tokio::time::timeout(timeout, connection).await {
        Ok(Ok(client)) => return Ok(client),
        Ok(Err(failure)) => failure,
        Err(_) => Failure::definite("connect timeout"),
    };
    Err(Failure { certainty: Certainty::Definite, reconnect: true, ..why })
}

/// An operation with an end: a timeout is an indeterminate outcome. An operation that is ready at once (an
/// in-process store) never touches the timer.
pub(super) async fn bounded(client: &mut dyn Client, action: &Action, timeout: Duration) -> Result<Reply, Failure> {
    let timed_out = {
        let mut operation = pin!(client.invoke(action));
        let first = poll_fn(|context| Poll::Ready(operation.as_mut().poll(context))).await;
        if let Poll::Ready(result) = first {
            return result;
        }
        tokio::time::timeout(timeout, operation).await
    };
    timed_out.unwrap_or_else(|_| Err(Failure { node: client.node(), ..Failure::indefinite(Failure::TIMEOUT) }))
}

/// An empty histogram of latencies from a microsecond to an hour; what is longer counts as an hour.
pub(super) fn latencies() -> Histogram<u64> {
    const HOUR_US: u64 = 3_600_000_000;
    Histogram::new_with_max(HOUR_US, 3).expect("the bounds are in range")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Header;
    use crate::record::clock::Clock;
    use crate::record::system::{Answer, Key, Node, SystemError};
    use std::io::{Error, ErrorKind, Write};

    /// Room for a few lines and then a full disk.
    struct SmallDisk(usize);

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| Error::from(ErrorKind::StorageFull))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A store that counts requests and may lose them all.
    #[derive(Clone, Default)]
    struct Counting {
        requests: Arc<AtomicU64>,
        loses: bool,
    }

    impl Cluster for Counting {
        fn nodes(&self) -> &[Node] {
            &[]
        }

        fn versions(&self) -> Vec<(String, String)> {
            Vec::new()
        }

        fn config(&self) -> Vec<(String, String)> {
            Vec::new()
        }

        fn connect(&self, _: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
            Box::pin(async { Ok(Box::new(self.clone()) as Box<dyn Client>) })
        }

        fn settle(&self, _: Instant) -> BoxFuture<'_, Result<(), SystemError>> {
            Box::pin(async { Ok(()) })
        }

        fn stop(&mut self) -> BoxFuture<'_, Result<(), SystemError>> {
            Box::pin(async { Ok(()) })
        }
    }

    impl Client for Counting {
        fn invoke<'a>(&'a mut self, _: &'a Action) -> BoxFuture<'a, Result<Reply, Failure>> {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let reply = Reply { answer: Answer::Done, node: None };
            let result = if self.loses { Err(Failure::indefinite("lost")) } else { Ok(reply) };
            Box::pin(async move { result })
        }
    }

    struct Adds;

    impl Generator for Adds {
        fn next(&mut self) -> Action {
            Action::Add { key: Key(0), element: 1 }
        }

        fn observe(&mut self, _: &Action, _: &Answer) {}
    }

    /// What workers share when there is room for so many bytes of history, and the sender that keeps them going.
    fn shared(bytes: usize, clients: u32) -> (Arc<Shared>, watch::Sender<bool>) {
        let (sender, stop) = watch::channel(false);
        let recorder = Recorder::to(Box::new(SmallDisk(bytes)), &Header::default(), Vec::new(), Clock::start());
        let shared = Shared {
            recorder: recorder.expect("the header fits"),
            counts: Default::default(),
            stop,
            wakefulness: Clients::default(),
            started: Instant::now(),
            deadline: Instant::now() + Duration::from_secs(60),
            remaining: Some(AtomicU64::new(1_000)),
            timeout: Duration::from_secs(1),
            policy: ClientPolicy::default(),
            clients,
            interval: None,
            hop: None,
        };
        (Arc::new(shared), sender)
    }

    #[tokio::test]
    async fn what_cannot_be_recorded_is_not_sent() {
        let cluster = Counting::default();
        let (shared, _sender) = shared(1_000, 1);
        let worker = Worker::new(0, Box::new(Adds), ClientPolicy::default());
        worker.work(Arc::clone(&shared), Arc::new(cluster.clone())).await;
        let (sent, ok) = (cluster.requests.load(Ordering::Relaxed), shared.totals()[0]);
        assert!((1..20).contains(&sent), "{sent} requests left");
        assert_eq!(sent, ok, "no request left that was not recorded");
        let error = shared.recorder.flush().expect_err("the history is not whole");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(shared.recorder.flush().is_err(), "and stays so");
    }

    #[tokio::test]
    async fn process_ids_end_rather_than_come_round() {
        let cluster = Counting { loses: true, ..Counting::default() };
        let (shared, _sender) = shared(100_000, u32::MAX / 2);
        let ended =
            Worker::new(3, Box::new(Adds), ClientPolicy::default()).work(shared, Arc::new(cluster.clone())).await;
        assert_eq!(cluster.requests.load(Ordering::Relaxed), 2, "under 3 and 3 + 2^31 - 1");
        assert_eq!(ended.last, ProcessId(3 + u32::MAX / 2));
        assert_eq!(ended.problem.as_deref(), Some("client 3 ended early: all process ids are used up"));
    }
}
