//! Which server holds a key, as one client believes it.
//!
//! Contract: a [`Placement`] is a snapshot. It never changes by itself and follows no redirection; the client
//! replaces it. Slots are computed as the cluster specification says (CRC16/XMODEM modulo 16384, hash tags
//! included).

use super::link::LinkError;
use redis::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many slots Redis Cluster has.
pub(super) const SLOTS: u16 = 16_384;

/// A primary and its replicas, as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) primary: Arc<str>,
    pub(super) replicas: Vec<Arc<str>>,
}

/// Who holds what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// Ordered by their first slot.
    pub(super) shards: Vec<Shard>,
    /// The shard of each slot, [`NOBODY`] if none; `None` where one shard holds everything.
    owners: Option<Vec<u16>>,
}

const NOBODY: u16 = u16::MAX;

impl Placement {
    /// One shard that holds every key.
    pub(super) fn whole(primary: Arc<str>, replicas: Vec<Arc<str>>) -> Self {
        Self { shards: vec![Shard { primary, replicas }], owners: None }
    }

    /// The shard that holds a key, if any does.
    pub(super) fn shard(&self, key: &[u8]) -> Option<&Shard> {
        match &self.owners {
            None => self.shards.first(),
            Some(owners) => self.shards.get(usize::from(owners[usize::from(slot(key))])),
        }
    }

    /// Reads the reply of `CLUSTER SLOTS`, given by the node at `host`.
    pub(super) fn of_cluster_slots(reply: &Value, host: &str) -> Result<Self, LinkError> {
        let wrong = || LinkError::Lost("unexpected reply to CLUSTER SLOTS".into());
        let Value::Array(rows) = reply else { return Err(wrong()) };
        let mut ranges = rows.iter().map(|row| range(row, host)).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        ranges.sort_by_key(|range| range.first);
        let mut shards: Vec<Shard> = Vec::new();
        let mut numbers: BTreeMap<Arc<str>, u16> = BTreeMap::new();
        let mut owners = vec![NOBODY; usize::from(SLOTS)];
        for Range { first, last, shard } in ranges {
            let number = *numbers.entry(Arc::clone(&shard.primary)).or_insert_with(|| {
                shards.push(shard);
                u16::try_from(shards.len() - 1).expect("a shard owns at least one of 16384 slots")
            });
            owners.get_mut(usize::from(first)..=usize::from(last)).ok_or_else(wrong)?.fill(number);
        }
        Ok(Self { shards, owners: Some(owners) })
    }
}

struct Range {
    first: u16,
    last: u16,
    shard: Shard,
}

fn range(row: &Value, host: &str) -> Option<Range> {
    let Value::Array(fields) = row else { return None };
    let [Value::Int(first), Value::Int(last), nodes @ ..] = fields.as_slice() else { return None };
    let mut nodes = nodes.iter().map(|node| address(node, host)).collect::<Option<Vec<_>>>()?.into_iter();
    let primary = nodes.next()?;
    let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
    (first <= last).then(|| Range { first, last, shard: Shard { primary, replicas: nodes.collect() } })
}

/// `[host, port, id, …]`; a node that does not know its own address leaves the host out.
fn address(node: &Value, asked: &str) -> Option<Arc<str>> {
    let Value::Array(fields) = node else { return None };
    let Some(Value::Int(port)) = fields.get(1) else { return None };
    let host = match fields.first()? {
        Value::BulkString(bytes) if !bytes.is_empty() && bytes != b"?" => std::str::from_utf8(bytes).ok()?,
        Value::BulkString(_) | Value::Nil => asked,
        _ => return None,
    };
    Some(format!("{host}:{port}").into())
}

/// The slot of a key.
pub(super) fn slot(key: &[u8]) -> u16 {
    crc16(hashed_part(key)) % SLOTS
}

/// What stands between the first `{` and the next `}`, if anything does: keys that share it share a slot.
fn hashed_part(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&byte| byte == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|&byte| byte == b'}') {
        Some(length) if length > 0 => &rest[..length],
        _ => key,
    }
}

/// CRC16/XMODEM: polynomial 0x1021, nothing reflected, nothing inverted.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        // The check value of CRC16/XMODEM, which the specification quotes.
        assert_eq!(crc16(b"123456789"), 0x31C3);
        for (key, expected) in [("", 0), ("foo", 12_182), ("bar", 5_061), ("hello", 866), ("user1000", 3_443)] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn hash_tags_are_hashed_alone() {
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(hashed_part(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hashed_part(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hashed_part(b"foo{bar}{zap}"), b"bar");
        assert_eq!(hashed_part(b"foo{bar"), b"foo{bar");
    }

    fn node(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Int(port), Value::BulkString(b"id".to_vec())])
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn cluster_slots_are_read_with_gaps_and_missing_hosts() {
        let reply = Value::Array(vec![
            Value::Array(vec![Value::Int(8192), Value::Int(16383), node(Value::Nil, 2)]),
            Value::Array(vec![Value::Int(0), Value::Int(99), node(text("h"), 1), node(text(""), 3)]),
            Value::Array(vec![Value::Int(200), Value::Int(300), node(text("h"), 1), node(text(""), 3)]),
        ]);
        let placement = Placement::of_cluster_slots(&reply, "asked").unwrap();
        assert_eq!(placement.shards.len(), 2);
        assert_eq!(*placement.shards[0].primary, *"h:1");
        assert_eq!(*placement.shards[0].replicas[0], *"asked:3");
        assert_eq!(*placement.shard(b"foo").unwrap().primary, *"asked:2");
        assert_eq!(placement.shard(b"bar"), None, "slot 5061 belongs to nobody");
        assert_eq!(*placement.shard(b"").unwrap().primary, *"h:1");
    }

    #[test]
    fn malformed_cluster_slots_are_an_error() {
        for reply in [
            Value::Nil,
            Value::Array(vec![Value::Int(3)]),
            Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(16384), node(text("h"), 1)])]),
            Value::Array(vec![Value::Array(vec![Value::Int(5), Value::Int(1), node(text("h"), 1)])]),
            Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(1)])]),
        ] {
            assert!(Placement::of_cluster_slots(&reply, "asked").is_err(), "{reply:?}");
        }
    }
}
