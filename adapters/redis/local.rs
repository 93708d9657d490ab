//! The server processes of a local cluster.
//!
//! Contract: each runs in `<folder>/<name>/` and logs to `<folder>/<name>.log`. [`Servers::stop`] kills all of
//! them and removes the data folders, never the logs; dropping only kills.

use super::settings::Settings;
use crate::record::cluster::address::own;
use crate::record::cluster::disks::remove_data;
use crate::record::cluster::links::Links;
use crate::record::cluster::network::Network;
use crate::record::cluster::process::{Child, Launch};
use crate::record::system::{Backend, SystemError};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Running servers, in the order in which they were started.
pub(super) struct Servers {
    folder: PathBuf,
    network: Option<Network>,
    links: Option<Links>,
    children: Mutex<Vec<Child>>,
}

impl Servers {
    pub(super) fn new(backend: &Backend) -> Result<Self, SystemError> {
        let folder = backend.folder.clone();
        let made = std::fs::create_dir_all(&folder);
        made.map_err(SystemError::io(format!("creating {}", folder.display())))?;
        let (network, links) = (backend.network.clone(), backend.links.clone());
        Ok(Self { folder, network, links, children: Mutex::default() })
    }

    /// The address at which a server itself listens.
    pub(super) fn own(&self, announced: SocketAddr) -> SocketAddr {
        own(self.links.as_ref(), announced)
    }

    /// Where the node of that name keeps its data.
    pub(super) fn data(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The launch of one of redis's programs.
    pub(super) fn launch(&self, name: &str, program: &str, arguments: Vec<String>) -> Launch {
        Launch {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments,
            environment: Vec::new(),
            folder: self.data(name),
            log: self.folder.join(format!("{name}.log")),
            install: format!("apt install {program}"),
            namespace: self.namespace(name),
        }
    }

    /// The namespace of `n2` and `s2` is that of the second node.
    fn namespace(&self, name: &str) -> Option<String> {
        let number: usize = name.get(1..)?.parse().ok()?;
        self.network.as_ref().map(|network| network.namespace(number - 1))
    }

    pub(super) fn start(&self, launch: &Launch) -> Result<(), SystemError> {
        let child = launch.start()?;
        self.children.lock().push(child);
        Ok(())
    }

    /// Starts an ended server again; `launch` says how.
    pub(super) fn start_again(&self, name: &str, launch: impl FnOnce(&Launch) -> Launch) -> Result<(), SystemError> {
        let mut children = self.children.lock();
        let Some(child) = children.iter_mut().find(|child| child.launch().name == name) else { return Ok(()) };
        // What is left of it is gone before it is started again.
        child.kill();
        *child = launch(child.launch()).start()?;
        Ok(())
    }

    /// The names of the servers that have ended.
    pub(super) fn ended(&self) -> Vec<String> {
        let mut children = self.children.lock();
        children.iter_mut().filter_map(|child| child.ended().map(|_| child.launch().name.clone())).collect()
    }

    /// An error if any server has ended.
    pub(super) fn expect_alive(&self) -> Result<(), SystemError> {
        self.children.lock().iter_mut().try_for_each(Child::expect_alive)
    }

    pub(super) fn pids(&self) -> Vec<(String, u32)> {
        self.children.lock().iter().map(|child| (child.launch().name.clone(), child.pid())).collect()
    }

    /// Ends every server and removes its data.
    pub(super) fn stop(&self) -> Result<(), SystemError> {
        // All are gone before the first folder is removed: a dying primary makes its replicas write.
        let children = std::mem::take(&mut *self.children.lock());
        let folders: Vec<_> = children.iter().map(|child| child.launch().folder.clone()).collect();
        drop(children);
        for folder in folders {
            remove_data(&folder).map_err(SystemError::io(format!("removing {}", folder.display())))?;
        }
        Ok(())
    }
}

/// The launch of a data server that is announced at that address.
pub(super) fn server(
    servers: &Servers,
    name: &str,
    settings: &Settings,
    address: SocketAddr,
    further: Vec<String>,
) -> Launch {
    let own = servers.own(address);
    let mut arguments = vec!["--bind".into(), own.ip().to_string(), "--port".into(), own.port().to_string()];
    arguments.extend(settings.server_arguments());
    if servers.network.is_some() {
        // It refuses clients from other addresses otherwise, as it has no password.
        arguments.extend(["--protected-mode".into(), "no".into()]);
    }
    if own != address {
        arguments.extend(["--replica-announce-ip".into(), address.ip().to_string()]);
        arguments.extend(["--replica-announce-port".into(), address.port().to_string()]);
    }
    arguments.extend(further);
    servers.launch(name, "redis-server", arguments)
}
