//! Which clients hold a lock, and which of them a fault has put to sleep.
//!
//! A client that sleeps is a process that the machine does not run: it begins nothing, learns nothing, and what it does
//! in the background (keeping a lease alive) rests too. Workers and adapters look here; the servers notice only silence.

use super::system::NodeId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// The clients of a run, by their slots.
#[derive(Clone, Debug, Default)]
pub struct Clients(Arc<Mutex<BTreeMap<usize, Arc<Wakefulness>>>>);

/// One client.
#[derive(Debug, Default)]
pub struct Wakefulness {
    asleep: AtomicBool,
    /// Whether it wanted to go on since it was put to sleep.
    waited: AtomicBool,
    woken: Notify,
    holds: Mutex<Lock>,
}

/// Whether a client holds a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lock {
    /// It holds none.
    #[default]
    None,
    /// It holds one that this node gave, as far as that is known.
    Of(Option<NodeId>),
}

impl Clients {
    /// The client of a slot.
    #[must_use]
    pub fn client(&self, slot: usize) -> Arc<Wakefulness> {
        Arc::clone(self.0.lock().entry(slot).or_default())
    }

    /// Puts those to sleep that hold a lock of one of the nodes; their slots.
    #[must_use]
    pub fn put_holders_to_sleep(&self, nodes: &[NodeId]) -> Vec<usize> {
        let clients = self.0.lock();
        let holds = |client: &Wakefulness| match *client.holds.lock() {
            Lock::Of(Some(node)) => nodes.contains(&node),
            Lock::Of(None) => true,
            Lock::None => false,
        };
        let holders: Vec<_> = clients.iter().filter(|(_, client)| holds(client)).map(|(&slot, _)| slot).collect();
        for slot in &holders {
            clients[slot].waited.store(false, Ordering::SeqCst);
            clients[slot].asleep.store(true, Ordering::SeqCst);
        }
        holders
    }

    /// Wakes everybody; how many were asleep and had wanted to go on.
    #[must_use]
    pub fn wake(&self) -> usize {
        let clients = self.0.lock();
        let asleep = clients.values().filter(|client| client.asleep.swap(false, Ordering::SeqCst));
        let waited = asleep.map(|client| {
            client.woken.notify_waiters();
            usize::from(client.waited.load(Ordering::SeqCst))
        });
        waited.sum()
    }
}

impl Wakefulness {
    /// Whether it is put to sleep.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// Returns as soon as the client is awake.
    pub async fn awake(&self) {
        while self.asleep.load(Ordering::SeqCst) {
            self.waited.store(true, Ordering::SeqCst);
            let woken = self.woken.notified();
            // Who is woken between the two looks is not notified again.
            if self.asleep.load(Ordering::SeqCst) {
                woken.await;
            }
        }
    }

    /// Whether it holds a lock.
    #[must_use]
    pub fn holds(&self) -> bool {
        *self.holds.lock() != Lock::None
    }

    /// Notes what it holds.
    pub fn hold(&self, lock: Lock) {
        *self.holds.lock() = lock;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn who_holds_a_lock_of_the_node_sleeps_until_it_is_woken() {
        let clients = Clients::default();
        let [holder, other, idle] = [0, 1, 2].map(|slot| clients.client(slot));
        holder.hold(Lock::Of(Some(NodeId(1))));
        other.hold(Lock::Of(Some(NodeId(0))));
        assert_eq!(clients.put_holders_to_sleep(&[NodeId(1)]), [0]);
        other.awake().await;
        idle.awake().await;
        let sleeper = tokio::spawn({
            let holder = Arc::clone(&holder);
            async move { holder.awake().await }
        });
        while !holder.waited.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        assert!(!sleeper.is_finished());
        assert_eq!(clients.wake(), 1);
        tokio::time::timeout(Duration::from_secs(5), sleeper).await.expect("it wakes").expect("it ends well");
        assert_eq!(clients.wake(), 0, "nobody sleeps any more");
    }

    #[test]
    fn who_gave_its_lock_back_stays_awake() {
        let clients = Clients::default();
        clients.client(0).hold(Lock::Of(None));
        clients.client(0).hold(Lock::None);
        assert_eq!(clients.put_holders_to_sleep(&[NodeId(0)]), [0usize; 0]);
    }
}
