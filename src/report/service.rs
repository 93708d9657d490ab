//! How well a system served while it was hurt: availability, outages, recovery and latency, inside and outside faults.
//!
//! An operation is *served* when it completed or was rejected with an answer (`mismatch`); a refusal, a timeout and an
//! unknown outcome are not. One that was tried again counts once, from its first call to the answer of its last attempt.
//! It belongs to the phase in which it was called. Under a partition, attempts of clients of the majority and of the
//! minority are told apart by the node that answered or was asked. Reads of the final state do not count. Every figure is of this
//! one recorder's clients.

use super::sides::{Partitions, Side};
use crate::history::fault_windows::{FaultWindow, fault_windows, work_ended};
use crate::history::requests::{Request, requests};
use crate::history::{History, Nanos, Operation, Outcome};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// The error of an attempt that was not sent.
const REFUSED_BY_BREAKER: &str = "circuit breaker open";
/// The error of an operation that was answered with a no.
const MISMATCH: &str = "mismatch";
/// So is that of a lock that somebody has.
const HELD: &str = "held";
/// The step in which recovery is looked for.
const STEP: u64 = 100_000_000;
/// How many steps must be well served in a row.
const STEPS_WELL: usize = 10;
/// Of a hundred operations so many must be served for the system to have recovered.
const WELL_PERCENT: u64 = 99;
const HOUR_US: u64 = 3_600_000_000;

/// One phase: inside or outside faults.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Operations called in it.
    pub called: u64,
    /// Those of them that were served.
    pub served: u64,
    /// Latencies of the served, in microseconds.
    pub latency_us: Histogram<u64>,
}

/// How a system served during a run.
#[derive(Clone, Debug)]
pub struct Service {
    /// Outside faults.
    pub outside: Phase,
    /// Inside them.
    pub inside: Phase,
    /// Under partitions, attempts at nodes of the majority.
    pub majority: Phase,
    /// Under partitions, attempts at nodes of the minority.
    pub minority: Phase,
    /// Under partitions, attempts at a node that nobody knows: no connection could be opened.
    pub unplaced: u64,
    /// What was sent for all operations: each at least once.
    pub attempts: u64,
    /// Operations with more than one attempt.
    pub retried: u64,
    /// Those of them that were served.
    pub retried_served: u64,
    /// How many faults acted.
    pub faults: usize,
    /// The longest time in which no operation was served.
    pub outage: Duration,
    /// The longest time from the end of a fault to the first second in which 99 % of the operations called are served;
    /// `None` if there was no fault, or a fault after which the history holds no such second.
    pub recovery: Option<Duration>,
}

impl Phase {
    fn new() -> Self {
        Self { called: 0, served: 0, latency_us: Histogram::new_with_max(HOUR_US, 3).expect("the bounds are in range") }
    }

    fn count(&mut self, answered: &Answered<'_>) {
        self.called += 1;
        if let Some(at) = answered.served {
            self.latency_us.saturating_record(at.0.saturating_sub(answered.called.0) / 1_000);
            self.served += 1;
        }
    }

    /// The share of its operations that were served; 1 if there were none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share is shown with three digits")]
    pub fn availability(&self) -> f64 {
        if self.called == 0 { 1.0 } else { self.served as f64 / self.called as f64 }
    }
}

/// What became of one request, or of one attempt at it.
struct Answered<'h> {
    called: Nanos,
    /// When, if it was served.
    served: Option<Nanos>,
    /// The node that answered or was asked; empty if nobody knows.
    node: &'h str,
    attempts: u32,
}

impl<'h> Answered<'h> {
    fn of(history: &'h History, Request { first, last, attempts }: Request) -> Self {
        let (first, last) = (history.operation(first), history.operation(last));
        Self { called: first.call_time(), attempts, ..Self::to_one_attempt(&last) }
    }

    fn to_one_attempt(attempt: &Operation<'h>) -> Self {
        let returned = attempt.return_time();
        let served = (is_served(attempt) && returned != Nanos::UNKNOWN).then_some(returned);
        Self { called: attempt.call_time(), served, node: attempt.node(), attempts: 1 }
    }
}

