//! Registers in which every value that can still be seen has one writer, judged event by event.
//!
//! Who wrote what was seen is then known, so calls are sorted into [`blocks`](super::blocks) and nothing is searched.
//! A setter joins a block when it returns or when its value is seen, whichever is first; one in doubt whose value
//! nobody has seen may as well never have happened, but may yet. Once a value is certainly overwritten before every
//! call that is still open, nothing can see it without a contradiction, and it is forgotten: seeing it later is
//! the same contradiction as seeing what nobody wrote. Writing it again is then no ambiguity.
//!
//! Sound and complete at every event, O(operations open at once) for each. Does not apply when a value is written
//! while another writer's same value can still be seen: see [`register`](super::register).

use super::blocks::Blocks;
use super::object::{Conflict, Halt, Handle, Moment, Stored};
use crate::check::models::RegisterCall;
use crate::history::ValueId;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// What is known of an operation that has not returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// What it is; `None` if it is not known to change anything.
    pub(super) call: Option<RegisterCall>,
    /// When it was invoked.
    pub(super) invoked: Moment,
    /// Whether its value was seen.
    seen: bool,
}

/// One register.
#[derive(Debug)]
pub(super) struct UniqueWriters {
    blocks: Blocks,
    /// The open operations in order of invocation, with gaps.
    open: VecDeque<Option<Pending>>,
    /// The handle of the first of them.
    open_begin: Handle,
    /// Operations in doubt whose value nobody has seen.
    in_doubt: FxHashMap<Handle, Pending>,
    /// By value: who sets it, as long as nobody has seen it.
    writers: FxHashMap<ValueId, Handle>,
}

const STALE: Halt = Halt::Violated(Conflict::NeverWrittenOrStale);

impl UniqueWriters {
    pub(super) fn new(initial: ValueId) -> Self {
        Self {
            blocks: Blocks::new(initial),
            open: VecDeque::new(),
            open_begin: 0,
            in_doubt: FxHashMap::default(),
            writers: FxHashMap::default(),
        }
    }

    /// Whether a call can be told from every other one that can still be seen.
    pub(super) fn can_tell(&self, call: Option<RegisterCall>) -> bool {
        let Some(value) = call.and_then(set) else { return true };
        !self.blocks.has(value) && !self.writers.contains_key(&value)
    }

    /// An operation begins that [`Self::can_tell`] apart.
    pub(super) fn invoke(&mut self, call: Option<RegisterCall>, now: Moment) -> Handle {
        let handle = self.open_begin + self.open.len() as u64;
        if let Some(value) = call.and_then(set) {
            self.writers.insert(value, handle);
        }
        self.open.push_back(Some(Pending { call, invoked: now, seen: false }));
        handle
    }

    /// An operation ends.
    pub(super) fn complete(&mut self, handle: Handle, call: Option<RegisterCall>, now: Moment) -> Result<(), Halt> {
        // It stays open until its consequences are drawn, so that nothing is forgotten under it.
        let at = usize::try_from(handle - self.open_begin).expect("it is open");
        let Pending { call: assumed, invoked, seen } = self.open[at].expect("operations end once");
        match call {
            Some(RegisterCall::Read(value)) => {
                self.see(value, now)?;
                self.blocks.read(value, invoked)?;
            }
            Some(RegisterCall::Cas { from, to }) if from == to => {
                self.see(from, now)?;
                self.blocks.read(from, invoked)?;
            }
            Some(RegisterCall::Write(value) | RegisterCall::Cas { to: value, .. }) => self.see(value, now)?,
            // What it saw instead is not known: left out, which can only miss a contradiction.
            Some(RegisterCall::FailedCas(_)) | None if seen => return Err(Halt::Violated(Conflict::FailedWriteSeen)),
            Some(RegisterCall::FailedCas(_)) | None => {
                if let Some(value) = assumed.and_then(set) {
                    self.writers.remove(&value);
                }
            }
        }
        self.close(handle, now);
        Ok(())
    }

    /// Nobody will ever know how the operation ended.
    pub(super) fn in_doubt(&mut self, handle: Handle, now: Moment) {
        let at = usize::try_from(handle - self.open_begin).expect("it is open");
        let pending = self.open[at].expect("operations end once");
        if !pending.seen && pending.call.and_then(set).is_some() {
            self.in_doubt.insert(handle, pending);
        }
        self.close(handle, now);
    }

