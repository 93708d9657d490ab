//! One gRPC connection to exactly one member.
//!
//! No balancing, no pool, no retries. What was found in tonic 0.14 and hyper 1 about hidden retries: a tonic
//! `Channel` hands each request to its HTTP/2 connection once. If that connection is already known to be
//! closed, the channel first connects again *to the same address* and then hands the request over, still
//! once; if connecting fails, that request fails with a `ConnectError`. tonic drives hyper's connection
//! directly, not the pooled client that resends requests, and hyper's `send_request` never retries. So a
//! request that may have been sent is never sent again, and a `ConnectError` proves that it was not sent.

use super::failure;
use super::wire::{
    AuthenticateRequest, AuthenticateResponse, DeleteRangeRequest, DeleteRangeResponse, LeaseGrantRequest,
    LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, MemberAddRequest, MemberInfo, MemberListRequest,
    MemberRemoveRequest, MembersResponse, PutRequest, PutResponse, RangeRequest, RangeResponse, StatusRequest,
    StatusResponse, TxnRequest, TxnResponse,
};
use crate::record::system::{Failure, Secret};
use http::uri::PathAndQuery;
use prost::Message;
use std::error::Error;
use std::marker::PhantomData;
use std::time::Duration;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// How to reach every member.
#[derive(Clone, Debug)]
pub(super) struct Access {
    /// One for each node, in the order of the nodes.
    pub endpoints: Vec<Endpoint>,
    /// User name and password.
    pub login: Option<Login>,
    /// The bound on opening a connection.
    pub timeout: Duration,
}

/// Who to log in as.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub user: String,
    pub password: Secret,
}

/// A connection to one member; a clone is the same connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    grpc: Grpc<Channel>,
    token: Option<MetadataValue<Ascii>>,
}

/// Why a connection could not be opened.
#[derive(Debug)]
pub(super) struct Unopened {
    /// For the recorder.
    pub failure: Failure,
    /// For people, and for whether to try again.
    pub why: Unready,
}

/// Why a member does not answer as it should.
#[derive(Clone, Debug)]
pub(super) struct Unready {
    /// For people.
    pub reason: String,
    /// Whether asking again cannot help.
    pub lasting: bool,
}

