//! Pause: SIGSTOP to the server of a node, SIGCONT at the end. The kernel goes on accepting connections and data for it,
//! so its peers see silence and not an end; when it goes on it does not know that time has passed.

use super::journal::Undo;
use super::kill::list;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed, process};
use crate::record::system::NodeId;
use rustix::process::Signal;
use std::time::Duration;

/// How long the kernel may take to stop a process.
const STOP_MAX: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Pause;

impl Fault for Pause {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "pause",
            about: "SIGSTOP of the server; it goes on at the end of the fault",
            undo: "SIGCONT",
            target: "random",
            needs_network: false,
        }
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        let entry = |&node| {
            let pid = scene.pid(node)?;
            let started = process::started(pid).ok_or_else(|| format!("process {pid} has ended"))?;
            Ok(Undo::Continue { pid, started })
        };
        targets.iter().map(entry).collect()
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let pids = targets.iter().map(|&node| scene.pid(node)).collect::<Result<Vec<_>, _>>()?;
        for &pid in &pids {
            process::signal(pid, Signal::STOP)?;
        }
        for &pid in &pids {
            let state = process::until(pid, STOP_MAX, |state| state == Some('T'));
            if state != Some('T') {
                return Err(format!("process {pid} did not stop: its state is {state:?}"));
            }
        }
        Ok(vec![("stopped", list(&pids))])
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let (mut continued, mut harmless, mut stays) = (Vec::new(), None, None);
        // Whatever is the matter with one, the others must go on.
        for &node in targets {
            let pid = match scene.pid(node) {
                Ok(pid) => pid,
                // A server that is gone is not paused any more, but it was not paused to the end either.
                Err(why) => {
                    harmless = Some(why);
                    continue;
                }
            };
            let was_stopped = process::state(pid) == Some('T');
            if let Err(why) = process::signal(pid, Signal::CONT) {
                stays = Some(why);
            } else if process::until(pid, STOP_MAX, |state| state != Some('T')) == Some('T') {
                stays = Some(format!("process {pid} did not go on"));
            } else if !was_stopped {
                harmless = Some(format!("somebody else made process {pid} go on"));
            }
            continued.push(pid);
        }
        match (stays, harmless) {
            (Some(why), _) => Err(Unhealed::Stays(why)),
            (None, Some(why)) => Err(Unhealed::Harmless(why)),
            (None, None) => Ok(vec![("continued", list(&continued))]),
        }
    }
}
