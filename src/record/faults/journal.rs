//! What has to be undone, on disk before it is done: the file `undo.jsonl` of a run.
//!
//! Each line names one thing that a run is about to do to the machine, or the number of one that it has undone. What
//! a killed consistory leaves open, [`heal`] undoes. Lines are only ever appended, and given to the kernel before
//! [`Journal::open`] returns; a torn last line is one that nothing followed, so it is ignored.
//!
//! It names effects, not commands, so whoever edits the file cannot make [`heal`] run something else; save for the user's
//! own commands, which are run only if nobody else could have written the file. A server that was killed needs no undoing
//! when consistory has ended, since all servers end with it.

use super::super::cluster::disks::Disks;
use super::super::cluster::network::Network;
use super::super::system::SystemError;
use super::vdso::Vdso;
use super::{hook, process, shell};
use parking_lot::Mutex;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// The journal's name in a run's folder.
pub const JOURNAL_FILE: &str = "undo.jsonl";

/// Something to undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// A network to remove, and with it every rule in its namespaces.
    Network {
        /// Its number.
        number: u8,
        /// Its bridge's hardware address.
        token: String,
    },
    /// A stopped process to continue.
    Continue {
        /// Its id.
        pid: u32,
        /// When it started, which tells it from another of the same id.
        started: u64,
    },
    /// The clock of a server to put right, as long as the run lasts.
    Clock {
        /// Its process.
        pid: u32,
        /// When it started, which tells it from another of the same id.
        started: u64,
    },
    /// A killed server to start again, as long as the run lasts.
    Restart {
        /// The node's name.
        node: String,
    },
    /// The user's own command to run, with variables in its environment.
    Command {
        /// For `sh -c`.
        command: String,
        /// Names and values.
        variables: Vec<(String, String)>,
    },
    /// Rules to remove, as long as the network is there.
    Rules {
        /// The namespace.
        namespace: String,
    },
    /// The disk of a node, below the journal's own folder, to unmount and remove.
    Disk {
        /// The node's name.
        node: String,
    },
    /// The disk of a node to thaw.
    Thaw {
        /// The node's name.
        node: String,
    },
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// Who writes this journal.
    Owner { pid: u32, started: u64 },
    /// About to be done.
    Open { id: u32, undo: Undo },
    /// Undone.
    Done { id: u32 },
}

/// A run's journal.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    file: File,
    next: u32,
}

/// An open entry of a journal; it stays open when it is dropped.
#[derive(Debug)]
pub struct Entry {
    journal: Journal,
    id: u32,
}

impl Journal {
    /// Creates the file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(folder: &Path) -> Result<Self, SystemError> {
        let path = folder.join(JOURNAL_FILE);
        let doing = || format!("creating {}", path.display());
        std::fs::create_dir_all(folder).map_err(SystemError::io(doing()))?;
        let file = File::create_new(&path).map_err(SystemError::io(doing()))?;
        let journal = Self(Arc::new(Mutex::new(Lines { file, next: 0 })));
        let pid = std::process::id();
        let started = process::started(pid).unwrap_or(0);
        journal.write(&Line::Owner { pid, started }).map_err(SystemError::io(doing()))?;
        Ok(journal)
    }

    /// Writes down something to undo; it may be done when this has returned.
    ///
    /// # Errors
    /// Those of the file system: it must not be done then.
    pub fn open(&self, undo: &Undo) -> Result<Entry, SystemError> {
        let id = {
            let mut lines = self.0.lock();
            lines.next += 1;
            lines.next
        };
        self.write(&Line::Open { id, undo: undo.clone() }).map_err(SystemError::io("writing the undo journal"))?;
        Ok(Entry { journal: self.clone(), id })
    }

    fn write(&self, line: &Line) -> std::io::Result<()> {
        let mut text = serde_json::to_string(line).expect("lines are plain data");
        text.push('\n');
        self.0.lock().file.write_all(text.as_bytes())
    }
}

