//! A running ensemble: where its clients go, when it is healthy, and its end.

use super::access::{Access, with_port};
use super::client::Session;
use super::ensemble::{Server, is_formed, launch};
use super::failures::{CANNOT_CONNECT, NO_SUCH_ROLE};
use super::members;
use super::settings::{Reads, Settings};
use super::status::{Role, Status};
use super::subtree::{Subtree, path_of};
use crate::record::system::{Backend, Client, Cluster, Failure, MembershipChange, Node, NodeId, ReadFrom, SystemError};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{timeout, timeout_at};

/// How often a cluster that is not ready yet is looked at.
const POLL: Duration = Duration::from_millis(25);
/// How often a local cluster is started anew when another program took one of its ports meanwhile.
const START_ATTEMPTS: usize = 3;

/// The bound on removing a run's znodes: tens of thousands take a few seconds.
const REMOVE_LIMIT: Duration = Duration::from_secs(30);

/// An ensemble, local or existing, with one znode of ours.
pub(super) struct Ensemble {
    nodes: Vec<Node>,
    versions: Vec<(String, String)>,
    settings: Settings,
    read_from: ReadFrom,
    access: Access,
    /// The servers that this run started; none for an existing cluster, or after the end.
    servers: Mutex<Vec<Server>>,
    is_local: bool,
    /// The configuration's lines of servers that were taken out of the ensemble.
    taken_out: Mutex<BTreeMap<usize, String>>,
    /// What remains to be removed.
    subtree: Option<Subtree>,
    /// The path of the subtree, shared with the clients.
    parent: Arc<str>,
}

impl Ensemble {
    /// Starts a local ensemble, or reaches the one of `backend.nodes`.
    pub(super) async fn start(backend: &Backend, deadline: Instant) -> Result<Self, SystemError> {
        let settings = Settings::of(backend)?;
        if backend.nodes.is_empty() {
            for _ in 1..START_ATTEMPTS {
                match Self::start_local(backend, settings.clone(), deadline).await {
                    Err(SystemError::Died { tail, .. }) if tail.contains("Address already in use") => {}
                    result => return result,
                }
            }
            return Self::start_local(backend, settings, deadline).await;
        }
        let addresses = backend.nodes.iter().map(|address| with_port(address)).collect::<Result<_, _>>()?;
        Self::over(backend, settings, addresses, Vec::new())?.with_subtree(backend, deadline).await
    }

    async fn start_local(backend: &Backend, settings: Settings, deadline: Instant) -> Result<Self, SystemError> {
        let servers = launch(&settings, &backend.folder, backend.network.as_ref(), backend.links.as_ref())?;
        let addresses = servers.iter().map(|server| server.address.clone()).collect();
        Self::over(backend, settings, addresses, servers)?.with_subtree(backend, deadline).await
    }

    fn over(
        backend: &Backend,
        settings: Settings,
        addresses: Vec<String>,
        servers: Vec<Server>,
    ) -> Result<Self, SystemError> {
        if let ReadFrom::Node(NodeId(node)) = backend.read_from
            && usize::from(node) >= addresses.len()
        {
            return Err(SystemError::Other(format!("there is no node {node}: they are 0 to {}", addresses.len() - 1)));
        }
        let parent = path_of(&backend.prefix)?;
        let names = (1..).map(|id| format!("n{id}"));
        let node = |(name, address): (String, &String)| Node { name, address: address.clone(), role: String::new() };
        Ok(Self {
            nodes: names.zip(&addresses).map(node).collect(),
            versions: Vec::new(),
            access: Access::new(backend, addresses, settings.session_timeout)?,
            settings,
            read_from: backend.read_from,
            is_local: !servers.is_empty(),
            taken_out: Mutex::default(),
            servers: Mutex::new(servers),
            subtree: None,
            parent: parent.into(),
        })
    }

