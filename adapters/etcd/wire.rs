//! The protobuf messages of etcd's API that the adapter sends and receives.
//!
//! Written by hand from the public field numbers (`rpc.proto` and `kv.proto` of etcd 3.4 to 3.6), so that a
//! build needs no protoc. Only the fields that are used are named: a decoder skips the others, and an
//! absent field means its default. A protobuf `oneof` of which only one variant is used is written as that
//! variant alone, which encodes to the same bytes.

use prost::Message;

/// What every answer starts with.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ResponseHeader {
    /// The member that answered.
    #[prost(uint64, tag = "2")]
    pub member_id: u64,
    /// The store's revision at the answer.
    #[prost(int64, tag = "3")]
    pub revision: i64,
}

/// A stored pair.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub value: Vec<u8>,
}

/// `KV/Range`: one key, or all keys in `[key, range_end)` if that is not empty.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
    /// Answer from the node's own state, without asking the others.
    #[prost(bool, tag = "7")]
    pub serializable: bool,
    #[prost(bool, tag = "8")]
    pub keys_only: bool,
}

/// The answer to [`RangeRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct RangeResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(message, repeated, tag = "2")]
    pub kvs: Vec<KeyValue>,
}

/// `KV/Put`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
    /// The lease that the key goes with; zero for none.
    #[prost(int64, tag = "3")]
    pub lease: i64,
}

/// The answer to [`PutRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct PutResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
}

/// `KV/DeleteRange`: all keys in `[key, range_end)`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DeleteRangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
}

/// The answer to [`DeleteRangeRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DeleteRangeResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
}

/// A condition of a transaction.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Compare {
    #[prost(enumeration = "CompareResult", tag = "1")]
    pub result: i32,
    #[prost(enumeration = "CompareTarget", tag = "2")]
    pub target: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub key: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub value: Option<Vec<u8>>,
}

/// How [`Compare`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum CompareResult {
    /// They are equal.
    Equal = 0,
}

/// What [`Compare`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum CompareTarget {
    /// How often the key was written since it was created; zero for an absent key.
    Version = 0,
    /// The stored value; the comparison fails for an absent key.
    Value = 3,
}

/// One operation of a transaction.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct RequestOp {
    #[prost(message, optional, tag = "2")]
    pub put: Option<PutRequest>,
    #[prost(message, optional, tag = "3")]
    pub delete: Option<DeleteRangeRequest>,
}

/// `KV/Txn`: does `success` if all of `compare` hold, and nothing otherwise.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct TxnRequest {
    #[prost(message, repeated, tag = "1")]
    pub compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    pub success: Vec<RequestOp>,
}

/// The answer to [`TxnRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct TxnResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(bool, tag = "2")]
    pub succeeded: bool,
}

/// `Cluster/MemberList`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MemberListRequest {}

/// `Cluster/MemberAdd`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MemberAddRequest {
    #[prost(string, repeated, tag = "1")]
    pub peer_urls: Vec<String>,
}

/// `Cluster/MemberRemove`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MemberRemoveRequest {
    #[prost(uint64, tag = "1")]
    pub id: u64,
}

/// The answer to each request about members: who they are; that to [`MemberAddRequest`] begins with the new one.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MembersResponse {
    #[prost(message, repeated, tag = "2")]
    pub members: Vec<MemberInfo>,
}

/// A member of the cluster.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MemberInfo {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Empty until it has started.
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(string, repeated, tag = "3")]
    pub peer_urls: Vec<String>,
}

/// `Lease/LeaseGrant`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct LeaseGrantRequest {
    /// Seconds.
    #[prost(int64, tag = "1")]
    pub ttl: i64,
    /// Zero for any.
    #[prost(int64, tag = "2")]
    pub id: i64,
}

/// The answer to [`LeaseGrantRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct LeaseGrantResponse {
    #[prost(int64, tag = "2")]
    pub id: i64,
}

/// One message of `Lease/LeaseKeepAlive`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct LeaseKeepAliveRequest {
    #[prost(int64, tag = "1")]
    pub id: i64,
}

/// The answer to [`LeaseKeepAliveRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct LeaseKeepAliveResponse {
    /// Seconds that are left; zero if there is no such lease.
    #[prost(int64, tag = "3")]
    pub ttl: i64,
}

/// `Maintenance/Status`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct StatusRequest {}

/// The answer to [`StatusRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(string, tag = "2")]
    pub version: String,
    /// The member that this one takes for the leader; zero for none.
    #[prost(uint64, tag = "4")]
    pub leader: u64,
    #[prost(uint64, tag = "6")]
    pub raft_term: u64,
}

/// `Auth/Authenticate`.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub(super) struct AuthenticateRequest {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub password: String,
}

