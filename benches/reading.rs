//! How fast histories of our own format are written and read: a million operations over a hundred keys,
//! made from a seed, in memory. Prints MB/s of the best of several rounds; run it on a quiet machine.

use consistory::history::formats::consistory::{EventLine, Payload, encode_event, encode_header};
use consistory::history::formats::{ReadOptions, read};
use consistory::history::{Actor, Header, Nanos, Phase, ProcessId};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

const OPERATIONS: usize = 1_000_000;
const PROCESSES: usize = 24;
const KEYS: i64 = 100;
const SEED: u64 = 4711;
const ROUNDS: usize = 5;

fn main() {
    let began = Instant::now();
    let text = generate();
    print("generate and encode", text.len(), began.elapsed());
    for threads in [1, 2] {
        let options = ReadOptions { threads, ..ReadOptions::default() };
        let best = (0..ROUNDS).map(|_| round(&text, &options)).min().expect("at least one round");
        print(&format!("read with {threads} thread(s)"), text.len(), best);
    }
}

fn round(text: &[u8], options: &ReadOptions) -> Duration {
    let began = Instant::now();
    let history = read(text, "memory", None, options).expect("the generator writes valid histories");
    let elapsed = began.elapsed();
    assert_eq!(history.len(), OPERATIONS);
    elapsed
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
#[expect(clippy::cast_precision_loss, reason = "for display only")]
fn print(what: &str, bytes: usize, elapsed: Duration) {
    let megabytes = bytes as f64 / 1e6;
    println!("{what:24} {megabytes:.1} MB in {elapsed:.2?}: {:.0} MB/s", megabytes / elapsed.as_secs_f64());
}

/// A history of registers and compare-and-sets, spelled as a recorder spells it. Its values are plausible in
/// shape, not consistent: readers do not look.
fn generate() -> Vec<u8> {
    let mut random = SmallRng::seed_from_u64(SEED);
    let mut out = encode_header(&Header { seed: Some(SEED), ..Header::default() }).into_bytes();
    let mut open: [Option<(&str, i64, [i64; 2])>; PROCESSES] = [None; PROCESSES];
    let (mut index, mut invoked, mut time) = (0, 0, 0);
    while invoked < OPERATIONS || open.iter().any(Option::is_some) {
        let process = random.random_range(0..PROCESSES);
        let phase = if open[process].is_some() { Phase::Ok } else { Phase::Invoke };
        if phase == Phase::Invoke {
            if invoked == OPERATIONS {
                continue;
            }
            invoked += 1;
            let function = ["read", "write", "cas"][random.random_range(0..3)];
            let values = [random.random_range(0..100_000), random.random_range(0..100_000)];
            open[process] = Some((function, random.random_range(0..KEYS), values));
        }
        let (function, key, values) = open[process].expect("was just set or found");
        time += random.random_range(0..40_000);
        let value = match (function, phase) {
            ("read", Phase::Invoke) => Payload::Nil,
            ("cas", _) => Payload::Ints(&values),
            _ => Payload::Int(values[0]),
        };
        let event = EventLine {
            index,
            time: Nanos(time),
            actor: Actor::Client(ProcessId(u32::try_from(process).expect("few processes"))),
            phase,
            function,
            key: Payload::Int(key),
            value,
            node: ["n1", "n2", "n3"][process % 3],
            error: "",
            retry: None,
        };
        encode_event(&mut out, &event);
        index += 1;
        if phase == Phase::Ok {
            open[process] = None;
        }
    }
    out
}
