//! Which deciders answer for which model.

use super::Ladder;
use crate::check::models::{
    Counter, FifoQueue, KvAppend, MultiRegister, Mutex, OwnedMutex, Semaphore, Set, Stack, UnorderedQueue,
    VersionedRegister,
};

impl Ladder for KvAppend {}
impl Ladder for MultiRegister {}
impl Ladder for Counter {}
impl Ladder for FifoQueue {}
impl Ladder for Mutex {}
impl Ladder for OwnedMutex {}
impl Ladder for Semaphore {}
impl Ladder for Set {}
impl Ladder for Stack {}
impl Ladder for UnorderedQueue {}
impl Ladder for VersionedRegister {}
