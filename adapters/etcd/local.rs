//! A local cluster: one etcd process for each member, on loopback.

use super::settings::Settings;
use crate::record::cluster::address::{addresses, announced, own};
use crate::record::cluster::disks::remove_data;
use crate::record::cluster::links::Links;
use crate::record::cluster::network::Network;
use crate::record::cluster::process::{Child, Launch};
use crate::record::system::SystemError;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Whether a member founds a cluster or joins one.
const STATE: &str = "initial-cluster-state";
const NEW: &str = "new";

/// The members of a local cluster. Dropping it kills them.
#[derive(Debug)]
pub(super) struct Local {
    children: Mutex<Vec<Child>>,
    members: Vec<Member>,
}

/// Where a member is.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// `n1`, …
    pub name: String,
    /// Where it serves clients, as it tells them.
    pub client: SocketAddr,
    pub peer: SocketAddr,
    /// Its working folder, which holds its data.
    folder: PathBuf,
    /// Its output.
    pub log: PathBuf,
}

impl Local {
    /// Starts the processes; they are not ready yet.
    ///
    /// # Errors
    /// If etcd is not installed or cannot be started.
    pub(super) fn start(
        settings: &Settings,
        folder: &Path,
        network: Option<&Network>,
        links: Option<&Links>,
    ) -> Result<Self, SystemError> {
        // The processes run in folders of their own, where a relative path would point elsewhere.
        let folder = std::path::absolute(folder).map_err(SystemError::io("finding the run's folder"))?;
        let addresses = announced(links, &addresses(network, settings.nodes, 2)?)?;
        let members: Vec<_> = addresses.iter().zip(1..).map(|(pair, number)| member(pair, number, &folder)).collect();
        let mut children = Vec::new();
        for (number, member) in members.iter().enumerate() {
            let mut launch = launch(member, &members, settings, links);
            launch.namespace = network.map(|network| network.namespace(number));
            children.push(launch.start()?);
        }
        Ok(Self { children: Mutex::new(children), members })
    }

    /// The members, in the order of the nodes.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Succeeds while every process runs.
    ///
    /// # Errors
    /// [`SystemError::Died`] with the end of the log of one that ended.
    pub(super) fn expect_alive(&self) -> Result<(), SystemError> {
        self.children.lock().iter_mut().try_for_each(Child::expect_alive)
    }

    /// The processes that run. One that ended is left out, since its number may be another's by now.
    pub(super) fn pids(&self) -> Vec<(String, u32)> {
        let mut children = self.children.lock();
        let running = children.iter_mut().filter_map(|child| child.ended().is_none().then_some(&*child));
        running.map(|child| (child.launch().name.clone(), child.pid())).collect()
    }

    /// Starts the process of that member again, after killing what may be left of it.
    pub(super) fn restart(&self, member: usize) -> Result<(), SystemError> {
        let mut children = self.children.lock();
        let Some(child) = children.get_mut(member) else {
            return Err(SystemError::Other("there is no such member".into()));
        };
        child.kill();
        *child = child.launch().start()?;
        Ok(())
    }

    /// Starts that member anew, without its data, as one that joins a cluster which is there.
    ///
    /// # Errors
    /// If its data cannot be removed or its process not started.
    pub(super) fn rejoin(&self, member: usize) -> Result<(), SystemError> {
        let mut children = self.children.lock();
        let Some(child) = children.get_mut(member) else {
            return Err(SystemError::Other("there is no such member".into()));
        };
        child.kill();
        let folder = &self.members[member].folder;
        remove_data(folder).map_err(SystemError::io(format!("removing {}", folder.display())))?;
        let mut launch = child.launch().clone();
        for argument in &mut launch.arguments {
            if *argument == format!("--{STATE}={NEW}") {
                *argument = format!("--{STATE}=existing");
            }
        }
        *child = launch.start()?;
        Ok(())
    }

    /// Kills the processes and removes their data, but not their logs.
    ///
    /// # Errors
    /// If a folder cannot be removed.
    pub(super) fn stop(&self) -> Result<(), SystemError> {
        self.children.lock().clear();
        for member in &self.members {
            remove_data(&member.folder).map_err(SystemError::io(format!("removing {}", member.folder.display())))?;
        }
        Ok(())
    }
}

fn member(addresses: &[SocketAddr], number: usize, folder: &Path) -> Member {
    let name = format!("n{number}");
    Member {
        client: addresses[0],
        peer: addresses[1],
        folder: folder.join(&name),
        log: folder.join(format!("{name}.log")),
        name,
    }
}

fn launch(member: &Member, members: &[Member], settings: &Settings, links: Option<&Links>) -> Launch {
    let cluster: Vec<_> = members.iter().map(|member| format!("{}=http://{}", member.name, member.peer)).collect();
    let [client, peer] = [member.client, member.peer].map(|address| format!("http://{address}"));
    let [own_client, own_peer] = [member.client, member.peer].map(|address| format!("http://{}", own(links, address)));
    let options = [
        ("name", member.name.clone()),
        ("data-dir", member.folder.join("data").display().to_string()),
        ("listen-client-urls", own_client),
        ("advertise-client-urls", client),
        ("listen-peer-urls", own_peer),
        ("initial-advertise-peer-urls", peer),
        ("initial-cluster", cluster.join(",")),
        (STATE, NEW.to_owned()),
        // A token of its own keeps members of two clusters apart that meet on a reused port.
        ("initial-cluster-token", format!("consistory-{}-{}", std::process::id(), members[0].peer.port())),
        ("heartbeat-interval", settings.heartbeat.as_millis().to_string()),
        ("election-timeout", settings.election.as_millis().to_string()),
        // Where a service manager runs consistory, etcd 3.4 would by default log to the journal instead.
        ("logger", "zap".to_owned()),
        ("log-outputs", "stderr".to_owned()),
    ];
    Launch {
        name: member.name.clone(),
        program: super::PROGRAM.name.to_owned(),
        arguments: options.iter().map(|(name, value)| format!("--{name}={value}")).collect(),
        environment: Vec::new(),
        folder: member.folder.clone(),
        log: member.log.clone(),
        install: format!("install it with: apt-get install {}", super::PROGRAM.package),
        namespace: None,
    }
}

/// Whether the member says of itself that it is healthy, which includes that it knows a leader.
///
/// # Errors
/// What it says otherwise, in words.
pub(super) async fn health(address: SocketAddr, patience: Duration) -> Result<(), String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").await?;
        let mut answer = Vec::new();
        // The limit keeps whatever listens there from filling the memory.
        stream.take(64 * 1024).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(patience, ask).await.map_err(|_| format!("no /health within {patience:?}"))?;
    let answer = answer.map_err(|error| format!("/health: {error}"))?;
    if answer.contains(r#""health":"true""#) {
        return Ok(());
    }
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default().trim();
    Err(format!("/health says {body:?}"))
}
