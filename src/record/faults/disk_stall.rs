//! Disk stall: the file system of a node's data is frozen. Whoever writes to it waits, as on a device that does not
//! answer; who only reads, computes or talks goes on. Freezing writes everything out first, so nothing is lost.

use super::journal::Undo;
use super::need::Need;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed};
use crate::history::Value;
use crate::record::cluster::filesystem;
use crate::record::system::NodeId;
use rustix::io::Errno;

/// See the module.
pub(super) struct DiskStall;

impl Fault for DiskStall {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "disk-stall",
            about: "writes to the node's data wait until the fault ends",
            undo: "thaw the file system",
            target: "leader",
            needs_network: false,
        }
    }

    fn needs(&self) -> Need {
        Need::Disks
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        scene.disks()?;
        Ok(targets.iter().map(|&node| Undo::Thaw { node: scene.name(node).into() }).collect())
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        for &node in targets {
            let place = scene.disks()?.mounted_place(scene.name(node))?;
            filesystem::freeze(&place).map_err(|error| format!("freezing {}: {error}", place.display()))?;
            // Only what is frozen cannot be frozen once more.
            match filesystem::freeze(&place).map_err(|error| error.raw_os_error()) {
                Err(Some(code)) if code == Errno::BUSY.raw_os_error() => {}
                other => return Err(format!("{} does not stay frozen: {other:?}", place.display())),
            }
        }
        Ok(vec![("frozen", scene.list(targets))])
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let disks = scene.disks().map_err(Unhealed::Stays)?;
        let (mut thawed, mut stays) = (false, None);
        // What cannot be thawed must not keep the others frozen: their servers could not even die.
        for &node in targets {
            let thaw = disks.mounted_place(scene.name(node)).map_err(|why| (why, None));
            let thaw = thaw.and_then(|place| {
                filesystem::thaw(&place)
                    .map_err(|error| (format!("thawing {}: {error}", place.display()), error.raw_os_error()))
            });
            match thaw {
                Ok(()) => thawed = true,
                Err((_, Some(code))) if code == Errno::INVAL.raw_os_error() => {}
                Err((why, _)) => stays = Some(why),
            }
        }
        match stays {
            Some(why) => Err(Unhealed::Stays(why)),
            None if thawed => Ok(vec![("thawed", Value::Bool(true))]),
            None => Err(Unhealed::Harmless("nothing was frozen any more".into())),
        }
    }
}
