//! One layer of configurations, moved on event by event.

use super::super::register_view::Act;
use super::antichain::Antichain;
use super::configuration::{Configuration, DEAD};
use super::mask::SlotMask;
use super::moves::Moves;
use super::open_calls::OpenCalls;
use super::supply::{Supply, UNUSED};
use super::timeline::{Happening, Timeline};
use crate::check::budget::Budget;

/// All that is open, and the configurations still possible before the next event.
#[derive(Debug)]
pub(super) struct Front<'t, M> {
    pub(super) open: OpenCalls<'t, M>,
    pub(super) supply: Supply,
    pub(super) layer: Vec<Configuration<M>>,
    next: Antichain<M>,
    pub(super) moves: Moves<'t, M>,
    budget: &'t Budget,
    ranking: Vec<(u32, u32)>,
    /// Whether configurations were dropped at the last event.
    dropped: bool,
}

/// So many configurations are moved between two looks at the budget.
const BUDGET_EVERY: usize = 16;

/// There are more configurations than wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooWide;

/// What to do when a layer under construction gets large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ceiling {
    /// Keep an eighth of so many.
    DropAbove(usize),
    /// Leave the rest out: the layer is of no use then.
    StopAbove(usize),
}

impl Ceiling {
    /// So many steps are worth looking at.
    fn patience(self) -> usize {
        let (Self::DropAbove(most) | Self::StopAbove(most)) = self;
        most.saturating_mul(32).saturating_add(256)
    }
}

/// What became of a layer at an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// Every configuration went on as the one at the same place.
    Same,
    /// The configurations are others now; each names its parent.
    Renewed,
}

impl<'t, M: SlotMask> Front<'t, M> {
    /// Before the first event, with no configuration.
    pub(super) fn new(timeline: &'t Timeline, unlimited: bool, budget: &'t Budget) -> Self {
        Self {
            open: OpenCalls::new(timeline),
            supply: Supply::new(timeline.classes.len(), unlimited),
            layer: Vec::new(),
            next: Antichain::new(timeline.values),
            moves: Moves::new(timeline.values, budget),
            budget,
            ranking: Vec::new(),
            dropped: false,
        }
    }

    /// Puts every configuration there that dominates all possible ones before the event of that index: each value
    /// that somebody may still see, every open observer done, every other open call placeable at no cost.
    pub(super) fn assume_anything(&mut self, event: usize) {
        self.open.seek(event);
        let open = &self.open;
        let top = |state: u32| Configuration {
            point: open.supplied,
            done: open.observers,
            pool: open.writes.or(open.cases),
            free: open.cases,
            ..Configuration::initial(state)
        };
        self.layer.clear();
        let timeline = open.timeline;
        let values = (0..).take(timeline.values);
        let visible = values.filter(|&value| timeline.observers.any(value, open.now, u32::MAX));
        self.layer.extend(visible.map(top));
        self.layer.push(top(DEAD));
    }

    /// Whether everything that can follow a configuration with that supply can follow one of this layer.
    pub(super) fn can_follow(&mut self, other: &Configuration<M>, supply: &Supply) -> bool {
        let other = Configuration { used: self.supply.adopt(supply, other.used), ..*other };
        let same = |at: &&Configuration<M>| at.state == other.state;
        self.layer.iter().filter(same).any(|at| at.dominates(&other, &self.open, &self.supply))
    }

    /// Moves on past the next event and keeps that many configurations; whether any were dropped.
    pub(super) fn pass(&mut self, width: usize) -> (Passage, bool) {
        self.dropped = false;
        let passage = self.advance(Ceiling::DropAbove(width.saturating_mul(8)));
        if self.layer.len() <= width {
            return (passage, self.dropped);
        }
        if passage == Passage::Same {
            for (index, at) in (0..).zip(&mut self.layer) {
                at.parent = index;
            }
        }
        self.narrow(width);
        (Passage::Renewed, true)
    }

    /// Moves on past the next event with all configurations, unless there would be more than `width` of them.
    pub(super) fn pass_all(&mut self, width: usize) -> Result<(), TooWide> {
        self.dropped = false;
        self.advance(Ceiling::StopAbove(width));
        if self.layer.len() > width || self.dropped { Err(TooWide) } else { Ok(()) }
    }

