//! The options of `run` about faults: what is asked for, what is planned, and how it would be undone.

use super::values;
use super::{Exit, Failed};
use crate::record::faults::means::Means;
use crate::record::faults::schedule::{Rhythm, Schedule, Volley, Wish};
use crate::record::faults::target::Target;
use crate::record::faults::{self, FaultInfo, feasible};
use crate::record::system::{Adapter, Backend};
use clap::Args;
use std::fmt::Write;
use std::time::Duration;

/// How long a run without faults lasts, unless it is said.
const DEFAULT_TIME: Duration = Duration::from_secs(5);

#[derive(Clone, Args)]
#[command(next_help_heading = "Faults")]
pub(super) struct FaultArgs {
    /// What to do to the cluster meanwhile: FAULT[:TARGET][+FAULT…][@START[+LENGTH]], such as kill, pause:leader,
    /// partition:n1@5s+3s, kill+partition for both at once (see `consistory list faults`)
    #[arg(short, long = "fault", value_delimiter = ',', value_parser = volley, value_name = "FAULT,…")]
    pub(super) faults: Vec<Volley>,
    /// From the first operation to the first fault
    #[arg(long, value_parser = values::duration, default_value = "2s", value_name = "DURATION")]
    fault_warm_up: Duration,
    /// How long a fault lasts
    #[arg(long, value_parser = values::duration, default_value = "4s", value_name = "DURATION")]
    fault_length: Duration,
    /// How long the cluster is left alone after each fault
    #[arg(long, value_parser = values::duration, default_value = "4s", value_name = "DURATION")]
    fault_pause: Duration,
}

impl std::fmt::Debug for FaultArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultArgs").field("faults", &self.faults.len()).finish_non_exhaustive()
    }
}

/// Reads `FAULT[:TARGET][+FAULT[:TARGET]…][@START[+LENGTH]]`: what strikes at once.
pub(super) fn volley(text: &str) -> Result<Volley, String> {
    let (what, when) = text.split_once('@').map_or((text, String::new()), |(what, when)| (what, format!("@{when}")));
    what.split('+').map(|what| wish(&format!("{what}{when}"))).collect::<Result<_, _>>().map(Volley)
}

/// Reads `FAULT[:TARGET][@START[+LENGTH]]`.
fn wish(text: &str) -> Result<Wish, String> {
    let (what, when) = text.split_once('@').map_or((text, None), |(what, when)| (what, Some(when)));
    let (name, target) = what.split_once(':').map_or((what, None), |(name, target)| (name, Some(target)));
    let fault = faults::find(name).ok_or_else(|| {
        let known: Vec<_> = faults::all().iter().map(|fault| fault.info().name).collect();
        format!("there is no fault '{name}'; there are: {}", known.join(", "))
    })?;
    let word = target.unwrap_or(fault.info().target);
    let target = Target::parse(word).ok_or_else(|| format!("'{word}' is no target; a target is {}", Target::WORDS))?;
    let (at, length) =
        match when.map(|when| when.split_once('+').map_or((when, None), |(at, length)| (at, Some(length)))) {
            None => (None, None),
            Some((at, length)) => (Some(values::duration(at)?), length.map(values::duration).transpose()?),
        };
    Ok(Wish { fault, target, at, length })
}

impl FaultArgs {
    /// The schedule, if there are faults, and how long the run lasts.
    pub(super) fn plan(&self, time: Option<Duration>) -> Result<(Option<Schedule>, Duration), Failed> {
        if self.faults.is_empty() {
            return Ok((None, time.unwrap_or(DEFAULT_TIME)));
        }
        let rhythm = Rhythm { warm_up: self.fault_warm_up, length: self.fault_length, calm: self.fault_pause };
        let planned = Schedule::plan(&self.faults, rhythm, time);
        let (schedule, time) = planned.map_err(|why| Failed::usage(why.to_string()))?;
        Ok((Some(schedule), time))
    }
}

