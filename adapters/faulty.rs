//! The correct store with one named consistency bug: it tests the tester.
//!
//! Each topology is a bug. Most operations are right, so that a checker has to find the few that are not; how many
//! go wrong is the option `rate`. Each bug is a violation of linearizability (or loses an acknowledged addition)
//! that shows in at most four operations.

use super::memory::{FUNCTIONS, Object, Store};
use crate::record::system::{
    Action, Adapter, AdapterInfo, Answer, Backend, Client, Cluster, Failure, Key, Node, NodeId, OptionInfo, Promise,
    Reply, SystemError, Topology,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Instant;

/// A bug: its name and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    StaleRead,
    LostWrite,
    DuplicateWrite,
    DirtyRead,
    NoReadYourWrites,
    WriteOrder,
    LostUpdate,
    SplitBrain,
}

const BUGS: &[(Bug, Topology)] = &[
    (Bug::StaleRead, Topology { name: "stale-read", about: "a read now and then returns the value before the last" }),
    (
        Bug::LostWrite,
        Topology { name: "lost-write", about: "an acknowledged write or addition now and then does nothing" },
    ),
    (
        Bug::DuplicateWrite,
        Topology { name: "duplicate-write", about: "a write now and then takes effect again after the next one" },
    ),
    (
        Bug::DirtyRead,
        Topology { name: "dirty-read", about: "a write that answers 'failed' now and then has taken effect" },
    ),
    (
        Bug::NoReadYourWrites,
        Topology { name: "no-read-your-writes", about: "a client's read right after its own write misses that write" },
    ),
    (Bug::WriteOrder, Topology { name: "write-order", about: "half of the clients see two writes in the other order" }),
    (
        Bug::LostUpdate,
        Topology { name: "lost-update", about: "a compare-and-set now and then compares with an old value" },
    ),
    (
        Bug::SplitBrain,
        Topology { name: "split-brain", about: "now and then the halves of the clients have a store each" },
    ),
];

/// The same texts as an array, for the catalogue entry.
const TOPOLOGIES: [Topology; BUGS.len()] = {
    let mut topologies = [BUGS[0].1; BUGS.len()];
    let mut at = 0;
    while at < BUGS.len() {
        topologies[at] = BUGS[at].1;
        at += 1;
    }
    topologies
};

const DEFAULT_RATE: &str = "0.01";

/// The catalogue entry.
pub(super) struct Faulty;

impl Adapter for Faulty {
    fn info(&self) -> &'static AdapterInfo {
        &AdapterInfo {
            name: "faulty",
            about: "the memory store with one named consistency bug, to test the tester",
            topologies: &TOPOLOGIES,
            functions: FUNCTIONS,
            options: &[OptionInfo {
                name: "rate",
                values: "0 to 1",
                default: DEFAULT_RATE,
                about: "the share of operations that go wrong",
            }],
            promises: &[Promise {
                when: "always",
                promises: "to break linearizability",
                url: "https://docs.rs/consistory",
            }],
            definite_failures: &[],
            programs: &[],
        }
    }

    fn start<'a>(&'a self, backend: &'a Backend, _: Instant) -> BoxFuture<'a, Result<Box<dyn Cluster>, SystemError>> {
        Box::pin(async move {
            super::refuse_unknown(backend, self.info(), &["rate"])?;
            let bug =
                BUGS.iter().find(|(_, topology)| topology.name == backend.topology || backend.topology.is_empty());
            let (bug, topology) = bug.expect("unknown topologies were refused above");
            let text = backend.option("rate").unwrap_or(DEFAULT_RATE);
            let rate =
                text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate)).ok_or_else(|| SystemError::BadOption {
                    option: "rate".into(),
                    value: text.into(),
                    expected: "a number from 0 to 1".into(),
                })?;
            let nodes = ["a", "b"].map(|name| Node { name: name.into(), address: String::new(), role: String::new() });
            Ok(Box::new(FaultyCluster {
                nodes: nodes.to_vec(),
                shared: Arc::new(Shared {
                    bug: *bug,
                    rate,
                    store: Store::default(),
                    past: Mutex::default(),
                    sides: Mutex::default(),
                }),
                name: topology.name,
                seed: backend.seed,
            }) as Box<dyn Cluster>)
        })
    }
}

struct FaultyCluster {
    nodes: Vec<Node>,
    shared: Arc<Shared>,
    name: &'static str,
    seed: u64,
}

/// What all clients share.
struct Shared {
    bug: Bug,
    rate: f64,
    store: Store,
    /// The value that each register held before its present one, and the one before that.
    past: Mutex<FxHashMap<Key, [Option<i64>; 2]>>,
    /// Registers that have split, with the second half's copy.
    sides: Mutex<FxHashMap<Key, Object>>,
}

impl Cluster for FaultyCluster {
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn versions(&self) -> Vec<(String, String)> {
        vec![("faulty".into(), env!("CARGO_PKG_VERSION").into())]
    }

    fn config(&self) -> Vec<(String, String)> {
        vec![("bug".into(), self.name.into()), ("rate".into(), self.shared.rate.to_string())]
    }

