//! All integration tests, one binary: a module each.
//!
//! - `bugs`: the tester tested against stores that are right or have one named bug
//! - `cli`: exit codes, streams, bad input
//! - `systems`: real servers; `REQUIRE_SYSTEMS=redis,etcd,zookeeper` makes a missing one a failure

mod bugs;
mod cli;
mod command;
mod systems;

mod oracle;
