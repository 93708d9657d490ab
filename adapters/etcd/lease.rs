//! Locks on leases, as etcd's own library makes them: one lease for each client, kept alive in the background, and for
//! each lock a key that exists as long as it is held or its lease ends.
//!
//! A holder stops believing in its lease when the server says that it is gone, or when three quarters of its time
//! have passed, by its own monotonic clock, since it sent the last request that the server confirmed: what is left is for
//! a busy machine. So an overlap needs a server that revokes a lease too early, or a holder that does not run.

use super::connection::Connection;
use crate::record::clients::Wakefulness;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tonic::Status;

/// Requests to keep a lease alive in the time of one.
const REQUESTS_IN_TIME: u32 = 6;

/// A lease that is kept alive until this is dropped; then it is left to run out.
#[derive(Debug)]
pub(super) struct Lease {
    /// Its number at the server.
    pub(super) id: i64,
    belief: Arc<Belief>,
    keeper: JoinHandle<()>,
}

/// What the client believes of its lease.
#[derive(Debug)]
struct Belief {
    /// When it stops believing in it; the past once the server has said that it is gone.
    until: Mutex<Instant>,
    changed: Notify,
}

impl Belief {
    fn set(&self, until: Instant) {
        *self.until.lock() = until;
        self.changed.notify_waiters();
    }
}

impl Lease {
    /// Asks for a lease of that time and keeps it alive as long as the client is awake.
    ///
    /// # Errors
    /// That of the server or the connection: there is no lease then that anybody knows of.
    pub(super) async fn grant(
        connection: &Connection,
        time: Duration,
        client: Arc<Wakefulness>,
    ) -> Result<Self, Status> {
        let mut connection = connection.clone();
        let sent = Instant::now();
        let id = connection.grant_lease(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)).await?;
        let belief = Arc::new(Belief { until: Mutex::new(sent + believed(time)), changed: Notify::new() });
        let keeper = tokio::spawn(keep(connection, id, time, client, Arc::clone(&belief)));
        Ok(Self { id, belief, keeper })
    }

    /// Whether the client does not believe in it any more.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= *self.belief.until.lock()
    }

    /// Returns when [`Self::is_over`].
    pub(super) async fn over(&self) {
        loop {
            let changed = self.belief.changed.notified();
            let until = *self.belief.until.lock();
            if Instant::now() >= until {
                return;
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

fn believed(time: Duration) -> Duration {
    time * 3 / 4
}

/// Keeps a lease alive until the server says that it is gone.
async fn keep(mut connection: Connection, id: i64, time: Duration, client: Arc<Wakefulness>, belief: Arc<Belief>) {
    loop {
        tokio::time::sleep(time / REQUESTS_IN_TIME).await;
        client.awake().await;
        let sent = Instant::now();
        match tokio::time::timeout(time / 2, connection.keep_lease_alive(id)).await {
            Ok(Ok(left)) if left > 0 => belief.set(sent + believed(time)),
            Ok(Ok(_)) => {
                client.awake().await;
                return belief.set(Instant::now());
            }
            // No answer is no news: the belief ends by itself.
            Ok(Err(_)) | Err(_) => {}
        }
    }
}
