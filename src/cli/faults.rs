//! The options of `run` about faults: what is asked for, what is planned, and how it would be undone.

use super::values;
use super::{Exit, Failed};
use crate::record::faults::hook::{self, Commands};
use crate::record::faults::means::{self, Means};
use crate::record::faults::need::Need;
use crate::record::faults::schedule::{Rhythm, Schedule, Step, Volley, Wish};
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
    /// What to do to the cluster meanwhile: FAULT[=SETTING][:TARGET][+FAULT…][@START[+LENGTH]], such as kill,
    /// pause:leader, delay=50ms:n2, partition:n1@5s+3s, kill+partition for both at once (see `consistory list faults`)
    #[arg(short, long = "fault", value_delimiter = ',', value_parser = volley, value_name = "FAULT,…")]
    pub(super) faults: Vec<Volley>,
    /// How faults reach the links between nodes (default: namespaces where this machine has them, proxies otherwise)
    #[arg(long, value_parser = means, value_name = "namespaces|proxies")]
    means: Option<Means>,
    /// The command of the fault `hook`: run by sh for each target, with NODE (n1, …), NUMBER, ADDRESS, HOST and PORT in its
    /// environment, and PID if the run has started the server; such as 'docker pause redis-$NUMBER'
    #[arg(long, value_name = "COMMAND", requires = "heal_cmd")]
    fault_cmd: Option<String>,
    /// The command that undoes it
    #[arg(long, value_name = "COMMAND", requires = "fault_cmd")]
    heal_cmd: Option<String>,
    /// A command that succeeds as long as the node is well: the evidence (default: the adapter asks the node)
    #[arg(long, value_name = "COMMAND", requires = "fault_cmd")]
    probe_cmd: Option<String>,
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

/// Reads `FAULT[=SETTING][:TARGET][+FAULT…][@START[+LENGTH]]`: what strikes at once.
pub(super) fn volley(text: &str) -> Result<Volley, String> {
    let (what, when) = text.split_once('@').map_or((text, String::new()), |(what, when)| (what, format!("@{when}")));
    what.split('+').map(|what| wish(&format!("{what}{when}"))).collect::<Result<_, _>>().map(Volley)
}

/// Reads `FAULT[=SETTING][:TARGET][@START[+LENGTH]]`.
fn wish(text: &str) -> Result<Wish, String> {
    let (what, when) = text.split_once('@').map_or((text, None), |(what, when)| (what, Some(when)));
    let (name, target) = what.split_once(':').map_or((what, None), |(name, target)| (name, Some(target)));
    let fault = faults::parse(name)?;
    let word = target.unwrap_or(fault.info().target);
    let target = Target::parse(word).ok_or_else(|| format!("'{word}' is no target; a target is {}", Target::WORDS))?;
    let (at, length) =
        match when.map(|when| when.split_once('+').map_or((when, None), |(at, length)| (at, Some(length)))) {
            None => (None, None),
            Some((at, length)) => (Some(values::duration(at)?), length.map(values::duration).transpose()?),
        };
    Ok(Wish { fault, target, at, length })
}

fn means(word: &str) -> Result<Means, String> {
    Means::parse(word).ok_or_else(|| "write namespaces or proxies".into())
}

impl FaultArgs {
    /// The means that are asked for.
    pub(super) fn means(&self) -> Option<Means> {
        self.means
    }

    /// What is wished for, with the user's commands.
    fn volleys(&self) -> Result<Vec<Volley>, Failed> {
        let mut volleys = self.faults.clone();
        let commands = self.fault_cmd.clone().zip(self.heal_cmd.clone());
        let wishes = volleys.iter_mut().flat_map(|volley| &mut volley.0);
        let hooks = wishes.filter(|wish| wish.fault.info().name == hook::NAME);
        let mut hooks = hooks.peekable();
        match commands {
            None if hooks.peek().is_some() => {
                return Err(Failed::usage("the fault hook needs --fault-cmd and --heal-cmd".to_owned()));
            }
            Some(_) if hooks.peek().is_none() => {
                return Err(Failed::usage("--fault-cmd is run by the fault hook: add -f hook".to_owned()));
            }
            None => {}
            Some((fault, heal)) => {
                let fault = hook::with(Commands { fault, heal, probe: self.probe_cmd.clone() });
                hooks.for_each(|wish| wish.fault = fault);
            }
        }
        Ok(volleys)
    }

