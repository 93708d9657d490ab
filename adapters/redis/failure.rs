//! Which errors prove that nothing happened.
//!
//! Contract: [`classify`] answers `Definite` only for the rows of [`DEFINITE`]; every other error, known or
//! not, is indefinite. All the server errors in the table are sent by the checks that Redis makes before it
//! executes a command (`processCommand`), or, for the one write that ends the compare-and-set script, by the
//! same checks on that write, before which the script has only read. So the state is as it was.

use super::link::LinkError;
use crate::record::system::{DefiniteFailure, Failure};

/// The request never left: the connection was known to be closed.
pub(super) const CLOSED: &str = "connection closed before the request";
/// The prefix of the errors of a connection that could not be opened.
pub(super) const CONNECT: &str = "connect: ";
/// Nobody could say which server is the primary.
pub(super) const NO_PRIMARY: &str = "no primary known";
/// The primary has no replica that anybody knows of, and only replicas may answer.
pub(super) const NO_REPLICA: &str = "no replica known";

/// The failure table.
pub(super) const DEFINITE: &[DefiniteFailure] = &[
    DefiniteFailure { error: Failure::HELD, because: "SET NX found the key and left it as it was" },
    DefiniteFailure {
        error: Failure::MISMATCH,
        because: "the script compared, found another value and returned without writing",
    },
    DefiniteFailure { error: "connect: …", because: "no connection was opened, so no request was sent" },
    DefiniteFailure { error: CLOSED, because: "the connection was seen closed before the request was handed to it" },
    DefiniteFailure { error: NO_PRIMARY, because: "no server was asked: neither sentinels nor nodes named one" },
    DefiniteFailure { error: NO_REPLICA, because: "no server was asked: the primary named no replica to read from" },
    DefiniteFailure { error: "MOVED", because: "a node only says which node owns the slot; it executes nothing" },
    DefiniteFailure { error: "ASK", because: "the slot is being moved and the key is not here; executes nothing" },
    DefiniteFailure { error: "TRYAGAIN", because: "refused while the slot is being moved, before execution" },
    DefiniteFailure { error: "CROSSSLOT", because: "refused for keys of several slots, before execution" },
    DefiniteFailure { error: "CLUSTERDOWN", because: "the node refuses while its cluster state is not ok" },
    DefiniteFailure { error: "READONLY", because: "a replica refuses a write before executing it" },
    DefiniteFailure { error: "LOADING", because: "the server is reading its data set and refuses commands" },
    DefiniteFailure {
        error: "MASTERDOWN",
        because: "a replica without its primary refuses (replica-serve-stale-data no)",
    },
    DefiniteFailure {
        error: "NOREPLICAS",
        because: "fewer replicas than min-replicas-to-write: the write is refused before it is executed",
    },
    DefiniteFailure { error: "MISCONF", because: "writes are refused while the data cannot be saved to disk" },
    DefiniteFailure { error: "OOM", because: "a write beyond maxmemory is refused before it is executed" },
    DefiniteFailure { error: "BUSY", because: "another client's script runs too long; this command is refused" },
    DefiniteFailure { error: "NOAUTH", because: "an unauthenticated connection executes nothing" },
    DefiniteFailure { error: "NOPERM", because: "the access list is checked before the command is executed" },
    DefiniteFailure { error: "WRONGTYPE", because: "the type is checked before the key is changed" },
];

/// The failure that an error of a request is.
pub(super) fn classify(error: &LinkError) -> Failure {
    match error {
        LinkError::Closed => Failure::definite(CLOSED).reconnecting(),
        LinkError::Connect(why) => Failure::definite(format!("{CONNECT}{why}")),
        LinkError::Server { code, .. } if DEFINITE.iter().any(|row| row.error == code) => {
            let failure = Failure::definite(code.clone());
            if code == "NOAUTH" { failure.reconnecting() } else { failure }
        }
        LinkError::Server { code, .. } => Failure::indefinite(format!("server error {code}")),
        LinkError::Lost(why) => Failure::indefinite(why.clone()),
    }
}

