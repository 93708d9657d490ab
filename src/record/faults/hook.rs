//! Hook: the user's own commands, for clusters that the run has not started: containers, other machines, Kubernetes.
//!
//! One command does something to a node, one undoes it, and the node is asked before, meanwhile and afterwards: by a third
//! command, or else by the adapter. The commands run once for each target, with the node in their environment. The
//! evidence is the change: a node that answered does so no more (or, asked by the adapter, much slower), and answers again
//! once it is healed. Knows nothing of what the commands do.

use super::journal::Undo;
use super::need::Need;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed, probe, process, shell};
use crate::history::Value;
use crate::record::system::NodeId;
use std::time::{Duration, Instant};

/// How long a command that acts or heals may take.
pub(super) const COMMAND_MAX: Duration = Duration::from_secs(60);
/// How long a node may take to answer when all is well.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// How soon the effect must be seen.
const EFFECT_MAX: Duration = Duration::from_secs(5);
/// How soon a healed node must answer.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How much slower than usual shows an effect: so many times, and by so much.
const SLOWER: (u32, Duration) = (5, Duration::from_millis(50));

/// So many slow answers in a row show an effect.
const SLOW_IN_A_ROW: u32 = 3;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands {
    /// Hurts a node.
    pub fault: String,
    /// Heals it.
    pub heal: String,
    /// Succeeds as long as the node is well; the adapter asks if there is none.
    pub probe: Option<String>,
}

/// See the module.
pub(super) struct Hook {
    commands: Option<Commands>,
}

/// The member of the catalogue, which has nothing to run.
pub(super) const HOOK: Hook = Hook { commands: None };

/// The name in the catalogue.
pub const NAME: &str = "hook";

/// The fault that runs those commands.
#[must_use]
pub fn with(commands: Commands) -> &'static dyn Fault {
    // A command line has one of them, which it needs to its end.
    Box::leak(Box::new(Hook { commands: Some(commands) }))
}

impl Hook {
    fn commands(&self) -> Result<&Commands, String> {
        self.commands.as_ref().ok_or_else(|| "there is no --fault-cmd".to_owned())
    }

    /// How long the node takes to say that it is well; why not, if it does not.
    fn ask(&self, scene: &Scene, node: NodeId) -> Result<Duration, String> {
        match &self.commands()?.probe {
            None => probe::ask(scene, node, ANSWER_MAX),
            Some(command) => {
                let started = Instant::now();
                shell::run(command, &variables(scene, node), ANSWER_MAX).map(|()| started.elapsed())
            }
        }
    }

    /// Waits until the node is not well any more; what shows that.
    fn effect(&self, scene: &Scene, node: NodeId, usual: Duration) -> Result<String, String> {
        // A command's own time says little of the node's.
        let times_count = self.commands()?.probe.is_none();
        let bound = (usual * SLOWER.0).max(usual + SLOWER.1);
        let end = Instant::now() + EFFECT_MAX;
        let mut slow = 0;
        loop {
            let asked = self.ask(scene, node);
            // One slow answer is a hiccup of a busy machine.
            slow = if matches!(asked, Ok(time) if times_count && time > bound) { slow + 1 } else { 0 };
            match asked {
                Err(why) => return Ok(why),
                Ok(time) if slow == SLOW_IN_A_ROW => {
                    return Ok(format!("answers after {time:.1?} instead of {usual:.1?}, again and again"));
                }
                Ok(_) if Instant::now() >= end => {
                    return Err(format!("{} answers as before", scene.name(node)));
                }
                Ok(_) => std::thread::sleep(ASK_EVERY),
            }
        }
    }

    /// Waits until the node answers; how long that took.
    fn recovery(&self, scene: &Scene, node: NodeId) -> Result<Duration, String> {
        let started = Instant::now();
        loop {
            match self.ask(scene, node) {
                Ok(_) => return Ok(started.elapsed()),
                Err(_) if started.elapsed() < RECOVERY_MAX => std::thread::sleep(ASK_EVERY),
                Err(why) => return Err(format!("{} is not well again: {why}", scene.name(node))),
            }
        }
    }
}

impl Fault for Hook {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: NAME,
            about: "--fault-cmd is run for the target, also on the existing cluster of --nodes",
            undo: "run --heal-cmd",
            target: "random",
            needs_network: false,
        }
    }

    fn needs(&self) -> Need {
        Need::Commands
    }

    fn acts_on_existing(&self) -> bool {
        true
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let Some(Commands { fault, heal, probe }) = self.commands.clone() else { return Vec::new() };
        let probe = probe.map(|probe| ("probe-cmd", probe));
        [("fault-cmd", fault), ("heal-cmd", heal)].into_iter().chain(probe).collect()
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        let command = &self.commands()?.heal;
        // Before anything is done: who is not well now cannot be healed either.
        for &node in targets {
            self.ask(scene, node).map_err(|why| format!("{} is not well before: {why}", scene.name(node)))?;
        }
        let one = |&node| Undo::Command { command: command.clone(), variables: variables(scene, node) };
        Ok(targets.iter().map(one).collect())
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let Commands { fault, .. } = self.commands()?;
        let usual =
            |&node| self.ask(scene, node).map_err(|why| format!("{} is not well before: {why}", scene.name(node)));
        let before = targets.iter().map(usual).collect::<Result<Vec<_>, _>>()?;
        for &node in targets {
            let ended = shell::run(fault, &variables(scene, node), COMMAND_MAX);
            ended.map_err(|why| format!("--fault-cmd for {}: {why}", scene.name(node)))?;
        }
        let effects = targets.iter().zip(before).map(|(&node, usual)| self.effect(scene, node, usual));
        let effects = effects.collect::<Result<Vec<_>, _>>()?;
        Ok(vec![("seen", Value::List(effects.iter().map(|effect| Value::text(effect)).collect()))])
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let Commands { heal, .. } = self.commands().map_err(Unhealed::Harmless)?;
        let mut stays = None;
        for &node in targets {
            if let Err(why) = shell::run(heal, &variables(scene, node), COMMAND_MAX) {
                stays = Some(format!("--heal-cmd for {}: {why}", scene.name(node)));
            }
        }
        if let Some(why) = stays {
            return Err(Unhealed::Stays(why));
        }
        let times = targets.iter().map(|&node| self.recovery(scene, node)).collect::<Result<Vec<_>, _>>();
        let times = times.map_err(Unhealed::Stays)?;
        let slowest = times.into_iter().max().unwrap_or_default();
        Ok(vec![("answers-after-ms", Value::Int(i64::try_from(slowest.as_millis()).unwrap_or(i64::MAX)))])
    }
}

/// What a command learns of its node.
fn variables(scene: &Scene, node: NodeId) -> Vec<(String, String)> {
    let known = scene.cluster.nodes().get(usize::from(node.0));
    let address = known.map(|node| node.address.clone()).unwrap_or_default();
    let (host, port) = address.rsplit_once(':').unwrap_or((&address, ""));
    let host = host.trim_matches(['[', ']']);
    let named = scene.cluster.pids().into_iter().find(|(name, _)| name == scene.name(node));
    let pid = named.map(|(_, pid)| pid).filter(|&pid| process::is_alive(pid));
    let number = usize::from(node.0) + 1;
    let mut variables = vec![
        ("NODE", scene.name(node).to_owned()),
        ("NUMBER", number.to_string()),
        ("ADDRESS", address.clone()),
        ("HOST", host.to_owned()),
        ("PORT", port.to_owned()),
    ];
    variables.extend(pid.map(|pid| ("PID", pid.to_string())));
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