/// Refuses a schedule that can certainly not be carried out on the cluster that would be started.
pub(super) fn expect_feasible(schedule: &Schedule, adapter: &dyn Adapter, backend: &Backend) -> Result<(), Failed> {
    let cannot = |why: String| Err(Failed::new(Exit::Vacuous, anyhow::Error::msg(why)));
    if !backend.nodes.is_empty() {
        return Ok(());
    }
    let name = adapter.info().name;
    let faults = schedule.steps().iter().map(|step| step.fault.info().name);
    if let Some(fault) = faults.into_iter().find(|fault| !adapter.suffers(fault)) {
        let able = sufferable(adapter);
        let able = if able.is_empty() {
            "it runs inside this process, where no fault acts".into()
        } else {
            format!("it can suffer {}", able.join(", "))
        };
        return cannot(format!("{fault} cannot act on {name}: {able}"));
    }
    let why = adapter.local_nodes(backend).and_then(|nodes| feasible::why_never(schedule, nodes));
    why.map_or(Ok(()), |why| cannot(format!("{why} ({})", backend.name())))
}

/// The names of the faults that local clusters of an adapter can suffer.
pub(super) fn sufferable(adapter: &dyn Adapter) -> Vec<&'static str> {
    faults::all().iter().map(|fault| fault.info().name).filter(|name| adapter.suffers(name)).collect()
}

/// Refuses a schedule that cannot act, before anything is started for nothing.
pub(super) fn expect_means(schedule: &Schedule, existing: bool) -> Result<(), Failed> {
    let cannot = |why: String| Err(Failed::new(Exit::Vacuous, anyhow::Error::msg(why)));
    if existing {
        return cannot("faults act on clusters that the run starts; those of --nodes are left alone".into());
    }
    for step in schedule.steps() {
        let means = step.fault.means();
        if let Some(why) = means.missing() {
            return cannot(format!("{} cannot act here: by {}: {why}", step.fault.info().name, means.about()));
        }
    }
    Ok(())
}

/// The plan with its undo, a line a fault.
pub(super) fn describe(schedule: &Schedule) -> String {
    let mut out = String::new();
    for before in Means::ALL.into_iter().filter(|&means| schedule.needs(means)).filter_map(Means::before) {
        let _ = writeln!(out, "  before   {before} · undo: remove them (consistory heal)");
    }
    for step in schedule.steps() {
        let FaultInfo { name, about, undo, .. } = step.fault.info();
        let (start, end) = (step.start.as_secs_f64(), step.end.as_secs_f64());
        let _ = writeln!(out, "  {start:>5.1} s  {name} {}: {about} · undo at {end:.1} s: {undo}", step.target);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_with_its_target_and_its_times() {
        let read = |text| {
            let wish = wish(text).expect("it is a fault");
            (wish.fault.info().name, wish.target, wish.at, wish.length)
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(read("kill"), ("kill", Target::Random, None, None));
        assert_eq!(read("pause:primary@3s+2s"), ("pause", Target::Leader, seconds(3), seconds(2)));
        assert_eq!(read("partition:n2@1s"), ("partition", Target::Node("n2".into()), seconds(1), None));
    }

    #[test]
    fn faults_joined_by_a_plus_strike_at_once() {
        let Volley(wishes) = volley("kill:leader+pause@3s+2s").expect("two faults");
        let names: Vec<_> = wishes.iter().map(|wish| (wish.fault.info().name, wish.at, wish.length)).collect();
        let (start, length) = (Some(Duration::from_secs(3)), Some(Duration::from_secs(2)));
        assert_eq!(names, [("kill", start, length), ("pause", start, length)]);
        assert!(volley("kill+flood").is_err());
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_there_is() {
        for (text, expected) in [("flood", "partition"), ("kill:bob", "minority"), ("kill@x", "duration")] {
            let error = wish(text).err().expect("it is refused");
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
