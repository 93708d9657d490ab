//! Judgements as JSON documents, for scripts: one document a call, or one a line. Field names are stable.

use super::additions::AdditionsWire;
use super::service::ServiceWire;
use super::staleness::{AgreementWire, StalenessWire};
use super::words;
use crate::check::verdict::{Contradiction, Finding, Verdict, Violation};
use crate::history::{History, Nanos, OpId, Outcome, Value, ValueId};
use serde::Serialize;
use serde_json::Value as Json;

/// What is known beside the findings.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The history's path.
    pub history: String,
    /// `holds`, `violated`, `undecided` or `vacuous`.
    pub verdict: &'static str,
    /// The exit code that goes with it.
    pub exit_code: u8,
    /// Processor time of the judgement, in milliseconds.
    pub cpu_ms: u64,
    /// The most memory the process ever had, in bytes.
    pub peak_bytes: u64,
    /// Why the run is vacuous, if it is.
    pub vacuous: Option<String>,
    /// The claims that could not be judged.
    pub failures: Vec<Failure>,
    /// How the system served, where that was asked for or faults acted.
    pub service: Option<ServiceWire>,
    /// What became of additions to sets, where it holds any.
    pub additions: Option<AdditionsWire>,
    /// Demands on that.
    pub thresholds: Vec<ThresholdWire>,
    /// How far from linearizable the history is, where that is not sure to be nothing.
    pub staleness: Option<StalenessWire>,
    /// How long the nodes took to agree, if they were read and did.
    pub agreement: Option<AgreementWire>,
}

/// A demand on how a system served, and what it amounted to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ThresholdWire {
    /// The demand.
    pub threshold: String,
    /// What was measured, in words.
    pub measured: String,
    /// Whether it is met.
    pub met: bool,
}

/// A claim that could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The claim.
    pub claim: &'static str,
    /// The exit code that goes with it.
    pub exit_code: u8,
    /// Why not, in words.
    pub error: String,
}

/// What is told of one history.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Document(Wire);

#[derive(Serialize)]
#[serde(untagged)]
enum Wire {
    Judged(Box<JudgedWire>),
    Failed(FailedWire),
}

#[derive(Serialize)]
struct JudgedWire {
    schema: &'static str,
    history: String,
    verdict: &'static str,
    exit_code: u8,
    cpu_ms: u64,
    peak_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    vacuous: Option<String>,
    warnings: Vec<String>,
    claims: Vec<ClaimWire>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_judged: Vec<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<ServiceWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additions: Option<AdditionsWire>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thresholds: Vec<ThresholdWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    staleness: Option<StalenessWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<AgreementWire>,
}

#[derive(Serialize)]
struct FailedWire {
    schema: &'static str,
    history: String,
    verdict: &'static str,
    exit_code: u8,
    error: String,
}

#[derive(Serialize)]
struct SeveralWire<'a> {
    schema: &'static str,
    verdict: &'static str,
    exit_code: u8,
    files: &'a [Document],
}

#[derive(Serialize)]
struct ClaimWire {
    claim: &'static str,
    model: Option<&'static str>,
    verdict: &'static str,
    decided_by: Vec<DeciderWire>,
    operations: usize,
    keys: usize,
    assumptions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    witness: Option<WitnessWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undecided: Option<UndecidedWire>,
}

#[derive(Serialize)]
struct DeciderWire {
    decider: &'static str,
    objects: usize,
}

#[derive(Serialize)]
struct WitnessWire {
    key: Json,
    violated_keys: usize,
    operations: Vec<OperationWire>,
    words: Vec<String>,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    implied_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<Vec<Json>>,
}

#[derive(Serialize)]
struct OperationWire {
    line: u32,
    process: u32,
    f: String,
    value: Json,
    result: Json,
    #[serde(rename = "type")]
    outcome: &'static str,
    call_ns: Option<u64>,
    return_ns: Option<u64>,
    node: String,
    error: String,
}

#[derive(Serialize)]
struct UndecidedWire {
    why: String,
    objects_decided: usize,
    objects_open: Vec<OpenWire>,
}

#[derive(Serialize)]
struct OpenWire {
    key: Json,
    operations: usize,
    indeterminate: usize,
    explained: usize,
    overlap: usize,
}

const SCHEMA: &str = "consistory.verdict/1";

impl Document {
    /// A judged history.
    #[must_use]
    pub fn judged(history: &History, findings: &[Finding], context: Context) -> Self {
        Self(Wire::Judged(Box::new(JudgedWire {
            schema: SCHEMA,
            history: context.history,
            verdict: context.verdict,
            exit_code: context.exit_code,
            cpu_ms: context.cpu_ms,
            peak_bytes: context.peak_bytes,
            vacuous: context.vacuous,
            warnings: history.warnings().to_vec(),
            claims: findings.iter().map(|finding| claim(history, finding)).collect(),
            not_judged: context.failures,
            service: context.service,
            additions: context.additions,
            thresholds: context.thresholds,
            staleness: context.staleness,
            agreement: context.agreement,
        })))
    }

