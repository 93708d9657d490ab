//! The four session guarantees (Terry and others, "Session guarantees for weakly consistent replicated data", PDIS 1994),
//! as axioms in the form of Viotti and Vukolić ("Consistency in non-transactional distributed storage systems", ACM
//! Computing Surveys 2016).
//!
//! There is one order of all writes, and each read sees a set of writes, among which is its source: of those of its key
//! the source comes last in the order, and a read of the initial value sees none. Besides,
//!
//! - **read your writes**: a read sees the writes that its session made before;
//! - **monotonic reads**: a read sees what an earlier read of its session saw;
//! - **monotonic writes**: the writes of a session are in the order in that order, and who sees one sees those before;
//! - **writes follow reads**: a write comes after what its session had read, and who sees it sees that too.
//!
//! One read of one key shows one value, so that no history of single reads could contradict the last two by themselves:
//! they are judged together with monotonic reads, as what a session can observe.
//!
//! What must be seen does not depend on the order, so each guarantee is one graph that must have no cycle. Exact. Per
//! session that observes: O(what it must see); for read your writes O(accesses) unless sessions read own old writes.

use super::answer::Answer;
use super::budget::Budget;
use super::cycle;
use super::transactions::{INITIAL, Transactions};
use rustc_hash::FxHashMap;

/// Which of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Own writes are seen.
    ReadYourWrites,
    /// What was seen stays seen.
    MonotonicReads,
    /// Writes of a session are seen in its order.
    MonotonicWrites,
    /// Writes are seen after what their session had read.
    WritesFollowReads,
}

/// Decides one guarantee.
#[must_use]
pub fn decide(transactions: &Transactions, guarantee: Guarantee, budget: &Budget) -> Answer {
    let mut graph = Graph { transactions, guarantee, edges: Vec::new(), readers: FxHashMap::default() };
    let nodes = if guarantee == Guarantee::ReadYourWrites {
        graph.own_writes()
    } else {
        let nodes = graph.known_order();
        graph.observe(budget).map(|()| nodes)
    };
    let nodes = match nodes {
        Ok(nodes) => nodes,
        Err(answer) => return answer,
    };
    match cycle::find(nodes, &graph.edges) {
        None => Answer::Holds,
        Some(nodes) => Answer::violated(graph.explained(&nodes)),
    }
}

/// The order of writes as far as it must be; nodes beyond the transactions only pass edges on.
struct Graph<'t> {
    transactions: &'t Transactions,
    guarantee: Guarantee,
    edges: Vec<(u32, u32)>,
    /// The transaction, and the place of its read, that asks for an edge between writers.
    readers: FxHashMap<(u32, u32), (u32, usize)>,
}

