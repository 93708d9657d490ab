//! Taking the lead from a primary by Redis's own means: `SENTINEL FAILOVER`, or `CLUSTER FAILOVER` at one of its replicas.
//! The second waits until the replica has everything; the first does not, and loses what was acknowledged meanwhile.

use super::directory::{Directory, Site, open_sentinel};
use super::health::{LOOK, bounded, pause};
use super::link::LinkError;
use crate::record::system::{MembershipChange, NodeId, SystemError};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long handing over may take.
const HAND_OVER_MAX: Duration = Duration::from_secs(25);

/// Takes the lead from the node.
pub(super) async fn fail_over(site: &Site, node: NodeId) -> Result<MembershipChange, SystemError> {
    let refused = |error: LinkError| SystemError::Other(error.to_string());
    let address = site.nodes.get(usize::from(node.0)).ok_or_else(|| SystemError::Other("no such node".into()))?;
    let before = site.primaries().await;
    if !before.contains(address) {
        return Err(SystemError::Other(format!("{address} is no primary, and has no lead to lose")));
    }
    let done = match &site.directory {
        Directory::Fixed(_) => return Err(SystemError::Other("one server has nobody to hand over to".into())),
        Directory::Sentinels(sentinels) => {
            let sentinel = sentinels.addresses.first().ok_or_else(|| SystemError::Other("no sentinel".into()))?;
            let ask = async {
                let mut link = open_sentinel(&site.access, sentinel, LOOK).await?;
                link.ask::<String>(&["SENTINEL", "FAILOVER", &sentinels.master]).await
            };
            bounded(ask).await.map_err(refused)?;
            "SENTINEL FAILOVER"
        }
        Directory::Nodes => {
            let placement = site.placement(usize::from(node.0), LOOK).await.map_err(refused)?;
            let shard = placement.shards.iter().find(|shard| shard.primary == *address);
            let replica = shard.and_then(|shard| shard.replicas.first());
            let replica = replica.ok_or_else(|| SystemError::Other(format!("{address} has no replica")))?;
            let ask = async {
                let mut link = site.access.open(replica, LOOK).await?;
                link.ask::<String>(&["CLUSTER", "FAILOVER"]).await
            };
            bounded(ask).await.map_err(refused)?;
            "CLUSTER FAILOVER"
        }
    };
    let deadline = Instant::now() + HAND_OVER_MAX;
    let mut after = site.primaries().await;
    while (after.is_empty() || after.contains(address)) && pause(deadline).await {
        after = site.primaries().await;
    }
    if after.is_empty() || after.contains(address) {
        return Err(SystemError::Other(format!("nobody took over from {address}")));
    }
    Ok(MembershipChange { done: done.into(), before: names(&before), after: names(&after) })
}

/// There is nothing to restore: the node has become a replica by itself.
pub(super) async fn who_leads(site: &Site) -> MembershipChange {
    let primaries = names(&site.primaries().await);
    MembershipChange { done: "nothing".into(), before: primaries.clone(), after: primaries }
}

fn names(addresses: &[Arc<str>]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}
