//! Claims that need no order of operations: what must be true of a history's contents.

pub mod additions;
pub mod lost_acks;
