//! Moving slots of a sharded cluster from one primary to another and back, while clients use them: what resharding does,
//! slot by slot, key by key (the cluster specification, "Live resharding").
//!
//! Slots that hold keys are moved first: the others nobody notices.

use super::directory::{Directory, Site};
use super::health::LOOK;
use super::link::{Link, LinkError};
use crate::record::system::{MembershipChange, NodeId, SystemError};
use std::sync::Arc;

/// How many slots are moved, at most.
const SLOTS_MAX: usize = 500;
/// Keys moved at a time.
const BATCH: &str = "100";
/// How long one move of keys may take, in milliseconds.
const MOVE_MAX_MS: &str = "2000";

/// Slots that are away from their primary, or on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Away {
    from: Arc<str>,
    to: Arc<str>,
    slots: Vec<u16>,
}

/// A primary as `CLUSTER NODES` tells.
struct Primary {
    id: String,
    address: String,
    slots: Vec<u16>,
}

/// Which slots of the node are to go where.
pub(super) async fn choose(site: &Site, node: NodeId) -> Result<Away, SystemError> {
    if !matches!(site.directory, Directory::Nodes) {
        return Err(SystemError::Other("only a sharded cluster has slots".into()));
    }
    let from = site.nodes.get(usize::from(node.0)).ok_or_else(|| SystemError::Other("no such node".into()))?;
    let mut link = open(site, from).await?;
    let primaries = primaries(&mut link).await?;
    let own = primaries.iter().find(|primary| primary.address == **from);
    let own = own.ok_or_else(|| SystemError::Other(format!("{from} is no primary, and has no slots")))?;
    let other = primaries.iter().find(|primary| primary.address != **from && !primary.slots.is_empty());
    let other = other.ok_or_else(|| SystemError::Other("there is no other primary".into()))?;
    let mut slots = Vec::new();
    for &slot in &own.slots {
        let keys: u64 =
            link.ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]).await.map_err(|error| refused(&error))?;
        slots.push((keys == 0, slot));
    }
    slots.sort_unstable();
    let slots = slots.into_iter().take(SLOTS_MAX).map(|(_, slot)| slot).collect();
    Ok(Away { from: Arc::clone(from), to: other.address.as_str().into(), slots })
}

/// Moves them there, or those that are away back again.
pub(super) async fn migrate(site: &Site, away: &Away, back: bool) -> Result<MembershipChange, SystemError> {
    let (from, to) = if back { (&away.to, &away.from) } else { (&away.from, &away.to) };
    let (mut source, mut target) = (open(site, from).await?, open(site, to).await?);
    let before = primaries(&mut source).await?;
    let id = |address: &str| {
        let primary = before.iter().find(|primary| primary.address == address);
        primary.map(|primary| primary.id.clone()).ok_or_else(|| SystemError::Other(format!("{address} is no primary")))
    };
    let (source_id, target_id) = (id(from)?, id(to)?);
    let held = before.iter().find(|primary| primary.id == source_id).map(|primary| primary.slots.clone());
    let held = held.unwrap_or_default();
    let mut moved = 0_u32;
    for &slot in &away.slots {
        let word = slot.to_string();
        if held.contains(&slot) {
            one(&mut source, &mut target, &word, (&source_id, &target_id), to)
                .await
                .map_err(|error| refused(&error))?;
            moved += 1;
        } else {
            // One whose move had begun and not ended stays where it is.
            for link in [&mut source, &mut target] {
                link.ask::<String>(&["CLUSTER", "SETSLOT", &word, "STABLE"]).await.map_err(|error| refused(&error))?;
            }
        }
    }
    let after = primaries(&mut target).await?;
    let done = format!("{moved} slots from {from} to {to}");
    Ok(MembershipChange { done, before: told(&before), after: told(&after) })
}

async fn one(
    source: &mut Link,
    target: &mut Link,
    slot: &str,
    (source_id, target_id): (&str, &str),
    to: &str,
) -> Result<(), LinkError> {
    let (host, port) = to.rsplit_once(':').ok_or_else(|| LinkError::Lost(format!("{to} is no address")))?;
    target.ask::<String>(&["CLUSTER", "SETSLOT", slot, "IMPORTING", source_id]).await?;
    source.ask::<String>(&["CLUSTER", "SETSLOT", slot, "MIGRATING", target_id]).await?;
    // Ends: new keys of the slot are made at the target by now.
    loop {
        let keys: Vec<String> = source.ask(&["CLUSTER", "GETKEYSINSLOT", slot, BATCH]).await?;
        if keys.is_empty() {
            break;
        }
        let mut words = vec!["MIGRATE", host, port, "", "0", MOVE_MAX_MS, "KEYS"];
        words.extend(keys.iter().map(String::as_str));
        source.ask::<String>(&words).await?;
    }
    // The target first: nobody else must think that the slot is nobody's.
    target.ask::<String>(&["CLUSTER", "SETSLOT", slot, "NODE", target_id]).await?;
    source.ask::<String>(&["CLUSTER", "SETSLOT", slot, "NODE", target_id]).await.map(drop)
}

async fn open(site: &Site, address: &str) -> Result<Link, SystemError> {
    site.access.open(address, LOOK).await.map_err(|error| refused(&error))
}

fn refused(error: &LinkError) -> SystemError {
    SystemError::Other(error.to_string())
}

async fn primaries(link: &mut Link) -> Result<Vec<Primary>, SystemError> {
    let text: String = link.ask(&["CLUSTER", "NODES"]).await.map_err(|error| refused(&error))?;
    Ok(text.lines().filter_map(primary).collect())
}

/// A line of `CLUSTER NODES`, if it is about a primary that serves: id, address, flags, five more, slots.
fn primary(line: &str) -> Option<Primary> {
    let fields: Vec<&str> = line.split(' ').collect();
    let &[id, address, flags, ..] = fields.as_slice() else { return None };
    let serves = flags.split(',').any(|flag| flag == "master") && !flags.contains("fail");
    let slots = fields.iter().skip(8).filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u16>().ok()?..=last.parse().ok()?)
    });
    let address = address.split('@').next()?.to_owned();
    serves.then(|| Primary { id: id.to_owned(), address, slots: slots.flatten().collect() })
}

fn told(primaries: &[Primary]) -> Vec<String> {
    let mut told: Vec<_> =
        primaries.iter().map(|primary| format!("{} {} slots", primary.address, primary.slots.len())).collect();
    // Nodes are listed in any order, and whoever compares looks for what has changed.
    told.sort_unstable();
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_is_read_with_its_slots_and_without_those_on_the_way() {
        let line = "07c3 127.0.0.1:30004@31004,host myself,master - 0 1426238317239 4 connected 0-2 7 [9->-67ed]";
        let primary = primary(line).expect("it is one");
        assert_eq!((primary.id.as_str(), primary.address.as_str()), ("07c3", "127.0.0.1:30004"));
        assert_eq!(primary.slots, [0, 1, 2, 7]);
        assert!(super::primary("67ed 127.0.0.1:30002@31002 slave 07c3 0 1 2 connected").is_none());
        assert!(super::primary("67ed 127.0.0.1:30002@31002 master,fail - 0 1 2 connected 5").is_none());
        assert!(super::primary("").is_none());
    }
}
