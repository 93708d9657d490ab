//! The connection of one logical process.
//!
//! Contract: each operation sends its command once, to the one server that the client believes in, and never
//! again: no redirection is followed and nothing is retried. An error that says that the client believes in the
//! wrong server makes it ask anew before its *next* operation. Connections to further servers are opened when
//! first needed, and kept. Every reply and failure names the server that was asked.

use super::directory::{Directory, Site};
use super::failure::{NO_PRIMARY, NO_REPLICA, classify, is_misdirected};
use super::link::{Link, LinkError};
use super::lock::Held;
use super::placement::{Placement, Shard};
use crate::record::system::{Action, Answer, Certainty, Client, Failure, NodeId, ReadFrom, Reply};
use futures_util::future::BoxFuture;
use redis::{Cmd, Value};
use std::sync::Arc;
use std::time::Duration;

/// Compares and sets in one step: the write is the last thing it does, so an error of the script's own write
/// means that nothing was written.
const COMPARE_AND_SET: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
                               redis.call('SET', KEYS[1], ARGV[2]) return 1 end return 0";

/// The pause after a connection that could not be opened, so that a dead server is not asked, and the history not
/// filled, a thousand times a second. The operation has failed for certain by then; it only ends a little later.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);

/// What all clients of a run share.
#[derive(Debug)]
pub(super) struct Manner {
    pub(super) read_from: ReadFrom,
    /// Replicas that must confirm a write, 0 for no WAIT.
    pub(super) wait: u32,
    /// When a lock ends by itself.
    pub(super) lock_time: Duration,
    pub(super) prefix: String,
    /// The bound on one operation.
    pub(super) timeout: Duration,
}

/// One logical process's connection.
pub(super) struct RedisClient {
    site: Arc<Site>,
    manner: Arc<Manner>,
    slot: usize,
    placement: Placement,
    /// Whether to ask anew who the primary is.
    stale: bool,
    links: Vec<(Arc<str>, Link)>,
    /// The lock that it has acquired, or is acquiring.
    held: Option<Held>,
    /// The server of the last operation.
    asked: Option<NodeId>,
}

impl RedisClient {
    /// Asks who the primary is and, where one server answers every read, connects to it.
    pub(super) async fn connect(site: Arc<Site>, manner: Arc<Manner>, slot: usize) -> Result<Self, Failure> {
        let placement =
            site.placement(slot, manner.timeout).await.map_err(|error| Failure::definite(unknown(&error)))?;
        let mut client =
            Self { site, manner, slot, placement, stale: false, links: Vec::new(), held: None, asked: None };
        if let [only] = client.placement.shards.as_slice() {
            let address = client.reader(only).ok_or_else(|| Failure::definite(NO_REPLICA))?;
            let timeout = client.manner.timeout;
            let node = client.number(&address);
            client.open(&address, timeout).await.map_err(|error| named(classify(&error), node))?;
        }
        Ok(client)
    }

    async fn perform(&mut self, action: &Action) -> Result<Reply, Failure> {
        match action {
            Action::Acquire { .. } | Action::Release { .. } => self.lock_or_unlock(action).await,
            _ => self.request(action).await,
        }
    }

    async fn request(&mut self, action: &Action) -> Result<Reply, Failure> {
        if self.stale {
            let bound = self.manner.timeout / 2;
            match self.site.placement(self.slot, bound).await {
                Ok(placement) => self.placement = placement,
                Err(error) => {
                    tokio::time::sleep(REFUSED_PAUSE).await;
                    return Err(Failure::definite(unknown(&error)));
                }
            }
            self.stale = false;
        }
        let key = format!("{}{}", self.manner.prefix, action.key().0);
        let shard = self.placement.shard(key.as_bytes());
        let address =
            shard.and_then(|shard| if reads(action) { self.reader(shard) } else { Some(shard.primary.clone()) });
        let Some(address) = address else {
            self.stale = true;
            return Err(Failure::definite(NO_PRIMARY));
        };
        let node = self.number(&address);
        self.asked = node;
        match self.exchange(&address, &key, action).await {
            Ok(answer) => Ok(Reply { answer, node }),
            Err(failure) => Err(named(failure, node)),
        }
    }

