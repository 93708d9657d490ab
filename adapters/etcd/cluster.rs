//! A running cluster, local or existing: readiness, roles, connections, clean-up.

use super::client::{EtcdClient, range_end};
use super::connection::{Access, Unready};
use super::failure;
use super::local::{self, Local};
use super::settings::Settings;
use super::wire::{DeleteRangeRequest, StatusResponse};
use crate::record::clients::Clients;
use crate::record::system::{Backend, Client, Cluster, Failure, MembershipChange, Node, NodeId, ReadFrom, SystemError};
use futures_util::future::{BoxFuture, join_all};
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::Status;

/// How often a cluster that is not ready is asked again.
const PAUSE: Duration = Duration::from_millis(25);
/// How long one such question may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// A cluster that was ready once.
#[derive(Debug)]
pub(super) struct EtcdCluster {
    pub(super) link: Link,
    nodes: Vec<Node>,
    /// The number of each node's member, which a new one gets when it is taken out and added again.
    pub(super) members: Arc<RwLock<Vec<u64>>>,
    versions: Vec<(String, String)>,
    settings: Settings,
    read_from: ReadFrom,
}

/// What is known of a cluster before it is ready.
#[derive(Debug)]
pub(super) struct Link {
    /// How to reach the members.
    pub access: Access,
    /// `host:port` of each.
    pub addresses: Vec<String>,
    /// What every key starts with.
    pub prefix: Arc<str>,
    /// The processes, if they are ours.
    pub local: Option<Local>,
    /// Who sleeps.
    pub clients: Clients,
}

impl EtcdCluster {
    /// Waits until every member is ready.
    ///
    /// # Errors
    /// See [`Link::ready`].
    pub(super) async fn once_ready(
        link: Link,
        settings: Settings,
        backend: &Backend,
        deadline: Instant,
    ) -> Result<Self, SystemError> {
        let statuses = link.ready(deadline).await?;
        let members: Vec<u64> = statuses.iter().map(member_id).collect();
        let leader = leader(&statuses);
        let node = |(index, address): (usize, &String)| Node {
            name: format!("n{}", index + 1),
            address: address.clone(),
            role: if leader == Some(members[index]) { "leader" } else { "follower" }.to_owned(),
        };
        let nodes: Vec<_> = link.addresses.iter().enumerate().map(node).collect();
        let version =
            |(node, status): (&Node, &StatusResponse)| (node.name.clone(), format!("etcd {}", status.version));
        let versions = nodes.iter().zip(&statuses).map(version).collect();
        Ok(Self {
            nodes,
            members: Arc::new(RwLock::new(members)),
            versions,
            settings,
            read_from: backend.read_from,
            link,
        })
    }

    async fn open(&self, slot: usize, node: usize, serializable: bool) -> Result<EtcdClient, Failure> {
        let asked = NodeId(u16::try_from(node).expect("a cluster has few nodes"));
        let connection = self.link.access.open(node).await.map_err(|unopened| unopened.failure.at(asked))?;
        Ok(EtcdClient {
            connection,
            asked,
            members: Arc::clone(&self.members),
            prefix: Arc::clone(&self.link.prefix),
            serializable,
            lock_time: self.settings.lock_time,
            wakefulness: self.link.clients.client(slot),
            lease: None,
        })
    }

    /// The node for a client, as of now: an election may give it another role later.
    async fn choose(&self, slot: usize) -> Result<usize, Failure> {
        match self.read_from {
            ReadFrom::Default | ReadFrom::Any => Ok(slot % self.nodes.len()),
            ReadFrom::Node(node) => Ok(usize::from(node.0)),
            ReadFrom::Primary => self.find_leader().await,
            ReadFrom::Replica => {
                let leader = self.find_leader().await?;
                let followers: Vec<_> = (0..self.nodes.len()).filter(|node| *node != leader).collect();
                Ok(followers[slot % followers.len()])
            }
        }
    }

    async fn find_leader(&self) -> Result<usize, Failure> {
        let statuses = join_all((0..self.nodes.len()).map(|node| self.link.status(node))).await;
        let statuses: Vec<_> = statuses.into_iter().flatten().collect();
        let leader =
            leader(&statuses).and_then(|leader| self.members.read().iter().position(|member| *member == leader));
        leader.ok_or_else(|| Failure::definite(failure::NO_LEADER).reconnecting())
    }

