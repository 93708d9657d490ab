//! Judging every claim that a history can express, with as little work as the lattice of claims allows.
//!
//! Linearizability is asked first, then the others from the weakest up: what a claim that holds implies is not asked
//! again, and neither is what a broken claim rules out, so that each counterexample is one of a weakest broken claim. The
//! two that may need a search come last, so that they take no time from those that need none.

use super::budget::Budget;
use super::convergent;
use super::guarantee::{self, Claim};
use super::judge::{JudgeError, Judged, Question, judge_claim};
use super::key_value::Sessions;
use super::session_kind::{SessionKind, blurred};
use super::transactions::is_key_value;
use super::verdict::{Contradiction, Finding, Verdict, Violation, Witness};
use crate::history::History;
use std::time::Duration;

/// Every claim may take so long, if so much is left.
const LEAST: Duration = Duration::from_millis(100);

/// The claims that mean something for this history, strongest first.
fn expressible(history: &History, question: &Question) -> Vec<Claim> {
    let keys = is_key_value(history, question);
    let has_additions = history.functions().find("add").is_some();
    let means_something = |claim: Claim| match claim {
        Claim::Linearizable => history.header().has_time(),
        Claim::LostAcks => has_additions && history.header().has_time(),
        Claim::Convergent => keys && convergent::is_expressible(history, question),
        _ => keys,
    };
    guarantee::all().iter().map(|info| info.claim).filter(|&claim| means_something(claim)).collect()
}

/// Every claim with its verdict, strongest first.
pub(super) fn judge_all(history: &History, question: &Question, budget: &Budget) -> Vec<Judged> {
    let claims = expressible(history, question);
    let sessions = Sessions::of(history, question);
    // Where the clock is too coarse to keep every client's own order, to be linearizable implies nothing about clients.
    let is_blurred = blurred(history, question.session) > 0;
    let mut judged: Vec<Judged> = Vec::new();
    let mut order: Vec<Claim> = claims.iter().rev().copied().collect();
    order.sort_by_key(|claim| match claim {
        Claim::Linearizable => 0,
        Claim::Processor | Claim::Sequential => 2,
        _ => 1,
    });
    for claim in order {
        // A search must leave time for those that follow.
        let share = budget.slice(if matches!(claim, Claim::Linearizable | Claim::Processor) { 2 } else { 1 }, LEAST);
        let known = |other: Claim| !(is_blurred && other == Claim::Linearizable);
        let finding = implied(claim, &judged, known)
            .map_or_else(|| judge_claim(claim, history, question, &sessions, &share), Ok::<_, JudgeError>);
        judged.push((claim, finding));
    }
    // Real time knows processes, and nothing of what else is called a session.
    refer(&mut judged, question.session == SessionKind::Process);
    judged.sort_by_key(|(claim, _)| claims.iter().position(|other| other == claim));
    judged
}

/// The verdict that follows from those that are there; a claim that is not `known` for sure to hold implies nothing.
fn implied(claim: Claim, judged: &[Judged], known: impl Fn(Claim) -> bool) -> Option<Finding> {
    judged.iter().find_map(|(other, finding)| {
        let finding = finding.as_ref().ok()?;
        let verdict = match &finding.verdict {
            // What nobody asked the nodes follows from nothing.
            Verdict::Holds(_) if other.implies(claim) && known(*other) && claim != Claim::Convergent => {
                Verdict::Holds(Witness::default())
            }
            Verdict::Violated(violation) if claim.implies(*other) => {
                let by = match violation.kind {
                    Contradiction::Implied { by } => by,
                    _ => *other,
                };
                Verdict::Violated(Violation { kind: Contradiction::Implied { by }, ..violation.clone() })
            }
            _ => return None,
        };
        let decided_by = vec![(other.name(), finding.objects)];
        Some(Finding { claim, model: None, verdict, decided_by, assumptions: Vec::new(), ..finding.clone() })
    })
}

/// A violation of the first claim is told by a weaker one that is broken too: by its simpler counterexample.
fn refer(judged: &mut [Judged], knows_sessions: bool) {
    let broken: Vec<(Claim, Violation)> = judged
        .iter()
        .filter_map(|(claim, finding)| match &finding.as_ref().ok()?.verdict {
            Verdict::Violated(violation) => Some((*claim, violation.clone())),
            _ => None,
        })
        .collect();
    for (claim, finding) in judged {
        let Ok(Finding { verdict, .. }) = finding else { continue };
        let direct = |violation: &Violation| !matches!(violation.kind, Contradiction::Implied { .. });
        let weaker = broken.iter().find(|(other, violation)| claim.implies(*other) && direct(violation));
        let Some((by, violation)) = weaker else { continue };
        let kind = Contradiction::Implied { by: *by };
        match verdict {
            Verdict::Violated(own) if !direct(own) => {}
            Verdict::Holds(_) if *claim != Claim::Linearizable || !knows_sessions => {}
            // Linearizable can only hold here if a coarse clock told a part of the order.
            Verdict::Violated(_) | Verdict::Undecided(_) | Verdict::Holds(_) => {
                *verdict = Verdict::Violated(Violation { kind, ..violation.clone() });
            }
        }
    }
}
