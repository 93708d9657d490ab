//! When which fault strikes: warm-up, fault, heal, repeated; or at exact times. Faults may overlap, where neither would
//! undo what the other does.
//!
//! The schedule is made before anything is started, so that it can be printed, stored in the history and refused. Which
//! nodes a drawn or a leading target means is decided when the fault strikes, by the seed and by who leads then.

use super::Fault;
use super::need::Need;
use super::target::Target;
use std::collections::BTreeMap;
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

/// What strikes at the same time.
#[derive(Clone)]
pub struct Volley(pub Vec<Wish>);

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

/// The faults of a run, in the order in which they strike.
#[derive(Clone, Debug, Default)]
pub struct Schedule(Vec<Step>);

/// A schedule that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// Some faults have exact times and others have none.
    #[error("either every fault has an exact time, or none")]
    Mixed,
    /// Two faults would act at once on the same of one node.
    #[error("{second} would strike while {first} still acts, and both act on the {what} of a node that they share")]
    Overlap {
        /// What both act on.
        what: &'static str,
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
    pub fn plan(volleys: &[Volley], rhythm: Rhythm, time: Option<Duration>) -> Result<(Self, Duration), Impossible> {
        let wishes = || volleys.iter().flat_map(|volley| &volley.0);
        let exact = wishes().filter(|wish| wish.at.is_some()).count();
        if exact != 0 && exact != wishes().count() {
            return Err(Impossible::Mixed);
        }
        let steps = if exact > 0 { at_exact_times(wishes(), rhythm) } else { in_rhythm(volleys, rhythm, time) };
        let needed = steps.iter().map(|step| step.end).max().unwrap_or(rhythm.warm_up) + rhythm.calm;
        let time = time.unwrap_or(needed);
        for (place, second) in steps.iter().enumerate() {
            if let Some(first) = steps[..place].iter().find(|first| first.tramples_on(second)) {
                let what = first.fault.holds();
                return Err(Impossible::Overlap { what, first: first.to_string(), second: second.to_string() });
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

    /// What its faults are set to besides what their words say, each once, by name.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<&'static str, String> {
        self.0.iter().flat_map(|step| step.fault.settings()).collect()
    }

    /// Whether some fault needs that.
    #[must_use]
    pub fn needs(&self, need: Need) -> bool {
        self.0.iter().any(|step| step.fault.needs() == need)
    }
}

impl Step {
    /// Whether both act at some time. One without length acts at its start.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start == other.start || self.start < other.end && other.start < self.end
    }

    /// Whether both certainly act on the same of one node at some time, however many nodes there are.
    fn tramples_on(&self, other: &Self) -> bool {
        let share = match (&self.target, &other.target) {
            (Target::All, _) | (_, Target::All) | (Target::Majority, Target::Majority) => true,
            (Target::Node(one), Target::Node(two)) => one == two,
            _ => false,
        };
        share && self.fault.holds() == other.fault.holds() && self.overlaps(other)
    }
}

fn at_exact_times<'w>(wishes: impl Iterator<Item = &'w Wish>, rhythm: Rhythm) -> Vec<Step> {
    let step = |wish: &Wish| {
        let start = wish.at.unwrap_or_default();
        Step {
            fault: wish.fault,
            target: wish.target.clone(),
            start,
            end: start + wish.length.unwrap_or(rhythm.length),
        }
    };
    let mut steps: Vec<_> = wishes.map(step).collect();
    steps.sort_by_key(|step| step.start);
    steps
}

/// One volley after the other, the first at least once; another round as long as the time lasts.
fn in_rhythm(volleys: &[Volley], rhythm: Rhythm, time: Option<Duration>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut start = rhythm.warm_up;
    for (count, Volley(wishes)) in volleys.iter().cycle().enumerate() {
        let end = start + wishes.iter().filter_map(|wish| wish.length).max().unwrap_or(rhythm.length);
        let enough = match time {
            None => count == volleys.len(),
            Some(time) => count > 0 && end + rhythm.calm > time,
        };
        if enough || end == start && count >= volleys.len() {
            break;
        }
        steps.extend(wishes.iter().map(|wish| Step { fault: wish.fault, target: wish.target.clone(), start, end }));
        start = end + rhythm.calm;
    }
    steps
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = (self.end.saturating_sub(self.start)).as_secs_f64();
        write!(f, "{}:{}@{}s+{length}s", super::words(self.fault), self.target, self.start.as_secs_f64())
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
        let volleys: Vec<_> = wishes.iter().map(|wish| Volley(vec![wish.clone()])).collect();
        let planned = Schedule::plan(&volleys, RHYTHM, time.map(Duration::from_secs));
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
        let short = plan(&[wish("kill", None)], Some(5));
        assert!(matches!(short, Err(Impossible::TooShort { .. })), "{short:?}");
    }

    fn at(fault: &str, target: &str, start: u64) -> Wish {
        Wish { target: Target::parse(target).expect("a target"), ..wish(fault, Some(start)) }
    }

    #[test]
    fn faults_overlap_unless_both_act_on_the_same_of_one_node() {
        let fine = plan(&[at("partition", "leader", 2), at("kill", "n1", 4), at("pause", "n2", 5)], None);
        assert_eq!(fine, Ok(("partition:leader@2s+4s,kill:n1@4s+4s,pause:n2@5s+4s".into(), 12)));
        for (one, two) in [
            (at("kill", "n1", 1), at("pause", "n1", 4)),
            (at("restart", "all", 1), at("kill", "random", 1)),
            (at("partition", "n1", 1), at("partition-ring", "all", 2)),
            (at("loss", "majority", 1), at("loss", "majority", 2)),
        ] {
            let overlap = plan(&[one, two], None);
            assert!(matches!(overlap, Err(Impossible::Overlap { .. })), "{overlap:?}");
        }
        let after = plan(&[at("kill", "n1", 1), at("pause", "n1", 5)], None);
        assert!(after.is_ok(), "one ends as the other begins: {after:?}");
    }

    #[test]
    fn the_last_to_end_and_not_the_last_to_start_bounds_the_run() {
        let long = Wish { length: Some(Duration::from_secs(9)), ..at("pause", "n2", 1) };
        assert_eq!(plan(&[long.clone(), at("kill", "n1", 2)], None).map(|planned| planned.1), Ok(13));
        assert!(matches!(plan(&[long, at("kill", "n1", 2)], Some(8)), Err(Impossible::TooShort { .. })));
    }

    #[test]
    fn a_volley_strikes_at_once_and_is_followed_by_calm() {
        let volleys = [Volley(vec![wish("kill", None), wish("partition", None)]), Volley(vec![wish("pause", None)])];
        let (schedule, time) = Schedule::plan(&volleys, RHYTHM, None).expect("fits");
        assert_eq!(schedule.to_string(), "kill:random@2s+4s,partition:leader@2s+4s,pause:random@9s+4s");
        assert_eq!(time, Duration::from_secs(16));
    }

    #[test]
    fn faults_of_no_length_do_not_repeat_for_ever() {
        let rhythm = Rhythm { length: Duration::ZERO, calm: Duration::ZERO, ..RHYTHM };
        let (schedule, _) =
            Schedule::plan(&[Volley(vec![wish("restart", None)])], rhythm, Some(Duration::from_secs(9))).expect("fits");
        assert_eq!(schedule.steps().len(), 1);
    }
}
