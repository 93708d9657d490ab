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
            let place = scene.disks()?.mount_point(scene.name(node));
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
        let mut thawed = Err(Unhealed::Harmless("nothing was frozen any more".into()));
        for &node in targets {
            let place = scene.disks().map_err(Unhealed::Stays)?.mount_point(scene.name(node));
            match filesystem::thaw(&place) {
                Ok(()) => thawed = Ok(()),
                Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {}
                Err(error) => return Err(Unhealed::Stays(format!("thawing {}: {error}", place.display()))),
            }
        }
        thawed.map(|()| vec![("thawed", Value::Bool(true))])
    }
}
