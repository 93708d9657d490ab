//! The reads after a run: what the workload wants to know of the final state, once the cluster is calm.
//!
//! Each read is tried several times, each try in the history, those too that found no connection. What fails for good
//! is a problem of the run, not its end: the history of what came before is worth judging.

use super::recorder::Recorder;
use super::runner::{Progress, RunPlan, SETTLE_MAX};
use super::system::{Action, Certainty, Client, Cluster, Failure, Reply};
use super::worker::bounded;
use crate::history::ProcessId;
use std::time::{Duration, Instant};

/// How often one read is tried.
const TRIES: u32 = 5;
/// How long one read may take at least: a set is read whole.
const TIMEOUT_MIN: Duration = Duration::from_secs(5);

/// Waits until the cluster is calm and makes the workload's final reads, as processes after `last`. Returns what went
/// wrong.
pub(super) async fn final_reads(
    plan: &RunPlan<'_>,
    cluster: &dyn Cluster,
    recorder: &Recorder,
    last: ProcessId,
    tell: &(dyn Fn(Progress) + Sync),
) -> Vec<String> {
    let reads = plan.work.final_reads();
    let mut problems = Vec::new();
    if reads.is_empty() {
        return problems;
    }
    if let Err(error) = cluster.settle(Instant::now() + SETTLE_MAX).await {
        // A node that is still away need not be the one that answers final reads.
        problems.push(format!("the system did not settle: {error}"));
    }
    tell(Progress::FinalReads { reads: reads.len() });
    let timeout = plan.backend.timeout.max(TIMEOUT_MIN);
    let process = ProcessId(last.0 + 1);
    let mut reader = Reader { cluster, recorder, timeout, process, client: None };
    for action in &reads {
        if let Err(failure) = reader.read(action).await {
            problems.push(format!("a final read failed: {failure}"));
        }
    }
    problems
}

struct Reader<'a> {
    cluster: &'a dyn Cluster,
    recorder: &'a Recorder,
    timeout: Duration,
    /// The process of the next try.
    process: ProcessId,
    client: Option<Box<dyn Client>>,
}

impl Reader<'_> {
    /// Makes one read, in several tries if need be.
    async fn read(&mut self, action: &Action) -> Result<(), Failure> {
        let mut result = self.try_once(action).await;
        for _ in 1..TRIES {
            if result.is_ok() {
                break;
            }
            result = self.try_once(action).await;
        }
        result.map(drop)
    }

    async fn try_once(&mut self, action: &Action) -> Result<Reply, Failure> {
        self.recorder.invoke(self.process, action);
        let result = self.attempt(action).await;
        self.recorder.complete(self.process, action, &result);
        if result.is_err() {
            self.client = None;
            self.process.0 += 1;
        }
        result
    }

    async fn attempt(&mut self, action: &Action) -> Result<Reply, Failure> {
        if self.client.is_none() {
            let connected = self.cluster.connect_final(0).await;
            // Nothing was sent.
            self.client = Some(connected.map_err(|failure| Failure { certainty: Certainty::Definite, ..failure })?);
        }
        let client = self.client.as_mut().expect("was opened above");
        bounded(client.as_mut(), action, self.timeout).await
    }
}
