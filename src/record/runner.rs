//! One run: start the system, drive the workload, read the final state, stop. The history is on disk all the time.
//!
//! Once the system has started, its failures do not end a run: what was recorded is worth judging. They are kept in
//! [`RunSummary::problems`]; only a history that cannot be written is an error from then on.

use super::clock::Clock;
use super::faults::means;
use super::faults::nemesis::Struck;
use super::faults::schedule::Schedule;
use super::faults::stage::Stage;
use super::final_reads::{READS_MAX, final_reads, turned_true};
use super::policy::ClientPolicy;
use super::recorder::Recorder;
use super::system::{Adapter, Backend, Cluster, ReadFrom, SystemError};
use super::work::Plan;
use super::worker::{Ended, Shared, Worker, latencies};
use crate::history::fault_windows::WORK_ENDED;
use crate::history::{Header, ProcessId, Value};
use hdrhistogram::Histogram;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a cluster may take to become ready.
pub const READY_MAX: Duration = Duration::from_secs(60);
/// How long a cluster may take to answer on every node again after the run.
pub const SETTLE_MAX: Duration = Duration::from_secs(120);
/// The setting of the history's header that says which faults were planned.
pub const FAULTS_SETTING: &str = "run.faults";
/// The setting of the history's header with the demands that the run is made for.
pub const THRESHOLDS_SETTING: &str = "run.thresholds";
/// How often progress is told.
const TICK: Duration = Duration::from_millis(100);

/// What to run.
pub struct RunPlan<'a> {
    /// The identity of the run.
    pub run: String,
    /// The system.
    pub adapter: &'static dyn Adapter,
    /// Its settings.
    pub backend: &'a Backend,
    /// The work.
    pub work: &'a dyn Plan,
    /// What the header of the history says about the work.
    pub about: WorkInfo,
    /// How many clients there are, each with one operation at a time.
    pub clients: u32,
    /// The seed of all random choices.
    pub seed: u64,
    /// For how long operations are started.
    pub duration: Duration,
    /// At most so many operations are started.
    pub operations: Option<u64>,
    /// Operations a second of all clients together, in an open loop; `None` for a closed loop.
    pub rate: Option<f64>,
    /// What clients do about failures.
    pub policy: ClientPolicy,
    /// After so many operations each client moves to the next node; `None` if clients stay where they are.
    pub hop: Option<NonZeroU32>,
    /// What is done to the system meanwhile; nothing if there is no schedule.
    pub faults: Option<Schedule>,
    /// Where the history goes; must not exist.
    pub history: PathBuf,
}

/// What the header of the history says about the work.
#[derive(Clone, Debug, Default)]
pub struct WorkInfo {
    /// The workload's name.
    pub workload: String,
    /// The model of its objects.
    pub model: String,
    /// The claims that the run is made for.
    pub claims: Vec<String>,
    /// The demands on how the system serves that the run is made for.
    pub thresholds: Vec<String>,
    /// The settings of the workload by name.
    pub settings: Vec<(String, String)>,
}

/// What a run tells while it goes on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// Every node is ready.
    Ready {
        /// How long that took.
        after: Duration,
        /// Node names with addresses and roles.
        nodes: Vec<(String, String)>,
        /// Server names and versions.
        versions: Vec<(String, String)>,
    },
    /// Operations so far.
    Tick {
        /// Since the first operation.
        elapsed: Duration,
        /// Completed.
        ok: u64,
        /// Definitely failed.
        failed: u64,
        /// Indeterminate.
        unknown: u64,
    },
    /// A fault struck or was healed.
    Fault(String),
    /// The reads after the run begin.
    FinalReads {
        /// How many.
        reads: usize,
    },
    /// The system is being stopped.
    Stopping,
}

/// What a run amounted to.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// Operations completed, definitely failed, indeterminate.
    pub ok: u64,
    /// Definitely failed.
    pub failed: u64,
    /// Indeterminate.
    pub unknown: u64,
    /// Of all these, attempts after the first.
    pub again: u64,
    /// Operations of an open loop that were due and not started in time: their clients were still waiting.
    pub missed: u64,
    /// How long operations were driven.
    pub elapsed: Duration,
    /// Latencies of completed operations in microseconds.
    pub latency_us: Histogram<u64>,
    /// Server names and versions.
    pub versions: Vec<(String, String)>,
    /// Whether it was ended early by `stop`.
    pub interrupted: bool,
    /// The faults that were due, in order.
    pub faults: Vec<Struck>,
    /// What went wrong after the system had started: it did not settle, a final read failed for good, it could not
    /// be stopped. The history is true, but a run with problems must not pass for a good one.
    pub problems: Vec<String>,
}

