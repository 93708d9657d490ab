//! Every model and its deciders against brute force on random small histories.
//!
//! [`histories`] makes them and knows the truth by trying every order; [`specifications`] says what each object does,
//! in its own words and without the checker's models; [`agreement`] asks every decider of a ladder about the same
//! histories and verifies every order, every contradiction and the relation `needs`.
//!
//! `CONSISTORY_ORACLE_ROUNDS` is the number of histories for each object, `CONSISTORY_ORACLE_SEED` where they begin.

mod agreement;
mod histories;
mod reading;
mod specifications;

use agreement::agree;
use consistory::check::models::{
    Counter, CounterOptions, FifoQueue, KvAppend, MultiRegister, MultiRegisterOptions, Mutex, OwnedMutex,
    OwnedMutexKind, Semaphore, Set, Stack, UnorderedQueue, VersionStep, VersionedRegister, VersionedRegisterOptions,
};
use consistory::history::{Value, ValueId};
use specifications::{
    Container, ContainerKind, CounterKind, CounterSpec, GrowingText, Lock, LockKind, Permits, Registers, Sets, Versions,
};

#[test]
fn fifo_queues_agree_with_brute_force() {
    agree("fifo-queue", &Container::new(ContainerKind::Fifo), |_| FifoQueue, &["queue order"]);
}

#[test]
fn fifo_queues_with_repeated_values_agree_with_brute_force() {
    agree("fifo-queue-repeated", &Container::repeated(ContainerKind::Fifo), |_| FifoQueue, &[]);
}

#[test]
fn unordered_queues_agree_with_brute_force() {
    agree("unordered-queue", &Container::new(ContainerKind::Unordered), |_| UnorderedQueue, &["multiset"]);
}

#[test]
fn unordered_queues_with_repeated_values_agree_with_brute_force() {
    agree(
        "unordered-queue-repeated",
        &Container::repeated(ContainerKind::Unordered),
        |_| UnorderedQueue,
        &["multiset"],
    );
}

#[test]
fn stacks_agree_with_brute_force() {
    agree("stack", &Container::new(ContainerKind::Stack), |_| Stack, &["stack nesting"]);
}

#[test]
fn stacks_with_repeated_values_agree_with_brute_force() {
    agree("stack-repeated", &Container::repeated(ContainerKind::Stack), |_| Stack, &[]);
}

#[test]
fn counters_of_equal_steps_agree_with_brute_force() {
    agree(
        "counter",
        &CounterSpec(CounterKind::EqualSteps),
        |history| Counter::new(history, &CounterOptions::default()),
        &["equal steps"],
    );
}

#[test]
fn counters_that_count_down_agree_with_brute_force() {
    agree(
        "counter-down",
        &CounterSpec(CounterKind::Down),
        |history| Counter::new(history, &CounterOptions::default()),
        &["equal steps"],
    );
}

#[test]
fn counters_that_return_sums_agree_with_brute_force() {
    agree(
        "counter-sums",
        &CounterSpec(CounterKind::Sums),
        |history| Counter::new(history, &CounterOptions::default()),
        &[],
    );
}

#[test]
fn counters_of_any_steps_agree_with_brute_force() {
    agree(
        "counter-any",
        &CounterSpec(CounterKind::Any),
        |history| Counter::new(history, &CounterOptions::default()),
        &[],
    );
}

#[test]
fn sets_by_element_agree_with_brute_force() {
    agree(
        "set-elements",
        &Sets { elements: 3, results: true, removes: true, reads: false },
        |_| Set,
        &["set elements"],
    );
}

#[test]
fn sets_whose_additions_say_nothing_agree_with_brute_force() {
    agree("set-blind", &Sets { elements: 2, results: false, removes: true, reads: false }, |_| Set, &["set elements"]);
}

#[test]
fn growing_sets_agree_with_brute_force() {
    agree(
        "set-growing",
        &Sets { elements: 2, results: false, removes: false, reads: false },
        |_| Set,
        &["set elements"],
    );
}

#[test]
fn growing_sets_with_reads_agree_with_brute_force() {
    agree("set-reads", &Sets { elements: 6, results: false, removes: false, reads: true }, |_| Set, &["set snapshots"]);
}

#[test]
fn sets_of_everything_agree_with_brute_force() {
    agree("set-everything", &Sets { elements: 2, results: true, removes: true, reads: true }, |_| Set, &[]);
}

#[test]
fn mutexes_agree_with_brute_force() {
    agree("mutex", &Permits { permits: 1, weighted: false }, |_| Mutex, &["permits"]);
}

#[test]
fn semaphores_agree_with_brute_force() {
    agree("semaphore", &Permits { permits: 2, weighted: false }, |_| Semaphore::new(2), &["permits"]);
}

#[test]
fn semaphores_with_several_permits_at_once_agree_with_brute_force() {
    agree("semaphore-weighted", &Permits { permits: 3, weighted: true }, |_| Semaphore::new(3), &[]);
}

#[test]
fn owner_mutexes_agree_with_brute_force() {
    agree(
        "owner-mutex",
        &Lock(LockKind::Owner),
        |history| OwnedMutex::new(history, OwnedMutexKind::Owner),
        &["sessions"],
    );
}

#[test]
fn reentrant_mutexes_agree_with_brute_force() {
    agree(
        "reentrant-mutex",
        &Lock(LockKind::Reentrant),
        |history| OwnedMutex::new(history, OwnedMutexKind::Reentrant),
        &["sessions"],
    );
}

#[test]
fn fenced_mutexes_agree_with_brute_force() {
    agree(
        "fenced-mutex",
        &Lock(LockKind::Fenced),
        |history| OwnedMutex::new(history, OwnedMutexKind::Fenced),
        &["sessions"],
    );
}

#[test]
fn versioned_registers_agree_with_brute_force() {
    agree("versioned-register", &Versions { skip: false }, |_| VersionedRegister::default(), &["versions"]);
}

#[test]
fn registers_whose_versions_skip_agree_with_brute_force() {
    let options = VersionedRegisterOptions { initial: ValueId::NIL, step: VersionStep::Any };
    agree("versioned-register-any", &Versions { skip: true }, move |_| VersionedRegister::new(options), &["versions"]);
}

#[test]
fn multi_registers_agree_with_brute_force() {
    let initial = vec![(Value::text("x"), Value::Int(0))];
    let options = MultiRegisterOptions { initial, nil_reads_anything: false };
    agree("multi-register", &Registers, move |history| MultiRegister::new(history, &options), &["search"]);
}

#[test]
fn growing_texts_agree_with_brute_force() {
    agree("kv-append", &GrowingText, |_| KvAppend, &["search"]);
}
