//! Which node a connection comes from: that of the server that owns the other socket.
//!
//! The kernel says which socket has an address (`/proc/net/tcp`), and which sockets a process has (`/proc/PID/fd`); that
//! needs no rights for processes of one's own. A socket that no server of this process owns is a client's.

use super::links::End;
use super::process;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// The owner of the connection whose other end has that address.
pub(super) fn of(peer: SocketAddr) -> End {
    let look = |table: &&str| inode(&std::fs::read_to_string(table).unwrap_or_default(), peer).map(str::to_owned);
    let Some(inode) = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(look) else { return End::Client };
    let owns = format!("socket:[{inode}]");
    let owner = process::living().into_iter().find(|(pid, _)| has(*pid, &owns));
    owner.and_then(|(_, name)| node(&name)).map_or(End::Client, End::Node)
}

/// The node of a server: `n2` and the sentinel `s2` are the second.
fn node(server: &str) -> Option<usize> {
    server.get(1..)?.parse::<usize>().ok()?.checked_sub(1)
}

/// The socket with that address of its own.
fn inode(table: &str, peer: SocketAddr) -> Option<&str> {
    let IpAddr::V4(ip) = peer.ip() else { return None };
    let wanted = format!("{:08X}:{:04X}", u32::from_le_bytes(ip.octets()), peer.port());
    let mut lines = table.lines().skip(1);
    let found = lines.find_map(|line| {
        let mut fields = line.split_whitespace();
        // An address of version 4 ends one of version 6.
        fields.nth(1).filter(|address| address.ends_with(&wanted))?;
        fields.nth(7)
    });
    found.filter(|inode| *inode != "0")
}

fn has(pid: u32, socket: &str) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(socket)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
   2: 0200007F:C350 0100007F:1F90 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0 0 0 0 0 0 0
   3: 0000000000000000FFFF00000100007F:C351 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 0 0 4713 1 0
";

    #[test]
    fn a_socket_is_found_by_its_own_address() {
        let found = |address: &str| inode(TABLE, address.parse().expect("an address"));
        assert_eq!(found("127.0.0.1:50000"), Some("4712"));
        assert_eq!(found("127.0.0.1:50001"), Some("4713"));
        assert_eq!(found("127.0.0.2:50000"), None, "it has ended");
        assert_eq!(found("127.0.0.3:50000"), None);
    }

    #[test]
    fn a_server_s_name_tells_its_node() {
        assert_eq!((node("n1"), node("s3"), node("n12")), (Some(0), Some(2), Some(11)));
        assert_eq!((node(""), node("n0"), node("nx")), (None, None, None));
    }
}
