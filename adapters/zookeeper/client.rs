//! One session: the operations as requests on znodes.
//!
//! A register is the znode `<parent>/<key>` whose data are its value in decimal digits; a set is the same
//! znode without data, with one child for each element. An object that nobody wrote has no znode.
//!
//! A session is served by one server and answers in the order of its requests, so `sync` and the read after
//! it are sent together. Requests go out when a future is made, in the order of the calls.

use super::failures::{NODE_EXISTS, NOT_CONNECTED, failure};
use super::settings::Reads;
use crate::record::system::{Action, Answer, Client, Failure, Key, NodeId, Reply};
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
}

/// A register's value with the version of its znode.
type Versioned = Option<(i64, i32)>;

impl Session {
    pub(super) fn new(
        library: zookeeper_client::Client,
        node: NodeId,
        parent: Arc<str>,
        reads: Reads,
        create_options: CreateOptions<'static>,
    ) -> Self {
        Self { states: library.state_watcher(), library, node, parent, reads, create_options }
    }

    async fn perform(&mut self, action: &Action) -> Result<Answer, Failure> {
        let path = self.path(action.key());
        match action {
            Action::Read { .. } => Ok(Answer::Value(self.read(&path).await?.map(|(value, _)| value))),
            Action::Write { value, .. } => self.write(&path, *value).await,
            Action::Cas { from, to, .. } => self.compare_and_set(&path, *from, *to).await,
            Action::Add { element, .. } => self.add(&path, *element).await,
            Action::Members { .. } => self.members(&path).await,
        }
    }

    fn path(&self, key: Key) -> String {
        format!("{}/{}", self.parent, key.0)
    }

    /// The library reconnects by itself and holds requests back until it has, or until the session expires:
    /// an operation that began then would wait for seconds, and one connection would be two. So a session
    /// whose connection was ever lost sends nothing more.
    fn expect_connected(&mut self) -> Result<(), Failure> {
        let changed = self.states.changed().now_or_never().is_some();
        if changed || self.states.peek_state() != SessionState::SyncConnected {
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
