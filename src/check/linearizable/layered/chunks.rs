//! Parallelism inside one register: stretches of its time searched ahead, before it is known how they are entered.
//!
//! A chunk is entered some events early with configurations that dominate all possible ones, and searched like a
//! whole history. By its beginning little is left of that assumption. The finder, coming from the left, compares what
//! it has with what the chunk had at the same event: where one of its configurations dominates one from which the
//! chunk got to its end, all that followed can follow again (see [`Configuration::dominates`]), and the finder leaps
//! to the chunk's end. A chunk in which the search gets stuck in spite of the assumption proves that there is no
//! order; the finder still walks there, to find the very event.
//!
//! Where chunks begin depends on the history alone, and all of a batch are searched before any is used, so that the
//! outcome does not depend on how many threads search them. Where indeterminate calls have been used before a chunk
//! that it took for unused, it is of no use; when most of a batch is not, no more are searched ahead.

use super::configuration::Configuration;
use super::front::Front;
use super::mask::SlotMask;
use super::search::{Effort, Finding, Search};
use super::supply::Supply;
use super::timeline::Timeline;
use crate::check::budget::Budget;
use rayon::prelude::*;

/// So many chunks are searched before the finder goes through them.
const BATCH: usize = 8;

/// What is known of the chunks ahead of the finder.
pub(super) struct Chunks<M> {
    /// The event at which the first chunk of the batch begins.
    begin: usize,
    batch: Vec<Chunk<M>>,
    /// How many chunks of the batch were of use.
    pub(super) leaps: usize,
    /// Whether more are worth searching.
    ahead: bool,
    /// Whether a chunk proves that there is no order.
    pub(super) refuted: bool,
    /// Bytes that the batch holds.
    pub(super) bytes: u64,
}

impl<M: SlotMask> Chunks<M> {
    /// Nothing searched yet; nothing ever if the history has not even two chunks.
    pub(super) fn new(timeline: &Timeline, effort: Effort) -> Self {
        let ahead = effort.chunk > 0 && timeline.events.len() >= 2 * effort.chunk;
        Self { ahead, ..Self::none() }
    }

    /// Nothing, whatever the history.
    pub(super) fn none() -> Self {
        Self { begin: 0, batch: Vec::new(), leaps: 0, ahead: false, refuted: false, bytes: 0 }
    }

    /// The chunk that `event` is in, searched now if it is the first of a batch.
    pub(super) fn at(
        &mut self,
        event: usize,
        timeline: &Timeline,
        effort: Effort,
        budget: &Budget,
    ) -> Option<&Chunk<M>> {
        if !self.ahead {
            return None;
        }
        if event >= self.begin + self.batch.len() * effort.chunk {
            self.ahead = self.batch.is_empty() || 2 * self.leaps >= self.batch.len();
            self.search_ahead(event / effort.chunk, timeline, effort, budget);
        }
        self.batch.get((event.checked_sub(self.begin)?) / effort.chunk)
    }

    fn search_ahead(&mut self, first: usize, timeline: &Timeline, effort: Effort, budget: &Budget) {
        self.batch.clear();
        self.leaps = 0;
        self.begin = first * effort.chunk;
        if self.ahead {
            let all = timeline.events.len().div_ceil(effort.chunk);
            let numbers = first..all.min(first + BATCH);
            let search = |number| Chunk::search(timeline, effort, number, budget);
            numbers.into_par_iter().with_max_len(1).map(search).collect_into_vec(&mut self.batch);
            self.refuted |= self.batch.iter().any(|chunk| chunk.refuted);
        }
        self.bytes = self.batch.iter().map(Chunk::bytes).sum();
    }

    /// Takes note that a chunk was of use.
    pub(super) fn leapt(&mut self) {
        self.leaps += 1;
    }
}

/// A stretch of the events, searched.
pub(super) struct Chunk<M> {
    /// The index of the event after its last.
    pub(super) end: usize,
    /// Whether nothing gets past it, whatever came before.
    refuted: bool,
    /// At places of the way: the event, the configurations, and for each of the last ones which of these led to it.
    passed: Vec<(usize, Vec<Configuration<M>>, Vec<u32>)>,
    last: Vec<Configuration<M>>,
    supply: Supply,
}

impl<M: SlotMask> Chunk<M> {
    fn search(timeline: &Timeline, effort: Effort, number: usize, budget: &Budget) -> Self {
        let begin = number * effort.chunk;
        let end = (begin + effort.chunk).min(timeline.events.len());
        let mut search: Search<'_, M> = Search::within(timeline, budget, effort, begin, end);
        let finding = search.run();
        let refuted = matches!(finding, Finding::Stuck(_));
        let Search { checkpoints, finder, mut origins, .. } = search;
        let mut passed = Vec::new();
        if finding == Finding::Order {
            for checkpoint in checkpoints.into_iter().rev().take_while(|checkpoint| checkpoint.event >= begin) {
                let before = origins.iter().map(|&at| checkpoint.origins[at as usize]).collect();
                passed.push((checkpoint.event, checkpoint.layer, std::mem::replace(&mut origins, before)));
            }
            passed.reverse();
        }
        Self { end, refuted, passed, last: finder.layer, supply: finder.supply }
    }

    fn bytes(&self) -> u64 {
        let configurations: usize = self.passed.iter().map(|(_, layer, _)| layer.len()).sum();
        (configurations * (size_of::<Configuration<M>>() + size_of::<u32>())) as u64 + self.supply.bytes()
    }

    /// The configurations at the chunk's end that can be reached from those of a front at some place of the way.
    pub(super) fn reached_from(&self, front: &mut Front<'_, M>) -> Vec<Configuration<M>> {
        let Ok(place) = self.passed.binary_search_by_key(&front.open.next, |&(event, ..)| event) else {
            return Vec::new();
        };
        let (_, layer, origins) = &self.passed[place];
        let mut entered: Vec<Option<bool>> = vec![None; layer.len()];
        let mut reached = Vec::new();
        for (&at, &last) in origins.iter().zip(&self.last) {
            let entered = &mut entered[at as usize];
            if *entered.get_or_insert_with(|| front.can_follow(&layer[at as usize], &self.supply)) {
                let used = front.supply.adopt(&self.supply, last.used);
                reached.push(Configuration { used, parent: 0, ..last });
            }
        }
        reached
    }
}
