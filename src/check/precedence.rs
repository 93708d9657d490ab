//! Orders over transactions: running every session as far as its predecessors allow.
//!
//! A relation that contains the order of every session is acyclic exactly when all sessions can be run to their ends,
//! each transaction after its predecessors. Where they are stuck, the sessions wait for one another in a ring of at most
//! as many edges as there are sessions: a short cycle for nothing.
//!
//! Complexity: O(transactions + edges + waits × sessions).

use super::budget::{Budget, Stop};
use super::transactions::{INITIAL, Rows, Transactions};
use std::collections::VecDeque;

/// The budget is looked at after so many transactions and edges.
const STEPS_PER_LOOK: usize = 4096;

/// An edge between two transactions, the first before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// Before.
    pub before: u32,
    /// After.
    pub after: u32,
}

/// Why transactions cannot be run in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// These edges and orders of sessions between them form a cycle: each edge's end is, or is followed in its session
    /// by, the beginning of the one before it.
    Cycle(Vec<Edge>),
    /// The budget ended.
    Stopped(Stop),
}

/// Visits all transactions in an order that contains every session's, puts every source before its readers, and
/// `also.row(t)` before `t`.
///
/// # Errors
/// The cycle, or the end of the budget.
pub fn schedule(
    transactions: &Transactions,
    also: Option<&Rows<u32>>,
    budget: &Budget,
    mut visit: impl FnMut(u32),
) -> Result<(), Stuck> {
    let sessions = transactions.session_count();
    let mut next: Vec<u32> = (0..sessions).map(|s| transactions.of_session(number(s)).start).collect();
    let mut waits: Vec<Option<u32>> = vec![None; sessions];
    let mut waiters: Vec<Vec<u32>> = vec![Vec::new(); sessions];
    let mut ready: Vec<u32> = (0..number(sessions)).rev().collect();
    let mut done = vec![false; transactions.len()];
    // How many of the current transaction's predecessors were found to be done.
    let mut cursors = vec![0_usize; sessions];
    let mut steps = 0;
    while let Some(session) = ready.pop() {
        let at = session as usize;
        let end = transactions.of_session(session).end;
        waits[at] = None;
        while next[at] < end {
            let current = next[at];
            let sources = transactions.reads(current).iter().map(|read| read.source);
            let others = also.map_or(&[][..], |also| also.row(current)).iter().copied();
            // What was done when the session had to wait is done still.
            let looked_at = std::mem::take(&mut cursors[at]);
            let is_open = |by: u32| by != INITIAL && !done[by as usize];
            let open = (looked_at..).zip(sources.chain(others).skip(looked_at)).find(|&(_, by)| is_open(by));
            if let Some((place, open)) = open {
                cursors[at] = place;
                waits[at] = Some(open);
                waiters[transactions.session(open) as usize].push(session);
                break;
            }
            visit(current);
            done[current as usize] = true;
            next[at] += 1;
            steps += 1 + also.map_or(0, |also| also.row(current).len());
            if steps >= STEPS_PER_LOOK {
                steps = 0;
                budget.exceeded().map_or(Ok(()), |stop| Err(Stuck::Stopped(stop)))?;
            }
        }
        let reached = next[at];
        waiters[at].retain(|&waiter| {
            let satisfied = waits[waiter as usize].is_some_and(|open| open < reached);
            if satisfied {
                ready.push(waiter);
            }
            !satisfied
        });
    }
    match waits.iter().position(Option::is_some) {
        None => Ok(()),
        Some(first) => Err(Stuck::Cycle(ring(transactions, &next, &waits, first))),
    }
}

/// The ring in which sessions wait, reached from one that does.
fn ring(transactions: &Transactions, next: &[u32], waits: &[Option<u32>], first: usize) -> Vec<Edge> {
    let mut visited = vec![usize::MAX; waits.len()];
    let mut edges = Vec::new();
    let mut at = first;
    while visited[at] == usize::MAX {
        visited[at] = edges.len();
        let open = waits[at].expect("who waits for a session that waits for nothing would have been run");
        edges.push(Edge { before: open, after: next[at] });
        at = transactions.session(open) as usize;
    }
    edges.split_off(visited[at])
}

