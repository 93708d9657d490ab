//! ZooKeeper: an ensemble of local servers, or an existing one.
//!
//! Every write goes through the leader; every read is answered by the server that the client is connected
//! to. So each client keeps to one server, and the history says which. `access` opens sessions, `client`
//! performs operations, `failures` says which errors are definite, `subtree` keeps a run's znodes apart from
//! anybody else's, `ensemble` starts servers and `cluster` joins all of it.
//!
//! It does not use watches, sequential znodes, or transactions, ephemeral znodes
//! only for locks, and reconfiguration only as a fault.

mod access;
mod client;
mod cluster;
mod ensemble;
mod failures;
mod members;
mod settings;
mod status;
mod subtree;
#[cfg(feature = "zookeeper-tls")]
mod tls;

use crate::record::system::{Adapter, AdapterInfo, Backend, Cluster, Function, Promise, SystemError, Topology};
use futures_util::future::BoxFuture;
use std::time::Instant;

/// The catalogue entry.
pub(super) struct ZooKeeper;

const INFO: AdapterInfo = AdapterInfo {
    name: "zookeeper",
    about: "Apache ZooKeeper: linearizable writes, reads from the connected server",
    topologies: &[Topology { name: "", about: "an ensemble of 3 servers (option nodes: 1, 3 or 5)" }],
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
            when: "writes",
            promises: "linearizable: all updates take effect in one order that respects real time",
            url: "https://zookeeper.apache.org/doc/current/zookeeperInternals.html#sc_consistency",
        },
        Promise {
            when: "one client",
            promises: "its updates are applied in the order in which it sent them",
            url: "https://zookeeper.apache.org/doc/r3.8.0/zookeeperProgrammers.html#ch_zkGuarantees",
        },
        Promise {
            when: "one client, whichever server it is connected to",
            promises: "it never sees an older state after a newer one",
            url: "https://zookeeper.apache.org/doc/r3.8.0/zookeeperProgrammers.html#ch_zkGuarantees",
        },
        Promise {
            when: "any acknowledged or observed update",
            promises: "it is not rolled back by the failure of servers",
            url: "https://zookeeper.apache.org/doc/r3.8.0/zookeeperProgrammers.html#ch_zkGuarantees",
        },
        Promise {
            when: "reads=local",
            promises: "sequentially consistent: a read may be stale, and clients may see different states at once",
            url: "https://zookeeper.apache.org/doc/current/zookeeperInternals.html#sc_consistency",
        },
        Promise {
            when: "reads=sync",
            promises: "a read sees every update that was acknowledged before its sync began; yet sync does not go \
                       through a quorum, so a server that takes itself for the leader answers at once: a deposed one \
                       may be stale, and so may the real one for a moment after a follower acknowledged an update",
            url: "https://issues.apache.org/jira/browse/ZOOKEEPER-2136",
        },
    ],
    definite_failures: failures::DEFINITE,
    programs: ensemble::PROGRAMS,
};

impl Adapter for ZooKeeper {
    fn info(&self) -> &'static AdapterInfo {
        &INFO
    }

    fn local_nodes(&self, backend: &Backend) -> Option<usize> {
        settings::Settings::of(backend).ok().map(|settings| settings.nodes)
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
            let ensemble = cluster::Ensemble::start(backend, deadline).await?;
            Ok(Box::new(ensemble) as Box<dyn Cluster>)
        })
    }
}
