//! Each adapter against real servers, through its traits.

mod etcd;
mod redis;
mod zookeeper;
