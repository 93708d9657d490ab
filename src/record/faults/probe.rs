//! A request to one node, timed: what a fault must change for somebody to notice it.

use super::Scene;
use crate::record::system::NodeId;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How many requests the usual time is taken from.
const TRIES: usize = 3;

/// How long a request to the node takes, connecting included.
///
/// # Errors
/// Why it is not answered within that time, in words.
pub(super) fn ask(scene: &Scene, node: NodeId, at_most: Duration) -> Result<Duration, String> {
    let runtime = Handle::try_current().map_err(|_| "nobody can be asked here".to_owned())?;
    let asking = async {
        let started = Instant::now();
        match tokio::time::timeout(at_most, scene.cluster.probe(node)).await {
            Err(_) => Err(format!("no answer within {at_most:?}")),
            Ok(Err(why)) => Err(why),
            Ok(Ok(())) => Ok(started.elapsed()),
        }
    };
    // A thread of its own, since a fault may also be healed where waiting is forbidden.
    let asked = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(asking)).join());
    asked.unwrap_or_else(|_| Err("the request panicked".into()))
}

/// The usual time of a request to the node: the middle one of a few.
///
/// # Errors
/// Why one is not answered, in words.
pub(super) fn usual(scene: &Scene, node: NodeId, at_most: Duration) -> Result<Duration, String> {
    let mut times = (0..TRIES).map(|_| ask(scene, node, at_most)).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