    /// Whether nothing is open.
    pub(super) fn is_quiet(&self) -> bool {
        self.open.is_empty()
    }

    /// The values that the register can have when nothing is open, without what is in doubt and was not seen.
    pub(super) fn last_values(&self) -> Vec<ValueId> {
        self.blocks.last_values()
    }

    /// What is in doubt and was not seen, in order of invocation.
    pub(super) fn unseen(&self) -> Vec<(Handle, Option<RegisterCall>)> {
        let mut unseen: Vec<_> = self.in_doubt.iter().map(|(&handle, pending)| (handle, pending.call)).collect();
        unseen.sort_unstable_by_key(|&(handle, _)| handle);
        unseen
    }

    /// How many operations are in doubt and were not seen.
    pub(super) fn unseen_count(&self) -> usize {
        self.in_doubt.len()
    }

    /// How much is kept.
    pub(super) fn stored(&self) -> Stored {
        Stored { calls: self.blocks.len() + self.open.len() + self.in_doubt.len(), configurations: 0 }
    }

    /// Gives every value another name.
    pub(super) fn rename(&mut self, name: &mut dyn FnMut(ValueId) -> ValueId) {
        self.blocks.rename(name);
        let mut in_doubt: Vec<_> = self.in_doubt.iter_mut().map(|(&handle, pending)| (handle, pending)).collect();
        in_doubt.sort_unstable_by_key(|&(handle, _)| handle);
        let open = (self.open_begin..).zip(&mut self.open).filter_map(|(handle, slot)| Some((handle, slot.as_mut()?)));
        self.writers.clear();
        for (handle, pending) in open.chain(in_doubt) {
            pending.call = pending.call.map(|call| renamed(call, name));
            if let (Some(value), false) = (pending.call.and_then(set), pending.seen) {
                self.writers.insert(value, handle);
            }
        }
    }

    /// Puts the writer of a value into a block, if it is not in one, and first the writer of what that one replaced,
    /// and so on.
    fn see(&mut self, mut value: ValueId, now: Moment) -> Result<(), Halt> {
        let mut chain = Vec::new();
        while !self.blocks.has(value) {
            let handle = self.writers.remove(&value).ok_or(STALE)?;
            let pending = self.mark_seen(handle);
            match pending.call {
                Some(RegisterCall::Cas { from, to }) => {
                    chain.push((from, to, pending.invoked));
                    value = from;
                }
                _ => self.blocks.write(value, pending.invoked, now),
            }
        }
        for (from, to, invoked) in chain.into_iter().rev() {
            self.blocks.replace(from, to, invoked, now)?;
        }
        Ok(())
    }

    fn mark_seen(&mut self, handle: Handle) -> Pending {
        if let Some(pending) = self.in_doubt.remove(&handle) {
            return pending;
        }
        let at = usize::try_from(handle - self.open_begin).expect("it is open");
        let pending = self.open[at].as_mut().expect("what is not in doubt is open");
        pending.seen = true;
        *pending
    }

    fn close(&mut self, handle: Handle, now: Moment) {
        let at = usize::try_from(handle - self.open_begin).expect("it is open");
        self.open[at] = None;
        while let Some(None) = self.open.front() {
            self.open.pop_front();
            self.open_begin += 1;
        }
        let open_since = self.open.front().map_or(now + 1, |first| first.expect("gaps are gone").invoked);
        self.blocks.forget(open_since);
    }
}

/// What a call sets, if it changes anything.
pub(super) fn set(call: RegisterCall) -> Option<ValueId> {
    match call {
        RegisterCall::Write(value) => Some(value),
        RegisterCall::Cas { from, to } => (from != to).then_some(to),
        RegisterCall::Read(_) | RegisterCall::FailedCas(_) => None,
    }
}

/// The call with other names for its values.
pub(super) fn renamed(call: RegisterCall, name: &mut dyn FnMut(ValueId) -> ValueId) -> RegisterCall {
    match call {
        RegisterCall::Read(value) => RegisterCall::Read(name(value)),
        RegisterCall::FailedCas(value) => RegisterCall::FailedCas(name(value)),
        RegisterCall::Write(value) => RegisterCall::Write(name(value)),
        RegisterCall::Cas { from, to } => RegisterCall::Cas { from: name(from), to: name(to) },
    }
}
