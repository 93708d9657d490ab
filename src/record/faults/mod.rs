//! What can be done to a running cluster, one file for each fault.
//!
//! A fault acts, reads back what became of it, and can be undone at any time, also when nobody asks for it any more:
//! an [`Acting`] fault is a guard that heals when it is dropped. How to undo it is in the run's [`journal`] before it
//! acts. Faults call blocking commands and wait for the kernel, so they run off the threads that clients run on.
//!
//! To add one: 1. write `name.rs` with a type that implements [`Fault`]; 2. `mod name;` below; 3. one entry in [`all`].
//! Help, `consistory list` and the documentation's table follow from the list.

pub use acting::Acting;
pub use fault::{Facts, Fault, FaultInfo, Unhealed};
pub use scene::Scene;

mod acting;
pub mod background;
mod client_pause;
mod clock;
mod delay;
mod disk_full;
mod disk_stall;
mod fault;
pub mod feasible;
pub mod hook;
pub mod journal;
mod kill;
mod loss;
pub mod means;
mod membership;
pub mod need;
pub mod nemesis;
mod partition;
mod pause;
mod power_cut;
mod probe;
pub mod process;
mod reset;
mod restart;
mod rules;
mod scene;
pub mod schedule;
mod setting;
mod shell;
mod slot_migration;
mod slow;
pub(super) mod stage;
pub mod target;
mod vdso;

/// Every fault.
#[must_use]
pub fn all() -> &'static [&'static dyn Fault] {
    &[
        &kill::Kill,
        &pause::Pause,
        &restart::Restart,
        &partition::PARTITION,
        &partition::ONE_WAY,
        &partition::RING,
        &loss::LOSS,
        &delay::DELAY,
        &delay::JITTER,
        &slow::SLOW,
        &reset::RESET,
        &hook::HOOK,
        &disk_stall::DiskStall,
        &disk_full::DiskFull,
        &power_cut::PowerCut,
        &client_pause::ClientPause,
        &clock::JUMP,
        &clock::SKEW,
        &membership::Membership,
        &slot_migration::SlotMigration,
    ]
}

/// The fault of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Fault> {
    all().iter().copied().find(|fault| fault.info().name == name)
}

/// The fault of that name with what is set after an equals sign, such as `delay=50ms`.
///
/// # Errors
/// What there is instead, in words.
pub fn parse(text: &str) -> Result<&'static dyn Fault, String> {
    let (name, setting) = text.split_once('=').map_or((text, None), |(name, setting)| (name, Some(setting)));
    let fault = find(name).ok_or_else(|| {
        let known: Vec<_> = all().iter().map(|fault| fault.info().name).collect();
        format!("there is no fault '{name}'; there are: {}", known.join(", "))
    })?;
    match setting {
        None => Ok(fault),
        // A command has a handful of faults, which it needs to its end.
        Some(setting) => fault.with(setting).map(|fault| &*Box::leak(fault)),
    }
}

/// A fault as [`parse`] reads it.
#[must_use]
pub fn words(fault: &dyn Fault) -> String {
    let name = fault.info().name;
    fault.setting().map_or_else(|| name.to_owned(), |setting| format!("{name}={setting}"))
}
