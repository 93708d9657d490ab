//! What clients do to objects, and what comes back: the vocabulary between workloads and adapters.
//!
//! Values are integers; which operations there are is what adapters are asked to support, one by one.

/// One of the objects of a run; an adapter maps it to `{prefix}{key}` in its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u64);

/// An operation to perform. Values are integers, unique per run unless the workload says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Read a register: [`Answer::Value`].
    Read {
        /// The register.
        key: Key,
    },
    /// Set a register: [`Answer::Done`].
    Write {
        /// The register.
        key: Key,
        /// Its new value.
        value: i64,
    },
    /// Set a register to `to` if it holds `from`: [`Answer::Done`], or a definite failure with error
    /// [`Failure::MISMATCH`] if it holds something else.
    Cas {
        /// The register.
        key: Key,
        /// What it must hold.
        from: i64,
        /// What it then holds.
        to: i64,
    },
    /// Add an element to a set: [`Answer::Done`].
    Add {
        /// The set.
        key: Key,
        /// The element.
        element: i64,
    },
    /// Read a whole set: [`Answer::Members`].
    Members {
        /// The set.
        key: Key,
    },
    /// Take a lock, without waiting for it: [`Answer::Done`], or a definite failure with error [`Failure::HELD`].
    Acquire {
        /// The lock.
        key: Key,
    },
    /// Give a lock back that this client has acquired: [`Answer::Done`], or [`Answer::Lost`]. A lock ends by itself
    /// when its holder does not answer, so a release that fails is never definite.
    Release {
        /// The lock.
        key: Key,
    },
}

/// The kinds of [`Action`], for declaring what an adapter supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Function {
    /// [`Action::Read`].
    Read,
    /// [`Action::Write`].
    Write,
    /// [`Action::Cas`].
    Cas,
    /// [`Action::Add`].
    Add,
    /// [`Action::Members`]; the files call it `read` too, since a set's read is one.
    Members,
    /// [`Action::Acquire`].
    Acquire,
    /// [`Action::Release`].
    Release,
}

impl Function {
    /// The word of the history file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read | Self::Members => "read",
            Self::Write => "write",
            Self::Cas => "cas",
            Self::Add => "add",
            Self::Acquire => "acquire",
            Self::Release => "release",
        }
    }
}

impl Action {
    /// Which kind it is.
    #[must_use]
    pub fn function(&self) -> Function {
        match self {
            Self::Read { .. } => Function::Read,
            Self::Write { .. } => Function::Write,
            Self::Cas { .. } => Function::Cas,
            Self::Add { .. } => Function::Add,
            Self::Members { .. } => Function::Members,
            Self::Acquire { .. } => Function::Acquire,
            Self::Release { .. } => Function::Release,
        }
    }

    /// Whether it takes or gives back a lock.
    #[must_use]
    pub fn is_about_a_lock(&self) -> bool {
        matches!(self, Self::Acquire { .. } | Self::Release { .. })
    }

    /// The object it is about.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Read { key }
            | Self::Write { key, .. }
            | Self::Cas { key, .. }
            | Self::Add { key, .. }
            | Self::Members { key }
            | Self::Acquire { key }
            | Self::Release { key } => *key,
        }
    }
}

/// What a completed operation returned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It took effect; there is nothing to return.
    Done,
    /// A register's value, `None` if nobody ever wrote it.
    Value(Option<i64>),
    /// A set's elements, in any order.
    Members(Vec<i64>),
    /// The lock was not this client's any more: it had ended by itself, and its holder has learnt that by now.
    Lost,
}
