//! When which fault strikes: warm-up, fault, heal, repeated; or at exact times. One fault at a time.
//!
//! The schedule is made before anything is started, so that it can be printed, stored in the history and refused. Which
//! nodes a drawn or a leading target means is decided when the fault strikes, by the seed and by who leads then.

use super::Fault;
use super::means::Means;
use super::target::Target;
use std::fmt;
use std::time::Duration;

/// What the user asked for.
#[derive(Clone)]
pub struct Wish {
    /// The fault.
    pub fault: &'static dyn Fault,
    /// Whom it strikes.
    pub target: Target,
    /// When exactly, since the first operation.
    pub at: Option<Duration>,
    /// For how long, if not as long as the others.
    pub length: Option<Duration>,
}

/// The pace of faults without exact times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Before the first fault.
    pub warm_up: Duration,
    /// How long a fault lasts.
    pub length: Duration,
    /// From the end of one to the next, or to the end of the run.
    pub calm: Duration,
}

/// One fault, from its strike to its healing.
#[derive(Clone)]
pub struct Step {
    /// The fault.
    pub fault: &'static dyn Fault,
    /// Whom it strikes.
    pub target: Target,
    /// When it strikes, since the first operation.
    pub start: Duration,
    /// When it is healed.
    pub end: Duration,
}

/// The faults of a run, in order and apart from each other.
#[derive(Clone, Debug, Default)]
pub struct Schedule(Vec<Step>);

/// A schedule that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// Some faults have exact times and others have none.
    #[error("either every fault has an exact time, or none")]
    Mixed,
    /// Two faults would act at once.
    #[error("{second} would strike while {first} still acts")]
    Overlap {
        /// The earlier.
        first: String,
        /// The later.
        second: String,
    },
    /// The run is too short.
    #[error("the run ends after {time:?}, before {step} would be healed")]
    TooShort {
        /// The fault.
        step: String,
        /// How long the run lasts.
        time: Duration,
    },
}

impl Schedule {
    /// Plans the wishes for a run of `time`, over and over; or each once, if no time is given or the times are exact.
    /// Returns how long the run lasts, too.
    ///
    /// # Errors
    /// See [`Impossible`].
    pub fn plan(wishes: &[Wish], rhythm: Rhythm, time: Option<Duration>) -> Result<(Self, Duration), Impossible> {
        let exact = wishes.iter().filter(|wish| wish.at.is_some()).count();
        if exact != 0 && exact != wishes.len() {
            return Err(Impossible::Mixed);
        }
        let steps = if exact > 0 { at_exact_times(wishes, rhythm) } else { in_rhythm(wishes, rhythm, time) };
        let needed = steps.last().map_or(rhythm.warm_up, |step| step.end) + rhythm.calm;
        let time = time.unwrap_or(needed);
        for pair in steps.windows(2) {
            if pair[1].start < pair[0].end {
                return Err(Impossible::Overlap { first: pair[0].to_string(), second: pair[1].to_string() });
            }
        }
        match steps.iter().find(|step| step.end > time) {
            Some(step) => Err(Impossible::TooShort { step: step.to_string(), time }),
            None => Ok((Self(steps), time)),
        }
    }

    /// The faults in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether some fault acts by those means.
    #[must_use]
    pub fn needs(&self, means: Means) -> bool {
        self.0.iter().any(|step| step.fault.means() == means)
    }
}

fn at_exact_times(wishes: &[Wish], rhythm: Rhythm) -> Vec<Step> {
    let step = |wish: &Wish| {
        let start = wish.at.unwrap_or_default();
        Step {
            fault: wish.fault,
            target: wish.target.clone(),
            start,
            end: start + wish.length.unwrap_or(rhythm.length),
        }
    };
    let mut steps: Vec<_> = wishes.iter().map(step).collect();
    steps.sort_by_key(|step| step.start);
    steps
}

/// One after the other, the first at least once; another round as long as the time lasts.
fn in_rhythm(wishes: &[Wish], rhythm: Rhythm, time: Option<Duration>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut start = rhythm.warm_up;
    for wish in wishes.iter().cycle() {
        let end = start + wish.length.unwrap_or(rhythm.length);
        let enough = match time {
            None => steps.len() == wishes.len(),
            Some(time) => !steps.is_empty() && end + rhythm.calm > time,
        };
        if enough || end == start && steps.len() >= wishes.len() {
            break;
        }
        steps.push(Step { fault: wish.fault, target: wish.target.clone(), start, end });
        start = end + rhythm.calm;
    }
    steps
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = (self.end.saturating_sub(self.start)).as_secs_f64();
        write!(f, "{}:{}@{}s+{length}s", self.fault.info().name, self.target, self.start.as_secs_f64())
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Schedule {
    /// As exact times, so that the same can be asked for again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            write!(f, "{}{step}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::faults::find;

    const RHYTHM: Rhythm =
        Rhythm { warm_up: Duration::from_secs(2), length: Duration::from_secs(4), calm: Duration::from_secs(3) };

    fn wish(fault: &str, at: Option<u64>) -> Wish {
        let target = Target::parse(find(fault).expect("a fault").info().target).expect("a target");
        let (fault, at) = (find(fault).expect("a fault"), at.map(Duration::from_secs));
        Wish { fault, target, at, length: None }
    }

    fn plan(wishes: &[Wish], time: Option<u64>) -> Result<(String, u64), Impossible> {
        let planned = Schedule::plan(wishes, RHYTHM, time.map(Duration::from_secs));
        planned.map(|(schedule, time)| (schedule.to_string(), time.as_secs()))
    }

    #[test]
    fn without_a_time_each_fault_strikes_once_and_calm_follows() {
        let planned = plan(&[wish("kill", None), wish("pause", None)], None);
        assert_eq!(planned, Ok(("kill:random@2s+4s,pause:random@9s+4s".into(), 16)));
    }

    #[test]
    fn faults_are_repeated_as_long_as_each_can_heal_and_calm_can_follow() {
        let planned = plan(&[wish("kill", None), wish("pause", None)], Some(24));
        assert_eq!(planned, Ok(("kill:random@2s+4s,pause:random@9s+4s,kill:random@16s+4s".into(), 24)));
    }

    #[test]
    fn exact_times_are_kept_in_order() {
        let planned = plan(&[wish("pause", Some(9)), wish("kill", Some(1))], None);
        assert_eq!(planned, Ok(("kill:random@1s+4s,pause:random@9s+4s".into(), 16)));
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        assert_eq!(plan(&[wish("kill", Some(1)), wish("pause", None)], None), Err(Impossible::Mixed));
        let overlap = plan(&[wish("kill", Some(1)), wish("pause", Some(4))], None);
        assert!(matches!(overlap, Err(Impossible::Overlap { .. })), "{overlap:?}");
        let short = plan(&[wish("kill", None)], Some(5));
        assert!(matches!(short, Err(Impossible::TooShort { .. })), "{short:?}");
    }

    #[test]
    fn faults_of_no_length_do_not_repeat_for_ever() {
        let rhythm = Rhythm { length: Duration::ZERO, calm: Duration::ZERO, ..RHYTHM };
        let (schedule, _) =
            Schedule::plan(&[wish("restart", None)], rhythm, Some(Duration::from_secs(9))).expect("fits");
        assert_eq!(schedule.steps().len(), 1);
    }
}