impl Service {
    /// Measures a history with times; `None` without.
    #[must_use]
    pub fn of(history: &History) -> Option<Self> {
        let mut windows = fault_windows(history);
        windows.retain(|window| window.idle.is_none());
        let partitions = Partitions::of(history, &windows);
        let ended = work_ended(history).unwrap_or(Nanos(u64::MAX));
        let mut service = Self::nothing(windows.len());
        let (mut served_at, mut steps, mut last) = (Vec::new(), Vec::<(u64, u64)>::new(), 0);
        for request in requests(history) {
            let answered = Answered::of(history, request);
            if answered.called >= ended {
                continue;
            }
            let step = usize::try_from(answered.called.0 / STEP).ok()?;
            if steps.len() <= step {
                steps.resize(step + 1, (0, 0));
            }
            steps[step].0 += 1;
            last = last.max(answered.called.0);
            if let Some(at) = answered.served {
                steps[step].1 += 1;
                served_at.push(at.0);
            }
            let inside = windows.iter().any(|window| window.holds(answered.called));
            service.count(&answered, inside);
        }
        // By attempts: whoever is stuck asks once and tries again while the partition lasts.
        // What an open breaker refuses is not asked of anybody.
        let asked = |attempt: &Operation<'_>| attempt.call_time() < ended && attempt.error() != REFUSED_BY_BREAKER;
        for attempt in history.operations().filter(asked) {
            service.count_side(&Answered::to_one_attempt(&attempt), &partitions);
        }
        if service.outside.called + service.inside.called == 0 {
            return None;
        }
        service.outage = outage(served_at, if ended == Nanos(u64::MAX) { last } else { ended.0 });
        let recovery = windows.iter().map(|window| recovery(window, &steps)).collect::<Option<Vec<_>>>();
        service.recovery = recovery.and_then(|each| each.into_iter().max());
        Some(service)
    }

    fn nothing(faults: usize) -> Self {
        Self {
            outside: Phase::new(),
            inside: Phase::new(),
            majority: Phase::new(),
            minority: Phase::new(),
            unplaced: 0,
            attempts: 0,
            retried: 0,
            retried_served: 0,
            faults,
            outage: Duration::ZERO,
            recovery: None,
        }
    }

    fn count(&mut self, answered: &Answered<'_>, inside: bool) {
        if inside { &mut self.inside } else { &mut self.outside }.count(answered);
        self.attempts += u64::from(answered.attempts);
        if answered.attempts > 1 {
            self.retried += 1;
            self.retried_served += u64::from(answered.served.is_some());
        }
    }

    fn count_side(&mut self, answered: &Answered<'_>, partitions: &Partitions<'_>) {
        if !partitions.acts(answered.called) {
            return;
        }
        match answered.node {
            "" => self.unplaced += 1,
            node => match partitions.side(node, answered.called) {
                Side::Majority => self.majority.count(answered),
                Side::Minority => self.minority.count(answered),
            },
        }
    }

    /// All operations together.
    #[must_use]
    pub fn whole(&self) -> Phase {
        let mut whole = self.outside.clone();
        whole.called += self.inside.called;
        whole.served += self.inside.served;
        whole.latency_us.add(&self.inside.latency_us).expect("the histograms are alike");
        whole
    }

