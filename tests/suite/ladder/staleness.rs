//! Staleness of small histories: every order that respects real time is tried, and every Δ that can matter.

use crate::oracle::random_histories::Dice;
use crate::oracle::{first_seed, rounds};
use consistory::check::budget::Budget;
use consistory::check::judge::Question;
use consistory::check::staleness::{Bound, Staleness, measure};
use consistory::history::Nanos;
use consistory::history::formats::{self, ReadOptions};
use std::fmt::Write;

const ROUNDS: u64 = 6_000;

/// One call on a register that holds 0 at first; values are unique.
#[derive(Clone, Copy, Debug)]
struct Op {
    process: usize,
    called: i64,
    /// `None` if nobody knows how it ended.
    returned: Option<i64>,
    writes: bool,
    value: usize,
}

/// Overlapping calls of three clients; reads return anything that was called by then, or will be.
fn draw(dice: &mut Dice) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    let mut open: [Option<usize>; 3] = [None; 3];
    let (mut time, mut process_of, count) = (0, [0, 1, 2], 3 + dice.below(4));
    while ops.len() < count || open.iter().any(Option::is_some) {
        time += 1 + i64::try_from(dice.below(3)).expect("small");
        let client = dice.below(3);
        match open[client] {
            Some(at) => {
                open[client] = None;
                if dice.chance(88) {
                    ops[at].returned = Some(time);
                } else {
                    process_of[client] += 3;
                }
            }
            None if ops.len() < count => {
                let writes = dice.chance(50);
                let value = if writes { ops.len() + 1 } else { 0 };
                open[client] = Some(ops.len());
                ops.push(Op { process: process_of[client], called: time, returned: None, writes, value });
            }
            None => {}
        }
    }
    for at in 0..ops.len() {
        let future = dice.chance(4);
        let seen = |op: &&Op| op.writes && (future || ops[at].returned.is_some_and(|end| op.called < end));
        let values: Vec<usize> = ops.iter().filter(seen).map(|op| op.value).collect();
        if !ops[at].writes && !values.is_empty() && dice.chance(85) {
            let value = values[dice.below(values.len())];
            ops[at].value = value;
        }
    }
    ops
}

fn text(ops: &[Op]) -> String {
    let mut events: Vec<(i64, usize, bool)> = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        events.push((op.called, at, false));
        events.extend(op.returned.map(|returned| (returned, at, true)));
    }
    events.sort_unstable();
    let mut out = "{\"consistory\":1,\"initial\":0,\"model\":\"register\",\"clock\":\"test\"}\n".to_owned();
    for (time, at, ends) in events {
        let Op { process, writes, value, .. } = ops[at];
        let (phase, f) = (if ends { "ok" } else { "invoke" }, if writes { "write" } else { "read" });
        let told = if writes || ends { value.to_string() } else { "null".to_owned() };
        let _ = writeln!(out, r#"{{"time":{time},"process":{process},"type":"{phase}","f":"{f}","value":{told}}}"#);
    }
    out
}

/// For every order that respects real time and has each read after its write: how many writes lie between, read by read.
fn lags(ops: &[Op]) -> Vec<Vec<usize>> {
    fn go(ops: &[Op], placed: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
        if placed.len() == ops.len() {
            let reads = (0..ops.len()).filter(|&at| !ops[at].writes);
            let lag = |read: usize| {
                let before: Vec<usize> =
                    placed.iter().take_while(|&&at| at != read).filter(|&&at| ops[at].writes).copied().collect();
                before.iter().rev().position(|&at| ops[at].value == ops[read].value).unwrap_or(before.len())
            };
            found.push(reads.map(lag).collect());
            return;
        }
        for next in 0..ops.len() {
            let precedes = |at: usize| ops[at].returned.is_some_and(|returned| returned < ops[next].called);
            let waits = |at: &usize| !placed.contains(at) && precedes(*at);
            let source = ops.iter().position(|op| op.writes && op.value == ops[next].value);
            let has_source = ops[next].writes || ops[next].value == 0 || source.is_some_and(|at| placed.contains(&at));
            if !placed.contains(&next) && has_source && !(0..ops.len()).any(|at| waits(&at)) {
                placed.push(next);
                go(ops, placed, found);
                placed.pop();
            }
        }
    }
    let mut found = Vec::new();
    // A write that nobody knows the end of happened or not; a read of which nobody does says nothing.
    let unsure: Vec<usize> = (0..ops.len()).filter(|&at| ops[at].writes && ops[at].returned.is_none()).collect();
    for choice in 0..1_usize << unsure.len() {
        let happened = |at: usize| match ops[at].returned {
            Some(_) => true,
            None => unsure.iter().position(|&other| other == at).is_some_and(|bit| choice >> bit & 1 == 1),
        };
        let chosen: Vec<Op> = (0..ops.len()).filter(|&at| happened(at)).map(|at| ops[at]).collect();
        go(&chosen, &mut Vec::new(), &mut found);
    }
    found
}

