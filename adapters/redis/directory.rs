//! Where a client learns who the primary is.
//!
//! Contract: [`Directory::placement`] asks what Redis's documentation tells clients to ask (the given roles, the
//! sentinels, or any node of a cluster), the first that answers wins, and nothing is cached or retried here.
//! Two clients may be told different things: that is the system's behaviour, and each believes its own answer.

use super::link::{Access, Link, LinkError};
use super::placement::Placement;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long one may take that is asked who the primaries are.
const ANSWER: Duration = Duration::from_secs(1);

/// How primaries are found.
#[derive(Debug)]
pub(super) enum Directory {
    /// Roles that never change.
    Fixed(Placement),
    /// Sentinels name the primary; every other node is a replica.
    Sentinels(Sentinels),
    /// Each node of a cluster knows the owner of each slot.
    Nodes,
}

/// The sentinels of one primary.
#[derive(Debug)]
pub(super) struct Sentinels {
    /// `host:port` of each.
    pub(super) addresses: Vec<String>,
    /// The name under which they watch the primary.
    pub(super) master: String,
}

/// A cluster as its clients see it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) access: Access,
    pub(super) directory: Directory,
    /// `host:port` of each node that holds data, in the order of the cluster's nodes.
    pub(super) nodes: Vec<Arc<str>>,
}

impl Site {
    /// Who holds what, according to the first that answers, starting with number `first`. Each is given its
    /// share of `bound`, so that one silent server does not use it up.
    pub(super) async fn placement(&self, first: usize, bound: Duration) -> Result<Placement, LinkError> {
        let asked = match &self.directory {
            Directory::Fixed(placement) => return Ok(placement.clone()),
            Directory::Sentinels(sentinels) => sentinels.addresses.len(),
            Directory::Nodes => self.nodes.len(),
        };
        let share = bound / u32::try_from(asked.max(1)).unwrap_or(u32::MAX);
        let mut last = LinkError::Connect("nobody to ask".into());
        for turn in 0..asked {
            let number = (first + turn) % asked;
            match tokio::time::timeout(share, self.placement_from(number, share)).await {
                Ok(Ok(placement)) => return Ok(placement),
                Ok(Err(error)) => last = error,
                Err(_) => last = LinkError::Connect("timeout".into()),
            }
        }
        Err(last)
    }

    /// The primaries, as most of those say who answer at all: one that is cut off is outvoted.
    pub(super) async fn primaries(&self) -> Vec<Arc<str>> {
        let asked = match &self.directory {
            Directory::Fixed(_) => 1,
            Directory::Sentinels(sentinels) => sentinels.addresses.len(),
            Directory::Nodes => self.nodes.len(),
        };
        let ask = |number| tokio::time::timeout(ANSWER, self.placement_from(number, ANSWER));
        let mut votes: BTreeMap<Vec<Arc<str>>, usize> = BTreeMap::new();
        for placement in join_all((0..asked).map(ask)).await.into_iter().flatten().flatten() {
            let mut primaries: Vec<_> = placement.shards.into_iter().map(|shard| shard.primary).collect();
            primaries.sort_unstable();
            *votes.entry(primaries).or_default() += 1;
        }
        votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(primaries, _)| primaries).unwrap_or_default()
    }

    async fn placement_from(&self, number: usize, bound: Duration) -> Result<Placement, LinkError> {
        match &self.directory {
            Directory::Fixed(placement) => Ok(placement.clone()),
            Directory::Sentinels(sentinels) => {
                let mut link = open_sentinel(&self.access, &sentinels.addresses[number], bound).await?;
                let primary: Arc<str> = primary_named_by(&mut link, &sentinels.master).await?.into();
                let replicas = self.nodes.iter().filter(|node| **node != primary).cloned().collect();
                Ok(Placement::whole(primary, replicas))
            }
            Directory::Nodes => {
                let address = &self.nodes[number];
                let mut link = self.access.open(address, bound).await?;
                cluster_slots(&mut link, address).await
            }
        }
    }
}

/// Opens a connection to a sentinel, which may want the credentials of the servers or refuse them.
pub(super) async fn open_sentinel(access: &Access, address: &str, bound: Duration) -> Result<Link, LinkError> {
    match access.anonymous().open(address, bound).await {
        Err(_) if access.has_credentials() => access.open(address, bound).await,
        opened => opened,
    }
}

/// The address of the primary according to this sentinel.
pub(super) async fn primary_named_by(sentinel: &mut Link, master: &str) -> Result<String, LinkError> {
    let named: Option<(String, u16)> = sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master]).await?;
    let (host, port) =
        named.ok_or_else(|| LinkError::Connect(format!("the sentinels watch no primary called '{master}'")))?;
    Ok(format!("{host}:{port}"))
}

/// The owners of the slots according to the node at `address`.
pub(super) async fn cluster_slots(link: &mut Link, address: &str) -> Result<Placement, LinkError> {
    let reply = link.ask(&["CLUSTER", "SLOTS"]).await?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    Placement::of_cluster_slots(&reply, host)
}
