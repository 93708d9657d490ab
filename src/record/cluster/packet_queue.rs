//! Packets that are held for a while: a queue of the kernel's packet filter, emptied by a thread of ours.
//!
//! The usual means for delays, the queueing discipline netem, is not in many kernels; the queue (NFQUEUE) is in most. The
//! rule that fills it is added over netlink, since `nft` can only write the one of two forms that not every kernel has.
//!
//! Contract: the queue lets packets through when nobody empties it (`bypass`), and when it is full, so a killed consistory
//! cuts nobody off; what is held at that moment is lost, and TCP sends it again. [`PacketQueue::close`] lets everything go
//! that is still held. Packets may overtake each other where their delays differ.

use super::netlink::{ANSWER_BYTES, CREATE_AT_THE_END, Message, Netlink, attribute, messages, nested, text, value};
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The subsystem of queues, with what one can ask of it and hear from it.
const QUEUE: u8 = 3;
const PACKET: u16 = (QUEUE as u16) << 8;
const VERDICT: u8 = 1;
const CONFIGURE: u8 = 2;
/// The subsystem of rules, and to make a new one.
const RULES: u8 = 10;
const NEW_RULE: u8 = 6;
/// The family of tables for all protocols of the internet.
const INET: u8 = 1;
/// Numbers of queues to try: other faults may hold some.
const NUMBERS: std::ops::Range<u16> = 1..64;
/// How many packets are held at most.
const PACKETS_MAX: u32 = 1 << 16;
/// How soon a thread hears that it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// For how long packets are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// At least.
    pub least: Duration,
    /// At most; drawn for each packet.
    pub most: Duration,
}

impl Hold {
    /// The time for one packet.
    pub fn draw(&self, random: &mut SmallRng) -> Duration {
        if self.most > self.least { random.random_range(self.least..=self.most) } else { self.least }
    }
}

/// What a queue has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many packets (or pieces of a stream).
    pub packets: u64,
    /// How long all of them together.
    pub time: Duration,
}

impl Held {
    /// Adds what another one has done.
    pub fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.time += other.time;
    }

    /// How long one was held on average.
    #[must_use]
    pub fn mean(&self) -> Duration {
        u32::try_from(self.packets).map_or(Duration::ZERO, |packets| self.time.checked_div(packets).unwrap_or_default())
    }
}

/// A queue and its thread; dropping it ends both.
#[derive(Debug)]
pub struct PacketQueue {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Held>>,
}