/// Whether the error says that the client believes in the wrong primary.
pub(super) fn is_misdirected(error: &LinkError) -> bool {
    match error {
        LinkError::Closed | LinkError::Connect(_) | LinkError::Lost(_) => true,
        LinkError::Server { code, .. } => matches!(code.as_str(), "MOVED" | "READONLY" | "CLUSTERDOWN" | "MASTERDOWN"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::system::Certainty;

    fn server(code: &str) -> LinkError {
        LinkError::Server { code: code.into(), detail: "1234 127.0.0.1:7000".into() }
    }

    #[test]
    fn refusals_before_execution_are_definite_and_keep_the_connection() {
        for code in [
            "MOVED",
            "ASK",
            "TRYAGAIN",
            "CROSSSLOT",
            "CLUSTERDOWN",
            "READONLY",
            "LOADING",
            "MASTERDOWN",
            "NOREPLICAS",
            "MISCONF",
            "OOM",
            "BUSY",
            "NOPERM",
            "WRONGTYPE",
        ] {
            let failure = classify(&server(code));
            assert_eq!(failure.certainty, Certainty::Definite, "{code}");
            assert_eq!(failure.error, code, "the error carries no values");
            assert!(!failure.reconnect, "{code}");
        }
        assert!(classify(&server("NOAUTH")).reconnect);
    }

    #[test]
    fn what_may_have_run_is_indefinite() {
        for error in [
            server("UNKILLABLE"),
            server("ERR"),
            server("UNBLOCKED"),
            server("EXECABORT"),
            server("NEVERHEARD"),
            LinkError::Lost("connection reset".into()),
        ] {
            let failure = classify(&error);
            assert_eq!(failure.certainty, Certainty::Indefinite, "{error:?}");
            assert!(failure.reconnect, "{error:?}");
        }
    }

    #[test]
    fn what_was_never_sent_is_definite() {
        assert_eq!(classify(&LinkError::Closed).certainty, Certainty::Definite);
        assert_eq!(classify(&LinkError::Connect("refused".into())).error, "connect: refused");
    }

    #[test]
    fn no_row_of_the_table_is_there_twice() {
        let mut rows: Vec<_> = DEFINITE.iter().map(|row| row.error).collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), DEFINITE.len());
    }

    /// What the adapter's sources hand to `Failure::definite`, up to the closing parenthesis.
    fn definite_arguments() -> Vec<&'static str> {
        let sources = [
            include_str!("client.rs"),
            include_str!("cluster.rs"),
            include_str!("directory.rs"),
            include_str!("existing.rs"),
            include_str!("failure.rs"),
            include_str!("health.rs"),
            include_str!("link.rs"),
            include_str!("local.rs"),
            include_str!("lock.rs"),
            include_str!("members.rs"),
            include_str!("mod.rs"),
            include_str!("placement.rs"),
            include_str!("running.rs"),
            include_str!("sentinel.rs"),
            include_str!("settings.rs"),
            include_str!("standalone.rs"),
        ];
        let code = |text: &'static str| text.split("#[cfg(test)]").next().unwrap_or(text);
        let calls = sources.into_iter().flat_map(move |text| code(text).split("Failure::definite(").skip(1));
        calls.map(|rest| rest.split(')').next().unwrap_or(rest)).collect()
    }

    #[test]
    fn every_definite_failure_of_the_adapter_begins_with_a_row() {
        let arguments = definite_arguments();
        assert!(arguments.len() >= 8, "{arguments:?}");
        for argument in arguments {
            let text = match argument {
                "CLOSED" => CLOSED,
                "NO_REPLICA" => NO_REPLICA,
                "Failure::MISMATCH" => Failure::MISMATCH,
                "Failure::HELD" => Failure::HELD,
                // A test beside that function says how its sentence begins.
                "NO_PRIMARY" | "unknown(&error" => NO_PRIMARY,
                // The guard of that arm looks the code up in the table.
                "code.clone(" => continue,
                "format!(\"{CONNECT}{why}\"" => CONNECT,
                literal => literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_else(|| {
                    panic!("'{literal}' is no text that this test knows: add it here, and a row to the table")
                }),
            };
            let has_row = DEFINITE.iter().any(|row| text.starts_with(row.error.trim_end_matches('…')));
            assert!(has_row, "'{text}' is definite and has no row that says why");
        }
    }
}
