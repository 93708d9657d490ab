//! Replicas that hold every key and learn of each other's transactions late.
//!
//! [`Stores::Causal`]: each replica applies what others committed in causal order, the last writer by Lamport's clock
//! (1978) wins, ties by replica. All that a transaction reads is what one causally closed set of whole transactions left
//! behind in one order that is the same everywhere: causally convergent, and read atomic.
//!
//! [`Stores::Log`]: writes are put into one log, a client waits until its replica has applied its own, and
//! transactions that only read are answered from what the replica has applied. Every replica is at a prefix of one log,
//! so that putting the reads of each where it stood gives one order that contains every client's: sequential. It is not
//! linearizable: replicas lag.

use crate::generate::dice::Dice;

/// A replica is behind another one for so many transactions in the mean.
const LAG: u64 = 100;

/// How replicas learn of each other's transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Causal,
    Log,
}

/// What one transaction wrote: keys and values.
type Writes = Vec<(u32, i64)>;

#[derive(Clone, Debug)]
struct Committed {
    writes: Writes,
    /// Lamport's clock, then the replica.
    stamp: (u64, usize),
    /// How many of each replica's transactions had been applied where it was committed.
    after: Vec<usize>,
}

/// What a replica knows.
#[derive(Clone, Debug)]
struct Replica {
    clock: u64,
    /// How much of each replica's log is applied; of the one log, its first entry.
    applied: Vec<usize>,
    cells: Vec<(i64, (u64, usize))>,
}

/// All replicas.
#[derive(Clone, Debug)]
pub(super) struct Stores {
    kind: Kind,
    replicas: Vec<Replica>,
    logs: Vec<Vec<Committed>>,
}

impl Stores {
    pub(super) fn new(kind: Kind, replicas: usize, keys: usize) -> Self {
        let replica = Replica { clock: 0, applied: vec![0; replicas], cells: vec![(0, (0, 0)); keys] };
        Self { kind, replicas: vec![replica; replicas], logs: vec![Vec::new(); replicas] }
    }

    /// What the key holds for who asks that replica; before a transaction that writes, see [`Self::catch_up`].
    pub(super) fn read(&self, replica: usize, key: u32) -> i64 {
        self.replicas[replica].cells[key as usize].0
    }

    /// Before a transaction that writes: there is one place for writes in a log, its end.
    pub(super) fn catch_up(&mut self, replica: usize) {
        if self.kind == Kind::Log {
            self.apply(replica, 0, usize::MAX);
        }
    }

    /// Commits what a transaction at that replica wrote.
    pub(super) fn commit(&mut self, replica: usize, writes: Writes) {
        if writes.is_empty() {
            return;
        }
        let at = &mut self.replicas[replica];
        at.clock += 1;
        let log = if self.kind == Kind::Log { 0 } else { replica };
        self.logs[log].push(Committed { writes, stamp: (at.clock, replica), after: at.applied.clone() });
        self.apply(replica, log, usize::MAX);
    }

    /// Time passes: some replica learns what another one did.
    pub(super) fn spread(&mut self, dice: &mut Dice) {
        let count = self.replicas.len() as u64;
        let pairs = if self.kind == Kind::Log { count } else { count * (count - 1) };
        let pair = dice.below(LAG.max(pairs));
        if pair >= pairs {
            return;
        }
        let (to, from) = match self.kind {
            Kind::Log => (pair, 0),
            Kind::Causal => (pair / (count - 1), pair % (count - 1)),
        };
        let index = |at: u64| usize::try_from(at).expect("below the number of replicas");
        let from = if self.kind == Kind::Causal && from >= to { from + 1 } else { from };
        let some = if dice.chance(500_000) { usize::MAX } else { 1 + dice.place(16) };
        self.apply(index(to), index(from), some);
    }

    /// Applies at most so many more transactions of a log, as far as what they depend on is there.
    fn apply(&mut self, replica: usize, log: usize, most: usize) {
        let to = &mut self.replicas[replica];
        for committed in self.logs[log][to.applied[log]..].iter().take(most) {
            let missing = |(of, after): (usize, &usize)| of != log && *after > to.applied[of];
            if self.kind == Kind::Causal && committed.after.iter().enumerate().any(missing) {
                break;
            }
            for &(key, value) in &committed.writes {
                let cell = &mut to.cells[key as usize];
                if self.kind == Kind::Log || cell.1 < committed.stamp {
                    *cell = (value, committed.stamp);
                }
            }
            to.clock = to.clock.max(committed.stamp.0);
            to.applied[log] += 1;
        }
    }
}
