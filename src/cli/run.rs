//! `consistory run BACKEND`: drives a system, records, judges. Everything of the run is in `runs/<id>/`.

use super::faults::{self, FaultArgs};
use super::follow;
use super::judging::{JudgingArgs, ObjectArgs, judge_history, read};
use super::progress::{ProgressArg, Teller};
use super::{Exit, Failed, Format, values, watchdog};
use crate::adapters;
use crate::check::guarantee::Claim;
use crate::check::stream::News;
use crate::record::clients::Clients;
use crate::record::runner::{self, RunPlan, RunSummary, WorkInfo};
use crate::record::system::{Adapter, Backend, NodeId, ReadFrom, Secret, Tls};
use crate::report::grouped;
use crate::workloads::keys::KeyChoice;
use crate::workloads::{self, Workload, WorkloadOptions};
use anyhow::Context;
use clap::Args;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// The history's name in a run's folder.
pub(super) const HISTORY_FILE: &str = "history.jsonl";
/// The verdict's name in a run's folder.
const VERDICT_FILE: &str = "verdict.json";
/// Fewer completed operations than this say nothing about a system.
const MIN_OPS: u64 = 100;

/// The longest run and the longest operation: a year.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Operations a second: from one in a quarter of an hour to one in a nanosecond.
const RATES: RangeInclusive<f64> = 0.001..=1e9;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The system, such as memory, redis:sentinel, etcd, 'redis?wait=1' (see `consistory list adapters`)
    #[arg(default_value = "memory")]
    backend: String,
    /// What clients do (see `consistory list workloads`)
    #[arg(short, long, default_value = "register")]
    workload: String,
    /// For how long (default: 5s, or until every fault has struck once)
    #[arg(short, long, value_parser = run_time, value_name = "DURATION")]
    time: Option<Duration>,
    /// At most so many operations
    #[arg(long, value_name = "N")]
    ops: Option<u64>,
    /// How many clients, each with one operation at a time
    #[arg(short, long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clients: u32,
    /// Operations a second of all clients together; latency counts from the scheduled time (default: as fast as it goes)
    #[arg(long, value_parser = rate, value_name = "N")]
    rate: Option<f64>,
    /// The seed of all random choices (default: drawn, and printed)
    #[arg(long)]
    seed: Option<u64>,
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    runs: PathBuf,
    /// Judge while recording and end the run at the first violation of linearizability
    #[arg(long)]
    fail_fast: bool,
    /// Print the plan and do nothing
    #[arg(long)]
    dry_run: bool,
    /// How to show progress
    #[arg(long, value_enum, default_value_t = ProgressArg::Auto)]
    progress: ProgressArg,
    #[command(flatten)]
    faults: FaultArgs,
    #[command(flatten)]
    work: WorkArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    judging: JudgingArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Workload")]
struct WorkArgs {
    /// How many objects are in use at a time
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    keys: u64,
    /// After so many operations an object is replaced with a fresh one
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    ops_per_key: u64,
    /// How clients pick among the objects: uniform, zipf or zipf:EXPONENT
    #[arg(long, value_parser = key_choice, default_value = "uniform", value_name = "CHOICE")]
    key_choice: KeyChoice,
    /// The share of reads
    #[arg(long, value_parser = share, default_value = "0.5", value_name = "0..1")]
    read_share: f64,
    /// Values to write: unique, or so many different ones
    #[arg(long, value_parser = domain, default_value = "unique", value_name = "unique|N")]
    values: Domain,
    /// How long a lock is held at most
    #[arg(long, value_parser = run_time, default_value = "200ms", value_name = "DURATION")]
    hold: Duration,
    /// The bound on one operation; what has not answered by then is of unknown outcome
    #[arg(long, value_parser = run_time, default_value = "1s", value_name = "DURATION")]
    timeout: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "System")]
