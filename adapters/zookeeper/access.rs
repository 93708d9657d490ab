//! Opening sessions: each at exactly one server.
//!
//! The connect string of a session names one server, so that the library, which reconnects by itself, cannot
//! move a session to another one unseen. Opening is bounded in time; the library's own bound is the session
//! timeout, which may be much longer.

use super::failures::failure;
use super::status::{self, Status};
use crate::record::system::{Backend, Secret, SystemError};
use futures_util::future::join_all;
use std::time::Duration;
use zookeeper_client::{Acls, CreateMode, CreateOptions};

/// Who may change the members of a local ensemble. It is on loopback or in a namespace and ends with the run, so this is
/// no secret.
const SUPER: &[u8] = b"super:consistory";
/// The same as a server is told of it: user, and SHA-1 of user and password in base 64.
pub(super) const SUPER_DIGEST: &str = "super:F5QNwpqq9WSlQSmGL1WKF+JZzYY=";
/// The bound on opening a session when the user sets none.
const OPEN_LIMIT: Duration = Duration::from_secs(5);
/// The bound on one answer to `srvr`, which a healthy server gives within milliseconds.
const STATUS_LIMIT: Duration = Duration::from_secs(1);

/// How the servers are reached.
#[derive(Clone, Debug)]
pub(super) struct Access {
    /// `host:port` of each server.
    pub(super) addresses: Vec<String>,
    /// `user:password` of the digest scheme.
    credentials: Option<Secret>,
    session_timeout: Duration,
    limit: Duration,
    #[cfg(feature = "zookeeper-tls")]
    tls: Option<zookeeper_client::TlsOptions>,
}

impl Access {
    /// Access to `addresses` with the credentials and bounds of `backend`.
    ///
    /// # Errors
    /// When TLS is asked for in a way that this build or the library cannot do.
    pub(super) fn new(
        backend: &Backend,
        addresses: Vec<String>,
        session_timeout: Duration,
    ) -> Result<Self, SystemError> {
        #[cfg(not(feature = "zookeeper-tls"))]
        if backend.tls.is_some() {
            return Err(SystemError::Other(
                "this build cannot speak TLS to ZooKeeper: build with the cargo feature 'zookeeper-tls' (it needs cmake)"
                    .into(),
            ));
        }
        Ok(Self {
            addresses,
            credentials: credentials(backend)?,
            session_timeout,
            limit: if backend.timeout.is_zero() { OPEN_LIMIT } else { backend.timeout },
            #[cfg(feature = "zookeeper-tls")]
            tls: backend.tls.as_ref().map(super::tls::options).transpose()?,
        })
    }

    /// Opens a session at the server of that index.
    ///
    /// # Errors
    /// Why there is none, in words. No operation was sent in any case.
    pub(super) async fn open(&self, server: usize) -> Result<zookeeper_client::Client, String> {
        self.open_with(server, self.own_digest(), self.limit).await
    }

    /// The same for preparing and cleaning up, which wait for a slow server longer than a client may.
    ///
    /// # Errors
    /// Why there is no session, in words.
    pub(super) async fn open_patiently(&self, server: usize) -> Result<zookeeper_client::Client, String> {
        self.open_with(server, self.own_digest(), self.limit.max(OPEN_LIMIT)).await
    }

    fn own_digest(&self) -> Option<&[u8]> {
        self.credentials.as_ref().map(|credentials| credentials.expose().as_bytes())
    }

    /// The same as the one who may change the members of a local ensemble.
    ///
    /// # Errors
    /// Why there is no session, in words.
    pub(super) async fn open_as_super(&self, server: usize) -> Result<zookeeper_client::Client, String> {
        self.open_with(server, Some(SUPER), self.limit.max(OPEN_LIMIT)).await
    }

