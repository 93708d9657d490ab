//! By what a fault acts, and what of that is not on this machine.

use super::vdso;
use crate::record::cluster::{disks, network};

/// What a fault needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Signals to the servers of the run.
    Signals,
    /// A network namespace for each node.
    Namespaces,
    /// A disk for each node.
    Disks,
    /// The clients, which are consistory's own.
    Clients,
    /// The clocks of the servers of the run.
    Clocks,
    /// What the system offers those who run it.
    System,
}

impl Means {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Signals, Self::Namespaces, Self::Disks, Self::Clients, Self::Clocks, Self::System];

    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Signals => "signals",
            Self::Namespaces => "namespaces",
            Self::Disks => "disks",
            Self::Clients => "clients",
            Self::Clocks => "clocks",
            Self::System => "system",
        }
    }

    /// What it is.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Signals => "signals to the servers of a run",
            Self::Namespaces => "a network namespace for each node, nftables (root)",
            Self::Disks => "a loop-mounted ext4 for each node's data (root)",
            Self::Clients => "the clients themselves, which are consistory's own",
            Self::Clocks => "the vDSO in the memory of a server of the run (x86-64)",
            Self::System => "the system's own commands",
        }
    }

    /// What is done to a cluster that is to suffer it, before it starts, with its undo; nothing if `None`.
    #[must_use]
    pub fn before(self) -> Option<&'static str> {
        match self {
            Self::Signals | Self::Clients | Self::Clocks | Self::System => None,
            Self::Namespaces => Some("every node runs in a network namespace of its own on a bridge"),
            Self::Disks => Some("every node's data are on a file system of their own, mounted from an image"),
        }
    }

    /// What keeps it from being there, in words; `None` if nothing does.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Signals | Self::Clients | Self::System => None,
            Self::Namespaces => network::missing_means(),
            Self::Disks => disks::missing_means(),
            Self::Clocks => vdso::missing_means(),
        }
    }
}
