//! Demands on how well a system served, such as `p99<50ms,fail_rate<1%,recovery<5s`, and on what it kept of additions to
//! sets, such as `lost=0`: a broken one is exit code 3.

use super::values;
use crate::check::invariants::additions::Additions;
use crate::report::json::ThresholdWire;
use crate::report::service::Service;
use std::fmt;
use std::time::Duration;

/// One demand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Threshold {
    text: String,
    measure: Measure,
    limit: f64,
}

/// What is measured; times in seconds, shares from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    /// Latency of the served at a quantile.
    Latency(f64),
    /// The share that was not served.
    FailRate,
    /// The share that was served.
    Availability,
    Recovery,
    Outage,
    /// Served within this time, plus half of those within four times that, of all.
    Apdex(Duration),
    /// So many elements.
    Count(Element),
}

/// Which elements are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Element {
    Lost,
    Resurrected,
    Duplicated,
    UnknownPresent,
}

/// What a demand amounted to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) threshold: String,
    /// What was measured, in words.
    pub(super) measured: String,
    pub(super) met: bool,
}

impl Outcome {
    /// For scripts.
    pub(super) fn wire(&self) -> ThresholdWire {
        ThresholdWire { threshold: self.threshold.clone(), measured: self.measured.clone(), met: self.met }
    }
}

/// Reads `NAME<LIMIT`, `NAME>LIMIT` or, of counts, `NAME=LIMIT`.
pub(super) fn threshold(text: &str) -> Result<Threshold, String> {
    const KNOWN: &str = "p50, p90, p99, p999, max, recovery, outage, fail_rate (all <), availability, apdex(TIME) (both >), lost, \
                         resurrected, duplicated, unknown_present (= or <)";
    let at = text
        .find(['<', '>', '='])
        .ok_or_else(|| format!("'{text}' compares nothing; write p99<50ms or availability>90%"))?;
    let (name, limit) = (&text[..at], &text[at + 1..]);
    let measure = match name {
        "p50" => Measure::Latency(0.5),
        "p90" => Measure::Latency(0.9),
        "p99" => Measure::Latency(0.99),
        "p999" => Measure::Latency(0.999),
        "max" => Measure::Latency(1.0),
        "fail_rate" => Measure::FailRate,
        "availability" => Measure::Availability,
        "recovery" => Measure::Recovery,
        "outage" => Measure::Outage,
        "lost" => Measure::Count(Element::Lost),
        "resurrected" => Measure::Count(Element::Resurrected),
        "duplicated" => Measure::Count(Element::Duplicated),
        "unknown_present" => Measure::Count(Element::UnknownPresent),
        _ => match name.strip_prefix("apdex(").and_then(|rest| rest.strip_suffix(')')) {
            Some(time) => Measure::Apdex(values::duration(time)?),
            None => return Err(format!("there is no measure '{name}'; there are: {KNOWN}")),
        },
    };
    let limit = match measure {
        // So many are the most: one less than what it must stay below.
        Measure::Count(_) if text[at..].starts_with('=') => f64::from(count(limit)?) + 1.0,
        Measure::Count(_) => count(limit)?.into(),
        _ if measure.is_share() => share(limit)?,
        _ => values::duration(limit)?.as_secs_f64(),
    };
    let equals = text[at..].starts_with('=');
    if equals && (!matches!(measure, Measure::Count(_)) || limit > 1.0) {
        return Err(format!("'{text}': only lost, resurrected, duplicated and unknown_present can be = 0"));
    }
    if !equals && text[at..].starts_with('<') != measure.is_bad_when_large() {
        return Err(format!("'{text}' demands the worse; there are: {KNOWN}"));
    }
    Ok(Threshold { text: text.to_owned(), measure, limit })
}

/// A number of elements.
fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("'{text}' is no number of elements; write 0"))
}

/// `1%` or `0.01`.
fn share(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.parse::<f64>().ok();
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text),
    };
    share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| format!("'{text}' is no share; write 1% or 0.01"))
}

impl Measure {
    fn is_bad_when_large(self) -> bool {
        !matches!(self, Self::Availability | Self::Apdex(_))
    }

    fn is_share(self) -> bool {
        matches!(self, Self::FailRate | Self::Availability | Self::Apdex(_))
    }

