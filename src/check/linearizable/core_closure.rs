//! From the few calls that contradict each other to a core that a reader can check on its own.
//!
//! A read contradicts nothing unless the writes of what it saw are there to look at. The core of some calls is
//! their closure under the register model's `needs`, among the calls invoked before the last of them returned: by
//! then the contradiction is complete, and a later call can no longer resolve it (every prefix of a linearizable
//! history is linearizable). O(n).

use crate::check::models::{Register, RegisterCall};
use crate::check::problem::{NEVER, Problem};
use crate::history::ValueId;
use rustc_hash::FxHashSet;

/// The places of the closure, ascending.
pub(super) fn closure(problem: &Problem<Register>, contradicting: &[u32]) -> Vec<u32> {
    let returns = contradicting.iter().map(|&at| problem.returned[at as usize]);
    let limit = returns.filter(|&returned| returned != NEVER).max().unwrap_or(NEVER);
    let known = problem.invoked.partition_point(|&invoked| invoked < limit);
    let mut wanted = Wanted::default();
    let mut inside: Vec<bool> = vec![false; known];
    // A writer that is unanswered and invoked after all that is not there yet.
    for &at in contradicting.iter().filter(|&&at| (at as usize) < known) {
        inside[at as usize] = true;
        wanted.by(&problem.calls[at as usize]);
    }
    let writers = writers_by_value(problem, known);
    let mut next = 0;
    while next < wanted.list.len() || wanted.everything {
        let (from, to) = if wanted.everything { (0, writers.len()) } else { range(&writers, wanted.list[next]) };
        for &(_, at) in &writers[from..to] {
            if !std::mem::replace(&mut inside[at as usize], true) {
                wanted.by(&problem.calls[at as usize]);
            }
        }
        if wanted.everything {
            break;
        }
        next += 1;
    }
    (0..).zip(inside).filter_map(|(at, inside)| inside.then_some(at)).collect()
}

/// The values whose writers are needed.
#[derive(Default)]
struct Wanted {
    list: Vec<ValueId>,
    set: FxHashSet<ValueId>,
    /// A failed compare-and-set needs everything that can have changed the register.
    everything: bool,
}

impl Wanted {
    fn by(&mut self, call: &RegisterCall) {
        match *call {
            RegisterCall::Read(value) | RegisterCall::Cas { from: value, .. } => {
                if self.set.insert(value) {
                    self.list.push(value);
                }
            }
            RegisterCall::FailedCas(_) => self.everything = true,
            RegisterCall::Write(_) => {}
        }
    }
}

fn writers_by_value(problem: &Problem<Register>, known: usize) -> Vec<(ValueId, u32)> {
    let mut writers: Vec<(ValueId, u32)> = (0..)
        .zip(&problem.calls[..known])
        .filter_map(|(at, call)| match *call {
            RegisterCall::Write(value) | RegisterCall::Cas { to: value, .. } => Some((value, at)),
            RegisterCall::Read(_) | RegisterCall::FailedCas(_) => None,
        })
        .collect();
    writers.sort_unstable();
    writers
}

fn range(writers: &[(ValueId, u32)], value: ValueId) -> (usize, usize) {
    (writers.partition_point(|w| w.0 < value), writers.partition_point(|w| w.0 <= value))
}
