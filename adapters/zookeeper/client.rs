//! One session: the operations as requests on znodes.
//!
//! A register is the znode `<parent>/<key>` whose data are its value in decimal digits; a set is the same
//! znode without data, with one child for each element. An object that nobody wrote has no znode.
//!
//! A lock is an ephemeral znode, which goes with its holder's session. The holder stops believing in it as soon as its
//! connection is lost: the session may go on for a while, but not be relied on.
//!
//! A session is served by one server and answers in the order of its requests, so `sync` and the read after
//! it are sent together. Requests go out when a future is made, in the order of the calls.

use super::failures::{NODE_EXISTS, NOT_CONNECTED, failure};
use super::settings::Reads;
use crate::record::system::{Action, Answer, Certainty, Client, Failure, Key, NodeId, Reply};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use zookeeper_client::{CreateOptions, Error, SessionState, StateWatcher};

/// A znode that is missing for `setData` and present for `create` is being created by somebody else: then it
/// is there for good, as nobody removes znodes during a run. More turns than two mean that somebody does.
const WRITE_ATTEMPTS: usize = 3;
/// The second attempt follows the creation of the set's own znode.
const ADD_ATTEMPTS: usize = 2;

/// A client at one server.
pub(super) struct Session {
    library: zookeeper_client::Client,
    states: StateWatcher,
    node: NodeId,
    /// The znode above all objects.
    parent: Arc<str>,
    reads: Reads,
    create_options: CreateOptions<'static>,
    lock_options: CreateOptions<'static>,
    /// The connection was seen lost.
    is_lost: bool,
}

/// A register's value with the version of its znode.
type Versioned = Option<(i64, i32)>;

impl Session {
    pub(super) fn new(
        library: zookeeper_client::Client,
        node: NodeId,
        parent: Arc<str>,
        reads: Reads,
        (create_options, lock_options): (CreateOptions<'static>, CreateOptions<'static>),
    ) -> Self {
        let states = library.state_watcher();
        Self { states, library, node, parent, reads, create_options, lock_options, is_lost: false }
    }

    async fn perform(&mut self, action: &Action) -> Result<Answer, Failure> {
        let path = self.path(action.key());
        match action {
            Action::Read { .. } => Ok(Answer::Value(self.read(&path).await?.map(|(value, _)| value))),
            Action::Write { value, .. } => self.write(&path, *value).await,
            Action::Cas { from, to, .. } => self.compare_and_set(&path, *from, *to).await,
            Action::Add { element, .. } => self.add(&path, *element).await,
            Action::Members { .. } => self.members(&path).await,
            Action::Acquire { .. } => self.acquire(&path).await,
            Action::Release { .. } => self.release(&path).await,
        }
    }

    fn path(&self, key: Key) -> String {
        format!("{}/{}", self.parent, key.0)
    }

    /// The library reconnects by itself and holds requests back until it has, or until the session expires:
    /// an operation that began then would wait for seconds, and one connection would be two. So a session
    /// whose connection was ever lost sends nothing more.
    fn expect_connected(&mut self) -> Result<(), Failure> {
        self.is_lost |= self.states.changed().now_or_never().is_some();
        self.is_lost |= self.states.peek_state() != SessionState::SyncConnected;
        if self.is_lost {
            return Err(Failure::definite(NOT_CONNECTED).reconnecting());
        }
        Ok(())
    }