    async fn exchange(&mut self, address: &Arc<str>, key: &str, action: &Action) -> Result<Answer, Failure> {
        let command = self.command(action, key);
        // Half of the operation's time, so that a server that does not answer is noticed while it is still
        // certain that nothing was sent.
        let bound = self.manner.timeout / 2;
        let sent = match self.open(address, bound).await {
            Ok(link) => link.send(&command).await,
            Err(error) => Err(error),
        };
        let value = match sent {
            Ok(value) => value,
            Err(error) => {
                self.learn(address, &error);
                if matches!(error, LinkError::Connect(_)) {
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
                return Err(classify(&error));
            }
        };
        let answer = answer(action, value)?;
        if !reads(action) && self.manner.wait > 0 {
            self.wait_for_replicas(address).await?;
        }
        Ok(answer)
    }

    fn command(&mut self, action: &Action, key: &str) -> Cmd {
        match *action {
            Action::Acquire { key: lock } => {
                let time = self.manner.lock_time;
                self.held.insert(Held::new(lock, time)).acquire(key, time)
            }
            // Of a lock that was never acquired the script finds nothing to delete.
            Action::Release { key: lock } => {
                self.held.get_or_insert_with(|| Held::new(lock, Duration::ZERO)).release(key)
            }
            _ => command(action, key),
        }
    }

    /// Takes or gives back a lock. A lock ends by itself when it is not given back, so that a failed release may still
    /// take effect: it is never definite.
    async fn lock_or_unlock(&mut self, action: &Action) -> Result<Reply, Failure> {
        let releases = matches!(action, Action::Release { .. });
        if releases && self.held.as_ref().is_none_or(|held| !held.is_of(action.key()) || held.is_over()) {
            self.held = None;
            return Ok(Reply { answer: Answer::Lost, node: None });
        }
        let mut result = self.request(action).await;
        // Who hears too late that it has the lock never had reason to believe so.
        if !releases && result.is_ok() && self.held.as_ref().is_none_or(Held::is_over) {
            result = Err(Failure::indefinite("the lock ended before the answer came"));
        }
        if releases || result.is_err() {
            self.held = None;
        }
        result.map_err(|failure| {
            let certainty = if releases { Certainty::Indefinite } else { failure.certainty };
            Failure { certainty, ..failure }
        })
    }

    /// Asks how many replicas have the write that this connection has just made.
    async fn wait_for_replicas(&mut self, address: &Arc<str>) -> Result<(), Failure> {
        let Manner { wait, timeout, .. } = *self.manner;
        // Less than the operation's bound, so that the answer arrives before the runner gives up; never 0,
        // which would mean to wait for ever.
        let bound_ms = (timeout * 3 / 4).as_millis().max(1).to_string();
        // Any error here comes after the write was applied, so none of them is definite.
        let lost = |error: LinkError| Failure::indefinite(format!("wait: {error}"));
        let link = self.open(address, timeout).await.map_err(lost)?;
        let confirmed: u32 = link.ask(&["WAIT", &wait.to_string(), &bound_ms]).await.map_err(lost)?;
        if confirmed >= wait {
            return Ok(());
        }
        // The primary has applied the write and others may read it, yet a failover may lose it: whether it
        // took effect is exactly what is unknown, so it cannot be definite, and the logical process retires.
        // The connection answered every request, so the next process may go on using it.
        let failure = Failure::indefinite(format!("wait: {confirmed} of {wait} replicas"));
        Err(Failure { reconnect: false, ..failure })
    }

    /// Draws conclusions for the next operation from an error of this one.
    fn learn(&mut self, address: &Arc<str>, error: &LinkError) {
        if is_misdirected(error) && !self.is_known_misdirection(error, address) {
            self.stale = true;
        }
        // A demoted server's role must be asked for again before it is believed to be a primary.
        let demoted = matches!(error, LinkError::Server { code, .. } if code == "READONLY");
        if demoted || matches!(error, LinkError::Closed | LinkError::Lost(_)) {
            self.links.retain(|(open, _)| open != address);
        }
    }

    /// Whether a redirection names the primary that the client knows of: it was sent on purpose to a node
    /// that does not hold the key, because the user chose that node.
    fn is_known_misdirection(&self, error: &LinkError, asked: &Arc<str>) -> bool {
        let LinkError::Server { code, detail } = error else { return false };
        let target = detail.rsplit_once(' ').map(|(_, target)| target);
        let known = self.placement.shards.iter().any(|shard| Some(&*shard.primary) == target);
        code == "MOVED" && known && matches!(self.manner.read_from, ReadFrom::Node(_)) && Some(&**asked) != target
    }

    /// The open connection to a server, opened now if there is none.
    async fn open(&mut self, address: &Arc<str>, bound: Duration) -> Result<&mut Link, LinkError> {
        if let Some(number) = self.links.iter().position(|(open, _)| open == address) {
            return Ok(&mut self.links[number].1);
        }
        let mut link = self.site.access.open(address, bound).await?;
        let greeted = tokio::time::timeout(bound, self.greet(&mut link, address)).await;
        greeted.map_err(|_| LinkError::Connect("timeout".into()))??;
        self.links.push((Arc::clone(address), link));
        Ok(&mut self.links.last_mut().expect("just pushed").1)
    }

    /// What a new connection starts with. Its errors are those of connecting: no operation was sent.
    async fn greet(&self, link: &mut Link, address: &Arc<str>) -> Result<(), LinkError> {
        let primary = self.placement.shards.iter().any(|shard| shard.primary == *address);
        let refused = |error: LinkError| LinkError::Connect(error.to_string());
        match self.site.directory {
            // The sentinels may name a server that is not a primary yet or no longer; clients are told to check.
            Directory::Sentinels(_) if primary => match role(link).await.map_err(refused)?.as_str() {
                "master" => Ok(()),
                _ => Err(LinkError::Connect("the server is not a primary".into())),
            },
            // Without it a replica answers every read with a redirection.
            Directory::Nodes if self.reads_replicas() => {
                link.ask::<Value>(&["READONLY"]).await.map(drop).map_err(refused)
            }
            _ => Ok(()),
        }
    }

    fn reads_replicas(&self) -> bool {
        !matches!(self.manner.read_from, ReadFrom::Default | ReadFrom::Primary)
    }

    /// The server of a shard that answers this client's reads.
    fn reader(&self, shard: &Shard) -> Option<Arc<str>> {
        match self.manner.read_from {
            ReadFrom::Default | ReadFrom::Primary => Some(shard.primary.clone()),
            ReadFrom::Replica => pick(&shard.replicas, self.slot),
            ReadFrom::Any => match self.slot % (shard.replicas.len() + 1) {
                0 => Some(shard.primary.clone()),
                turn => shard.replicas.get(turn - 1).cloned(),
            },
            ReadFrom::Node(NodeId(number)) => self.site.nodes.get(usize::from(number)).cloned(),
        }
    }

    fn number(&self, address: &Arc<str>) -> Option<NodeId> {
        let number = self.site.nodes.iter().position(|node| node == address)?;
        u16::try_from(number).ok().map(NodeId)
    }
}

impl Client for RedisClient {
    fn invoke<'a>(&'a mut self, action: &'a Action) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(self.perform(action))
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        match &self.held {
            Some(held) => Box::pin(tokio::time::sleep_until(held.until().into())),
            None => Box::pin(std::future::pending()),
        }
    }

