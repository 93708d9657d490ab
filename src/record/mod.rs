//! Making a history: start a system, drive a workload, record every operation.

pub mod clock;
pub mod cluster;
pub mod faults;
mod final_reads;
pub mod policy;
pub mod recorder;
pub mod runner;
pub mod system;
pub mod work;
mod worker;
