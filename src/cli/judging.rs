//! What `check`, `explain` and `run` share: reading a history and judging it within one budget, telling the verdict.

use super::exit_code::Exit;
use super::thresholds::{Outcome, Threshold, threshold};
use super::vacuity::{Demands, why_vacuous};
use super::values::{self, BudgetArg};
use super::watchdog::{self, Watchdog};
use super::{Failed, Format};
use crate::check::budget::{Budget, Stop};
use crate::check::convergent::{self, Agreement};
use crate::check::guarantee::{self, Claim};
use crate::check::invariants::additions::{Additions, additions};
use crate::check::judge::{JudgeError, Question, judge_each};
use crate::check::models::FailedCas;
use crate::check::session_kind::SessionKind;
use crate::check::staleness::{self, Staleness};
use crate::check::verdict::{Explains, Finding, LegalOrder, Verdict, Why, Witness};
use crate::history::formats::{self, ReadOptions};
use crate::history::{History, OpId, Value};
use crate::record::runner::THRESHOLDS_SETTING;
use crate::report::service::Service;
use crate::report::{self, additions as additions_report, json, terminal};
use anyhow::Context;
use clap::{Args, ValueEnum};
use std::cell::Cell;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read, stdin};
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

/// Options of a judgement and of how it is told.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Judging")]
pub(super) struct JudgingArgs {
    #[command(flatten)]
    question: QuestionArgs,
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

impl Deref for JudgingArgs {
    type Target = QuestionArgs;

    fn deref(&self) -> &QuestionArgs {
        &self.question
    }
}

/// Options of a judgement.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Judging")]
pub(super) struct QuestionArgs {
    /// What to judge (see `consistory list claims`; default: what the history was recorded for)
    #[arg(long, value_delimiter = ',', value_parser = claims, value_name = "CLAIM,…")]
    claim: Vec<Claims>,
    /// Judge every claim that the history can express, and name the strongest that are not violated
    #[arg(long, conflicts_with = "claim")]
    pub(super) all: bool,
    /// What a session is to the claims about sessions: what one process did; what it did at one node (a client that moves
    /// to another loses its session); or what one client did under all its process ids
    #[arg(long, value_parser = session, default_value = "process", value_name = "process|connection|user")]
    pub(super) session: SessionKind,
    /// How much time and memory reading and judging may take, such as 60s,4GiB
    #[arg(long, value_parser = values::budget, value_name = "TIME,MEMORY")]
    pub(super) budget: Option<BudgetArg>,
    /// How many threads judge (default: all cores)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
    /// Fewer completed operations than this make the verdict vacuous, as does a function that never completed, or a
    /// history without observations; 0 demands nothing
    #[arg(long, value_name = "N")]
    pub(super) min_ops: Option<u64>,
    /// What the system must have kept to: p50, p90, p99, p999, max, recovery, outage, such as p99<50ms; `fail_rate<1%`;
    /// availability>90%, apdex(50ms)>0.9; of additions to sets lost=0, resurrected=0, duplicated=0, `unknown_present<9`
    /// (default: what the history was recorded for)
    #[arg(long, value_delimiter = ',', value_parser = threshold, value_name = "MEASURE<LIMIT,…")]
    pub(super) threshold: Vec<Threshold>,
}

/// Options about what a history's objects are.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Reading the history")]
pub(super) struct ObjectArgs {
    /// What the objects are (see `consistory list models`; default: what the history says, else inferred)
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// The value before any write: nil, a number, a word, or JSON
    #[arg(long, value_parser = values::initial, value_name = "VALUE")]
    init: Option<Value>,
    /// What a failed compare-and-set says: nothing, or that the register held something else
    #[arg(long, value_enum, default_value_t = FailedCasArg::Drop)]
    failed_cas: FailedCasArg,
    /// The format, if it cannot be told from the content (see `consistory list formats`)
    #[arg(long, value_name = "FORMAT")]
    from: Option<String>,
    /// Values are [key value] pairs of independent objects
    #[arg(long, conflicts_with = "no_keyed")]
    keyed: bool,
    /// Values are not [key value] pairs, even if they look like it
    #[arg(long)]
    no_keyed: bool,
}

impl ObjectArgs {
    /// What is asked, without a witness.
    pub(super) fn question(&self, judging: &QuestionArgs) -> Question {
        Question {
            claims: judging.claims(),
            all: judging.all,
            session: judging.session,
            model: self.model.clone(),
            initial: self.init.clone(),
            failed_cas: match self.failed_cas {
                FailedCasArg::Drop => FailedCas::Drop,
                FailedCasArg::Observe => FailedCas::Observe,
            },
            nil_reads_anything: false,
            witness: false,
        }
    }