impl Graph<'_> {
    /// Read your writes: every own earlier writer of a key comes before the source of each later read of it. The own
    /// writers of a key so far have a node together, one for each write.
    fn own_writes(&mut self) -> Result<usize, Answer> {
        let transactions = self.transactions;
        let first = u32::try_from(transactions.len()).expect("transactions are counted in 32 bits");
        let writes = transactions.all_writes();
        let (mut session, mut own) = (u32::MAX, FxHashMap::<u32, Own>::default());
        for transaction in transactions.all() {
            if transactions.session(transaction) != session {
                session = transactions.session(transaction);
                own.clear();
            }
            for read in transactions.reads(transaction) {
                let Some(own) = own.get_mut(&read.key) else { continue };
                if read.source == INITIAL {
                    return Err(Answer::violated(vec![own.writers[0], transaction]));
                }
                self.after_own(own, read.source, transaction);
            }
            for at in writes.span(transaction) {
                let all = first + u32::try_from(at).expect("accesses are counted in 32 bits");
                let own = own.entry(writes.items()[at]).or_default();
                self.edges.push((transaction, all));
                self.edges.extend(own.nodes.last().map(|&before| (before, all)));
                own.writers.push(transaction);
                own.nodes.push(all);
                own.told.push(0);
            }
        }
        Ok(transactions.len() + writes.items().len())
    }

    fn after_own(&mut self, own: &mut Own, source: u32, reader: u32) {
        let known = own.writers.binary_search(&source);
        let (Ok(before) | Err(before)) = known.map_err(|_| own.writers.len());
        if let Some(&node) = before.checked_sub(1).and_then(|at| own.nodes.get(at)) {
            self.edges.push((node, source));
            self.readers.entry((node, source)).or_insert((reader, 0));
        }
        if let Ok(at) = known {
            for later in own.told[at].max(at + 1)..own.writers.len() {
                self.demand(own.writers[later], source, (reader, 0));
            }
            own.told[at] = own.writers.len();
        }
    }

    fn demand(&mut self, before: u32, after: u32, reader: (u32, usize)) {
        if self.readers.insert((before, after), reader).is_none() {
            self.edges.push((before, after));
        }
    }

    /// What the guarantee says of the order of writes by itself; how many nodes there are.
    fn known_order(&mut self) -> usize {
        let transactions = self.transactions;
        let count = u32::try_from(transactions.len()).expect("transactions are counted in 32 bits");
        match self.guarantee {
            Guarantee::MonotonicWrites => {
                let writers = |transaction: &u32| !transactions.writes(*transaction).is_empty();
                let mut last: Option<u32> = None;
                for transaction in transactions.all().filter(writers) {
                    let before = last.filter(|&last| transactions.in_session_order(last, transaction));
                    self.edges.extend(before.map(|before| (before, transaction)));
                    last = Some(transaction);
                }
                transactions.len()
            }
            // What a session has read up to a transaction is a node.
            Guarantee::WritesFollowReads => {
                for transaction in transactions.all() {
                    let read_so_far = count + transaction;
                    let before = transactions.previous(transaction).map(|previous| (count + previous, read_so_far));
                    self.edges.extend(before);
                    self.edges.push((read_so_far, transaction));
                    let sources = transactions.reads(transaction).iter().filter(|read| read.source != INITIAL);
                    self.edges.extend(sources.map(|read| (read.source, read_so_far)));
                }
                2 * transactions.len()
            }
            Guarantee::ReadYourWrites | Guarantee::MonotonicReads => transactions.len(),
        }
    }

    /// Walks through each session's reads with what it must see.
    fn observe(&mut self, budget: &Budget) -> Result<(), Answer> {
        let transactions = self.transactions;
        let sessions = u32::try_from(transactions.session_count()).expect("fewer than transactions");
        let mut seen = Seen::new(transactions, self.guarantee);
        for session in 0..sessions {
            seen.clear();
            for reader in transactions.of_session(session) {
                for (place, read) in transactions.reads(reader).iter().enumerate() {
                    if read.source != INITIAL {
                        seen.add(read.source);
                    }
                    let Some(last) = seen.last.get_mut(&read.key) else { continue };
                    if read.source == INITIAL {
                        let writer = last[0];
                        return Err(Answer::violated(self.why_seen(writer, (reader, place))));
                    }
                    for before in std::mem::replace(last, vec![read.source]) {
                        if before != read.source {
                            self.demand(before, read.source, (reader, place));
                        }
                    }
                }
            }
            if let Some(stop) = budget.exceeded() {
                return Err(Answer::GaveUp(stop));
            }
        }
        Ok(())
    }

    /// The transactions by which the read at that place of `reader` must see `writer`.
    fn why_seen(&self, writer: u32, (reader, place): (u32, usize)) -> Vec<u32> {
        let transactions = self.transactions;
        let mut came_from: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        let mut queue = std::collections::VecDeque::new();
        let mut offer = |found: u32, way: Vec<u32>, queue: &mut std::collections::VecDeque<u32>| {
            came_from.entry(found).or_insert_with(|| {
                queue.push_back(found);
                way
            });
        };
        let read_by = |last: u32| {
            let until = transactions.of_session(transactions.session(last)).start..=last;
            until.flat_map(|by| transactions.reads(by).iter().map(move |read| (read.source, by)))
        };
        let now = transactions.reads(reader)[..=place].iter().map(|read| (read.source, reader));
        let before = read_by(reader).filter(|(_, by)| *by != reader);
        for (source, by) in before.chain(now).filter(|(source, _)| *source != INITIAL) {
            offer(source, vec![by], &mut queue);
        }
        while let Some(at) = queue.pop_front() {
            if at == writer {
                break;
            }
            match self.guarantee {
                Guarantee::MonotonicWrites => {
                    for before in transactions.of_session(transactions.session(at)).start..at {
                        offer(before, vec![at], &mut queue);
                    }
                }
                Guarantee::WritesFollowReads => {
                    for (source, by) in read_by(at).filter(|(source, _)| *source != INITIAL) {
                        offer(source, vec![by, at], &mut queue);
                    }
                }
                Guarantee::ReadYourWrites | Guarantee::MonotonicReads => {}
            }
        }
        let mut way = vec![writer, reader];
        let mut at = writer;
        while let Some(via) = came_from.remove(&at) {
            way.extend(&via);
            at = *via.last().expect("a way has a step");
        }
        way
    }

    /// The transactions of a cycle, with those that show its edges.
    fn explained(&self, cycle: &[u32]) -> Vec<u32> {
        let transactions = self.transactions;
        let count = u32::try_from(transactions.len()).expect("transactions are counted in 32 bits");
        let mut core: Vec<u32> = cycle.iter().copied().filter(|&node| node < count).collect();
        for (at, &before) in cycle.iter().enumerate() {
            let after = cycle[(at + 1) % cycle.len()];
            if before < count && after >= count && self.guarantee == Guarantee::WritesFollowReads {
                core.push(after - count);
            }
            let Some(&reader) = self.readers.get(&(before, after)) else { continue };
            core.push(reader.0);
            if before < count && self.guarantee != Guarantee::ReadYourWrites {
                core.extend(self.why_seen(before, reader));
            }
        }
        core
    }
}

