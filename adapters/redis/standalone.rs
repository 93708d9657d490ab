//! One server: how it is started and when it is ready.
//!
//! For an existing cluster, "standalone" also covers a primary with replicas that nobody fails over.

use super::directory::{Directory, Site};
use super::health::{LOOK, Unhealthy, bounded, expect_replica_of};
use super::local::{Servers, server};
use super::settings::Settings;
use crate::record::system::{Backend, SystemError};
use std::net::SocketAddr;

/// The server's launch.
pub(super) fn start(backend: &Backend, settings: &Settings, address: SocketAddr) -> Result<Servers, SystemError> {
    let servers = Servers::new(backend)?;
    servers.start(&server(&servers, "n1", settings, address, Vec::new()))?;
    Ok(servers)
}

/// Every replica's link is up. That each node answers has been seen.
pub(super) async fn look(site: &Site) -> Result<(), Unhealthy> {
    let Directory::Fixed(placement) = &site.directory else { return Ok(()) };
    for shard in &placement.shards {
        for replica in &shard.replicas {
            let number = site.nodes.iter().position(|node| node == replica).unwrap_or_default();
            bounded(async {
                let mut link = site.access.open(replica, LOOK).await?;
                expect_replica_of(&mut link, &shard.primary).await
            })
            .await
            .map_err(|error| Unhealthy::node(number, &error))?;
        }
    }
    Ok(())
}
