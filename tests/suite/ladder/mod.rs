//! Sessions, processor consistency, convergence and staleness: each against a brute force of its own, which shares nothing
//! with what it tests.

mod convergent;
mod processor;
mod sessions;
mod staleness;
