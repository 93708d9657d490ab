//! What generated histories are like: the same every time, readable, and near the figures that were asked for.

use super::{options, write};
use consistory::generate::{self, GenerateError, Options, Plant, Values};
use consistory::history::formats::{self, ReadOptions};
use consistory::history::{History, Outcome, Value};
use std::collections::BTreeSet;

fn history(options: &Options) -> History {
    let (lines, _) = write(options).expect("possible");
    formats::read(&lines[..], "generated", None, &ReadOptions::default()).expect("readable")
}

fn share(history: &History, outcome: Outcome) -> f64 {
    let with = history.operations().filter(|operation| operation.outcome() == outcome).count();
    100.0 * f64::from(u32::try_from(with).expect("few")) / f64::from(u32::try_from(history.len()).expect("few"))
}

#[test]
fn the_same_options_give_the_same_bytes_and_another_seed_gives_others() {
    for model in generate::all() {
        for plant in std::iter::once(None).chain(model.plants.iter().copied().map(Some)) {
            let options = Options { plant, info_percent: 1.0, keys: 1, ..options(model.name) };
            let first = write(&options).unwrap_or_else(|error| panic!("{} {plant:?}: {error}", model.name));
            assert_eq!(first, write(&options).expect("possible before"), "{} {plant:?}", model.name);
            let other = Options { seed: options.seed + 1, ..options };
            assert_ne!(first.0, write(&other).expect("possible").0, "{} {plant:?}", model.name);
        }
    }
}

