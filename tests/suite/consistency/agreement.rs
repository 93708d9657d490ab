//! Every claim on random small histories: what its checker says is what its definition says, and its evidence stands.

use super::definitions::keeps;
use super::histories::{Access, Drawn, End, Tx, draw};
use crate::oracle::random_histories::Dice;
use crate::oracle::{first_seed, rounds};
use consistory::check::budget::Budget;
use consistory::check::guarantee::{self, Claim};
use consistory::check::judge::{Question, judge};
use consistory::check::verdict::{Contradiction, Explains, Finding, LegalOrder, Verdict};
use consistory::history::History;
use consistory::history::formats::{self, ReadOptions};
use std::collections::BTreeSet;

/// So many histories by default; `CONSISTORY_ORACLE_ROUNDS` sets another number.
const ROUNDS: u64 = 20_000;
/// The most transactions of a history: every order of them is tried.
const TRANSACTIONS_MAX: usize = 7;
/// In so many of a hundred histories each claim must hold, and in so many it must not.
const PERCENT_MIN: u64 = 4;

fn claims() -> Vec<Claim> {
    guarantee::all().iter().map(|info| info.claim).filter(|claim| claim.is_about_sessions()).collect()
}

fn history(drawn: &Drawn) -> History {
    formats::read(drawn.text().as_bytes(), "drawn", None, &ReadOptions::default()).expect("a history")
}

fn ask(history: &History, claims: &[Claim], all: bool) -> Vec<Finding> {
    let question = Question { claims: claims.to_vec(), all, witness: true, ..Question::default() };
    let about = || history.operations().map(|operation| format!("{operation:?}")).collect::<Vec<_>>().join("\n");
    judge(history, &question, &Budget::unlimited()).unwrap_or_else(|error| panic!("{error}\n{}", about()))
}

fn holds(finding: &Finding, about: &str) -> bool {
    match &finding.verdict {
        Verdict::Holds(_) => true,
        Verdict::Violated(_) => false,
        Verdict::Undecided(undecided) => panic!("{about}: undecided, {}", undecided.why),
    }
}

/// What holds is shown by as many orders as the claim asks for, of all that may have happened.
fn shown(claim: Claim, drawn: &Drawn, orders: &[LegalOrder], about: &str) {
    let happened = |order: &&LegalOrder| {
        let completed = (0..drawn.transactions.len()).filter(|&at| drawn.transactions[at].end == End::Ok);
        completed.into_iter().all(|at| order.ops.iter().any(|op| op.index() == at))
    };
    let (whole, own): (Vec<&LegalOrder>, Vec<&LegalOrder>) =
        orders.iter().partition(|order| !matches!(order.explains, Explains::Reader(_)));
    let certain = drawn.transactions.iter().filter(|tx| tx.end == End::Ok);
    let sessions: BTreeSet<usize> = certain.map(|tx| tx.session).collect();
    let expected = match claim {
        Claim::Sequential | Claim::Causal | Claim::CausalConvergence => 1,
        // One in doubt that was seen is the last of its session, and perhaps the only one.
        Claim::CausalMemory | Claim::Pram => whole.len().clamp(sessions.len(), drawn.transactions.len()),
        _ => 0,
    };
    assert_eq!(whole.len(), expected, "{about}");
    assert!(whole.iter().all(happened), "{about}: an order lacks what happened: {orders:?}");
    assert!(own.is_empty() || claim == Claim::Causal, "{about}");
    // Of what is in doubt only what somebody saw is in an order.
    for op in orders.iter().flat_map(|order| &order.ops) {
        let tx = &drawn.transactions[op.index()];
        let wrote = |read: &Access| {
            tx.accesses.iter().any(|access| access.writes && (access.key, access.value) == (read.key, read.value))
        };
        let seen = |by: &Tx| by.end != End::Fail && by.accesses.iter().any(|access| !access.writes && wrote(access));
        assert!(tx.end == End::Ok || drawn.transactions.iter().any(seen), "{about}: {op:?} need not have happened");
    }
}

/// The history of a counterexample's operations alone; whether it can be told what their reads saw.
fn core(drawn: &Drawn, finding: &Finding) -> Option<Drawn> {
    let Verdict::Violated(violation) = &finding.verdict else { return None };
    let kept: Vec<&Tx> = violation.core.iter().map(|id| &drawn.transactions[id.index()]).collect();
    let is_known = |key: usize, value: usize| {
        let wrote = |tx: &&Tx| tx.accesses.iter().any(|other| other.writes && (other.key, other.value) == (key, value));
        value == 0 || kept.iter().any(wrote)
    };
    let transactions = kept.iter().map(|tx| {
        let known = tx.accesses.iter().copied().filter(|access| access.writes || is_known(access.key, access.value));
        Tx { accesses: known.collect(), ..(*tx).clone() }
    });
    Some(Drawn { keys: drawn.keys, transactions: transactions.collect(), singles: false })
}

