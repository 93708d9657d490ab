//! A primary, its replicas and three sentinels: how they are started and when they are ready.
//!
//! The sentinels' files name the replicas and each other from the start, in the form in which a sentinel itself
//! rewrites its file, so that nobody waits for their two-second greetings. They are started only once the
//! replicas are online, because a sentinel asks a server for its state only every ten seconds.

use super::directory::{Directory, Sentinels, Site, open_sentinel, primary_named_by};
use super::health::{LOOK, Unhealthy, bounded, expect_replica_of, pause};
use super::link::{Link, LinkError};
use super::local::{Servers, server};
use super::settings::{FAILOVER_TIMEOUT_MS, QUORUM, Settings};
use crate::record::system::{Backend, SystemError};
use rand::Rng;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Instant;

/// Starts the data servers, the first as the primary, and, when the replicas are online, the sentinels.
pub(super) async fn start(
    backend: &Backend,
    settings: &Settings,
    data: &[SocketAddr],
    sentinels: &[SocketAddr],
    site: &Site,
    deadline: Instant,
) -> Result<Servers, SystemError> {
    let servers = Servers::new(backend)?;
    for (number, &address) in data.iter().enumerate() {
        let further = if number == 0 { Vec::new() } else { follow(&data[0].to_string()) };
        servers.start(&server(&servers, &format!("n{}", number + 1), settings, address, further))?;
    }
    while !replicas_online(site).await && pause(deadline).await {
        servers.expect_alive()?;
    }
    let identities: Vec<String> = sentinels.iter().map(|_| identity()).collect();
    for number in 0..sentinels.len() {
        let name = format!("s{}", number + 1);
        let folder = servers.data(&name);
        std::fs::create_dir_all(&folder).map_err(SystemError::io(format!("creating {}", folder.display())))?;
        let file = folder.join("sentinel.conf");
        std::fs::write(
            &file,
            configuration(settings, data, sentinels, &identities, (number, servers.own(sentinels[number]))),
        )
        .map_err(SystemError::io(format!("writing {}", file.display())))?;
        servers.start(&servers.launch(&name, "redis-sentinel", vec!["sentinel.conf".into()]))?;
    }
    Ok(servers)
}

/// The arguments that make a server a replica of that primary.
pub(super) fn follow(primary: &str) -> Vec<String> {
    let (host, port) = primary.rsplit_once(':').unwrap_or((primary, "6379"));
    vec!["--replicaof".into(), host.into(), port.into()]
}

async fn replicas_online(site: &Site) -> bool {
    let [primary, replicas @ ..] = site.nodes.as_slice() else { return true };
    for replica in replicas {
        let online = bounded(async {
            let mut link = site.access.open(replica, LOOK).await?;
            expect_replica_of(&mut link, primary).await
        });
        if online.await.is_err() {
            return false;
        }
    }
    true
}

/// 160 random bits in hexadecimal digits: what a sentinel calls itself.
fn identity() -> String {
    let mut random = rand::rng();
    (0..40).map(|_| char::from_digit(random.random_range(0..16), 16).expect("below 16")).collect()
}

fn configuration(
    settings: &Settings,
    data: &[SocketAddr],
    sentinels: &[SocketAddr],
    identities: &[String],
    (own, listens): (usize, SocketAddr),
) -> String {
    let master = &settings.master;
    let at = |address: &SocketAddr| format!("{} {}", address.ip(), address.port());
    let mut lines = vec![
        format!("port {}", listens.port()),
        format!("bind {}", listens.ip()),
        format!("sentinel announce-ip {}", sentinels[own].ip()),
        format!("sentinel announce-port {}", sentinels[own].port()),
        "dir .".to_owned(),
        format!("sentinel myid {}", identities[own]),
        format!("sentinel monitor {master} {} {QUORUM}", at(&data[0])),
        format!("sentinel down-after-milliseconds {master} {}", settings.down_after_ms),
        format!("sentinel failover-timeout {master} {FAILOVER_TIMEOUT_MS}"),
        format!("sentinel parallel-syncs {master} 1"),
    ];
    lines.extend(data[1..].iter().map(|replica| format!("sentinel known-replica {master} {}", at(replica))));
    for (number, (other, identity)) in sentinels.iter().zip(identities).enumerate() {
        if number != own {
            lines.push(format!("sentinel known-sentinel {master} {} {identity}", at(other)));
        }
    }
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").expect("a String takes everything");
        text
    })
}