struct ClusterArgs {
    /// Use this existing cluster; only keys below a prefix of the run are touched
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT,…")]
    nodes: Vec<String>,
    /// A setting of the adapter, such as wait=1 (see `consistory list adapters`)
    #[arg(long = "set", value_parser = values::setting, value_name = "NAME=VALUE")]
    settings: Vec<(String, String)>,
    /// How reads are made, where the adapter has a choice: short for --set reads=…
    #[arg(long, value_name = "HOW")]
    read: Option<String>,
    /// Which node answers: default, primary, replica, any, or a node's number from 1
    #[arg(long, value_parser = read_from, default_value = "default", value_name = "NODE")]
    read_from: ReadFrom,
    /// User name at an existing cluster
    #[arg(long, env = "CONSISTORY_USER")]
    user: Option<String>,
    /// Password at an existing cluster; better in the environment than on the command line
    #[arg(long, env = "CONSISTORY_PASSWORD", hide_env_values = true)]
    password: Option<Secret>,
    /// Speak TLS to an existing cluster
    #[arg(long)]
    tls: bool,
    /// The certificates to trust, PEM
    #[arg(long, value_name = "FILE", requires = "tls")]
    tls_ca: Option<PathBuf>,
    /// The client's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls")]
    tls_cert: Option<PathBuf>,
    /// The client's key, PEM
    #[arg(long, value_name = "FILE", requires = "tls")]
    tls_key: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, requires = "tls")]
    tls_insecure: bool,
}

#[derive(Clone, Copy, Debug)]
struct Domain(Option<u64>);

fn domain(text: &str) -> Result<Domain, String> {
    if text == "unique" {
        return Ok(Domain(None));
    }
    text.parse()
        .ok()
        .filter(|&n| n > 0)
        .map(|n| Domain(Some(n)))
        .ok_or_else(|| "write unique, or a number of values".into())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "write a number from 0 to 1".into())
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate| RATES.contains(rate)).ok_or_else(|| "write a number from 0.001 to 1e9".into())
}

/// A duration that a run can last.
fn run_time(text: &str) -> Result<Duration, String> {
    let time = values::duration(text)?;
    if time <= TIME_MAX { Ok(time) } else { Err("365 days (8760h) are the most".into()) }
}

fn key_choice(text: &str) -> Result<KeyChoice, String> {
    match text.split_once(':') {
        None if text == "uniform" => Ok(KeyChoice::Uniform),
        None if text == "zipf" => Ok(KeyChoice::Zipf(1.0)),
        Some(("zipf", exponent)) => exponent
            .parse()
            .ok()
            .filter(|&exponent| exponent > 0.0 && f64::is_finite(exponent))
            .map(KeyChoice::Zipf)
            .ok_or_else(|| "the exponent is a number above 0".into()),
        _ => Err("write uniform, zipf or zipf:EXPONENT".into()),
    }
}

fn read_from(text: &str) -> Result<ReadFrom, String> {
    match text {
        "default" => Ok(ReadFrom::Default),
        "primary" | "leader" => Ok(ReadFrom::Primary),
        "replica" | "follower" => Ok(ReadFrom::Replica),
        "any" => Ok(ReadFrom::Any),
        number => number
            .parse::<u16>()
            .ok()
            .filter(|&number| number > 0)
            .map(|number| ReadFrom::Node(NodeId(number - 1)))
            .ok_or_else(|| "write default, primary, replica, any, or a node's number from 1".into()),
    }
}

