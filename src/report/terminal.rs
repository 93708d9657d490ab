//! Verdicts for people: one line a claim, then the counterexample. Marks (✓ ✗ ? ∅) always stand beside colours.

use super::{counted, drawing, grouped, words};
use crate::check::guarantee::{self, Claim};
use crate::check::verdict::{Contradiction, Finding, Undecided, Verdict, Violation, Why};
use crate::history::History;
use anstyle::{AnsiColor, Style};
use std::fmt::Write;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const OPEN: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();
/// The least width of a claim's name.
const NAME_MIN: usize = 14;
/// So many states are spelled; more are counted.
const STATES_MAX: usize = 3;
/// The most characters of a state.
const STATE_CHARS_MAX: usize = 48;
/// So many undecided objects are listed; more are counted.
const OPEN_MAX: usize = 5;

/// The verdict on every claim, with a counterexample for each violation. Contains ANSI colours; the stream that prints
/// it strips them where they are not wanted.
#[must_use]
pub fn findings(history: &History, findings: &[Finding]) -> String {
    let mut out = String::new();
    let width = findings.iter().map(|finding| finding.claim.name().len()).max().unwrap_or(0).max(NAME_MIN);
    for finding in findings {
        line(&mut out, history, finding, width);
    }
    for finding in findings {
        match &finding.verdict {
            Verdict::Violated(violation) if !matches!(violation.kind, Contradiction::Implied { .. }) => {
                why(&mut out, history, finding, violation);
            }
            Verdict::Undecided(undecided) => open(&mut out, history, undecided),
            // A violation that a weaker claim implies is shown there.
            Verdict::Violated(_) | Verdict::Holds(_) => {}
        }
    }
    out
}

