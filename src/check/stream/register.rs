//! A register: without search as long as writers can be told apart, by layers once they cannot.
//!
//! [`UniqueWriters`] forgets the past, so a search cannot begin at the beginning. It begins at the last moment at which
//! nothing was open: the values that the register could have then are known exactly, and the events since are kept.
//! If those are more than [`LOG_MAX`], or more than [`UNSEEN_MAX`] operations were in doubt then, there is no place to
//! begin, and an object whose writers become ambiguous is given up.

use super::layers::Layers;
use super::object::{Halt, Handle, Moment, Object, Stored};
use super::unique_writers::{UniqueWriters, renamed};
use crate::check::models::{FailedCas, Register, RegisterCall};
use crate::history::ValueId;
use rustc_hash::FxHashMap;

/// The most events kept for a search to begin with.
const LOG_MAX: usize = 1 << 12;
/// The most operations in doubt that a search begins with.
const UNSEEN_MAX: usize = 16;

#[derive(Clone, Copy, Debug)]
enum Logged {
    Invoked(Handle, Option<RegisterCall>),
    Completed(Handle, Option<RegisterCall>),
    InDoubt(Handle),
}

/// One register.
#[derive(Debug)]
pub(super) struct RegisterObject {
    model: Register,
    judge: Judge,
}

#[derive(Debug)]
enum Judge {
    Unique { writers: UniqueWriters, log: Log },
    Layers { layers: Box<Layers<Register>>, handles: FxHashMap<Handle, Handle>, next: Handle },
}

/// The events since a moment at which nothing was open.
#[derive(Debug)]
struct Log {
    /// What the register could hold then.
    values: Vec<ValueId>,
    /// `None` if there were too many.
    events: Option<Vec<Logged>>,
}

impl Log {
    fn push(&mut self, event: Logged) {
        if self.events.as_ref().is_some_and(|events| events.len() >= LOG_MAX) {
            self.events = None;
        }
        if let Some(events) = &mut self.events {
            events.push(event);
        }
    }

    /// Begins again if nothing is open.
    fn begin_again(&mut self, writers: &UniqueWriters) {
        if !writers.is_quiet() {
            return;
        }
        self.values = writers.last_values();
        let mut events = self.events.take().unwrap_or_default();
        events.clear();
        if writers.unseen_count() <= UNSEEN_MAX {
            let unseen = writers.unseen().into_iter();
            events.extend(unseen.flat_map(|(handle, call)| [Logged::Invoked(handle, call), Logged::InDoubt(handle)]));
            self.events = Some(events);
        }
    }

    /// A search that has seen all of this.
    fn replay(self, model: &Register) -> Result<Judge, Halt> {
        let events = self.events.ok_or(Halt::GaveUp("a value was written again while its first writer matters"))?;
        let mut layers = Box::new(Layers::new(model.clone(), self.values));
        let mut handles = FxHashMap::default();
        let mut next = 0;
        for event in events {
            match event {
                Logged::Invoked(handle, call) => {
                    handles.insert(handle, layers.invoke(call)?);
                    next = next.max(handle + 1);
                }
                Logged::Completed(handle, call) => layers.complete(forget(&mut handles, handle), call)?,
                Logged::InDoubt(handle) => layers.in_doubt(forget(&mut handles, handle)),
            }
        }
        Ok(Judge::Layers { layers, handles, next })
    }
}

fn forget(handles: &mut FxHashMap<Handle, Handle>, handle: Handle) -> Handle {
    handles.remove(&handle).expect("operations end once")
}

impl RegisterObject {
    /// A register that is searched from its first operation on.
    pub(super) fn searched(model: &Register) -> Self {
        let layers = Box::new(Layers::new(model.clone(), vec![model.initial_value()]));
        Self { model: model.clone(), judge: Judge::Layers { layers, handles: FxHashMap::default(), next: 0 } }
    }
}

impl Object<Register> for RegisterObject {
    const RENAMES: bool = true;

    fn new(model: &Register) -> Self {
        // What a failed compare-and-set did not see has no place among blocks.
        if model.failed_cas() == FailedCas::Observe {
            return Self::searched(model);
        }
        let initial = model.initial_value();
        let log = Log { values: vec![initial], events: Some(Vec::new()) };
        Self { model: model.clone(), judge: Judge::Unique { writers: UniqueWriters::new(initial), log } }
    }

    fn invoke(&mut self, call: Option<RegisterCall>, now: Moment) -> Result<Handle, Halt> {
        if let Judge::Unique { writers, log } = &mut self.judge
            && !writers.can_tell(call)
        {
            let log = std::mem::replace(log, Log { values: Vec::new(), events: None });
            self.judge = log.replay(&self.model)?;
        }
        match &mut self.judge {
            Judge::Unique { writers, log } => {
                let handle = writers.invoke(call, now);
                log.push(Logged::Invoked(handle, call));
                Ok(handle)
            }
            Judge::Layers { layers, handles, next } => {
                let handle = *next;
                *next += 1;
                handles.insert(handle, layers.invoke(call)?);
                Ok(handle)
            }
        }
    }

    fn complete(&mut self, handle: Handle, call: Option<RegisterCall>, now: Moment) -> Result<(), Halt> {
        match &mut self.judge {
            Judge::Unique { writers, log } => {
                writers.complete(handle, call, now)?;
                log.push(Logged::Completed(handle, call));
                log.begin_again(writers);
                Ok(())
            }
            Judge::Layers { layers, handles, .. } => layers.complete(forget(handles, handle), call),
        }
    }

    fn in_doubt(&mut self, handle: Handle, now: Moment) {
        match &mut self.judge {
            Judge::Unique { writers, log } => {
                writers.in_doubt(handle, now);
                log.push(Logged::InDoubt(handle));
                log.begin_again(writers);
            }
            Judge::Layers { layers, handles, .. } => layers.in_doubt(forget(handles, handle)),
        }
    }

    fn stored(&self) -> Stored {
        match &self.judge {
            Judge::Unique { writers, log } => {
                let mut stored = writers.stored();
                stored.calls += log.events.as_ref().map_or(0, Vec::len);
                stored
            }
            Judge::Layers { layers, .. } => layers.stored(),
        }
    }

    fn rename(&mut self, name: &mut dyn FnMut(ValueId) -> ValueId) {
        let initial = name(self.model.initial_value());
        self.model = self.model.clone().with_initial_value(initial);
        match &mut self.judge {
            Judge::Unique { writers, log } => {
                writers.rename(name);
                log.values.iter_mut().for_each(|value| *value = name(*value));
                for event in log.events.iter_mut().flatten() {
                    if let Logged::Invoked(_, Some(call)) | Logged::Completed(_, Some(call)) = event {
                        *call = renamed(*call, name);
                    }
                }
            }
            Judge::Layers { layers, .. } => layers.rename(
                name,
                |state, name| *state = name(*state),
                |call, name| {
                    *call = renamed(*call, name);
                },
            ),
        }
    }
}
