//! Sets: clients add unique elements; when the cluster is calm again, every set is read whole. An element whose
//! addition was acknowledged and that is not there then is a lost acknowledged write.

use super::keys::Keys;
use super::register::Values;
use super::{Workload, WorkloadInfo, WorkloadOptions};
use crate::record::system::{Action, Answer, Function};
use crate::record::work::{Generator, Plan};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::sync::Arc;

/// The workload of the lost-acks claim.
pub(super) struct Set;

impl Workload for Set {
    fn info(&self) -> &'static WorkloadInfo {
        &WorkloadInfo {
            name: "set",
            about: "adds unique elements to sets and reads them all at the end",
            model: "set",
            claims: &["lost-acks"],
            needs: &[Function::Add, Function::Members],
        }
    }

    fn plan(&self, options: &WorkloadOptions) -> Box<dyn Plan> {
        let keys = Arc::new(Keys::new(options.keys, options.ops_per_key, options.choice));
        Box::new(SetPlan { keys, options: options.clone() })
    }
}

struct SetPlan {
    keys: Arc<Keys>,
    options: WorkloadOptions,
}

impl Plan for SetPlan {
    fn generator(&self, client: u64) -> Box<dyn Generator> {
        Box::new(SetClient {
            keys: Arc::clone(&self.keys),
            random: SmallRng::seed_from_u64(self.options.seed.wrapping_add(client.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
            values: Values { client, clients: self.options.clients, written: 0, domain: None },
        })
    }

    fn final_reads(&self) -> Vec<Action> {
        self.keys.used().into_iter().map(|key| Action::Members { key }).collect()
    }
}

struct SetClient {
    keys: Arc<Keys>,
    random: SmallRng,
    values: Values,
}

impl Generator for SetClient {
    fn next(&mut self) -> Action {
        let (_, key) = self.keys.pick(&mut self.random);
        Action::Add { key, element: self.values.next(&mut self.random) }
    }

    fn observe(&mut self, _: &Action, _: &Answer) {}
}
