//! All objects of one history, each judged on its own: which model's calls go where.

use super::layers::Layers;
use super::object::{Conflict, Halt, Handle, Moment, Object, Stored};
use super::register::RegisterObject;
use crate::check::judge::Question;
use crate::check::models::{
    FifoQueue, KvAppend, Model, MultiRegister, MultiRegisterOptions, Mutex, NotThisModel, Register, RegisterCall,
    RegisterOptions, Semaphore, Set, Stack, UnorderedQueue, VersionedRegister, VersionedRegisterOptions,
};
use crate::history::{History, LiveHistory, LiveStep, OpId, Value, ValueId};
use rustc_hash::FxHashMap;

/// What an event showed about an object, after which that object is not judged any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Violated(Conflict),
    GaveUp(&'static str),
}

/// The objects of a history.
pub(super) trait Objects: Send {
    /// Takes the next step; what it shows is about the object with that key.
    fn take(
        &mut self,
        history: &LiveHistory,
        step: LiveStep,
        now: Moment,
    ) -> Result<Option<(ValueId, Shown)>, NotThisModel>;
    /// How much is kept of all objects together.
    fn stored(&self) -> Stored;
    /// How many objects there are.
    fn count(&self) -> usize;
    /// Whether [`Self::rename`] does anything.
    fn renames(&self) -> bool;
    /// Gives every value another name.
    fn rename(&mut self, name: &mut dyn FnMut(ValueId) -> ValueId);
}

struct ObjectsOf<M, O> {
    model: M,
    rename_model: fn(&mut M, &mut dyn FnMut(ValueId) -> ValueId),
    by_key: FxHashMap<ValueId, u32>,
    /// `None` when nothing more is to be said of it.
    objects: Vec<(ValueId, Option<Box<O>>)>,
    /// By row: its object, and what it is called there.
    rows: Vec<(u32, Handle)>,
}

impl<M: Model, O: Object<M>> ObjectsOf<M, O> {
    fn object_of(&mut self, key: ValueId) -> u32 {
        let Self { model, objects, .. } = self;
        *self.by_key.entry(key).or_insert_with(|| {
            objects.push((key, Some(Box::new(O::new(model)))));
            u32::try_from(objects.len() - 1).expect("objects are counted in 32 bits")
        })
    }

    fn invoked(&mut self, history: &LiveHistory, id: OpId, now: Moment) -> Result<Result<(), Halt>, NotThisModel> {
        let operation = history.operation(id);
        let key = if self.model.partitions_by_key() { operation.key() } else { ValueId::ABSENT };
        let at = self.object_of(key);
        if self.rows.len() <= id.index() {
            self.rows.resize(id.index() + 1, (0, 0));
        }
        self.rows[id.index()].0 = at;
        let Some(object) = &mut self.objects[at as usize].1 else { return Ok(Ok(())) };
        let call = self.model.call(&operation)?;
        Ok(object.invoke(call, now).map(|handle| self.rows[id.index()].1 = handle))
    }

    fn ended(&mut self, history: &LiveHistory, step: LiveStep, now: Moment) -> Result<Result<(), Halt>, NotThisModel> {
        let (LiveStep::Invoked(id) | LiveStep::Returned(id) | LiveStep::InDoubt(id)) = step;
        let (at, handle) = self.rows[id.index()];
        let Some(object) = &mut self.objects[at as usize].1 else { return Ok(Ok(())) };
        if let LiveStep::InDoubt(_) = step {
            object.in_doubt(handle, now);
            return Ok(Ok(()));
        }
        let call = self.model.call(&history.operation(id))?;
        Ok(object.complete(handle, call, now))
    }
}

impl<M: Model, O: Object<M> + Send> Objects for ObjectsOf<M, O> {
    fn take(
        &mut self,
        history: &LiveHistory,
        step: LiveStep,
        now: Moment,
    ) -> Result<Option<(ValueId, Shown)>, NotThisModel> {
        let (LiveStep::Invoked(id) | LiveStep::Returned(id) | LiveStep::InDoubt(id)) = step;
        let result = match step {
            LiveStep::Invoked(_) => self.invoked(history, id, now)?,
            LiveStep::Returned(_) | LiveStep::InDoubt(_) => self.ended(history, step, now)?,
        };
        let Err(halt) = result else { return Ok(None) };
        let (key, object) = &mut self.objects[self.rows[id.index()].0 as usize];
        *object = None;
        Ok(Some((
            *key,
            match halt {
                Halt::Violated(conflict) => Shown::Violated(conflict),
                Halt::GaveUp(why) => Shown::GaveUp(why),
            },
        )))
    }