    /// The schedule, if there are faults, and how long the run lasts.
    pub(super) fn plan(&self, time: Option<Duration>) -> Result<(Option<Schedule>, Duration), Failed> {
        let volleys = self.volleys()?;
        if volleys.is_empty() {
            return Ok((None, time.unwrap_or(DEFAULT_TIME)));
        }
        let rhythm = Rhythm { warm_up: self.fault_warm_up, length: self.fault_length, calm: self.fault_pause };
        let planned = Schedule::plan(&volleys, rhythm, time);
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
pub(super) fn expect_means(schedule: &Schedule, existing: bool, wish: Option<Means>) -> Result<(), Failed> {
    let cannot = |why: String| Err(Failed::new(Exit::Vacuous, anyhow::Error::msg(why)));
    let own = |step: &&Step| !step.fault.acts_on_existing();
    if let Some(step) = schedule.steps().iter().find(own).filter(|_| existing) {
        let name = step.fault.info().name;
        return cannot(format!("{name} acts on clusters that the run starts; on those of --nodes only hook does"));
    }
    for step in schedule.steps() {
        let need = step.fault.needs();
        if let Some(why) = need.missing() {
            return cannot(format!("{} cannot act here: by {}: {why}", step.fault.info().name, need.about()));
        }
    }
    means::choose(schedule, wish).map(drop).or_else(|why| cannot(format!("a fault cannot act here: {why}")))
}

/// The plan with its undo, a line a fault.
pub(super) fn describe(schedule: &Schedule, wish: Option<Means>) -> String {
    let mut out = String::new();
    let before = match means::choose(schedule, wish) {
        Ok(Some(Means::Namespaces)) => {
            "every node runs in a network namespace of its own on a bridge · undo: remove them (consistory heal)"
        }
        Ok(Some(Means::Proxies)) => "every node is reached through a proxy of this process · undo: end with the run",
        // That there is none is told by whoever refuses.
        Ok(None) | Err(_) => "",
    };
    if !before.is_empty() {
        let _ = writeln!(out, "  before   {before}");
    }
    for before in Need::ALL.into_iter().filter(|&need| schedule.needs(need)).filter_map(Need::before) {
        let _ = writeln!(out, "  before   {before} · undo: remove them (consistory heal)");
    }
    for step in schedule.steps() {
        let (FaultInfo { about, undo, .. }, name) = (step.fault.info(), faults::words(step.fault));
        let (start, end) = (step.start.as_secs_f64(), step.end.as_secs_f64());
        for (name, command) in step.fault.settings() {
            let _ = writeln!(out, "           --{name} {command}");
        }
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
        assert_eq!(read("delay:n2"), ("delay", Target::Node("n2".into()), None, None));
        assert_eq!(read("kill"), ("kill", Target::Random, None, None));
        assert_eq!(read("pause:primary@3s+2s"), ("pause", Target::Leader, seconds(3), seconds(2)));
        assert_eq!(read("partition:n2@1s"), ("partition", Target::Node("n2".into()), seconds(1), None));
    }

    #[test]
    fn a_planned_fault_is_printed_as_it_is_read() {
        let settings = ["delay=50ms:n2@1s+2s", "jitter=2s:all@1s+2s", "slow=500kbit:leader@1s+2s", "loss=5%:n1@1s+2s"];
        for text in settings.into_iter().chain(["reset=500ms:follower@1s+2s", "kill:random@1.5s+2s"]) {
            let rhythm = Rhythm { warm_up: Duration::ZERO, length: Duration::ZERO, calm: Duration::ZERO };
            let planned = Schedule::plan(&[volley(text).expect("it is read")], rhythm, None);
            assert_eq!(planned.expect("it can be kept").0.to_string(), text);
        }
        for text in ["delay=0ms", "delay=fast", "slow=1bit", "kill=9", "loss=200%", "hook=x"] {
            assert!(wish(text).is_err(), "{text}");
        }
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