    /// A history that could not be read or judged: how the command ends for it, in a word and as a code, and why.
    #[must_use]
    pub fn failed(history: String, verdict: &'static str, exit_code: u8, error: String) -> Self {
        Self(Wire::Failed(FailedWire { schema: SCHEMA, history, verdict, exit_code, error }))
    }

    /// For people and for scripts that read one document; with a line break at its end.
    #[must_use]
    pub fn pretty(&self) -> String {
        pretty(self)
    }

    /// On one line, with a line break at its end.
    #[must_use]
    pub fn line(&self) -> String {
        let mut text = serde_json::to_string(self).expect(TEXT_KEYS);
        text.push('\n');
        text
    }
}

/// Several histories in one document, with the worst of their verdicts.
#[must_use]
pub fn several(files: &[Document], verdict: &'static str, exit_code: u8) -> String {
    pretty(&SeveralWire { schema: "consistory.verdicts/1", verdict, exit_code, files })
}

const TEXT_KEYS: &str = "the document has only text keys";

fn pretty(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document).expect(TEXT_KEYS);
    text.push('\n');
    text
}

/// The word for a verdict.
#[must_use]
pub fn verdict_word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Holds(_) => "holds",
        Verdict::Violated(_) => "violated",
        Verdict::Undecided(_) => "undecided",
    }
}

fn claim(history: &History, finding: &Finding) -> ClaimWire {
    let (witness, undecided) = match &finding.verdict {
        Verdict::Holds(_) => (None, None),
        Verdict::Violated(violation) => (Some(witness(history, violation)), None),
        Verdict::Undecided(undecided) => {
            let objects_open = undecided.open.iter().map(|object| OpenWire {
                key: json(history, object.key),
                operations: object.operations,
                indeterminate: object.indeterminate,
                explained: object.explained,
                overlap: object.overlap,
            });
            let why = undecided.why.to_string();
            (
                None,
                Some(UndecidedWire { why, objects_decided: undecided.decided, objects_open: objects_open.collect() }),
            )
        }
    };
    let decided_by = finding.decided_by.iter().map(|&(decider, objects)| DeciderWire { decider, objects });
    ClaimWire {
        claim: finding.claim.name(),
        model: finding.model,
        verdict: verdict_word(&finding.verdict),
        decided_by: decided_by.collect(),
        operations: finding.operations,
        keys: finding.objects,
        assumptions: finding.assumptions.clone(),
        witness,
        undecided,
    }
}

fn witness(history: &History, violation: &Violation) -> WitnessWire {
    let lost = match &violation.kind {
        Contradiction::LostAcknowledged { lost } => {
            Some(lost.iter().map(|&id| json(history, history.operation(id).argument())).collect())
        }
        _ => None,
    };
    let implied_by = match violation.kind {
        Contradiction::Implied { by } => Some(by.name()),
        _ => None,
    };
    WitnessWire {
        key: json(history, violation.key),
        violated_keys: violation.keys.len(),
        operations: violation.core.iter().map(|&id| operation(history, id)).collect(),
        words: words::counterexample(history, violation),
        verified: violation.verified,
        implied_by,
        lost,
    }
}

fn operation(history: &History, id: OpId) -> OperationWire {
    let operation = history.operation(id);
    let time = |time: Nanos| (time != Nanos::UNKNOWN).then_some(time.0);
    OperationWire {
        line: operation.line(),
        process: operation.process().0,
        f: operation.function().to_owned(),
        value: json(history, operation.argument()),
        result: json(history, operation.result()),
        outcome: match operation.outcome() {
            Outcome::Completed => "ok",
            Outcome::Rejected => "fail",
            Outcome::Indeterminate => "info",
        },
        call_ns: time(operation.call_time()),
        return_ns: time(operation.return_time()),
        node: operation.node().to_owned(),
        error: operation.error().to_owned(),
    }
}

fn json(history: &History, id: ValueId) -> Json {
    fn owned(value: &Value) -> Json {
        match value {
            Value::Nil => Json::Null,
            Value::Bool(truth) => Json::Bool(*truth),
            Value::Int(number) => Json::from(*number),
            Value::Text(text) => Json::from(text.as_ref()),
            Value::List(items) => Json::Array(items.iter().map(owned).collect()),
            Value::Map(pairs) => {
                Json::Object(pairs.iter().map(|(key, value)| (key.to_string(), owned(value))).collect())
            }
        }
    }
    owned(&history.values().to_value(id))
}
