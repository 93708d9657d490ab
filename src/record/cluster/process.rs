//! Server processes as children that cannot outlive consistory.
//!
//! The kernel kills a child when the *thread* that started it ends (`PR_SET_PDEATHSIG`), so every child is
//! started by one thread that lives as long as the process: after kill -9 of consistory no server is left.
//! Dropping a [`Child`] kills it with all that it started, and reaps it. What a server started and moved to another
//! process group is not found.

use crate::record::system::SystemError;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

/// The environment variable of a password for an existing cluster, which is none of a local server's business.
const PASSWORD_VARIABLE: &str = "CONSISTORY_PASSWORD";

/// The servers that have not been reaped, by process id, with their names.
static LIVING: parking_lot::Mutex<BTreeMap<u32, String>> = parking_lot::Mutex::new(BTreeMap::new());

/// What to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The node's name, for messages.
    pub name: String,
    /// The program, looked up in `PATH`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Additional environment.
    pub environment: Vec<(String, String)>,
    /// The folder it runs in.
    pub folder: PathBuf,
    /// Where its standard output and error are appended.
    pub log: PathBuf,
    /// How to install the program if it is missing.
    pub install: String,
    /// The network namespace it runs in; none for that of consistory.
    pub namespace: Option<String>,
}

/// A running server.
#[derive(Debug)]
pub struct Child {
    launch: Launch,
    process: std::process::Child,
    /// It has been waited for: its id may be somebody else's by now.
    reaped: bool,
}

impl Launch {
    /// Starts the program.
    ///
    /// # Errors
    /// [`SystemError::NotInstalled`] if it is not there, [`SystemError::Io`] for any other refusal.
    pub fn start(&self) -> Result<Child, SystemError> {
        std::fs::create_dir_all(&self.folder)
            .map_err(SystemError::io(format!("creating {}", self.folder.display())))?;
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(SystemError::io(format!("opening {}", self.log.display())))?;
        let again = log.try_clone().map_err(SystemError::io("duplicating a log's descriptor"))?;
        let mut command = self.command();
        command.stdout(log).stderr(again);
        super::parent_death::die_with_parent(&mut command);
        match spawn(command) {
            Ok(process) => {
                LIVING.lock().insert(process.id(), self.name.clone());
                Ok(Child { launch: self.clone(), process, reaped: false })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(SystemError::NotInstalled { program: self.program.clone(), install: self.install.clone() })
            }
            Err(source) => Err(SystemError::Io { doing: format!("starting {}", self.program), source }),
        }
    }

    fn command(&self) -> Command {
        let mut command = match &self.namespace {
            None => Command::new(&self.program),
            // It enters the namespace and becomes the program: the process id stays.
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace, &self.program]);
                command
            }
        };
        command
            .args(&self.arguments)
            .env_remove(PASSWORD_VARIABLE)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            // A group of its own: Ctrl-C reaches consistory, which stops its servers in order.
            .process_group(0);
        command
    }
}

impl Child {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How it was started, to start it again.
    #[must_use]
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Its exit status, if it has ended. What it started ends with it.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if !self.reaped && self.is_waiting_to_be_reaped() {
            self.kill();
        }
        self.process.try_wait().ok().flatten()
    }

    /// An error that says that and how it ended, if it has: for loops that wait until it is ready.
    ///
    /// # Errors
    /// [`SystemError::Died`] with the end of its log.
    pub fn expect_alive(&mut self) -> Result<(), SystemError> {
        let Some(status) = self.ended() else { return Ok(()) };
        let tail = tail(&self.launch.log, 2_000);
        Err(SystemError::Died {
            what: self.launch.name.clone(),
            status: status.to_string(),
            log: self.launch.log.clone(),
            tail,
        })
    }

    /// Kills it with all processes of its group (SIGKILL, which also ends a stopped process) and reaps it.
    pub fn kill(&mut self) {
        if self.reaped {
            return;
        }
        // Until it is reaped its id is its own, and so is the group of that id. Errors mean that it is gone already,
        // which is what is wanted.
        if let Some(group) = self.id() {
            let _ = kill_process_group(group, Signal::KILL);
        }
        LIVING.lock().remove(&self.pid());
        let _ = self.process.wait();
        self.reaped = true;
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.pid()).ok().and_then(Pid::from_raw)
    }

    /// Whether it has ended and its id is still its own.
    fn is_waiting_to_be_reaped(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.id().is_some_and(|id| waitid(WaitId::Pid(id), look).is_ok_and(|status| status.is_some()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The servers of this process that have not been reaped: their ids and names.
#[must_use]
pub fn living() -> Vec<(u32, String)> {
    LIVING.lock().iter().map(|(pid, name)| (*pid, name.clone())).collect()
}

/// The last `bytes` of a log, from the start of a line.
#[must_use]
pub fn tail(log: &Path, bytes: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(if length > bytes { text.split_once('\n').map_or(text.clone(), |(_, rest)| rest.to_owned()) } else { text })
    };
    read().unwrap_or_else(|error| format!("(cannot read it: {error})"))
}

type Job = (Command, Sender<std::io::Result<std::process::Child>>);

fn spawn(command: Command) -> std::io::Result<std::process::Child> {
    static SPAWNER: OnceLock<parking_lot::Mutex<Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, todo) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, reply) in todo {
                // The asker waits for the reply, so it is there to take it.
                let _ = reply.send(command.spawn());
            }
        });
        parking_lot::Mutex::new(jobs)
    });
    let (reply, answer) = channel();
    let lost = || std::io::Error::other("the thread that starts servers is gone");
    spawner.lock().send((command, reply)).map_err(|_| lost())?;
    answer.recv().map_err(|_| lost())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_server_does_not_inherit_the_password_of_an_existing_cluster() {
        let launch = Launch {
            name: "n1".into(),
            program: "true".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: PathBuf::new(),
            log: PathBuf::new(),
            install: String::new(),
            namespace: None,
        };
        let command = launch.command();
        let removed = command.get_envs().any(|change| change == (OsStr::new(PASSWORD_VARIABLE), None));
        assert!(removed, "{:?}", command.get_envs().collect::<Vec<_>>());
    }
}
