//! How far from linearizable a history is, for people and for scripts; and how long nodes took to agree.

use super::{counted, words};
use crate::check::convergent::Agreement;
use crate::check::staleness::{Bound, Reads, Staleness};
use crate::history::Nanos;
use serde::Serialize;
use std::fmt::Write;

/// What is proven of stale reads, a line or two; nothing where no read is stale and that was not asked for.
#[must_use]
pub fn text(staleness: &Staleness, asked: bool) -> String {
    let whole = staleness.whole();
    if !asked && whole.stale() == 0 && staleness.k.at_least == 1 {
        return String::new();
    }
    let mut out = format!("  staleness  {}", phase(&whole));
    let _ = match (staleness.k, staleness.delta) {
        (Bound { at_least: 1, exact: true }, _) => writeln!(out),
        (k, delta) => {
            let delta =
                delta.map_or(String::new(), |delta| format!(", Δ {}", relation(delta, |d| words::duration(d.0))));
            writeln!(out, " · k {}{delta}", relation(k, |k| k.to_string()))
        }
    };
    if staleness.inside.reads > 0 {
        let _ = writeln!(out, "             outside faults {}", phase(&staleness.outside));
        let _ = writeln!(out, "             inside faults  {}", phase(&staleness.inside));
    }
    for (reads, what) in [
        (staleness.unclear, "of values that several wrote"),
        (staleness.impossible, "of what nobody had written by then"),
    ] {
        if reads > 0 {
            let are = if reads == 1 { "is" } else { "are" };
            let _ = writeln!(out, "             {} {what} {are} left out", counted(reads, "read"));
        }
    }
    out
}

fn relation<T>(bound: Bound<T>, words: impl Fn(T) -> String) -> String {
    format!("{} {}", if bound.exact { "=" } else { "≥" }, words(bound.at_least))
}

fn phase(reads: &Reads) -> String {
    let of = format!("of {}", counted(reads.reads, "read"));
    if reads.stale() == 0 {
        return format!("0 % {of} are provably stale");
    }
    let behind = reads.behind_max().map_or(String::new(), |behind| format!(" and {}", words::duration(behind.0)));
    let versions = counted(u64::from(reads.versions_max()), "version");
    format!("{} {of} are provably stale, up to {versions}{behind} behind", percent(reads))
}

#[expect(clippy::cast_precision_loss, reason = "a share is shown with two digits")]
fn share(reads: &Reads) -> f64 {
    if reads.reads == 0 { 0.0 } else { reads.stale() as f64 / reads.reads as f64 }
}

fn percent(reads: &Reads) -> String {
    let percent = 100.0 * share(reads);
    if percent < 0.1 { format!("{percent:.4} %") } else { format!("{percent:.2} %") }
}

/// For scripts.
#[derive(Clone, Debug, Serialize)]
pub struct StalenessWire {
    reads: u64,
    stale: u64,
    share: f64,
    versions_max: u32,
    behind_ns_max: Option<u64>,
    k: BoundWire,
    delta_ns: Option<BoundWire>,
    unclear_reads: u64,
    impossible_reads: u64,
    phases: Vec<PhaseWire>,
}

#[derive(Clone, Debug, Serialize)]
struct BoundWire {
    at_least: u64,
    exact: bool,
}

#[derive(Clone, Debug, Serialize)]
struct PhaseWire {
    phase: &'static str,
    reads: u64,
    stale: u64,
    share: f64,
    versions: Vec<VersionsWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    behind_ns: Option<QuantilesWire>,
}

#[derive(Clone, Debug, Serialize)]
struct VersionsWire {
    behind: u32,
    reads: u64,
}

#[derive(Clone, Debug, Serialize)]
struct QuantilesWire {
    p50: u64,
    p90: u64,
    p99: u64,
    max: u64,
}

/// The measures as part of a document.
#[must_use]
pub fn wire(staleness: &Staleness) -> StalenessWire {
    let whole = staleness.whole();
    let delta = |delta: Bound<Nanos>| BoundWire { at_least: delta.at_least.0, exact: delta.exact };
    StalenessWire {
        reads: whole.reads,
        stale: whole.stale(),
        share: share(&whole),
        versions_max: whole.versions_max(),
        behind_ns_max: whole.behind_max().map(|behind| behind.0),
        k: BoundWire { at_least: staleness.k.at_least.into(), exact: staleness.k.exact },
        delta_ns: staleness.delta.map(delta),
        unclear_reads: staleness.unclear,
        impossible_reads: staleness.impossible,
        phases: [("outside", &staleness.outside), ("inside", &staleness.inside)]
            .into_iter()
            .filter(|(_, reads)| reads.reads > 0)
            .map(|(name, reads)| phase_wire(name, reads))
            .collect(),
    }
}

fn phase_wire(phase: &'static str, reads: &Reads) -> PhaseWire {
    // Of the stale reads alone, ascending.
    let quantile = |percent: usize| reads.behind[(reads.behind.len() * percent).div_ceil(100).max(1) - 1].0;
    let quantiles = || QuantilesWire { p50: quantile(50), p90: quantile(90), p99: quantile(99), max: quantile(100) };
    PhaseWire {
        phase,
        reads: reads.reads,
        stale: reads.stale(),
        share: share(reads),
        versions: reads.versions.iter().map(|(&behind, &reads)| VersionsWire { behind, reads }).collect(),
        behind_ns: (!reads.behind.is_empty()).then(quantiles),
    }
}

/// How long nodes took to agree, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AgreementWire {
    nodes: usize,
    keys: usize,
    within_ns: u64,
}

/// The same as part of a document.
#[must_use]
pub fn agreement_wire(agreement: Agreement) -> AgreementWire {
    AgreementWire { nodes: agreement.nodes, keys: agreement.keys, within_ns: agreement.within.0 }
}

/// How long nodes took to agree, one line.
#[must_use]
pub fn agreement_text(agreement: Agreement) -> String {
    let Agreement { nodes, keys, within } = agreement;
    let (nodes, keys) = (counted(nodes as u64, "node"), counted(keys as u64, "key"));
    format!("  agreement  {nodes} on {keys}, at most {} after the work and the last fault\n", words::duration(within.0))
}
