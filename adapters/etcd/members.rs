//! Taking a member out of a local cluster, and adding it again with nothing but its address.

use super::cluster::EtcdCluster;
use super::failure;
use super::local::Local;
use crate::record::system::{MembershipChange, SystemError};
use std::time::{Duration, Instant};

/// How long etcd may refuse a change: it wants to have seen every member for some seconds.
const REFUSED_MAX: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(250);

impl EtcdCluster {
    /// Takes the node out of the cluster.
    pub(super) async fn remove(&self, node: usize) -> Result<MembershipChange, SystemError> {
        self.ours()?;
        let (id, other) = (self.members.read()[node], self.another(node)?);
        let before = self.names(other).await?;
        let end = Instant::now() + REFUSED_MAX;
        loop {
            let mut connection = self.connection(other).await?;
            match connection.remove_member(id).await {
                Ok(_) => break,
                Err(status) if Instant::now() >= end => return Err(SystemError::Other(failure::in_words(&status))),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        let after = self.names(other).await?;
        Ok(MembershipChange { done: format!("member remove {id:x}"), before, after })
    }

    /// Adds the node again, which begins with nothing.
    pub(super) async fn add_again(&self, node: usize) -> Result<MembershipChange, SystemError> {
        let local = self.ours()?;
        let other = self.another(node)?;
        let before = self.names(other).await?;
        let url = format!("http://{}", local.members()[node].peer);
        let end = Instant::now() + REFUSED_MAX;
        let id = loop {
            let mut connection = self.connection(other).await?;
            match connection.add_member(url.clone()).await {
                Ok(id) => break id,
                Err(status) if Instant::now() >= end => return Err(SystemError::Other(failure::in_words(&status))),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        self.members.write()[node] = id;
        local.rejoin(node)?;
        let after = self.names(other).await?;
        Ok(MembershipChange { done: format!("member add {id:x}"), before, after })
    }

    fn ours(&self) -> Result<&Local, SystemError> {
        let local = self.link.local.as_ref();
        local.ok_or_else(|| SystemError::Other("an existing cluster's members stay as they are".into()))
    }

    fn another(&self, node: usize) -> Result<usize, SystemError> {
        let other = (0..self.members.read().len()).find(|&other| other != node);
        other.ok_or_else(|| SystemError::Other("there is no other member".into()))
    }

    async fn connection(&self, node: usize) -> Result<super::connection::Connection, SystemError> {
        self.link.access.open(node).await.map_err(|unopened| SystemError::Other(unopened.why.reason))
    }

    async fn names(&self, node: usize) -> Result<Vec<String>, SystemError> {
        let members = self.connection(node).await?.members().await;
        let members = members.map_err(|status| SystemError::Other(failure::in_words(&status)))?;
        Ok(members.into_iter().map(|member| format!("{} {:x}", member.name, member.id)).collect())
    }
}
