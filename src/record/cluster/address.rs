//! Free addresses for local clusters: on loopback, or in the namespaces of a network.

use super::links::Links;
use super::network::Network;
use crate::record::system::SystemError;
use parking_lot::Mutex;
use rand::Rng;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixListener};

/// Ports are drawn from below the range that the kernel gives to outgoing connections (32768 and up), so that
/// nothing takes one between this look and the server's own bind.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
const TRIES: usize = 2_000;
/// So many claims are held, the latest ones: more than the servers and proxies of one cluster.
const CLAIMS_MAX: usize = 256;
/// The first port in a namespace, where nobody else listens.
const FIRST_PORT: u16 = 7_001;

/// `ports` addresses for each of `nodes` nodes.
///
/// # Errors
/// When loopback has not enough free ports, or the network not enough places.
pub fn addresses(network: Option<&Network>, nodes: usize, ports: usize) -> Result<Vec<Vec<SocketAddr>>, SystemError> {
    let Some(network) = network else {
        let free = free_addresses(nodes * ports)?;
        return Ok(free.chunks_exact(ports).map(<[SocketAddr]>::to_vec).collect());
    };
    let of_node = |node| {
        let ip = network.ip(node)?;
        Ok((FIRST_PORT..).take(ports).map(|port| SocketAddr::from((ip, port))).collect())
    };
    (0..nodes).map(of_node).collect()
}

/// Where others reach those servers, an address for each of the same nodes: at proxies, if there are any.
///
/// # Errors
/// When loopback has not enough free ports.
pub fn announced(links: Option<&Links>, own: &[Vec<SocketAddr>]) -> Result<Vec<Vec<SocketAddr>>, SystemError> {
    let Some(links) = links else { return Ok(own.to_vec()) };
    let of_node = |(node, own): (usize, &Vec<SocketAddr>)| own.iter().map(|&own| links.announce(node, own)).collect();
    own.iter().enumerate().map(of_node).collect()
}

/// The address at which the server itself listens that is announced at this one.
#[must_use]
pub fn own(links: Option<&Links>, announced: SocketAddr) -> SocketAddr {
    links.map_or(announced, |links| links.behind(announced))
}

/// Ports that were given out and on which perhaps nobody listens yet.
static CLAIMS: Mutex<VecDeque<UnixListener>> = Mutex::new(VecDeque::new());

/// Whether a port could be claimed: it is given out neither here nor in another process of this program, however long its
/// server takes to bind it. An abstract name tells that to all, and is gone with the process.
fn claim(port: u16) -> bool {
    let name = net::SocketAddr::from_abstract_name(format!("consistory-port-{port}"));
    let Ok(claim) = name.and_then(|name| UnixListener::bind_addr(&name)) else { return false };
    let mut claims = CLAIMS.lock();
    claims.push_back(claim);
    if claims.len() > CLAIMS_MAX {
        claims.pop_front();
    }
    true
}

/// `count` addresses on which nothing listens now and that nobody else was given, all different.
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
        if let Ok(listener) = TcpListener::bind(address)
            && claim(address.port())
        {
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

    #[test]
    fn a_port_is_given_out_once_even_while_nobody_listens_there() {
        let mut seen = BTreeSet::new();
        for _ in 0..CLAIMS_MAX / 2 {
            let address = free_addresses(1).expect("loopback has free ports")[0];
            assert!(seen.insert(address), "{address} was given out twice");
            assert!(!claim(address.port()), "{address} could be claimed twice");
        }
    }
}
