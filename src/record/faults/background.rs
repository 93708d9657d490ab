//! What a fault keeps running as long as it acts: threads and queues, by the fault and its targets.
//!
//! Faults themselves have no state, since they are members of a catalogue. What is kept here ends when it is taken, or
//! with the scene.

use super::{Fault, Scene};
use crate::record::cluster::packet_queue::PacketQueue;
use crate::record::system::NodeId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How soon a thread hears that it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Something that goes on.
pub(super) enum Kept {
    /// Queues of packets.
    Queues(Vec<PacketQueue>),
    /// Something that is done again and again.
    Repeated(Repeated),
}

/// All of it.
#[derive(Default)]
pub struct Background(Mutex<BTreeMap<String, Kept>>);

impl Background {
    /// Keeps something for a fault on those targets.
    pub(super) fn keep(&self, scene: &Scene, fault: &dyn Fault, targets: &[NodeId], kept: Kept) {
        self.0.lock().insert(key(scene, fault, targets), kept);
    }

    /// What was kept for it.
    pub(super) fn take(&self, scene: &Scene, fault: &dyn Fault, targets: &[NodeId]) -> Option<Kept> {
        self.0.lock().remove(&key(scene, fault, targets))
    }
}

fn key(scene: &Scene, fault: &dyn Fault, targets: &[NodeId]) -> String {
    let names: Vec<_> = targets.iter().map(|&node| scene.name(node)).collect();
    format!("{}:{}", super::words(fault), names.join("+"))
}

/// Something that a thread does at once and then in each period, until it is dropped.
pub(super) struct Repeated {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<u64, String>>>,
}

impl Repeated {
    /// Starts it. `act` says how much it did.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(super) fn start(
        period: Duration,
        mut act: impl FnMut() -> Result<u64, String> + Send + 'static,
    ) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&stop);
        let work = move || {
            let (mut done, mut next) = (0, Instant::now());
            while !over.load(Ordering::Acquire) {
                if Instant::now() >= next {
                    done += act()?;
                    next = Instant::now() + period;
                }
                std::thread::sleep(LOOK_EVERY.min(next.saturating_duration_since(Instant::now())));
            }
            Ok(done)
        };
        let thread = std::thread::Builder::new().name("fault".into()).spawn(work);
        Ok(Self { stop, thread: Some(thread.map_err(|error| format!("no thread for a fault: {error}"))?) })
    }

    /// Ends it; how much was done in all, or why it ended by itself.
    pub(super) fn end(mut self) -> Result<u64, String> {
        self.join()
    }

    fn join(&mut self) -> Result<u64, String> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take();
        thread.and_then(|thread| thread.join().ok()).unwrap_or_else(|| Err("its thread has panicked".into()))
    }
}

impl Drop for Repeated {
    fn drop(&mut self) {
        if self.thread.is_some() {
            // Whoever drops it does not ask what it did.
            let _ = self.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_done_at_once_and_again_and_ends_when_it_fails() {
        let acts = Arc::new(Mutex::new(0_u64));
        let counted = Arc::clone(&acts);
        let act = move || {
            *counted.lock() += 1;
            Ok(2)
        };
        let repeated = Repeated::start(Duration::from_millis(1), act).expect("a thread");
        let end = Instant::now() + Duration::from_secs(10);
        while *acts.lock() < 3 && Instant::now() < end {
            std::thread::yield_now();
        }
        let done = repeated.end().expect("it did not fail");
        assert!(done >= 6 && done == 2 * *acts.lock(), "{done}");
        let failing = Repeated::start(Duration::ZERO, || Err("no".to_owned())).expect("a thread");
        while !failing.thread.as_ref().is_some_and(JoinHandle::is_finished) && Instant::now() < end {
            std::thread::yield_now();
        }
        assert_eq!(failing.end(), Err("no".to_owned()));
    }
}