#[test]
fn every_claim_is_judged_as_it_is_defined() {
    let claims = claims();
    let rounds = rounds(ROUNDS);
    let first = first_seed();
    let (mut held, mut untimed) = (vec![0_u64; claims.len()], 0);
    for seed in first..first + rounds {
        let drawn = draw(&mut Dice::new(seed), TRANSACTIONS_MAX);
        let findings = ask(&history(&drawn), &claims, false);
        for ((claim, finding), held) in claims.iter().zip(&findings).zip(&mut held) {
            let about = format!("{} with seed {seed}:\n{}", claim.name(), drawn.text());
            let expected = keeps(*claim, &drawn);
            assert_eq!(holds(finding, &about), expected, "{about}");
            *held += u64::from(expected);
            let violation = match &finding.verdict {
                Verdict::Violated(violation) => violation,
                Verdict::Holds(witness) => {
                    shown(*claim, &drawn, &witness.orders, &about);
                    continue;
                }
                Verdict::Undecided(_) => unreachable!("it was decided"),
            };
            assert!(violation.verified && violation.minimal, "{about}");
            if !matches!(violation.kind, Contradiction::WrongRead(_)) {
                let core = core(&drawn, finding).expect("it is violated");
                assert!(!keeps(*claim, &core), "{about} the core {:?} is no counterexample", violation.core);
                untimed += 1;
            }
        }
    }
    for (claim, held) in claims.iter().zip(held) {
        println!("{}: {held} of {rounds} hold", claim.name());
        let few = rounds * PERCENT_MIN / 100;
        assert!((few..=rounds - few).contains(&held), "{}: {held} of {rounds} hold", claim.name());
    }
    assert!(untimed > rounds / 2, "only {untimed} counterexamples");
}

#[test]
fn verdicts_respect_the_lattice_and_asking_for_all_gives_the_same() {
    let claims = claims();
    let first = first_seed() + 1_000_000;
    for seed in first..first + 3_000 {
        let drawn = draw(&mut Dice::new(seed), 12);
        let about = format!("seed {seed}:\n{}", drawn.text());
        let history = history(&drawn);
        let alone = ask(&history, &claims, false);
        let verdict: Vec<bool> = alone.iter().map(|finding| holds(finding, &about)).collect();
        for (stronger, holds) in claims.iter().zip(&verdict) {
            for (weaker, weaker_holds) in claims.iter().zip(&verdict).filter(|(weaker, _)| stronger.implies(**weaker)) {
                assert!(!holds || *weaker_holds, "{} without {}, {about}", stronger.name(), weaker.name());
            }
        }
        let question = Question { all: true, model: Some("multi-register".into()), ..Question::default() };
        let together = consistory::check::judge::judge_each(&history, &question, &Budget::unlimited()).expect("claims");
        for (claim, finding) in together.iter().filter(|(claim, _)| claim.is_about_sessions()) {
            let finding = finding.as_ref().unwrap_or_else(|error| panic!("{error}"));
            let at = claims.iter().position(|other| other == claim).expect("it is one of them");
            assert_eq!(holds(finding, &about), verdict[at], "{} among all, {about}", claim.name());
            let Verdict::Violated(violation) = &finding.verdict else { continue };
            let weakest = !claims.iter().zip(&verdict).any(|(weaker, holds)| claim.implies(*weaker) && !holds);
            let implied = matches!(violation.kind, Contradiction::Implied { .. });
            assert_eq!(implied, !weakest, "{}, {about}", claim.name());
        }
    }
}

#[test]
fn a_value_that_several_wrote_leaves_open_what_turns_on_it_and_nothing_else() {
    let write = |session, value| Tx { session, accesses: vec![Access { writes: true, key: 0, value }], end: End::Ok };
    let read = |session, value| Tx { session, accesses: vec![Access { writes: false, key: 0, value }], end: End::Ok };
    let verdict = |transactions: Vec<Tx>| {
        let drawn = Drawn { keys: 1, transactions, singles: true };
        ask(&history(&drawn), &[Claim::Causal], false).remove(0).verdict
    };
    let Verdict::Undecided(undecided) = verdict(vec![write(0, 5), write(1, 5), read(2, 5)]) else {
        panic!("two writes of 5 are told apart")
    };
    assert!(undecided.why.to_string().contains("not unique"), "{}", undecided.why);
    assert!(matches!(verdict(vec![write(0, 5), write(1, 5), read(2, 0)]), Verdict::Holds(_)), "nobody read 5");
    let violated = verdict(vec![write(0, 5), write(1, 5), read(2, 5), write(0, 6), read(0, 0)]);
    assert!(matches!(violated, Verdict::Violated(_)), "the own write is missed whoever wrote 5");
}
