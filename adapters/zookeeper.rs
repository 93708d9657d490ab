//! To be written.

use crate::record::system::{Adapter, AdapterInfo, Backend, Cluster, SystemError};
use futures_util::future::BoxFuture;
use std::time::Instant;

/// To be written.
pub struct ZooKeeper;

impl Adapter for ZooKeeper {
    fn info(&self) -> &'static AdapterInfo {
        &AdapterInfo {
            name: "zookeeper",
            about: "",
            topologies: &[],
            functions: &[],
            options: &[],
            promises: &[],
            definite_failures: &[],
            programs: &[],
        }
    }

    fn start<'a>(&'a self, _: &'a Backend, _: Instant) -> BoxFuture<'a, Result<Box<dyn Cluster>, SystemError>> {
        Box::pin(async { Err(SystemError::Other("not written".into())) })
    }
}
