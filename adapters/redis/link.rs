//! One connection to one server, and how to open it.
//!
//! Contract: a [`Link`] sends a command once and returns its reply; it never retries, reconnects or follows
//! a redirection, and has no timeout of its own once open: the runner bounds operations by dropping them.
//! RESP3 is spoken because its greeting is answered before the link counts as open (a paused server is found
//! while nothing is sent yet) and because the library then tells when the connection closes.

use crate::record::system::{Backend, Secret, SystemError, Tls};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ClientTlsConfig, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo,
    ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisError, TlsCertificates, Value,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Why a request has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkError {
    /// The connection could not be opened.
    #[error("{0}")]
    Connect(String),
    /// The connection was seen closed before the request was sent.
    #[error("connection closed")]
    Closed,
    /// The server answered with an error.
    #[error("{code} {detail}")]
    Server {
        /// Its first word.
        code: String,
        /// The rest.
        detail: String,
    },
    /// The connection broke, or the reply is not what the command returns.
    #[error("{0}")]
    Lost(String),
}

/// How to open connections: the same for every server of a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    user: Option<String>,
    password: Option<Secret>,
    tls: Option<(TlsCertificates, bool)>,
}

/// An open connection.
pub(super) struct Link {
    connection: MultiplexedConnection,
    closed: Arc<AtomicBool>,
}

impl Access {
    /// Reads the credentials and certificates of an existing cluster.
    pub(super) fn of(backend: &Backend) -> Result<Self, SystemError> {
        let tls = backend.tls.as_ref().map(certificates).transpose()?;
        if tls.is_some() {
            // An error means that the program has chosen a provider already, which serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Ok(Self { user: backend.user.clone(), password: backend.password.clone(), tls })
    }

    /// The same way without credentials: sentinels often have none.
    pub(super) fn anonymous(&self) -> Self {
        Self { user: None, password: None, tls: self.tls.clone() }
    }

    /// Whether connections log in.
    pub(super) fn has_credentials(&self) -> bool {
        self.password.is_some()
    }

    /// Opens a connection to `host:port` within `bound`.
    pub(super) async fn open(&self, address: &str, bound: Duration) -> Result<Link, LinkError> {
        let closed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&closed);
        let notice = move |push: PushInfo| -> Result<(), std::convert::Infallible> {
            if push.kind == PushKind::Disconnection {
                flag.store(true, Ordering::Release);
            }
            Ok(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(bound))
            .set_response_timeout(None)
            .set_push_sender(notice);
        let client = self.client(address).map_err(|error| LinkError::Connect(describe(&error)))?;
        let open = client.get_multiplexed_async_connection_with_config(&config);
        // The library's own bound does not cover the look-up of a name.
        match tokio::time::timeout(bound, open).await {
            Ok(Ok(connection)) => Ok(Link { connection, closed }),
            Ok(Err(error)) => Err(LinkError::Connect(describe(&error))),
            Err(_) => Err(LinkError::Connect("timeout".into())),
        }
    }

    fn client(&self, address: &str) -> Result<redis::Client, RedisError> {
        let wrong =
            || RedisError::from((ErrorKind::InvalidClientConfig, "an address is host:port", address.to_owned()));
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port.parse().map_err(|_| wrong())?;
        let mut settings = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.expose());
        }
        let target = match &self.tls {
            None => ConnectionAddr::Tcp(host, port),
            Some((_, insecure)) => ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: None },
        };
        let tcp = redis::io::tcp::TcpSettings::default().set_nodelay(true);
        let info = target.into_connection_info()?.set_redis_settings(settings).set_tcp_settings(tcp);
        match &self.tls {
            None => redis::Client::open(info),
            Some((certificates, _)) => redis::Client::build_with_tls(info, certificates.clone()),
        }
    }
}

impl Link {
    /// Sends a command and returns its reply.
    pub(super) async fn send(&mut self, command: &Cmd) -> Result<Value, LinkError> {
        if self.is_closed() {
            return Err(LinkError::Closed);
        }
        match self.connection.send_packed_command(command).await {
            Ok(Value::ServerError(error)) => Err(LinkError::Server {
                code: error.code().to_owned(),
                detail: error.details().unwrap_or_default().to_owned(),
            }),
            Ok(value) => Ok(value),
            Err(error) => Err(lost(&error)),
        }
    }

    /// Sends the words of a command and converts its reply.
    pub(super) async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> Result<T, LinkError> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(word);
        }
        let value = self.send(&command).await?;
        redis::from_redis_value(value).map_err(|error| LinkError::Lost(format!("unexpected reply: {error}")))
    }

    /// Whether the connection has ended; what is sent after that never leaves.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

fn lost(error: &RedisError) -> LinkError {
    match error.code() {
        Some(code) => {
            LinkError::Server { code: code.to_owned(), detail: error.detail().unwrap_or_default().to_owned() }
        }
        None => LinkError::Lost(describe(error)),
    }
}

/// A short stable sentence without addresses in it.
fn describe(error: &RedisError) -> String {
    if error.is_timeout() {
        return "timeout".into();
    }
    if let Some(source) = std::error::Error::source(error)
        && let Some(io) = source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()
        && let Some(io) = io.downcast_ref::<std::io::Error>()
    {
        return io.kind().to_string();
    }
    error.to_string()
}

fn certificates(tls: &Tls) -> Result<(TlsCertificates, bool), SystemError> {
    let read = |path: &Path| std::fs::read(path).map_err(SystemError::io(format!("reading {}", path.display())));
    let client_tls = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        (None, None) => None,
        _ => return Err(SystemError::Other("a client certificate needs its key, and the key its certificate".into())),
    };
    let root_cert = tls.ca.as_deref().map(read).transpose()?;
    Ok((TlsCertificates { client_tls, root_cert }, tls.insecure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_access_does_not_tell_the_password() {
        let backend = Backend { password: Some("hunter2".into()), ..Backend::default() };
        let printed = format!("{:?}", Access::of(&backend).expect("is complete"));
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
