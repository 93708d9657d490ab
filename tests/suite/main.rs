//! All integration tests, one binary: a module each.
//!
//! - `adapters`: each adapter's operations, topologies and failures against real servers
//! - `bugs`: the tester tested against stores that are right or have one named bug
//! - `cli`: exit codes, streams, bad input
//! - `consistency`: claims below linearizable against their definitions and the papers' examples
//! - `corpus`: the histories kept here, the folder is the verdict
//! - `disks`: faults of disks, power, clocks, clients and membership, and the locks that they break
//! - `faults`: faults on real servers: that they act, what they break, that they are undone
//! - `formats`: what each reader accepts, and what it says about what it refuses
//! - `generate`: made-up histories are what they say, by an independent brute force
//! - `ladder`: sessions, processor consistency, convergence and staleness against brute force
//! - `links`: faults on links by namespaces and by proxies, and the user's own commands
//! - `objects`: the other models and their deciders against brute force
//! - `oracle`: every decider against brute force on random small histories
//! - `peers`: other tools' histories against their verdicts, where they are at hand
//! - `peers_read`: the same histories, read whole
//! - `sessions`: claims below linearizable on real servers: clients that move, discussions, nodes that converge
//! - `runs`: schedules of faults, client policies, what a run reports, runs from a file and again
//! - `stream`: histories judged while they grow: against brute force at every event, in bounded memory, from the outside
//! - `recording`: runs on systems that fail in every way, through the public traits
//! - `systems`: whole runs on real servers; `REQUIRE_SYSTEMS=redis,etcd,zookeeper` makes a missing one a failure
//! - `tidy`: the house rules that a machine can hold

mod adapters;
mod bugs;
mod cli;
mod command;
mod consistency;
mod corpus;
mod disks;
mod faults;
mod formats;
mod generate;
mod ladder;
mod links;
mod objects;
mod oracle;
mod peers;
mod peers_read;
mod recording;
mod runs;
mod sessions;
mod stream;
mod systems;
mod tidy;
