//! Proxies in front of the servers of a local cluster, where what passes between nodes can be held, cut off or slowed
//! without any rights.
//!
//! Each server listens at an address of its own and is announced to everybody else, servers and clients, at that of a
//! proxy. The proxy finds out which node a connection comes from ([`super::owner`]), or was made for connections from one
//! node only, and carries the bytes. What a rule says of a way (from one node to another, or from a client) applies to
//! the bytes that go that way.
//!
//! It carries streams, not packets: nothing can be lost, and a connection to a node that is cut off opens and then stays
//! silent, where a real one would not open. What was sent into a cut arrives when it is healed, as what TCP sends again
//! would, if the connection still lasts; so does the news of a connection's end.

use super::address::free_addresses;
use super::owner;
use super::packet_queue::{Held, Hold};
use super::stream::{self, Link};
use crate::record::system::SystemError;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};

/// How long accepting pauses after an error, such as too many open files.
const PAUSE: Duration = Duration::from_millis(20);
/// How often an address is tried that another program took meanwhile.
const TRIES: usize = 20;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A node, by its number from 0; its sentinel is the node too.
    Node(usize),
    /// Whoever is no node.
    Client,
}

/// Which ways a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ways {
    /// From the first node to the second, for each pair.
    Between(Vec<(usize, usize)>),
    /// From anybody to one of these nodes.
    To(Vec<usize>),
    /// From or to one of these nodes.
    Touching(Vec<usize>),
}

impl Ways {
    fn include(&self, from: End, to: End) -> bool {
        match self {
            Self::Between(pairs) => pairs.iter().any(|&(one, other)| from == End::Node(one) && to == End::Node(other)),
            Self::To(nodes) => nodes.iter().any(|&node| to == End::Node(node)),
            Self::Touching(nodes) => nodes.iter().any(|&node| from == End::Node(node) || to == End::Node(node)),
        }
    }
}

/// What happens to bytes on these ways.
#[derive(Debug)]
pub enum Effect {
    /// They stay where they are.
    Cut,
    /// They are held for a while.
    Hold(Hold),
    /// So many pass a second, all ways together.
    Limit {
        /// Bytes a second.
        rate: u32,
    },
}

/// Something that applies to some ways.
#[derive(Debug)]
pub struct Rule {
    name: String,
    ways: Ways,
    /// What it does.
    pub(super) effect: Effect,
    /// When the next bytes may pass a limit.
    next: Mutex<Instant>,
    pieces: AtomicU64,
    nanos: AtomicU64,
}

impl Rule {
    /// Counts something that had to wait so long.
    pub(super) fn count(&self, time: Duration) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Until when so many bytes have to wait that a limit applies to.
    pub(super) fn reserve(&self, bytes: usize, rate: u32) -> Instant {
        let mut next = self.next.lock();
        let now = Instant::now();
        let due = (*next).max(now);
        #[expect(clippy::cast_precision_loss, reason = "a piece is a few thousand bytes")]
        let time = Duration::from_secs_f64(bytes as f64 / f64::from(rate.max(1)));
        *next = due + time;
        due
    }

    /// What had to wait because of it so far.
    #[must_use]
    pub fn held(&self) -> Held {
        let time = Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
        Held { packets: self.pieces.load(Ordering::Relaxed), time }
    }
}

/// The rules in force, in the order in which they were made.
pub(super) type Rules = Arc<Vec<Arc<Rule>>>;

/// Those of them that apply to a way.
pub(super) fn applying(rules: &Rules, from: End, to: End) -> Vec<Arc<Rule>> {
    rules.iter().filter(|rule| rule.ways.include(from, to)).cloned().collect()
}

/// A connection that lasts: from where to where, and what resets it.
type Open = (End, End, Arc<Notify>);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    rules: watch::Sender<Rules>,
    open: Mutex<BTreeMap<u64, Open>>,
    next: AtomicU64,
}