    /// The same, when it is ready for clients.
    async fn with_subtree(mut self, backend: &Backend, deadline: Instant) -> Result<Self, SystemError> {
        let statuses = self.await_ready(deadline, false).await?;
        for (node, status) in self.nodes.iter_mut().zip(&statuses) {
            node.role = status.as_ref().map_or(String::new(), |status| status.role.name().to_owned());
        }
        self.versions = versions(&statuses);
        if candidates(backend.read_from, &statuses).is_empty() {
            return Err(SystemError::Other(format!(
                "none of the {} nodes is {}",
                statuses.len(),
                asked(self.read_from)
            )));
        }
        let subtree = loop {
            match timeout_at(deadline.into(), self.create_subtree()).await {
                Ok(Ok(subtree)) => break subtree,
                // A local ensemble ends with all that a try in doubt has left: it may be asked again.
                Ok(Err(_)) if self.is_local && Instant::now() + POLL < deadline => tokio::time::sleep(POLL).await,
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(self.unreachable(0, format!("the znode {} was not created in time", self.parent))),
            }
        };
        if let Err(error) = self.await_ready(deadline, true).await {
            // The first error is the one to tell; local servers end with this cluster.
            if !self.is_local {
                let _ = self.remove_subtree(&subtree).await;
            }
            return Err(error);
        }
        self.subtree = Some(subtree);
        Ok(self)
    }

    async fn create_subtree(&self) -> Result<Subtree, SystemError> {
        let client = self.access.open_patiently(0).await.map_err(|reason| self.unreachable(0, reason))?;
        Subtree::create(&client, self.parent.to_string(), &self.access.create_options()).await
    }