#[test]
fn the_first_lines_of_a_history_never_change() {
    let options = Options { ops: 3, clients: 2, plant: None, ..options("cas-register") };
    let (lines, summary) = write(&options).expect("possible");
    assert_eq!(summary.events, 6);
    let text = String::from_utf8(lines).expect("text");
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), PINNED, "a change here changes every generated history");
    let header = text.lines().next().expect("a header");
    assert!(header.starts_with(r#"{"consistory":1,"tool":"consistory "#) && header.ends_with(HEADER_END), "{header}");
}

const HEADER_END: &str = concat!(
    r#"","config":{"ops":"3","clients":"2","keys":"3","overlap":"50","values":"unique","read-share":"50","info":"0","#,
    r#""fail":"0","permits":"2","plant":"none"},"workload":"gen","model":"cas-register","initial":null,"#,
    r#""claims":["linearizable"],"seed":4711,"clock":"virtual ns"}"#
);
const PINNED: [&str; 6] = [
    r#"{"index":0,"time":86088,"process":0,"type":"invoke","f":"read","key":0,"value":null}"#,
    r#"{"index":1,"time":132497,"process":1,"type":"invoke","f":"read","key":2,"value":null}"#,
    r#"{"index":2,"time":935670,"process":0,"type":"ok","f":"read","key":0,"value":null}"#,
    r#"{"index":3,"time":1914478,"process":0,"type":"invoke","f":"write","key":2,"value":1}"#,
    r#"{"index":4,"time":3550289,"process":0,"type":"ok","f":"write","key":2,"value":1}"#,
    r#"{"index":5,"time":3762800,"process":1,"type":"ok","f":"read","key":2,"value":null}"#,
];

#[test]
fn every_history_is_read_back_as_valid_and_whole() {
    for model in generate::all() {
        let options = Options { info_percent: 5.0, fail_percent: 5.0, ops: 3000, ..options(model.name) };
        let history = history(&options);
        assert_eq!(history.len(), 3000, "{}", model.name);
        assert_eq!(history.header().model.as_deref(), Some(model.name));
        assert_eq!(history.header().seed, Some(4711));
    }
}

#[test]
fn the_shares_of_unknown_and_refused_operations_are_near_what_was_asked() {
    let history = history(&Options { ops: 50_000, info_percent: 3.0, fail_percent: 7.0, ..options("register") });
    let (info, fail) = (share(&history, Outcome::Indeterminate), share(&history, Outcome::Rejected));
    assert!((2.5..3.5).contains(&info) && (6.5..7.5).contains(&fail), "info {info} %, fail {fail} %");
}

#[test]
fn the_share_of_reads_is_near_what_was_asked() {
    let history = history(&Options { ops: 50_000, read_percent: 80.0, ..options("register") });
    let reads = history.operations().filter(|operation| operation.function() == "read").count();
    assert!((39_500..40_500).contains(&reads), "{reads} reads of 50000");
}

#[test]
fn as_many_operations_are_open_at_once_as_was_asked() {
    for (overlap, expected) in [(5.0, 0.5), (50.0, 5.0), (100.0, 10.0)] {
        let history = history(&Options { ops: 50_000, clients: 10, overlap_percent: overlap, ..options("register") });
        let open: u64 = history.operations().map(|it| it.return_time().0 - it.call_time().0).sum();
        let end = history.operations().map(|it| it.return_time().0).max().expect("operations");
        let mean =
            f64::from(u32::try_from(open / 1000).expect("fits")) / f64::from(u32::try_from(end / 1000).expect("fits"));
        assert!((mean - expected).abs() < 0.05 * expected, "{mean} open at once, {expected} expected");
    }
}

#[test]
fn unique_values_are_unique_and_others_are_as_few_as_was_asked() {
    let written = |values| {
        let history = history(&Options { ops: 20_000, values, ..options("register") });
        let writes = history.operations().filter(|operation| operation.function() == "write");
        writes.map(|operation| operation.argument_value()).collect::<Vec<_>>()
    };
    let unique = written(Values::Unique);
    assert_eq!(unique.iter().collect::<BTreeSet<_>>().len(), unique.len());
    let few: BTreeSet<_> = written(Values::Among(7)).into_iter().collect();
    assert_eq!(few, (0..7).map(Value::Int).collect());
}

#[test]
fn operations_are_spread_over_the_keys() {
    let history = history(&Options { ops: 50_000, keys: 50, ..options("register") });
    let mut counts = [0; 50];
    for operation in history.operations() {
        counts[operation.key().as_small().expect("a small key") as usize] += 1;
    }
    assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
}

#[test]
fn a_process_retires_after_an_operation_in_doubt() {
    let history = history(&Options { info_percent: 20.0, ops: 2000, ..options("register") });
    let mut gone = BTreeSet::new();
    for operation in history.operations() {
        assert!(!gone.contains(&operation.process()), "process {:?} goes on", operation.process());
        if operation.outcome() == Outcome::Indeterminate {
            gone.insert(operation.process());
        }
    }
    assert!(gone.len() > 300);
}

#[test]
fn a_plant_without_a_place_is_refused_before_anything_is_written() {
    for options in [
        Options { ops: 1, plant: Some(Plant::StaleRead), ..options("register") },
        Options { read_percent: 0.0, plant: Some(Plant::GarbageRead), ..options("register") },
        Options { permits: 5, clients: 5, plant: Some(Plant::DoubleGrant), ..options("semaphore") },
    ] {
        let mut out = Vec::new();
        let error = generate::generate(&options, &mut out).expect_err("no place");
        assert!(matches!(error, GenerateError::NoPlace { .. }), "{error}");
        assert!(out.is_empty());
    }
}

#[test]
fn a_plant_of_another_model_is_refused_with_those_that_are_possible() {
    let wrong = Options { plant: Some(Plant::DoubleGrant), ..options("register") };
    let error = write(&wrong).expect_err("not this model").to_string();
    assert!(error.contains("stale-read, garbage-read, future-read, lost-write"), "{error}");
    let repeated = Options { plant: Some(Plant::Lost), values: Values::Among(9), ..options("stack") };
    assert!(matches!(write(&repeated), Err(GenerateError::NeedsUniqueValues { .. })));
}

#[test]
fn options_without_sense_are_refused_by_name() {
    let bad = [
        ("--clients", Options { clients: 0, ..options("register") }),
        ("--keys", Options { keys: 0, ..options("register") }),
        ("--overlap", Options { overlap_percent: 0.0, ..options("register") }),
        ("--overlap", Options { overlap_percent: f64::NAN, ..options("register") }),
        ("--values", Options { values: Values::Among(0), ..options("register") }),
        ("--info", Options { info_percent: -1.0, ..options("register") }),
        ("--info and --fail", Options { info_percent: 60.0, fail_percent: 60.0, ..options("register") }),
        ("--permits", Options { permits: 0, ..options("semaphore") }),
        ("--ops", Options { ops: generate::OPS_MAX + 1, ..options("register") }),
    ];
    for (name, options) in bad {
        match write(&options) {
            Err(GenerateError::Option { option, .. }) => assert_eq!(option, name),
            other => panic!("{name}: {:?}", other.map(|(_, summary)| summary)),
        }
    }
}
