//! Splitting a history into parts that can be judged apart. Each file states why its split loses nothing.

mod by_key;

pub use by_key::{Part, by_key};