    async fn open_final(&self, slot: usize) -> Result<EtcdClient, Failure> {
        let mut last = None;
        for offset in 0..self.nodes.len() {
            match self.open_final_at(slot, (slot + offset) % self.nodes.len()).await {
                Ok(client) => return Ok(client),
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.expect("a cluster has at least one node"))
    }

    /// A node that cannot reach a majority would let every final read time out: it is asked once first.
    async fn open_final_at(&self, slot: usize, node: usize) -> Result<EtcdClient, Failure> {
        let mut client = self.open(slot, node, false).await?;
        let probe = within(self.link.access.timeout, client.connection.probe(self.link.prefix.as_bytes())).await;
        match probe {
            Ok(()) => Ok(client),
            Err(_) => Err(Failure::definite(failure::NO_MAJORITY).at(client.asked).reconnecting()),
        }
    }
}

impl Cluster for EtcdCluster {
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn versions(&self) -> Vec<(String, String)> {
        self.versions.clone()
    }

    fn config(&self) -> Vec<(String, String)> {
        self.settings.config(self.link.local.is_none().then_some(self.nodes.len()))
    }

    fn connect(&self, slot: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        Box::pin(async move {
            let node = self.choose(slot).await?;
            let client = self.open(slot, node, self.settings.serializable).await?;
            Ok(Box::new(client) as Box<dyn Client>)
        })
    }

    fn connect_final(&self, slot: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        Box::pin(async move { Ok(Box::new(self.open_final(slot).await?) as Box<dyn Client>) })
    }

    fn connect_node(&self, node: NodeId) -> Option<BoxFuture<'_, Result<Box<dyn Client>, Failure>>> {
        Some(Box::pin(async move {
            let client = self.open(0, usize::from(node.0), self.settings.serializable).await?;
            Ok(Box::new(client) as Box<dyn Client>)
        }))
    }

    fn settle(&self, deadline: Instant) -> BoxFuture<'_, Result<(), SystemError>> {
        Box::pin(async move { self.link.ready(deadline).await.map(drop) })
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), SystemError>> {
        Box::pin(async move {
            match &self.link.local {
                Some(local) => local.stop(),
                None => self.link.clean().await,
            }
        })
    }

    fn pids(&self) -> Vec<(String, u32)> {
        self.link.local.as_ref().map(Local::pids).unwrap_or_default()
    }

    fn leaders(&self) -> BoxFuture<'_, Vec<NodeId>> {
        Box::pin(async move {
            let leader = self.find_leader().await.ok();
            leader.and_then(|leader| u16::try_from(leader).ok()).map(NodeId).into_iter().collect()
        })
    }

    fn probe(&self, node: NodeId) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let opened = self.link.access.open(usize::from(node.0)).await;
            let mut connection = opened.map_err(|unopened| unopened.why.reason)?;
            let answer = connection.probe(self.link.prefix.as_bytes()).await;
            answer.map_err(|status| failure::in_words(&status))
        })
    }

    fn change_members(&self, node: NodeId) -> BoxFuture<'_, Result<MembershipChange, SystemError>> {
        Box::pin(self.remove(usize::from(node.0)))
    }

    fn restore_members(&self, node: NodeId) -> BoxFuture<'_, Result<MembershipChange, SystemError>> {
        Box::pin(self.add_again(usize::from(node.0)))
    }

    fn restart(&self, node: NodeId) -> Result<(), SystemError> {
        match &self.link.local {
            Some(local) => local.restart(usize::from(node.0)),
            None => Err(SystemError::Other("an existing cluster's servers are not ours to start".into())),
        }
    }
}

