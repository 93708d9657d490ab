//! One logical process's operations, as etcd requests.
//!
//! Register `k` is the key `{prefix}{k}` with the value as decimal text. Element `e` of set `k` is the key
//! `{prefix}{k}/{e}` with an empty value, so that adding needs no read, and reading the set is one range
//! request: one answer at one revision, hence atomic, however large. Lock `k` is the key `{prefix}{k}` on the client's
//! lease, with the number of the lease as its value.

use super::connection::Connection;
use super::failure;
use super::lease::Lease;
use super::wire::{
    Compare, CompareResult, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, ResponseHeader,
    TxnRequest,
};
use crate::record::clients::Wakefulness;
use crate::record::system::{Action, Answer, Certainty, Client, Failure, Key, NodeId, Reply};
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A connection that performs [`Action`]s.
#[derive(Debug)]
pub(super) struct EtcdClient {
    pub connection: Connection,
    /// The node that is asked.
    pub asked: NodeId,
    /// The member ids of the nodes, in order.
    pub members: Arc<RwLock<Vec<u64>>>,
    /// What every key starts with.
    pub prefix: Arc<str>,
    /// Whether reads may be answered from the member's own state.
    pub serializable: bool,
    /// The time of the lease that locks are on.
    pub lock_time: Duration,
    /// Whether the process that this client is of sleeps.
    pub wakefulness: Arc<Wakefulness>,
    /// What its locks are on, once there was one.
    pub lease: Option<Lease>,
}

impl Client for EtcdClient {
    fn invoke<'a>(&'a mut self, action: &'a Action) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let asked = self.asked;
            self.perform(action)
                .await
                .map_err(|failure| if failure.node.is_some() { failure } else { failure.at(asked) })
        })
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        match &self.lease {
            Some(lease) => Box::pin(lease.over()),
            None => Box::pin(std::future::pending()),
        }
    }

    fn node(&self) -> Option<NodeId> {
        Some(self.asked)
    }
}

impl EtcdClient {
    async fn perform(&mut self, action: &Action) -> Result<Reply, Failure> {
        match *action {
            Action::Read { key } => self.read(key).await,
            Action::Write { key, value } => self.put(self.register(key), value.to_string()).await,
            Action::Cas { key, from, to } => self.cas(key, from, to).await,
            Action::Add { key, element } => self.put(format!("{}{element}", self.set(key)), String::new()).await,
            Action::Members { key } => self.elements(key).await,
            Action::Acquire { key } => self.acquire(key).await,
            // The key goes with the lease, so a failed release may still take effect.
            Action::Release { key } => {
                self.release(key).await.map_err(|failure| Failure { certainty: Certainty::Indefinite, ..failure })
            }
        }
    }

    async fn read(&mut self, key: Key) -> Result<Reply, Failure> {
        let request = RangeRequest {
            key: self.register(key).into_bytes(),
            serializable: self.serializable,
            ..RangeRequest::default()
        };
        let response = self.connection.range(request).await.map_err(|status| failure::of_call(&status))?;
        let value = response.kvs.first().map(|pair| number(&pair.value)).transpose()?;
        Ok(self.reply(response.header, Answer::Value(value)))
    }

    async fn put(&mut self, key: String, value: String) -> Result<Reply, Failure> {
        let request = PutRequest { key: key.into_bytes(), value: value.into_bytes(), ..PutRequest::default() };
        let response = self.connection.put(request).await.map_err(|status| failure::of_call(&status))?;
        Ok(self.reply(response.header, Answer::Done))
    }