    async fn open_with(
        &self,
        server: usize,
        digest: Option<&[u8]>,
        limit: Duration,
    ) -> Result<zookeeper_client::Client, String> {
        let mut connector = zookeeper_client::Client::connector()
            .with_session_timeout(self.session_timeout)
            // One try: the caller decides whether there is a next one.
            .with_fail_eagerly();
        if let Some(digest) = digest {
            connector = connector.with_auth("digest", digest);
        }
        #[cfg(feature = "zookeeper-tls")]
        if let Some(tls) = &self.tls {
            connector = connector.with_tls(tls.clone());
        }
        match tokio::time::timeout(limit, connector.connect(&self.connect_string(server))).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(failure(&error).error),
            Err(_) => Err(format!("no session within {limit:?}")),
        }
    }

    fn connect_string(&self, server: usize) -> String {
        #[cfg(feature = "zookeeper-tls")]
        if self.tls.is_some() {
            return format!("tcp+tls://{}", self.addresses[server]);
        }
        self.addresses[server].clone()
    }

    /// What every server says of itself, in the order of the addresses.
    pub(super) async fn statuses(&self) -> Vec<Result<Status, String>> {
        join_all(self.addresses.iter().map(|address| status::ask(address, STATUS_LIMIT))).await
    }

    /// How znodes are created: for everybody without credentials, for their owner alone with them.
    pub(super) fn create_options(&self) -> CreateOptions<'static> {
        self.options(CreateMode::Persistent)
    }

    /// The same for those that go with the session.
    pub(super) fn lock_options(&self) -> CreateOptions<'static> {
        self.options(CreateMode::Ephemeral)
    }

    fn options(&self, mode: CreateMode) -> CreateOptions<'static> {
        let acls = if self.credentials.is_some() { Acls::creator_all() } else { Acls::anyone_all() };
        mode.with_acls(acls)
    }
}

/// The address of a server with its port, which is ZooKeeper's usual one where absent.
///
/// # Errors
/// When it names several servers or a path: the first would hide which of them answers.
pub(super) fn with_port(address: &str) -> Result<String, SystemError> {
    const USUAL_PORT: u16 = 2181;
    if address.is_empty() || address.contains([',', '/']) || address.contains(char::is_whitespace) {
        return Err(SystemError::BadOption {
            option: "nodes".into(),
            value: address.into(),
            expected: "one 'host:port' for each server, without a path (the prefix names the znode)".into(),
        });
    }
    // The colons of an IPv6 address are inside brackets.
    let port = address.rsplit_once(']').map_or(address, |(_, port)| port);
    Ok(if port.contains(':') { address.to_owned() } else { format!("{address}:{USUAL_PORT}") })
}

fn credentials(backend: &Backend) -> Result<Option<Secret>, SystemError> {
    match (&backend.user, &backend.password) {
        (None, None) => Ok(None),
        (Some(user), Some(password)) => Ok(Some(format!("{user}:{}", password.expose()).into())),
        _ => Err(SystemError::Other("ZooKeeper's digest scheme needs a user and a password, not one alone".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::system::Tls;

    #[test]
    fn the_usual_port_is_added_where_none_is_given() {
        let with = |address| with_port(address).expect("it is one server");
        assert_eq!(with("db1"), "db1:2181");
        assert_eq!(with("db1:2182"), "db1:2182");
        assert_eq!(with("[::1]"), "[::1]:2181");
        assert_eq!(with("[::1]:2182"), "[::1]:2182");
    }

    #[test]
    fn an_address_that_could_hide_a_move_is_refused() {
        for address in ["a:1,b:2", "a:1/path", "", "a b"] {
            assert!(matches!(with_port(address), Err(SystemError::BadOption { .. })), "{address}");
        }
    }

    #[test]
    fn a_password_without_a_user_is_refused() {
        let backend = Backend { password: Some("secret".into()), ..Backend::default() };
        assert!(Access::new(&backend, Vec::new(), OPEN_LIMIT).is_err());
    }

    #[test]
    fn printed_access_does_not_tell_the_password() {
        let backend = Backend { user: Some("u".into()), password: Some("hunter2".into()), ..Backend::default() };
        let printed = format!("{:?}", Access::new(&backend, Vec::new(), OPEN_LIMIT).expect("is complete"));
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[cfg(not(feature = "zookeeper-tls"))]
    #[test]
    fn tls_without_the_feature_is_refused_with_its_name() {
        let backend = Backend { tls: Some(Tls::default()), ..Backend::default() };
        let error = Access::new(&backend, Vec::new(), OPEN_LIMIT).expect_err("no TLS in this build");
        assert!(error.to_string().contains("zookeeper-tls"), "{error}");
    }

    #[cfg(feature = "zookeeper-tls")]
    #[test]
    fn tls_without_certificates_to_trust_is_refused() {
        let backend = Backend { tls: Some(Tls::default()), ..Backend::default() };
        let error = Access::new(&backend, Vec::new(), OPEN_LIMIT).expect_err("nothing to trust");
        assert!(error.to_string().contains("certificates to trust"), "{error}");
    }
}
