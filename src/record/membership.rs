//! What became of the members of a cluster when they were changed by the system's own means.

/// A change of who belongs to a cluster, or of who leads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipChange {
    /// What was asked of the system.
    pub done: String,
    /// The members before, or those that led, as the system told.
    pub before: Vec<String>,
    /// The same afterwards.
    pub after: Vec<String>,
}