impl Unready {
    /// From an error of a connection or a call.
    pub(super) fn from(error: &(dyn Error + 'static)) -> Self {
        Self { reason: failure::in_words(error), lasting: failure::is_lasting(error) }
    }

    /// Of something that may pass.
    pub(super) fn yet(reason: String) -> Self {
        Self { reason, lasting: false }
    }
}

impl Access {
    /// Connects and, if a user is given, logs in.
    pub(super) async fn open(&self, node: usize) -> Result<Connection, Unopened> {
        let opening = self.connect(&self.endpoints[node]);
        tokio::time::timeout(self.timeout, opening).await.unwrap_or_else(|_| {
            let failure = failure::of_connect(&std::io::Error::from(std::io::ErrorKind::TimedOut));
            Err(Unopened { failure, why: Unready::yet(format!("no connection within {:?}", self.timeout)) })
        })
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Connection, Unopened> {
        let unopened =
            |error: &(dyn Error + 'static)| Unopened { failure: failure::of_connect(error), why: Unready::from(error) };
        let channel = endpoint.connect().await.map_err(|error| unopened(&error))?;
        // A set of a hundred thousand elements is an answer of several megabytes; tonic's default is 4 MB.
        let grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
        let mut connection = Connection { grpc, token: None };
        if let Some(login) = &self.login {
            let request =
                AuthenticateRequest { name: login.user.clone(), password: login.password.expose().to_owned() };
            let path = "/etcdserverpb.Auth/Authenticate";
            let answer: AuthenticateResponse =
                connection.call(path, request).await.map_err(|error| unopened(&error))?;
            let mut token: MetadataValue<Ascii> = answer.token.parse().map_err(|error| unopened(&error))?;
            token.set_sensitive(true);
            connection.token = Some(token);
        }
        Ok(connection)
    }
}

impl Connection {
    /// Reads keys.
    pub(super) async fn range(&mut self, request: RangeRequest) -> Result<RangeResponse, Status> {
        self.call("/etcdserverpb.KV/Range", request).await
    }

    /// Writes a key.
    pub(super) async fn put(&mut self, request: PutRequest) -> Result<PutResponse, Status> {
        self.call("/etcdserverpb.KV/Put", request).await
    }

    /// Deletes keys.
    pub(super) async fn delete_range(&mut self, request: DeleteRangeRequest) -> Result<DeleteRangeResponse, Status> {
        self.call("/etcdserverpb.KV/DeleteRange", request).await
    }

    /// Compares and writes.
    pub(super) async fn txn(&mut self, request: TxnRequest) -> Result<TxnResponse, Status> {
        self.call("/etcdserverpb.KV/Txn", request).await
    }

    /// Asks the member for its version, its term and whom it takes for the leader.
    pub(super) async fn status(&mut self) -> Result<StatusResponse, Status> {
        self.call("/etcdserverpb.Maintenance/Status", StatusRequest {}).await
    }

    /// A linearizable read: succeeds only if the member can reach a majority.
    pub(super) async fn probe(&mut self, key: &[u8]) -> Result<(), Status> {
        self.range(RangeRequest { key: key.to_vec(), ..RangeRequest::default() }).await.map(drop)
    }

    /// The members of the cluster.
    pub(super) async fn members(&mut self) -> Result<Vec<MemberInfo>, Status> {
        let response: MembersResponse = self.call("/etcdserverpb.Cluster/MemberList", MemberListRequest {}).await?;
        Ok(response.members)
    }

    /// Takes a member out of the cluster.
    pub(super) async fn remove_member(&mut self, id: u64) -> Result<(), Status> {
        let removed: MembersResponse =
            self.call("/etcdserverpb.Cluster/MemberRemove", MemberRemoveRequest { id }).await?;
        drop(removed);
        Ok(())
    }

    /// Adds a member that will be heard of at that address.
    pub(super) async fn add_member(&mut self, peer_url: String) -> Result<(), Status> {
        let request = MemberAddRequest { peer_urls: vec![peer_url] };
        let added: MembersResponse = self.call("/etcdserverpb.Cluster/MemberAdd", request).await?;
        drop(added);
        Ok(())
    }

    /// Asks for a lease of so many seconds; its number.
    pub(super) async fn grant_lease(&mut self, seconds: i64) -> Result<i64, Status> {
        let request = LeaseGrantRequest { ttl: seconds, id: 0 };
        let response: LeaseGrantResponse = self.call("/etcdserverpb.Lease/LeaseGrant", request).await?;
        Ok(response.id)
    }

    /// Prolongs a lease; how many seconds it has then, none if there is no such lease.
    pub(super) async fn keep_lease_alive(&mut self, id: i64) -> Result<i64, Status> {
        let request = futures_util::stream::iter([LeaseKeepAliveRequest { id }]);
        let mut request = Request::new(request);
        self.authorize(&mut request);
        self.grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        let path = PathAndQuery::from_static("/etcdserverpb.Lease/LeaseKeepAlive");
        let codec = Protobuf::<LeaseKeepAliveRequest, LeaseKeepAliveResponse>::new();
        let answers = self.grpc.streaming(request, path, codec).await?;
        let answer = answers.into_inner().message().await?;
        answer.map(|answer| answer.ttl).ok_or_else(|| Status::unknown("no answer"))
    }

    fn authorize<Q>(&self, request: &mut Request<Q>) {
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
    }

    async fn call<Q, A>(&mut self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut request = Request::new(request);
        self.authorize(&mut request);
        self.grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        let answer = self.grpc.unary(request, PathAndQuery::from_static(path), Protobuf::new()).await?;
        Ok(answer.into_inner())
    }
}

/// Encodes requests `Q` and decodes answers `A`.
struct Protobuf<Q, A>(PhantomData<fn(Q) -> A>);

impl<Q, A> Protobuf<Q, A> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<Q: Message + 'static, A: Message + Default + 'static> Codec for Protobuf<Q, A> {
    type Encode = Q;
    type Decode = A;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::new()
    }

    fn decoder(&mut self) -> Self {
        Self::new()
    }
}

impl<Q: Message, A> Encoder for Protobuf<Q, A> {
    type Item = Q;
    type Error = Status;

    fn encode(&mut self, request: Q, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        request.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl<Q, A: Message + Default> Decoder for Protobuf<Q, A> {
    type Item = A;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<A>, Status> {
        A::decode(buffer).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_login_does_not_tell_its_password() {
        let login = Login { user: "u".into(), password: "hunter2".into() };
        let request = AuthenticateRequest { name: "u".into(), password: "hunter2".into() };
        let printed = format!("{login:?} {request:?}");
        assert!(printed.contains("\"u\"") && !printed.contains("hunter2"), "{printed}");
    }
}