    /// Waits until [`Self::look`] finds nothing amiss, at most until `deadline`.
    async fn await_ready(&self, deadline: Instant, with_write: bool) -> Result<Vec<Option<Status>>, SystemError> {
        let started = Instant::now();
        let mut last = Unready { node: None, reason: "the servers did not answer".into() };
        loop {
            match timeout_at(deadline.into(), self.look(with_write)).await {
                Ok(Ok(statuses)) => return Ok(statuses),
                Ok(Err(unready)) => last = unready,
                Err(_) => return Err(self.not_ready(last, started)),
            }
            if Instant::now() + POLL > deadline {
                return Err(self.not_ready(last, started));
            }
            // A server that ended while starting says why in its log; later, faults end servers.
            if self.subtree.is_none() {
                self.servers.lock().iter_mut().try_for_each(|server| server.child.expect_alive())?;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Looks once: every server answers, a local ensemble has one leader and followers otherwise, and every
    /// server opens a session and, if asked, writes through it. The write is to our own parent znode, whose
    /// data mean nothing.
    async fn look(&self, with_write: bool) -> Result<Vec<Option<Status>>, Unready> {
        let ended = self.servers.lock().iter_mut().position(|server| server.child.ended().is_some());
        if ended.is_some() {
            return Err(Unready { node: ended, reason: "its process has ended".into() });
        }
        let statuses = self.access.statuses().await;
        if self.is_local {
            let roles = roles_of(&statuses)?;
            if !is_formed(&roles) {
                let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
                return Err(Unready { node: None, reason: format!("the servers are {}", names.join(", ")) });
            }
        }
        for node in 0..self.nodes.len() {
            let unready = |reason| Unready { node: Some(node), reason };
            let client = self.access.open_patiently(node).await.map_err(unready)?;
            if with_write {
                let written = client.set_data(&self.parent, b"", None).await;
                written.map_err(|error| unready(format!("a write failed: {error}")))?;
            }
        }
        Ok(statuses.into_iter().map(Result::ok).collect())
    }

    /// The error that ends a wait, with the log to look at.
    fn not_ready(&self, Unready { node, reason }: Unready, started: Instant) -> SystemError {
        let log = self.servers.lock().get(node.unwrap_or(0)).map(Server::log);
        let last = match node {
            Some(node) => format!("{}: {reason}", self.nodes[node].name),
            None => reason.clone(),
        };
        match log {
            Some(log) => SystemError::NotReady { what: "zookeeper".into(), after: started.elapsed(), last, log },
            None => self.unreachable(node.unwrap_or(0), reason),
        }
    }

    async fn open(&self, slot: usize, read_from: ReadFrom, reads: Reads) -> Result<Box<dyn Client>, Failure> {
        let nodes = match read_from {
            // Who leads may have changed since the start.
            ReadFrom::Primary | ReadFrom::Replica => {
                let statuses: Vec<_> = self.access.statuses().await.into_iter().map(Result::ok).collect();
                candidates(read_from, &statuses)
            }
            ReadFrom::Default | ReadFrom::Any | ReadFrom::Node(_) => {
                candidates(read_from, &vec![None; self.nodes.len()])
            }
        };
        if nodes.is_empty() {
            return Err(Failure::definite(NO_SUCH_ROLE).reconnecting());
        }
        let node = nodes[slot % nodes.len()];
        let id = NodeId(u16::try_from(node).expect("an ensemble has a handful of nodes"));
        let Ok(library) = self.access.open(node).await else {
            return Err(Failure::definite(CANNOT_CONNECT).at(id).reconnecting());
        };
        let options = (self.access.create_options(), self.access.lock_options());
        Ok(Box::new(Session::new(library, id, Arc::clone(&self.parent), reads, options)))
    }

    fn unreachable(&self, node: usize, reason: String) -> SystemError {
        SystemError::Unreachable { address: self.nodes[node].address.clone(), reason }
    }

    /// Removes our znodes from an existing cluster, through whichever server answers first.
    async fn remove_subtree(&self, subtree: &Subtree) -> Result<(), SystemError> {
        let mut failed = None;
        for node in 0..self.nodes.len() {
            let removed = match self.access.open_patiently(node).await {
                Ok(client) => match timeout(REMOVE_LIMIT, subtree.remove(&client)).await {
                    Ok(removed) => removed,
                    Err(_) => Err(self.unreachable(node, format!("{} was not removed in time", self.parent))),
                },
                Err(reason) => Err(self.unreachable(node, reason)),
            };
            match removed {
                Ok(()) => return Ok(()),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl Cluster for Ensemble {
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn versions(&self) -> Vec<(String, String)> {
        self.versions.clone()
    }

    fn config(&self) -> Vec<(String, String)> {
        self.settings.in_force(self.is_local)
    }

    fn connect(&self, slot: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        Box::pin(self.open(slot, self.read_from, self.settings.reads))
    }

    /// A new session is itself a write that its server applies before it answers, so its reads see every
    /// write that was acknowledged before; `sync` makes up for those acknowledged since.
    fn connect_final(&self, slot: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        Box::pin(self.open(slot, ReadFrom::Default, Reads::Sync))
    }

    fn connect_node(&self, node: NodeId) -> Option<BoxFuture<'_, Result<Box<dyn Client>, Failure>>> {
        Some(Box::pin(self.open(0, ReadFrom::Node(node), self.settings.reads)))
    }

    /// Every node has to answer, also one whose process was killed: with a dead node it ends in an error.
    fn settle(&self, deadline: Instant) -> BoxFuture<'_, Result<(), SystemError>> {
        Box::pin(async move {
            self.await_ready(deadline, true).await?;
            Ok(())
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), SystemError>> {
        Box::pin(async move {
            let subtree = self.subtree.take();
            if !self.is_local {
                return match subtree {
                    Some(subtree) => self.remove_subtree(&subtree).await,
                    None => Ok(()),
                };
            }
            let servers = std::mem::take(&mut *self.servers.lock());
            // All are stopped, whatever happens to the data of one.
            let removed: Vec<_> = servers.into_iter().map(Server::remove).collect();
            removed.into_iter().collect()
        })
    }

    fn pids(&self) -> Vec<(String, u32)> {
        let mut servers = self.servers.lock();
        let running = servers.iter_mut().filter_map(|server| {
            let ended = server.child.ended().is_some();
            (!ended).then(|| (server.name.clone(), server.child.pid()))
        });
        running.collect()
    }

    fn leaders(&self) -> BoxFuture<'_, Vec<NodeId>> {
        Box::pin(async move {
            let statuses: Vec<_> = self.access.statuses().await.into_iter().map(Result::ok).collect();
            let leaders = candidates(ReadFrom::Primary, &statuses);
            leaders.into_iter().filter_map(|leader| u16::try_from(leader).ok()).map(NodeId).collect()
        })
    }

    /// A session is opened by the ensemble, so a server that is cut off from the others does not answer.
    fn probe(&self, node: NodeId) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move { self.access.open(usize::from(node.0)).await.map(drop) })
    }

    fn change_members(&self, node: NodeId) -> BoxFuture<'_, Result<MembershipChange, SystemError>> {
        Box::pin(async move {
            let server = usize::from(node.0);
            let line = members::line(&self.access, server).await?;
            // Before it is asked for: a change that nobody answers may be made all the same.
            self.taken_out.lock().insert(server, line.clone());
            members::remove(&self.access, server, &line).await
        })
    }

    fn restore_members(&self, node: NodeId) -> BoxFuture<'_, Result<MembershipChange, SystemError>> {
        Box::pin(async move {
            let server = usize::from(node.0);
            let line = self.taken_out.lock().get(&server).cloned();
            let line = line.ok_or_else(|| SystemError::Other("it was not taken out".into()))?;
            let change = members::add_again(&self.access, server, &line).await?;
            self.taken_out.lock().remove(&server);
            // One that was taken out does not look for the others any more.
            self.restart(node)?;
            Ok(change)
        })
    }

    fn restart(&self, node: NodeId) -> Result<(), SystemError> {
        match self.servers.lock().get_mut(usize::from(node.0)) {
            Some(server) => server.restart(),
            None => Err(SystemError::Other("an existing ensemble's servers are not ours to start".into())),
        }
    }
}

/// What is amiss, and where.
struct Unready {
    node: Option<usize>,
    reason: String,
}

fn roles_of(statuses: &[Result<Status, String>]) -> Result<Vec<Role>, Unready> {
    let role = |(node, status): (usize, &Result<Status, String>)| match status {
        Ok(status) => Ok(status.role),
        Err(reason) => Err(Unready { node: Some(node), reason: reason.clone() }),
    };
    statuses.iter().enumerate().map(role).collect()
}

/// The nodes that clients may connect to. A server whose role is unknown plays none.
fn candidates(read_from: ReadFrom, statuses: &[Option<Status>]) -> Vec<usize> {
    let serves = |node: usize, status: &Option<Status>| match (read_from, status) {
        (ReadFrom::Default | ReadFrom::Any, _) => true,
        (ReadFrom::Node(NodeId(wanted)), _) => node == usize::from(wanted),
        (ReadFrom::Primary, Some(status)) => status.role.is_primary(),
        (ReadFrom::Replica, Some(status)) => !status.role.is_primary(),
        (ReadFrom::Primary | ReadFrom::Replica, None) => false,
    };
    statuses.iter().enumerate().filter(|(node, status)| serves(*node, status)).map(|(node, _)| node).collect()
}

fn asked(read_from: ReadFrom) -> &'static str {
    match read_from {
        ReadFrom::Primary => "a leader, or none says so",
        ReadFrom::Replica => "a follower, or none says so",
        ReadFrom::Default | ReadFrom::Any | ReadFrom::Node(_) => "there",
    }
}

/// Each version once: an ensemble may be in the middle of an upgrade.
fn versions(statuses: &[Option<Status>]) -> Vec<(String, String)> {
    let mut versions: Vec<_> = statuses.iter().flatten().map(|status| status.version.clone()).collect();
    versions.sort_unstable();
    versions.dedup();
    versions.into_iter().map(|version| ("zookeeper".to_owned(), version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(roles: &[Option<Role>]) -> Vec<Option<Status>> {
        let status = |role: &Option<Role>| role.map(|role| Status { version: "3.8.0".into(), role });
        roles.iter().map(status).collect()
    }

    #[test]
    fn clients_go_only_where_they_were_sent() {
        let three = statuses(&[Some(Role::Follower), Some(Role::Leader), Some(Role::Observer)]);
        assert_eq!(candidates(ReadFrom::Default, &three), [0, 1, 2]);
        assert_eq!(candidates(ReadFrom::Any, &three), [0, 1, 2]);
        assert_eq!(candidates(ReadFrom::Primary, &three), [1]);
        assert_eq!(candidates(ReadFrom::Replica, &three), [0, 2]);
        assert_eq!(candidates(ReadFrom::Node(NodeId(2)), &three), [2]);
    }

    #[test]
    fn a_server_whose_role_is_unknown_is_neither_leader_nor_follower() {
        let unknown = statuses(&[None, None]);
        assert!(candidates(ReadFrom::Primary, &unknown).is_empty());
        assert!(candidates(ReadFrom::Replica, &unknown).is_empty());
        assert_eq!(candidates(ReadFrom::Any, &unknown), [0, 1]);
    }
}
