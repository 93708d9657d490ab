//! How nodes are run.

pub mod address;
pub mod network;
mod parent_death;
pub mod process;