pub(super) fn run(arguments: &RunArgs, quiet: bool) -> Result<Exit, Failed> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let run = run_id();
    let folder = arguments.runs.join(&run);
    let backend = backend(arguments, &run, &folder, seed)?;
    let adapter = adapters::find(&backend.system)
        .ok_or_else(|| unknown("system", &backend.system, adapters::all().iter().map(|adapter| adapter.info().name)))?;
    let workload = workloads::find(&arguments.workload).ok_or_else(|| {
        unknown("workload", &arguments.workload, workloads::all().iter().map(|workload| workload.info().name))
    })?;
    expect_support(adapter, workload)?;
    if arguments.fail_fast && !claims(arguments, workload).iter().any(|claim| claim == Claim::Linearizable.name()) {
        let name = workload.info().name;
        return Err(Failed::usage(format!("--fail-fast judges linearizable, which workload {name} does not claim")));
    }
    let (schedule, time) = arguments.faults.plan(arguments.time)?;
    let options = work(arguments, seed);
    let work = workload.plan(&options);
    let plan = RunPlan {
        run: run.clone(),
        adapter,
        backend: &backend,
        work: work.as_ref(),
        about: WorkInfo {
            workload: workload.info().name.into(),
            model: workload.info().model.into(),
            claims: claims(arguments, workload),
            thresholds: arguments.judging.threshold.iter().map(ToString::to_string).collect(),
            settings: options.settings(),
        },
        clients: arguments.clients,
        seed,
        duration: time,
        faults: schedule,
        operations: arguments.ops,
        rate: arguments.rate,
        history: folder.join(HISTORY_FILE),
    };
    let teller = Teller::new(arguments.progress, quiet, time);
    teller.phase("plan", &describe(arguments, &plan, seed));
    if let Some(schedule) = &plan.faults {
        teller.phase("faults", &format!("{schedule}\n{}", faults::describe(schedule).trim_end()));
        faults::expect_means(schedule, !backend.nodes.is_empty())?;
    }
    if arguments.dry_run {
        return Ok(Exit::Holds);
    }
    make_folder(&arguments.runs, &run)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads_for_clients()).enable_all().build();
    let runtime = runtime.context("cannot start the runtime").map_err(Failed::environment)?;
    let (stop, stopped) = watch::channel(false);
    // Until the command ends, the judgement included: the signals' own effect is gone once they have been caught.
    runtime.spawn(stop_on_signal(stop.clone()));
    let (summary, violated_early) = record(arguments, &plan, &teller, &runtime, (stop, stopped))?;
    teller.phase("recorded", &totals(&summary));
    for problem in &summary.problems {
        super::say(&format!("problem: {problem}\n"));
    }
    if summary.interrupted && !violated_early {
        return Ok(interrupted(&plan));
    }
    let exit = judge_run(arguments, &plan, &folder, &summary, quiet)?;
    follow::confirm(violated_early, exit)
}

/// How many threads the clients run on: half of the cores, since the servers mostly share the machine, and few, since
/// one drives 1.5 million operations a second against `memory` and two less than that: they take the recorder's
/// cache lines from each other.
fn threads_for_clients() -> usize {
    const THREADS_MAX: usize = 4;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).clamp(1, THREADS_MAX)
}

fn interrupted(plan: &RunPlan<'_>) -> Exit {
    let history = plan.history.display();
    super::say(&format!("interrupted; the history is kept. Judge it with: consistory check {history}\n"));
    Exit::Interrupted
}

fn judge_run(
    arguments: &RunArgs,
    plan: &RunPlan<'_>,
    folder: &Path,
    summary: &RunSummary,
    quiet: bool,
) -> Result<Exit, Failed> {
    let judging = &arguments.judging;
    let threads = judging.thread_count();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Failed::new(Exit::Internal, error))?;
    let objects = ObjectArgs::default();
    let mut judged = pool.install(|| {
        let history = read(&plan.history, &objects, threads)?;
        judge_history(history, plan.history.display().to_string(), &objects, judging, MIN_OPS, false)
    })?;
    if watchdog::is_interrupted() {
        // What was found by then is not the verdict.
        return Ok(interrupted(plan));
    }
    judged.exit = with_problems(judged.exit, &summary.problems);
    let document = judged.json();
    let path = folder.join(VERDICT_FILE);
    std::fs::write(&path, &document)
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(Failed::environment)?;
    match judging.format {
        Format::Json => super::print(&document)?,
        Format::Text => super::print(&judged.text())?,
    }
    if !quiet && judging.format == Format::Text {
        super::say(&format!("{}\nhistory {}\n", judged.cost(), plan.history.display()));
    }
    Ok(judged.exit)
}