    /// What it is; `None` if it was not seen.
    #[expect(clippy::cast_precision_loss, reason = "counts are shown as they are up to 2^53")]
    fn of(self, service: Option<&Service>, additions: Option<&Additions>) -> Option<f64> {
        match self {
            Self::Count(element) => additions.map(|additions| element.of(additions) as f64),
            of_service => of_service.in_service(service?),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "latencies are shown with three digits")]
    fn in_service(self, service: &Service) -> Option<f64> {
        let whole = service.whole();
        match self {
            Self::Latency(_) if whole.served == 0 => None,
            Self::Latency(quantile) => Some(whole.latency_us.value_at_quantile(quantile) as f64 / 1e6),
            Self::FailRate => Some(1.0 - whole.availability()),
            Self::Availability => Some(whole.availability()),
            Self::Outage => Some(service.outage.as_secs_f64()),
            Self::Recovery if service.faults == 0 => Some(0.0),
            Self::Recovery => service.recovery.map(|time| time.as_secs_f64()),
            Self::Apdex(time) => {
                let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                let within = |limit| whole.latency_us.count_between(0, limit) as f64;
                let good = f64::midpoint(within(micros), within(micros.saturating_mul(4)));
                Some(good / whole.called.max(1) as f64)
            }
            // Is no matter of the service.
            Self::Count(_) => None,
        }
    }
}

impl Element {
    fn of(self, additions: &Additions) -> u64 {
        match self {
            Self::Lost => additions.lost,
            Self::Resurrected => additions.resurrected,
            Self::Duplicated => additions.duplicated,
            Self::UnknownPresent => additions.unknown_present,
        }
    }
}

impl Threshold {
    /// Holds it against what was measured. What was not seen does not meet a demand.
    pub(super) fn judge(&self, service: Option<&Service>, additions: Option<&Additions>) -> Outcome {
        let measured = self.measure.of(service, additions);
        let met = measured.is_some_and(|value| {
            if self.measure.is_bad_when_large() { value < self.limit } else { value > self.limit }
        });
        let in_words = |value: f64| match self.measure {
            Measure::Count(_) => format!("{value}"),
            _ if self.measure.is_share() => format!("{:.2} %", value * 100.0),
            _ => format!("{:.1} ms", value * 1e3),
        };
        Outcome { threshold: self.text.clone(), measured: measured.map_or("not seen".to_owned(), in_words), met }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::formats::{self, ReadOptions};
    use std::fmt::Write;

    /// Ten operations of 10 ms, one of which fails.
    fn service() -> Service {
        let mut text = "{\"consistory\":1}\n".to_owned();
        for operation in 0..10u64 {
            let end = if operation == 0 { "fail" } else { "ok" };
            for (phase, time) in [("invoke", 0), (end, 10_000_000)] {
                let time = operation * 20_000_000 + time;
                let event = format!("\"type\":\"{phase}\",\"f\":\"write\",\"value\":1");
                let _ = writeln!(text, "{{\"process\":0,\"time\":{time},{event}}}");
            }
        }
        let history = formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("well formed");
        Service::of(&history).expect("it has times")
    }

    #[test]
    fn a_demand_is_met_or_not_as_measured() {
        for (text, met) in [
            ("p99<11ms", true),
            ("p99<9ms", false),
            ("fail_rate<11%", true),
            ("fail_rate<0.09", false),
            ("availability>89%", true),
            ("availability>91%", false),
            ("outage<31ms", true),
            ("outage<29ms", false),
            ("recovery<1ms", true),
            ("apdex(11ms)>0.89", true),
            ("apdex(11ms)>0.91", false),
            ("apdex(5ms)>0.46", false),
        ] {
            let outcome = threshold(text).expect("a threshold").judge(Some(&service()), None);
            assert_eq!(outcome.met, met, "{text}: {}", outcome.measured);
        }
    }

    #[test]
    fn counts_of_elements_are_demanded_to_be_none_or_few() {
        let additions = Additions { acknowledged: 9, lost: 2, unknown_present: 1, ..Additions::default() };
        for (text, met) in [
            ("lost=0", false),
            ("lost<2", false),
            ("lost<3", true),
            ("resurrected=0", true),
            ("duplicated=0", true),
            ("unknown_present=0", false),
        ] {
            let outcome = threshold(text).expect("a threshold").judge(None, Some(&additions));
            assert_eq!(outcome.met, met, "{text}: {}", outcome.measured);
            assert_eq!(threshold(text).expect("a threshold").judge(None, None).measured, "not seen");
        }
        for text in ["lost=5", "p99=0", "lost>1", "lost=-1", "lost"] {
            assert!(threshold(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_demand_is_refused_with_what_there_is() {
        for text in ["p99", "p98<1s", "p99>1s", "availability<90%", "fail_rate<200%", "p99<fast"] {
            assert!(threshold(text).is_err(), "{text}");
        }
    }
}
