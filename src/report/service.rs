//! How well a system served while it was hurt: availability, outages, recovery and latency, inside and outside faults.
//!
//! An operation is *served* when it completed or was rejected with an answer (`mismatch`); a refusal, a timeout and an
//! unknown outcome are not. It belongs to the phase in which it was called. Reads of the final state do not count. Every
//! figure is of this one recorder's clients; how many of them a node had is not told apart.

use crate::history::fault_windows::{FaultWindow, fault_windows, work_ended};
use crate::history::{History, Nanos, Operation, Outcome};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// The error of an operation that was answered with a no.
const MISMATCH: &str = "mismatch";
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

    /// The share of its operations that were served; 1 if there were none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share is shown with three digits")]
    pub fn availability(&self) -> f64 {
        if self.called == 0 { 1.0 } else { self.served as f64 / self.called as f64 }
    }
}

impl Service {
    /// Measures a history with times; `None` without.
    #[must_use]
    pub fn of(history: &History) -> Option<Self> {
        let mut windows = fault_windows(history);
        windows.retain(|window| window.idle.is_none());
        let ended = work_ended(history).unwrap_or(Nanos(u64::MAX));
        let (mut outside, mut inside) = (Phase::new(), Phase::new());
        let (mut served_at, mut steps, mut last) = (Vec::new(), Vec::<(u64, u64)>::new(), 0);
        for operation in history.operations().filter(|operation| operation.call_time() < ended) {
            let called = operation.call_time();
            let phase = if windows.iter().any(|window| holds(window, called)) { &mut inside } else { &mut outside };
            let step = usize::try_from(called.0 / STEP).ok()?;
            if steps.len() <= step {
                steps.resize(step + 1, (0, 0));
            }
            phase.called += 1;
            steps[step].0 += 1;
            last = last.max(called.0);
            if is_served(&operation) && operation.return_time() != Nanos::UNKNOWN {
                let latency = operation.return_time().0.saturating_sub(called.0) / 1_000;
                phase.latency_us.saturating_record(latency);
                phase.served += 1;
                steps[step].1 += 1;
                served_at.push(operation.return_time().0);
            }
        }
        if outside.called + inside.called == 0 {
            return None;
        }
        let outage = outage(served_at, if ended == Nanos(u64::MAX) { last } else { ended.0 });
        let recovery = windows.iter().map(|window| recovery(window, &steps)).collect::<Option<Vec<_>>>();
        let recovery = recovery.and_then(|each| each.into_iter().max());
        Some(Self { outside, inside, faults: windows.len(), outage, recovery })
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

    /// For people, two lines.
    #[must_use]
    pub fn text(&self) -> String {
        let recovery = self.recovery.map_or("not seen".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
        let mut out = format!(
            "  served     {} outside faults · {} inside · longest outage {:.1} s · recovery {recovery}\n",
            share(&self.outside),
            share(&self.inside),
            self.outage.as_secs_f64(),
        );
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
    outside: PhaseWire,
    inside: PhaseWire,
    longest_outage_ms: u64,
    recovery_ms: Option<u64>,
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

fn holds(window: &FaultWindow, time: Nanos) -> bool {
    window.start <= time && window.stop.is_none_or(|stop| time < stop)
}

fn is_served(operation: &Operation<'_>) -> bool {
    match operation.outcome() {
        Outcome::Completed => true,
        Outcome::Rejected => operation.error() == MISMATCH,
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
        let window = FaultWindow { name: "kill".into(), start: Nanos(0), stop, idle: None, step: None };
        assert_eq!(recovery(&window, &[(1, 0); 30]), None);
        assert_eq!(recovery(&window, &[(1, 1); 5]), None, "no whole second is left");
        assert_eq!(recovery(&window, &[(1, 1); 30]), Some(Duration::ZERO));
    }
}
