//! Any object, judged event by event: a search that goes from layer to layer and forgets what has passed.
//!
//! Lowe, "Testing for linearizability" (CCPE 2017, §4, just-in-time linearization): in any legal order every call can
//! be delayed until some return needs it, so after each event it is enough to know the configurations that remain,
//! each a state and the open calls that led to it. A return that leaves none is a contradiction, and it is the first
//! event at which there is one. Calls that only observe are done as soon as they can be;
//! [`antichain`](super::antichain) says which configurations are superfluous.
//!
//! What an open operation will return is not known. Until it is, the operation counts as one in doubt. When it
//! returns and turns out to be another call than the one assumed, the search goes back to the layer before its
//! invocation and comes again: so layers are kept back to the earliest invocation of an operation that is still open.
//!
//! Sound and complete at every event. Exponential in the number of open calls at worst, so it gives up when more than
//! [`SLOTS`] are open or in doubt, one return takes more than [`EXPLORED_MAX`] configurations, or more than
//! [`STORED_MAX`] must be stored.

use super::antichain::{Antichain, Configuration, Slots};
use super::object::{Conflict, Halt, Handle, Stored};
use crate::check::models::{Effect, Model};
use crate::history::ValueId;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The most calls open or in doubt at once.
pub(super) const SLOTS: u32 = u128::BITS;
/// The most configurations that one return may take.
pub(super) const EXPLORED_MAX: usize = 1 << 14;
/// The most configurations and events kept for one object.
pub(super) const STORED_MAX: usize = 1 << 18;

/// Says what a value is called from now on.
pub(super) type Name<'n> = dyn FnMut(ValueId) -> ValueId + 'n;

/// The open calls and what they can have led to.
#[derive(Clone, Debug)]
struct Layer<S> {
    configurations: Vec<Configuration<S>>,
    open: Vec<Handle>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    InDoubt,
    Returned,
}

#[derive(Debug)]
struct Record<C> {
    /// What it is as far as that is known; `None` if it has neither effect nor constraint.
    call: Option<C>,
    observes: bool,
    fate: Fate,
    bit: u128,
    /// The number of its invocation among all events.
    invoked: u64,
}

#[derive(Debug)]
enum Past<S> {
    /// An invocation, and what there was before it.
    Invoked(Handle, Layer<S>),
    Returned(Handle),
}

/// One object.
#[derive(Debug)]
pub(super) struct Layers<M: Model> {
    model: M,
    layer: Layer<M::State>,
    records: FxHashMap<Handle, Record<M::Call>>,
    slots_taken: u128,
    /// The events since the earliest invocation of an open operation.
    past: VecDeque<Past<M::State>>,
    /// The number of the first of them.
    past_begin: u64,
    /// Configurations kept in there.
    kept: usize,
    next: Handle,
}

impl<M: Model> Layers<M> {
    /// An object in one of those states.
    pub(super) fn new(model: M, states: Vec<M::State>) -> Self {
        let configurations = states.into_iter().map(|state| Configuration { state, done: 0 }).collect();
        Self {
            model,
            layer: Layer { configurations, open: Vec::new() },
            records: FxHashMap::default(),
            slots_taken: 0,
            past: VecDeque::new(),
            past_begin: 0,
            kept: 0,
            next: 0,
        }
    }

    /// An operation begins; `call` is what it is if it ends in doubt.
    pub(super) fn invoke(&mut self, call: Option<M::Call>) -> Result<Handle, Halt> {
        let slot = self.slots_taken.trailing_ones();
        if slot == SLOTS {
            return Err(Halt::GaveUp("too many calls are open or in doubt"));
        }
        let bit = 1 << slot;
        self.slots_taken |= bit;
        let handle = self.next;
        self.next += 1;
        let invoked = self.past_begin + self.past.len() as u64;
        let observes = self.observes(call.as_ref());
        self.records.insert(handle, Record { call, observes, fate: Fate::Open, bit, invoked });
        self.kept += self.layer.configurations.len();
        self.past.push_back(Past::Invoked(handle, self.layer.clone()));
        self.begin(handle);
        if self.kept + self.past.len() > STORED_MAX {
            return Err(Halt::GaveUp("too much has happened since an operation that is still open began"));
        }
        Ok(handle)
    }

    /// An operation ends; `call` is what it was.
    pub(super) fn complete(&mut self, handle: Handle, call: Option<M::Call>) -> Result<(), Halt> {
        let observes = self.observes(call.as_ref());
        let record = self.records.get_mut(&handle).expect("operations end once");
        record.fate = Fate::Returned;
        let again = (record.call != call).then_some(record.invoked);
        (record.call, record.observes) = (call, observes);
        self.slots_taken &= !record.bit;
        if let Some(event) = again {
            self.again_from(usize::try_from(event - self.past_begin).expect("it fits in memory"))?;
        }
        self.past.push_back(Past::Returned(handle));
        self.end(handle)?;
        self.forget();
        Ok(())
    }

    /// Nobody will ever know how the operation ended.
    pub(super) fn in_doubt(&mut self, handle: Handle) {
        let record = self.records.get_mut(&handle).expect("operations end once");
        record.fate = Fate::InDoubt;
        if record.call.is_none() {
            self.complete(handle, None).expect("what has neither effect nor constraint contradicts nothing");
        } else {
            self.forget();
        }
    }

