//! Disk full: what is left of the file system of a node's data is taken up by a file, which goes when the fault ends. A
//! server that has ended because of it is started again then.

use super::journal::Undo;
use super::kill::start;
use super::need::Need;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed};
use crate::history::Value;
use crate::record::system::NodeId;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The file that takes up what is left.
const FILL: &str = "fill";
/// The largest and the smallest piece that is asked for at once.
const PIECES: (u64, u64) = (64 << 20, 4096);

/// See the module.
pub(super) struct DiskFull;

impl Fault for DiskFull {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "disk-full",
            about: "nothing more fits on the disk with the node's data",
            undo: "remove the file that fills it, and start the server again if it has ended",
            target: "leader",
            needs_network: false,
        }
    }

    fn needs(&self) -> Need {
        Need::Disks
    }

    /// The disk goes with the run, and the file with it.
    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        scene.disks()?;
        targets.iter().map(|&node| scene.pid(node).map(|_| Undo::Restart { node: scene.name(node).into() })).collect()
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let mut filled = 0;
        for &node in targets {
            let place = place(scene, node)?;
            filled += fill(&place).map_err(|error| format!("filling {}: {error}", place.display()))?;
            if let Some(why) = accepts_more(&place) {
                return Err(why);
            }
        }
        Ok(vec![("filled_bytes", Value::Int(i64::try_from(filled).unwrap_or(i64::MAX)))])
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let mut was_full = false;
        for &node in targets {
            let place = place(scene, node).map_err(Unhealed::Stays)?;
            was_full |= place.join(FILL).exists();
            match std::fs::remove_file(place.join(FILL)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Unhealed::Stays(format!("emptying {}: {error}", place.display())));
                }
                _ => {}
            }
        }
        let ended: Vec<_> = targets.iter().copied().filter(|&node| scene.pid(node).is_err()).collect();
        let mut facts = if ended.is_empty() { Vec::new() } else { start(scene, &ended)? };
        if !was_full {
            return Err(Unhealed::Harmless("somebody else has made room".into()));
        }
        facts.push(("ended", scene.list(&ended)));
        Ok(facts)
    }
}

fn place(scene: &Scene, node: NodeId) -> Result<PathBuf, String> {
    scene.disks()?.mounted_place(scene.name(node))
}

/// Takes up what is left; how many bytes that was.
fn fill(place: &Path) -> std::io::Result<u64> {
    let file = File::create(place.join(FILL))?;
    let (mut piece, smallest) = PIECES;
    let mut filled = 0;
    while piece >= smallest {
        match fallocate(&file, FallocateFlags::empty(), filled, piece) {
            Ok(()) => filled += piece,
            Err(Errno::NOSPC) => piece /= 2,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

/// Why the disk is not full after all.
fn accepts_more(place: &Path) -> Option<String> {
    let probe = place.join("probe");
    let written = File::create(&probe).and_then(|mut file| {
        file.write_all(&[0; 4 * 4096])?;
        file.sync_all()
    });
    let _ = std::fs::remove_file(&probe);
    match written {
        Err(error) if error.kind() == ErrorKind::StorageFull => None,
        Err(error) => Some(format!("writing to {} failed otherwise: {error}", place.display())),
        Ok(()) => Some(format!("{} still takes data", place.display())),
    }
}