/// The proxies of a cluster; they end with the last clone of this.
#[derive(Clone, Debug)]
pub struct Links(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// The server behind each announced address.
    behind: Mutex<BTreeMap<SocketAddr, SocketAddr>>,
    runtime: Option<Runtime>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Links {
    /// Starts the thread that carries.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start() -> Result<Self, SystemError> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("links").enable_all().build();
        let runtime = runtime.map_err(SystemError::io("starting the proxies' thread"))?;
        let (rules, _) = watch::channel(Rules::default());
        let shared = Arc::new(Shared { rules, open: Mutex::default(), next: AtomicU64::new(0) });
        Ok(Self(Arc::new(Inner { shared, behind: Mutex::default(), runtime: Some(runtime) })))
    }

    /// Where others reach a server of a node that listens at `own`.
    ///
    /// # Errors
    /// When there is no free address.
    pub fn announce(&self, node: usize, own: SocketAddr) -> Result<SocketAddr, SystemError> {
        for _ in 1..TRIES {
            // Somebody else may take it between the look and the use.
            if let Ok(listener) = self.listen(free_addresses(1)?[0]) {
                return self.open(listener, None, node, own);
            }
        }
        self.open(self.listen(free_addresses(1)?[0])?, None, node, own)
    }

    /// Makes `at` the address where one node, and nobody else, reaches a server of another that listens at `own`.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn announce_to(&self, from: usize, node: usize, at: SocketAddr, own: SocketAddr) -> Result<(), SystemError> {
        self.open(self.listen(at)?, Some(from), node, own).map(drop)
    }

    /// The address at which the server itself listens that is announced at this one; the same if there is no proxy.
    #[must_use]
    pub fn behind(&self, announced: SocketAddr) -> SocketAddr {
        self.0.behind.lock().get(&announced).copied().unwrap_or(announced)
    }

    /// Whether there is any proxy.
    #[must_use]
    pub fn is_used(&self) -> bool {
        !self.0.behind.lock().is_empty()
    }

    /// Puts a rule in force.
    ///
    /// # Errors
    /// When one of that name is in force.
    pub fn put(&self, name: &str, ways: Ways, effect: Effect) -> Result<(), String> {
        let mut result = Ok(());
        self.0.shared.rules.send_modify(|rules| {
            if rules.iter().any(|rule| rule.name == name) {
                result = Err(format!("{name} is in force already"));
                return;
            }
            let (pieces, nanos) = (AtomicU64::new(0), AtomicU64::new(0));
            let rule = Rule { name: name.into(), ways, effect, next: Mutex::new(Instant::now()), pieces, nanos };
            let mut more = rules.to_vec();
            more.push(Arc::new(rule));
            *rules = Arc::new(more);
        });
        result
    }

    /// Takes a rule out of force; what it did, if it was there.
    #[must_use]
    pub fn take(&self, name: &str) -> Option<Held> {
        let mut taken = None;
        self.0.shared.rules.send_modify(|rules| {
            taken = rules.iter().find(|rule| rule.name == name).cloned();
            *rules = Arc::new(rules.iter().filter(|rule| rule.name != name).cloned().collect());
        });
        taken.map(|rule| rule.held())
    }

    /// Resets the connections from or to these nodes; how many.
    #[must_use]
    pub fn reset(&self, nodes: &[usize]) -> u64 {
        let ways = Ways::Touching(nodes.to_vec());
        let mut count = 0;
        for (from, to, reset) in self.0.shared.open.lock().values() {
            if ways.include(*from, *to) {
                reset.notify_one();
                count += 1;
            }
        }
        count
    }

    fn listen(&self, at: SocketAddr) -> Result<TcpListener, SystemError> {
        let _inside = self.0.runtime.as_ref().expect("it is there until the end").enter();
        let listener = std::net::TcpListener::bind(at).and_then(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        listener.map_err(SystemError::io(format!("listening at {at}")))
    }

    fn open(
        &self,
        listener: TcpListener,
        from: Option<usize>,
        node: usize,
        own: SocketAddr,
    ) -> Result<SocketAddr, SystemError> {
        let at = listener.local_addr().map_err(SystemError::io("reading a proxy's address"))?;
        self.0.behind.lock().insert(at, own);
        let shared = Arc::clone(&self.0.shared);
        let runtime = self.0.runtime.as_ref().expect("it is there until the end");
        runtime.spawn(accept_all(listener, shared, from.map(End::Node), node, own));
        Ok(at)
    }
}