    fn node(&self) -> Option<NodeId> {
        self.asked
    }
}

/// The first word of ROLE: `master`, `slave` or `sentinel`.
pub(super) async fn role(link: &mut Link) -> Result<String, LinkError> {
    let reply: Value = link.ask(&["ROLE"]).await?;
    let Value::Array(fields) = reply else { return Err(LinkError::Lost("unexpected reply to ROLE".into())) };
    let word = fields.into_iter().next().unwrap_or_default();
    redis::from_redis_value(word).map_err(|_| LinkError::Lost("unexpected reply to ROLE".into()))
}

fn pick(addresses: &[Arc<str>], slot: usize) -> Option<Arc<str>> {
    addresses.get(slot.checked_rem(addresses.len())?).cloned()
}

fn named(failure: Failure, node: Option<NodeId>) -> Failure {
    Failure { node, ..failure }
}

fn unknown(error: &LinkError) -> String {
    format!("{NO_PRIMARY} ({error})")
}

fn reads(action: &Action) -> bool {
    matches!(action, Action::Read { .. } | Action::Members { .. })
}

fn command(action: &Action, key: &str) -> Cmd {
    let mut command = Cmd::new();
    match action {
        Action::Read { .. } => command.arg("GET").arg(key),
        Action::Write { value, .. } => command.arg("SET").arg(key).arg(value),
        Action::Cas { from, to, .. } => command.arg("EVAL").arg(COMPARE_AND_SET).arg(1).arg(key).arg(from).arg(to),
        Action::Add { element, .. } => command.arg("SADD").arg(key).arg(element),
        Action::Members { .. } => command.arg("SMEMBERS").arg(key),
        Action::Acquire { .. } | Action::Release { .. } => unreachable!("those of locks know their token"),
    };
    command
}

