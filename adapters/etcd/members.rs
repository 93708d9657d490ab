//! Taking a member out of a local cluster, and adding it again with nothing but its address.
//!
//! A change is asked for until the list of members shows it: etcd refuses one while it has not seen every member for some
//! seconds, and forgets one without a word that reaches a leader in its first moments.

use super::cluster::EtcdCluster;
use super::connection::Connection;
use super::failure;
use super::local::Local;
use super::wire::MemberInfo;
use crate::record::system::{MembershipChange, SystemError};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tonic::Status;

/// How long a change may take.
const CHANGE_MAX: Duration = Duration::from_secs(25);
/// How long one request for it may take.
const REQUEST_MAX: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(250);
const LIST_TRIES: usize = 3;

/// A change of the members.
enum Change {
    /// The member of that number goes.
    Remove(u64),
    /// One that will be heard of at that address comes.
    Add(String),
}

impl Change {
    fn is_done(&self, members: &[MemberInfo]) -> bool {
        match self {
            Self::Remove(id) => members.iter().all(|member| member.id != *id),
            Self::Add(url) => find(members, url).is_some(),
        }
    }

    async fn ask(&self, mut connection: Connection) -> Result<(), Status> {
        match self {
            Self::Remove(id) => connection.remove_member(*id).await,
            Self::Add(url) => connection.add_member(url.clone()).await,
        }
    }
}

impl EtcdCluster {
    /// Takes the node out of the cluster.
    pub(super) async fn remove(&self, node: usize) -> Result<MembershipChange, SystemError> {
        self.ours()?;
        let (id, other) = (self.members.read()[node], self.another(node)?);
        let before = self.list(other).await?;
        let after = self.until(other, &Change::Remove(id)).await?;
        Ok(MembershipChange { done: format!("member remove {id:x}"), before: names(&before), after: names(&after) })
    }

    /// Adds the node again, which begins with nothing.
    pub(super) async fn add_again(&self, node: usize) -> Result<MembershipChange, SystemError> {
        let local = self.ours()?;
        let other = self.another(node)?;
        let url = format!("http://{}", local.members()[node].peer);
        let before = self.list(other).await?;
        if find(&before, &url) == Some(self.members.read()[node]) {
            // It was never taken out: what it has must stay.
            return Ok(MembershipChange { done: "nothing".into(), before: names(&before), after: names(&before) });
        }
        let after = self.until(other, &Change::Add(url.clone())).await?;
        let id = find(&after, &url).unwrap_or_default();
        self.members.write()[node] = id;
        local.rejoin(node)?;
        Ok(MembershipChange { done: format!("member add {id:x}"), before: names(&before), after: names(&after) })
    }

    /// Asks for a change through the node until the members are as wanted; who they are then.
    async fn until(&self, node: usize, change: &Change) -> Result<Vec<MemberInfo>, SystemError> {
        let end = Instant::now() + CHANGE_MAX;
        loop {
            let asked = self.ask(node, change).await;
            let listed = self.list(node).await;
            match listed {
                Ok(members) if change.is_done(&members) => return Ok(members),
                listed if Instant::now() >= end => {
                    let stayed = || SystemError::Other("the members stayed as they were".into());
                    return Err(asked.err().or(listed.err()).unwrap_or_else(stayed));
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn ask(&self, node: usize, change: &Change) -> Result<(), SystemError> {
        match timeout(REQUEST_MAX, change.ask(self.connection(node).await?)).await {
            Ok(asked) => asked.map_err(|status| SystemError::Other(failure::in_words(&status))),
            // It may have been done all the same.
            Err(_) => Ok(()),
        }
    }

    fn ours(&self) -> Result<&Local, SystemError> {
        let local = self.link.local.as_ref();
        local.ok_or_else(|| SystemError::Other("an existing cluster's members stay as they are".into()))
    }

    fn another(&self, node: usize) -> Result<usize, SystemError> {
        let other = (0..self.members.read().len()).find(|&other| other != node);
        other.ok_or_else(|| SystemError::Other("there is no other member".into()))
    }

    async fn connection(&self, node: usize) -> Result<Connection, SystemError> {
        self.link.access.open(node).await.map_err(|unopened| SystemError::Other(unopened.why.reason))
    }

    /// The members, asked for a few times: a busy cluster may be silent for a moment.
    async fn list(&self, node: usize) -> Result<Vec<MemberInfo>, SystemError> {
        for _ in 1..LIST_TRIES {
            if let Ok(members) = self.list_once(node).await {
                return Ok(members);
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.list_once(node).await
    }

    async fn list_once(&self, node: usize) -> Result<Vec<MemberInfo>, SystemError> {
        let mut connection = self.connection(node).await?;
        match timeout(REQUEST_MAX, connection.members()).await {
            Ok(members) => members.map_err(|status| SystemError::Other(failure::in_words(&status))),
            Err(_) => Err(SystemError::Other(format!("no list of members within {REQUEST_MAX:?}"))),
        }
    }
}

/// The number of the member that is heard of at that address.
fn find(members: &[MemberInfo], url: &str) -> Option<u64> {
    let member = members.iter().find(|member| member.peer_urls.iter().any(|known| known == url));
    member.map(|member| member.id)
}

/// Names and numbers; one that has not started yet has no name.
fn names(members: &[MemberInfo]) -> Vec<String> {
    members.iter().map(|member| format!("{} {:x}", member.name, member.id).trim_start().to_owned()).collect()
}
