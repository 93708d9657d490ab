//! The reads after a run: what the workload wants to know of the final state, once the cluster is calm.
//!
//! Each read is tried several times, each try in the history, those too that found no connection. What fails for good
//! is a problem of the run, not its end: the history of what came before is worth judging. All of it has a bound, and
//! ends at once when the run is stopped.

use super::node_reads::{can_read_nodes, until_agreed};
use super::recorder::{Recorder, RecorderBroken};
use super::runner::{Progress, RunPlan, SETTLE_MAX};
use super::system::{Action, Client, Cluster, Failure, Reply};
use super::worker::{bounded, open};
use crate::history::ProcessId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::timeout;

/// How often one read is tried.
const TRIES: u32 = 5;
/// How long one read may take at least: a set is read whole.
const TIMEOUT_MIN: Duration = Duration::from_secs(5);
/// The pause between two tries: what refuses at once may be about to recover.
const PAUSE: Duration = Duration::from_millis(100);
/// How long all reads together may take.
pub(super) const READS_MAX: Duration = Duration::from_secs(60);
/// How much longer than it was told to a cluster may take to settle before it is not waited for any more.
const SETTLE_GRACE: Duration = Duration::from_secs(1);

/// Waits until the cluster is calm and makes the workload's final reads within `reads_max`, as processes after `last`.
/// Ends at once when `stop` turns true. Returns what went wrong.
pub(super) async fn final_reads(
    plan: &RunPlan<'_>,
    cluster: &dyn Cluster,
    recorder: &Recorder,
    last: ProcessId,
    tell: &(dyn Fn(Progress) + Sync),
    stop: &mut watch::Receiver<bool>,
    reads_max: Duration,
) -> Vec<String> {
    let reads = plan.work.final_reads();
    let mut problems = Vec::new();
    // After faults the system must answer again, whoever asks.
    if reads.is_empty() && plan.faults.is_none() {
        return problems;
    }
    let at_every_node = plan.work.asks_every_node() && can_read_nodes(cluster);
    let all = async {
        if at_every_node {
            tell(Progress::FinalReads { reads: reads.len() * cluster.nodes().len() });
            problems = at_nodes(plan, cluster, recorder, &reads, last, reads_max).await;
            return;
        }
        if let Err(why) = settle(cluster).await {
            // A node that is still away need not be the one that answers final reads.
            problems.push(format!("the system did not settle: {why}"));
        }
        if !reads.is_empty() {
            tell(Progress::FinalReads { reads: reads.len() });
        }
        let mut reader = Reader { cluster, recorder, timeout: plan.backend.timeout, last, client: None };
        let mut done = 0;
        let within = timeout(reads_max, async {
            for action in &reads {
                if let Err(failure) = reader.read(action).await? {
                    problems.push(format!("a final read failed: {failure}"));
                }
                done += 1;
            }
            Ok::<(), RecorderBroken>(())
        });
        // A history that broke is told of at the end of the run, when it is flushed.
        if within.await.is_err() {
            let missing = reads.len() - done;
            problems.push(format!("{missing} of {} final reads were not done within {reads_max:?}", reads.len()));
        }
    };
    tokio::select! {
        biased;
        () = turned_true(stop) => {}
        () = all => {}
    }
    problems
}

/// Reads at every node while the cluster settles, and then until the nodes agree.
async fn at_nodes(
    plan: &RunPlan<'_>,
    cluster: &dyn Cluster,
    recorder: &Recorder,
    reads: &[Action],
    last: ProcessId,
    reads_max: Duration,
) -> Vec<String> {
    let calm = AtomicBool::new(false);
    let settling = async {
        let settled = settle(cluster).await;
        calm.store(true, Ordering::Release);
        settled
    };
    let reading = timeout(reads_max, until_agreed(cluster, recorder, reads, last, plan.backend.timeout, &calm));
    let (settled, read) = tokio::join!(settling, reading);
    let mut problems: Vec<String> =
        settled.err().map(|why| format!("the system did not settle: {why}")).into_iter().collect();
    match read {
        Ok(Ok(silent)) => problems.extend(silent),
        // A history that broke is told of at the end of the run, when it is flushed.
        Ok(Err(RecorderBroken)) => {}
        Err(_) => problems.push(format!("the nodes were not all read within {reads_max:?}")),
    }
    problems
}

/// Waits until the flag is true; for ever if nobody can set it any more.
pub(super) async fn turned_true(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stopped| *stopped).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn settle(cluster: &dyn Cluster) -> Result<(), String> {
    match timeout(SETTLE_MAX + SETTLE_GRACE, cluster.settle(Instant::now() + SETTLE_MAX)).await {
        Ok(settled) => settled.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {SETTLE_MAX:?}")),
    }
}

struct Reader<'a> {
    cluster: &'a dyn Cluster,
    recorder: &'a Recorder,
    /// The bound on opening a connection.
    timeout: Duration,
    /// The last process id in use by others or given up; this reader's is the next.
    last: ProcessId,
    client: Option<Box<dyn Client>>,
}

impl Reader<'_> {
    /// Makes one read, in several tries if need be.
    async fn read(&mut self, action: &Action) -> Result<Result<(), Failure>, RecorderBroken> {
        let mut result = self.try_once(action).await?;
        for _ in 1..TRIES {
            if result.is_ok() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            result = self.try_once(action).await?;
        }
        Ok(result.map(drop))
    }

    async fn try_once(&mut self, action: &Action) -> Result<Result<Reply, Failure>, RecorderBroken> {
        let Some(process) = self.last.0.checked_add(1).map(ProcessId) else {
            return Ok(Err(Failure::definite("all process ids are used up")));
        };
        self.recorder.invoke(process, action).await?;
        let result = self.attempt(action).await;
        self.recorder.complete(process, action, &result);
        if result.is_err() {
            self.client = None;
            self.last = process;
        }
        Ok(result)
    }

    async fn attempt(&mut self, action: &Action) -> Result<Reply, Failure> {
        if self.client.is_none() {
            self.client = Some(open(self.cluster.connect_final(0), self.timeout).await?);
        }
        let client = self.client.as_mut().expect("was opened above");
        bounded(client.as_mut(), action, self.timeout.max(TIMEOUT_MIN)).await
    }
}