impl Link {
    /// Waits until every member answers a linearizable read, and calls itself healthy if it is ours.
    ///
    /// # Errors
    /// [`SystemError::Died`] as soon as a process of ours ends; at the deadline [`SystemError::NotReady`]. Of an
    /// existing cluster [`SystemError::Unreachable`], at once if waiting cannot help.
    pub(super) async fn ready(&self, deadline: Instant) -> Result<Vec<StatusResponse>, SystemError> {
        let start = Instant::now();
        let mut last = (0, Unready::yet("no answer yet".into()));
        loop {
            if let Some(local) = &self.local {
                local.expect_alive()?;
            }
            let checks = join_all((0..self.addresses.len()).map(|node| self.check(node)));
            let Ok(answers) = tokio::time::timeout_at(deadline.into(), checks).await else {
                return Err(self.unready(last, start.elapsed()));
            };
            match unready(&answers) {
                None => return Ok(answers.into_iter().flatten().collect()),
                Some(unready) => last = unready,
            }
            if last.1.lasting && self.local.is_none() {
                return Err(self.unready(last, start.elapsed()));
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + PAUSE).into()).await;
        }
    }

    /// Removes every key under the prefix, through whichever member answers first. A write whose client gave
    /// up may still be on its way then, and land afterwards.
    async fn clean(&self) -> Result<(), SystemError> {
        let mut last = None;
        for node in 0..self.addresses.len() {
            match self.clean_through(node).await {
                Ok(()) => return Ok(()),
                Err(reason) => last = Some((node, reason)),
            }
        }
        let (node, reason) = last.expect("a cluster has at least one node");
        let reason = format!("{reason}; the keys under {:?} are still there", self.prefix);
        Err(SystemError::Unreachable { address: self.addresses[node].clone(), reason })
    }

    async fn clean_through(&self, node: usize) -> Result<(), String> {
        let mut connection = self.access.open(node).await.map_err(|unopened| unopened.why.reason)?;
        let key = self.prefix.as_bytes().to_vec();
        let request = DeleteRangeRequest { range_end: range_end(&key), key };
        // Many keys take longer than one operation may.
        let deleted = within(PATIENCE.max(10 * self.access.timeout), connection.delete_range(request)).await;
        deleted.map(drop).map_err(|status| failure::in_words(&status))
    }

    async fn check(&self, node: usize) -> Result<StatusResponse, Unready> {
        if let Some(local) = &self.local {
            local::health(local.members()[node].client, PATIENCE).await.map_err(Unready::yet)?;
        }
        let mut connection = self.access.open(node).await.map_err(|unopened| unopened.why)?;
        let probe = within(PATIENCE, connection.probe(self.prefix.as_bytes())).await;
        probe.map_err(|status| Unready::from(&status))?;
        within(PATIENCE, connection.status()).await.map_err(|status| Unready::from(&status))
    }

    async fn status(&self, node: usize) -> Option<StatusResponse> {
        let mut connection = self.access.open(node).await.ok()?;
        within(self.access.timeout, connection.status()).await.ok()
    }

    fn unready(&self, (node, why): (usize, Unready), after: Duration) -> SystemError {
        match &self.local {
            Some(local) => {
                let member = &local.members()[node];
                let what = format!("etcd {}", member.name);
                SystemError::NotReady { what, after, last: why.reason, log: member.log.clone() }
            }
            None => SystemError::Unreachable { address: self.addresses[node].clone(), reason: why.reason },
        }
    }
}

/// The first node that is not ready.
fn unready<T>(answers: &[Result<T, Unready>]) -> Option<(usize, Unready)> {
    let mut answers = answers.iter().enumerate();
    answers.find_map(|(node, answer)| answer.as_ref().err().map(|why| (node, why.clone())))
}

async fn within<T>(patience: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded(format!("no answer within {patience:?}")));
    tokio::time::timeout(patience, call).await.unwrap_or_else(late)
}

fn member_id(status: &StatusResponse) -> u64 {
    status.header.as_ref().map_or(0, |header| header.member_id)
}

/// The leader as the members with the newest term see it: one that was cut off keeps an older view.
fn leader(statuses: &[StatusResponse]) -> Option<u64> {
    let led = statuses.iter().filter(|status| status.leader != 0);
    led.max_by_key(|status| status.raft_term).map(|status| status.leader)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_term_tells_the_leader_and_no_leader_is_no_answer() {
        let status = |leader, raft_term| StatusResponse { leader, raft_term, ..StatusResponse::default() };
        assert_eq!(leader(&[status(7, 2), status(9, 3), status(7, 2)]), Some(9));
        assert_eq!(leader(&[status(7, 2), status(0, 5)]), Some(7));
        assert_eq!(leader(&[status(0, 5)]), None);
        assert_eq!(leader(&[]), None);
    }
}