impl PacketQueue {
    /// Holds every packet of a namespace that comes to the chain of that table (of family `inet`).
    ///
    /// # Errors
    /// What the kernel refuses, in words.
    pub fn open(namespace: &str, table: &str, chain: &str, hold: Hold, seed: u64) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, opened) = channel();
        let (over, namespace) = (Arc::clone(&stop), Path::new("/var/run/netns").join(namespace));
        let (table, chain) = (table.to_owned(), chain.to_owned());
        let work = move || {
            let opened = enter(&namespace).and_then(|()| fill(&table, &chain));
            hold_all(opened, hold, SmallRng::seed_from_u64(seed), &over, &ready)
        };
        let thread = std::thread::Builder::new().name("packet queue".into()).spawn(work);
        let thread = thread.map_err(|error| format!("no thread for a packet queue: {error}"))?;
        let queue = Self { stop, thread: Some(thread) };
        opened.recv().unwrap_or_else(|_| Err("its thread has ended".into()))?;
        Ok(queue)
    }

    /// Lets go what is held, and what comes from now on; what it has done. Its rule should be gone by now.
    #[must_use]
    pub fn close(mut self) -> Held {
        self.end()
    }

    fn end(&mut self) -> Held {
        self.stop.store(true, Ordering::Release);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for PacketQueue {
    fn drop(&mut self) {
        self.end();
    }
}

/// Moves this thread, and only this one, into a network namespace.
fn enter(namespace: &Path) -> io::Result<()> {
    let namespace = File::open(namespace)?;
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Takes a queue and adds the rule that fills it.
fn fill(table: &str, chain: &str) -> io::Result<(Netlink, u16)> {
    const BUSY: i32 = Errno::BUSY.raw_os_error();
    const UNKNOWN: i32 = Errno::NOENT.raw_os_error();
    let mut netlink = Netlink::open()?;
    let mut taken = None;
    for number in NUMBERS {
        match take(&mut netlink, number) {
            Err(error) if error.raw_os_error() == Some(BUSY) => {}
            result => {
                result?;
                taken = Some(number);
                break;
            }
        }
    }
    let number = taken.ok_or_else(|| io::Error::other("no free packet queue"))?;
    let mut add = |expression: Vec<u8>| {
        let names = [attribute(1, &text(table)), attribute(2, &text(chain))].concat();
        let attributes = [names, nested(4, &[nested(1, &[expression])])].concat();
        let kind = (RULES, NEW_RULE);
        let message = Message { kind, flags: CREATE_AT_THE_END, family: INET, resource: 0, attributes: &attributes };
        netlink.ask_in_batch(RULES, &message)
    };
    match add(own_expression(number)) {
        Err(error) if error.raw_os_error() == Some(UNKNOWN) => add(borrowed_expression(number))?,
        result => result?,
    }
    Ok((netlink, number))
}

/// Binds the queue of that number: packets without their contents, let through if there are too many, not split.
fn take(netlink: &mut Netlink, number: u16) -> io::Result<()> {
    const BIND: u8 = 1;
    const WITHOUT_CONTENTS: u8 = 1;
    const LET_THROUGH: u32 = 1;
    const NOT_SPLIT: u32 = 4;
    let flags = (LET_THROUGH | NOT_SPLIT).to_be_bytes();
    let command = attribute(1, &[BIND, 0, 0, 0]);
    let settings = [
        attribute(2, &[0, 0, 0, 0, WITHOUT_CONTENTS]),
        attribute(3, &PACKETS_MAX.to_be_bytes()),
        attribute(4, &flags),
        attribute(5, &flags),
    ];
    for attributes in [command, settings.concat()] {
        let message =
            Message { kind: (QUEUE, CONFIGURE), flags: 0, family: 0, resource: number, attributes: &attributes };
        netlink.ask(&message)?;
    }
    Ok(())
}

/// The packet filter's own way to queue.
fn own_expression(number: u16) -> Vec<u8> {
    const BYPASS: u16 = 1;
    let numbers = [attribute(1, &number.to_be_bytes()), attribute(2, &1_u16.to_be_bytes())].concat();
    let data = [numbers, attribute(3, &BYPASS.to_be_bytes())];
    [attribute(1, &text("queue")), nested(2, &data)].concat()
}

/// The way of iptables, through the packet filter's bridge to it: number, how many, flags, in the machine's order.
fn borrowed_expression(number: u16) -> Vec<u8> {
    const BYPASS: u16 = 1;
    const REVISION: u32 = 3;
    let numbers = [number, 1, BYPASS, 0].map(u16::to_ne_bytes).concat();
    let name = [attribute(1, &text("NFQUEUE")), attribute(2, &REVISION.to_be_bytes())].concat();
    [attribute(1, &text("target")), nested(2, &[name, attribute(3, &numbers)])].concat()
}

/// A packet: when it may go, when it came, its number.
type Waiting = Reverse<(Instant, Instant, u32)>;

/// The thread's work.
fn hold_all(
    opened: io::Result<(Netlink, u16)>,
    hold: Hold,
    mut random: SmallRng,
    over: &AtomicBool,
    ready: &Sender<Result<(), String>>,
) -> Held {
    let mut done = Held::default();
    let (mut netlink, number) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            // The opener waits for it.
            let _ = ready.send(Err(format!("no packet queue: {error}")));
            return done;
        }
    };
    let _ = ready.send(Ok(()));
    let mut waiting: BinaryHeap<Waiting> = BinaryHeap::new();
    let mut buffer = vec![0; ANSWER_BYTES];
    let mut ending = false;
    while !ending {
        ending = over.load(Ordering::Acquire);
        while let Ok(Some(heard)) = netlink.hear(&mut buffer) {
            let now = Instant::now();
            let packets = messages(heard).into_iter().filter(|(kind, _)| *kind == PACKET);
            let numbers = packets.filter_map(|(_, body)| value(body, 1)?.first_chunk().copied());
            waiting.extend(numbers.map(|id| Reverse((now + hold.draw(&mut random), now, u32::from_be_bytes(id)))));
        }
        let now = Instant::now();
        while let Some(&Reverse((due, came, id))) = waiting.peek().filter(|one| ending || one.0.0 <= now) {
            waiting.pop();
            // What is let go early because the fault ends was not held for its time.
            if due <= now {
                done.add(Held { packets: 1, time: now - came });
            }
            let verdict = attribute(2, &[1_u32.to_be_bytes(), id.to_be_bytes()].concat());
            let kind = (QUEUE, VERDICT);
            // Refused only if the packet is gone.
            let _ = netlink.tell(&Message { kind, flags: 0, family: 0, resource: number, attributes: &verdict });
        }
        if !ending {
            let next = waiting.peek().map_or(LOOK_EVERY, |one| one.0.0.saturating_duration_since(now));
            wait(&netlink, next.min(LOOK_EVERY));
        }
    }
    done
}

/// Waits for a packet, at most so long. That it ends early for any other reason is harmless.
fn wait(netlink: &Netlink, at_most: Duration) {
    let nanos = i64::from(at_most.subsec_nanos());
    let limit = Timespec { tv_sec: 0, tv_nsec: nanos };
    let _ = poll(&mut [PollFd::from_borrowed_fd(netlink.descriptor(), PollFlags::IN)], Some(&limit));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_drawn_between_its_bounds_and_held_times_have_a_mean() {
        let mut random = SmallRng::seed_from_u64(1);
        let hold = Hold { least: Duration::from_millis(5), most: Duration::from_millis(9) };
        let drawn: Vec<_> = (0..100).map(|_| hold.draw(&mut random)).collect();
        assert!(drawn.iter().all(|time| (hold.least..=hold.most).contains(time)), "{drawn:?}");
        assert!(drawn.iter().any(|time| *time != drawn[0]));
        let mut total = Held::default();
        assert_eq!(total.mean(), Duration::ZERO);
        total.add(Held { packets: 4, time: Duration::from_millis(10) });
        assert_eq!(total.mean(), Duration::from_micros(2500));
    }
}
