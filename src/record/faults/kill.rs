//! Kill: SIGKILL to the server of a node, which is started again with the data it kept. What it had not written to the
//! operating system is lost; what it had is not, since the machine goes on.

use super::journal::Undo;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed, process};
use crate::history::Value;
use crate::record::system::NodeId;
use rustix::process::Signal;
use std::time::Duration;

/// How long the kernel may take to end a process.
const END_MAX: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Kill;

impl Fault for Kill {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "kill",
            about: "kill -9 of the server; it is started again at the end of the fault",
            undo: "start the server again with the data it kept",
            target: "random",
            needs_network: false,
        }
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        targets.iter().map(|&node| scene.pid(node).map(|_| Undo::Restart { node: scene.name(node).into() })).collect()
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        kill(scene, targets)
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        start(scene, targets)
    }
}

/// Kills the servers, all at once, and waits until the kernel says that they have ended.
pub(super) fn kill(scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
    let pids = targets.iter().map(|&node| scene.pid(node)).collect::<Result<Vec<_>, _>>()?;
    kill_all(&pids)
}

/// Kills processes, of which some may have ended by themselves meanwhile, and waits until all have ended.
pub(super) fn kill_all(pids: &[u32]) -> Result<Facts, String> {
    for &pid in pids {
        process::signal(pid, Signal::KILL)?;
    }
    for &pid in pids {
        let is_over = |state| matches!(state, None | Some('Z' | 'X'));
        if !is_over(process::until(pid, END_MAX, is_over)) {
            return Err(format!("process {pid} outlived kill -9"));
        }
    }
    Ok(vec![("killed", list(pids))])
}

/// Starts the servers again.
pub(super) fn start(scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
    let stays = |why: String| Unhealed::Stays(why);
    for &node in targets {
        scene.cluster.restart(node).map_err(|error| stays(error.to_string()))?;
    }
    let pids = targets.iter().map(|&node| scene.pid(node)).collect::<Result<Vec<_>, _>>().map_err(stays)?;
    Ok(vec![("started", list(&pids))])
}

/// Process ids as a value.
pub(super) fn list(pids: &[u32]) -> Value {
    Value::List(pids.iter().map(|&pid| Value::Int(pid.into())).collect())
}
