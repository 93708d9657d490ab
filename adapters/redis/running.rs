//! A running Redis of any topology, as the recorder sees it.
//!
//! Contract: clients are independent of each other. [`Cluster::settle`] starts ended local servers again, but
//! only after the others have failed over (or cannot): a primary that returns empty before that would make its
//! replicas empty, which would be consistory's doing and not the fault's.

use super::client::{Manner, RedisClient};
use super::directory::Site;
use super::health::{LOOK, bounded, info, pause, until_healthy};
use super::local::{Servers, server};
use super::settings::{FAILOVER_TIMEOUT_MS, Settings, Topology};
use super::slots::Away;
use super::{cluster, existing, members, sentinel, slots};
use crate::record::system::{Client, Cluster, Failure, MembershipChange, Node, NodeId, ReadFrom, SystemError};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often settling starts ended servers: a kill may be noticed only while waiting, but a server that keeps
/// ending is an error.
const STARTS_MAX: usize = 3;

/// A local cluster, or an existing one if there are no servers.
pub(super) struct Running {
    pub(super) site: Arc<Site>,
    pub(super) settings: Settings,
    pub(super) servers: Option<Servers>,
    pub(super) nodes: Vec<Node>,
    pub(super) manner: Arc<Manner>,
    pub(super) folder: PathBuf,
    pub(super) versions: Vec<(String, String)>,
    pub(super) config: Vec<(String, String)>,
    /// The slots that are away from their primary.
    pub(super) away: Mutex<Option<Away>>,
}

impl Running {
    /// Waits for health; a local server that ends meanwhile is an error.
    pub(super) async fn until_healthy(&self, deadline: Instant) -> Result<(), SystemError> {
        until_healthy(&self.site, &self.folder, deadline, self.servers.as_ref()).await
    }

    /// Reads names, roles, versions and settings, once the cluster is healthy.
    pub(super) async fn introduce(&mut self) -> Result<(), SystemError> {
        let mut versions = BTreeSet::new();
        for (number, address) in self.site.nodes.iter().enumerate() {
            let failed = |error: super::link::LinkError| SystemError::Unreachable {
                address: address.to_string(),
                reason: error.to_string(),
            };
            let mut link = self.site.access.open(address, LOOK).await.map_err(failed)?;
            let facts = info(&mut link, &["INFO"]).await.map_err(failed)?;
            let fact = |name: &str| facts.get(name).cloned().unwrap_or_else(|| "unknown".into());
            versions.insert(fact("redis_version"));
            let role = if fact("role") == "master" { "primary" } else { "replica" };
            self.nodes.push(Node { name: format!("n{}", number + 1), address: address.to_string(), role: role.into() });
        }
        self.versions = versions.into_iter().map(|version| ("redis".to_owned(), version)).collect();
        self.config = if self.servers.is_some() { self.settings.config() } else { self.asked_config().await };
        Ok(())
    }

    /// The settings of an existing cluster that decide what it promises, as its first node tells them.
    async fn asked_config(&self) -> Vec<(String, String)> {
        let mut config = vec![("wait".to_owned(), self.settings.wait.to_string())];
        let mut names = vec!["save", "appendonly", "appendfsync", "min-replicas-to-write", "min-replicas-max-lag"];
        match self.settings.topology {
            Topology::Standalone => {}
            Topology::Sentinel => config.push(("master".into(), self.settings.master.clone())),
            Topology::Cluster => names.push("cluster-node-timeout"),
        }
        let Some(first) = self.site.nodes.first() else { return config };
        let mut link = self.site.access.open(first, LOOK).await;
        for name in names {
            // A managed server often refuses CONFIG; then nobody knows.
            let told: Option<(String, String)> = match &mut link {
                Ok(link) => link.ask(&["CONFIG", "GET", name]).await.ok().and_then(first_pair),
                Err(_) => None,
            };
            config.push(told.unwrap_or_else(|| (name.to_owned(), "unknown".to_owned())));
        }
        config
    }