    /// For people, a few lines.
    #[must_use]
    pub fn text(&self) -> String {
        let recovery = self.recovery.map_or("not seen".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
        let mut out = format!(
            "  served     {} outside faults · {} inside · longest outage {:.1} s · recovery {recovery}\n",
            share(&self.outside),
            share(&self.inside),
            self.outage.as_secs_f64(),
        );
        if self.majority.called + self.minority.called + self.unplaced > 0 {
            let unplaced = match self.unplaced {
                0 => String::new(),
                unplaced => format!(" · {} at no known node", super::grouped(unplaced)),
            };
            let (majority, minority) = (share(&self.majority), share(&self.minority));
            let _ = writeln!(out, "  sides      majority {majority} · minority {minority}{unplaced}");
        }
        if self.retried > 0 {
            let [attempts, retried, served] = [self.attempts, self.retried, self.retried_served].map(super::grouped);
            let operations = super::counted(self.whole().called, "operation");
            let _ = writeln!(
                out,
                "  attempts   {attempts} for {operations} · {retried} tried again, {served} of them served"
            );
        }
        for (name, phase) in [("outside", &self.outside), ("inside", &self.inside)] {
            if phase.served > 0 {
                let _ = writeln!(out, "  latency    {name:<7} {}", latencies(phase));
            }
        }
        out
    }

    /// For scripts.
    #[must_use]
    pub fn wire(&self) -> ServiceWire {
        ServiceWire {
            faults: self.faults,
            operations: self.outside.called + self.inside.called,
            attempts: self.attempts,
            retried: self.retried,
            retried_served: self.retried_served,
            sides: (self.majority.called + self.minority.called + self.unplaced > 0).then(|| SidesWire {
                majority: phase_wire(&self.majority),
                minority: phase_wire(&self.minority),
                unplaced: self.unplaced,
            }),
            outside: phase_wire(&self.outside),
            inside: phase_wire(&self.inside),
            longest_outage_ms: milliseconds(self.outage),
            recovery_ms: self.recovery.map(milliseconds),
        }
    }
}

/// A [`Service`] as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceWire {
    faults: usize,
    operations: u64,
    attempts: u64,
    retried: u64,
    retried_served: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sides: Option<SidesWire>,
    outside: PhaseWire,
    inside: PhaseWire,
    longest_outage_ms: u64,
    recovery_ms: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
struct SidesWire {
    majority: PhaseWire,
    minority: PhaseWire,
    unplaced: u64,
}

#[derive(Clone, Debug, Serialize)]
struct PhaseWire {
    called: u64,
    served: u64,
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
}

fn phase_wire(phase: &Phase) -> PhaseWire {
    let at = |quantile| phase.latency_us.value_at_quantile(quantile);
    PhaseWire { called: phase.called, served: phase.served, p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0) }
}

fn is_served(operation: &Operation<'_>) -> bool {
    match operation.outcome() {
        Outcome::Completed => true,
        Outcome::Rejected => [MISMATCH, HELD].contains(&operation.error()),
        Outcome::Indeterminate => false,
    }
}

/// The longest time from the start, or from one served operation, to the next, or to the end.
fn outage(mut served_at: Vec<u64>, end: u64) -> Duration {
    served_at.extend([0, end]);
    served_at.sort_unstable();
    Duration::from_nanos(served_at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0))
}

