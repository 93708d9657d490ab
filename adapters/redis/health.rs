//! Waiting until a cluster is really ready, and reading what servers say about themselves.
//!
//! Contract: [`until_healthy`] returns `Ok` only after every node answered and the topology's own conditions held
//! in one pass over all nodes; it ends at its deadline, and at once when a server has died.

use super::directory::{Directory, Site};
use super::link::{Link, LinkError};
use super::local::Servers;
use super::{cluster, sentinel, standalone};
use crate::record::system::SystemError;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// The bound on one look at one server; longer than a healthy one needs, shorter than any deadline.
pub(super) const LOOK: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// What is not as it should be.
#[derive(Debug)]
pub(super) struct Unhealthy {
    /// The node's name.
    pub(super) node: String,
    pub(super) why: String,
}

impl Unhealthy {
    /// Of the data node with that number, from 0.
    pub(super) fn node(number: usize, why: &LinkError) -> Self {
        Self { node: format!("n{}", number + 1), why: why.to_string() }
    }

    /// Of the sentinel with that number, from 0.
    pub(super) fn sentinel(number: usize, why: &LinkError) -> Self {
        Self { node: format!("s{}", number + 1), why: why.to_string() }
    }
}

/// Polls until the cluster is healthy.
pub(super) async fn until_healthy(
    site: &Site,
    logs: &Path,
    deadline: Instant,
    servers: Option<&Servers>,
) -> Result<(), SystemError> {
    let began = Instant::now();
    loop {
        servers.map_or(Ok(()), Servers::expect_alive)?;
        let Err(unhealthy) = look(site).await else { return Ok(()) };
        if pause(deadline).await {
            continue;
        }
        let Unhealthy { node, why } = unhealthy;
        if servers.is_none() {
            return Err(SystemError::Unreachable { address: format!("{node} of the existing cluster"), reason: why });
        }
        let (what, log) = (format!("redis ({node})"), logs.join(format!("{node}.log")));
        return Err(SystemError::NotReady { what, after: began.elapsed(), last: why, log });
    }
}

/// The pause between two looks; false if the deadline has passed.
pub(super) async fn pause(deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    tokio::time::sleep(left.min(PAUSE)).await;
    !left.is_zero()
}

async fn look(site: &Site) -> Result<(), Unhealthy> {
    for (number, address) in site.nodes.iter().enumerate() {
        bounded(async {
            let mut link = site.access.open(address, LOOK).await?;
            link.ask::<String>(&["PING"]).await.map(drop)
        })
        .await
        .map_err(|error| Unhealthy::node(number, &error))?;
    }
    match &site.directory {
        Directory::Fixed(_) => standalone::look(site).await,
        Directory::Sentinels(sentinels) => sentinel::look(site, sentinels).await,
        Directory::Nodes => cluster::look(site).await,
    }
}

/// Gives up after [`LOOK`]: a paused server accepts connections and never answers.
pub(super) async fn bounded<T>(looking: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    tokio::time::timeout(LOOK, looking).await.unwrap_or_else(|_| Err(LinkError::Lost("no answer".into())))
}

/// The `name:value` lines of INFO and CLUSTER INFO.
pub(super) async fn info(link: &mut Link, words: &[&str]) -> Result<BTreeMap<String, String>, LinkError> {
    let text: String = link.ask(words).await?;
    Ok(text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.into(), value.into())).collect())
}

/// Whether this replica's link to that primary is up; the reason if not.
pub(super) async fn expect_replica_of(link: &mut Link, primary: &str) -> Result<(), LinkError> {
    let info = info(link, &["INFO", "replication"]).await?;
    let field = |name: &str| info.get(name).map_or("", String::as_str);
    let follows = format!("{}:{}", field("master_host"), field("master_port"));
    if field("role") == "slave" && follows == primary && field("master_link_status") == "up" {
        return Ok(());
    }
    Err(LinkError::Lost(format!(
        "role {}, follows {follows}, link {}; it should follow {primary}",
        field("role"),
        field("master_link_status")
    )))
}
