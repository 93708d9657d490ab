//! Which failures are definite.
//!
//! The table is the authority: an error is a definite failure if and only if its name is a row of
//! [`DEFINITE`]. Anything else, known or not, may have taken effect.
//!
//! A server's error code is definite because the leader decides every write against the state that all
//! earlier writes leave, and sends the refusal through the same ordered log as the writes: no later event
//! turns the refused request into an applied one, and the library never sends a request twice.

use crate::record::system::{DefiniteFailure, Failure};
use zookeeper_client::Error;

/// The connection was lost before the operation sent a write that may have been accepted.
pub(super) const NOT_CONNECTED: &str = "not connected";
/// No session could be opened.
pub(super) const CANNOT_CONNECT: &str = "cannot connect";
/// No node plays the part that was asked for.
pub(super) const NO_SUCH_ROLE: &str = "no node in that role";
/// See [`Error::NodeExists`].
pub(super) const NODE_EXISTS: &str = "node exists";

/// The definite failures.
pub(super) const DEFINITE: &[DefiniteFailure] = &[
    DefiniteFailure {
        error: Failure::MISMATCH,
        because: "the value that was read is not the expected one, so no write was sent",
    },
    DefiniteFailure { error: Failure::HELD, because: "create was refused: somebody has the lock" },
    DefiniteFailure {
        error: NOT_CONNECTED,
        because: "the connection was found lost before sending, and whatever was sent earlier had been refused",
    },
    DefiniteFailure {
        error: CANNOT_CONNECT,
        because: "operations are only sent on an open session, and none could be opened",
    },
    DefiniteFailure { error: NO_SUCH_ROLE, because: "no connection was opened, so nothing was sent" },
    DefiniteFailure { error: "bad version", because: "the znode changed since it was read: setData was refused" },
    DefiniteFailure { error: "no node", because: "there is no such znode, or no parent to create it in" },
    DefiniteFailure { error: NODE_EXISTS, because: "create was refused: there is such a znode" },
    DefiniteFailure { error: "no auth", because: "the access list refused the request" },
    DefiniteFailure { error: "invalid acl", because: "create was refused: its access list is not acceptable" },
    DefiniteFailure { error: "parent is ephemeral", because: "create was refused: an ephemeral znode has no children" },
    DefiniteFailure { error: "not read-only", because: "a server without quorum refused the write" },
    DefiniteFailure { error: "quota exceeded", because: "the write was refused by the quota of the path" },
    DefiniteFailure { error: "unimplemented", because: "the server does not know this type of request" },
];

/// The failure that an error of the library means, by the table.
pub(super) fn failure(error: &Error) -> Failure {
    let name = name(error);
    if DEFINITE.iter().any(|row| row.error == name) { Failure::definite(name) } else { Failure::indefinite(name) }
}

/// A stable name without values in it.
fn name(error: &Error) -> &'static str {
    match error {
        Error::NoNode => "no node",
        Error::NodeExists => NODE_EXISTS,
        Error::BadVersion => "bad version",
        Error::NoAuth => "no auth",
        Error::InvalidAcl => "invalid acl",
        Error::NoChildrenForEphemerals => "parent is ephemeral",
        Error::NotReadOnly => "not read-only",
        Error::QuotaExceeded => "quota exceeded",
        Error::Unimplemented => "unimplemented",
        Error::ConnectionLoss => "connection lost",
        Error::SessionExpired => "session expired",
        Error::SessionMoved => "session moved",
        Error::AuthFailed => "authentication failed",
        Error::ClientClosed => "session closed",
        Error::Timeout => "timeout",
        Error::NoHosts => "no server accepted the session",
        Error::Throttled => "throttled",
        Error::MarshallingError => "marshalling error",
        Error::UnexpectedErrorCode(_) => "unknown error code",
        Error::UnmarshalError { .. } => "unreadable answer",
        // The library's own text for a server that stays silent; other custom errors wrap a broken socket.
        Error::Custom(custom) if custom.to_string().starts_with("no response") => "no response",
        Error::Custom(_) => "connection broken",
        _ => "unexpected error of the client library",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::system::Certainty;
    use std::collections::BTreeSet;

    #[test]
    fn refusals_by_the_server_are_definite_and_keep_the_connection() {
        let refusals = [
            Error::NoNode,
            Error::NodeExists,
            Error::BadVersion,
            Error::NoAuth,
            Error::InvalidAcl,
            Error::NoChildrenForEphemerals,
            Error::NotReadOnly,
            Error::QuotaExceeded,
            Error::Unimplemented,
        ];
        for error in refusals {
            let failure = failure(&error);
            assert_eq!(failure.certainty, Certainty::Definite, "{error}");
            assert!(!failure.reconnect, "{error}");
        }
    }

    #[test]
    fn whatever_leaves_the_outcome_open_is_indefinite_and_gives_up_the_connection() {
        let open = [
            Error::ConnectionLoss,
            Error::SessionExpired,
            Error::SessionMoved,
            Error::AuthFailed,
            Error::ClientClosed,
            Error::Timeout,
            Error::NoHosts,
            Error::Throttled,
            Error::MarshallingError,
            Error::UnexpectedErrorCode(-1),
            Error::UnexpectedError("anything".into()),
            Error::RuntimeInconsistent,
        ];
        for error in open {
            let failure = failure(&error);
            assert_eq!(failure.certainty, Certainty::Indefinite, "{error}");
            assert!(failure.reconnect, "{error}");
        }
    }

    #[test]
    fn the_rows_of_the_table_are_all_different_and_give_a_reason() {
        let names: BTreeSet<_> = DEFINITE.iter().map(|row| row.error).collect();
        assert_eq!(names.len(), DEFINITE.len());
        assert!(DEFINITE.iter().all(|row| row.because.len() > 20));
    }
}
