//! Which errors prove that an operation had no effect.
//!
//! [`DEFINITE`] is both the published table and what [`of_call`] looks errors up in. Everything that is not
//! in it is indefinite: timeouts of any kind (`etcdserver: request timed out` is sent while the proposal may
//! still be committed), `leader changed`, `server stopped`, a lost connection, a cancelled request.
//!
//! One error that sounds definite is not: `etcdserver: mvcc: database space exceeded`. Besides refusing a
//! request before it is proposed, etcd also answers with it after having applied the request, when the
//! quota was found exceeded during the application (`quotaApplierV3` in `etcdserver/apply.go`).

use crate::record::system::{DefiniteFailure, Failure};
use std::error::Error;
use std::io;
use tonic::{Code, ConnectError, Status};

/// The connection was refused.
const REFUSED: &str = "connection refused";
/// The connection could not be made for another reason.
const UNCONNECTED: &str = "cannot connect";
/// No member says that there is a leader.
pub(super) const NO_LEADER: &str = "no leader";
/// No lease was granted.
pub(super) const NO_LEASE: &str = "no lease";
/// The member cannot confirm a read now.
pub(super) const NO_MAJORITY: &str = "no majority";

/// The table. Server errors are whole messages, as they have been since etcd 3.1.
pub(super) const DEFINITE: &[DefiniteFailure] = &[
    DefiniteFailure {
        error: Failure::MISMATCH,
        because: "the transaction was committed with its comparison failed, and it has no operations for that case",
    },
    DefiniteFailure { error: Failure::HELD, because: "the transaction was committed and found the lock's key there" },
    DefiniteFailure { error: NO_LEASE, because: "a lock is asked for on a lease, and none was granted" },
    DefiniteFailure {
        error: LEASE_GONE,
        because: "the leases of a transaction are looked up before any of it is carried out, alike on every member",
    },
    DefiniteFailure { error: REFUSED, because: "without a connection no request was sent" },
    DefiniteFailure {
        error: UNCONNECTED,
        because: "name lookup, connect, TLS handshake or login failed before any request was sent",
    },
    DefiniteFailure {
        error: NO_LEADER,
        because: "the client that was to talk to the leader, or to a follower, found none and sent nothing",
    },
    DefiniteFailure {
        error: NO_MAJORITY,
        because: "the probe that precedes final reads was not answered, and no operation was sent",
    },
    DefiniteFailure {
        error: "etcdserver: key is not provided",
        because: "the request is checked before it is proposed",
    },
    DefiniteFailure {
        error: "etcdserver: too many requests",
        because: "returned before proposing, when too many committed entries wait to be applied",
    },
    DefiniteFailure { error: "etcdserver: request is too large", because: "the size is checked before proposing" },
    DefiniteFailure { error: "etcdserver: not capable", because: "returned before the request is looked at" },
    DefiniteFailure {
        error: "etcdserver: rpc not supported for learner",
        because: "returned before the request is looked at",
    },
    DefiniteFailure { error: "etcdserver: invalid auth token", because: "the token is checked before proposing" },
    DefiniteFailure {
        error: "etcdserver: user name is empty",
        because: "permissions are checked before the request is applied, alike on every member",
    },
    DefiniteFailure {
        error: "etcdserver: permission denied",
        because: "permissions are checked before the request is applied, alike on every member",
    },
    DefiniteFailure {
        error: "etcdserver: revision of auth store is old",
        because: "permissions are checked before the request is applied, alike on every member",
    },
    DefiniteFailure {
        error: "raft proposal dropped",
        because: "raft's word for a proposal that the asked member neither logged nor forwarded",
    },
];

/// The server's word for a lease that has run out or was revoked.
const LEASE_GONE: &str = "etcdserver: requested lease not found";

/// Errors after which a new connection, with a new login and a new lease, may help.
const CONNECT_AGAIN: [&str; 3] =
    ["etcdserver: invalid auth token", "etcdserver: revision of auth store is old", LEASE_GONE];

/// The failure of a call on a connection.
pub(super) fn of_call(status: &Status) -> Failure {
    if in_chain::<ConnectError>(status).is_some() {
        // The channel had to connect again for this request and could not, so it sent nothing.
        return of_connect(status);
    }
    let message = status.message();
    let from_server = message.starts_with("etcdserver: ") || message.starts_with("raft ");
    if from_server && DEFINITE.iter().any(|row| row.error == message) {
        let failure = Failure::definite(message);
        return if CONNECT_AGAIN.contains(&message) { failure.reconnecting() } else { failure };
    }
    if from_server {
        Failure::indefinite(message)
    } else if status.source().is_some() {
        Failure::indefinite("connection lost")
    } else {
        Failure::indefinite(format!("grpc {:?}", status.code()))
    }
}

