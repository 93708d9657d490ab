//! Reads of the final state at every node: do the nodes agree, and since when?
//!
//! All nodes are read in rounds, from the end of the work on, each node by a process of its own that stays with it, until
//! a round that began after the system had settled finds every node of one mind, or for [`AGREE_MAX`] after that. Every
//! read is in the history; who judges it takes the last one of each node. Nodes answer in the way the run's clients read,
//! by [`Cluster::connect_node`].

use super::recorder::{Recorder, RecorderBroken};
use super::system::{Action, Answer, Client, Cluster, Failure, NodeId};
use super::worker::{bounded, open};
use crate::history::fault_windows::SETTLED;
use crate::history::{ProcessId, Value};
use futures_util::future::join_all;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long nodes may disagree once the system has settled.
const AGREE_MAX: Duration = Duration::from_secs(10);
/// The pause between two rounds.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether every node can be read by itself.
pub(super) fn can_read_nodes(cluster: &dyn Cluster) -> bool {
    let nodes = u16::try_from(cluster.nodes().len()).unwrap_or(u16::MAX);
    nodes > 0 && (0..nodes).all(|node| cluster.connect_node(NodeId(node)).is_some())
}

/// Reads until the nodes agree; `calm` says when the system has settled. Returns what went wrong.
///
/// # Errors
/// When the history cannot be written any more.
pub(super) async fn until_agreed(
    cluster: &dyn Cluster,
    recorder: &Recorder,
    reads: &[Action],
    last: ProcessId,
    timeout: Duration,
    calm: &AtomicBool,
) -> Result<Vec<String>, RecorderBroken> {
    let next = AtomicU32::new(last.0);
    let nodes = u16::try_from(cluster.nodes().len()).unwrap_or(u16::MAX);
    let mut readers: Vec<NodeReader<'_>> = (0..nodes)
        .map(|node| NodeReader { node: NodeId(node), process: None, client: None, cluster, recorder, timeout })
        .collect();
    let mut since_calm: Option<Instant> = None;
    loop {
        if calm.load(Ordering::Acquire) {
            since_calm.get_or_insert_with(|| {
                recorder.note(SETTLED, &Value::Nil);
                Instant::now()
            });
        }
        let round = join_all(readers.iter_mut().map(|reader| reader.round(reads, &next))).await;
        let round = round.into_iter().collect::<Result<Vec<_>, _>>()?;
        let agreed = round.iter().all(|answers| answers.is_ok() && answers.as_ref().ok() == round[0].as_ref().ok());
        if since_calm.is_some_and(|since| agreed || since.elapsed() > AGREE_MAX) {
            let silent = cluster.nodes().iter().zip(&round).filter_map(|(node, answers)| {
                let failure = answers.as_ref().err()?;
                Some(format!("{} did not answer the reads after the run: {failure}", node.name))
            });
            return Ok(silent.collect());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The process that reads at one node.
struct NodeReader<'a> {
    node: NodeId,
    process: Option<ProcessId>,
    client: Option<Box<dyn Client>>,
    cluster: &'a dyn Cluster,
    recorder: &'a Recorder,
    timeout: Duration,
}

impl NodeReader<'_> {
    /// What the node answers to all reads, or its first refusal.
    async fn round(
        &mut self,
        reads: &[Action],
        next: &AtomicU32,
    ) -> Result<Result<Vec<Answer>, Failure>, RecorderBroken> {
        let mut answers = Vec::with_capacity(reads.len());
        for action in reads {
            // Ids are used up only by a run that no machine could make.
            let fresh = || ProcessId(next.fetch_add(1, Ordering::Relaxed).wrapping_add(1));
            let process = *self.process.get_or_insert_with(fresh);
            self.recorder.invoke(process, action).await?;
            let result = self.attempt(action).await;
            self.recorder.complete(process, action, &result);
            match result {
                Ok(reply) => answers.push(reply.answer),
                Err(failure) => {
                    (self.process, self.client) = (None, None);
                    return Ok(Err(failure));
                }
            }
        }
        Ok(Ok(answers))
    }

    async fn attempt(&mut self, action: &Action) -> Result<super::system::Reply, Failure> {
        if self.client.is_none() {
            let connection = self.cluster.connect_node(self.node);
            let connection = connection.ok_or_else(|| Failure::definite("this node cannot be read by itself"))?;
            self.client = Some(open(connection, self.timeout).await.map_err(|failure| failure.at(self.node))?);
        }
        let client = self.client.as_mut().expect("was opened above");
        bounded(client.as_mut(), action, self.timeout).await.map_err(|failure| failure.at(self.node))
    }
}
