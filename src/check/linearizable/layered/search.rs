//! Two searches by turns, one that can only find an order and one that can only prove that there is none.
//!
//! The finder keeps the most promising configurations of each layer. Whatever it reaches is possible, so it decides
//! when it gets to the end, and as long as it has dropped none it also decides when it gets stuck. The prover starts
//! shortly before the place where the finder got stuck from configurations that dominate all possible ones, and
//! drops none: when it gets stuck too, there is no order, whatever happened before. When neither decides, the prover
//! starts earlier and the finder goes back and keeps more: in the end both are the exhaustive search.
//!
//! Stretches of a long history are searched ahead in parallel (see [`chunks`](super::chunks)); where they fit, the
//! finder leaps over them.
//!
//! Deterministic: widths and distances depend on the history alone.

use super::super::register_view::INITIAL;
use super::chunks::Chunks;
use super::configuration::Configuration;
use super::front::{Front, Passage, TooWide};
use super::mask::SlotMask;
use super::timeline::Timeline;
use crate::check::budget::{Budget, Stop};
use crate::check::problem::NEVER;

/// What the search says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// There is an order; the finder's checkpoints lead to it.
    Order,
    /// There is none; the index of the event at which the last possible configuration goes, where it is known.
    Stuck(Option<usize>),
    /// The budget ended when so many events were certainly passed.
    Stopped(Stop, usize),
}

/// A layer of the finder before an event.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint<M> {
    pub(super) event: usize,
    pub(super) layer: Vec<Configuration<M>>,
    /// So many configurations were kept after it.
    pub(super) width: usize,
    /// For each configuration which one of the checkpoint before led to it.
    pub(super) origins: Vec<u32>,
    /// Whether no configuration had been dropped before it.
    exact: bool,
}

impl<M> Checkpoint<M> {
    fn bytes(&self) -> u64 {
        (self.layer.len() * (size_of::<Configuration<M>>() + size_of::<u32>())) as u64
    }
}

/// So many events lie between two checkpoints.
pub(super) const CHECKPOINT_EVERY: usize = 64;
/// After so many events without trouble the finder keeps less.
const CALM: usize = 2048;
/// Unused rows of supply are forgotten when they take so many bytes.
const SUPPLY_BYTES_AT_FIRST: u64 = 8 << 20;

/// How much is tried before more is tried. No choice changes a verdict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// So many configurations the finder keeps at first.
    pub(super) width: usize,
    /// The least that it keeps as a rule.
    pub(super) width_least: usize,
    /// The most that it keeps as a rule.
    pub(super) width_most: usize,
    /// So many configurations the prover keeps before it gives up for now.
    pub(super) proof_width: usize,
    /// So many events before the place where the finder got stuck the prover starts.
    pub(super) proof_reach: usize,
    /// The prover is asked from that round on.
    pub(super) proof_round: u32,
    /// So many events are a chunk that is searched ahead, a multiple of [`CHECKPOINT_EVERY`]; none is if it is zero.
    pub(super) chunk: usize,
    /// So many events before its beginning a search within a history starts, a multiple of [`CHECKPOINT_EVERY`].
    pub(super) warm_up: usize,
}

impl Effort {
    /// What has proven itself.
    pub(super) const USUAL: Self = Self {
        width: 8,
        width_least: 4,
        width_most: 64,
        proof_width: 64,
        proof_reach: 128,
        proof_round: 2,
        chunk: 1 << 15,
        warm_up: 4 * CHECKPOINT_EVERY,
    };
}

/// See the module.
pub(super) struct Search<'t, M> {
    timeline: &'t Timeline,
    budget: &'t Budget,
    effort: Effort,
    pub(super) finder: Front<'t, M>,
    pub(super) checkpoints: Vec<Checkpoint<M>>,
    /// For each configuration of the finder which one of the last checkpoint led to it.
    pub(super) origins: Vec<u32>,
    /// The index of the event after the last.
    end: usize,
    pub(super) chunks: Chunks<M>,
    width: usize,
    /// The width to return to once a difficult place is passed.
    usual_width: usize,
    last_stuck: usize,
    supply_bytes_max: u64,
    exact: bool,
    /// The furthest event that the finder got stuck at.
    deepest: usize,
    /// The earliest event that the prover got stuck at.
    refuted: Option<usize>,
    reserved: u64,
    checkpointed: u64,
}

