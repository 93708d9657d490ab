//! The blocks of a register's calls in the order of their first returns, as far as they can still matter.
//!
//! A block is a write (or the initial value), what was read of it, the compare-and-set from it, what was read of that,
//! and so on: nothing else may come in between. Let `first_return` be the smallest return in a block and `last_call`
//! its largest invocation. Blocks can be ordered iff no two blocks A and B have `A.first_return < B.last_call` and
//! `B.first_return < A.last_call` (Gibbons and Korach, "Testing shared memories", SIAM Journal on Computing 26(4),
//! 1997, §4).
//!
//! A block is made by a return, so its first return is known at once and never changes; only its last call grows, and
//! then it is held against the blocks on both sides of it. O(operations open at once) for each event in the mean.

use super::object::{Conflict, Halt, Moment};
use crate::history::ValueId;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// One value's calls within a block.
#[derive(Clone, Copy, Debug)]
struct Link {
    value: ValueId,
    /// The smallest return in this link and those behind it.
    made: Moment,
}

#[derive(Debug)]
struct Block {
    first_return: Moment,
    last_call: Moment,
    /// The largest last call of this block and those before it.
    last_call_so_far: Moment,
    links: VecDeque<Link>,
    /// The number of the first link that is kept.
    links_begin: u64,
}

/// Where a value's calls are.
#[derive(Clone, Copy, Debug)]
struct Spot {
    block: u64,
    link: u64,
}

/// The blocks that can still matter.
#[derive(Debug)]
pub(super) struct Blocks {
    kept: VecDeque<Block>,
    /// The number of the first block that is kept.
    begin: u64,
    spots: FxHashMap<ValueId, Spot>,
    /// The largest last call of all forgotten blocks. Each of them has returned before any call began that is open now
    /// or later.
    forgotten: Moment,
}

const OUT_OF_ORDER: Halt = Halt::Violated(Conflict::OutOfOrder);

impl Blocks {
    /// The block of the initial value alone.
    pub(super) fn new(initial: ValueId) -> Self {
        let mut blocks = Self { kept: VecDeque::new(), begin: 0, spots: FxHashMap::default(), forgotten: 0 };
        blocks.write(initial, 0, 0);
        blocks
    }

    /// Whether the value is one that can still be seen.
    pub(super) fn has(&self, value: ValueId) -> bool {
        self.spots.contains_key(&value)
    }

    /// A write, whose value was seen now for the first time or which returns now.
    pub(super) fn write(&mut self, value: ValueId, invoked: Moment, now: Moment) {
        let before = self.kept.back().map_or(self.forgotten, |block| block.last_call_so_far);
        let links = VecDeque::from([Link { value, made: now }]);
        let block = self.begin + self.kept.len() as u64;
        self.kept.push_back(Block {
            first_return: now,
            last_call: invoked,
            last_call_so_far: before.max(invoked),
            links,
            links_begin: 0,
        });
        self.spots.insert(value, Spot { block, link: 0 });
    }

    /// A compare-and-set, whose value was seen now for the first time or which returns now. `from` can be seen.
    pub(super) fn replace(&mut self, from: ValueId, to: ValueId, invoked: Moment, now: Moment) -> Result<(), Halt> {
        let spot = self.spots[&from];
        let block = &mut self.kept[usize::try_from(spot.block - self.begin).expect("it is kept")];
        if spot.link + 1 < block.links_begin + block.links.len() as u64 {
            return Err(Halt::Violated(Conflict::LostUpdate));
        }
        block.links.push_back(Link { value: to, made: now });
        self.spots.insert(to, Spot { link: spot.link + 1, ..spot });
        self.reach(spot.block, invoked)
    }

    /// A read of a value that can be seen, which returns now.
    pub(super) fn read(&mut self, value: ValueId, invoked: Moment) -> Result<(), Halt> {
        let spot = self.spots[&value];
        let block = &self.kept[usize::try_from(spot.block - self.begin).expect("it is kept")];
        let behind = usize::try_from(spot.link + 1 - block.links_begin).expect("it is kept");
        if block.links.get(behind).is_some_and(|next| next.made < invoked) {
            return Err(OUT_OF_ORDER);
        }
        self.reach(spot.block, invoked)
    }

    /// A call of that block was invoked then.
    fn reach(&mut self, number: u64, invoked: Moment) -> Result<(), Halt> {
        let at = usize::try_from(number - self.begin).expect("it is kept");
        if invoked <= self.kept[at].last_call {
            return Ok(());
        }
        self.kept[at].last_call = invoked;
        for block in self.kept.iter_mut().skip(at) {
            if block.last_call_so_far >= invoked {
                break;
            }
            block.last_call_so_far = invoked;
        }
        let own = self.kept[at].first_return;
        if self.forgotten > own {
            return Err(OUT_OF_ORDER);
        }
        let contradicts = |block: &&Block| block.first_return < invoked && block.last_call > own;
        let mut before = self.kept.iter().take(at).rev().take_while(|block| block.last_call_so_far > own);
        let mut behind = self.kept.iter().skip(at + 1).take_while(|block| block.first_return < invoked);
        if before.any(|block| contradicts(&block)) || behind.any(|block| contradicts(&block)) {
            return Err(OUT_OF_ORDER);
        }
        Ok(())
    }

    /// Forgets what nothing can join without a contradiction, if every call that will return from now on was or will
    /// be invoked at `open_since` or later.
    pub(super) fn forget(&mut self, open_since: Moment) {
        let passed = self.kept.partition_point(|block| block.first_return < open_since);
        let (mut latest, mut second, mut latest_at) = (self.forgotten, self.forgotten, usize::MAX);
        for (at, block) in self.kept.iter().take(passed).enumerate() {
            if block.last_call > latest {
                (latest, second, latest_at) = (block.last_call, latest, at);
            } else {
                second = second.max(block.last_call);
            }
        }
        for (at, block) in self.kept.iter_mut().take(passed).enumerate() {
            let closed = if at == latest_at { second } else { latest } > block.first_return;
            while if closed {
                !block.links.is_empty()
            } else {
                block.links.get(1).is_some_and(|next| next.made < open_since)
            } {
                let gone = block.links.pop_front().expect("the condition saw one");
                block.links_begin += 1;
                self.spots.remove(&gone.value);
            }
        }
        // A closed block without links still counts while an open one lies before it: those are few.
        while let Some(first) = self.kept.front().filter(|first| first.links.is_empty()) {
            self.forgotten = self.forgotten.max(first.last_call);
            self.begin += 1;
            self.kept.pop_front();
        }
    }

    /// The values that the register can have when nothing is open and everything closed is forgotten.
    pub(super) fn last_values(&self) -> Vec<ValueId> {
        self.kept.iter().filter_map(|block| block.links.back()).map(|link| link.value).collect()
    }

    /// How many blocks and values are kept.
    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.spots.len()
    }

    /// Gives every value another name.
    pub(super) fn rename(&mut self, name: &mut dyn FnMut(ValueId) -> ValueId) {
        self.spots.clear();
        for (number, block) in (self.begin..).zip(&mut self.kept) {
            for (link, kept) in (block.links_begin..).zip(&mut block.links) {
                kept.value = name(kept.value);
                self.spots.insert(kept.value, Spot { block: number, link });
            }
        }
    }
}
