//! The claims that can be judged, as one table with the source of each definition and what each one implies.

/// A claim about a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Claim {
    /// Every object behaves as if each operation took effect at one instant between its call and its return.
    Linearizable,
    /// One order of all operations explains every read and contains every session's order.
    Sequential,
    /// Causal consistency where every session has one order of what it saw.
    CausalMemory,
    /// Causal consistency where all sessions agree on an order of the writes.
    CausalConvergence,
    /// No read misses what came before it in sessions and reads.
    Causal,
    /// Every session sees the writes of every session in their order, and all agree on the order of each key's.
    Processor,
    /// Every session sees the writes of every session in their order.
    Pram,
    /// A session sees its own writes.
    ReadYourWrites,
    /// A session does not go back behind what it saw.
    MonotonicReads,
    /// The writes of a session are seen in its order.
    MonotonicWrites,
    /// Writes are seen after what their session had read.
    WritesFollowReads,
    /// Transactions are seen whole.
    ReadAtomic,
    /// Nothing is read that was not committed, and reads of a transaction do not go back.
    ReadCommitted,
    /// When the work has ended, all nodes come to hold the same, and nothing that was knowingly overwritten.
    Convergent,
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
    /// The word for its kind: strong, causal, session, transactional, eventual or invariant.
    pub family: &'static str,
    /// Where it is defined.
    pub source: &'static str,
    /// The claims that hold wherever it holds; what those imply follows.
    pub implies: &'static [Claim],
}

const POPL17: &str = "Bouajjani, Enea, Guerraoui and Hamza, On verifying causal consistency, POPL 2017";
const SESSIONS: &str = "Terry and others, PDIS 1994; as axioms: Viotti and Vukolić, ACM Computing Surveys 2016";
const TRANSACTIONS: &str = "Biswas and Enea, On the complexity of checking transactional consistency, OOPSLA 2019";

const ALL: &[ClaimInfo] = &[
    ClaimInfo {
        claim: Claim::Linearizable,
        name: "linearizable",
        about: "each operation takes effect at one instant between its call and its return",
        family: "strong",
        source: "Herlihy and Wing, Linearizability, TOPLAS 1990",
        implies: &[Claim::Sequential, Claim::Convergent],
    },
    ClaimInfo {
        claim: Claim::Sequential,
        name: "sequential",
        about: "one order of all operations explains every read and contains every session's order",
        family: "strong",
        source: "Lamport, How to make a multiprocessor computer, IEEE Transactions on Computers 1979",
        implies: &[Claim::CausalMemory, Claim::CausalConvergence, Claim::Processor],
    },
    ClaimInfo {
        claim: Claim::CausalMemory,
        name: "causal-memory",
        about: "causal, and each session has one order of what it saw",
        family: "causal",
        source: POPL17,
        implies: &[Claim::Causal, Claim::Pram],
    },
    ClaimInfo {
        claim: Claim::CausalConvergence,
        name: "causal-convergence",
        about: "causal, and all sessions agree on one order of the writes",
        family: "causal",
        source: POPL17,
        implies: &[
            Claim::Causal,
            Claim::ReadAtomic,
            Claim::ReadYourWrites,
            Claim::MonotonicReads,
            Claim::MonotonicWrites,
            Claim::WritesFollowReads,
        ],
    },
    ClaimInfo {
        claim: Claim::Causal,
        name: "causal",
        about: "no read misses what came before it in sessions and reads",
        family: "causal",
        source: POPL17,
        implies: &[],
    },
    ClaimInfo {
        claim: Claim::Processor,
        name: "processor",
        about: "every session sees the writes of every session in their order, and all agree on the order of each key's",
        family: "session",
        source: "Goodman 1989; Ahamad and others, The power of processor consistency, SPAA 1993",
        implies: &[Claim::Pram, Claim::ReadYourWrites, Claim::MonotonicWrites],
    },
    ClaimInfo {
        claim: Claim::Pram,
        name: "pram",
        about: "every session sees the writes of every session in their order",
        family: "session",
        source: "Lipton and Sandberg, PRAM: a scalable shared memory, 1988",
        implies: &[],
    },
    ClaimInfo {
        claim: Claim::ReadAtomic,
        name: "read-atomic",
        about: "transactions are seen whole, and those of the own session are seen",
        family: "transactional",
        source: TRANSACTIONS,
        implies: &[Claim::ReadCommitted, Claim::ReadYourWrites],
    },
    ClaimInfo {
        claim: Claim::ReadYourWrites,
        name: "read-your-writes",
        about: "a session sees its own writes",
        family: "session",
        source: SESSIONS,
        implies: &[],
    },
    ClaimInfo {
        claim: Claim::MonotonicWrites,
        name: "monotonic-writes",
        about: "the writes of a session are seen in its order, by sessions that do not go back",
        family: "session",
        source: SESSIONS,
        implies: &[Claim::MonotonicReads],
    },
    ClaimInfo {
        claim: Claim::WritesFollowReads,
        name: "writes-follow-reads",
        about: "writes are seen after what their session had read, by sessions that do not go back",
        family: "session",
        source: SESSIONS,
        implies: &[Claim::MonotonicReads],
    },
    ClaimInfo {
        claim: Claim::MonotonicReads,
        name: "monotonic-reads",
        about: "a session does not go back behind what it saw",
        family: "session",
        source: SESSIONS,
        implies: &[],
    },
    ClaimInfo {
        claim: Claim::ReadCommitted,
        name: "read-committed",
        about: "nothing is read that was not committed, and a transaction does not go back behind what it saw",
        family: "transactional",
        source: TRANSACTIONS,
        implies: &[],
    },
    ClaimInfo {
        claim: Claim::Convergent,
        name: "convergent",
        about: "when the work has ended, all nodes come to hold the same, and nothing that was knowingly overwritten",
        family: "eventual",
        source: "Shapiro and others, SSS 2011; Burckhardt, Principles of eventual consistency, 2014, Section 5.1",
        implies: &[],
    },
    ClaimInfo {
        claim: Claim::LostAcks,
        name: "lost-acks",
        about: "every element whose addition was acknowledged is in the final read",
        family: "invariant",
        source: "Kingsbury, Jepsen's set workload",
        implies: &[],
    },
];