/// How long after a fault the first well served second begins; `None` if the history holds none.
fn recovery(window: &FaultWindow, steps: &[(u64, u64)]) -> Option<Duration> {
    let stop = window.stop?.0;
    let first = usize::try_from(stop / STEP).ok()?;
    let is_well = |steps: &[(u64, u64)]| {
        let (called, served) = steps.iter().fold((0, 0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
        called > 0 && served * 100 >= called * WELL_PERCENT
    };
    let well = steps.get(first..)?.windows(STEPS_WELL).position(is_well)?;
    let begins = (first + well) as u64 * STEP;
    Some(Duration::from_nanos(begins.saturating_sub(stop)))
}

fn share(phase: &Phase) -> String {
    if phase.called == 0 {
        return "nothing asked".to_owned();
    }
    format!("{:.1} % of {}", phase.availability() * 100.0, super::grouped(phase.called))
}

#[expect(clippy::cast_precision_loss, reason = "for display only")]
fn latencies(phase: &Phase) -> String {
    let at = |quantile: f64| phase.latency_us.value_at_quantile(quantile) as f64 / 1e3;
    format!("p50 {:.2} ms · p99 {:.2} ms · p99.9 {:.2} ms · max {:.2} ms", at(0.5), at(0.99), at(0.999), at(1.0))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::formats::{self, ReadOptions};

    /// An operation every 100 ms for six seconds, each of 1 ms; refused from second 2 to 4, under a fault from 2 to 3.
    fn history() -> History {
        let mut text = "{\"consistory\":1}\n".to_owned();
        let line = |time: u64, rest: &str| format!("{{\"time\":{},{rest}}}\n", time * 1_000_000);
        let fault = |kind: &str| {
            format!("\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"kill-{kind}\",\"value\":{{\"acted\":true}}")
        };
        for tick in 0..60 {
            let time = tick * 100;
            if time == 2_000 {
                text += &line(time, &fault("start"));
            }
            if time == 3_000 {
                text += &line(time, &fault("stop"));
            }
            let end = if (2_000..4_000).contains(&time) { "fail" } else { "ok" };
            text += &line(time, "\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1");
            text += &line(time + 1, &format!("\"process\":0,\"type\":\"{end}\",\"f\":\"write\",\"value\":1"));
        }
        formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("well formed")
    }

    #[test]
    fn phases_outage_and_recovery_are_as_constructed() {
        let service = Service::of(&history()).expect("it has times");
        assert_eq!((service.outside.called, service.outside.served), (50, 40));
        assert_eq!((service.inside.called, service.inside.served), (10, 0));
        assert_eq!(service.outage, Duration::from_millis(2_100));
        assert_eq!(service.recovery, Some(Duration::from_secs(1)));
        assert_eq!(service.whole().latency_us.max(), 1_000);
    }

    #[test]
    fn what_never_serves_again_has_not_recovered() {
        let stop = Some(Nanos(STEP));
        let window =
            FaultWindow { name: "kill".into(), start: Nanos(0), stop, idle: None, step: None, cut: Vec::new() };
        assert_eq!(recovery(&window, &[(1, 0); 30]), None);
        assert_eq!(recovery(&window, &[(1, 1); 5]), None, "no whole second is left");
        assert_eq!(recovery(&window, &[(1, 1); 30]), Some(Duration::ZERO));
    }

    fn read(text: &str) -> Service {
        let history = formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("well formed");
        Service::of(&history).expect("it has times")
    }

    #[test]
    fn sides_of_a_partition_are_told_apart_by_who_answered_or_was_asked() {
        let mut text = r#"{"consistory":1,"topology":{"n1":"","n2":"","n3":""}}
{"time":0,"process":"nemesis","type":"info","f":"partition-start","value":{"acted":true,"cut":["n3→n1","n1→n3","n3→n2","n2→n3"]}}
"#
        .to_owned();
        let ends =
            [("ok", "n1"), ("ok", "n2"), ("fail", "n1"), ("info", "n3"), ("fail", "n3"), ("ok", "n3"), ("fail", "")];
        for (process, (end, node)) in ends.iter().enumerate() {
            for (time, kind, node) in [(10, "invoke", ""), (20, end, *node)] {
                let time = 100 * process + time;
                let _ = writeln!(
                    text,
                    "{{\"time\":{time},\"process\":{process},\"type\":\"{kind}\",\"f\":\"read\",\"node\":\"{node}\"}}"
                );
            }
        }
        let service = read(&text);
        assert_eq!((service.majority.called, service.majority.served), (3, 2));
        assert_eq!((service.minority.called, service.minority.served), (3, 1));
        assert_eq!((service.unplaced, service.inside.called), (1, 7));
    }

    #[test]
    fn an_operation_that_was_tried_again_counts_once_from_its_first_call_to_its_last_answer() {
        let service = read(
            r#"{"consistory":1}
{"time":1000000,"process":0,"type":"invoke","f":"write","value":1}
{"time":2000000,"process":0,"type":"info","f":"write","value":1}
{"time":4000000,"process":9,"type":"invoke","f":"write","value":1,"attempt":2,"previous":0}
{"time":6000000,"process":9,"type":"ok","f":"write","value":1}
{"time":7000000,"process":9,"type":"invoke","f":"write","value":2}
{"time":8000000,"process":9,"type":"fail","f":"write","value":2}
{"time":8500000,"process":9,"type":"invoke","f":"write","value":2,"attempt":2,"previous":9}
{"time":9000000,"process":9,"type":"fail","f":"write","value":2}
"#,
        );
        assert_eq!((service.outside.called, service.outside.served), (2, 1));
        assert_eq!((service.attempts, service.retried, service.retried_served), (4, 2, 1));
        assert!((4_990..=5_010).contains(&service.whole().latency_us.max()), "{}", service.whole().latency_us.max());
    }
}
