//! How nodes are run.

pub mod address;
mod netlink;
pub mod network;
pub mod packet_queue;
mod parent_death;
pub mod process;
