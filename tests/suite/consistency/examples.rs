//! The histories by which causal consistency in its strengths is told apart (Bouajjani and others, POPL 2017, Figure 3),
//! and those that show what each weaker claim forbids.

use consistory::check::budget::Budget;
use consistory::check::guarantee::Claim;
use consistory::check::judge::{Question, judge};
use consistory::check::verdict::Verdict;
use consistory::history::formats::{self, ReadOptions};

/// Whether each claim holds for a history in the text of Plume.
fn verdicts<const N: usize>(text: &str, claims: [Claim; N]) -> [bool; N] {
    let history = formats::read(text.as_bytes(), "example", None, &ReadOptions::default()).expect("a history");
    let question = Question { claims: claims.to_vec(), ..Question::default() };
    let findings = judge(&history, &question, &Budget::unlimited()).unwrap_or_else(|error| panic!("{error}"));
    std::array::from_fn(|at| match &findings[at].verdict {
        Verdict::Holds(_) => true,
        Verdict::Violated(violation) => {
            assert!(violation.verified && violation.minimal, "{text}");
            false
        }
        Verdict::Undecided(undecided) => panic!("{text}: {}", undecided.why),
    })
}

#[test]
fn the_five_examples_of_the_paper_are_what_the_paper_says() {
    let strengths = [Claim::Causal, Claim::CausalMemory, Claim::CausalConvergence];
    let example_a = "w(1,1,0,0)\nr(1,2,0,1)\nw(1,2,1,2)\nr(1,1,1,3)\n";
    assert_eq!(verdicts(example_a, strengths), [true, true, false], "(a)");
    let example_b = "w(3,1,0,0)\nw(1,1,0,1)\nw(2,1,0,2)\nw(1,2,1,3)\nr(3,0,1,4)\nr(2,1,1,5)\nr(1,2,1,6)\n";
    assert_eq!(verdicts(example_b, strengths), [true, false, true], "(b)");
    let example_c = "w(1,1,0,0)\nw(1,2,1,1)\nr(1,1,1,2)\nr(1,2,1,3)\n";
    assert_eq!(verdicts(example_c, strengths), [true, false, false], "(c)");
    let example_d = "w(1,1,0,0)\nr(2,0,0,1)\nw(2,1,0,2)\nr(1,1,0,3)\nw(1,2,1,4)\nr(2,0,1,5)\nw(2,2,1,6)\nr(1,2,1,7)\n";
    assert_eq!(verdicts(example_d, strengths), [true, true, true], "(d)");
    assert_eq!(verdicts(example_d, [Claim::Sequential]), [false], "(d) is not sequentially consistent");
    let example_e = "w(1,1,0,0)\nw(2,1,0,1)\nr(2,1,1,2)\nw(1,2,1,3)\nr(1,2,2,4)\nr(1,1,2,5)\n";
    assert_eq!(verdicts(example_e, strengths), [false, false, false], "(e)");
}

#[test]
fn the_initial_value_precedes_every_write_of_every_session() {
    let own = "w(1,1,0,0)\nr(1,0,0,1)\n";
    let claims = [Claim::ReadYourWrites, Claim::ReadAtomic, Claim::Causal, Claim::Pram, Claim::Sequential];
    assert_eq!(verdicts(own, claims), [false; 5]);
    assert_eq!(verdicts(own, [Claim::MonotonicReads, Claim::ReadCommitted]), [true; 2]);
    let seen = "w(1,1,0,0)\nr(1,1,1,1)\nr(1,0,1,2)\n";
    assert_eq!(verdicts(seen, [Claim::MonotonicReads, Claim::Causal, Claim::ReadYourWrites]), [false, false, true]);
    let together = "w(1,1,0,0)\nw(2,1,0,0)\nr(1,1,1,1)\nr(2,0,1,1)\n";
    assert_eq!(verdicts(together, [Claim::ReadCommitted, Claim::ReadAtomic]), [false, false]);
    let unseen = "w(1,1,0,0)\nr(1,0,1,1)\n";
    assert_eq!(verdicts(unseen, [Claim::Sequential]), [true], "another session need not have seen it");
}

#[test]
fn each_session_guarantee_forbids_its_own_anomaly() {
    let claims =
        [Claim::ReadYourWrites, Claim::MonotonicReads, Claim::MonotonicWrites, Claim::WritesFollowReads, Claim::Pram];
    // Two writes of a session, seen in the other order.
    let writes = "w(1,1,0,0)\nw(1,2,0,1)\nr(1,2,1,2)\nr(1,1,1,3)\n";
    assert_eq!(verdicts(writes, claims), [true, true, false, true, false]);
    // An answer without its question.
    let answer = "w(1,1,0,0)\nr(1,1,1,1)\nw(2,1,1,2)\nr(2,1,2,3)\nr(1,0,2,4)\n";
    assert_eq!(verdicts(answer, claims), [true, true, true, false, true]);
    // The same, the question read and the answer written in one transaction.
    let together = "w(1,1,0,0)\nr(1,1,1,1)\nw(2,1,1,1)\nr(2,1,2,2)\nr(1,0,2,3)\n";
    assert_eq!(verdicts(together, claims), [true, true, true, false, true]);
    // Back and forth.
    let back = "w(1,1,0,0)\nw(1,2,1,1)\nr(1,1,2,2)\nr(1,2,2,3)\nr(1,1,2,4)\n";
    assert_eq!(verdicts(back, claims), [true, false, false, false, false]);
}