/// A run whose system failed must not end well, whatever the history says; a violation stays one.
fn with_problems(exit: Exit, problems: &[String]) -> Exit {
    if problems.is_empty() { exit } else { exit.worse(Exit::Environment) }
}

/// Tells the watcher that the run is over, in whatever way it ends.
struct SetOnDrop<'f>(&'f AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Records the history; whether a violation was seen meanwhile.
fn record(
    arguments: &RunArgs,
    plan: &RunPlan<'_>,
    teller: &Teller,
    runtime: &Runtime,
    (stop, stopped): (watch::Sender<bool>, watch::Receiver<bool>),
) -> Result<(RunSummary, bool), Failed> {
    let over = AtomicBool::new(false);
    let found = |news: &News| {
        teller.phase("early", &follow::describe(news));
        // Nobody to tell: the run is over.
        let _ = stop.send(true);
    };
    let question = ObjectArgs::default().question(&arguments.judging);
    let (summary, watched) = std::thread::scope(|scope| {
        let ending = SetOnDrop(&over);
        let follower =
            arguments.fail_fast.then(|| scope.spawn(|| follow::watch(&plan.history, &question, &over, &found)));
        let tell = |progress| teller.hear(&progress);
        let summary = runtime.block_on(runner::run(plan, &tell, stopped)).map_err(Failed::environment);
        drop(ending);
        let watched = follower.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        (summary, watched.unwrap_or_default())
    });
    if let Some(why) = &watched.given_up {
        super::say(&format!("warning: --fail-fast did not judge to the end: {why}\n"));
    }
    Ok((summary?, watched.violated))
}

/// The first signal ends the run in order, or calls off its judgement; the second ends the process, and the kernel ends
/// its servers.
async fn stop_on_signal(stop: watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        super::say("warning: signals cannot be caught here; Ctrl-C will end the run without its last lines\n");
        return;
    };
    for count in 0.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if count > 0 {
            super::say("interrupted\n");
            #[expect(clippy::exit, reason = "the user has asked twice; child processes die with this one")]
            std::process::exit(Exit::Interrupted.code().into());
        }
        super::say("\ninterrupted: ending in order (once more to end at once)\n");
        watchdog::interrupt();
        // Once the system has been stopped nobody listens any more, and the judgement hears of it as above.
        let _ = stop.send(true);
    }
}

fn backend(arguments: &RunArgs, run: &str, folder: &Path, seed: u64) -> Result<Backend, Failed> {
    let (name, query) = arguments.backend.split_once('?').unwrap_or((&arguments.backend, ""));
    let (system, topology) = name.split_once(':').unwrap_or((name, ""));
    let mut options = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        options.push(values::setting(pair).map_err(Failed::usage)?);
    }
    let cluster = &arguments.cluster;
    options.extend(cluster.settings.iter().cloned());
    options.extend(cluster.read.iter().map(|how| ("reads".to_owned(), how.clone())));
    let tls = cluster.tls.then(|| Tls {
        ca: cluster.tls_ca.clone(),
        certificate: cluster.tls_cert.clone(),
        key: cluster.tls_key.clone(),
        insecure: cluster.tls_insecure,
    });
    // Servers run in folders of their own: a relative path would mean something else to them.
    let folder = std::path::absolute(folder).context("the current folder is gone").map_err(Failed::environment)?;
    Ok(Backend {
        system: system.to_owned(),
        topology: topology.to_owned(),
        options,
        nodes: cluster.nodes.clone(),
        read_from: cluster.read_from,
        user: cluster.user.clone(),
        password: cluster.password.clone(),
        tls,
        prefix: format!("consistory-{run}/"),
        folder,
        network: None,
        clients: Clients::default(),
        timeout: arguments.work.timeout,
        seed,
    })
}

fn work(arguments: &RunArgs, seed: u64) -> WorkloadOptions {
    let work = &arguments.work;
    WorkloadOptions {
        keys: work.keys,
        ops_per_key: work.ops_per_key,
        choice: work.key_choice,
        clients: arguments.clients.into(),
        read_share: work.read_share,
        values: work.values.0,
        hold: work.hold,
        seed,
    }
}