    /// The format that was named, if one was.
    pub(super) fn format(&self) -> Option<&str> {
        self.from.as_deref()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FailedCasArg {
    /// It did not happen (Jepsen)
    #[default]
    Drop,
    /// It saw another value (Porcupine)
    Observe,
}

/// What one word of `--claim` stands for.
#[derive(Clone, Debug)]
struct Claims(Vec<Claim>);

fn claims(name: &str) -> Result<Claims, String> {
    let unknown = || format!("there is no claim '{name}'; there are: {}", guarantee::known());
    guarantee::find_all(name).map(Claims).ok_or_else(unknown)
}

fn session(name: &str) -> Result<SessionKind, String> {
    SessionKind::find(name).ok_or_else(|| "write process, connection or user".to_owned())
}

impl QuestionArgs {
    /// The claims that were asked for by name, each once.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let mut claims: Vec<Claim> = Vec::new();
        for &claim in self.claim.iter().flat_map(|Claims(claims)| claims) {
            if !claims.contains(&claim) {
                claims.push(claim);
            }
        }
        claims
    }

    fn limits(&self) -> BudgetArg {
        self.budget.unwrap_or(BudgetArg { time: values::DEFAULT_TIME, bytes: values::default_bytes() })
    }

    /// How many threads may work.
    pub(super) fn thread_count(&self) -> usize {
        self.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }
}

/// A judged history.
pub(super) struct Judged {
    pub(super) history: History,
    findings: Vec<Finding>,
    /// The claims that could not be judged beside those that were.
    failures: Vec<(Claim, Failed)>,
    vacuous: Option<String>,
    service: Option<Service>,
    additions: Option<Additions>,
    thresholds: Vec<Outcome>,
    staleness: Option<Staleness>,
    agreement: Option<Agreement>,
    /// Whether every claim was judged that could be.
    all: bool,
    pub(super) exit: Exit,
    name: String,
    cpu: Duration,
    wall: Duration,
}

/// Reads a history from a file, or from standard input if the path is `-`, without a bound: for one's own recording.
pub(super) fn read(path: &Path, objects: &ObjectArgs, threads: usize) -> Result<History, Failed> {
    read_within(path, objects, threads, &Budget::unlimited())
}

/// Judges a history that has been read, within a budget of its own.
pub(super) fn judge_history(
    history: History,
    name: String,
    objects: &ObjectArgs,
    judging: &QuestionArgs,
    min_ops: u64,
    witness: bool,
) -> Result<Judged, Failed> {
    let judgement = Judgement::start(objects, judging, min_ops, witness);
    let vacuous = judgement.vacuous(&history);
    judgement.judge(history, name, vacuous)
}

/// One judgement, from the first byte of the history to the verdict, within one budget.
pub(super) struct Judgement<'a> {
    objects: &'a ObjectArgs,
    judging: &'a QuestionArgs,
    demands: Demands,
    witness: bool,
    watchdog: Watchdog,
}

impl<'a> Judgement<'a> {
    /// Starts the clock. Fewer than `min_ops` completed operations show nothing, unless the user says another number.
    pub(super) fn start(objects: &'a ObjectArgs, judging: &'a QuestionArgs, min_ops: u64, witness: bool) -> Self {
        let demands = Demands {
            min_ops: judging.min_ops.unwrap_or(min_ops),
            rejections_count: objects.failed_cas == FailedCasArg::Observe,
        };
        Self { objects, judging, demands, witness, watchdog: Watchdog::start(judging.limits()) }
    }

    /// Reads the history, as far as the budget goes.
    pub(super) fn read(&self, path: &Path) -> Result<History, Failed> {
        read_within(path, self.objects, self.judging.thread_count(), self.watchdog.budget())
    }

    /// Why a history shows nothing, if it does not.
    pub(super) fn vacuous(&self, history: &History) -> Option<String> {
        why_vacuous(history, self.demands)
    }