impl Entry {
    /// Writes down that it has been undone. If that fails, it will be undone once more, which harms nothing.
    pub fn done(self) {
        let _ = self.journal.write(&Line::Done { id: self.id });
    }
}

/// What [`heal`] found in one journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Healed {
    /// The run that wrote it is still there, so nothing was touched.
    pub running: bool,
    /// What was undone, in words.
    pub undone: Vec<String>,
    /// What could not be undone and why, in words.
    pub failed: Vec<String>,
}

/// What a journal leaves open, in words, without touching it; nothing while its run lasts.
///
/// # Errors
/// When the file cannot be read.
pub fn left_over(journal: &Path) -> std::io::Result<Vec<String>> {
    let (running, open) = read(journal)?;
    Ok(if running { Vec::new() } else { open.values().map(describe).collect() })
}

/// Undoes what is open in a journal whose run has ended.
///
/// # Errors
/// When the file cannot be read.
pub fn heal(journal: &Path) -> std::io::Result<Healed> {
    let (running, open) = read(journal)?;
    let mut healed = Healed { running, ..Healed::default() };
    if running {
        return Ok(healed);
    }
    let mut file = File::options().append(true).open(journal)?;
    let (trusted, folder) = (is_own(&file.metadata()?), journal.parent().unwrap_or(Path::new(".")));
    for (id, undo) in open {
        let undone = match &undo {
            Undo::Command { .. } if !trusted => Err("others can write this journal, so it is not run".into()),
            undo => undo_it(undo, folder),
        };
        match undone {
            Ok(()) => {
                healed.undone.push(describe(&undo));
                // A torn last line must not swallow this one.
                let line = serde_json::to_string(&Line::Done { id }).expect("lines are plain data");
                file.write_all(format!("\n{line}\n").as_bytes())?;
            }
            Err(why) => healed.failed.push(format!("{}: {why}", describe(&undo))),
        }
    }
    Ok(healed)
}

/// Whether only the user of this process can have written a file.
#[must_use]
pub fn is_own(file: &std::fs::Metadata) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    file.uid() == rustix::process::geteuid().as_raw() && file.mode() & OTHERS_WRITE == 0
}

/// Whether the run lasts, and what is open.
fn read(journal: &Path) -> std::io::Result<(bool, BTreeMap<u32, Undo>)> {
    let (mut running, mut open) = (false, BTreeMap::new());
    for line in std::fs::read_to_string(journal)?.lines() {
        match serde_json::from_str(line) {
            Ok(Line::Owner { pid, started }) => running = process::started(pid) == Some(started),
            Ok(Line::Open { id, undo }) => {
                open.insert(id, undo);
            }
            Ok(Line::Done { id }) => {
                open.remove(&id);
            }
            // A torn line: what it would have announced was not done.
            Err(_) => {}
        }
    }
    Ok((running, open))
}

/// What undoing it means, in words.
#[must_use]
pub fn describe(undo: &Undo) -> String {
    match undo {
        Undo::Network { number, .. } => format!("remove the bridge cy{number} and its namespaces"),
        Undo::Continue { pid, .. } => format!("continue process {pid}"),
        Undo::Clock { pid, .. } => format!("put the clock of process {pid} right"),
        Undo::Restart { node } => format!("start {node} again (its cluster ended with the run)"),
        Undo::Command { command, variables } => {
            let node = variables.iter().find(|(name, _)| name == "NODE").map_or("", |(_, node)| node);
            format!("run for {node}: {command}")
        }
        Undo::Rules { namespace } => format!("remove the packet filter rules of {namespace}"),
        Undo::Disk { node } => format!("unmount and remove the disk of {node}"),
        Undo::Thaw { node } => format!("thaw the disk of {node}"),
    }
}

