//! Redis: one server, a primary with replicas and sentinels, or Redis Cluster.
//!
//! | file | holds |
//! |---|---|
//! | `catalogue` | topologies, options, promises |
//! | `settings` | the parsed options |
//! | `standalone`, `sentinel`, `cluster` | how each topology is started, and when it is healthy |
//! | `local`, `existing` | server processes; a cluster that was there before |
//! | `directory`, `placement` | who the primary is; which server holds a key |
//! | `link`, `client`, `lock` | one connection; one logical process; locks on a key |
//! | `failure` | which errors prove that nothing happened |
//! | `members` | how a primary hands over |
//! | `running` | the whole, as the recorder sees it |
//!
//! It does not follow redirections, retry, or pool connections: each of these would hide what the recorder
//! is there to see.

use crate::record::cluster::address::{addresses, announced};
use crate::record::system::{Adapter, AdapterInfo, Backend, Cluster, NodeId, ReadFrom, SystemError};
use client::Manner;
use directory::{Directory, Sentinels, Site};
use futures_util::future::BoxFuture;
use health::LOOK;
use link::Access;
use local::Servers;
use parking_lot::Mutex;
use placement::Placement;
use running::Running;
use settings::{Settings, Topology};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

mod catalogue;
mod client;
mod cluster;
mod directory;
mod existing;
mod failure;
mod health;
mod link;
mod local;
mod lock;
mod members;
mod placement;
mod running;
mod sentinel;
mod settings;
mod slots;
mod standalone;

/// A primary and its replicas, each with a sentinel beside it.
const SENTINEL_NODES: usize = 3;

/// The adapter.
pub(super) struct Redis;

impl Adapter for Redis {
    fn info(&self) -> &'static AdapterInfo {
        &catalogue::INFO
    }

    fn local_nodes(&self, backend: &Backend) -> Option<usize> {
        let settings = Settings::parse(backend).ok()?;
        Some(match settings.topology {
            Topology::Standalone => 1,
            Topology::Sentinel => SENTINEL_NODES,
            Topology::Cluster => 2 * cluster::PRIMARIES,
        })
    }

    fn start<'a>(
        &'a self,
        backend: &'a Backend,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Box<dyn Cluster>, SystemError>> {
        Box::pin(async move {
            // Each wait below has its own bound and says what it waited for; this one catches a server that
            // falls silent in the middle of an exchange.
            let bound = deadline.saturating_duration_since(Instant::now()) + LOOK * 2;
            let late = |_| SystemError::Other(format!("{} did not answer in time", backend.name()));
            let running = tokio::time::timeout(bound, run(backend, deadline)).await.map_err(late)??;
            Ok(Box::new(running) as Box<dyn Cluster>)
        })
    }
}

async fn run(backend: &Backend, deadline: Instant) -> Result<Running, SystemError> {
    let settings = Settings::parse(backend)?;
    let (site, servers) = if backend.nodes.is_empty() {
        let (site, servers) = start_local(backend, &settings, deadline).await?;
        (site, Some(servers))
    } else {
        (existing::discover(backend, &settings).await?, None)
    };
    check_read_from(backend, &site)?;
    let manner = Manner {
        read_from: backend.read_from,
        wait: settings.wait,
        lock_time: settings.lock_time,
        prefix: backend.prefix.clone(),
        timeout: backend.timeout,
    };
    let mut running = Running {
        site: Arc::new(site),
        settings,
        servers,
        nodes: Vec::new(),
        manner: Arc::new(manner),
        folder: backend.folder.clone(),
        versions: Vec::new(),
        config: Vec::new(),
        away: Mutex::default(),
    };
    running.until_healthy(deadline).await?;
    running.introduce().await?;
    Ok(running)
}

async fn start_local(
    backend: &Backend,
    settings: &Settings,
    deadline: Instant,
) -> Result<(Site, Servers), SystemError> {
    let site = |directory, data: &[SocketAddr]| Site {
        access: Access::default(),
        directory,
        nodes: data.iter().map(|address| address.to_string().into()).collect(),
    };
    let places = |nodes, ports| announced(backend.links.as_ref(), &addresses(backend.network.as_ref(), nodes, ports)?);
    match settings.topology {
        Topology::Standalone => {
            let data = places(1, 1)?.concat();
            let whole = Placement::whole(data[0].to_string().into(), Vec::new());
            Ok((site(Directory::Fixed(whole), &data), standalone::start(backend, settings, data[0])?))
        }
        Topology::Sentinel => {
            let (data, sentinels) = pairs(&places(SENTINEL_NODES, 2)?);
            let names = sentinels.iter().map(ToString::to_string).collect();
            let directory = Directory::Sentinels(Sentinels { addresses: names, master: settings.master.clone() });
            let site = site(directory, &data);
            let servers = sentinel::start(backend, settings, &data, &sentinels, &site, deadline).await?;
            Ok((site, servers))
        }
        Topology::Cluster => {
            let (data, buses) = pairs(&places(2 * cluster::PRIMARIES, 2)?);
            let site = site(Directory::Nodes, &data);
            let servers = cluster::start(backend, settings, &data, &buses)?;
            cluster::join(&servers, &data, &buses, &site, deadline).await?;
            Ok((site, servers))
        }
    }
}

/// The first addresses of all nodes, and the second ones.
fn pairs(nodes: &[Vec<SocketAddr>]) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    nodes.iter().map(|node| (node[0], node[1])).unzip()
}

/// Reads from a node that is not there would fail one by one.
fn check_read_from(backend: &Backend, site: &Site) -> Result<(), SystemError> {
    let nodes = site.nodes.len();
    let expected = match backend.read_from {
        ReadFrom::Node(NodeId(number)) if usize::from(number) >= nodes => format!("there are {nodes} nodes"),
        ReadFrom::Replica if nodes < 2 => "there is no replica".to_owned(),
        _ => return Ok(()),
    };
    Err(SystemError::BadOption { option: "read-from".into(), value: format!("{:?}", backend.read_from), expected })
}