    async fn cas(&mut self, key: Key, from: i64, to: i64) -> Result<Reply, Failure> {
        let key = self.register(key).into_bytes();
        let compare = Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Value.into(),
            key: key.clone(),
            value: Some(from.to_string().into_bytes()),
        };
        let put = PutRequest { key, value: to.to_string().into_bytes(), ..PutRequest::default() };
        let put = RequestOp { put: Some(put), ..RequestOp::default() };
        let request = TxnRequest { compare: vec![compare], success: vec![put] };
        let response = self.connection.txn(request).await.map_err(|status| failure::of_call(&status))?;
        let reply = self.reply(response.header, Answer::Done);
        if response.succeeded {
            Ok(reply)
        } else {
            Err(Failure { node: reply.node, ..Failure::definite(Failure::MISMATCH) })
        }
    }

    /// Creates the lock's key on the lease, if there is no such key.
    async fn acquire(&mut self, key: Key) -> Result<Reply, Failure> {
        let lease = if let Some(lease) = self.lease.take().filter(|lease| !lease.is_over()) {
            lease
        } else {
            let granted = Lease::grant(&self.connection, self.lock_time, Arc::clone(&self.wakefulness)).await;
            granted.map_err(|_| Failure::definite(failure::NO_LEASE).reconnecting())?
        };
        let lease = self.lease.insert(lease).id;
        let key = self.register(key).into_bytes();
        let compare = Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Version.into(),
            key: key.clone(),
            value: None,
        };
        let put = RequestOp {
            put: Some(PutRequest { key, value: lease.to_string().into_bytes(), lease }),
            ..RequestOp::default()
        };
        let request = TxnRequest { compare: vec![compare], success: vec![put] };
        let response = self.connection.txn(request).await.map_err(|status| failure::of_call(&status))?;
        let reply = self.reply(response.header, Answer::Done);
        if !response.succeeded {
            return Err(Failure { node: reply.node, ..Failure::definite(Failure::HELD) });
        }
        // Who hears too late that it has the lock never had reason to believe so.
        if self.lease.as_ref().is_none_or(Lease::is_over) {
            return Err(Failure { node: reply.node, ..Failure::indefinite("the lease ended before the answer came") });
        }
        Ok(reply)
    }

    /// Deletes the lock's key if it is on this client's lease.
    async fn release(&mut self, key: Key) -> Result<Reply, Failure> {
        let Some(lease) = self.lease.as_ref().filter(|lease| !lease.is_over()) else {
            return Ok(Reply { answer: Answer::Lost, node: None });
        };
        let key = self.register(key).into_bytes();
        let compare = Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Value.into(),
            key: key.clone(),
            value: Some(lease.id.to_string().into_bytes()),
        };
        let delete = RequestOp {
            delete: Some(DeleteRangeRequest { key, ..DeleteRangeRequest::default() }),
            ..RequestOp::default()
        };
        let request = TxnRequest { compare: vec![compare], success: vec![delete] };
        let response = self.connection.txn(request).await.map_err(|status| failure::of_call(&status))?;
        Ok(self.reply(response.header, if response.succeeded { Answer::Done } else { Answer::Lost }))
    }

    async fn elements(&mut self, key: Key) -> Result<Reply, Failure> {
        let set = self.set(key);
        let request = RangeRequest {
            range_end: range_end(set.as_bytes()),
            key: set.clone().into_bytes(),
            serializable: self.serializable,
            keys_only: true,
        };
        let response = self.connection.range(request).await.map_err(|status| failure::of_call(&status))?;
        let elements =
            response.kvs.iter().map(|pair| number(pair.key.strip_prefix(set.as_bytes()).unwrap_or_default()));
        let elements = elements.collect::<Result<_, _>>()?;
        Ok(self.reply(response.header, Answer::Members(elements)))
    }

    fn register(&self, key: Key) -> String {
        format!("{}{}", self.prefix, key.0)
    }

    fn set(&self, key: Key) -> String {
        format!("{}{}/", self.prefix, key.0)
    }

    /// The header tells which member really answered: behind a load balancer it may not be the one asked.
    fn reply(&self, header: Option<ResponseHeader>, answer: Answer) -> Reply {
        let member = header.unwrap_or_default().member_id;
        let node = self.members.read().iter().position(|known| *known == member);
        let node = node.and_then(|node| u16::try_from(node).ok()).map(NodeId);
        Reply { answer, node }
    }
}

/// The end of the range of all keys that start with `prefix`: its next sibling, or etcd's word for "all
/// that follow" if it has none.
pub(super) fn range_end(prefix: &[u8]) -> Vec<u8> {
    let Some(last) = prefix.iter().rposition(|byte| *byte < u8::MAX) else { return vec![0] };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    end
}

/// Only a read can fail here, so it is of no consequence that this counts as indefinite.
fn number(text: &[u8]) -> Result<i64, Failure> {
    let number = std::str::from_utf8(text).ok().and_then(|text| i64::from_str(text).ok());
    number.ok_or_else(|| Failure::indefinite("a stored value is not an integer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_prefix_ends_at_its_next_sibling() {
        assert_eq!(range_end(b"run/"), b"run0");
        assert_eq!(range_end(&[b'a', 0xff, 0xff]), b"b");
        assert_eq!(range_end(&[0xff]), [0], "etcd reads a zero byte as: to the end");
    }

    #[test]
    fn only_whole_decimal_integers_are_values() {
        assert_eq!(number(b"-9223372036854775808").unwrap(), i64::MIN);
        for text in [&b""[..], b"1 ", b"x", b"9223372036854775808", b"\xff"] {
            number(text).unwrap_err();
        }
    }
}
