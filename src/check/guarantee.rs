//! The claims that can be judged, as one table with the source of each definition.

/// A claim about a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Claim {
    /// Every object behaves as if each operation took effect at one instant between its call and its return.
    Linearizable,
    /// Every element whose addition was acknowledged is in the final read.
    LostAcks,
}

/// What `consistory list claims` says about a claim.
#[derive(Clone, Copy, Debug)]
pub struct ClaimInfo {
    /// Which.
    pub claim: Claim,
    /// The word of `--claim`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Where it is defined.
    pub source: &'static str,
}

/// Every claim, strongest first.
#[must_use]
pub fn all() -> &'static [ClaimInfo] {
    &[
        ClaimInfo {
            claim: Claim::Linearizable,
            name: "linearizable",
            about: "each operation takes effect at one instant between its call and its return",
            source: "Herlihy and Wing, Linearizability, TOPLAS 1990",
        },
        ClaimInfo {
            claim: Claim::LostAcks,
            name: "lost-acks",
            about: "every element whose addition was acknowledged is in the final read",
            source: "Kingsbury, Jepsen's set workload",
        },
    ]
}

/// The claim of that name. `lost-acks` counts something, and may be written as the threshold that it is:
/// `lost-acks=0`.
#[must_use]
pub fn find(name: &str) -> Option<Claim> {
    match name {
        "lost-acks=0" => Some(Claim::LostAcks),
        _ => all().iter().find(|info| info.name == name).map(|info| info.claim),
    }
}

/// The words of `--claim`, for messages.
#[must_use]
pub fn known() -> String {
    all().iter().map(|info| info.name).collect::<Vec<_>>().join(", ")
}

impl Claim {
    /// Its row of the table.
    #[must_use]
    pub fn info(self) -> &'static ClaimInfo {
        all().iter().find(|info| info.claim == self).expect("every claim has a row")
    }

    /// The word of `--claim`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, find};

    #[test]
    fn only_what_is_counted_may_be_written_as_a_threshold() {
        assert_eq!(find("lost-acks=0"), Some(Claim::LostAcks));
        for no_claim in ["linearizable=0", "lost-acks=1", "=0", ""] {
            assert_eq!(find(no_claim), None, "{no_claim}");
        }
    }
}
