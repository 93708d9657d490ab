//! Messages to and from the kernel: the few that a queue of packets needs, and the question about a socket.
//!
//! The format is that of `linux/netlink.h` and `linux/netfilter/nfnetlink.h`: a header of sixteen bytes in the machine's
//! byte order, four bytes of netfilter's own, then attributes, each with its length and kind, padded to four bytes.
//! Knows nothing of routes and links.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{bind, recv, sendto, socket_with, sockopt};
use std::io;

/// This message asks for something.
const REQUEST: u16 = 1;
/// And wants to hear whether it was done.
const ACKNOWLEDGE: u16 = 4;
/// Creates what is not there, at the end of its list.
pub(super) const CREATE_AT_THE_END: u16 = 0x400 | 0x800;
/// The kind of an answer: an error number, 0 for done.
const ANSWER: u16 = 2;
const HEADER: usize = 16;
/// Netfilter's own header: family, version, resource.
const OWN_HEADER: usize = 4;
/// Packets that wait for the thread that reads them, in bytes.
const BUFFER_BYTES: usize = 8 << 20;
/// More than one answer of the kernel.
pub(super) const ANSWER_BYTES: usize = 64 << 10;

/// A socket to the packet filter of the network namespace that its opener was in.
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// A message without its header.
pub(super) struct Message<'m> {
    /// The subsystem and what it is to do.
    pub(super) kind: (u8, u8),
    /// Further flags.
    pub(super) flags: u16,
    /// The protocol family.
    pub(super) family: u8,
    /// The queue, or the subsystem of a batch.
    pub(super) resource: u16,
    /// The attributes, padded.
    pub(super) attributes: &'m [u8],
}

impl Netlink {
    /// Opens a socket.
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(NETFILTER))?;
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER_BYTES)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// To wait for something to read.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends it and waits until it is done.
    pub(super) fn ask(&mut self, message: &Message<'_>) -> io::Result<()> {
        let bytes = self.bytes(message, ACKNOWLEDGE);
        self.send(&bytes)?;
        self.answer()
    }

    /// Sends it between the marks of a batch for that subsystem, and waits until it is done.
    pub(super) fn ask_in_batch(&mut self, subsystem: u8, message: &Message<'_>) -> io::Result<()> {
        const BEGIN: (u8, u8) = (0, 16);
        const END: (u8, u8) = (0, 17);
        let mark = |kind| Message { kind, flags: 0, family: 0, resource: subsystem.into(), attributes: &[] };
        let mut bytes = self.bytes(&mark(BEGIN), 0);
        bytes.extend(self.bytes(message, ACKNOWLEDGE));
        bytes.extend(self.bytes(&mark(END), 0));
        self.send(&bytes)?;
        self.answer()
    }

    /// Sends it and does not wait for an answer: there is none unless it is refused.
    pub(super) fn tell(&mut self, message: &Message<'_>) -> io::Result<()> {
        let bytes = self.bytes(message, 0);
        self.send(&bytes)
    }

    /// What the kernel has to say now, without waiting; `None` if nothing.
    pub(super) fn hear<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        match recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) => Ok(Some(&buffer[..length])),
            // Packets came faster than they were read; those go on undelayed, or are dropped by an older kernel.
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        sendto(&self.socket, bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        Ok(())
    }

    /// The kernel answers before `send` returns, so nothing has to be waited for.
    fn answer(&self) -> io::Result<()> {
        let mut buffer = vec![0; ANSWER_BYTES];
        while let Some(heard) = self.hear(&mut buffer)? {
            for (kind, body) in messages(heard) {
                if kind == ANSWER {
                    let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                    return if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) };
                }
            }
        }
        Err(io::Error::other("the packet filter did not answer"))
    }

    fn bytes(&mut self, message: &Message<'_>, flags: u16) -> Vec<u8> {
        self.sequence += 1;
        let (subsystem, what) = message.kind;
        let kind = u16::from(subsystem) << 8 | u16::from(what);
        let length = OWN_HEADER + message.attributes.len();
        let mut bytes = header(length, kind, REQUEST | flags | message.flags, self.sequence);
        bytes.extend([message.family, 0]);
        bytes.extend(message.resource.to_be_bytes());
        bytes.extend(message.attributes);
        bytes
    }
}

/// Asks about one socket; the kernel's description of it.
///
/// # Errors
/// When there is no such socket, or the kernel cannot be asked.
pub(super) fn ask_about_socket(question: &[u8]) -> io::Result<Vec<u8>> {
    const BY_FAMILY: u16 = 20;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    let bytes = [header(question.len(), BY_FAMILY, REQUEST, 1), question.to_vec()].concat();
    sendto(&socket, &bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut buffer = vec![0; ANSWER_BYTES];
    let (length, _) = recv(&socket, &mut *buffer, RecvFlags::DONTWAIT)?;
    let found = messages(&buffer[..length]).into_iter().find(|(kind, _)| *kind == BY_FAMILY);
    found.map(|(_, body)| body.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn header(body: usize, kind: u16, flags: u16, sequence: u32) -> Vec<u8> {
    let length = u32::try_from(HEADER + body).expect("messages are short");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes
}

/// One attribute.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("attributes are short");
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An attribute that holds others.
pub(super) fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    const NESTED: u16 = 0x8000;
    attribute(kind | NESTED, &attributes.concat())
}

/// A text as the kernel wants it.
pub(super) fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// The messages in what was heard: their kinds and what follows the header.
pub(super) fn messages(mut heard: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some((header, _)) = heard.split_first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if length < HEADER || length > heard.len() {
            break;
        }
        found.push((u16::from_ne_bytes([header[4], header[5]]), &heard[HEADER..length]));
        heard = heard.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The value of an attribute of a message of netfilter's, whose own header comes first.
pub(super) fn value(body: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = body.get(OWN_HEADER..)?;
    while let Some((header, _)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        if length < 4 || length > rest.len() {
            return None;
        }
        // The two highest bits are flags.
        if u16::from_ne_bytes([header[2], header[3]]) & 0x3FFF == wanted {
            return Some(&rest[4..length]);
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_found_among_others_and_a_torn_one_is_not() {
        let attributes = [attribute(1, b"abc"), nested(2, &[attribute(7, &[1])]), attribute(3, &[9])].concat();
        let body = [vec![0; OWN_HEADER], attributes].concat();
        assert_eq!(value(&body, 1), Some(&b"abc"[..]));
        assert_eq!(value(&body, 2).map(<[u8]>::len), Some(8));
        assert_eq!(value(&body, 3), Some(&[9][..]));
        assert_eq!(value(&body, 4), None);
        assert_eq!(value(&body[..body.len() - 4], 3), None);
    }

    #[test]
    fn messages_are_told_apart_and_a_torn_one_is_left_out() {
        let message = |kind: u16, body: &[u8]| {
            let length = u32::try_from(HEADER + body.len()).expect("short");
            let header = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10]].concat();
            let mut bytes = [header, body.to_vec()].concat();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let heard = [message(5, &[1, 2, 3]), message(6, &[4; 8])].concat();
        assert_eq!(messages(&heard), [(5, &[1, 2, 3][..]), (6, &[4; 8][..])]);
        assert_eq!(messages(&heard[..heard.len() - 1]).len(), 1);
        assert_eq!(messages(&[0; 40]), []);
    }
}