/// Why a run did not make a whole history.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The system.
    #[error(transparent)]
    System(#[from] SystemError),
    /// The history file.
    #[error("cannot write the history {path}: {source}", path = path.display())]
    History {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A pace or a duration that no clock can count.
    #[error("{0}")]
    Impossible(String),
    /// The run failed, and then the system could not be stopped either.
    #[error("{run}; and then stopping the system failed: {stop}")]
    NotStopped {
        /// Why the run failed.
        run: Box<RunError>,
        /// Why the system could not be stopped.
        stop: SystemError,
    },
}

/// Runs it. `tell` hears of progress; `stop` turning true ends the run early, keeping the history.
///
/// # Errors
/// When the plan is impossible, the system cannot be started or reached, or the history cannot be written.
pub async fn run(
    plan: &RunPlan<'_>,
    tell: &(dyn Fn(Progress) + Sync),
    stop: watch::Receiver<bool>,
) -> Result<RunSummary, RunError> {
    let interval = interval(plan)?;
    let begun = Instant::now();
    // Looked at again when the operations begin; here, before anything is started for nothing.
    deadline(begun, plan)?;
    let mut interrupt = stop.clone();
    // Before the cluster, so that it is dropped after it.
    let mut stage = plan.faults.as_ref().map(|schedule| Stage::set(schedule, plan.backend, plan.seed)).transpose()?;
    let (network, links) = (stage.as_ref().and_then(Stage::network), stage.as_ref().and_then(Stage::links));
    let backend = Backend { network, links, ..plan.backend.clone() };
    let start = plan.adapter.start(&backend, begun + READY_MAX);
    let mut cluster: Arc<dyn Cluster> = tokio::select! {
        cluster = start => cluster?.into(),
        () = turned_true(&mut interrupt) => return Err(SystemError::Other("interrupted while the system was starting".into()).into()),
    };
    tell(Progress::Ready { after: begun.elapsed(), nodes: topology(cluster.as_ref()), versions: cluster.versions() });
    let mut result = drive(plan, interval, &cluster, stage.as_ref(), tell, stop).await;
    tell(Progress::Stopping);
    let stopped = Arc::get_mut(&mut cluster).expect("all workers have ended").stop().await;
    let left = stage.as_mut().map(Stage::clear).unwrap_or_default();
    if let Ok(summary) = &mut result {
        summary.problems.extend(left);
    }
    match (result, stopped) {
        (Ok(mut summary), Err(error)) => {
            summary.problems.push(format!("the system could not be stopped: {error}"));
            Ok(summary)
        }
        (Err(run), Err(stop)) => Err(RunError::NotStopped { run: Box::new(run), stop }),
        (result, Ok(())) => result,
    }
}

/// The time between two operations of one client in an open loop.
fn interval(plan: &RunPlan<'_>) -> Result<Option<Duration>, RunError> {
    let Some(rate) = plan.rate else { return Ok(None) };
    let interval = Duration::try_from_secs_f64(f64::from(plan.clients) / rate).ok().filter(|time| !time.is_zero());
    let impossible = || format!("{} clients cannot keep a rate of {rate} operations a second", plan.clients);
    interval.map(Some).ok_or_else(|| RunError::Impossible(impossible()))
}

/// When the last operations are started.
fn deadline(started: Instant, plan: &RunPlan<'_>) -> Result<Instant, RunError> {
    let deadline = started.checked_add(plan.duration);
    deadline.ok_or_else(|| RunError::Impossible(format!("a run cannot last {:?}", plan.duration)))
}

async fn drive(
    plan: &RunPlan<'_>,
    interval: Option<Duration>,
    cluster: &Arc<dyn Cluster>,
    stage: Option<&Stage<'_>>,
    tell: &(dyn Fn(Progress) + Sync),
    mut stop: watch::Receiver<bool>,
) -> Result<RunSummary, RunError> {
    let clock = Clock::start();
    let header = header(plan, cluster.as_ref(), &clock);
    let names = cluster.nodes().iter().map(|node| node.name.clone()).collect();
    let recorder = Recorder::create(&plan.history, &header, names, clock).map_err(history_error(&plan.history))?;
    let clients = plan.clients;
    let started = Instant::now();
    let shared = Arc::new(Shared {
        recorder,
        counts: Default::default(),
        stop: stop.clone(),
        wakefulness: plan.backend.clients.clone(),
        started,
        deadline: deadline(started, plan)?,
        remaining: plan.operations.map(AtomicU64::new),
        timeout: plan.backend.timeout,
        policy: plan.policy,
        clients,
        interval,
        hop: plan.hop,
    });
    let mut workers = JoinSet::new();
    for slot in 0..clients {
        let worker = Worker::new(slot, plan.work.generator(slot.into()), plan.policy);
        workers.spawn(worker.work(Arc::clone(&shared), Arc::clone(cluster)));
    }
    let (over, ended) = watch::channel(false);
    let joining = async {
        let joined = join(workers, &shared, started, tell).await;
        // The nemesis is there to hear it if there is one.
        let _ = over.send(true);
        joined
    };
    let tormenting = async {
        match stage {
            Some(stage) => {
                let tell = |what| tell(Progress::Fault(what));
                stage.torment(cluster, &shared.recorder, shared.started, &tell, ended).await
            }
            None => Vec::new(),
        }
    };
    let (Joined { latency_us, last, missed, mut problems }, faults) = tokio::join!(joining, tormenting);
    let elapsed = started.elapsed();
    if stage.is_some() || !plan.work.final_reads().is_empty() {
        shared.recorder.note(WORK_ENDED, &Value::Nil);
    }
    let stays = |struck: &Struck| struck.stays.as_ref().map(|why| format!("{} was not undone: {why}", struck.step));
    problems.extend(faults.iter().filter_map(stays));
    let recorder = &shared.recorder;
    problems.extend(final_reads(plan, cluster.as_ref(), recorder, last, tell, &mut stop, READS_MAX).await);
    let interrupted = *stop.borrow();
    shared.recorder.flush().map_err(history_error(&plan.history))?;
    let [ok, failed, unknown] = shared.totals();
    Ok(RunSummary {
        ok,
        failed,
        unknown,
        again: shared.again(),
        missed,
        elapsed,
        latency_us,
        versions: cluster.versions(),
        interrupted,
        faults,
        problems,
    })
}

fn history_error(path: &Path) -> impl FnOnce(std::io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::History { path, source }
}

/// What all workers together leave.
struct Joined {
    latency_us: Histogram<u64>,
    /// The last process id that any of them used.
    last: ProcessId,
    missed: u64,
    problems: Vec<String>,
}

impl Joined {
    fn add(&mut self, ended: Ended) {
        self.latency_us.add(&ended.latency_us).expect("the histograms are alike");
        self.last = self.last.max(ended.last);
        self.missed = self.missed.saturating_add(ended.missed);
        self.problems.extend(ended.problem);
    }
}

/// Waits for all workers, telling of progress.
async fn join(
    mut workers: JoinSet<Ended>,
    shared: &Shared,
    started: Instant,
    tell: &(dyn Fn(Progress) + Sync),
) -> Joined {
    let mut joined = Joined { latency_us: latencies(), last: ProcessId(0), missed: 0, problems: Vec::new() };
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            ended = workers.join_next() => match ended {
                None => return joined,
                Some(Ok(ended)) => joined.add(ended),
                Some(Err(failure)) => std::panic::resume_unwind(failure.into_panic()),
            },
            _ = tick.tick() => {
                let [ok, failed, unknown] = shared.totals();
                tell(Progress::Tick { elapsed: started.elapsed(), ok, failed, unknown });
            }
        }
    }
}