/// The failure of opening a connection: definite, since no operation was sent.
pub(super) fn of_connect(error: &(dyn Error + 'static)) -> Failure {
    let refused = in_chain::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    Failure::definite(if refused { REFUSED } else { UNCONNECTED }).reconnecting()
}

/// Whether asking again cannot help: a wrong login, a missing permission, certificates that do not fit.
pub(super) fn is_lasting(error: &(dyn Error + 'static)) -> bool {
    let refused = in_chain::<Status>(error).is_some_and(|status| {
        let codes = [Code::InvalidArgument, Code::FailedPrecondition, Code::PermissionDenied, Code::Unauthenticated];
        status.message().starts_with("etcdserver: ") && codes.contains(&status.code())
    });
    // rustls hands its errors out inside those of the operating system, whose source skips what they hold.
    let inner = in_chain::<io::Error>(error).and_then(io::Error::get_ref);
    // With TLS 1.3 the server refuses a client's certificate only after the handshake; h2 then hides the error of
    // rustls, but not its words.
    let alert = || in_words(error).contains("received fatal alert");
    refused || inner.is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>) || alert()
}

/// An error with all its causes, for messages to people.
pub(super) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    for cause in causes(error).skip(1) {
        let cause = cause.to_string();
        // Wrappers often repeat what they wrap.
        if !words.ends_with(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// The error itself, its cause, the cause of that, and so on.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn in_chain<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::system::Certainty;

    fn refusal() -> Status {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        Status::from_error(Box::new(ConnectError(Box::new(refused))))
    }

    #[test]
    fn a_refused_connection_is_definite() {
        let failure = of_call(&refusal());
        assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Definite, REFUSED));
        assert!(failure.reconnect);
    }

    #[test]
    fn a_connection_that_was_not_made_is_definite_even_if_not_refused() {
        let silent = io::Error::from(io::ErrorKind::TimedOut);
        let failure = of_call(&Status::from_error(Box::new(ConnectError(Box::new(silent)))));
        assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Definite, UNCONNECTED));
    }

    #[test]
    fn a_connection_that_was_lost_is_indefinite_whatever_the_reason() {
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionRefused] {
            let failure = of_call(&Status::from_error(Box::new(io::Error::from(kind))));
            assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Indefinite, "connection lost"));
        }
    }

    #[test]
    fn every_server_error_of_the_table_is_definite() {
        let from_server = |error: &&str| error.starts_with("etcdserver: ") || error.starts_with("raft ");
        let errors: Vec<_> = DEFINITE.iter().map(|row| row.error).filter(from_server).collect();
        assert_eq!(errors.len(), 11);
        for error in errors {
            assert_eq!(of_call(&Status::unknown(error)).certainty, Certainty::Definite, "{error}");
        }
    }

    #[test]
    fn doubtful_server_errors_are_indefinite() {
        for error in [
            "etcdserver: request timed out",
            "etcdserver: request timed out, possibly due to previous leader failure",
            "etcdserver: leader changed",
            "etcdserver: server stopped",
            "etcdserver: no leader",
            "etcdserver: not leader",
            "etcdserver: mvcc: database space exceeded",
            "etcdserver: too many requests, or some such",
        ] {
            let failure = of_call(&Status::unavailable(error));
            assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Indefinite, error));
        }
    }

    #[test]
    fn other_statuses_are_indefinite_and_named_without_their_values() {
        let expired = of_call(&Status::cancelled("Timeout expired"));
        assert_eq!((expired.certainty, expired.error.as_str()), (Certainty::Indefinite, "grpc Cancelled"));
        let words = of_call(&Status::unavailable("connection refused"));
        assert_eq!(words.certainty, Certainty::Indefinite, "words alone prove nothing");
        assert_eq!(of_call(&Status::unknown("mismatch")).certainty, Certainty::Indefinite);
    }

    #[test]
    fn a_rejected_token_asks_for_a_new_login() {
        assert!(of_call(&Status::unauthenticated("etcdserver: invalid auth token")).reconnect);
        assert!(!of_call(&Status::permission_denied("etcdserver: permission denied")).reconnect);
    }

    #[test]
    fn an_error_is_told_with_its_causes_once_each() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] ConnectError);
        let words = in_words(&Outer(ConnectError(Box::new(io::Error::other("inner")))));
        assert_eq!(words, "outer: inner", "a ConnectError repeats what it wraps");
    }

    #[test]
    fn a_login_or_certificate_that_is_refused_lasts_and_a_timeout_does_not() {
        assert!(is_lasting(&Status::invalid_argument("etcdserver: user name is empty")));
        assert!(is_lasting(&Status::permission_denied("etcdserver: permission denied")));
        let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(is_lasting(&ConnectError(Box::new(io::Error::new(io::ErrorKind::InvalidData, certificate)))));
        assert!(!is_lasting(&Status::unavailable("etcdserver: request timed out")));
        assert!(!is_lasting(&refusal()));
    }
}
