//! A client that moves from node to node while it stays one logical process.
//!
//! Contract: it has a connection for each node, opened at the start like any other's, with slots that follow one another,
//! so that an adapter which spreads slots over nodes gives it one at each. After so many operations it uses the next. A
//! node that cannot be reached then is left out until the process connects anew, as a client with a list of addresses
//! would. What it does not do: choose. Where the adapter sends every slot to the same node (a primary), it stays there.

use super::system::{Action, Client, Cluster, Failure, NodeId, Reply};
use futures_util::future::{BoxFuture, join_all};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::time::timeout;

/// The connection of one logical process, or several if it is to move after so many operations.
pub(super) async fn connect(
    cluster: &dyn Cluster,
    slot: usize,
    hop: Option<NonZeroU32>,
    within: Duration,
) -> Result<Box<dyn Client>, Failure> {
    let Some(hop) = hop else { return cluster.connect(slot).await };
    // Less than the process has, so that a node that does not answer keeps it from no other.
    let each = within / 2;
    let nodes = cluster.nodes().len().max(1);
    let opened = join_all((0..nodes).map(|node| timeout(each, cluster.connect(slot + node)))).await;
    let mut connections = Vec::with_capacity(nodes);
    let mut refused = Failure::definite("connect timeout");
    for opened in opened {
        match opened {
            Ok(Ok(connection)) => connections.push(connection),
            Ok(Err(failure)) => refused = failure,
            Err(_) => {}
        }
    }
    if connections.is_empty() {
        return Err(refused);
    }
    Ok(Box::new(Roaming { connections, hop, at: 0, left: hop.get() }))
}

struct Roaming {
    connections: Vec<Box<dyn Client>>,
    hop: NonZeroU32,
    at: usize,
    /// So many operations more here.
    left: u32,
}

impl Client for Roaming {
    fn invoke<'a>(&'a mut self, action: &'a Action) -> BoxFuture<'a, Result<Reply, Failure>> {
        if self.left == 0 {
            self.at = (self.at + 1) % self.connections.len();
            self.left = self.hop.get();
        }
        self.left -= 1;
        self.connections[self.at].invoke(action)
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        self.connections[self.at].lost()
    }

    fn node(&self) -> Option<NodeId> {
        self.connections[self.at].node()
    }
}
