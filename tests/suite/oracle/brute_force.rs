//! Linearizability by trying everything, on a register of its own.

use std::collections::HashSet;

/// What an operation on the register did and saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Read(u8),
    Write(u8),
    Cas(u8, u8),
    FailedCas(u8),
}

/// One operation: `returned` is absent if it may take effect at any later time, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) act: Act,
    pub(crate) called: u32,
    pub(crate) returned: Option<u32>,
}

/// A small history of one register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Small {
    pub(crate) initial: u8,
    /// In order of invocation.
    pub(crate) ops: Vec<Op>,
}

fn apply(state: u8, act: Act) -> Option<u8> {
    match act {
        Act::Read(seen) => (seen == state).then_some(state),
        Act::Write(value) => Some(value),
        Act::Cas(from, to) => (from == state).then_some(to),
        Act::FailedCas(from) => (from != state).then_some(state),
    }
}

impl Small {
    /// Whether some order of the operations is legal and respects real time.
    pub(crate) fn is_linearizable(&self) -> bool {
        assert!(self.ops.len() <= 32, "brute force is for small histories");
        self.search(0, self.initial, &mut HashSet::new())
    }

    fn search(&self, placed: u32, state: u8, dead_ends: &mut HashSet<(u32, u8)>) -> bool {
        let open = || (0..self.ops.len()).filter(|at| placed >> at & 1 == 0);
        let Some(first_return) = open().filter_map(|at| self.ops[at].returned).min() else {
            return true;
        };
        if dead_ends.contains(&(placed, state)) {
            return false;
        }
        for at in open().filter(|&at| self.ops[at].called < first_return) {
            if let Some(next) = apply(state, self.ops[at].act)
                && self.search(placed | 1 << at, next, dead_ends)
            {
                return true;
            }
        }
        dead_ends.insert((placed, state));
        false
    }

    /// What was known when the event of that rank had happened.
    pub(crate) fn prefix(&self, last_event: u32) -> Self {
        let known = self.ops.iter().filter(|op| op.called <= last_event);
        let ops = known.map(|op| Op { returned: op.returned.filter(|&at| at <= last_event), ..*op }).collect();
        Self { initial: self.initial, ops }
    }

    /// The first return at which no order remains.
    pub(crate) fn first_violation(&self) -> Option<u32> {
        let mut returns: Vec<u32> = self.ops.iter().filter_map(|op| op.returned).collect();
        returns.sort_unstable();
        returns.into_iter().find(|&event| !self.prefix(event).is_linearizable())
    }
}
