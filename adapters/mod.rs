//! The systems that can be tested, one file or folder each.
//!
//! To add one: 1. write `name.rs` with a type that implements [`Adapter`]; 2. `mod name;` below; 3. one
//! entry in [`all`]. Help, `consistory list`, completions and the README's table follow from the list.

use crate::record::system::Adapter;

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
