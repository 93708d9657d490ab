//! Recording on systems that fail in every way a system can: what is recorded, what the summary tells, when it ends.

use crate::command::{consistory, processes_in, said, say, wait_until};
use consistory::record::cluster::process::{Child, Launch};
use consistory::record::policy::ClientPolicy;
use consistory::record::runner::{self, Progress, RunError, RunPlan, RunSummary, WorkInfo};
use consistory::record::system::{
    Action, Adapter, AdapterInfo, Answer, Backend, Client, Cluster, Failure, Key, Node, Reply, SystemError,
};
use consistory::record::work::{Generator, Plan};
use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a run that must end may take before the test gives up on it.
const END: Duration = Duration::from_secs(60);

/// How a part of the system behaves.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Does {
    #[default]
    Work,
    /// Refuses with a definite failure.
    Refuse,
    /// Fails with an indefinite failure.
    Lose,
    /// Never answers.
    Hang,
}

impl Does {
    async fn act(self) -> Result<(), Failure> {
        match self {
            Self::Work => Ok(()),
            Self::Refuse => Err(Failure::definite("refused")),
            Self::Lose => Err(Failure::indefinite("lost")),
            Self::Hang => std::future::pending().await,
        }
    }
}

/// A system that does as it is told.
#[derive(Clone, Copy, Default)]
struct Scripted {
    invoke: Does,
    connect: Does,
    connect_final: Does,
    settle: Does,
    stop: Does,
}

impl Adapter for Scripted {
    fn info(&self) -> &'static AdapterInfo {
        &AdapterInfo {
            name: "scripted",
            about: "does as it is told",
            topologies: &[],
            functions: &[],
            options: &[],
            promises: &[],
            definite_failures: &[],
            programs: &[],
        }
    }

    fn start<'a>(&'a self, _: &'a Backend, _: Instant) -> BoxFuture<'a, Result<Box<dyn Cluster>, SystemError>> {
        Box::pin(async { Ok(Box::new(*self) as Box<dyn Cluster>) })
    }
}

impl Cluster for Scripted {
    fn nodes(&self) -> &[Node] {
        &[]
    }

    fn versions(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn config(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn connect(&self, _: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        Box::pin(async { self.connect.act().await.map(|()| Box::new(*self) as Box<dyn Client>) })
    }

    fn connect_final(&self, _: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        Box::pin(async { self.connect_final.act().await.map(|()| Box::new(*self) as Box<dyn Client>) })
    }

    fn settle(&self, _: Instant) -> BoxFuture<'_, Result<(), SystemError>> {
        Box::pin(async { self.settle.act().await.map_err(|failure| SystemError::Other(failure.error)) })
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), SystemError>> {
        Box::pin(async { self.stop.act().await.map_err(|failure| SystemError::Other(failure.error)) })
    }
}

impl Client for Scripted {
    fn invoke<'a>(&'a mut self, action: &'a Action) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.invoke.act().await?;
            let answer = if let Action::Members { .. } = action { Answer::Members(Vec::new()) } else { Answer::Done };
            Ok(Reply { answer, node: None })
        })
    }
}

/// Additions, and so many final reads.
struct Additions {
    final_reads: u64,
}

struct Addition(i64);

impl Plan for Additions {
    fn generator(&self, client: u64) -> Box<dyn Generator> {
        Box::new(Addition(i64::try_from(client << 32).expect("few clients")))
    }

    fn final_reads(&self) -> Vec<Action> {
        (0..self.final_reads).map(|key| Action::Members { key: Key(key) }).collect()
    }
}

impl Generator for Addition {
    fn next(&mut self) -> Action {
        self.0 += 1;
        Action::Add { key: Key(0), element: self.0 }
    }

    fn observe(&mut self, _: &Action, _: &Answer) {}
}

/// What to run, and for how long.
#[derive(Clone, Copy)]
struct Order {
    system: Scripted,
    final_reads: u64,
    duration: Duration,
    operations: Option<u64>,
    rate: Option<f64>,
    clients: u32,
    timeout: Duration,
    /// Stop the run when the final reads begin.
    stop_at_final_reads: bool,
}

impl Order {
    fn new(system: Scripted) -> Self {
        Self {
            system,
            final_reads: 1,
            duration: Duration::from_secs(10),
            operations: Some(20),
            rate: None,
            clients: 2,
            timeout: Duration::from_millis(50),
            stop_at_final_reads: false,
        }
    }

