//! One client slot of a run: a sequence of logical processes, each with one outstanding operation.
//!
//! Closed loop: the next operation starts when the last has ended. Open loop: operations have scheduled times, and
//! latency counts from those, so that a stalled server cannot hide by slowing its clients down. After an
//! indeterminate operation the process id retires and a fresh connection is opened under a new id.

use super::recorder::Recorder;
use super::system::{Action, Certainty, Client, Cluster, Failure, Reply};
use super::work::Generator;
use crate::history::ProcessId;
use futures_util::future::BoxFuture;
use hdrhistogram::Histogram;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The pause after a refusal, so that a node that is dead or cannot serve is not asked ten thousand times a second.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);
/// A client that never has to wait lets others run after so many operations.
const TURN: u32 = 16;

/// What all workers of a run share.
pub(super) struct Shared {
    pub(super) recorder: Recorder,
    pub(super) counts: Counts,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) deadline: Instant,
    /// How many operations may still be started, or `None` for as many as time allows.
    pub(super) remaining: Option<AtomicU64>,
    pub(super) timeout: Duration,
    pub(super) clients: u32,
    /// The time between two scheduled operations of one client in an open loop.
    pub(super) interval: Option<Duration>,
}

/// Live counts of ended operations.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Completed.
    pub(super) ok: AtomicU64,
    /// Definitely failed.
    pub(super) failed: AtomicU64,
    /// Indeterminate.
    pub(super) unknown: AtomicU64,
    broken: AtomicBool,
}

/// One client slot.
pub(super) struct Worker {
    pub(super) slot: u32,
    pub(super) generator: Box<dyn Generator>,
    pub(super) latency_us: Histogram<u64>,
    process: ProcessId,
    client: Option<Box<dyn Client>>,
}

impl Worker {
    pub(super) fn new(slot: u32, generator: Box<dyn Generator>) -> Self {
        let latency_us = latencies();
        Self { slot, generator, latency_us, process: ProcessId(slot), client: None }
    }

    /// Works until told to stop; returns the latencies of completed operations in microseconds, and the last
    /// process id it used.
    pub(super) async fn work(mut self, shared: Arc<Shared>, cluster: Arc<dyn Cluster>) -> (Histogram<u64>, ProcessId) {
        let mut stop = shared.stop.clone();
        let mut scheduled = Instant::now();
        let mut turn = 0;
        while !*stop.borrow() && Instant::now() < shared.deadline && shared.may_start() {
            match shared.interval {
                Some(interval) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(scheduled.into()) => {}
                        _ = stop.changed() => break,
                    }
                    self.step(&shared, cluster.as_ref(), scheduled).await;
                    scheduled += interval;
                }
                None => self.step(&shared, cluster.as_ref(), Instant::now()).await,
            }
            turn += 1;
            if turn == TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        (self.latency_us, self.process)
    }

    async fn step(&mut self, shared: &Shared, cluster: &dyn Cluster, scheduled: Instant) {
        let action = self.generator.next();
        shared.recorder.invoke(self.process, &action);
        let result = self.attempt(&action, shared, cluster).await;
        shared.recorder.complete(self.process, &action, &result);
        match result {
            Ok(reply) => {
                shared.counts.ok.fetch_add(1, Ordering::Relaxed);
                self.latency_us.saturating_record(u64::try_from(scheduled.elapsed().as_micros()).unwrap_or(u64::MAX));
                self.generator.observe(&action, &reply.answer);
            }
            Err(failure) => {
                self.after_failure(&failure, shared);
                if failure.certainty == Certainty::Definite && failure.error != Failure::MISMATCH {
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
            }
        }
    }

    /// Performs one operation on this process's connection, opening one first where there is none.
    async fn attempt(&mut self, action: &Action, shared: &Shared, cluster: &dyn Cluster) -> Result<Reply, Failure> {
        if self.client.is_none() {
            self.client = Some(open(cluster.connect(self.slot as usize), shared.timeout).await?);
        }
        let client = self.client.as_mut().expect("was opened above");
        bounded(client.as_mut(), action, shared.timeout).await
    }

    fn after_failure(&mut self, failure: &Failure, shared: &Shared) {
        let indefinite = failure.certainty == Certainty::Indefinite;
        if indefinite {
            // The operation may still take effect at any later time: nothing that follows is ordered after it.
            self.process.0 += shared.clients;
            shared.counts.unknown.fetch_add(1, Ordering::Relaxed);
        } else {
            shared.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        if indefinite || failure.reconnect {
            self.client = None;
        }
    }
}

impl Shared {
    fn may_start(&self) -> bool {
        if self.recorder_broke() {
            return false;
        }
        self.remaining.as_ref().is_none_or(|remaining| {
            remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        })
    }

    fn recorder_broke(&self) -> bool {
        self.counts.broken.load(Ordering::Relaxed)
    }

    /// Looks whether the history can still be written; workers end if not.
    pub(super) fn watch_recorder(&self) {
        if self.recorder.is_broken() {
            self.counts.broken.store(true, Ordering::Relaxed);
        }
    }
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
    let mut operation = pin!(client.invoke(action));
    let first = poll_fn(|context| Poll::Ready(operation.as_mut().poll(context))).await;
    if let Poll::Ready(result) = first {
        return result;
    }
    match tokio::time::timeout(timeout, operation).await {
        Ok(result) => result,
        Err(_) => Err(Failure::indefinite("timeout")),
    }
}

/// An empty histogram of latencies from a microsecond to an hour; what is longer counts as an hour.
pub(super) fn latencies() -> Histogram<u64> {
    const HOUR_US: u64 = 3_600_000_000;
    Histogram::new_with_max(HOUR_US, 3).expect("the bounds are in range")
}
