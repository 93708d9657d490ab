//! Membership: a node is taken out of the cluster, or the lead from it, by the system's own means, and made a member again
//! when the fault ends. Nothing is broken: systems promise to survive it.

use super::journal::Undo;
use super::need::Need;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed};
use crate::history::Value;
use crate::record::system::{MembershipChange, NodeId, SystemError};
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a change may take: etcd refuses one as long as it has not seen all members for some seconds.
const CHANGE_MAX: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Membership;

impl Fault for Membership {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "membership",
            about: "the target is taken out of the cluster (etcd, ZooKeeper), or the lead from it (Redis)",
            undo: "make it a member again",
            target: "leader",
            needs_network: false,
        }
    }

    fn needs(&self) -> Need {
        Need::System
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        undo_one(scene, targets)
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        changed(targets, |node| scene.cluster.change_members(node))
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        restored(targets, |node| scene.cluster.restore_members(node))
    }
}

type Changing<'c> = BoxFuture<'c, Result<MembershipChange, SystemError>>;

/// How a change of one node's part in the cluster is undone if nobody heals it.
pub(super) fn undo_one(scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
    if targets.len() > 1 {
        return Err("one node at a time".into());
    }
    targets.iter().map(|&node| scene.pid(node).map(|_| Undo::Restart { node: scene.name(node).into() })).collect()
}

/// Makes a change that must have changed something.
pub(super) fn changed<'c>(targets: &[NodeId], change: impl Fn(NodeId) -> Changing<'c>) -> Result<Facts, String> {
    let mut facts = Vec::new();
    for &node in targets {
        let change = wait(change(node))?;
        if change.before == change.after {
            return Err(format!("{} changed nothing", change.done));
        }
        facts = told(&change);
    }
    Ok(facts)
}

/// Takes a change back.
pub(super) fn restored<'c>(targets: &[NodeId], restore: impl Fn(NodeId) -> Changing<'c>) -> Result<Facts, Unhealed> {
    let mut facts = Vec::new();
    for &node in targets {
        facts = told(&wait(restore(node)).map_err(Unhealed::Stays)?);
    }
    Ok(facts)
}

fn told(change: &MembershipChange) -> Facts {
    let list = |names: &[String]| Value::List(names.iter().map(|name| Value::text(name)).collect());
    vec![("done", Value::text(&change.done)), ("before", list(&change.before)), ("after", list(&change.after))]
}

fn wait(change: Changing<'_>) -> Result<MembershipChange, String> {
    let runtime = Handle::try_current().map_err(|error| error.to_string())?;
    // A thread of its own, since a fault may also be healed where waiting is forbidden.
    let waiting = || runtime.block_on(async { timeout(CHANGE_MAX, change).await });
    match std::thread::scope(|scope| scope.spawn(waiting).join()) {
        Ok(Ok(change)) => change.map_err(|error| error.to_string()),
        Ok(Err(_)) => Err(format!("not within {CHANGE_MAX:?}")),
        Err(_) => Err("the change panicked".into()),
    }
}