async fn accept_all(listener: TcpListener, shared: Arc<Shared>, from: Option<End>, node: usize, own: SocketAddr) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (to, shared) = (End::Node(node), Arc::clone(&shared));
        tokio::spawn(async move {
            let from = from.unwrap_or_else(|| stream.local_addr().map_or(End::Client, |here| owner::of(peer, here)));
            let (id, reset) = (shared.next.fetch_add(1, Ordering::Relaxed), Arc::new(Notify::new()));
            shared.open.lock().insert(id, (from, to, Arc::clone(&reset)));
            stream::carry(stream, own, Link { from, to, id, rules: shared.rules.subscribe() }, &reset).await;
            shared.open.lock().remove(&id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    /// A server that sends back what it gets, and how to reach it through a proxy as node 0 would reach node 1.
    fn echo(links: &Links) -> TcpStream {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let (mut from, mut to) = (stream.try_clone().expect("a clone"), stream);
                    let _ = std::io::copy(&mut from, &mut to);
                });
            }
        });
        let at = free_addresses(1).expect("free")[0];
        links.announce_to(0, 1, at, own).expect("it is free");
        assert_eq!(links.behind(at), own);
        let stream = TcpStream::connect(at).expect("the proxy listens");
        stream.set_nodelay(true).expect("set");
        stream
    }

    fn ask(stream: &mut TcpStream, at_most: Duration) -> std::io::Result<Duration> {
        let started = Instant::now();
        stream.set_read_timeout(Some(at_most)).expect("set");
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        Ok(started.elapsed())
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_cut_holds_what_goes_that_way_until_it_is_healed() {
        let links = Links::start().expect("a thread");
        let mut stream = echo(&links);
        ask(&mut stream, LONG).expect("it is carried");
        for pair in [(0, 1), (1, 0)] {
            links.put("cut", Ways::Between(vec![pair]), Effect::Cut).expect("in force");
            assert!(links.put("cut", Ways::To(vec![0]), Effect::Cut).is_err(), "there is one of that name");
            assert!(ask(&mut stream, Duration::from_millis(100)).is_err(), "{pair:?} is cut");
            let held = links.take("cut").expect("it was in force");
            assert_eq!(held.packets, 1, "{pair:?}");
            stream.set_read_timeout(Some(LONG)).expect("set");
            stream.read_exact(&mut [0]).expect("what was held arrives");
        }
        assert_eq!(links.take("cut"), None);
    }

    #[test]
    fn a_cut_of_other_ways_does_not_touch_this_one() {
        let links = Links::start().expect("a thread");
        let mut stream = echo(&links);
        links.put("cut", Ways::Between(vec![(0, 2), (2, 1)]), Effect::Cut).expect("in force");
        ask(&mut stream, LONG).expect("it is carried");
        assert_eq!(links.take("cut"), Some(Held::default()));
    }

    #[test]
    fn what_is_held_arrives_later_and_what_is_limited_slower() {
        let links = Links::start().expect("a thread");
        let mut stream = echo(&links);
        let time = Duration::from_millis(80);
        links.put("hold", Ways::To(vec![1]), Effect::Hold(Hold { least: time, most: time })).expect("in force");
        assert!(ask(&mut stream, LONG).expect("it is carried") >= time);
        let held = links.take("hold").expect("it was in force");
        assert!(held.packets == 1 && held.mean() >= time, "{held:?}");
        links.put("limit", Ways::Touching(vec![1]), Effect::Limit { rate: 100 }).expect("in force");
        let started = Instant::now();
        for _ in 0..6 {
            ask(&mut stream, LONG).expect("it is carried");
        }
        // Twelve bytes in both directions, the first for free.
        assert!(started.elapsed() >= Duration::from_millis(110), "{:?}", started.elapsed());
        assert!(links.take("limit").expect("it was in force").packets > 0);
    }

    #[test]
    fn a_reset_connection_ends_with_an_error_and_a_new_one_is_carried() {
        let links = Links::start().expect("a thread");
        let mut stream = echo(&links);
        ask(&mut stream, LONG).expect("it is carried");
        assert_eq!(links.reset(&[2]), 0);
        assert_eq!(links.reset(&[1]), 1);
        stream.set_read_timeout(Some(LONG)).expect("set");
        let error = stream.read_exact(&mut [0]).expect_err("it is reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let mut again = TcpStream::connect(
            stream
                .peer_addr()
                .or_else(|_| {
                    let behind = links.0.behind.lock();
                    behind.keys().next().copied().ok_or(error)
                })
                .expect("an address"),
        )
        .expect("the proxy listens");
        ask(&mut again, LONG).expect("it is carried");
    }

    #[test]
    fn the_end_of_a_stream_is_passed_on() {
        let links = Links::start().expect("a thread");
        let mut stream = echo(&links);
        stream.write_all(b"last").expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("shut");
        stream.set_read_timeout(Some(LONG)).expect("set");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the server's end comes back");
        assert_eq!(text, "last");
    }

    #[test]
    fn a_connection_of_this_process_is_that_of_a_client() {
        let links = Links::start().expect("a thread");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = links.announce(1, listener.local_addr().expect("an address")).expect("announced");
        links.put("cut", Ways::Between(vec![(0, 1)]), Effect::Cut).expect("in force");
        let _stream = TcpStream::connect(at).expect("the proxy listens");
        listener.accept().expect("it is connected through");
        let open: Vec<_> = links.0.shared.open.lock().values().map(|(from, to, _)| (*from, *to)).collect();
        assert_eq!(open, [(End::Client, End::Node(1))]);
    }
}
