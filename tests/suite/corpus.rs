//! The histories that this project keeps: the folder is the verdict.

use consistory::check::budget::Budget;
use consistory::check::judge::{Question, judge};
use consistory::check::verdict::Verdict;
use consistory::history::formats::{self, ReadOptions};
use std::fs;
use std::path::{Path, PathBuf};

fn files(verdict: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories").join(verdict);
    let mut files: Vec<_> = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no history is said to be {verdict}");
    files
}

fn assert_verdicts(expected: &str) {
    for path in files(expected) {
        let name = path.display().to_string();
        let file = fs::File::open(&path).expect("opens");
        let history =
            formats::read(file, &name, None, &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(history.warnings(), [] as [String; 0], "{name}");
        let question = Question { witness: true, ..Question::default() };
        for threads in [1, 2, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let findings = pool
                .install(|| judge(&history, &question, &Budget::unlimited()))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            for finding in findings {
                let verdict = match finding.verdict {
                    Verdict::Holds(_) => "holds",
                    Verdict::Violated(violation) => {
                        assert!(violation.verified && violation.core.len() <= 6, "{name}: {violation:?}");
                        "violated"
                    }
                    Verdict::Undecided(_) => "undecided",
                };
                assert_eq!(verdict, expected, "{name} with {threads} threads");
            }
        }
    }
}

#[test]
fn histories_that_hold_are_accepted() {
    assert_verdicts("holds");
}

#[test]
fn histories_that_violate_are_rejected_with_a_small_verified_core() {
    assert_verdicts("violated");
}

#[test]
fn histories_that_lack_what_a_claim_needs_are_neither() {
    assert_verdicts("undecided");
}