impl<'t, M: SlotMask> Search<'t, M> {
    /// A search of the whole history.
    pub(super) fn new(timeline: &'t Timeline, budget: &'t Budget, effort: Effort) -> Self {
        let mut search = Self::within(timeline, budget, effort, 0, timeline.events.len());
        search.chunks = Chunks::new(timeline, effort);
        search
    }

    /// A search from `begin` to `end`, where what is possible at `begin` is not known: more is assumed possible than
    /// is, some events earlier.
    pub(super) fn within(timeline: &'t Timeline, budget: &'t Budget, effort: Effort, begin: usize, end: usize) -> Self {
        let mut finder = Front::new(timeline, false, budget);
        match begin.saturating_sub(effort.warm_up) {
            0 => finder.layer.push(Configuration::initial(INITIAL)),
            early => finder.assume_anything(early),
        }
        let origins = (0..).take(finder.layer.len()).collect();
        Self {
            timeline,
            budget,
            finder,
            checkpoints: Vec::new(),
            origins,
            end,
            chunks: Chunks::none(),
            effort,
            width: effort.width,
            usual_width: effort.width,
            last_stuck: 0,
            supply_bytes_max: SUPPLY_BYTES_AT_FIRST,
            exact: true,
            deepest: 0,
            refuted: None,
            reserved: 0,
            checkpointed: 0,
        }
    }

    /// Searches until something is decided or the budget ends.
    pub(super) fn run(&mut self) -> Finding {
        let finding = self.alternate().unwrap_or_else(|stop| Finding::Stopped(stop, self.deepest));
        self.budget.release(self.reserved);
        self.reserved = 0;
        finding
    }

    fn alternate(&mut self) -> Result<Finding, Stop> {
        let mut rounds = 0u32;
        loop {
            let Some(stuck) = self.find()? else { return Ok(Finding::Order) };
            if self.exact || self.refuted == Some(stuck) {
                return Ok(Finding::Stuck(Some(stuck)));
            }
            if stuck > self.last_stuck && stuck < self.last_stuck + CALM {
                self.usual_width = (self.usual_width * 2).min(self.effort.width_most);
            }
            self.last_stuck = stuck;
            rounds = if stuck > self.deepest + 4 * self.effort.proof_reach { 0 } else { rounds + 1 };
            self.deepest = self.deepest.max(stuck);
            if self.refuted.is_none() && rounds >= self.effort.proof_round {
                self.refuted = self.prove(stuck, rounds)?;
                if self.refuted == Some(stuck) {
                    return Ok(Finding::Stuck(Some(stuck)));
                }
            }
            if (self.refuted.is_some() || self.chunks.refuted) && rounds > 6 {
                return Ok(Finding::Stuck(None));
            }
            self.go_back(stuck, rounds);
        }
    }

    /// Moves the finder on to the end, or to the event at which it gets stuck.
    fn find(&mut self) -> Result<Option<usize>, Stop> {
        while self.finder.open.next < self.end {
            if self.finder.open.next.is_multiple_of(CHECKPOINT_EVERY) {
                self.checkpoint()?;
                if self.leap() {
                    continue;
                }
            }
            let (passage, dropped) = self.finder.pass(self.width);
            if self.finder.layer.is_empty() {
                return Ok(Some(self.finder.open.next - 1));
            }
            if passage == Passage::Renewed {
                let before = std::mem::take(&mut self.origins);
                self.origins.extend(self.finder.layer.iter().map(|at| before[at.parent as usize]));
            }
            self.exact &= !dropped;
        }
        // What a layer lacks when the budget ends in the middle of it is not told apart.
        self.budget.exceeded().map_or(Ok(None), Err)
    }

    /// Goes on at the end of the chunk that the next event is in, if that is known to be possible.
    fn leap(&mut self) -> bool {
        let event = self.finder.open.next;
        // Where the finder has been before it is looking for what it missed.
        if event < self.deepest {
            return false;
        }
        let Some(chunk) = self.chunks.at(event, self.timeline, self.effort, self.budget) else { return false };
        let reached = chunk.reached_from(&mut self.finder);
        if reached.is_empty() {
            return false;
        }
        self.finder.open.seek(chunk.end);
        self.finder.layer = reached;
        self.origins = vec![0; self.finder.layer.len()];
        self.exact = false;
        self.chunks.leapt();
        true
    }