/// A session's own writers of one key.
#[derive(Default)]
struct Own {
    writers: Vec<u32>,
    /// For each of them the node of all up to it.
    nodes: Vec<u32>,
    /// For each of them how many are known to come before it although they follow in the session.
    told: Vec<usize>,
}

/// What one session must see at a point of its reads.
struct Seen<'t> {
    transactions: &'t Transactions,
    guarantee: Guarantee,
    member: Vec<bool>,
    members: Vec<u32>,
    /// How much of each session is seen (monotonic writes), or how much of its reads (writes follow reads).
    until: Vec<u32>,
    /// By key: the last source read, and the writers that were added after it.
    last: FxHashMap<u32, Vec<u32>>,
}

impl<'t> Seen<'t> {
    fn new(transactions: &'t Transactions, guarantee: Guarantee) -> Self {
        let (member, members, last) = (vec![false; transactions.len()], Vec::new(), FxHashMap::default());
        let mut seen = Self { transactions, guarantee, member, members, until: Vec::new(), last };
        seen.clear();
        seen
    }

    fn clear(&mut self) {
        for member in self.members.drain(..) {
            self.member[member as usize] = false;
        }
        self.last.clear();
        let starts = (0..).take(self.transactions.session_count()).map(|s| self.transactions.of_session(s).start);
        self.until.clear();
        self.until.extend(starts);
    }

    /// Sees a transaction, and what must be seen with it.
    fn add(&mut self, transaction: u32) {
        let transactions = self.transactions;
        let mut open = vec![transaction];
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut self.member[at as usize], true) {
                continue;
            }
            self.members.push(at);
            for &key in transactions.writes(at) {
                self.last.entry(key).or_default().push(at);
            }
            let until = &mut self.until[transactions.session(at) as usize];
            match self.guarantee {
                Guarantee::MonotonicWrites => {
                    open.extend(*until..at);
                    *until = at.max(*until);
                }
                Guarantee::WritesFollowReads => {
                    let sources = (*until..=at).flat_map(|by| transactions.reads(by)).map(|read| read.source);
                    open.extend(sources.filter(|&source| source != INITIAL));
                    *until = (at + 1).max(*until);
                }
                Guarantee::ReadYourWrites | Guarantee::MonotonicReads => {}
            }
        }
    }
}
