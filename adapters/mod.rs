//! The systems that can be tested, one file or folder each.
//!
//! To add one: 1. write `name.rs` with a type that implements [`Adapter`]; 2. `mod name;` below; 3. one
//! entry in [`all`]. Help, `consistory list`, completions and the README's table follow from the list.

use crate::record::system::{Adapter, AdapterInfo, Backend, SystemError};

mod faulty;
mod memory;

#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "zookeeper")]
mod zookeeper;

/// Every adapter, the default first.
#[must_use]
pub fn all() -> &'static [&'static dyn Adapter] {
    &[
        &memory::Memory,
        &faulty::Faulty,
        #[cfg(feature = "redis")]
        &redis::Redis,
        #[cfg(feature = "etcd")]
        &etcd::Etcd,
        #[cfg(feature = "zookeeper")]
        &zookeeper::ZooKeeper,
    ]
}

/// The adapter of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Adapter> {
    all().iter().copied().find(|adapter| adapter.info().name == name)
}

/// Refuses topologies that `info` does not list, and options other than `known`.
fn refuse_unknown(backend: &Backend, info: &AdapterInfo, known: &[&str]) -> Result<(), SystemError> {
    let list = |words: Vec<&str>| if words.is_empty() { "none".to_owned() } else { words.join(", ") };
    if !backend.topology.is_empty() && info.topologies.iter().all(|topology| topology.name != backend.topology) {
        let known = info.topologies.iter().map(|topology| topology.name).filter(|name| !name.is_empty()).collect();
        return Err(SystemError::BadOption {
            option: "topology".into(),
            value: backend.topology.clone(),
            expected: format!("{} has these: {}", info.name, list(known)),
        });
    }
    match backend.options.iter().find(|(option, _)| !known.contains(&option.as_str())) {
        Some((option, _)) => Err(SystemError::UnknownOption {
            backend: info.name.into(),
            option: option.clone(),
            known: list(known.to_vec()),
        }),
        None => Ok(()),
    }
}
