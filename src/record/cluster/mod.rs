//! How nodes are run.

pub mod address;
pub mod disks;
pub mod filesystem;
pub mod network;
mod parent_death;
pub mod process;
