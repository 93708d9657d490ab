//! What a server says of itself: the four-letter command `srvr` over a connection of its own.
//!
//! `srvr` is the one command that a server allows unless told otherwise, and it needs no session, so it also
//! answers while there is no quorum. It is plain text: a port that speaks TLS only cannot be asked.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer is a dozen short lines; more than this is not from ZooKeeper.
const ANSWER_BYTES: u64 = 64 * 1024;

/// The part that a server plays in its ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Leader,
    Follower,
    Observer,
    /// A server without an ensemble.
    Standalone,
}

/// The answer to `srvr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// Such as `3.8.0`.
    pub(super) version: String,
    pub(super) role: Role,
}

impl Role {
    /// The server's own word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::Standalone => "standalone",
        }
    }

    /// Whether it orders the writes.
    pub(super) fn is_primary(self) -> bool {
        matches!(self, Self::Leader | Self::Standalone)
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Leader, Self::Follower, Self::Observer, Self::Standalone].into_iter().find(|role| role.name() == name)
    }
}

/// Asks the server at `address` (`host:port`), for at most `limit`.
///
/// # Errors
/// Why there is no usable answer, in words.
pub(super) async fn ask(address: &str, limit: Duration) -> Result<Status, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"srvr").await?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES).read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    match tokio::time::timeout(limit, exchange).await {
        Err(_) => Err(format!("no answer to 'srvr' within {limit:?}")),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(answer)) => parse(&answer),
    }
}

fn parse(answer: &str) -> Result<Status, String> {
    let field = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let (Some(version), Some(mode)) = (field("Zookeeper version:"), field("Mode:")) else {
        let first = answer.lines().next().unwrap_or("an empty answer");
        return Err(format!("'srvr' was answered with: {first}"));
    };
    let role = Role::named(mode).ok_or_else(|| format!("it is in mode '{mode}'"))?;
    let version = version.split(['-', ',']).next().unwrap_or(version).to_owned();
    Ok(Status { version, role })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLLOWER: &str = "Zookeeper version: 3.8.0-5a02a05eddb59aee6ac762f7ea82e92a68eb9c0f, built on \
        2022-02-25 08:49 UTC\nLatency min/avg/max: 0/0.0/0\nReceived: 1\nOutstanding: 0\nZxid: 0x100000000\nMode: \
        follower\nNode count: 5\n";

    #[test]
    fn version_and_role_are_read_from_the_answer() {
        assert_eq!(parse(FOLLOWER), Ok(Status { version: "3.8.0".into(), role: Role::Follower }));
        let debian = FOLLOWER.replace("3.8.0-5a02a05eddb59aee6ac762f7ea82e92a68eb9c0f", "3.8.0");
        assert_eq!(parse(&debian).map(|status| status.version), Ok("3.8.0".into()));
    }

    #[test]
    fn a_server_without_quorum_is_not_ready_and_says_why() {
        let error = parse("This ZooKeeper instance is not currently serving requests\n").expect_err("no mode");
        assert!(error.contains("not currently serving"), "{error}");
        assert!(parse("").is_err());
    }

    #[test]
    fn a_mode_that_cannot_write_is_not_a_role() {
        let error = parse(&FOLLOWER.replace("follower", "read-only")).expect_err("read-only");
        assert!(error.contains("read-only"), "{error}");
    }
}
