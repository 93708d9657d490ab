//! Registers: read, write and compare-and-set on many keys, judged linearizable.

use super::keys::Keys;
use super::{Workload, WorkloadInfo, WorkloadOptions};
use crate::record::system::{Action, Answer, Function, Key};
use crate::record::work::{Generator, Plan};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// Of the operations that are not reads, one in so many is a compare-and-set.
const CAS_EVERY: u64 = 4;

/// The default workload.
pub(super) struct Register;

impl Workload for Register {
    fn info(&self) -> &'static WorkloadInfo {
        &WorkloadInfo {
            name: "register",
            about: "reads, writes and compare-and-sets of unique values on many keys",
            model: "cas-register",
            claims: &["linearizable"],
            needs: &[Function::Read, Function::Write, Function::Cas],
        }
    }

    fn plan(&self, options: &WorkloadOptions) -> Box<dyn Plan> {
        let keys = Arc::new(Keys::new(options.keys, options.ops_per_key, options.choice));
        Box::new(RegisterPlan { keys, options: options.clone() })
    }
}

struct RegisterPlan {
    keys: Arc<Keys>,
    options: WorkloadOptions,
}

impl Plan for RegisterPlan {
    fn generator(&self, client: u64) -> Box<dyn Generator> {
        Box::new(RegisterClient {
            keys: Arc::clone(&self.keys),
            random: SmallRng::seed_from_u64(self.options.seed.wrapping_add(client.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
            read_share: self.options.read_share,
            values: Values { client, clients: self.options.clients, written: 0, domain: self.options.values },
            last_seen: vec![None; self.keys.places()],
            place: 0,
        })
    }

    fn final_reads(&self) -> Vec<Action> {
        Vec::new()
    }
}

/// Values to write: unique in the run (client number modulo the number of clients), or few.
pub(super) struct Values {
    pub(super) client: u64,
    pub(super) clients: u64,
    pub(super) written: u64,
    pub(super) domain: Option<u64>,
}

impl Values {
    pub(super) fn next(&mut self, random: &mut SmallRng) -> i64 {
        let value = match self.domain {
            Some(domain) => random.random_range(0..domain.max(1)),
            None => self.written * self.clients + self.client,
        };
        self.written += 1;
        i64::try_from(value).expect("fewer than 2^63 values are written")
    }
}

struct RegisterClient {
    keys: Arc<Keys>,
    random: SmallRng,
    read_share: f64,
    values: Values,
    /// The last value that this client saw at a place, with its key: what a compare-and-set expects.
    last_seen: Vec<Option<(Key, i64)>>,
    place: usize,
}

impl Generator for RegisterClient {
    fn next(&mut self) -> Action {
        let (place, key) = self.keys.pick(&mut self.random);
        self.place = place;
        if self.random.random_bool(self.read_share) {
            return Action::Read { key };
        }
        let value = self.values.next(&mut self.random);
        match self.last_seen[place] {
            Some((seen, from)) if seen == key && self.random.random_range(0..CAS_EVERY) == 0 => {
                Action::Cas { key, from, to: value }
            }
            _ => Action::Write { key, value },
        }
    }

    fn observe(&mut self, action: &Action, answer: &Answer) {
        let seen = match (action, answer) {
            (Action::Write { value, .. } | Action::Cas { to: value, .. }, Answer::Done) => Some(*value),
            (Action::Read { .. }, Answer::Value(value)) => *value,
            _ => None,
        };
        if let Some(value) = seen {
            self.last_seen[self.place] = Some((action.key(), value));
        }
    }
}