fn answer(action: &Action, value: Value) -> Result<Answer, Failure> {
    let wrong = || Failure::indefinite("unexpected reply");
    match (action, value) {
        (Action::Read { .. }, Value::Nil) => Ok(Answer::Value(None)),
        (Action::Read { .. }, value) => integer(&value).map(|value| Answer::Value(Some(value))).ok_or_else(wrong),
        (Action::Write { .. } | Action::Acquire { .. }, Value::Okay)
        | (Action::Cas { .. } | Action::Release { .. }, Value::Int(1))
        | (Action::Add { .. }, Value::Int(0 | 1)) => Ok(Answer::Done),
        (Action::Cas { .. }, Value::Int(0)) => Err(Failure::definite(Failure::MISMATCH)),
        (Action::Acquire { .. }, Value::Nil) => Err(Failure::definite(Failure::HELD)),
        (Action::Release { .. }, Value::Int(0)) => Ok(Answer::Lost),
        (Action::Members { .. }, Value::Set(values) | Value::Array(values)) => {
            values.iter().map(integer).collect::<Option<Vec<_>>>().map(Answer::Members).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::system::Key;

    #[test]
    fn an_unknown_primary_begins_with_the_words_of_its_row() {
        assert!(unknown(&LinkError::Closed).starts_with(NO_PRIMARY));
    }

    #[test]
    fn replies_are_read_by_the_action_that_asked() {
        let key = Key(1);
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        assert_eq!(answer(&Action::Read { key }, Value::Nil), Ok(Answer::Value(None)));
        assert_eq!(answer(&Action::Read { key }, text("-7")), Ok(Answer::Value(Some(-7))));
        assert_eq!(answer(&Action::Write { key, value: 1 }, Value::Okay), Ok(Answer::Done));
        assert_eq!(answer(&Action::Cas { key, from: 1, to: 2 }, Value::Int(1)), Ok(Answer::Done));
        let mismatch = answer(&Action::Cas { key, from: 1, to: 2 }, Value::Int(0)).unwrap_err();
        assert_eq!((mismatch.certainty, mismatch.error.as_str()), (Certainty::Definite, Failure::MISMATCH));
        let members = Value::Set(vec![text("1"), text("2")]);
        assert_eq!(answer(&Action::Members { key }, members), Ok(Answer::Members(vec![1, 2])));
        assert_eq!(answer(&Action::Acquire { key }, Value::Okay), Ok(Answer::Done));
        let held = answer(&Action::Acquire { key }, Value::Nil).unwrap_err();
        assert_eq!((held.certainty, held.error.as_str()), (Certainty::Definite, Failure::HELD));
        assert_eq!(answer(&Action::Release { key }, Value::Int(1)), Ok(Answer::Done));
        assert_eq!(answer(&Action::Release { key }, Value::Int(0)), Ok(Answer::Lost), "it was somebody else's");
    }

    #[test]
    fn a_reply_that_makes_no_sense_proves_nothing() {
        let key = Key(1);
        for (action, value) in [
            (Action::Read { key }, Value::BulkString(b"seven".to_vec())),
            (Action::Write { key, value: 1 }, Value::Nil),
            (Action::Cas { key, from: 1, to: 2 }, Value::Int(2)),
            (Action::Add { key, element: 1 }, Value::Okay),
            (Action::Members { key }, Value::Nil),
        ] {
            let failure = answer(&action, value).unwrap_err();
            assert_eq!(failure.certainty, Certainty::Indefinite, "{action:?}");
        }
    }
}