/// The smallest Δ, by trying all that can make a difference.
fn smallest_delta(ops: &[Op]) -> i64 {
    let mut candidates = vec![0];
    for read in ops.iter().filter(|op| !op.writes) {
        candidates.extend(ops.iter().filter_map(|op| op.returned).map(|returned| read.called - returned));
    }
    candidates.retain(|&delta| delta >= 0);
    candidates.sort_unstable();
    let earlier = |delta: i64| -> Vec<Op> {
        ops.iter().map(|op| if op.writes { *op } else { Op { called: op.called - delta, ..*op } }).collect()
    };
    let atomic = |delta: &i64| lags(&earlier(*delta)).iter().any(|lags| lags.iter().all(|&lag| lag == 0));
    candidates.into_iter().find(atomic).expect("some Δ explains every read that is not of the future")
}

fn measured(ops: &[Op]) -> Staleness {
    let history = formats::read(text(ops).as_bytes(), "drawn", None, &ReadOptions::default()).expect("a history");
    measure(&history, &Question::default(), &Budget::unlimited()).expect("registers with times")
}

#[test]
fn versions_and_times_behind_are_what_trying_every_order_says() {
    let (mut exact, mut stale, mut beyond, mut tight, mut reads) = (0, 0, 0, 0, 0);
    for seed in first_seed()..first_seed() + rounds(ROUNDS) {
        let ops = draw(&mut Dice::new(seed));
        let about = format!("seed {seed}: {ops:#?}");
        let measured = measured(&ops);
        let orders = lags(&ops);
        assert_eq!(measured.impossible > 0, orders.is_empty(), "{about}");
        if orders.is_empty() {
            continue;
        }
        let k = orders.iter().map(|lags| lags.iter().max().map_or(1, |lag| lag + 1)).min().expect("an order");
        let k = u32::try_from(k).expect("small");
        assert!(measured.k.at_least <= k, "k {:?}, not {k}; {about}", measured.k);
        assert!(!measured.k.exact || measured.k.at_least == k, "k {:?}, not {k}; {about}", measured.k);
        assert!(measured.k.exact || measured.k.at_least > 2, "two versions are decided; {about}");
        let delta = Nanos(u64::try_from(smallest_delta(&ops)).expect("not negative"));
        assert_eq!(measured.delta, Some(Bound { at_least: delta, exact: true }), "{about}");
        let whole = measured.whole();
        assert!(whole.behind_max().unwrap_or_default() <= delta, "{about}");
        // What is proven of each read is at most what the order that is best for it says.
        let of_read = |read: usize| orders.iter().map(|lags| lags[read]).min().expect("an order");
        let mut least: Vec<usize> = (0..orders[0].len()).map(of_read).collect();
        least.sort_unstable();
        let proven = whole.versions.iter().flat_map(|(&lag, &count)| (0..count).map(move |_| lag as usize));
        let mut proven: Vec<usize> = proven.collect();
        proven.resize(usize::try_from(whole.reads).expect("few"), 0);
        proven.sort_unstable();
        assert_eq!(proven.len(), least.len(), "{about}");
        assert!(proven.iter().zip(&least).all(|(proven, least)| proven <= least), "{proven:?} {least:?} {about}");
        tight += proven.iter().zip(&least).filter(|(proven, least)| proven == least).count();
        reads += least.len();
        exact += usize::from(measured.k.exact && k == 2);
        beyond += usize::from(k > 2);
        stale += usize::from(whole.stale() > 0);
    }
    println!("k = 2 in {exact}, more in {beyond}; stale in {stale}; {tight} of {reads} reads exactly as far behind");
    assert!(rounds(ROUNDS) < ROUNDS || exact > 300 && beyond > 20 && stale > 300, "{exact} {beyond} {stale}");
    assert!(tight * 10 > reads * 9, "{tight} of {reads}");
}

