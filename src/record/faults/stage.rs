//! What faults need before a system is started, and until it has been stopped: the journal, and a network or proxies if any
//! fault acts on links. Dropping a stage removes the network, so it must outlive the cluster.

use super::Scene;
use super::journal::Journal;
use super::means::{self, Means};
use super::nemesis::{Struck, Torment};
use super::schedule::Schedule;
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
    network: Option<LaidNetwork>,
    links: Option<Links>,
    journal: Journal,
}

impl<'a> Stage<'a> {
    /// Creates the journal in the run's folder, and the network if it is needed.
    ///
    /// # Errors
    /// Those of the file system, or what keeps a network from being made.
    pub(in crate::record) fn set(schedule: &'a Schedule, backend: &Backend, seed: u64) -> Result<Self, SystemError> {
        let journal = Journal::create(&backend.folder)?;
        let means = means::choose(schedule, backend.means).map_err(SystemError::Other)?;
        let network = (means == Some(Means::Namespaces)).then(|| LaidNetwork::lay(&journal)).transpose()?;
        let links = (means == Some(Means::Proxies)).then(Links::start).transpose()?;
        Ok(Self { schedule, seed, network, links, journal })
    }

    /// Where the nodes are to run.
    pub(in crate::record) fn network(&self) -> Option<Network> {
        self.network.as_ref().map(|laid| laid.network().clone())
    }

    /// The proxies to put between the nodes.
    pub(in crate::record) fn links(&self) -> Option<Links> {
        self.links.clone()
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
        let scene = Arc::new(Scene::new(Arc::clone(cluster), self.network(), self.links()));
        let (schedule, journal, seed) = (self.schedule, &self.journal, self.seed);
        Torment { schedule, scene, journal, recorder, started, seed, seen: Mutex::default(), tell }.run(over).await
    }
}