    /// Judges it, or a part of it.
    pub(super) fn judge(self, history: History, name: String, vacuous: Option<String>) -> Result<Judged, Failed> {
        let (cpu, wall) = (watchdog::cpu_time(), Instant::now());
        let question = self.question();
        let each = judge_each(&history, &question, self.watchdog.budget()).map_err(|error| refused(error, &name))?;
        let (mut findings, mut failures) = (Vec::new(), Vec::new());
        for (claim, result) in each {
            match result {
                Ok(finding) => findings.push(finding),
                Err(error) => failures.push((claim, refused(error, &name))),
            }
        }
        if findings.is_empty() && !failures.is_empty() {
            return Err(failures.swap_remove(0).1);
        }
        let mut exit = failures.iter().map(|(_, failure)| failure.exit).fold(Exit::of(&findings), Exit::worse);
        if vacuous.is_some() {
            exit = exit.worse(Exit::Vacuous);
        }
        let thresholds = self.thresholds(&history)?;
        let service = Service::of(&history).filter(|service| service.faults > 0 || !thresholds.is_empty());
        let additions = additions(&history);
        let thresholds: Vec<_> =
            thresholds.iter().map(|threshold| threshold.judge(service.as_ref(), additions.as_ref())).collect();
        if thresholds.iter().any(|outcome| !outcome.met) {
            exit = exit.worse(Exit::Thresholds);
        }
        let staleness = self.staleness(&history, &question, &findings);
        let agreement = convergent::agreement(&history, &question);
        let cpu = watchdog::cpu_time().saturating_sub(cpu);
        let (all, wall) = (question.all, wall.elapsed());
        Ok(Judged {
            history,
            findings,
            failures,
            vacuous,
            service,
            additions,
            thresholds,
            staleness,
            agreement,
            all,
            exit,
            name,
            cpu,
            wall,
        })
    }

    /// What is linearizable is not stale, and that need not be measured.
    fn staleness(&self, history: &History, question: &Question, findings: &[Finding]) -> Option<Staleness> {
        let linearizable = findings.iter().find(|finding| finding.claim == Claim::Linearizable);
        let holds = linearizable.is_some_and(|finding| matches!(finding.verdict, Verdict::Holds(_)));
        if holds { None } else { staleness::measure(history, question, self.watchdog.budget()) }
    }

    /// Those of the command line, or those that the history was recorded for.
    fn thresholds(&self, history: &History) -> Result<Vec<Threshold>, Failed> {
        if !self.judging.threshold.is_empty() {
            return Ok(self.judging.threshold.clone());
        }
        let recorded = history.header().config.iter().find(|(name, _)| name == THRESHOLDS_SETTING);
        let texts = recorded.iter().flat_map(|(_, texts)| texts.split(','));
        texts.map(threshold).collect::<Result<_, _>>().map_err(Failed::usage)
    }

    fn question(&self) -> Question {
        Question { witness: self.witness, ..self.objects.question(self.judging) }
    }
}

fn read_within(path: &Path, objects: &ObjectArgs, threads: usize, budget: &Budget) -> Result<History, Failed> {
    let keyed = if objects.keyed { Some(true) } else { objects.no_keyed.then_some(false) };
    let options = ReadOptions { keyed, threads };
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let from = objects.from.as_deref();
    let stopped = Cell::new(None);
    let history = if path == Path::new("-") {
        formats::read(Bounded { source: stdin().lock(), budget, stopped: &stopped }, &name, from, &options)
    } else {
        let file = File::open(path).with_context(|| format!("cannot open {name}")).map_err(Failed::environment)?;
        formats::read(Bounded { source: file, budget, stopped: &stopped }, &name, from, &options)
    };
    if let Some(stop) = stopped.get() {
        // Whatever the reader made of it: it has not seen the whole.
        let why = Why::Stopped(stop);
        let message = format!("UNDECIDED: {why} while reading {name}; nothing was judged; try a larger --budget");
        return Err(Failed::new(Exit::Undecided, anyhow::Error::msg(message)));
    }
    let history = history.map_err(Failed::environment)?;
    // Never quiet: a verdict on a part of what was recorded is another verdict.
    for warning in history.warnings() {
        super::say(&format!("warning: {name}: {warning}\n"));
    }
    Ok(history)
}

/// A source that fails when the budget has ended, and says so.
struct Bounded<'b, R> {
    source: R,
    budget: &'b Budget,
    stopped: &'b Cell<Option<Stop>>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(stop) = self.budget.exceeded() {
            self.stopped.set(Some(stop));
            return Err(io::Error::other("the budget ended"));
        }
        self.source.read(buffer)
    }
}

