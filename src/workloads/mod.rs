//! What clients do: the mix of operations, and which claims judge it.
//!
//! To add one: 1. write `name.rs` with a type that implements [`Workload`]; 2. `mod name;` below; 3. one entry in
//! [`all`]. Help, `consistory list workloads`, completions and the README's table follow from the list.

mod causal;
mod convergence;
pub mod keys;
mod lock;
mod register;
mod session;
mod set;

use crate::record::system::Function;
use crate::record::work::Plan;
use keys::KeyChoice;
use std::time::Duration;

/// What `consistory list workloads` and the runner need to know.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadInfo {
    /// The word on the command line.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// The model of its objects.
    pub model: &'static str,
    /// The claims that judge it by default.
    pub claims: &'static [&'static str],
    /// What a backend must support.
    pub needs: &'static [Function],
}

/// How clients spread over keys and operations.
#[derive(Clone, Debug)]
pub struct WorkloadOptions {
    /// How many objects are in use at a time.
    pub keys: u64,
    /// After so many operations an object is replaced with a fresh one.
    pub ops_per_key: u64,
    /// How a client picks among the objects in use.
    pub choice: KeyChoice,
    /// How many clients there are.
    pub clients: u64,
    /// The share of reads among all operations, from 0 to 1.
    pub read_share: f64,
    /// `None`: every written value is unique in the run; otherwise so many different ones.
    pub values: Option<u64>,
    /// How long a lock is held at most.
    pub hold: Duration,
    /// The seed of all random choices.
    pub seed: u64,
}

impl WorkloadOptions {
    /// The options by name, for the header of the history.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let settings: [(&str, String); 6] = [
            ("keys", self.keys.to_string()),
            ("ops-per-key", self.ops_per_key.to_string()),
            ("key-choice", self.choice.to_string()),
            ("read-share", self.read_share.to_string()),
            ("hold-ms", self.hold.as_millis().to_string()),
            ("values", self.values.map_or("unique".into(), |values| values.to_string())),
        ];
        settings.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}

/// A kind of work, as the catalogue knows it.
pub trait Workload: Send + Sync {
    /// What it is.
    fn info(&self) -> &'static WorkloadInfo;

    /// The shared state of one run: hands out one generator a client.
    fn plan(&self, options: &WorkloadOptions) -> Box<dyn Plan>;

    /// After how many operations a client moves to the next node unless the user says otherwise; 0 for never.
    fn hop(&self) -> u32 {
        0
    }
}

/// Every workload, the default first.
#[must_use]
pub fn all() -> &'static [&'static dyn Workload] {
    &[&register::Register, &set::Set, &lock::Lock, &causal::Causal, &session::Session, &convergence::Convergence]
}

/// The workload of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Workload> {
    all().iter().copied().find(|workload| workload.info().name == name)
}