    async fn read(&mut self, path: &str) -> Result<Versioned, Failure> {
        self.expect_connected()?;
        let sync = (self.reads == Reads::Sync).then(|| self.library.sync(path));
        let data = self.library.get_data(path);
        if let Some(sync) = sync {
            sync.await.map_err(|error| failure(&error))?;
        }
        match data.await {
            Ok((data, stat)) => Ok(Some((parse(&data)?, stat.version))),
            Err(Error::NoNode) => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Sets the znode, or creates it where it is missing.
    ///
    /// Each turn follows only upon the server's own refusal of the request before, which therefore never
    /// takes effect: at most one request of the loop is ever in the balance, the last one. When that one is
    /// lost, be it the `setData` or the `create`, so is the whole operation.
    async fn write(&mut self, path: &str, value: i64) -> Result<Answer, Failure> {
        let data = value.to_string();
        for _ in 0..WRITE_ATTEMPTS {
            self.expect_connected()?;
            match self.library.set_data(path, data.as_bytes(), None).await {
                Ok(_) => return Ok(Answer::Done),
                Err(Error::NoNode) => {}
                Err(error) => return Err(failure(&error)),
            }
            self.expect_connected()?;
            match self.library.create(path, data.as_bytes(), &self.create_options).await {
                Ok(_) => return Ok(Answer::Done),
                Err(Error::NodeExists) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
        Err(Failure::definite(NODE_EXISTS))
    }

    /// Sets the znode if it still has the version that was read with the expected value.
    ///
    /// The read may be stale. If it differs from what is expected, nothing is sent: the operation certainly
    /// has no effect, whatever the latest value is. If it is as expected but outdated, the version is too,
    /// and the leader refuses it.
    async fn compare_and_set(&mut self, path: &str, from: i64, to: i64) -> Result<Answer, Failure> {
        let version = match self.read(path).await? {
            Some((value, version)) if value == from => version,
            _ => return Err(Failure::definite(Failure::MISMATCH)),
        };
        self.expect_connected()?;
        match self.library.set_data(path, to.to_string().as_bytes(), Some(version)).await {
            Ok(_) => Ok(Answer::Done),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Creates the element's znode, and the set's where it is missing.
    ///
    /// An element that exists already is a success: adding a member again leaves a set as it is, and the
    /// refusal proves that it was a member when the leader decided, after the call and before the answer. It
    /// is not an echo of this operation, as no request is sent twice.
    async fn add(&mut self, path: &str, element: i64) -> Result<Answer, Failure> {
        let member = format!("{path}/{element}");
        for _ in 0..ADD_ATTEMPTS {
            self.expect_connected()?;
            match self.library.create(&member, b"", &self.create_options).await {
                Ok(_) | Err(Error::NodeExists) => return Ok(Answer::Done),
                Err(Error::NoNode) => {}
                Err(error) => return Err(failure(&error)),
            }
            self.expect_connected()?;
            match self.library.create(path, b"", &self.create_options).await {
                Ok(_) | Err(Error::NodeExists) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
        Err(failure(&Error::NoNode))
    }

    /// Creates the lock's znode for as long as the session lasts.
    async fn acquire(&mut self, path: &str) -> Result<Answer, Failure> {
        self.expect_connected()?;
        match self.library.create(path, b"", &self.lock_options).await {
            Ok(_) => Ok(Answer::Done),
            Err(Error::NodeExists) => Err(Failure::definite(Failure::HELD)),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Deletes the lock's znode. It goes with the session in any case, so a failed release may still take effect.
    async fn release(&mut self, path: &str) -> Result<Answer, Failure> {
        if self.expect_connected().is_err() {
            return Ok(Answer::Lost);
        }
        match self.library.delete(path, None).await {
            Ok(()) => Ok(Answer::Done),
            // As long as this session lasts, so does its znode: it was lost, and is nobody's.
            Err(Error::NoNode) => Ok(Answer::Lost),
            Err(error) => Err(Failure { certainty: Certainty::Indefinite, ..failure(&error) }),
        }
    }

    async fn members(&mut self, path: &str) -> Result<Answer, Failure> {
        self.expect_connected()?;
        let sync = (self.reads == Reads::Sync).then(|| self.library.sync(path));
        let children = self.library.list_children(path);
        if let Some(sync) = sync {
            sync.await.map_err(|error| failure(&error))?;
        }
        let children = match children.await {
            Ok(children) => children,
            Err(Error::NoNode) => Vec::new(),
            Err(error) => return Err(failure(&error)),
        };
        children.iter().map(|child| parse(child.as_bytes())).collect::<Result<_, _>>().map(Answer::Members)
    }
}

impl Client for Session {
    fn invoke<'a>(&'a mut self, action: &'a Action) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let node = self.node;
            match self.perform(action).await {
                Ok(answer) => Ok(Reply { answer, node: Some(node) }),
                Err(failure) => Err(failure.at(node)),
            }
        })
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.states.peek_state() == SessionState::SyncConnected {
                self.states.changed().await;
            }
            self.is_lost = true;
        })
    }

    fn node(&self) -> Option<NodeId> {
        Some(self.node)
    }
}

/// The integer that a znode holds or is named. Nobody but this adapter writes below the parent, so anything
/// else is a sign of corruption and not a value.
fn parse(digits: &[u8]) -> Result<i64, Failure> {
    let integer = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    integer.ok_or_else(|| Failure::indefinite("the znode does not hold an integer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_sign_are_read_back_as_they_were_written() {
        for value in [0, 7, -7, i64::MIN, i64::MAX] {
            assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
        }
    }

    #[test]
    fn foreign_data_are_a_failure_and_never_a_value() {
        for data in [b"".as_slice(), b"1 ", b"x", &[0xff]] {
            assert!(parse(data).is_err(), "{data:?}");
        }
    }
}