impl std::fmt::Debug for AuthenticateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthenticateRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The answer to [`AuthenticateRequest`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct AuthenticateResponse {
    #[prost(string, tag = "2")]
    pub token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_request_has_the_published_field_numbers() {
        let request = RangeRequest { key: b"a".into(), range_end: b"b".into(), serializable: true, keys_only: true };
        // 1: bytes "a", 2: bytes "b", 7: true, 8: true. A tag byte is field * 8 + wire type.
        assert_eq!(request.encode_to_vec(), [0x0a, 1, b'a', 0x12, 1, b'b', 0x38, 1, 0x40, 1]);
        let plain = RangeRequest { key: b"a".into(), ..RangeRequest::default() };
        assert_eq!(plain.encode_to_vec(), [0x0a, 1, b'a'], "defaults are left out");
    }

    #[test]
    fn a_compare_and_put_transaction_has_the_published_field_numbers() {
        let compare = Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Value.into(),
            key: b"k".into(),
            value: Some(b"1".into()),
        };
        let put = PutRequest { key: b"k".into(), value: b"2".into(), ..PutRequest::default() };
        let put = RequestOp { put: Some(put), ..RequestOp::default() };
        let request = TxnRequest { compare: vec![compare], success: vec![put] };
        let expected = [
            &[0x0a, 8, 0x10, 3, 0x1a, 1, b'k', 0x3a, 1, b'1'][..], // 1: compare {2: VALUE, 3: key, 7: value}
            &[0x12, 8, 0x12, 6, 0x0a, 1, b'k', 0x12, 1, b'2'][..], // 2: success {2: put {1: key, 2: value}}
        ];
        assert_eq!(request.encode_to_vec(), expected.concat());
    }

    #[test]
    fn requests_about_members_have_the_published_field_numbers() {
        let add = MemberAddRequest { peer_urls: vec!["u".into()] };
        assert_eq!(add.encode_to_vec(), [0x0a, 1, b'u']);
        assert_eq!(MemberRemoveRequest { id: 7 }.encode_to_vec(), [0x08, 7]);
        // 1: header {2: member 7}, 2: member {1: id 9, 2: "n", 3: "u"}
        let bytes = [0x0a, 2, 0x10, 7, 0x12, 8, 0x08, 9, 0x12, 1, b'n', 0x1a, 1, b'u'];
        let member = MemberInfo { id: 9, name: "n".into(), peer_urls: vec!["u".into()] };
        assert_eq!(MembersResponse::decode(&bytes[..]).expect("valid").members, [member]);
    }

    #[test]
    fn leases_and_what_is_on_them_have_the_published_field_numbers() {
        assert_eq!(LeaseGrantRequest { ttl: 2, id: 0 }.encode_to_vec(), [0x08, 2]);
        assert_eq!(LeaseKeepAliveRequest { id: 7 }.encode_to_vec(), [0x08, 7]);
        // 1: header {2: member 7}, 2: id 9, 3: seconds 2
        assert_eq!(LeaseGrantResponse::decode(&[0x0a, 2, 0x10, 7, 0x10, 9, 0x18, 2][..]).expect("valid").id, 9);
        assert_eq!(LeaseKeepAliveResponse::decode(&[0x0a, 2, 0x10, 7, 0x10, 9, 0x18, 2][..]).expect("valid").ttl, 2);
        let put = PutRequest { key: b"k".into(), value: b"2".into(), lease: 9 };
        assert_eq!(put.encode_to_vec(), [0x0a, 1, b'k', 0x12, 1, b'2', 0x18, 9]);
        let delete = DeleteRangeRequest { key: b"k".into(), ..DeleteRangeRequest::default() };
        let delete = RequestOp { delete: Some(delete), ..RequestOp::default() };
        assert_eq!(delete.encode_to_vec(), [0x1a, 3, 0x0a, 1, b'k']);
    }

    #[test]
    fn a_delete_and_a_login_have_the_published_field_numbers() {
        let delete = DeleteRangeRequest { key: b"a/".into(), range_end: b"a0".into() };
        assert_eq!(delete.encode_to_vec(), [0x0a, 2, b'a', b'/', 0x12, 2, b'a', b'0']);
        let login = AuthenticateRequest { name: "u".into(), password: "p".into() };
        assert_eq!(login.encode_to_vec(), [0x0a, 1, b'u', 0x12, 1, b'p']);
    }

    #[test]
    fn a_range_response_is_read_past_the_fields_that_are_not_used() {
        let bytes = [
            &[0x0a, 6, 0x08, 9, 0x10, 7, 0x18, 5][..], // 1: header {1: cluster 9, 2: member 7, 3: revision 5}
            &[0x12, 12, 0x0a, 1, b'k', 0x10, 2, 0x18, 3, 0x20, 1, 0x2a, 1, b'4'][..], // 2: pair with revisions
            &[0x20, 1][..],                            // 4: count 1
        ];
        let response = RangeResponse::decode(&*bytes.concat()).expect("valid bytes");
        assert_eq!(response.header, Some(ResponseHeader { member_id: 7, revision: 5 }));
        assert_eq!(response.kvs, [KeyValue { key: b"k".into(), value: b"4".into() }]);
    }

    #[test]
    fn a_status_and_a_transaction_answer_are_read() {
        // 1: header {2: member 7}, 2: "3.4", 3: size 1, 4: leader 7, 5: index 1, 6: term 2
        let status = [0x0a, 2, 0x10, 7, 0x12, 3, b'3', b'.', b'4', 0x18, 1, 0x20, 7, 0x28, 1, 0x30, 2];
        let status = StatusResponse::decode(&status[..]).expect("valid bytes");
        assert_eq!((status.version.as_str(), status.leader, status.raft_term), ("3.4", 7, 2));
        let succeeded = TxnResponse::decode(&[0x0a, 2, 0x10, 7, 0x10, 1][..]).expect("valid bytes");
        assert!(succeeded.succeeded);
        assert!(!TxnResponse::decode(&[0x0a, 2, 0x10, 7][..]).expect("valid bytes").succeeded);
    }
}