    fn stored(&self) -> Stored {
        let mut stored = Stored::default();
        for object in self.objects.iter().filter_map(|(_, object)| object.as_ref()) {
            stored += object.stored();
        }
        stored
    }

    fn count(&self) -> usize {
        self.objects.len()
    }

    fn renames(&self) -> bool {
        O::RENAMES
    }

    fn rename(&mut self, name: &mut dyn FnMut(ValueId) -> ValueId) {
        (self.rename_model)(&mut self.model, name);
        self.by_key.clear();
        for (at, (key, object)) in (0..).zip(&mut self.objects) {
            *key = name(*key);
            self.by_key.insert(*key, at);
            if let Some(object) = object {
                object.rename(name);
            }
        }
    }
}

fn of<M: Model, O: Object<M> + Send + 'static>(
    model: M,
    rename_model: fn(&mut M, &mut dyn FnMut(ValueId) -> ValueId),
) -> Box<dyn Objects> {
    let (by_key, objects, rows) = (FxHashMap::default(), Vec::new(), Vec::new());
    Box::new(ObjectsOf::<M, O> { model, rename_model, by_key, objects, rows })
}

fn by_layers<M: Model>(model: M) -> Box<dyn Objects>
where
    Layers<M>: Send,
{
    of::<M, Layers<M>>(model, |_, _| ())
}

/// A register that is searched even where its writers can be told apart.
#[derive(Debug)]
struct Searched(RegisterObject);

impl Object<Register> for Searched {
    const RENAMES: bool = true;

    fn new(model: &Register) -> Self {
        Self(RegisterObject::searched(model))
    }

    fn invoke(&mut self, call: Option<RegisterCall>, now: Moment) -> Result<Handle, Halt> {
        self.0.invoke(call, now)
    }

    fn complete(&mut self, handle: Handle, call: Option<RegisterCall>, now: Moment) -> Result<(), Halt> {
        self.0.complete(handle, call, now)
    }

    fn in_doubt(&mut self, handle: Handle, now: Moment) {
        self.0.in_doubt(handle, now);
    }

    fn stored(&self) -> Stored {
        self.0.stored()
    }

    fn rename(&mut self, name: &mut dyn FnMut(ValueId) -> ValueId) {
        self.0.rename(name);
    }
}

/// The objects of a model. `None` if the model must see the whole history before it understands an operation, or if it
/// cannot start from the initial value.
pub(super) fn objects(
    model: &str,
    initial: Option<&Value>,
    question: &Question,
    search_always: bool,
    history: &mut LiveHistory,
) -> Option<Box<dyn Objects>> {
    let number = |otherwise: i64| match initial {
        None | Some(Value::Nil) => Some(otherwise),
        Some(Value::Int(number)) => Some(*number),
        Some(_) => None,
    };
    Some(match model {
        "register" | "cas-register" => {
            let failed_cas = question.failed_cas;
            let options =
                RegisterOptions { failed_cas, nil_reads_anything: question.nil_reads_anything, initial: None };
            let initial = history.intern(initial.unwrap_or(&Value::Nil));
            let model = Register::new(&History::default(), &options).with_initial_value(initial);
            let rename: fn(&mut Register, &mut dyn FnMut(ValueId) -> ValueId) =
                |model, name| *model = model.clone().with_initial_value(name(model.initial_value()));
            if search_always {
                of::<Register, Searched>(model, rename)
            } else {
                of::<Register, RegisterObject>(model, rename)
            }
        }
        "versioned-register" => {
            let initial = history.intern(initial.unwrap_or(&Value::Nil));
            by_layers(VersionedRegister::new(VersionedRegisterOptions { initial, ..Default::default() }))
        }
        "multi-register" if initial.is_none_or(|initial| *initial == Value::Nil) => {
            let nil_reads_anything = question.nil_reads_anything;
            let options = MultiRegisterOptions { initial: Vec::new(), nil_reads_anything };
            by_layers(MultiRegister::new(&History::default(), &options))
        }
        "kv-append" => by_layers(KvAppend),
        "set" => by_layers(Set),
        "fifo-queue" => by_layers(FifoQueue),
        "unordered-queue" => by_layers(UnorderedQueue),
        "stack" => by_layers(Stack),
        "mutex" => by_layers(Mutex),
        "semaphore" => {
            let permits = u32::try_from(number(1)?).ok().filter(|&permits| permits > 0)?;
            by_layers(Semaphore::new(permits))
        }
        _ => return None,
    })
}