/// What all claims come to: the strongest that are not violated, the weakest that are, and what is open.
#[must_use]
pub fn summary(findings: &[Finding]) -> String {
    let of = |wanted: fn(&Verdict) -> bool| -> Vec<Claim> {
        findings.iter().filter(|finding| wanted(&finding.verdict)).map(|finding| finding.claim).collect()
    };
    let held = guarantee::strongest(&of(|verdict| matches!(verdict, Verdict::Holds(_))));
    let broken = guarantee::weakest(&of(|verdict| matches!(verdict, Verdict::Violated(_))));
    let open = of(|verdict| matches!(verdict, Verdict::Undecided(_)));
    let names = |claims: &[Claim]| {
        let names: Vec<&str> = claims.iter().map(|claim| claim.name()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let mut out = format!("strongest not violated: {}\n", names(&held));
    let _ = writeln!(out, "weakest violated: {}", names(&broken));
    if !open.is_empty() {
        let _ = writeln!(out, "undecided: {}", names(&open));
    }
    out
}

/// The line of a run that tested too little to say anything good.
#[must_use]
pub fn vacuous(why: &str) -> String {
    format!("{OPEN}∅ VACUOUS{OPEN:#}  {why}\n")
}

/// The line of a demand on how the system served.
#[must_use]
pub fn threshold(threshold: &str, measured: &str, met: bool) -> String {
    if met {
        format!("{GOOD}✓ {threshold:<14}{GOOD:#} {measured}\n")
    } else {
        format!("{BAD}✗ {threshold:<14} BROKEN{BAD:#}        {measured}\n")
    }
}

fn line(out: &mut String, history: &History, finding: &Finding, width: usize) {
    let name = finding.claim.name();
    let exposure = exposure(finding);
    let _ = match &finding.verdict {
        Verdict::Holds(_) => writeln!(out, "{GOOD}✓ {name:<width$}{GOOD:#} not violated  {exposure}"),
        Verdict::Violated(violation) => {
            let why = match violation.kind {
                Contradiction::Implied { by } => format!("since {} is", by.name()),
                _ => format!("{}{exposure}", headline(history, finding, violation)),
            };
            writeln!(out, "{BAD}✗ {name:<width$} VIOLATED{BAD:#}      {why}")
        }
        Verdict::Undecided(undecided) => {
            let why = &undecided.why;
            writeln!(out, "{OPEN}? {name:<width$} UNDECIDED{OPEN:#}     {why}; {exposure}")
        }
    };
    for assumption in &finding.assumptions {
        let _ = writeln!(out, "{DIM}  assuming {assumption}{DIM:#}");
    }
}

fn exposure(finding: &Finding) -> String {
    let implied = |name: &str| guarantee::find(name).is_some_and(|claim| claim.implies(finding.claim));
    if let [(by, _)] = finding.decided_by[..]
        && implied(by)
    {
        return format!("since {by} is not");
    }
    let operations = counted(finding.operations as u64, "operation");
    let objects = counted(finding.objects as u64, "object");
    let model = finding.model.map_or(String::new(), |model| format!(" · {model}"));
    let by: Vec<String> = finding.decided_by.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let by = if by.is_empty() { String::new() } else { format!(" · by {}", by.join(", ")) };
    format!("{operations} on {objects}{model}{by}")
}

fn headline(history: &History, finding: &Finding, violation: &Violation) -> String {
    let more = violation.keys.len().saturating_sub(1);
    match words::key_name(history, violation.key) {
        None => String::new(),
        Some(key) if more == 0 => format!("{key} · "),
        Some(key) => format!("{key} (and {} more of {}) · ", grouped(more as u64), grouped(finding.objects as u64)),
    }
}

fn why(out: &mut String, history: &History, finding: &Finding, violation: &Violation) {
    let count = violation.core.len();
    let operations = counted(count as u64, "operation");
    let key = words::key_name(history, violation.key).map_or(String::new(), |key| format!(", {key}"));
    let _ = writeln!(out, "\nwhy not {} ({operations}{key})", finding.claim.name());
    for line in words::counterexample(history, violation) {
        let _ = writeln!(out, "  {line}");
    }
    // A picture shows time, which only these are about.
    if matches!(violation.kind, Contradiction::NoOrder | Contradiction::LostAcknowledged { .. }) {
        for line in drawing::timeline(history, &words::cast(violation)) {
            let _ = writeln!(out, "{DIM}  {line}{DIM:#}");
        }
    }
    if violation.before > 0 {
        let states: Vec<String> = violation.states.iter().take(STATES_MAX).map(|state| shortened(state)).collect();
        let more = violation.states.len() - states.len();
        let more = if more > 0 { format!(" or {more} more") } else { String::new() };
        let before = counted(violation.before as u64, "operation");
        let leave = if violation.before == 1 { "leaves" } else { "leave" };
        let _ = writeln!(out, "  The {before} before {leave} the object at {}{more}.", states.join(" or "));
    }
    if let Some(stuck) = violation.stuck {
        let at = history.operation(stuck.at);
        let _ = writeln!(
            out,
            "{DIM}  {} of the object before it {} a legal order; the one of line {} cannot be added{DIM:#}",
            counted(stuck.explained as u64, "operation"),
            if stuck.explained == 1 { "has" } else { "have" },
            at.line()
        );
    }
    let smallest = if violation.minimal { "smallest set found" } else { "not yet the smallest set (the budget ended)" };
    let verified =
        if violation.verified { "verified by an independent check" } else { "too large for the independent check" };
    let _ = writeln!(
        out,
        "{DIM}  {smallest}: {count} of {} · {verified}{DIM:#}",
        counted(finding.operations as u64, "operation")
    );
}

/// The end of a long state: what was appended last matters most.
fn shortened(state: &str) -> String {
    let length = state.chars().count();
    if length <= STATE_CHARS_MAX {
        state.to_owned()
    } else {
        format!("…{}", state.chars().skip(length - STATE_CHARS_MAX).collect::<String>())
    }
}

fn open(out: &mut String, history: &History, undecided: &Undecided) {
    if !undecided.open.is_empty() {
        let _ = writeln!(
            out,
            "\n{} decided, {} open:",
            counted(undecided.decided as u64, "object"),
            grouped(undecided.open.len() as u64)
        );
    }
    for object in undecided.open.iter().take(OPEN_MAX) {
        let key = words::key_name(history, object.key).unwrap_or_else(|| "the object".into());
        let _ = writeln!(
            out,
            "  {key}: {}, {} of unknown outcome, {} at once; explained up to operation {}",
            counted(object.operations as u64, "operation"),
            grouped(object.indeterminate as u64),
            object.overlap,
            grouped(object.explained as u64)
        );
    }
    if undecided.open.len() > OPEN_MAX {
        let _ = writeln!(out, "  and {} more", undecided.open.len() - OPEN_MAX);
    }
    if matches!(undecided.why, Why::Stopped(_)) {
        let _ = writeln!(
            out,
            "  try: a larger --budget (such as 10m,8GiB) · or record unique values, fewer operations per key, shorter time-outs"
        );
    }
}
