//! etcd 3.4 and later, by gRPC: a local cluster of 1, 3 or 5 members, or an existing one.
//!
//! Each client talks to one member, reads and writes alike, and to no other: which one is chosen when it
//! connects. By default clients are spread over all members, since etcd promises the same everywhere.
//! Watches and older revisions are not used, and leases only by locks.

mod client;
mod cluster;
mod connection;
mod failure;
mod lease;
mod local;
mod members;
mod settings;
mod tls;
mod wire;

use crate::record::system::{
    Adapter, AdapterInfo, Backend, Cluster, Function, Program, Promise, SystemError, Tls, Topology,
};
use cluster::{EtcdCluster, Link};
use connection::{Access, Login};
use futures_util::future::BoxFuture;
use local::Local;
use settings::Settings;
use std::time::Instant;
use tonic::transport::Endpoint;

const PROGRAM: Program = Program { name: "etcd", package: "etcd-server" };

static INFO: AdapterInfo = AdapterInfo {
    name: "etcd",
    about: "the replicated key-value store of Kubernetes, over Raft",
    topologies: &[Topology { name: "", about: "three members on loopback; nodes=1|3|5 changes how many" }],
    functions: &[
        Function::Read,
        Function::Write,
        Function::Cas,
        Function::Add,
        Function::Members,
        Function::Acquire,
        Function::Release,
    ],
    options: settings::OPTIONS,
    promises: &[
        Promise {
            when: "reads=linearizable (the default)",
            promises: "strict serializability: reads, writes and transactions are atomic and take effect in one \
                       order that agrees with real time; what was acknowledged is durable",
            url: "https://etcd.io/docs/v3.4/learning/api_guarantees/",
        },
        Promise {
            when: "reads=serializable",
            promises: "a read is answered by one member from its own state without asking a majority, so it may \
                       be stale; writes and transactions keep the promise above",
            url: "https://etcd.io/docs/v3.4/learning/api_guarantees/",
        },
        Promise {
            when: "a request that times out or is cut off by an election",
            promises: "nothing: it may have been committed or not, and etcd does not say which",
            url: "https://etcd.io/docs/v3.3/learning/api_guarantees/",
        },
        Promise {
            when: "locks on leases",
            promises: "no mutual exclusion by itself: a lease can run out while its holder still believes to hold \
                       it, so what is protected must check the lock's revision",
            url: "https://etcd.io/docs/v3.5/learning/why/#notes-on-the-usage-of-lock-and-lease",
        },
    ],
    definite_failures: failure::DEFINITE,
    programs: &[PROGRAM],
};

/// The adapter.
pub(super) struct Etcd;

impl Adapter for Etcd {
    fn info(&self) -> &'static AdapterInfo {
        &INFO
    }

    fn local_nodes(&self, backend: &Backend) -> Option<usize> {
        Settings::of(backend).ok().map(|settings| settings.nodes)
    }

    /// Nothing in it is sharded.
    fn suffers(&self, fault: &str) -> bool {
        fault != "slot-migration"
    }

    fn start<'a>(
        &'a self,
        backend: &'a Backend,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Box<dyn Cluster>, SystemError>> {
        Box::pin(async move {
            let settings = Settings::of(backend)?;
            let link = if backend.nodes.is_empty() { local_link(&settings, backend)? } else { existing_link(backend)? };
            let cluster = EtcdCluster::once_ready(link, settings, backend, deadline).await?;
            Ok(Box::new(cluster) as Box<dyn Cluster>)
        })
    }
}

fn local_link(settings: &Settings, backend: &Backend) -> Result<Link, SystemError> {
    let local = Local::start(settings, &backend.folder, backend.network.as_ref(), backend.links.as_ref())?;
    let addresses: Vec<_> = local.members().iter().map(|member| member.client.to_string()).collect();
    link(backend, &addresses, Some(local))
}

fn existing_link(backend: &Backend) -> Result<Link, SystemError> {
    link(backend, &backend.nodes, None)
}

fn link(backend: &Backend, nodes: &[String], local: Option<Local>) -> Result<Link, SystemError> {
    let endpoints = nodes.iter().map(|node| endpoint(node, backend)).collect::<Result<Vec<Endpoint>, _>>()?;
    let login = backend
        .user
        .as_ref()
        .map(|user| Login { user: user.clone(), password: backend.password.clone().unwrap_or_default() });
    let authority = |endpoint: &Endpoint| endpoint.uri().authority().map(ToString::to_string).unwrap_or_default();
    let addresses = endpoints.iter().map(authority).collect();
    let access = Access { endpoints, login, timeout: backend.timeout };
    let (prefix, clients) = (backend.prefix.as_str().into(), backend.clients.clone());
    Ok(Link { access, addresses, prefix, local, clients })
}

/// `host:port`, or the same after `http://` or `https://`. Without either, TLS settings decide.
fn endpoint(node: &str, backend: &Backend) -> Result<Endpoint, SystemError> {
    let refuse = |reason: String| SystemError::Unreachable { address: node.to_owned(), reason };
    let default = if backend.tls.is_some() { "https" } else { "http" };
    let url = if node.contains("://") { node.to_owned() } else { format!("{default}://{node}") };
    let endpoint = Endpoint::from_shared(url).map_err(|error| refuse(failure::in_words(&error)))?;
    if endpoint.uri().port().is_none() {
        return Err(refuse("a port is missing: an address is host:port, and etcd's usual port is 2379".into()));
    }
    let endpoint = endpoint.connect_timeout(backend.timeout);
    match (endpoint.uri().scheme_str(), &backend.tls) {
        (Some("https"), tls) => tls::secure(endpoint, tls.as_ref().unwrap_or(&Tls::default())),
        (Some("http"), None) => Ok(endpoint),
        (Some("http"), Some(_)) => Err(refuse("TLS settings are given, but the address says http://".into())),
        _ => Err(refuse("an address is host:port, http://host:port or https://host:port".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(node: &str, tls: Option<Tls>) -> Backend {
        Backend { nodes: vec![node.into()], tls, prefix: "p/".into(), ..Backend::default() }
    }

    #[test]
    fn an_address_is_read_with_or_without_its_scheme() {
        let scheme = |node, tls| {
            let link = existing_link(&with(node, tls)).unwrap();
            (link.access.endpoints[0].uri().scheme_str().unwrap().to_owned(), link.addresses[0].clone())
        };
        let insecure = || Some(Tls { insecure: true, ..Tls::default() });
        assert_eq!(scheme("127.0.0.1:2379", None), ("http".into(), "127.0.0.1:2379".into()));
        assert_eq!(scheme("http://[::1]:2379", None), ("http".into(), "[::1]:2379".into()));
        assert_eq!(scheme("127.0.0.1:2379", insecure()), ("https".into(), "127.0.0.1:2379".into()));
        assert_eq!(scheme("https://localhost:2379", insecure()), ("https".into(), "localhost:2379".into()));
    }

    #[test]
    fn an_address_that_cannot_work_is_refused_with_the_reason() {
        let refusal = |node, tls| existing_link(&with(node, tls)).unwrap_err().to_string();
        assert!(refusal("127.0.0.1", None).contains("port is missing"));
        assert!(refusal("ftp://127.0.0.1:1", None).contains("host:port"));
        assert!(refusal("http://127.0.0.1:1", Some(Tls::default())).contains("TLS settings"));
        let halved = Tls { certificate: Some("c.pem".into()), ..Tls::default() };
        assert!(refusal("127.0.0.1:1", Some(halved)).contains("belong together"));
    }
}