/// Undoes it for the run of that folder.
fn undo_it(undo: &Undo, folder: &Path) -> Result<(), String> {
    match undo {
        Undo::Network { number, token } => {
            let network = Network::named(*number, token).ok_or("the journal names no network of ours")?;
            network.remove()
        }
        Undo::Continue { pid, started } if process::started(*pid) == Some(*started) => {
            process::signal(*pid, Signal::CONT)
        }
        Undo::Command { command, variables } => shell::run(command, variables, hook::COMMAND_MAX),
        Undo::Clock { pid, started } if process::started(*pid) == Some(*started) => {
            Vdso::own()?.put_right(*pid).map(drop)
        }
        // Removing thaws first.
        Undo::Disk { node } | Undo::Thaw { node } => disks(node, folder)?.remove(node),
        // Ended with the run, or with the network.
        Undo::Continue { .. } | Undo::Clock { .. } | Undo::Restart { .. } | Undo::Rules { .. } => Ok(()),
    }
}

/// The disks of a run's folder, if the name can be that of a node.
fn disks(node: &str, folder: &Path) -> Result<Disks, String> {
    let number = node.strip_prefix('n').unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the journal names no disk of ours".into());
    }
    Disks::below(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(lines: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(JOURNAL_FILE);
        std::fs::write(&path, lines).expect("written");
        (folder, path)
    }

    #[test]
    fn what_a_dead_run_left_open_is_undone_once() {
        let undo = r#"{"open":{"id":1,"undo":{"restart":{"node":"n1"}}}}"#;
        let done = r#"{"open":{"id":2,"undo":{"restart":{"node":"n2"}}}}"#;
        let (_folder, path) = journal(&format!(
            "{{\"owner\":{{\"pid\":1,\"started\":0}}}}\n{undo}\n{done}\n{{\"done\":{{\"id\":2}}}}\n{{\"op"
        ));
        assert_eq!(left_over(&path).expect("readable").len(), 1);
        let healed = heal(&path).expect("readable");
        assert_eq!((healed.running, healed.undone.len(), healed.failed.len()), (false, 1, 0));
        assert!(healed.undone[0].contains("n1"), "{healed:?}");
        assert_eq!(heal(&path).expect("readable"), Healed::default());
    }

    #[test]
    fn the_journal_of_a_living_run_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(folder.path()).expect("created");
        let entry = journal.open(&Undo::Restart { node: "n1".into() }).expect("written");
        let path = folder.path().join(JOURNAL_FILE);
        assert!(heal(&path).expect("readable").running);
        assert_eq!(left_over(&path).expect("readable"), Vec::<String>::new());
        entry.done();
    }

    #[test]
    fn a_command_is_run_unless_others_could_have_written_it() {
        use std::os::unix::fs::PermissionsExt;
        let undo = r#"{"command":{"command":"echo $NODE > healed","variables":[["NODE","n2"]]}}"#;
        let undo = undo.replace("healed", "FOLDER/healed");
        for (mode, runs) in [(0o666, false), (0o600, true)] {
            let (folder, path) = journal("");
            let undo = undo.replace("FOLDER", folder.path().to_str().expect("UTF-8"));
            std::fs::write(&path, format!("{{\"open\":{{\"id\":1,\"undo\":{undo}}}}}\n")).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("changed");
            let healed = heal(&path).expect("readable");
            assert_eq!((healed.undone.len(), healed.failed.len()), if runs { (1, 0) } else { (0, 1) }, "{healed:?}");
            let written = std::fs::read_to_string(folder.path().join("healed"));
            assert_eq!(written.ok().as_deref(), runs.then_some("n2\n"));
        }
    }

    #[test]
    fn a_process_of_another_age_is_not_touched() {
        let pid = std::process::id();
        let undo = Undo::Continue { pid, started: 1 };
        assert_eq!(undo_it(&undo, Path::new(".")), Ok(()));
        assert!(undo_it(&Undo::Network { number: 3, token: "x".into() }, Path::new(".")).is_err());
        for node in ["", "n", "../n1", "n1/..", "m1"] {
            assert!(undo_it(&Undo::Disk { node: node.into() }, Path::new(".")).is_err(), "{node}");
        }
    }
}
