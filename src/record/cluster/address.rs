//! Free loopback addresses for local clusters.

use crate::record::system::SystemError;
use rand::Rng;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Ports are drawn from below the range that the kernel gives to outgoing connections (32768 and up), so that
/// nothing takes one between this look and the server's own bind.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
const TRIES: usize = 2_000;

/// `count` addresses on which nothing listens now, all different.
///
/// # Errors
/// When no free port is found after many tries.
pub fn free_addresses(count: usize) -> Result<Vec<SocketAddr>, SystemError> {
    let mut random = rand::rng();
    let mut held = Vec::with_capacity(count);
    for _ in 0..TRIES {
        if held.len() == count {
            break;
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, random.random_range(PORTS)));
        if let Ok(listener) = TcpListener::bind(address) {
            held.push(listener);
        }
    }
    if held.len() < count {
        return Err(SystemError::Other(format!("no {count} free ports between {} and {}", PORTS.start, PORTS.end)));
    }
    held.iter().map(|listener| listener.local_addr().map_err(SystemError::io("reading a local address"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn addresses_are_free_and_all_different() {
        let addresses = free_addresses(12).expect("loopback has free ports");
        assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), 12);
        for address in addresses {
            TcpListener::bind(address).expect("nothing listens there");
        }
    }
}
