//! A file system of its own for each node of a local cluster: an image in the run's folder, mounted through a loop
//! device where the node keeps its data (`<folder>/n1`). Its writers can be stalled, it can be filled, and its power cut.
//!
//! Contract: dropping [`LaidDisks`] unmounts and removes them; what a killed consistory leaves is removed by its journal.
//! Only a loop mount of the run's own image is ever unmounted. Logs are outside, so that a stalled disk stalls no log.
//! Needs root, `mkfs.ext4`, `mount` and `umount`; [`missing_means`] says what is not there.

use super::super::faults::journal::{Entry, Journal, Undo};
use super::super::system::SystemError;
use super::filesystem;
use super::network::{NODES_MAX, command};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of a disk: room for the logs that etcd and ZooKeeper set aside (64 MiB each time). The image is sparse.
const BYTES: u64 = 384 << 20;
/// How long a disk may stay in use after its server has ended.
const BUSY_MAX: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
/// Where the kernel lists what is mounted.
const MOUNTS: &str = "/proc/self/mountinfo";

/// The disks below a run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disks {
    /// Without links or relative parts, as the kernel lists it.
    folder: PathBuf,
}

impl Disks {
    /// Those below that folder, which exists.
    ///
    /// # Errors
    /// When the folder cannot be looked up.
    pub fn below(folder: &Path) -> std::io::Result<Self> {
        folder.canonicalize().map(|folder| Self { folder })
    }

    /// Where the disk of that node is mounted, and the node keeps its data.
    #[must_use]
    pub fn mount_point(&self, node: &str) -> PathBuf {
        self.folder.join(node)
    }

    /// The same, where the disk of that node, and nothing else, is mounted now: what is done to a file system must not be
    /// done to the machine's own.
    ///
    /// # Errors
    /// That it is not, in words.
    pub fn mounted_place(&self, node: &str) -> Result<PathBuf, String> {
        if self.is_mounted(node) {
            Ok(self.mount_point(node))
        } else {
            Err(format!("the disk of {node} is not mounted"))
        }
    }

    fn image(&self, node: &str) -> PathBuf {
        self.folder.join(format!("{node}.disk"))
    }

    /// Makes the disk of a node and mounts it.
    ///
    /// # Errors
    /// What failed, in words.
    pub fn make(&self, node: &str) -> Result<(), String> {
        let (image, folder) = (self.image(node), self.mount_point(node));
        let made = File::create_new(&image).and_then(|file| file.set_len(BYTES));
        made.and_then(|()| std::fs::create_dir_all(&folder))
            .map_err(|error| format!("making {}: {error}", image.display()))?;
        // No share for root: servers that run as root would go on where others stop.
        command("mkfs.ext4", &["-q", "-F", "-m", "0", "-E", "nodiscard", &image.display().to_string()], "")?;
        self.mount(node)
    }

    /// Mounts the disk of a node; the kernel replays its journal, as after a loss of power.
    ///
    /// # Errors
    /// What `mount` says.
    pub fn mount(&self, node: &str) -> Result<(), String> {
        let (image, folder) = (self.image(node).display().to_string(), self.mount_point(node).display().to_string());
        command("mount", &["-o", "loop", &image, &folder], "").map(drop)
    }

    /// Whether the node's disk, and nothing else, is mounted in its place.
    #[must_use]
    pub fn is_mounted(&self, node: &str) -> bool {
        let mounts = std::fs::read_to_string(MOUNTS).unwrap_or_default();
        let device = mounts.lines().filter_map(mounted).rfind(|(place, _)| *place == self.mount_point(node));
        let backing = device.and_then(|(_, device)| {
            let name = device.strip_prefix("/dev/")?.to_owned();
            std::fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).ok()
        });
        backing.is_some_and(|backing| Path::new(backing.trim_end()) == self.image(node))
    }

    /// Unmounts the disk of a node as soon as nobody uses it; the loop device goes with it.
    ///
    /// # Errors
    /// What `umount` says in the end.
    pub fn unmount(&self, node: &str) -> Result<(), String> {
        let folder = self.mount_point(node).display().to_string();
        let end = Instant::now() + BUSY_MAX;
        while self.is_mounted(node) {
            match command("umount", &[&folder], "") {
                Err(why) if Instant::now() >= end => return Err(why),
                _ => std::thread::sleep(PAUSE),
            }
        }
        Ok(())
    }

    /// Thaws, unmounts and removes the disk of a node, as far as it is there.
    ///
    /// # Errors
    /// What could not be removed, in words.
    pub fn remove(&self, node: &str) -> Result<(), String> {
        if self.is_mounted(node) {
            // It is mostly not frozen, which the kernel refuses to thaw.
            let _ = filesystem::thaw(&self.mount_point(node));
        }
        self.unmount(node)?;
        let place = self.mount_point(node);
        let mounts = std::fs::read_to_string(MOUNTS).map_err(|error| format!("{MOUNTS}: {error}"))?;
        if mounts.lines().filter_map(mounted).any(|(mounted, _)| mounted == place) {
            return Err(format!("something else is mounted at {}", place.display()));
        }
        match std::fs::remove_file(self.image(node)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("removing {}: {error}", self.image(node).display()));
            }
            _ => {}
        }
        // Where an adapter keeps something else in the folder, it stays.
        let _ = std::fs::remove_dir(self.mount_point(node));
        Ok(())
    }
}

