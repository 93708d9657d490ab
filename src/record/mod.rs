//! Making a history: start a system, drive a workload, record every operation.

pub mod cluster;
pub mod system;
