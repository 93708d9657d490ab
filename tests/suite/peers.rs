//! Other tools' histories against their known verdicts.
//!
//! `CONSISTORY_PEER_HISTORIES` names a folder with a `verdicts.tsv`: file, format, model, options, expected verdict.
//! Rows whose model is judged here must get that verdict, by every thread count; rows of other models are counted and
//! named. Without the variable the test says that it was skipped.

use consistory::check::budget::Budget;
use consistory::check::guarantee::Claim;
use consistory::check::judge::{Question, judge};
use consistory::check::models;
use consistory::check::verdict::Verdict;
use consistory::history::Value;
use consistory::history::formats::{self, ReadOptions};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The levels by which the table names claims below linearizable.
const LEVELS: &[(&str, Claim)] = &[
    ("CC", Claim::Causal),
    ("CM", Claim::CausalMemory),
    ("CCv", Claim::CausalConvergence),
    ("RA", Claim::ReadAtomic),
    ("RC", Claim::ReadCommitted),
];

/// A history may take this long before it counts as undecided.
const BUDGET: Duration = Duration::from_secs(20);

struct Row {
    file: String,
    format: String,
    model: String,
    initial: Option<Value>,
    expected: String,
    /// Knossos takes a completed read of nil for one that may have seen anything.
    nil_reads_anything: bool,
}

fn rows(table: &str) -> Vec<Row> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [file, format, model, options, expected, _, source] = fields[..] else { panic!("seven columns: {line}") };
        let initial = options.strip_prefix("init=").and_then(initial);
        let nil_reads_anything = source.contains("knossos");
        let text = |word: &str| word.to_owned();
        Row {
            file: text(file),
            format: text(format),
            model: text(model),
            initial,
            expected: text(expected),
            nil_reads_anything,
        }
    };
    table.lines().skip(1).filter(|line| !line.is_empty()).map(row).collect()
}

fn initial(text: &str) -> Option<Value> {
    match text {
        "nil" | "unlocked" => None,
        "\"\" per key" => Some(Value::text("")),
        "{x 0, y 0}" => Some(Value::Map(Box::new(["x", "y"].map(|key| (Value::text(key), Value::Int(0)))))),
        number => Some(Value::Int(number.parse().unwrap_or_else(|_| panic!("an initial value: {number}")))),
    }
}

fn level(name: &str) -> Option<Claim> {
    LEVELS.iter().find(|(level, _)| *level == name).map(|(_, claim)| *claim)
}

fn verdict(folder: &Path, row: &Row) -> String {
    let file = std::fs::File::open(folder.join(&row.file)).expect(&row.file);
    let history = match formats::read(file, &row.file, Some(&row.format), &ReadOptions::default()) {
        Ok(history) => history,
        Err(error) => return format!("unreadable: {error}"),
    };
    let level = level(&row.model);
    let question = Question {
        claims: level.into_iter().collect(),
        model: level.is_none().then(|| row.model.clone()),
        initial: row.initial.clone(),
        nil_reads_anything: row.nil_reads_anything,
        witness: true,
        ..Question::default()
    };
    let budget = Budget::new(Some(Instant::now() + BUDGET), 2 << 30);
    match judge(&history, &question, &budget) {
        Err(error) => format!("refused: {error}"),
        Ok(findings) => match &findings[0].verdict {
            Verdict::Holds(_) => "holds".into(),
            Verdict::Violated(violation) if level.is_some() && !violation.verified => "violated, unverified".into(),
            Verdict::Violated(_) => "violated".into(),
            Verdict::Undecided(undecided) => format!("undecided: {}", undecided.why),
        },
    }
}

#[test]
fn every_verdict_of_the_peers_is_ours() {
    let Some(folder) = std::env::var_os("CONSISTORY_PEER_HISTORIES").map(PathBuf::from) else {
        return tell("SKIPPED peers: CONSISTORY_PEER_HISTORIES is not set");
    };
    let table = std::fs::read_to_string(folder.join("verdicts.tsv")).expect("the folder has a verdicts.tsv");
    let is_ours = |name: &str| models::all().iter().any(|model| model.name == name) || level(name).is_some();
    let judged = |row: &Row| is_ours(&row.model) && formats::find(&row.format).is_some();
    let (ours, others): (Vec<Row>, Vec<Row>) = rows(&table).into_iter().partition(judged);
    let mut wrong = Vec::new();
    for threads in [1, 2, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        for row in &ours {
            let found = pool.install(|| verdict(&folder, row));
            if found != row.expected {
                wrong.push(format!(
                    "{} as {} with {threads} threads: {found}, expected {}",
                    row.file, row.model, row.expected
                ));
            }
        }
    }
    let mut left = BTreeMap::new();
    for row in &others {
        *left.entry(format!("{} {}", row.format, row.model)).or_insert(0) += 1;
    }
    tell(&format!("{} peer histories judged; not judged, since their models are not ours yet: {left:?}", ours.len()));
    assert!(ours.len() > 400, "only {} rows are judged", ours.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Says something past the capture of passing tests' output.
fn tell(text: &str) {
    // A closed standard error loses the line, not the test.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
