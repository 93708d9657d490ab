//! The cluster as faults see it: its nodes, their processes, and where they run.

use super::background::Background;
use super::process;
use crate::history::Value;
use crate::record::clients::Clients;
use crate::record::cluster::disks::Disks;
use crate::record::cluster::links::Links;
use crate::record::cluster::network::Network;
use crate::record::system::{Cluster, NodeId};
use std::sync::Arc;

/// The cluster that faults act on.
pub struct Scene {
    /// The system.
    pub cluster: Arc<dyn Cluster>,
    /// Where its nodes run, if in namespaces.
    pub network: Option<Network>,
    /// The proxies between its nodes, if there are any.
    pub links: Option<Links>,
    /// What faults keep running.
    pub background: Background,
    /// Where its nodes keep their data, if on disks of their own.
    pub disks: Option<Disks>,
    /// Who uses it.
    pub clients: Clients,
}

impl Scene {
    /// A cluster, and where it runs.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>, network: Option<Network>, links: Option<Links>) -> Self {
        // A cluster without servers uses none.
        let links = links.filter(Links::is_used);
        Self { cluster, network, links, background: Background::default(), disks: None, clients: Clients::default() }
    }

    /// The name of a node.
    #[must_use]
    pub fn name(&self, node: NodeId) -> &str {
        self.cluster.nodes().get(usize::from(node.0)).map_or("", |node| node.name.as_str())
    }

    /// The names of nodes as a value.
    #[must_use]
    pub fn list(&self, nodes: &[NodeId]) -> Value {
        Value::List(nodes.iter().map(|&node| Value::text(self.name(node))).collect())
    }

    /// The disks of the nodes.
    ///
    /// # Errors
    /// That there are none, in words.
    pub fn disks(&self) -> Result<&Disks, String> {
        self.disks.as_ref().ok_or_else(|| "the nodes have no disks of their own".to_owned())
    }

    /// The living process of a node.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn pid(&self, node: NodeId) -> Result<u32, String> {
        let name = self.name(node);
        let pids = self.cluster.pids();
        let pid = pids.into_iter().find(|(of, _)| of == name).map(|(_, pid)| pid);
        pid.filter(|&pid| process::is_alive(pid)).ok_or_else(|| format!("{name} has no process that this run started"))
    }
}
