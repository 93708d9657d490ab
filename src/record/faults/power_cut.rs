//! Power cut: the file system of a node's data is cut off from its device, and the node's processes are killed. The
//! device has then what the server had made sure of (`fsync`) and what happened to be written out; the rest is lost. When
//! the fault ends the disk is mounted again, which replays its journal, and the server is started.

use super::journal::Undo;
use super::kill::{kill_all, start};
use super::need::Need;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed};
use crate::history::Value;
use crate::record::cluster::filesystem;
use crate::record::system::NodeId;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// See the module.
pub(super) struct PowerCut;

impl Fault for PowerCut {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "power-cut",
            about: "what a server has not made sure is on its disk is lost, and the server killed",
            undo: "mount the disk again and start the server",
            target: "all",
            needs_network: false,
        }
    }

    fn needs(&self) -> Need {
        Need::Disks
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        scene.disks()?;
        targets.iter().map(|&node| scene.pid(node).map(|_| Undo::Restart { node: scene.name(node).into() })).collect()
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let disks = scene.disks()?;
        let places =
            targets.iter().map(|&node| disks.mounted_place(scene.name(node))).collect::<Result<Vec<_>, _>>()?;
        let pids = targets.iter().map(|&node| scene.pid(node)).collect::<Result<Vec<_>, _>>()?;
        // All at once, as one plug does it: the disks first, so that nothing is written in between.
        for place in &places {
            filesystem::shut_down(place).map_err(|error| format!("cutting off {}: {error}", place.display()))?;
        }
        for place in &places {
            expect_dead(place)?;
        }
        let mut facts = kill_all(&pids)?;
        for group in pids.into_iter().filter_map(|pid| i32::try_from(pid).ok().and_then(Pid::from_raw)) {
            // What the servers had started, such as a child that rewrites a log; mostly there is nothing.
            let _ = kill_process_group(group, Signal::KILL);
        }
        for &node in targets {
            disks.unmount(scene.name(node))?;
        }
        facts.push(("cut", scene.list(targets)));
        Ok(facts)
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let disks = scene.disks().map_err(Unhealed::Stays)?;
        for &node in targets {
            let name = scene.name(node);
            // After half a strike both are still there, and the disk is dead.
            if let Ok(pid) = scene.pid(node) {
                kill_all(&[pid]).map_err(Unhealed::Stays)?;
            }
            disks.unmount(name).and_then(|()| disks.mount(name)).map_err(Unhealed::Stays)?;
        }
        let mut facts = start(scene, targets)?;
        facts.push(("remounted", Value::Bool(true)));
        Ok(facts)
    }
}

/// The disk refuses to be written to.
fn expect_dead(place: &Path) -> Result<(), String> {
    let probe = File::create(place.join("probe")).and_then(|mut file| {
        file.write_all(b"x")?;
        file.sync_all()
    });
    match probe {
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::IO | Errno::ROFS)) => Ok(()),
        Err(error) => Err(format!("{} fails otherwise: {error}", place.display())),
        Ok(()) => Err(format!("{} still takes data", place.display())),
    }
}
