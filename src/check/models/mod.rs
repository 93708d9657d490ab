//! Sequential specifications: what each operation does when nothing else happens.
//!
//! To add one: 1. write `name.rs` with a type that implements [`Model`] and its [`ModelInfo`]; 2. `mod name;`
//! below; 3. one entry in [`all`]. Which deciders answer for it is said in `check::linearizable::ladders`.

mod container_call;
mod counter;
mod fifo_queue;
mod kv_append;
mod model;
mod multi_register;
mod mutex;
mod not_this_model;
mod owned_mutex;
mod register;
mod semaphore;
mod set;
mod stack;
mod unordered_queue;
mod versioned_register;

pub use container_call::ContainerCall;
pub use counter::{AddAnswer, Counter, CounterCall, CounterOptions};
pub use fifo_queue::{FifoQueue, FifoState};
pub use kv_append::{KvAppend, KvAppendCall};
pub use model::{Effect, Model};
pub use multi_register::{Access, MultiRegister, MultiRegisterOptions, MultiRegisterState, Transaction};
pub use mutex::{Mutex, MutexCall};
pub use not_this_model::NotThisModel;
pub use owned_mutex::{OwnedMutex, OwnedMutexCall, OwnedMutexKind, OwnedMutexState};
pub use register::{FailedCas, Register, RegisterCall, RegisterOptions};
pub use semaphore::{Semaphore, SemaphoreCall};
pub use set::{Set, SetCall, SetState};
pub use stack::{Stack, StackState};
pub use unordered_queue::{UnorderedQueue, UnorderedState};
pub use versioned_register::{
    VersionStep, VersionedCall, VersionedKind, VersionedRegister, VersionedRegisterOptions, VersionedState,
};

/// What `consistory list models` says about a model.
#[derive(Clone, Copy, Debug)]
pub struct ModelInfo {
    /// The word of `--model`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// The functions of the history with their values, in words.
    pub functions: &'static str,
}

/// Every model.
#[must_use]
pub fn all() -> &'static [ModelInfo] {
    &[
        register::REGISTER,
        register::CAS_REGISTER,
        versioned_register::VERSIONED_REGISTER,
        multi_register::MULTI_REGISTER,
        kv_append::KV_APPEND,
        counter::COUNTER,
        set::SET,
        fifo_queue::FIFO_QUEUE,
        unordered_queue::UNORDERED_QUEUE,
        stack::STACK,
        mutex::MUTEX,
        owned_mutex::OWNER_MUTEX,
        owned_mutex::REENTRANT_MUTEX,
        owned_mutex::FENCED_MUTEX,
        semaphore::SEMAPHORE,
    ]
}
