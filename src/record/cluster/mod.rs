//! How nodes are run.

pub mod address;
pub mod disks;
pub mod filesystem;
pub mod links;
mod netlink;
pub mod network;
mod owner;
pub mod packet_queue;
mod parent_death;
pub mod process;
mod stream;
