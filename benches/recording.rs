//! What recording costs: operations on the in-process store with and without the recorder, and the recorder alone.
//!
//! `cargo bench --bench recording`. Prints the median of several runs in nanoseconds an operation (an operation is two
//! events, an invocation that reaches the kernel and a completion). One client: several at once share their writes.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use consistory::adapters;
use consistory::history::{Header, ProcessId};
use consistory::record::clock::Clock;
use consistory::record::recorder::Recorder;
use consistory::record::system::{Action, Answer, Backend, Key, NodeId, Reply};
use futures_util::future::BoxFuture;
use std::path::Path;
use std::time::{Duration, Instant};

const OPERATIONS: u32 = 300_000;
const RUNS: usize = 7;

fn action(number: u32) -> Action {
    let key = Key(u64::from(number % 20));
    if number.is_multiple_of(2) { Action::Read { key } } else { Action::Write { key, value: i64::from(number) } }
}

fn median(mut run: impl FnMut(usize) -> Duration) -> f64 {
    let mut times: Vec<Duration> = (0..RUNS).map(&mut run).collect();
    times.sort_unstable();
    times[RUNS / 2].as_secs_f64() * 1e9 / f64::from(OPERATIONS)
}

fn recorder(folder: &Path, name: &str, run: usize) -> Recorder {
    let path = folder.join(format!("{name}-{run}.jsonl"));
    Recorder::create(&path, &Header::default(), vec!["memory".into()], Clock::start()).expect("the file is new")
}

async fn recorder_alone(recorder: Recorder) -> Duration {
    let begun = Instant::now();
    for number in 0..OPERATIONS {
        let action = action(number);
        recorder.invoke(ProcessId(0), &action).await.expect("the disk takes it");
        recorder.complete(ProcessId(0), &action, &Ok(Reply { answer: Answer::Done, node: Some(NodeId(0)) }));
    }
    recorder.flush().expect("the disk takes it");
    begun.elapsed()
}

async fn store(recorder: Option<Recorder>) -> Duration {
    let backend = Backend { system: "memory".into(), timeout: Duration::from_secs(1), ..Backend::default() };
    let adapter = adapters::find("memory").expect("it is built in");
    let cluster = adapter.start(&backend, Instant::now() + Duration::from_secs(5)).await.expect("it starts");
    let mut client = cluster.connect(0).await.expect("it connects");
    let begun = Instant::now();
    for number in 0..OPERATIONS {
        let action = action(number);
        if let Some(recorder) = &recorder {
            recorder.invoke(ProcessId(0), &action).await.expect("the disk takes it");
        }
        let result = client.invoke(&action).await;
        if let Some(recorder) = &recorder {
            recorder.complete(ProcessId(0), &action, &result);
        }
    }
    begun.elapsed()
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    // As clients of a run do, on a thread of the runtime.
    let spawn = |work: BoxFuture<'static, Duration>| runtime.block_on(runtime.spawn(work)).expect("it does not panic");
    let alone = median(|run| spawn(Box::pin(recorder_alone(recorder(folder.path(), "alone", run)))));
    let without = median(|_| spawn(Box::pin(store(None))));
    let with = median(|run| spawn(Box::pin(store(Some(recorder(folder.path(), "store", run))))));
    println!("recorder alone       {alone:>7.0} ns an operation");
    println!("store, not recorded  {without:>7.0} ns an operation");
    println!("store, recorded      {with:>7.0} ns an operation");
    println!("recording costs      {:>7.0} ns an operation", with - without);
}
