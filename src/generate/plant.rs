//! The violations that can be planted, and where one goes.

use std::fmt;
use std::str::FromStr;

/// A kind of violation. What makes each certain is argued where it is planted, in `objects`, `watch` and
/// `replicas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// A read returns a value although an acknowledged overwrite lies strictly between its write and the read.
    StaleRead,
    /// A read returns a value that nobody ever writes.
    GarbageRead,
    /// An observer returns a value whose write is invoked only after the observer has returned.
    FutureRead,
    /// An acknowledged write has no effect: a later read still sees the value before it.
    LostWrite,
    /// A compare-and-set succeeds on a value that was already overwritten.
    LostUpdate,
    /// A lock is granted although nobody can have given a permit back.
    DoubleGrant,
    /// A lock is released, with success, by a process that does not hold it.
    ForeignRelease,
    /// A fencing token is not larger than one handed out before.
    StaleToken,
    /// An acknowledged increment vanishes.
    LostIncrement,
    /// A counter grows by more than was ever added.
    PhantomIncrement,
    /// An acknowledged element of a set vanishes although nobody removes it.
    LostElement,
    /// A removed element of a set is back although nobody adds it.
    Resurrected,
    /// An element appears that nobody put in.
    Phantom,
    /// An acknowledged element of a queue or stack never comes out although one behind it does.
    Lost,
    /// One element comes out twice.
    Duplicated,
    /// Two elements come out in the wrong order.
    Reordered,
    /// Two sessions see two writes of a key in different orders.
    Divergence,
    /// A session sees what depends on a write, and not the write.
    MissedCause,
    /// A transaction sees one write of another one and misses the other, which it reads first.
    FracturedRead,
    /// A transaction sees one write of another one and then, of another key, what was before it.
    BackwardRead,
}

impl Plant {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::StaleRead,
        Self::GarbageRead,
        Self::FutureRead,
        Self::LostWrite,
        Self::LostUpdate,
        Self::DoubleGrant,
        Self::ForeignRelease,
        Self::StaleToken,
        Self::LostIncrement,
        Self::PhantomIncrement,
        Self::LostElement,
        Self::Resurrected,
        Self::Phantom,
        Self::Lost,
        Self::Duplicated,
        Self::Reordered,
        Self::Divergence,
        Self::MissedCause,
        Self::FracturedRead,
        Self::BackwardRead,
    ];

    /// The word of `--plant`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::StaleRead => "stale-read",
            Self::GarbageRead => "garbage-read",
            Self::FutureRead => "future-read",
            Self::LostWrite => "lost-write",
            Self::LostUpdate => "lost-update",
            Self::DoubleGrant => "double-grant",
            Self::ForeignRelease => "foreign-release",
            Self::StaleToken => "stale-token",
            Self::LostIncrement => "lost-increment",
            Self::PhantomIncrement => "phantom-increment",
            Self::LostElement => "lost-element",
            Self::Resurrected => "resurrected",
            Self::Phantom => "phantom",
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::Divergence => "divergence",
            Self::MissedCause => "missed-cause",
            Self::FracturedRead => "fractured-read",
            Self::BackwardRead => "backward-read",
        }
    }

    /// Whether the argument for the violation needs every value to be written only once.
    #[must_use]
    pub fn needs_unique_values(self) -> bool {
        matches!(self, Self::Lost | Self::Duplicated | Self::Reordered)
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A word that names no plant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no plant is called '{0}'; there are {words}", words = Plant::ALL.map(Plant::word).join(", "))]
pub struct UnknownPlant(pub String);

impl FromStr for Plant {
    type Err = UnknownPlant;

    fn from_str(word: &str) -> Result<Self, UnknownPlant> {
        Self::ALL.into_iter().find(|plant| plant.word() == word).ok_or_else(|| UnknownPlant(word.to_owned()))
    }
}

/// Where a plant goes, chosen before the history begins so that nothing has to be held back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// What.
    pub(crate) plant: Plant,
    /// The only object that misbehaves.
    pub(crate) key: u32,
    /// The number of the first event at which it may.
    pub(crate) from: u64,
}
