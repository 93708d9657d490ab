//! Sessions on the move: a client writes a register and reads it again, a few operations in a row, while it goes from node
//! to node. Sequences are short, so that what a node is behind shows before it has caught up.

use super::keys::Keys;
use super::register::Values;
use super::{Workload, WorkloadInfo, WorkloadOptions};
use crate::record::system::{Action, Answer, Function, Key};
use crate::record::work::{Generator, Plan};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// A sequence has at most so many reads.
const READS_MAX: u32 = 4;

/// The workload of the session guarantees.
pub(super) struct Session;

impl Workload for Session {
    fn info(&self) -> &'static WorkloadInfo {
        &WorkloadInfo {
            name: "session",
            about: "short sequences of writes and reads of one key by clients that move from node to node",
            model: "register",
            claims: &["read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads"],
            needs: &[Function::Read, Function::Write],
        }
    }

    fn plan(&self, options: &WorkloadOptions) -> Box<dyn Plan> {
        let keys = Arc::new(Keys::new(options.keys, options.ops_per_key, options.choice));
        Box::new(SessionPlan { keys, options: options.clone() })
    }

    fn hop(&self) -> u32 {
        1
    }
}

struct SessionPlan {
    keys: Arc<Keys>,
    options: WorkloadOptions,
}

impl Plan for SessionPlan {
    fn generator(&self, client: u64) -> Box<dyn Generator> {
        Box::new(SessionClient {
            keys: Arc::clone(&self.keys),
            random: SmallRng::seed_from_u64(self.options.seed.wrapping_add(client.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
            read_share: self.options.read_share,
            values: Values { client, clients: self.options.clients, written: 0, domain: self.options.values },
            key: Key(0),
            reads: 0,
        })
    }

    fn final_reads(&self) -> Vec<Action> {
        Vec::new()
    }
}

struct SessionClient {
    keys: Arc<Keys>,
    random: SmallRng,
    /// The share of sequences that write nothing.
    read_share: f64,
    values: Values,
    /// What the sequence is about.
    key: Key,
    /// So many reads are still to come in it.
    reads: u32,
}

impl Generator for SessionClient {
    fn next(&mut self) -> Action {
        if self.reads > 0 {
            self.reads -= 1;
            return Action::Read { key: self.key };
        }
        self.key = self.keys.pick(&mut self.random).1;
        self.reads = self.random.random_range(1..=READS_MAX);
        if self.random.random_bool(self.read_share) {
            return Action::Read { key: self.key };
        }
        Action::Write { key: self.key, value: self.values.next(&mut self.random) }
    }

    fn observe(&mut self, _: &Action, _: &Answer) {}
}
