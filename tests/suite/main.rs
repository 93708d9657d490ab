//! All integration tests, one binary: a module each.
//!
//! - `bugs`: the tester tested against stores that are right or have one named bug
//! - `cli`: exit codes, streams, bad input
//! - `generate`: made-up histories are what they say, by an independent brute force
//! - `oracle`: every decider against brute force on random small histories
//! - `systems`: real servers; `REQUIRE_SYSTEMS=redis,etcd,zookeeper` makes a missing one a failure

mod bugs;
mod cli;
mod command;
mod generate;
mod oracle;
mod systems;