/// The place and the device of a line of mountinfo.
fn mounted(line: &str) -> Option<(PathBuf, &str)> {
    let (place, device) = line.split_once(" - ")?;
    let place = place.split(' ').nth(4)?;
    // The kernel writes what would end a field as an octal escape.
    let place = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(place.to_owned(), |place, (escape, character)| place.replace(escape, character));
    Some((place.into(), device.split(' ').nth(1)?))
}

/// Disks that go when this is dropped.
#[derive(Debug)]
pub struct LaidDisks {
    disks: Disks,
    entries: Vec<(String, Entry)>,
}

impl LaidDisks {
    /// Makes a disk for each node that a local cluster may have, after writing into the journal how to undo that.
    ///
    /// # Errors
    /// When the operating system refuses something.
    pub fn lay(folder: &Path, journal: &Journal) -> Result<Self, SystemError> {
        let disks = Disks::below(folder).map_err(SystemError::io(format!("finding {}", folder.display())))?;
        let mut laid = Self { disks, entries: Vec::new() };
        for number in 1..=NODES_MAX {
            let node = format!("n{number}");
            let entry = journal.open(&Undo::Disk { node: node.clone() })?;
            laid.entries.push((node.clone(), entry));
            laid.disks
                .make(&node)
                .map_err(|why| SystemError::Other(format!("cannot make a disk for {node}: {why}")))?;
        }
        Ok(laid)
    }

    /// The disks.
    #[must_use]
    pub fn disks(&self) -> &Disks {
        &self.disks
    }
}

impl LaidDisks {
    /// Removes them; what could not be removed, in words, stays in the journal for `consistory heal`.
    pub fn clear(&mut self) -> Vec<String> {
        let mut stay = Vec::new();
        for (node, entry) in self.entries.drain(..) {
            match self.disks.remove(&node) {
                Ok(()) => entry.done(),
                Err(why) => stay.push(format!("the disk of {node} is left: {why}")),
            }
        }
        stay
    }
}

impl Drop for LaidDisks {
    fn drop(&mut self) {
        // Whoever drops them uncleared has an error of its own to tell.
        let _ = self.clear();
    }
}

/// Removes a folder with all that is in it; of one that is a mount point only the contents, since it is in use.
///
/// # Errors
/// Those of the file system; none if there is no such folder.
pub fn remove_data(folder: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }?;
    }
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() == ErrorKind::ResourceBusy => Ok(()),
        removed => removed,
    }
}

/// What keeps this machine from giving nodes disks of their own, in words; `None` if nothing does.
#[must_use]
pub fn missing_means() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".into());
    }
    for (program, package) in [("mkfs.ext4", "e2fsprogs"), ("mount", "mount"), ("umount", "mount")] {
        if let Err(why) = command(program, &["-V"], "") {
            return Some(format!("{why}: apt-get install {package}"));
        }
    }
    // A mount in a namespace of its own shows that the kernel can do it, and goes with the process.
    let probe = || -> Result<(), String> {
        let folder = std::env::temp_dir().join(format!("consistory-disk-{}", std::process::id()));
        let image = folder.join("image");
        // One that is there already is another's, and is not removed below.
        std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let made = File::create_new(&image).and_then(|file| file.set_len(1 << 20));
        let (image, place) = (image.display().to_string(), folder.display().to_string());
        let mounted = made
            .map_err(|error| error.to_string())
            .and_then(|()| command("mkfs.ext4", &["-q", "-F", &image], ""))
            .and_then(|_| command("unshare", &["--mount", "mount", "-o", "loop", &image, &place], ""));
        std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
        mounted.map(drop)
    };
    probe().err().map(|why| format!("the kernel refuses: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_tells_the_place_and_the_device() {
        let line = "36 35 7:0 / /mnt/a\\040b rw,noatime shared:1 - ext4 /dev/loop3 rw";
        assert_eq!(mounted(line), Some((PathBuf::from("/mnt/a b"), "/dev/loop3")));
        assert_eq!(mounted("36 35"), None);
    }

    #[test]
    fn what_is_no_disk_of_ours_is_not_unmounted_and_its_folder_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("n1")).expect("made");
        std::fs::write(folder.path().join("n1/data"), "x").expect("written");
        let disks = Disks::below(folder.path()).expect("it is there");
        assert!(!disks.is_mounted("n1"));
        assert!(disks.mounted_place("n1").is_err(), "what is done to a disk is not done to the machine's own");
        assert_eq!(disks.remove("n1"), Ok(()));
        assert!(folder.path().join("n1/data").exists(), "what an adapter keeps there is not the disk's");
    }

    #[test]
    fn removing_data_removes_everything_and_what_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("n1");
        std::fs::create_dir_all(data.join("a/b")).expect("made");
        std::fs::write(data.join("a/b/c"), "x").expect("written");
        std::fs::write(data.join("d"), "x").expect("written");
        remove_data(&data).expect("removed");
        assert!(!data.exists());
        remove_data(&data).expect("there is nothing to remove");
    }
}