fn topology(cluster: &dyn Cluster) -> Vec<(String, String)> {
    let describe = |role: &str, address: &str| {
        [address, role].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    };
    cluster.nodes().iter().map(|node| (node.name.clone(), describe(&node.role, &node.address))).collect()
}

fn header(plan: &RunPlan<'_>, cluster: &dyn Cluster, clock: &Clock) -> Header {
    let mut config = cluster.config();
    let pace = plan.rate.map_or("closed loop".into(), |rate| rate.to_string());
    let mut run = vec![
        ("clients", plan.clients.to_string()),
        ("rate", pace),
        ("timeout-ms", plan.backend.timeout.as_millis().to_string()),
        ("time-ms", plan.duration.as_millis().to_string()),
    ];
    let backend = plan.backend;
    run.extend(plan.operations.map(|operations| ("ops", operations.to_string())));
    run.extend(plan.policy.retry.map(|retry| ("retry", retry.to_string())));
    run.extend(plan.policy.breaker.map(|breaker| ("breaker", breaker.to_string())));
    run.extend((backend.read_from != ReadFrom::Default).then(|| ("read-from", backend.read_from.to_string())));
    let means = plan.faults.as_ref().and_then(|schedule| means::choose(schedule, backend.means).ok().flatten());
    run.extend(means.map(|means| ("means", means.name().to_owned())));
    run.extend((!backend.nodes.is_empty()).then(|| ("nodes", backend.nodes.join(","))));
    let run = run.into_iter().map(|(name, value)| (name.to_owned(), value));
    let thresholds = plan.about.thresholds.join(",");
    config.extend((!thresholds.is_empty()).then(|| (THRESHOLDS_SETTING.to_owned(), thresholds)));
    config.extend(plan.faults.iter().map(|schedule| (FAULTS_SETTING.to_owned(), schedule.to_string())));
    config.extend(plan.faults.iter().flat_map(Schedule::settings).map(|(name, value)| (format!("run.{name}"), value)));
    config.extend(run.chain(plan.about.settings.clone()).map(|(name, value)| (format!("run.{name}"), value)));
    Header {
        tool: Some(format!("consistory {}", env!("CARGO_PKG_VERSION"))),
        run: Some(plan.run.clone()),
        backend: Some(plan.backend.name()),
        versions: cluster.versions(),
        topology: topology(cluster),
        config,
        workload: Some(plan.about.workload.clone()),
        model: Some(plan.about.model.clone()),
        initial: None,
        claims: plan.about.claims.clone(),
        seed: Some(plan.seed),
        clock: Some(clock.describe()),
    }
}
