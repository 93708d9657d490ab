//! Redis Cluster, three primaries with a replica each: how it is made and when it is ready.
//!
//! The slots are given out and the nodes introduced by hand (ADDSLOTSRANGE, MEET, REPLICATE): it takes as long as
//! the nodes need anyway before they accept writes, about two seconds.

use super::directory::{Site, cluster_slots};
use super::health::{LOOK, Unhealthy, bounded, info, pause};
use super::link::{Link, LinkError};
use super::local::{Servers, server};
use super::placement::SLOTS;
use super::settings::Settings;
use crate::record::system::{Backend, SystemError};
use std::net::SocketAddr;
use std::time::Instant;

/// Primaries of a local cluster; each has one replica.
pub(super) const PRIMARIES: usize = 3;

/// Starts the nodes. They know nothing of each other yet.
pub(super) fn start(
    backend: &Backend,
    settings: &Settings,
    data: &[SocketAddr],
    buses: &[SocketAddr],
) -> Result<Servers, SystemError> {
    let servers = Servers::new(backend)?;
    for (number, (&address, bus)) in data.iter().zip(buses).enumerate() {
        let words = [
            ("--cluster-enabled", "yes".to_owned()),
            ("--cluster-config-file", "nodes.conf".to_owned()),
            ("--cluster-port", servers.own(*bus).port().to_string()),
            ("--cluster-announce-ip", address.ip().to_string()),
            ("--cluster-announce-port", address.port().to_string()),
            ("--cluster-announce-bus-port", bus.port().to_string()),
            ("--cluster-node-timeout", settings.node_timeout_ms.to_string()),
        ];
        let further = words.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        servers.start(&server(&servers, &format!("n{}", number + 1), settings, address, further))?;
    }
    Ok(servers)
}

/// Makes the started nodes a cluster. Each step is repeated until the node takes it, at most until `deadline`;
/// what did not work shows in the health of the cluster.
pub(super) async fn join(
    servers: &Servers,
    data: &[SocketAddr],
    buses: &[SocketAddr],
    site: &Site,
    deadline: Instant,
) -> Result<(), SystemError> {
    let mut identities = Vec::new();
    for (number, address) in data.iter().enumerate() {
        let mut link = first_link(servers, site, &address.to_string(), deadline).await?;
        identities.push(prepare(&mut link, number).await.map_err(|error| failed("preparing", number, &error))?);
    }
    for (number, address) in data.iter().enumerate().skip(1) {
        let introduced = bounded(async {
            let mut link = site.access.open(&address.to_string(), LOOK).await?;
            let (ip, port, bus) = (data[0].ip().to_string(), data[0].port().to_string(), buses[0].port().to_string());
            link.ask::<redis::Value>(&["CLUSTER", "MEET", &ip, &port, &bus]).await
        });
        introduced.await.map_err(|error| failed("introducing", number, &error))?;
    }
    for number in PRIMARIES..data.len() {
        let address = data[number].to_string();
        // A node can replicate another only once the introduction has reached it.
        while replicate(site, &address, &identities[number - PRIMARIES]).await.is_err() && pause(deadline).await {
            servers.expect_alive()?;
        }
    }
    Ok(())
}

async fn replicate(site: &Site, address: &str, primary: &str) -> Result<(), LinkError> {
    bounded(async {
        let mut link = site.access.open(address, LOOK).await?;
        link.ask::<redis::Value>(&["CLUSTER", "REPLICATE", primary]).await.map(drop)
    })
    .await
}

fn failed(doing: &str, number: usize, error: &LinkError) -> SystemError {
    SystemError::Other(format!("{doing} cluster node n{}: {error}", number + 1))
}

async fn first_link(servers: &Servers, site: &Site, address: &str, deadline: Instant) -> Result<Link, SystemError> {
    loop {
        match bounded(site.access.open(address, LOOK)).await {
            Ok(link) => return Ok(link),
            Err(error) if !pause(deadline).await => {
                return Err(SystemError::Unreachable { address: address.into(), reason: error.to_string() });
            }
            Err(_) => servers.expect_alive()?,
        }
    }
}

/// Gives a future primary its slots and its place in the order of epochs; answers the node's id.
async fn prepare(link: &mut Link, number: usize) -> Result<String, LinkError> {
    if number < PRIMARIES {
        let bound = |number: usize| usize::from(SLOTS) * number / PRIMARIES;
        let (first, last) = (bound(number).to_string(), (bound(number + 1) - 1).to_string());
        link.ask::<redis::Value>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await?;
        link.ask::<redis::Value>(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]).await?;
    }
    link.ask(&["CLUSTER", "MYID"]).await
}

/// On every node: state ok, all slots served, all nodes known and none of them failing or half known; every
/// replica's link is up.
pub(super) async fn look(site: &Site) -> Result<(), Unhealthy> {
    for (number, address) in site.nodes.iter().enumerate() {
        bounded(look_at(site, address)).await.map_err(|error| Unhealthy::node(number, &error))?;
    }
    Ok(())
}

async fn look_at(site: &Site, address: &str) -> Result<(), LinkError> {
    let mut link = site.access.open(address, LOOK).await?;
    let state = info(&mut link, &["CLUSTER", "INFO"]).await?;
    let field = |name: &str| state.get(name).map_or("", String::as_str);
    let known = field("cluster_known_nodes").parse().unwrap_or(0);
    let all = SLOTS.to_string();
    // An existing cluster may have nodes that hold nothing.
    if field("cluster_state") != "ok" || field("cluster_slots_ok") != all || known < site.nodes.len() {
        let (state, slots) = (field("cluster_state"), field("cluster_slots_ok"));
        return Err(LinkError::Lost(format!("state {state}, {slots} slots, {known} nodes known")));
    }
    let nodes: String = link.ask(&["CLUSTER", "NODES"]).await?;
    for line in nodes.lines() {
        let flags = line.split(' ').nth(2).unwrap_or_default();
        if flags.split(',').any(|flag| matches!(flag, "fail" | "fail?" | "handshake" | "noaddr")) {
            return Err(LinkError::Lost(format!("sees a node that is {flags}")));
        }
    }
    let replication = info(&mut link, &["INFO", "replication"]).await?;
    let field = |name: &str| replication.get(name).map_or("", String::as_str);
    if field("role") == "slave" && field("master_link_status") != "up" {
        return Err(LinkError::Lost("the link to its primary is down".into()));
    }
    expect_as_many_replicas(&mut link, site, address).await
}

/// A node that has not been made a replica yet would be a primary without slots.
async fn expect_as_many_replicas(link: &mut Link, site: &Site, address: &str) -> Result<(), LinkError> {
    let placement = cluster_slots(link, address).await?;
    let placed: usize = placement.shards.iter().map(|shard| 1 + shard.replicas.len()).sum();
    if placed >= site.nodes.len() { Ok(()) } else { Err(LinkError::Lost(format!("places only {placed} nodes"))) }
}

/// Whether a living node places every slot on living primaries: after a failover, true again.
pub(super) async fn is_served_without(site: &Site, ended: &[&str]) -> bool {
    for address in site.nodes.iter().filter(|node| !ended.contains(&&***node)) {
        let placement = bounded(async {
            let mut link = site.access.open(address, LOOK).await?;
            cluster_slots(&mut link, address).await
        });
        if let Ok(placement) = placement.await {
            return placement.shards.iter().all(|shard| !ended.contains(&&*shard.primary));
        }
    }
    false
}