    /// Runs it; returns what came of it, with the events of the history.
    fn run(self) -> (Result<RunSummary, RunError>, Vec<Value>) {
        let folder = tempfile::tempdir().expect("a folder");
        let history = folder.path().join("history.jsonl");
        let backend = Backend { system: "scripted".into(), timeout: self.timeout, ..Backend::default() };
        let plan = RunPlan {
            run: "test".into(),
            adapter: Box::leak(Box::new(self.system)),
            backend: &backend,
            work: &Additions { final_reads: self.final_reads },
            about: WorkInfo::default(),
            clients: self.clients,
            seed: 1,
            duration: self.duration,
            operations: self.operations,
            rate: self.rate,
            policy: ClientPolicy::default(),
            hop: None,
            faults: None,
            history: history.clone(),
        };
        let (stop, stopped) = watch::channel(false);
        let tell = |progress| {
            if self.stop_at_final_reads && matches!(progress, Progress::FinalReads { .. }) {
                stop.send(true).expect("the run listens");
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let result = runtime
            .expect("a runtime")
            .block_on(async { tokio::time::timeout(END, runner::run(&plan, &tell, stopped)).await })
            .unwrap_or_else(|_| panic!("the run did not end within {END:?}"));
        (result, events(&fs::read_to_string(&history).unwrap_or_default()))
    }

    /// Runs it to its summary.
    fn summary(self) -> (RunSummary, Vec<Value>) {
        let (result, events) = self.run();
        (result.unwrap_or_else(|error| panic!("{error}")), events)
    }
}

/// The events of a history: all lines but the header.
fn events(history: &str) -> Vec<Value> {
    assert!(history.is_empty() || history.ends_with('\n'), "the last line is whole");
    history.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The events of final reads, as pairs of type and error.
fn reads(events: &[Value]) -> Vec<(&str, &str)> {
    let of = |event: &'_ Value, name| event[name].as_str().unwrap_or_default().to_owned();
    let found = events.iter().filter(|event| of(event, "f") == "read");
    found
        .map(|event| (event["type"].as_str().unwrap_or_default(), event["error"].as_str().unwrap_or_default()))
        .collect()
}

#[test]
fn a_system_that_works_leaves_a_whole_history_and_no_problem() {
    let (summary, events) = Order::new(Scripted::default()).summary();
    assert_eq!((summary.ok, summary.failed, summary.unknown), (20, 0, 0));
    assert_eq!(summary.problems, Vec::<String>::new());
    assert_eq!(events.len(), 43, "the line that says that the work has ended is one");
    assert_eq!(reads(&events), [("invoke", ""), ("ok", "")]);
}

#[test]
fn a_system_that_does_not_settle_is_read_all_the_same_and_that_is_a_problem() {
    let (summary, events) = Order::new(Scripted { settle: Does::Refuse, ..Scripted::default() }).summary();
    assert_eq!(summary.problems, ["the system did not settle: refused"]);
    assert_eq!(reads(&events), [("invoke", ""), ("ok", "")]);
}

#[test]
fn a_final_read_that_finds_no_connection_is_in_the_history_and_a_problem() {
    let (summary, events) = Order::new(Scripted { connect_final: Does::Refuse, ..Scripted::default() }).summary();
    assert_eq!(summary.problems, ["a final read failed: refused"]);
    assert_eq!(reads(&events), [("invoke", ""), ("fail", "refused")].repeat(5));
    assert_eq!(events.len(), 51, "every line is in the file");
}

#[test]
fn a_system_that_cannot_be_stopped_keeps_its_history_and_that_is_a_problem() {
    let (summary, events) = Order::new(Scripted { stop: Does::Refuse, ..Scripted::default() }).summary();
    assert_eq!(summary.problems, ["the system could not be stopped: refused"]);
    assert_eq!(events.len(), 43, "every line is in the file");
}

#[test]
fn a_final_connection_that_never_opens_is_given_up_try_by_try() {
    let (summary, events) = Order::new(Scripted { connect_final: Does::Hang, ..Scripted::default() }).summary();
    assert_eq!(summary.problems, ["a final read failed: connect timeout"]);
    assert_eq!(reads(&events), [("invoke", ""), ("fail", "connect timeout")].repeat(5));
}

#[test]
fn final_reads_that_go_on_for_ever_end_when_the_run_is_stopped() {
    let system = Scripted { connect_final: Does::Refuse, ..Scripted::default() };
    let order = Order { final_reads: 100_000, stop_at_final_reads: true, ..Order::new(system) };
    let (summary, events) = order.summary();
    assert!(summary.interrupted);
    assert!(reads(&events).len() <= 2, "{} lines of reads after the stop", reads(&events).len());
}

#[test]
fn tries_of_a_final_read_are_spaced() {
    let (_, events) = Order::new(Scripted { connect_final: Does::Refuse, ..Scripted::default() }).summary();
    let times: Vec<u64> =
        events.iter().filter_map(|event| (event["f"] == "read").then(|| event["time"].as_u64()).flatten()).collect();
    let (first, last) = (times.first().expect("reads"), times.last().expect("reads"));
    assert!(last - first >= 400_000_000, "5 tries within {} ns", last - first);
}

#[test]
fn a_system_that_loses_every_request_is_not_stormed() {
    let system = Scripted { invoke: Does::Lose, ..Scripted::default() };
    let order = Order {
        final_reads: 0,
        clients: 1,
        operations: None,
        duration: Duration::from_millis(500),
        ..Order::new(system)
    };
    let (summary, _) = order.summary();
    let most = summary.elapsed.as_millis() / 20 + 1;
    assert!(
        summary.unknown >= 1 && u128::from(summary.unknown) <= most,
        "{} requests, at most {most}",
        summary.unknown
    );
}

#[test]
fn the_clients_of_an_open_loop_start_one_after_the_other() {
    // Two a second of four clients: each has one operation in two seconds, half a second after the one before.
    let duration = Duration::from_millis(1_900);
    let order = Order {
        final_reads: 0,
        clients: 4,
        operations: None,
        rate: Some(2.0),
        duration,
        ..Order::new(Scripted::default())
    };
    let (summary, events) = order.summary();
    let starts: Vec<u64> = events
        .iter()
        .filter_map(|event| (event["type"] == "invoke").then(|| event["time"].as_u64()).flatten())
        .collect();
    assert_eq!((summary.ok, starts.len(), summary.missed), (4, 4, 0));
    let last = starts.last().expect("four");
    assert!(*last >= 1_400_000_000, "the last client began {last} ns after the start");
}

#[test]
fn what_an_open_loop_could_not_start_is_counted() {
    let (duration, timeout) = (Duration::from_millis(500), Duration::from_secs(1));
    let system = Scripted { invoke: Does::Hang, ..Scripted::default() };
    let order = Order {
        final_reads: 0,
        clients: 1,
        operations: None,
        rate: Some(100.0),
        duration,
        timeout,
        ..Order::new(system)
    };
    let (summary, _) = order.summary();
    assert_eq!((summary.unknown, summary.missed), (1, 49), "fifty were due, and the first never ended");
}

#[test]
fn an_open_loop_starts_nothing_after_the_deadline() {
    let duration = Duration::from_millis(200);
    let order = Order {
        final_reads: 0,
        clients: 1,
        operations: None,
        rate: Some(0.5),
        duration,
        ..Order::new(Scripted::default())
    };
    let (summary, _) = order.summary();
    assert_eq!((summary.ok, summary.missed), (1, 0));
}

#[test]
fn a_pace_or_a_duration_that_no_clock_can_count_is_refused() {
    let order = Order::new(Scripted::default());
    for rate in [1e-20, 0.0, -1.0, f64::NAN, 1e300] {
        let (result, events) = Order { rate: Some(rate), ..order }.run();
        assert!(matches!(result, Err(RunError::Impossible(_))), "{rate}: {result:?}");
        assert!(events.is_empty());
    }
    let (result, _) = Order { duration: Duration::MAX, ..order }.run();
    assert!(matches!(result, Err(RunError::Impossible(_))), "{result:?}");
}

#[test]
fn a_pace_or_a_duration_out_of_bounds_is_a_usage_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, word) in [
        (["--rate", "1e-20"], "0.001"),
        (["--rate", "1e300"], "0.001"),
        (["-t", "99999999999999999s"], "365 days"),
        (["--timeout", "9000h"], "365 days"),
    ] {
        let said = say(folder.path(), &[["run", "memory"], arguments].concat());
        assert_eq!(said.code, 64, "{arguments:?}: {}", said.err);
        assert!(said.err.contains(word), "{arguments:?}: {}", said.err);
    }
}

/// A shell that has started another process.
fn parent(folder: &Path, script: &str) -> Child {
    let launch = Launch {
        name: "n1".into(),
        program: "sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: Vec::new(),
        folder: folder.to_owned(),
        log: folder.join("n1.log"),
        install: String::new(),
        namespace: None,
    };
    let child = launch.start().expect("there is a shell");
    wait_until("the grandchild runs", Duration::from_secs(20), || {
        processes_in(folder).iter().any(|process| process.contains("sleep 100"))
    });
    child
}

#[test]
fn what_a_server_started_ends_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(parent(folder.path(), "sleep 100 & wait"));
    wait_until("nothing is left", Duration::from_secs(10), || processes_in(folder.path()).is_empty());