    fn checkpoint(&mut self) -> Result<(), Stop> {
        let event = self.finder.open.next;
        self.adapt_width(event);
        self.forget_unused_supply();
        let layer = self.finder.layer.clone();
        let unchanged = (0..).take(layer.len()).collect();
        let origins = std::mem::replace(&mut self.origins, unchanged);
        let checkpoint = Checkpoint { event, layer, width: self.width, origins, exact: self.exact };
        self.checkpointed += checkpoint.bytes();
        self.checkpoints.push(checkpoint);
        if let Some(stop) = self.budget.exceeded() {
            return Err(stop);
        }
        self.account(0)
    }

    /// Keeps less where all has gone well for a while.
    fn adapt_width(&mut self, event: usize) {
        if event <= self.deepest + 2 * CHECKPOINT_EVERY {
            return;
        }
        if event.is_multiple_of(CALM) && event > self.last_stuck + CALM {
            self.usual_width = (self.usual_width / 2).max(self.effort.width_least);
        }
        self.width = self.usual_width;
    }

    fn forget_unused_supply(&mut self) {
        if self.finder.supply.bytes() > self.supply_bytes_max {
            let kept = self.checkpoints.iter_mut().flat_map(|checkpoint| &mut checkpoint.layer);
            let rows = kept.chain(&mut self.finder.layer).map(|at| &mut at.used);
            self.finder.supply.keep(rows);
            self.supply_bytes_max = SUPPLY_BYTES_AT_FIRST.max(2 * self.finder.supply.bytes());
        }
    }

    /// Reserves what the search has grown by.
    fn account(&mut self, elsewhere: u64) -> Result<(), Stop> {
        let now = self.finder.bytes() + self.checkpointed + self.chunks.bytes + elsewhere;
        if now > self.reserved {
            self.budget.reserve(now - self.reserved)?;
            self.reserved = now;
        }
        Ok(())
    }

    /// Looks for a proof that nothing gets past `stuck` and what follows it shortly. The event at which the last
    /// configuration goes, if there is such a proof.
    fn prove(&mut self, stuck: usize, rounds: u32) -> Result<Option<usize>, Stop> {
        let reach = self.effort.proof_reach << rounds.min(20);
        let width = self.effort.proof_width << (2 * rounds.min(16));
        let begin = stuck.saturating_sub(reach);
        let end = (stuck + reach / 2).min(self.timeline.events.len());
        let mut prover: Front<'_, M> = Front::new(self.timeline, true, self.budget);
        prover.assume_anything(begin);
        while prover.open.next < end {
            if prover.pass_all(width) == Err(TooWide) {
                return Ok(None);
            }
            if prover.layer.is_empty() {
                return Ok(Some(prover.open.next - 1));
            }
            if prover.open.next.is_multiple_of(8) {
                if let Some(stop) = self.budget.exceeded() {
                    return Err(stop);
                }
                self.account(prover.bytes())?;
            }
        }
        Ok(None)
    }

    /// Back to a checkpoint before `stuck`, to keep more from there on.
    fn go_back(&mut self, stuck: usize, rounds: u32) {
        let distance = CHECKPOINT_EVERY << rounds.min(24);
        let target = stuck.saturating_sub(distance);
        while self.checkpoints.len() > 1 && self.checkpoints.last().is_some_and(|last| last.event > target) {
            let dropped = self.checkpoints.pop().expect("there are two");
            self.checkpointed -= dropped.bytes();
        }
        let back = self.checkpoints.pop().expect("the first checkpoint is at the first event");
        self.checkpointed -= back.bytes();
        self.width = self.usual_width.saturating_mul(1 << (2 * rounds.min(20)));
        self.exact = back.exact;
        self.finder.layer = back.layer;
        self.origins = back.origins;
        self.finder.open.seek(back.event);
    }

    /// How many completed calls return before the event of that index.
    pub(super) fn returned_before(&self, event: usize) -> usize {
        let rank = self.timeline.events.get(event).map_or(NEVER, |event| event.rank);
        self.timeline.returned.iter().filter(|&&returned| returned < rank).count()
    }
}