#[test]
fn reads_inside_and_outside_faults_are_told_apart() {
    let text = r#"{"consistory":1,"model":"register","clock":"test"}
{"time":10,"process":0,"type":"invoke","f":"write","key":1,"value":1}
{"time":20,"process":0,"type":"ok","f":"write","key":1,"value":1}
{"time":30,"process":0,"type":"invoke","f":"write","key":1,"value":2}
{"time":40,"process":0,"type":"ok","f":"write","key":1,"value":2}
{"time":50,"process":1,"type":"invoke","f":"read","key":1,"value":null}
{"time":60,"process":1,"type":"ok","f":"read","key":1,"value":1}
{"time":100,"process":"nemesis","type":"info","f":"pause-start","value":{"acted":true}}
{"time":140,"process":1,"type":"invoke","f":"read","key":1,"value":null}
{"time":150,"process":1,"type":"ok","f":"read","key":1,"value":null}
{"time":160,"process":1,"type":"invoke","f":"read","key":1,"value":null}
{"time":170,"process":1,"type":"ok","f":"read","key":1,"value":2}
{"time":200,"process":"nemesis","type":"info","f":"pause-stop","value":{"acted":true}}
{"time":210,"process":"nemesis","type":"info","f":"work-ended","value":null}
{"time":220,"process":3,"type":"invoke","f":"read","key":1,"value":null}
{"time":230,"process":3,"type":"ok","f":"read","key":1,"value":1}
"#;
    let history = formats::read(text.as_bytes(), "told", None, &ReadOptions::default()).expect("a history");
    let staleness = measure(&history, &Question::default(), &Budget::unlimited()).expect("registers with times");
    let (outside, inside) = (&staleness.outside, &staleness.inside);
    assert_eq!(
        (outside.reads, outside.stale(), outside.versions_max(), outside.behind_max()),
        (1, 1, 1, Some(Nanos(10)))
    );
    assert_eq!((inside.reads, inside.stale(), inside.versions_max(), inside.behind_max()), (2, 1, 2, Some(Nanos(120))));
    assert_eq!((staleness.k.at_least, staleness.unclear), (3, 0));
}

#[test]
fn values_that_several_wrote_make_every_measure_a_lower_bound() {
    let mut ops = vec![
        Op { process: 0, called: 1, returned: Some(2), writes: true, value: 5 },
        Op { process: 1, called: 3, returned: Some(4), writes: true, value: 5 },
        Op { process: 2, called: 5, returned: Some(6), writes: false, value: 5 },
        Op { process: 2, called: 7, returned: Some(8), writes: false, value: 0 },
    ];
    let unclear = measured(&ops);
    assert_eq!((unclear.unclear, unclear.whole().reads, unclear.whole().stale()), (1, 1, 1));
    assert!(!unclear.k.exact && unclear.delta.is_some_and(|delta| !delta.exact));
    ops[1].value = 6;
    assert_eq!(measured(&ops).unclear, 0);
}

#[test]
fn what_a_compare_and_set_found_is_not_measured_and_no_measure_is_exact_then() {
    let text = r#"{"consistory":1}
{"time":0,"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"time":10,"process":0,"type":"ok","f":"write","key":"x","value":1}
{"time":20,"process":0,"type":"invoke","f":"cas","key":"x","value":[5,2]}
{"time":30,"process":0,"type":"ok","f":"cas","key":"x","value":[5,2]}
"#;
    let history = formats::read(text.as_bytes(), "told", None, &ReadOptions::default()).expect("a history");
    let staleness = measure(&history, &Question::default(), &Budget::unlimited()).expect("registers with times");
    assert!(!staleness.k.exact && staleness.delta.is_some_and(|delta| !delta.exact), "{staleness:?}");
}