    fn advance(&mut self, ceiling: Ceiling) -> Passage {
        let event = self.open.timeline.events[self.open.next];
        self.open.now = event.rank;
        let passage = match event.happening {
            Happening::Begin { call, slot } => {
                self.open.begin(call, slot);
                self.begin(slot as usize);
                Passage::Same
            }
            Happening::Supply { class } => {
                self.open.supply(class);
                Passage::Same
            }
            Happening::End { slot, .. } => {
                let passage = self.end(slot as usize, ceiling);
                self.open.end(slot);
                passage
            }
        };
        self.open.next += 1;
        passage
    }

    fn begin(&mut self, slot: usize) {
        let bit = M::bit(slot);
        match self.open.act(slot) {
            Act::Read(value) => self.mark(|at| at.state == value, |at| at.done = at.done.or(bit)),
            Act::Differs(value) => self.mark(|at| at.state != value, |at| at.done = at.done.or(bit)),
            Act::Write(value) => self.mark(|at| at.state == value, |at| at.free = at.free.or(bit)),
            Act::Cas(..) => {}
        }
    }

    fn mark(&mut self, which: impl Fn(&Configuration<M>) -> bool, set: impl Fn(&mut Configuration<M>)) {
        for at in self.layer.iter_mut().filter(|at| which(at)) {
            set(at);
        }
    }

    fn end(&mut self, slot: usize, ceiling: Ceiling) -> Passage {
        if self.layer.iter().all(|at| at.done.has(slot)) {
            for at in &mut self.layer {
                at.forget(slot);
            }
            return Passage::Same;
        }
        self.next.clear();
        self.moves.begin_event(ceiling.patience());
        for (index, at) in (0..).zip(&self.layer) {
            if at.done.has(slot) {
                let mut after = Configuration { parent: index, ..*at };
                after.forget(slot);
                self.next.insert(after, &self.open, &self.supply);
            }
        }
        for index in 0..self.layer.len() {
            // Whatever is missing then, the caller will not get far with what there is.
            if index % BUDGET_EVERY == BUDGET_EVERY - 1 && self.budget.spend(BUDGET_EVERY as u64).is_some() {
                self.dropped = true;
                break;
            }
            let at = self.layer[index];
            if at.done.has(slot) {
                continue;
            }
            let from = Configuration { parent: u32::try_from(index).expect("a layer is 32 bits"), ..at };
            self.moves.expand(&from, slot, &self.open, &mut self.supply);
            for node in self.moves.out.drain(..) {
                self.next.insert(node.at, &self.open, &self.supply);
            }
            match ceiling {
                Ceiling::StopAbove(most) if self.next.len() > most => break,
                Ceiling::DropAbove(most) if self.next.len() > most => self.thin_out(most / 8),
                Ceiling::StopAbove(_) | Ceiling::DropAbove(_) => {}
            }
        }
        self.dropped |= self.moves.impatient;
        self.layer.clear();
        self.next.drain_into(&mut self.layer);
        Passage::Renewed
    }

    /// Drops all but the most promising configurations of the layer under construction.
    fn thin_out(&mut self, width: usize) {
        let expanding = std::mem::take(&mut self.layer);
        self.next.drain_into(&mut self.layer);
        self.narrow(width);
        for at in self.layer.drain(..) {
            self.next.insert(at, &self.open, &self.supply);
        }
        self.layer = expanding;
        self.dropped = true;
    }

    /// Drops all but the most promising configurations.
    fn narrow(&mut self, width: usize) {
        if self.layer.len() <= width {
            return;
        }
        self.ranking.clear();
        for (index, at) in (0..).zip(&self.layer) {
            self.ranking.push((self.burden(at), index));
        }
        self.ranking.select_nth_unstable(width);
        self.ranking.truncate(width);
        self.ranking.sort_unstable_by_key(|&(_, index)| index);
        for (to, &(_, from)) in self.ranking.iter().enumerate() {
            self.layer[to] = self.layer[from as usize];
        }
        self.layer.truncate(width);
    }

    /// How badly off a configuration is: calls it still has to place, and choices it has used up.
    fn burden(&self, at: &Configuration<M>) -> u32 {
        let open = &self.open;
        let at_no_cost = open.writes.and(at.pool).or(at.free);
        let mutators = open.writes.or(open.cases);
        let waiting = open.observers.minus(at.done);
        let used = if at.used == UNUSED { 0 } else { self.supply.total(at.used) };
        4 * used + mutators.minus(at_no_cost).count() + 2 * waiting.count() + waiting.minus(at.pool).count()
    }

    /// Bytes held by the layer and its supply.
    pub(super) fn bytes(&self) -> u64 {
        let configuration = std::mem::size_of::<Configuration<M>>() as u64;
        (self.layer.capacity() + 2 * self.next.len()) as u64 * configuration + self.supply.bytes()
    }
}
