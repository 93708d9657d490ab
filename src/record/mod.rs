//! Making a history: start a system, drive a workload, record every operation.

mod action;
pub mod clients;
pub mod clock;
pub mod cluster;
mod failure;
pub mod faults;
mod final_reads;
mod membership;
mod node_reads;
pub mod policy;
pub mod recorder;
mod roaming;
pub mod runner;
pub mod system;
pub mod work;
mod worker;