    fn connect(&self, slot: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        let seed = self.seed ^ (slot as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
        let client = FaultyClient {
            shared: Arc::clone(&self.shared),
            second_half: slot % 2 == 1,
            random: SmallRng::seed_from_u64(seed),
            wrote: FxHashMap::default(),
        };
        Box::pin(async move { Ok(Box::new(client) as Box<dyn Client>) })
    }

    fn connect_node(&self, node: NodeId) -> Option<BoxFuture<'_, Result<Box<dyn Client>, Failure>>> {
        Some(self.connect(usize::from(node.0)))
    }

    fn settle(&self, _: Instant) -> BoxFuture<'_, Result<(), SystemError>> {
        Box::pin(async { Ok(()) })
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), SystemError>> {
        Box::pin(async { Ok(()) })
    }
}

struct FaultyClient {
    shared: Arc<Shared>,
    second_half: bool,
    random: SmallRng,
    /// What each register held before this client's own last write to it.
    wrote: FxHashMap<Key, Option<i64>>,
}

impl Client for FaultyClient {
    fn invoke<'a>(&'a mut self, action: &'a Action) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let node = NodeId(u16::from(self.second_half));
            let result = self.perform(action).map_err(|failure| failure.at(node));
            tokio::task::yield_now().await;
            Ok(Reply { answer: result?, node: Some(node) })
        })
    }
}

impl FaultyClient {
    fn perform(&mut self, action: &Action) -> Result<Answer, Failure> {
        let wrong = self.random.random_bool(self.shared.rate);
        let shared = Arc::clone(&self.shared);
        match (shared.bug, action) {
            (Bug::StaleRead | Bug::WriteOrder, Action::Read { key }) if wrong => {
                Ok(Answer::Value(self.old_value(*key)))
            }
            (Bug::LostWrite, Action::Write { .. } | Action::Add { .. }) if wrong => Ok(Answer::Done),
            (Bug::DuplicateWrite, Action::Write { key, value }) if wrong => {
                Ok(shared.write_before_the_last(*key, *value))
            }
            (Bug::DirtyRead, Action::Write { .. } | Action::Add { .. }) if wrong => {
                shared.apply(action)?;
                Err(Failure::definite("aborted"))
            }
            (Bug::NoReadYourWrites, Action::Read { key }) => match self.wrote.remove(key) {
                Some(before) if wrong => Ok(Answer::Value(before)),
                _ => shared.apply(action),
            },
            (Bug::NoReadYourWrites, Action::Write { key, .. }) => {
                let before = shared.store.with(*key, |object| object.value);
                self.wrote.insert(*key, before);
                shared.apply(action)
            }
            (Bug::LostUpdate, Action::Cas { key, from, to }) if wrong => shared.compare_with_the_past(*key, *from, *to),
            (Bug::SplitBrain, _) => self.on_own_side(action, wrong),
            _ => shared.apply(action),
        }
    }

    /// A read that is behind: everybody's bug with stale reads, the second half's only where the order of the last
    /// two writes looks swapped to that half.
    fn old_value(&self, key: Key) -> Option<i64> {
        let present = self.shared.store.with(key, |object| object.value);
        if self.shared.bug == Bug::WriteOrder && !self.second_half {
            return present;
        }
        self.shared.past.lock().get(&key).map_or(present, |past| past[0])
    }

    /// The first half works on the store. The second half does too, until a register splits: then on a copy of its
    /// own, which nobody merges back.
    fn on_own_side(&mut self, action: &Action, split: bool) -> Result<Answer, Failure> {
        let key = action.key();
        let mut sides = self.shared.sides.lock();
        if split && !sides.contains_key(&key) {
            sides.insert(key, self.shared.store.with(key, |object| object.clone()));
        }
        match sides.get_mut(&key) {
            Some(copy) if self.second_half => copy.apply(action),
            _ => self.shared.apply(action),
        }
    }
}

impl Shared {
    /// Performs an action correctly, remembering what the register held before.
    fn apply(&self, action: &Action) -> Result<Answer, Failure> {
        let key = action.key();
        self.store.with(key, |object| {
            let before = object.value;
            let answer = object.apply(action);
            if object.value != before {
                let mut past = self.past.lock();
                let entry = past.entry(key).or_default();
                *entry = [before, entry[0]];
            }
            answer
        })
    }

    /// A write that takes effect, after which the write before it takes effect a second time.
    fn write_before_the_last(&self, key: Key, value: i64) -> Answer {
        self.store.with(key, |object| {
            let before = object.value;
            object.value = if before.is_some() { before } else { Some(value) };
        });
        Answer::Done
    }

    /// A compare-and-set that finds what it expects where the register held it before its last change.
    fn compare_with_the_past(&self, key: Key, from: i64, to: i64) -> Result<Answer, Failure> {
        self.store.with(key, |object| {
            let past = self.past.lock().get(&key).copied().unwrap_or_default();
            if object.value == Some(from) || past.contains(&Some(from)) {
                object.value = Some(to);
                Ok(Answer::Done)
            } else {
                Err(Failure::definite(Failure::MISMATCH))
            }
        })
    }
}