    let mut child = parent(folder.path(), "sleep 100 & while ! test -e stop; do sleep 0.01; done");
    fs::write(folder.path().join("stop"), "").expect("is written");
    wait_until("the server has ended by itself", Duration::from_secs(20), || child.ended().is_some());
    assert!(child.ended().is_some_and(|status| status.success()), "how it ended is known");
    wait_until("nothing is left", Duration::from_secs(10), || processes_in(folder.path()).is_empty());
}

#[test]
fn an_interrupt_while_a_run_is_judged_ends_it_and_keeps_the_history() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().expect("a folder");
        // Long enough that reading and judging outlast the signal's way.
        let arguments =
            ["run", "memory", "--ops", "200000", "-t", "60s", "-c", "50", "--threads", "1", "--progress", "log"];
        let mut child = consistory(folder.path(), &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut err = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("recorded") {
            line.clear();
            assert!(err.read_line(&mut line).expect("UTF-8") > 0, "it ended without a recording");
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("the signal is sent");
        let mut rest = String::new();
        err.read_to_string(&mut rest).expect("UTF-8");
        let said = said(&child.wait_with_output().expect("ends"));
        assert_eq!((said.code, said.out.as_str()), (130, ""), "{rest}");
        assert!(rest.contains("interrupted; the history is kept"), "{rest}");
        let history = fs::read_to_string(folder.path().join("runs/latest/history.jsonl")).expect("a history");
        assert_eq!(history.lines().count(), 400_001);
    }
}