    async fn client(&self, slot: usize, manner: Arc<Manner>) -> Result<Box<dyn Client>, Failure> {
        let bound = manner.timeout;
        match tokio::time::timeout(bound, RedisClient::connect(Arc::clone(&self.site), manner, slot)).await {
            Ok(client) => Ok(Box::new(client?)),
            Err(_) => Err(Failure::definite("connect: timeout")),
        }
    }

    /// Starts the servers that have ended, sentinels first.
    async fn start_ended(&self, servers: &Servers, deadline: Instant) -> Result<(), SystemError> {
        let ended = servers.ended();
        let (sentinels, data): (Vec<_>, Vec<_>) = ended.into_iter().partition(|name| name.starts_with('s'));
        for name in sentinels {
            servers.start_again(&name, Clone::clone)?;
        }
        if data.is_empty() {
            return Ok(());
        }
        let primary = self.failed_over(&data, deadline).await;
        for name in data {
            let node = self.nodes.iter().find(|node| node.name == name);
            let address = node.and_then(|node| node.address.parse().ok());
            servers.start_again(&name, |launch| match (&primary, address) {
                (Some(primary), Some(address)) => {
                    server(servers, &name, &self.settings, address, sentinel::follow(primary))
                }
                _ => launch.clone(),
            })?;
        }
        Ok(())
    }

    /// Waits until the living have taken over from the ended, as long as a failover may take. With sentinels,
    /// answers the primary that the ended then have to follow.
    async fn failed_over(&self, ended: &[String], deadline: Instant) -> Option<String> {
        let gone: Vec<&str> =
            self.nodes.iter().filter(|node| ended.contains(&node.name)).map(|node| node.address.as_str()).collect();
        if gone.len() == self.nodes.len() {
            return None;
        }
        let deadline = deadline.min(Instant::now() + self.failover_max());
        if self.settings.topology == Topology::Cluster {
            while !cluster::is_served_without(&self.site, &gone).await && pause(deadline).await {}
            return None;
        }
        let sentinels = sentinel::of(&self.site)?;
        loop {
            let primary = sentinel::living_primary(&self.site, sentinels, &gone).await;
            if primary.is_some() || !pause(deadline).await {
                return primary;
            }
        }
    }

    /// How long a failover may take: time to notice, and for two further attempts, as two that ask for the same votes
    /// may both get too few. A primary that came back empty before it would be a loss of our making.
    fn failover_max(&self) -> Duration {
        let (notice_ms, again_ms) = match self.settings.topology {
            Topology::Standalone => return Duration::ZERO,
            // sentinel.c: the next attempt comes twice the failover timeout after the last, and one that was stalled for
            // two seconds (TILT) attempts nothing for thirty.
            Topology::Sentinel => (self.settings.down_after_ms, 2 * FAILOVER_TIMEOUT_MS + 15_000),
            // cluster.c: and here four node timeouts after it, two seconds standing for a shorter one's double.
            Topology::Cluster => (self.settings.node_timeout_ms, (4 * self.settings.node_timeout_ms).max(4_000)),
        };
        Duration::from_millis(2 * notice_ms + 2 * again_ms) + Duration::from_secs(10)
    }
}

fn first_pair(pairs: std::collections::BTreeMap<String, String>) -> Option<(String, String)> {
    pairs.into_iter().next()
}

impl Cluster for Running {
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn versions(&self) -> Vec<(String, String)> {
        self.versions.clone()
    }

    fn config(&self) -> Vec<(String, String)> {
        self.config.clone()
    }

    fn connect(&self, slot: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        Box::pin(self.client(slot, Arc::clone(&self.manner)))
    }

    fn connect_final(&self, slot: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
        let Manner { wait, timeout, lock_time, .. } = *self.manner;
        let prefix = self.manner.prefix.clone();
        Box::pin(self.client(slot, Arc::new(Manner { read_from: ReadFrom::Primary, wait, lock_time, prefix, timeout })))
    }

