//! From a history and a question to findings: one verdict a claim.

use super::budget::Budget;
use super::convergent;
use super::guarantee::{self, Claim};
use super::invariants::lost_acks;
use super::key_value::Sessions;
use super::lattice;
use super::linearizable::catalogue;
use super::models::{FailedCas, NotThisModel};
use super::session_kind::{SessionKind, blurred};
use super::verdict::{Finding, Undecided, Verdict, Why};
use crate::history::{History, Value};
use std::cell::OnceCell;

/// What is asked of a history.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The claims to judge; empty for those of the history's header, or else `linearizable`.
    pub claims: Vec<Claim>,
    /// Whether every claim is asked that the history can express, instead.
    pub all: bool,
    /// The model of the objects; `None` for that of the header, or else inferred from the functions.
    pub model: Option<String>,
    /// The initial state; `None` for that of the header, or else the model's own.
    pub initial: Option<Value>,
    /// What a session is.
    pub session: SessionKind,
    /// What a failed compare-and-set says.
    pub failed_cas: FailedCas,
    /// Whether a completed read of `nil` may have seen any value.
    pub nil_reads_anything: bool,
    /// Whether an order is wanted for what holds.
    pub witness: bool,
}

/// Why a question cannot be put to a history.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A claim of the header that this version does not know.
    #[error(
        "the history was recorded for the claim '{name}', which this version does not know; say with --claim what to judge: {known}"
    )]
    UnknownClaim {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A model name that is not in the catalogue.
    #[error("there is no model '{name}'; there are: {known}")]
    UnknownModel {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// No model has the history's functions.
    #[error("no model has the functions {functions}; say which one with --model ({known})")]
    NoModel {
        /// The functions of the history.
        functions: String,
        /// The models there are.
        known: String,
    },
    /// An initial value that the model cannot start from.
    #[error("model '{model}' cannot start from {value}: --init is {expected}")]
    BadInitial {
        /// The model.
        model: &'static str,
        /// The value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// An operation that the model does not have.
    #[error(transparent)]
    NotThisModel(#[from] NotThisModel),
    /// The independent verifier contradicts a decider: a defect of this program, never of the history.
    #[error(
        "the verifier contradicts the decider '{decider}' on key {key}: {flaw}; this is a defect of consistory, please report it with the history"
    )]
    Contradicted {
        /// Which decider.
        decider: &'static str,
        /// The object.
        key: String,
        /// What is wrong with the evidence.
        flaw: String,
    },
}

/// Judges every claim of the question.
///
/// # Errors
/// When the question cannot be put, or the verifier contradicts a decider.
pub fn judge(history: &History, question: &Question, budget: &Budget) -> Result<Vec<Finding>, JudgeError> {
    judge_each(history, question, budget)?.into_iter().map(|(_, finding)| finding).collect()
}

/// Judges every claim of the question on its own: what one claim cannot be asked takes nothing from another's verdict.
///
/// # Errors
/// When it is not even known which claims are meant.
pub fn judge_each(history: &History, question: &Question, budget: &Budget) -> Result<Vec<Judged>, JudgeError> {
    if question.all {
        return Ok(lattice::judge_all(history, question, budget));
    }
    let claims = claims(history, question)?;
    let sessions = OnceCell::new();
    let judge = |claim: Claim| {
        if claim.is_about_sessions() {
            sessions.get_or_init(|| Sessions::of(history, question)).judge(claim, history, question, budget)
        } else {
            judge_by_model(claim, history, question, budget)
        }
    };
    Ok(claims.into_iter().map(|claim| (claim, judge(claim))).collect())
}

/// A claim with its verdict, or why it has none.
pub type Judged = (Claim, Result<Finding, JudgeError>);

/// One claim, with the sessions of the history at hand.
pub(super) fn judge_claim(
    claim: Claim,
    history: &History,
    question: &Question,
    sessions: &Sessions,
    budget: &Budget,
) -> Result<Finding, JudgeError> {
    if claim.is_about_sessions() {
        sessions.judge(claim, history, question, budget)
    } else {
        judge_by_model(claim, history, question, budget)
    }
}

fn judge_by_model(
    claim: Claim,
    history: &History,
    question: &Question,
    budget: &Budget,
) -> Result<Finding, JudgeError> {
    let operations = history.len();
    let finding = |verdict, decided_by, objects| Finding {
        claim,
        model: None,
        verdict,
        decided_by,
        operations,
        objects,
        assumptions: Vec::new(),
    };
    if claim == Claim::Convergent {
        let contradicted =
            |flaw| JudgeError::Contradicted { decider: "last reads", key: "of some key".to_owned(), flaw };
        let (verdict, objects) = convergent::judge(history, question).map_err(contradicted)?;
        return Ok(finding(verdict, vec![("last reads", objects)], objects));
    }
    if !history.header().has_time() {
        let why = "the history says nothing about time, only what each client did in which order; judge with --all";
        let undecided = Undecided { why: Why::Unsupported(why.to_owned()), open: Vec::new(), decided: 0 };
        return Ok(finding(Verdict::Undecided(undecided), Vec::new(), 0));
    }
    if claim != Claim::LostAcks {
        let mut finding = catalogue::judge(history, question, budget)?;
        let blurred = blurred(history, SessionKind::Process);
        if blurred > 0 && matches!(finding.verdict, Verdict::Holds(_)) {
            let operations = if blurred == 1 { "operation" } else { "operations" };
            finding.assumptions.push(format!(
                "that {blurred} {operations} may overlap the previous one of the same client, since another client called \
                 at the very time between them; a finer clock would tell, and claims about sessions do"
            ));
        }
        return Ok(finding);
    }
    let (verdict, objects) = lost_acks::judge(history);
    Ok(finding(verdict, vec![("set difference", objects)], objects))
}

/// The claims that were asked for, or those that the history was recorded for. One that nobody knows here is an error:
/// to leave it out would call a history good that was not judged.
fn claims(history: &History, question: &Question) -> Result<Vec<Claim>, JudgeError> {
    if !question.claims.is_empty() {
        return Ok(question.claims.clone());
    }
    let of_header = history.header().claims.iter().map(|name| {
        let unknown = || JudgeError::UnknownClaim { name: name.clone(), known: guarantee::known() };
        guarantee::find_all(name).ok_or_else(unknown)
    });
    let mut claims: Vec<Claim> = Vec::new();
    for claim in of_header.collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    Ok(if claims.is_empty() { vec![Claim::Linearizable] } else { claims })
}
