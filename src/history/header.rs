//! What the recorder knew about the run as a whole: the first line of a history file.

use super::value::Value;

/// Facts about a run. Every field may be missing: other tools' histories have no header at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Name and version of the tool that recorded, such as `consistory 0.1.0`.
    pub tool: Option<String>,
    /// The run's identity, which is also the name of its folder and the prefix of its keys.
    pub run: Option<String>,
    /// The backend as the user named it, such as `redis:sentinel`.
    pub backend: Option<String>,
    /// Server name and version, as the servers themselves reported them.
    pub versions: Vec<(String, String)>,
    /// Node name and its address with role, such as `n1` and `127.0.0.1:7001 primary`.
    pub topology: Vec<(String, String)>,
    /// The options in force, defaults included.
    pub config: Vec<(String, String)>,
    /// The workload's name.
    pub workload: Option<String>,
    /// The sequential specification of the objects, such as `cas-register`.
    pub model: Option<String>,
    /// The state of an object that nobody has written yet.
    pub initial: Option<Value>,
    /// The claims that the workload wants judged.
    pub claims: Vec<String>,
    /// The seed of every random choice of the run.
    pub seed: Option<u64>,
    /// What the times mean, such as `monotonic ns since 2026-01-02T03:04:05Z`.
    pub clock: Option<String>,
}

impl Header {
    /// The clock of a history that says nothing about time: the order of its operations means something inside a process
    /// only.
    pub const NO_CLOCK: &str = "none";

    /// Whether the order of events of different processes means anything.
    #[must_use]
    pub fn has_time(&self) -> bool {
        self.clock.as_deref() != Some(Self::NO_CLOCK)
    }
}