/// Everything that comes before one of these transactions, and themselves, each after what is directly before it: its
/// session's previous one and whatever `steps` appends, which must be acyclic together. Depth first; O(all).
#[must_use]
pub fn post_order(
    transactions: &Transactions,
    last: impl IntoIterator<Item = u32>,
    mut steps: impl FnMut(u32, &mut Vec<u32>),
) -> Vec<u32> {
    let (mut order, mut open) = (Vec::new(), Vec::new());
    let mut met = vec![false; transactions.len()];
    let mut direct = Vec::new();
    for root in last {
        open.push((root, false));
        while let Some((at, is_ready)) = open.pop() {
            if is_ready {
                order.push(at);
            } else if !std::mem::replace(&mut met[at as usize], true) {
                open.push((at, true));
                direct.clear();
                steps(at, &mut direct);
                open.extend(direct.iter().copied().chain(transactions.previous(at)).map(|before| (before, false)));
            }
        }
    }
    order
}

/// For every transaction a number that is larger than those of what is before it by sessions and sources, which must be
/// acyclic: its place in the record if every read was recorded after its source, otherwise how many are on the longest
/// way to it.
#[must_use]
pub fn ranks(transactions: &Transactions) -> Vec<u32> {
    recorded(transactions).unwrap_or_else(|| depths(transactions))
}

/// The places in the record, if each read has a larger one than its source.
fn recorded(transactions: &Transactions) -> Option<Vec<u32>> {
    let ranks: Vec<u32> = transactions.all().map(|at| transactions.op(at).0).collect();
    let mut reads = transactions.all().flat_map(|at| transactions.reads(at).iter().map(move |read| (at, read.source)));
    let follows = |(reader, source): (u32, u32)| source == INITIAL || ranks[source as usize] < ranks[reader as usize];
    reads.all(follows).then_some(ranks)
}

fn depths(transactions: &Transactions) -> Vec<u32> {
    let mut depths = vec![0_u32; transactions.len()];
    let done = schedule(transactions, None, &Budget::unlimited(), |at| {
        let sources = transactions.reads(at).iter().map(|read| read.source).filter(|&source| source != INITIAL);
        let before = sources.chain(transactions.previous(at)).map(|before| depths[before as usize] + 1);
        depths[at as usize] = before.max().unwrap_or(0);
    });
    assert!(done.is_ok(), "the causal order was found to be acyclic before");
    depths
}

/// How one transaction comes before another: those at either end of every step on a shortest way, without the steps
/// inside sessions. `steps` appends what is directly before a transaction, besides its session's previous one. O(all).
#[must_use]
pub fn trail(
    transactions: &Transactions,
    before: u32,
    after: u32,
    mut steps: impl FnMut(u32, &mut Vec<u32>),
) -> Vec<u32> {
    let mut came_from = vec![u32::MAX; transactions.len()];
    let mut queue = VecDeque::from([after]);
    let mut direct = Vec::new();
    let mut closed = vec![false; transactions.len()];
    while let Some(at) = queue.pop_front() {
        if std::mem::replace(&mut closed[at as usize], true) {
            continue;
        }
        if at == before && at != after {
            break;
        }
        direct.clear();
        steps(at, &mut direct);
        for &step in &direct {
            if came_from[step as usize] == u32::MAX && step != after {
                came_from[step as usize] = at;
                queue.push_back(step);
            }
        }
        if let Some(previous) = transactions.previous(at)
            && !closed[previous as usize]
        {
            // A step inside a session is no step of the way: nearer than all that is queued.
            came_from[previous as usize] = at;
            queue.push_front(previous);
        }
    }
    let (mut way, mut at) = (vec![before], before);
    while at != after && came_from[at as usize] != u32::MAX {
        let next = came_from[at as usize];
        if next != at + 1 || transactions.session(next) != transactions.session(at) {
            way.extend([at, next]);
        }
        at = next;
    }
    way.push(after);
    way.sort_unstable();
    way.dedup();
    way
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("there are fewer sessions than transactions")
}