/// All sentinels name the same primary, which is one; the others follow it; every sentinel is connected to all
/// servers and sentinels, calls none of them down, and sees its quorum.
pub(super) async fn look(site: &Site, sentinels: &Sentinels) -> Result<(), Unhealthy> {
    let mut named: Option<String> = None;
    for (number, address) in sentinels.addresses.iter().enumerate() {
        let primary = bounded(look_at_sentinel(site, sentinels, address))
            .await
            .map_err(|error| Unhealthy::sentinel(number, &error))?;
        if named.get_or_insert_with(|| primary.clone()) != &primary {
            let why = format!("names {primary} as the primary, another does not");
            return Err(Unhealthy::sentinel(number, &LinkError::Lost(why)));
        }
    }
    let Some(primary) = named else { return Ok(()) };
    if !site.nodes.iter().any(|node| **node == *primary) {
        let why = format!("names the unknown server {primary} as the primary");
        return Err(Unhealthy::sentinel(0, &LinkError::Lost(why)));
    }
    for (number, node) in site.nodes.iter().enumerate() {
        bounded(async {
            let mut link = site.access.open(node, LOOK).await?;
            if **node == *primary {
                expect_primary(&mut link).await
            } else {
                expect_replica_of(&mut link, &primary).await
            }
        })
        .await
        .map_err(|error| Unhealthy::node(number, &error))?;
    }
    Ok(())
}

async fn expect_primary(link: &mut Link) -> Result<(), LinkError> {
    match super::client::role(link).await?.as_str() {
        "master" => Ok(()),
        role => Err(LinkError::Lost(format!("role {role}; the sentinels call it the primary"))),
    }
}

/// The primary that the sentinel names, if everything that it watches is well.
async fn look_at_sentinel(site: &Site, sentinels: &Sentinels, address: &str) -> Result<String, LinkError> {
    let master = sentinels.master.as_str();
    let mut link = open_sentinel(&site.access, address, LOOK).await?;
    let primary = primary_named_by(&mut link, master).await?;
    let state: BTreeMap<String, String> = link.ask(&["SENTINEL", "MASTER", master]).await?;
    expect_flags(&state, "master")?;
    let replicas: Vec<BTreeMap<String, String>> = link.ask(&["SENTINEL", "REPLICAS", master]).await?;
    let others: Vec<BTreeMap<String, String>> = link.ask(&["SENTINEL", "SENTINELS", master]).await?;
    // An existing installation may have more than consistory was told of.
    if replicas.len() + 1 < site.nodes.len() || others.len() + 1 < sentinels.addresses.len() {
        return Err(LinkError::Lost(format!("sees {} replicas, {} other sentinels", replicas.len(), others.len())));
    }
    let known = |replica: &&BTreeMap<String, String>| {
        let at = format!("{}:{}", field(replica, "ip"), field(replica, "port"));
        site.nodes.iter().any(|node| **node == *at)
    };
    replicas.iter().filter(known).try_for_each(|replica| expect_flags(replica, "slave"))?;
    others.iter().try_for_each(|other| expect_flags(other, "sentinel"))?;
    let quorum: String = link.ask(&["SENTINEL", "CKQUORUM", master]).await?;
    if quorum.starts_with("OK") { Ok(primary) } else { Err(LinkError::Lost(quorum)) }
}

fn field<'a>(state: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    state.get(name).map_or("", String::as_str)
}

/// Flags such as `s_down`, `disconnected` or `failover_in_progress` are added to the kind. `master_down` is what
/// another sentinel last said when it was asked; it lingers for seconds after the failover and says nothing of now.
fn expect_flags(state: &BTreeMap<String, String>, kind: &str) -> Result<(), LinkError> {
    let flags = field(state, "flags");
    let well = flags.split(',').all(|flag| flag == kind || flag == "master_down");
    if well { Ok(()) } else { Err(LinkError::Lost(format!("calls {} {flags}", field(state, "name")))) }
}

/// The primary that a sentinel names, if it is alive and one: after a failover, the new one.
pub(super) async fn living_primary(site: &Site, sentinels: &Sentinels, ended: &[&str]) -> Option<String> {
    for address in &sentinels.addresses {
        let named = bounded(async {
            let mut link = open_sentinel(&site.access, address, LOOK).await?;
            let primary = primary_named_by(&mut link, &sentinels.master).await?;
            expect_primary(&mut site.access.open(&primary, LOOK).await?).await.map(|()| primary)
        });
        match named.await {
            Ok(primary) if !ended.contains(&primary.as_str()) => return Some(primary),
            _ => {}
        }
    }
    None
}

/// The sentinels of a directory, if it has any.
pub(super) fn of(site: &Site) -> Option<&Sentinels> {
    match &site.directory {
        Directory::Sentinels(sentinels) => Some(sentinels),
        _ => None,
    }
}
