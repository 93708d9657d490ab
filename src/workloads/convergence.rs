//! Convergence: clients write and read a few registers, whatever happens to the cluster; when the work has ended and every
//! fault is healed, all registers are read at every node until the nodes agree. The keys stay the same for the whole run.

use super::keys::Keys;
use super::register::Values;
use super::{Workload, WorkloadInfo, WorkloadOptions};
use crate::record::system::{Action, Answer, Function};
use crate::record::work::{Generator, Plan};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// The workload of the convergent claim.
pub(super) struct Convergence;

impl Workload for Convergence {
    fn info(&self) -> &'static WorkloadInfo {
        &WorkloadInfo {
            name: "convergence",
            about: "writes and reads of a few keys; at the end they are read at every node until the nodes agree",
            model: "register",
            claims: &["convergent"],
            needs: &[Function::Read, Function::Write],
        }
    }

    fn plan(&self, options: &WorkloadOptions) -> Box<dyn Plan> {
        let keys = Arc::new(Keys::new(options.keys, u64::MAX, options.choice));
        Box::new(ConvergencePlan { keys, options: options.clone() })
    }
}

struct ConvergencePlan {
    keys: Arc<Keys>,
    options: WorkloadOptions,
}

impl Plan for ConvergencePlan {
    fn generator(&self, client: u64) -> Box<dyn Generator> {
        Box::new(ConvergenceClient {
            keys: Arc::clone(&self.keys),
            random: SmallRng::seed_from_u64(self.options.seed.wrapping_add(client.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
            read_share: self.options.read_share,
            values: Values { client, clients: self.options.clients, written: 0, domain: self.options.values },
        })
    }

    fn final_reads(&self) -> Vec<Action> {
        self.keys.used().into_iter().map(|key| Action::Read { key }).collect()
    }

    fn asks_every_node(&self) -> bool {
        true
    }
}

struct ConvergenceClient {
    keys: Arc<Keys>,
    random: SmallRng,
    read_share: f64,
    values: Values,
}

impl Generator for ConvergenceClient {
    fn next(&mut self) -> Action {
        let (_, key) = self.keys.pick(&mut self.random);
        if self.random.random_bool(self.read_share) {
            return Action::Read { key };
        }
        Action::Write { key, value: self.values.next(&mut self.random) }
    }

    fn observe(&mut self, _: &Action, _: &Answer) {}
}
