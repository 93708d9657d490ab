//! An existing cluster: what it consists of, and removing what the run wrote.
//!
//! Contract: only keys that start with the run's prefix are touched. Removal walks each primary with SCAN and
//! unlinks in bounded batches; it never flushes.

use super::directory::{Directory, Sentinels, Site, open_sentinel, primary_named_by};
use super::health::LOOK;
use super::link::{Access, Link, LinkError};
use super::placement::Placement;
use super::settings::{Settings, Topology};
use crate::record::system::{Backend, SystemError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Keys asked for, and removed, at a time.
const BATCH: usize = 500;
/// The bound on removing everything.
const REMOVAL: Duration = Duration::from_secs(60);

/// Finds the servers behind the given addresses.
pub(super) async fn discover(backend: &Backend, settings: &Settings) -> Result<Site, SystemError> {
    if backend.prefix.is_empty() {
        return Err(SystemError::Other(
            "an existing cluster needs a key prefix: without one, cleaning up would \
                                       remove every key"
                .into(),
        ));
    }
    let access = Access::of(backend)?;
    match settings.topology {
        Topology::Standalone => by_roles(access, &backend.nodes).await,
        Topology::Sentinel => by_sentinels(access, &backend.nodes, &settings.master).await,
        Topology::Cluster => by_slots(access, &backend.nodes).await,
    }
}

fn unreachable(address: &str) -> impl FnOnce(LinkError) -> SystemError {
    let address = address.to_owned();
    move |error| SystemError::Unreachable { address, reason: error.to_string() }
}

async fn by_roles(access: Access, addresses: &[String]) -> Result<Site, SystemError> {
    let (mut primaries, mut replicas) = (Vec::<Arc<str>>::new(), Vec::<Arc<str>>::new());
    for address in addresses {
        let mut link = access.open(address, LOOK).await.map_err(unreachable(address))?;
        let role = super::client::role(&mut link).await.map_err(unreachable(address))?;
        if role == "master" { &mut primaries } else { &mut replicas }.push(address.as_str().into());
    }
    let [primary] = primaries.as_slice() else {
        let found = primaries.len();
        return Err(SystemError::Other(format!("one of the nodes must be the primary; {found} are")));
    };
    let directory = Directory::Fixed(Placement::whole(primary.clone(), replicas));
    let nodes = addresses.iter().map(|address| address.as_str().into()).collect();
    Ok(Site { access, directory, nodes })
}

async fn by_sentinels(access: Access, addresses: &[String], master: &str) -> Result<Site, SystemError> {
    let mut last = None;
    for address in addresses {
        match watched_by(&access, address, master).await {
            Ok(nodes) => {
                let sentinels = Sentinels { addresses: addresses.to_vec(), master: master.to_owned() };
                return Ok(Site { access, directory: Directory::Sentinels(sentinels), nodes });
            }
            Err(error) => last = Some(unreachable(address)(error)),
        }
    }
    Err(last.unwrap_or_else(|| SystemError::Other("no sentinel was named".into())))
}

/// The primary and the replicas that the sentinel does not call down.
async fn watched_by(access: &Access, address: &str, master: &str) -> Result<Vec<Arc<str>>, LinkError> {
    let mut link = open_sentinel(access, address, LOOK).await?;
    let mut nodes: Vec<Arc<str>> = vec![primary_named_by(&mut link, master).await?.into()];
    let replicas: Vec<BTreeMap<String, String>> = link.ask(&["SENTINEL", "REPLICAS", master]).await?;
    let mut living: Vec<Arc<str>> = Vec::new();
    for replica in replicas {
        let field = |name: &str| replica.get(name).map_or("", String::as_str);
        if field("flags") == "slave" {
            living.push(format!("{}:{}", field("ip"), field("port")).into());
        }
    }
    living.sort();
    nodes.extend(living);
    Ok(nodes)
}

async fn by_slots(access: Access, addresses: &[String]) -> Result<Site, SystemError> {
    let seeds = Site {
        access: access.clone(),
        directory: Directory::Nodes,
        nodes: addresses.iter().map(|address| address.as_str().into()).collect(),
    };
    let bound = LOOK * u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let placement = seeds.placement(0, bound).await.map_err(unreachable(&addresses.join(", ")))?;
    let primaries = placement.shards.iter().map(|shard| shard.primary.clone());
    let replicas = placement.shards.iter().flat_map(|shard| shard.replicas.iter().cloned());
    Ok(Site { access, directory: Directory::Nodes, nodes: primaries.chain(replicas).collect() })
}

/// Removes every key that starts with `prefix`.
pub(super) async fn remove(site: &Site, prefix: &str) -> Result<(), SystemError> {
    let deadline = Instant::now() + REMOVAL;
    let placement = site.placement(0, LOOK * 3).await.map_err(unreachable("any node"))?;
    for shard in &placement.shards {
        let removing = remove_from(site, &shard.primary, prefix);
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, removing).await {
            Ok(removed) => removed.map_err(unreachable(&shard.primary))?,
            Err(_) => {
                return Err(SystemError::Other(format!("removing the keys '{prefix}*' took more than {REMOVAL:?}")));
            }
        }
    }
    Ok(())
}

async fn remove_from(site: &Site, primary: &str, prefix: &str) -> Result<(), LinkError> {
    let mut link = site.access.open(primary, LOOK).await?;
    let pattern = format!("{}*", escape(prefix));
    let mut cursor = "0".to_owned();
    loop {
        let words = ["SCAN", &cursor, "MATCH", &pattern, "COUNT", &BATCH.to_string()];
        let (next, keys): (String, Vec<Vec<u8>>) = link.ask(&words).await?;
        unlink(&mut link, &keys).await?;
        if next == "0" {
            return Ok(());
        }
        cursor = next;
    }
}

/// One command for each key, because the keys of a cluster's node lie in different slots.
async fn unlink(link: &mut Link, keys: &[Vec<u8>]) -> Result<(), LinkError> {
    for key in keys {
        let mut command = redis::cmd("UNLINK");
        command.arg(key);
        link.send(&command).await?;
    }
    Ok(())
}

/// The characters that a pattern gives a meaning to, taken literally.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, letter| {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            escaped.push('\\');
        }
        escaped.push(letter);
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_prefix_is_matched_literally() {
        assert_eq!(escape("run:7:"), "run:7:");
        assert_eq!(escape("a*b?[c]\\"), "a\\*b\\?\\[c\\]\\\\");
    }
}
