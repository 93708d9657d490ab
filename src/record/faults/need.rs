//! What a fault needs to act, and what of that is not on this machine. How links between nodes are reached, where that is
//! needed, is chosen by [`means`](super::means).

use super::vdso;
use crate::record::cluster::disks;

/// What a fault needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Signals to the servers of the run.
    Signals,
    /// The links between nodes, and to clients.
    Network,
    /// A disk for each node.
    Disks,
    /// The clients, which are consistory's own.
    Clients,
    /// The clocks of the servers of the run.
    Clocks,
    /// What the system offers those who run it.
    System,
    /// Commands of the user.
    Commands,
}

impl Need {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self::Signals, Self::Network, Self::Disks, Self::Clients, Self::Clocks, Self::System, Self::Commands];

    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Signals => "signals",
            Self::Network => "network",
            Self::Disks => "disks",
            Self::Clients => "clients",
            Self::Clocks => "clocks",
            Self::System => "system",
            Self::Commands => "commands",
        }
    }

    /// What it is.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Signals => "signals to the servers of a run",
            Self::Network => "network namespaces (root, ip, nft), or proxies",
            Self::Disks => "a loop-mounted ext4 for each node's data (root)",
            Self::Clients => "the clients themselves, which are consistory's own",
            Self::Clocks => "the vDSO in the memory of a server of the run (x86-64)",
            Self::System => "the system's own commands",
            Self::Commands => "your own commands, also on existing clusters (--fault-cmd, --heal-cmd)",
        }
    }

    /// What is done to a cluster that is to suffer it, before it starts, with its undo; nothing if `None`.
    #[must_use]
    pub fn before(self) -> Option<&'static str> {
        match self {
            Self::Signals | Self::Network | Self::Clients | Self::Clocks | Self::System | Self::Commands => None,
            Self::Disks => Some("every node's data are on a file system of their own, mounted from an image"),
        }
    }

    /// What keeps it from being there, in words; `None` if nothing does.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Signals | Self::Network | Self::Clients | Self::System | Self::Commands => None,
            Self::Disks => disks::missing_means(),
            Self::Clocks => vdso::missing_means(),
        }
    }
}
