//! What faults need before a system is started, and until it has been stopped: the journal, a network or proxies if any
//! fault acts on links, and disks if any acts on them. Dropping a stage removes them, so it must outlive the cluster.

use super::Scene;
use super::journal::Journal;
use super::means::{self, Means};
use super::need::Need;
use super::nemesis::{Struck, Torment};
use super::schedule::Schedule;
use crate::record::clients::Clients;
use crate::record::cluster::disks::LaidDisks;
use crate::record::cluster::links::Links;
use crate::record::cluster::network::{LaidNetwork, Network};
use crate::record::recorder::Recorder;
use crate::record::system::{Backend, Cluster, SystemError};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Where a schedule is carried out.
pub(in crate::record) struct Stage<'a> {
    schedule: &'a Schedule,
    seed: u64,
    clients: Clients,
    network: Option<LaidNetwork>,
    links: Option<Links>,
    disks: Option<LaidDisks>,
    journal: Journal,
}

impl<'a> Stage<'a> {
    /// Creates the journal in the run's folder, and what the faults need.
    ///
    /// # Errors
    /// Those of the file system, or what keeps a network or disks from being made.
    pub(in crate::record) fn set(schedule: &'a Schedule, backend: &Backend, seed: u64) -> Result<Self, SystemError> {
        let journal = Journal::create(&backend.folder)?;
        let means = means::choose(schedule, backend.means).map_err(SystemError::Other)?;
        let network = (means == Some(Means::Namespaces)).then(|| LaidNetwork::lay(&journal)).transpose()?;
        let links = (means == Some(Means::Proxies)).then(Links::start).transpose()?;
        let disks = schedule.needs(Need::Disks).then(|| LaidDisks::lay(&backend.folder, &journal)).transpose()?;
        Ok(Self { schedule, seed, clients: backend.clients.clone(), network, links, disks, journal })
    }

    /// Where the nodes are to run.
    pub(in crate::record) fn network(&self) -> Option<Network> {
        self.network.as_ref().map(|laid| laid.network().clone())
    }

    /// The proxies to put between the nodes.
    pub(in crate::record) fn links(&self) -> Option<Links> {
        self.links.clone()
    }

    /// Removes the disks, when nobody uses them any more; what could not be removed, in words.
    pub(in crate::record) fn clear(&mut self) -> Vec<String> {
        self.disks.as_mut().map(LaidDisks::clear).unwrap_or_default()
    }

    /// Carries out the schedule on a cluster, until it is done and `over` has turned true.
    pub(in crate::record) async fn torment(
        &self,
        cluster: &Arc<dyn Cluster>,
        recorder: &Recorder,
        started: Instant,
        tell: &(dyn Fn(String) + Sync),
        over: watch::Receiver<bool>,
    ) -> Vec<Struck> {
        let disks = self.disks.as_ref().map(|laid| laid.disks().clone());
        let (cluster, clients) = (Arc::clone(cluster), self.clients.clone());
        let scene = Scene { disks, clients, ..Scene::new(cluster, self.network(), self.links()) };
        let scene = Arc::new(scene);
        let (schedule, journal, seed) = (self.schedule, &self.journal, self.seed);
        Torment { schedule, scene, journal, recorder, started, seed, seen: Mutex::default(), tell }.run(over).await
    }
}
