//! Which node a connection comes from: that of the server that owns the other socket.
//!
//! The kernel says which socket has these two addresses (`sock_diag`), and which sockets a process has (`/proc/PID/fd`);
//! that needs no rights for processes of one's own. A socket that no server of this process owns is a client's, and so is
//! one that has ended meanwhile.

use super::links::End;
use super::netlink::ask_about_socket;
use super::process;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// The owner of the connection from `peer` to `here`.
pub(super) fn of(peer: SocketAddr, here: SocketAddr) -> End {
    let Some(inode) = inode(peer, here) else { return End::Client };
    let owns = format!("socket:[{inode}]");
    let owner = process::living().into_iter().find(|(pid, _)| has(*pid, &owns));
    owner.and_then(|(_, name)| node(&name)).map_or(End::Client, End::Node)
}

/// The node of a server: `n2` and the sentinel `s2` are the second.
fn node(server: &str) -> Option<usize> {
    server.get(1..)?.parse::<usize>().ok()?.checked_sub(1)
}

/// The number of the socket at `own` that is connected to `other`.
fn inode(own: SocketAddr, other: SocketAddr) -> Option<u32> {
    // Of the answer: family, state and timers, the two ends, times and queues, the user.
    const AT: usize = 4 + 48 + 16;
    let answer = ask_about_socket(&question(own, other)?).ok()?;
    let inode = u32::from_ne_bytes(*answer.get(AT..)?.first_chunk()?);
    Some(inode).filter(|inode| *inode != 0)
}

/// Family and protocol, all states, the two ends, any interface, no cookie.
fn question(own: SocketAddr, other: SocketAddr) -> Option<Vec<u8>> {
    const INET: u8 = 2;
    const TCP: u8 = 6;
    let (IpAddr::V4(own_ip), IpAddr::V4(other_ip)) = (own.ip(), other.ip()) else { return None };
    let address = |ip: std::net::Ipv4Addr| [&ip.octets()[..], &[0; 12]].concat();
    let mut bytes = vec![INET, TCP, 0, 0];
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(own.port().to_be_bytes());
    bytes.extend(other.port().to_be_bytes());
    bytes.extend(address(own_ip));
    bytes.extend(address(other_ip));
    bytes.extend([0; 4]);
    bytes.extend([u8::MAX; 8]);
    Some(bytes)
}

fn has(pid: u32, socket: &str) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(socket)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connected_socket_is_found_by_its_two_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(here).expect("connected");
        let peer = stream.local_addr().expect("an address");
        let inode = inode(peer, here).expect("it is there");
        assert!(has(std::process::id(), &format!("socket:[{inode}]")));
        assert!(!has(std::process::id(), "socket:[0]"));
        assert_eq!(super::inode(SocketAddr::from(([127, 0, 0, 9], peer.port())), here), None);
        assert_eq!(of(peer, here), End::Client, "no server has it");
    }

    #[test]
    fn a_server_s_name_tells_its_node() {
        assert_eq!((node("n1"), node("s3"), node("n12")), (Some(0), Some(2), Some(11)));
        assert_eq!((node(""), node("n0"), node("nx")), (None, None, None));
    }
}
