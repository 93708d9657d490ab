//! How nodes are run.

pub mod address;
mod parent_death;
pub mod process;
