//! The writers of each key in an order that contains the causal one, and from where on they are not in a writer's past.
//!
//! Every transaction has a *rank*, larger than those of what is before it: its place in the record if every read was
//! recorded after its source, otherwise the length of the longest way to it. The *horizon* of a transaction is the
//! smallest rank of all that is neither it nor before it. So what a reader may have missed when it read from `w`, the
//! writers of the key in its past that are not in the past of `w`, has ranks between the horizon of `w` and its own:
//! a few where sessions keep up with each other, however many of them there are. O(writes + transactions × sessions).

use crate::check::clocks::Clocks;
use crate::check::precedence::ranks;
use crate::check::transactions::{INITIAL, Rows, Transactions};

/// See the module.
#[derive(Clone, Debug)]
pub struct Versions {
    in_order: Vec<u32>,
    ranks: Vec<u32>,
    horizons: Vec<u32>,
    /// For each key its writers, ascending by rank.
    by_key: Rows<u32>,
}

impl Versions {
    /// Sorts the writers of every key.
    #[must_use]
    pub fn of(transactions: &Transactions, clocks: &Clocks) -> Self {
        let ranks = ranks(transactions);
        let horizons = transactions.all().map(|at| horizon(transactions, clocks, &ranks, at)).collect();
        let in_order = by_rank(&ranks);
        let of = |&writer: &u32| transactions.writes(writer).iter().map(move |&key| (key, writer));
        let writes = in_order.iter().flat_map(of);
        let by_key = Rows::grouped(transactions.key_count(), writes);
        Self { in_order, ranks, horizons, by_key }
    }

    /// A transaction's rank.
    #[must_use]
    pub fn rank(&self, transaction: u32) -> u32 {
        self.ranks[transaction as usize]
    }

    /// All transactions, ascending by rank.
    #[must_use]
    pub fn in_order(&self) -> &[u32] {
        &self.in_order
    }

    /// A key's writers, ascending by rank.
    #[must_use]
    pub fn writers(&self, key: u32) -> &[u32] {
        self.by_key.row(key)
    }

    /// The rank from which on there are transactions that are not before `source`; 0 for the initial value, which has
    /// nothing before it.
    #[must_use]
    pub fn horizon(&self, source: u32) -> u32 {
        if source == INITIAL { 0 } else { self.horizons[source as usize] }
    }
}

fn horizon(transactions: &Transactions, clocks: &Clocks, ranks: &[u32], of: u32) -> u32 {
    let own = transactions.session(of);
    let mut horizon = u32::MAX;
    clocks.row(of).each(|session, before| {
        let all = transactions.of_session(session);
        let next = all.start + before + u32::from(session == own);
        if next < all.end {
            horizon = horizon.min(ranks[next as usize]);
        }
    });
    horizon
}

/// All transactions, ascending by rank: a counting sort.
fn by_rank(ranks: &[u32]) -> Vec<u32> {
    let most = ranks.iter().max().map_or(0, |&most| most as usize + 1);
    let sorted = Rows::grouped(most, ranks.iter().copied().zip(0..));
    sorted.into_items()
}