fn claims(arguments: &RunArgs, workload: &dyn Workload) -> Vec<String> {
    if arguments.judging.claim.is_empty() {
        workload.info().claims.iter().map(|&claim| claim.to_owned()).collect()
    } else {
        arguments.judging.claim.iter().map(|claim| claim.name().to_owned()).collect()
    }
}

fn expect_support(adapter: &dyn Adapter, workload: &dyn Workload) -> Result<(), Failed> {
    let (system, work) = (adapter.info(), workload.info());
    match work.needs.iter().find(|function| !system.functions.contains(function)) {
        None => Ok(()),
        Some(function) => Err(Failed::usage(format!(
            "workload {} needs '{function:?}', which {} does not have",
            work.name, system.name
        ))),
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failed {
    Failed::usage(format!("there is no {what} '{name}'; there are: {}", known.collect::<Vec<_>>().join(", ")))
}

fn describe(arguments: &RunArgs, plan: &RunPlan<'_>, seed: u64) -> String {
    let (clients, keys) = (arguments.clients, arguments.work.keys);
    let pace = plan.rate.map_or("closed loop".to_owned(), |rate| format!("{rate} op/s"));
    format!(
        "{} · {}, {keys} keys at a time, {clients} clients, {pace} · {:.0} s · seed {seed}",
        plan.backend.name(),
        plan.about.workload,
        plan.duration.as_secs_f64()
    )
}

fn totals(summary: &RunSummary) -> String {
    let ms = |quantile: f64| {
        #[expect(clippy::cast_precision_loss, reason = "for display only")]
        let micros = summary.latency_us.value_at_quantile(quantile) as f64;
        micros / 1e3
    };
    #[expect(clippy::cast_precision_loss, reason = "for display only")]
    let rate = summary.ok as f64 / summary.elapsed.as_secs_f64();
    let missed = match summary.missed {
        0 => String::new(),
        missed => format!("  {} never started in time", grouped(missed)),
    };
    format!(
        "{} ok  {} failed  {} unknown{missed} in {:.1} s · {rate:.0} op/s · p50 {:.2} ms  p99 {:.2} ms  max {:.2} ms",
        grouped(summary.ok),
        grouped(summary.failed),
        grouped(summary.unknown),
        summary.elapsed.as_secs_f64(),
        ms(0.5),
        ms(0.99),
        ms(1.0)
    )
}

/// When the run began and a little chance, so that two runs never meet.
fn run_id() -> String {
    let digits: String = crate::record::clock::utc(SystemTime::now()).chars().filter(char::is_ascii_digit).collect();
    format!("{}-{}-{:04x}", &digits[..8], &digits[8..], rand::random::<u16>())
}

/// Makes `runs/<id>/` and points `runs/latest` at it.
fn make_folder(runs: &Path, run: &str) -> Result<(), Failed> {
    let folder = runs.join(run);
    let doing = || format!("cannot create {}", folder.display());
    std::fs::create_dir_all(&folder).with_context(doing).map_err(Failed::environment)?;
    let (latest, fresh) = (runs.join("latest"), runs.join(format!(".latest-{run}")));
    std::os::unix::fs::symlink(run, &fresh)
        .and_then(|()| std::fs::rename(&fresh, &latest))
        .with_context(|| format!("cannot point {} at {run}", latest.display()))
        .map_err(Failed::environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_problems_is_not_green_and_a_violation_stays_one() {
        let problems = ["a final read failed: timeout".to_owned()];
        for exit in [Exit::Holds, Exit::Thresholds, Exit::Undecided, Exit::Vacuous] {
            assert_eq!(with_problems(exit, &problems), Exit::Environment);
            assert_eq!(with_problems(exit, &[]), exit);
        }
        assert_eq!(with_problems(Exit::Violated, &problems), Exit::Violated);
    }
}
