//! A correct store inside this process: the default backend, needing no server and no network.
//!
//! Every operation is one step under a lock, so every consistency claim holds. It also measures what recording
//! itself costs, since the store costs next to nothing.

use crate::record::system::{
    Action, Adapter, AdapterInfo, Answer, Backend, Client, Cluster, Failure, Function, Key, Node, NodeId, Promise,
    Reply, SystemError, Topology,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Instant;

const SHARDS: usize = 64;

pub(super) const FUNCTIONS: &[Function] =
    &[Function::Read, Function::Write, Function::Cas, Function::Add, Function::Members];

/// Those and locks.
const ALL_FUNCTIONS: &[Function] = &[
    Function::Read,
    Function::Write,
    Function::Cas,
    Function::Add,
    Function::Members,
    Function::Acquire,
    Function::Release,
];

/// The catalogue entry.
pub(super) struct Memory;

impl Adapter for Memory {
    fn info(&self) -> &'static AdapterInfo {
        &AdapterInfo {
            name: "memory",
            about: "a correct store inside this process; no server needed",
            topologies: &[Topology { name: "", about: "one map under locks" }],
            functions: ALL_FUNCTIONS,
            options: &[],
            promises: &[Promise {
                when: "always",
                promises: "linearizable",
                url: "https://docs.rs/parking_lot/latest/parking_lot/type.Mutex.html",
            }],
            definite_failures: &[],
            programs: &[],
        }
    }

    fn start<'a>(&'a self, backend: &'a Backend, _: Instant) -> BoxFuture<'a, Result<Box<dyn Cluster>, SystemError>> {
        Box::pin(async move {
            super::refuse_unknown(backend, self.info(), &[])?;
            let nodes = vec![Node { name: "memory".into(), address: String::new(), role: String::new() }];
            Ok(Box::new(MemoryCluster { nodes, store: Arc::default() }) as Box<dyn Cluster>)
        })
    }
}

struct MemoryCluster {
    nodes: Vec<Node>,
    store: Arc<Store>,
}

impl Cluster for MemoryCluster {
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn versions(&self) -> Vec<(String, String)> {
        vec![("memory".into(), env!("CARGO_PKG_VERSION").into())]
    }

    fn config(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn connect(&self, _: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        let store = Arc::clone(&self.store);
        Box::pin(async move { Ok(Box::new(MemoryClient { store }) as Box<dyn Client>) })
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

struct MemoryClient {
    store: Arc<Store>,
}

impl Client for MemoryClient {
    fn invoke<'a>(&'a mut self, action: &'a Action) -> BoxFuture<'a, Result<Reply, Failure>> {
        // Recording an invocation lets the other clients in, so operations overlap without waiting here.
        let answer = self.store.apply(action);
        Box::pin(async move { Ok(Reply { answer: answer?, node: Some(NodeId(0)) }) })
    }
}

/// One object of the store.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub(super) value: Option<i64>,
    pub(super) members: Vec<i64>,
    held: bool,
}

/// The store: objects under sharded locks.
#[derive(Debug)]
pub(super) struct Store {
    shards: Box<[Mutex<FxHashMap<Key, Object>>]>,
}

impl Default for Store {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Store {
    /// Does something to an object in one atomic step.
    pub(super) fn with<R>(&self, key: Key, step: impl FnOnce(&mut Object) -> R) -> R {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder below the number of shards")]
        let shard = (key.0 % SHARDS as u64) as usize;
        step(self.shards[shard].lock().entry(key).or_default())
    }

    /// Performs an action correctly.
    pub(super) fn apply(&self, action: &Action) -> Result<Answer, Failure> {
        self.with(action.key(), |object| object.apply(action))
    }
}

impl Object {
    /// Performs an action correctly.
    pub(super) fn apply(&mut self, action: &Action) -> Result<Answer, Failure> {
        match *action {
            Action::Read { .. } => return Ok(Answer::Value(self.value)),
            Action::Members { .. } => return Ok(Answer::Members(self.members.clone())),
            Action::Write { value, .. } => self.value = Some(value),
            Action::Cas { from, to, .. } if self.value == Some(from) => self.value = Some(to),
            Action::Cas { .. } => return Err(Failure::definite(Failure::MISMATCH).at(NodeId(0))),
            Action::Add { element, .. } => self.members.push(element),
            Action::Acquire { .. } if self.held => return Err(Failure::definite(Failure::HELD).at(NodeId(0))),
            Action::Acquire { .. } => self.held = true,
            Action::Release { .. } => self.held = false,
        }
        Ok(Answer::Done)
    }
}