    /// How much is kept.
    pub(super) fn stored(&self) -> Stored {
        Stored { calls: self.records.len(), configurations: self.layer.configurations.len() + self.kept }
    }

    /// Gives every value another name; `state` and `call` say where the values are.
    pub(super) fn rename(
        &mut self,
        name: &mut Name<'_>,
        state: fn(&mut M::State, &mut Name<'_>),
        call: fn(&mut M::Call, &mut Name<'_>),
    ) {
        let checkpoints = self.past.iter_mut().filter_map(|past| match past {
            Past::Invoked(_, layer) => Some(layer),
            Past::Returned(_) => None,
        });
        for layer in checkpoints.chain([&mut self.layer]) {
            layer.configurations.iter_mut().for_each(|configuration| state(&mut configuration.state, name));
        }
        let mut records: Vec<_> = self.records.iter_mut().collect();
        records.sort_unstable_by_key(|(handle, _)| **handle);
        for call_of_record in records.into_iter().filter_map(|(_, record)| record.call.as_mut()) {
            call(call_of_record, name);
        }
    }

    fn observes(&self, call: Option<&M::Call>) -> bool {
        call.is_some_and(|call| self.model.effect(call) == Effect::Observe)
    }

    /// Goes through the events from there on again, with what is known now.
    fn again_from(&mut self, event: usize) -> Result<(), Halt> {
        for at in event..self.past.len() {
            match &mut self.past[at] {
                Past::Invoked(handle, before) => {
                    let handle = *handle;
                    if at == event {
                        self.layer = before.clone();
                    } else {
                        self.kept += self.layer.configurations.len();
                        self.kept -= before.configurations.len();
                        *before = self.layer.clone();
                    }
                    self.begin(handle);
                }
                Past::Returned(handle) => {
                    let handle = *handle;
                    self.end(handle)?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, handle: Handle) {
        self.layer.open.push(handle);
        let record = &self.records[&handle];
        if let (true, Some(call)) = (record.observes, &record.call) {
            for configuration in &mut self.layer.configurations {
                if self.model.step(&configuration.state, call).is_some() {
                    configuration.done |= record.bit;
                }
            }
        }
    }

    /// Only what has linearized the call by now remains.
    fn end(&mut self, handle: Handle) -> Result<(), Halt> {
        let record = &self.records[&handle];
        if record.call.is_some() {
            let bit = record.bit;
            let before = std::mem::take(&mut self.layer.configurations);
            self.layer.configurations = self.block(before, bit)?;
            if self.layer.configurations.is_empty() {
                return Err(Halt::Violated(Conflict::NoOrder));
            }
        }
        self.layer.open.retain(|&open| open != handle);
        Ok(())
    }

    /// All ways to linearize open calls up to the one with that bit.
    fn block(&self, before: Vec<Configuration<M::State>>, bit: u128) -> Result<Vec<Configuration<M::State>>, Halt> {
        let moves = Moves::new(self);
        let mut seen = Antichain::new(moves.slots);
        let mut next = Antichain::new(moves.slots);
        let mut stack: Vec<_> = before.into_iter().filter(|configuration| seen.insert(configuration.clone())).collect();
        while let Some(mut configuration) = stack.pop() {
            if configuration.done & bit != 0 {
                configuration.done &= !bit;
                next.insert(configuration);
                continue;
            }
            for &(own, call) in &moves.changing {
                if configuration.done & own != 0 {
                    continue;
                }
                let Some(state) = self.model.step(&configuration.state, call) else { continue };
                let done = moves.observed(&self.model, &state, configuration.done | own);
                let reached = Configuration { state, done };
                if seen.insert(reached.clone()) {
                    stack.push(reached);
                }
            }
            if seen.added() > EXPLORED_MAX {
                return Err(Halt::GaveUp("too many orders are possible"));
            }
        }
        Ok(next.into_members())
    }

    /// Drops what lies before the earliest invocation of an open operation.
    fn forget(&mut self) {
        while let Some(first) = self.past.front() {
            match first {
                Past::Invoked(handle, _) if self.records[handle].fate == Fate::Open => break,
                Past::Invoked(_, before) => self.kept -= before.configurations.len(),
                Past::Returned(handle) => {
                    self.records.remove(handle);
                }
            }
            self.past.pop_front();
            self.past_begin += 1;
        }
    }
}

/// The open calls, sorted.
struct Moves<'l, C> {
    slots: Slots,
    changing: Vec<(u128, &'l C)>,
    observing: Vec<(u128, &'l C)>,
}

impl<'l, C> Moves<'l, C> {
    fn new<M: Model<Call = C>>(layers: &'l Layers<M>) -> Self {
        let mut moves = Self { slots: Slots::default(), changing: Vec::new(), observing: Vec::new() };
        for handle in &layers.layer.open {
            let record = &layers.records[handle];
            let Some(call) = &record.call else { continue };
            if record.observes {
                moves.slots.observing |= record.bit;
                moves.observing.push((record.bit, call));
            } else {
                moves.changing.push((record.bit, call));
            }
            if record.fate == Fate::InDoubt {
                moves.slots.doubtful |= record.bit;
            }
        }
        moves
    }

    /// With the observers that can observe this state.
    fn observed<M: Model<Call = C>>(&self, model: &M, state: &M::State, done: u128) -> u128 {
        let fitting = self.observing.iter().filter(|(bit, call)| done & bit == 0 && model.step(state, call).is_some());
        fitting.fold(done, |done, (bit, _)| done | bit)
    }
}
