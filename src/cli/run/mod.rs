//! `consistory run BACKEND`: drives a system, records, judges. Everything of the run is in `runs/<id>/`.

use super::faults;
use super::follow;
use super::judging::{ObjectArgs, judge_history, read};
use super::progress::Teller;
use super::{Exit, Failed, Format, watchdog};
use crate::adapters;
use crate::check::guarantee::Claim;
use crate::record::policy::ClientPolicy;
use crate::record::runner::{RunPlan, RunSummary, WorkInfo};
use crate::record::system::{Adapter, Function};
use crate::report::grouped;
use crate::workloads::{self, Workload};
pub(super) use again::{RerunArgs, rerun};
use anyhow::Context;
pub(super) use arguments::RunArgs;
use arguments::{backend, claims, work};
use clap::ArgMatches;
use recording::{record, stop_on_signal};
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tokio::sync::watch;

mod again;
mod arguments;
mod entries;
mod recording;
mod scenario;

/// The history's name in a run's folder.
pub(super) const HISTORY_FILE: &str = "history.jsonl";
/// The verdict's name in a run's folder.
const VERDICT_FILE: &str = "verdict.json";
/// Fewer completed operations than this say nothing about a system.
const MIN_OPS: u64 = 100;

/// What came of a run.
struct Performed {
    exit: Exit,
    /// Unless nothing was run.
    history: Option<PathBuf>,
}

/// Runs a backend, or a scenario of a file.
pub(super) fn run(arguments: &RunArgs, matches: &ArgMatches, words: &[OsString], quiet: bool) -> Result<Exit, Failed> {
    let of_file = scenario::with_scenario(arguments, matches, words)?;
    perform(of_file.as_ref().unwrap_or(arguments), quiet).map(|performed| performed.exit)
}

fn perform(arguments: &RunArgs, quiet: bool) -> Result<Performed, Failed> {
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
    let hop = arguments.work.hop.unwrap_or_else(|| workload.hop());
    if hop > 0 && workload.info().needs.contains(&Function::Acquire) {
        return Err(Failed::usage("a lock is given back where it was taken: --hop cannot be with this workload"));
    }
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
            settings: options.settings().into_iter().chain([("hop".to_owned(), hop.to_string())]).collect(),
        },
        clients: arguments.clients,
        seed,
        duration: time,
        policy: ClientPolicy { retry: arguments.retry, breaker: arguments.breaker },
        faults: schedule,
        operations: arguments.ops,
        rate: arguments.rate,
        hop: NonZeroU32::new(hop),
        history: folder.join(HISTORY_FILE),
    };
    let teller = Teller::new(arguments.progress, quiet, time);
    teller.phase("plan", &describe(arguments, &plan, seed));
    if let Some(schedule) = &plan.faults {
        teller.phase("faults", &format!("{schedule}\n{}", faults::describe(schedule, backend.means).trim_end()));
        faults::expect_feasible(schedule, adapter, &backend)?;
        faults::expect_means(schedule, !backend.nodes.is_empty(), backend.means)?;
    }
    if arguments.dry_run {
        return Ok(Performed { exit: Exit::Holds, history: None });
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
        return Ok(Performed { exit: interrupted(&plan), history: None });
    }
    let exit = judge_run(arguments, &plan, &folder, &summary, quiet)?;
    let exit = follow::confirm(violated_early, exit)?;
    Ok(Performed { exit, history: Some(plan.history) })
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
    let again = match summary.again {
        0 => String::new(),
        again => format!(" (of which {} tried again)", grouped(again)),
    };
    format!(
        "{} ok  {} failed  {} unknown{again}{missed} in {:.1} s · {rate:.0} op/s · p50 {:.2} ms  p99 {:.2} ms  max {:.2} ms",
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