    /// The nodes of a sharded cluster do not all hold every key.
    fn connect_node(&self, node: NodeId) -> Option<BoxFuture<'_, Result<Box<dyn Client>, Failure>>> {
        if self.settings.topology == Topology::Cluster {
            return None;
        }
        let Manner { wait, timeout, lock_time, .. } = *self.manner;
        let prefix = self.manner.prefix.clone();
        Some(Box::pin(
            self.client(0, Arc::new(Manner { read_from: ReadFrom::Node(node), wait, lock_time, prefix, timeout })),
        ))
    }

    fn settle(&self, deadline: Instant) -> BoxFuture<'_, Result<(), SystemError>> {
        Box::pin(async move {
            if let Some(servers) = &self.servers {
                for _ in 0..STARTS_MAX {
                    self.start_ended(servers, deadline).await?;
                    match self.until_healthy(deadline).await {
                        Err(SystemError::Died { .. }) => {}
                        settled => return settled,
                    }
                }
            }
            self.until_healthy(deadline).await
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), SystemError>> {
        Box::pin(async move {
            match &self.servers {
                Some(servers) => servers.stop(),
                None => existing::remove(&self.site, &self.manner.prefix).await,
            }
        })
    }

    fn pids(&self) -> Vec<(String, u32)> {
        self.servers.as_ref().map(Servers::pids).unwrap_or_default()
    }

    fn leaders(&self) -> BoxFuture<'_, Vec<NodeId>> {
        Box::pin(async move {
            let primaries = self.site.primaries().await;
            let number = |address: &Arc<str>| self.site.nodes.iter().position(|node| node == address);
            primaries.iter().filter_map(number).filter_map(|number| u16::try_from(number).ok()).map(NodeId).collect()
        })
    }

    fn probe(&self, node: NodeId) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let address = self.site.nodes.get(usize::from(node.0)).ok_or("there is no such node")?;
            let asked = async {
                let mut link = self.site.access.open(address, LOOK).await?;
                link.ask::<String>(&["PING"]).await.map(drop)
            };
            asked.await.map_err(|error: super::link::LinkError| error.to_string())
        })
    }

    fn wall_clock(&self, node: NodeId) -> BoxFuture<'_, Option<SystemTime>> {
        Box::pin(async move {
            let address = self.site.nodes.get(usize::from(node.0))?;
            let time = async {
                let mut link = self.site.access.open(address, LOOK).await?;
                link.ask::<(u64, u64)>(&["TIME"]).await
            };
            let (seconds, microseconds) = bounded(time).await.ok()?;
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds) + Duration::from_micros(microseconds))
        })
    }

    fn change_members(&self, node: NodeId) -> BoxFuture<'_, Result<MembershipChange, SystemError>> {
        Box::pin(members::fail_over(&self.site, node))
    }

    fn restore_members(&self, _: NodeId) -> BoxFuture<'_, Result<MembershipChange, SystemError>> {
        Box::pin(async { Ok(members::who_leads(&self.site).await) })
    }

    fn migrate_slots(&self, node: NodeId, back: bool) -> BoxFuture<'_, Result<MembershipChange, SystemError>> {
        Box::pin(async move {
            if back {
                let away = self.away.lock().take();
                let Some(away) = away else { return Ok(members::who_leads(&self.site).await) };
                return slots::migrate(&self.site, &away, true).await;
            }
            let away = slots::choose(&self.site, node).await?;
            // Before it begins: half a move is undone too.
            *self.away.lock() = Some(away.clone());
            slots::migrate(&self.site, &away, false).await
        })
    }

    fn restart(&self, node: NodeId) -> Result<(), SystemError> {
        let named = self.nodes.get(usize::from(node.0)).map(|node| node.name.as_str());
        match (&self.servers, named) {
            (Some(servers), Some(name)) => servers.start_again(name, Clone::clone),
            _ => Err(SystemError::Other("this run started no server there".into())),
        }
    }
}