/// Every claim; whatever implies another comes before it.
///
/// The implications are about histories of keys with values: what linearizable means is up to the model of the objects.
#[must_use]
pub fn all() -> &'static [ClaimInfo] {
    ALL
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

/// Words that people use for consistency, with the claims that they stand for here. `causal` is a claim itself.
const WORDS: &[(&str, &[Claim])] = &[
    ("strong", &[Claim::Linearizable]),
    ("session", &[Claim::ReadYourWrites, Claim::MonotonicReads, Claim::MonotonicWrites, Claim::WritesFollowReads]),
    ("eventual", &[Claim::Convergent]),
    ("weak", &[Claim::ReadCommitted]),
];

/// Those words, each with its claims.
#[must_use]
pub fn words() -> &'static [(&'static str, &'static [Claim])] {
    WORDS
}

/// The claims that a name or a word stands for.
#[must_use]
pub fn find_all(name: &str) -> Option<Vec<Claim>> {
    let word = || WORDS.iter().find(|(word, _)| *word == name).map(|(_, claims)| claims.to_vec());
    find(name).map(|claim| vec![claim]).or_else(word)
}

/// The words of `--claim`, for messages.
#[must_use]
pub fn known() -> String {
    all().iter().map(|info| info.name).chain(WORDS.iter().map(|(word, _)| *word)).collect::<Vec<_>>().join(", ")
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

    /// Whether another claim holds wherever this one does, directly or by others.
    #[must_use]
    pub fn implies(self, other: Self) -> bool {
        self != other && self.info().implies.iter().any(|&weaker| weaker == other || weaker.implies(other))
    }

    /// Whether it is about sessions that read and write keys, and knows no time.
    #[must_use]
    pub fn is_about_sessions(self) -> bool {
        !matches!(self, Self::Linearizable | Self::Convergent | Self::LostAcks)
    }
}

/// Those of the claims that no other of them implies.
#[must_use]
pub fn strongest(claims: &[Claim]) -> Vec<Claim> {
    claims.iter().copied().filter(|&claim| !claims.iter().any(|other| other.implies(claim))).collect()
}

/// Those of the claims that imply no other of them.
#[must_use]
pub fn weakest(claims: &[Claim]) -> Vec<Claim> {
    claims.iter().copied().filter(|claim| !claims.iter().any(|&other| claim.implies(other))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Claim, all, find, find_all, known, strongest, weakest, words};

    #[test]
    fn only_what_is_counted_may_be_written_as_a_threshold() {
        assert_eq!(find("lost-acks=0"), Some(Claim::LostAcks));
        for no_claim in ["linearizable=0", "lost-acks=1", "=0", ""] {
            assert_eq!(find(no_claim), None, "{no_claim}");
        }
    }

    #[test]
    fn what_implies_another_claim_comes_before_it_so_that_nothing_implies_itself() {
        for (at, info) in all().iter().enumerate() {
            for weaker in info.implies {
                let place = all().iter().position(|other| other.claim == *weaker);
                assert!(place.is_some_and(|place| place > at), "{} and {}", info.name, weaker.name());
            }
        }
    }

    #[test]
    fn the_strongest_of_some_claims_are_those_that_no_other_implies() {
        assert!(Claim::Sequential.implies(Claim::ReadCommitted) && !Claim::Causal.implies(Claim::Pram));
        let held = [Claim::CausalMemory, Claim::Causal, Claim::Pram, Claim::ReadCommitted];
        assert_eq!(strongest(&held), [Claim::CausalMemory, Claim::ReadCommitted]);
        assert_eq!(weakest(&held), [Claim::Causal, Claim::Pram, Claim::ReadCommitted]);
    }

    #[test]
    fn a_word_stands_for_claims_and_no_word_hides_a_claim() {
        assert_eq!(find_all("strong"), Some(vec![Claim::Linearizable]));
        assert_eq!(find_all("causal"), Some(vec![Claim::Causal]));
        assert_eq!(find_all("session").map(|claims| claims.len()), Some(4));
        assert_eq!(find_all("stronger"), None);
        for (word, claims) in words() {
            assert!(find(word).is_none() && !claims.is_empty() && known().contains(word), "{word}");
        }
    }
}