fn refused(error: JudgeError, name: &str) -> Failed {
    let exit = match error {
        JudgeError::UnknownClaim { .. }
        | JudgeError::UnknownModel { .. }
        | JudgeError::NoModel { .. }
        | JudgeError::BadInitial { .. } => Exit::Usage,
        JudgeError::NotThisModel(_) => Exit::Environment,
        JudgeError::Contradicted { .. } => Exit::Internal,
    };
    let place = match &error {
        JudgeError::NotThisModel(wrong) => format!("{name}:{}:1", wrong.line),
        _ => name.to_owned(),
    };
    Failed::new(exit, anyhow::Error::new(error).context(place))
}

fn failure((claim, failed): &(Claim, Failed)) -> json::Failure {
    json::Failure { claim: claim.name(), exit_code: failed.exit.code(), error: format!("{:#}", failed.error) }
}

impl Judged {
    /// The verdict as JSON.
    pub(super) fn json(&self) -> String {
        self.document().pretty()
    }

    /// The verdict as a document.
    pub(super) fn document(&self) -> json::Document {
        let context = json::Context {
            history: self.name.clone(),
            verdict: self.exit.word(),
            exit_code: self.exit.code(),
            cpu_ms: u64::try_from(self.cpu.as_millis()).unwrap_or(u64::MAX),
            peak_bytes: watchdog::peak_bytes(),
            vacuous: self.vacuous.clone(),
            failures: self.failures.iter().map(failure).collect(),
            service: self.service.as_ref().map(Service::wire),
            additions: self.additions.as_ref().map(additions_report::wire),
            thresholds: self.thresholds.iter().map(Outcome::wire).collect(),
            staleness: self.staleness.as_ref().map(report::staleness::wire),
            agreement: self.agreement.map(report::staleness::agreement_wire),
        };
        json::Document::judged(&self.history, &self.findings, context)
    }

    /// The verdict for people.
    pub(super) fn text(&self) -> String {
        let mut text = terminal::findings(&self.history, &self.findings);
        if let Some(why) = &self.vacuous {
            text.push_str(&terminal::vacuous(why));
        }
        if let Some(staleness) = &self.staleness {
            text.push_str(&report::staleness::text(staleness, self.all));
        }
        text.push_str(&self.agreement.map(report::staleness::agreement_text).unwrap_or_default());
        text.push_str(&self.service.as_ref().map(Service::text).unwrap_or_default());
        text.push_str(&self.additions.as_ref().map(additions_report::text).unwrap_or_default());
        for outcome in &self.thresholds {
            text.push_str(&terminal::threshold(&outcome.threshold, &outcome.measured, outcome.met));
        }
        if self.all {
            text.push_str(&terminal::summary(&self.findings));
        }
        for finding in &self.findings {
            let Verdict::Holds(Witness { stopped: Some(stop), .. }) = &finding.verdict else { continue };
            let (name, why) = (finding.claim.name(), Why::Stopped(*stop));
            let _ = writeln!(text, "no orders that show {name}: {why} before they were made and replayed");
        }
        for (claim, failure) in &self.failures {
            let _ = writeln!(text, "! {:<14} NOT JUDGED    {:#}", claim.name(), failure.error);
        }
        text
    }

    /// The orders that show what holds, by the lines of the operations: one order a line, as JSON.
    pub(super) fn orders(&self) -> String {
        let line = |id: OpId| self.history.operation(id).line();
        let mut out = String::new();
        for finding in &self.findings {
            let Verdict::Holds(witness) = &finding.verdict else { continue };
            for LegalOrder { explains, ops } in &witness.orders {
                let lines: Vec<u32> = ops.iter().map(|&id| line(id)).collect();
                let mut order = serde_json::json!({"claim": finding.claim.name(), "order": lines});
                match *explains {
                    Explains::Object(key) => order["key"] = self.history.values().to_value(key).to_string().into(),
                    Explains::Session(first) => order["session"] = line(first).into(),
                    Explains::Reader(reader) => order["reader"] = line(reader).into(),
                    Explains::All => {}
                }
                let _ = writeln!(out, "{order}");
            }
        }
        out
    }

    /// What it cost, in a few words.
    pub(super) fn cost(&self) -> String {
        format!(
            "judged in {:.2} s ({:.2} s of processor time, {} MiB at most)",
            self.wall.as_secs_f64(),
            self.cpu.as_secs_f64(),
            watchdog::peak_bytes() >> 20
        )
    }
}
