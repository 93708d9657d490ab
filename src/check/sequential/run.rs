//! Running sessions as far as they can be run.
//!
//! A transaction can run when its sources and whatever is forced before it have been, and when the versions that it
//! overwrites have no other readers left. So where each session stands says which versions are current wherever that
//! matters. A transaction that can run and whose writes nobody reads is run at once: whatever could be run instead can
//! still be run afterwards, since what it overwrites has no readers left.

use super::Found;
use super::forced::Forced;
use super::tries::{Circle, Lesson, Tries};
use crate::check::budget::{Budget, Stop};
use crate::check::precedence::{Edge, ranks};
use crate::check::transactions::{INITIAL, Rows, Transactions};

/// Not run yet; no version.
pub(super) const NONE: u32 = u32::MAX;
/// What the guided run came to.
pub(super) enum Guided {
    /// An answer.
    Found(Found),
    /// Too much was tried, which says nothing.
    Unclear,
}

/// What a transaction waits for.
enum Wait {
    /// One that must come before it.
    For(u32),
    /// A reader of the version that it overwrites, which this transaction wrote.
    Reader { reader: u32, of: u32 },
}

/// Transactions on their way into an order.
pub(super) struct Run<'t> {
    transactions: &'t Transactions,
    ranks: Vec<u32>,
    /// For each transaction what is forced before it, besides sessions and sources.
    forced: Vec<Vec<u32>>,
    /// See [`versions_seen`].
    seen: Vec<u32>,
    /// For each version who is to read it, and how many have not.
    readers: Rows<u32>,
    left: Vec<u32>,
    /// Who wrote a version.
    writers: Vec<u32>,
    /// Whether nobody reads what the transaction wrote.
    unread: Vec<bool>,
    /// By key.
    current: Vec<u32>,
    /// By session.
    next: Vec<u32>,
    /// What was run, at which place, and the versions that each one replaced, key by key.
    order: Vec<u32>,
    places: Vec<u32>,
    replaced: Vec<u32>,
    /// How many were run, those that were taken back included.
    taken: u64,
}

impl<'t> Run<'t> {
    pub(super) fn new(transactions: &'t Transactions, forced: &Forced<'_>) -> Self {
        let seen = versions_seen(transactions);
        let readers = readers(transactions, &seen);
        let left: Vec<u32> = (0..readers.count()).map(|version| count(readers.row(version).len())).collect();
        let unread = |at: u32| transactions.all_writes().span(at).all(|version| left[version] == 0);
        let mut before = vec![Vec::new(); transactions.len()];
        forced.edges().for_each(|edge| before[edge.after as usize].push(edge.before));
        let first_initial = count(transactions.all_writes().items().len());
        Self {
            transactions,
            ranks: ranks(transactions),
            forced: before,
            unread: transactions.all().map(unread).collect(),
            writers: transactions.all().flat_map(|at| transactions.writes(at).iter().map(move |_| at)).collect(),
            readers,
            left,
            current: (first_initial..).take(transactions.key_count()).collect(),
            next: (0..).take(transactions.session_count()).map(|of| transactions.of_session(of).start).collect(),
            order: Vec::with_capacity(transactions.len()),
            places: vec![NONE; transactions.len()],
            replaced: Vec::new(),
            taken: 0,
            seen,
        }
    }

    /// See the module above: runs, learns and tries, until as many transactions were run as there are `runs` times. Each
    /// ring takes back a part of the run, which takes O(sessions) a step.
    pub(super) fn guided(mut self, forced: &mut Forced<'_>, runs: u64, budget: &Budget) -> Guided {
        let mut tries = Tries::default();
        let taken_max = runs * self.transactions.len() as u64;
        while self.taken <= taken_max {
            if let Some(stop) = self.run_as_far_as_possible(budget) {
                return Guided::Found(Found::Stopped(stop));
            }
            if self.order.len() == self.transactions.len() {
                return Guided::Found(Found::Order(self.order));
            }
            let (circle, choices) = self.circle(&tries, forced);
            let Some(latest) = choices.iter().max_by_key(|edge| self.places[edge.before as usize]) else {
                match tries.learn(circle, forced) {
                    Lesson::NoOrder(core) => return Guided::Found(Found::NoOrder(core)),
                    Lesson::Changed { new, gone } => {
                        for edge in gone {
                            self.allow(edge);
                        }
                        self.require(new);
                    }
                }
                continue;
            };
            // Not after it, hence before it.
            let edge = Edge { before: latest.after, after: latest.before };
            if choices.len() == 1 {
                tries.infer(edge, circle, forced);
            } else {
                tries.choose(edge);
            }
            self.require(edge);
        }
        Guided::Unclear
    }

    /// What goes round in a circle when nothing can run, and the overwritings in it of which nothing is known: the
    /// order of the run alone is why the one came before the other.
    fn circle(&self, tries: &Tries, forced: &Forced<'_>) -> (Circle, Vec<Edge>) {
        let (mut circle, mut choices) = (Circle::default(), Vec::new());
        for (edge, of) in self.ring() {
            let Some(of) = of else {
                circle.push(edge, tries);
                continue;
            };
            circle.push_reader(edge.before, of);
            let overwriting = Edge { before: of, after: edge.after };
            if tries.contains(overwriting) || forced.contains(overwriting) {
                circle.push(overwriting, tries);
            } else {
                circle.push_member(edge.after);
                choices.push(overwriting);
            }
        }
        (circle, choices)
    }

    /// Runs until nothing can be run.
    fn run_as_far_as_possible(&mut self, budget: &Budget) -> Option<Stop> {
        loop {
            self.run_what_is_unread();
            if let Some(stop) = budget.exceeded() {
                return Some(stop);
            }
            let &next = self.runnable().last()?;
            self.take(next);
        }
    }

    /// Puts an edge between what was run and what will be.
    fn require(&mut self, edge: Edge) {
        self.forced[edge.after as usize].push(edge.before);
        let (before, after) = (self.places[edge.before as usize], self.places[edge.after as usize]);
        if after != NONE && (before == NONE || before > after) {
            self.undo_to(after as usize);
        }
    }

    /// Takes back what was required.
    fn allow(&mut self, edge: Edge) {
        let before = &mut self.forced[edge.after as usize];
        if let Some(at) = before.iter().position(|&other| other == edge.before) {
            before.swap_remove(at);
        }
    }

    /// The waits that go round in a circle when nothing can run: the transaction before, the one that waits for it, and
    /// for an overwriting whose version it is.
    fn ring(&self) -> Vec<(Edge, Option<u32>)> {
        let sessions = 0..self.next.len();
        let mut at = sessions.clone().find_map(|session| self.at(session)).expect("something is left");
        let mut visited = vec![usize::MAX; sessions.len()];
        let mut ring = Vec::new();
        while visited[self.transactions.session(at) as usize] == usize::MAX {
            visited[self.transactions.session(at) as usize] = ring.len();
            let (before, of) = match self.wait(at).expect("nothing can run") {
                Wait::For(before) => (before, None),
                Wait::Reader { reader, of } => (reader, (of != INITIAL).then_some(of)),
            };
            ring.push((Edge { before, after: at }, of));
            at = self.next[self.transactions.session(before) as usize];
        }
        ring.split_off(visited[self.transactions.session(at) as usize])
    }

    /// Runs everything that can be run and leaves nothing behind that anybody reads.
    fn run_what_is_unread(&mut self) {
        let mut progress = true;
        while progress {
            progress = false;
            for session in 0..self.next.len() {
                while let Some(next) = self.at(session).filter(|&next| self.unread[next as usize] && self.can_run(next))
                {
                    self.take(next);
                    progress = true;
                }
            }
        }
    }

    fn at(&self, session: usize) -> Option<u32> {
        let next = self.next[session];
        (next < self.transactions.of_session(count(session)).end).then_some(next)
    }

    fn has_run(&self, transaction: u32) -> bool {
        self.places[transaction as usize] != NONE
    }

    fn can_run(&self, transaction: u32) -> bool {
        self.wait(transaction).is_none()
    }

    /// What the next transaction of its session waits for.
    fn wait(&self, transaction: u32) -> Option<Wait> {
        let transactions = self.transactions;
        let sources = transactions.reads(transaction).iter().map(|read| read.source).filter(|&by| by != INITIAL);
        let mut before = sources.chain(self.forced[transaction as usize].iter().copied());
        if let Some(before) = before.find(|&before| !self.has_run(before)) {
            return Some(Wait::For(before));
        }
        transactions.writes(transaction).iter().find_map(|&key| {
            let version = self.current[key as usize];
            if self.left[version as usize] == 0 {
                return None;
            }
            let others = |&&reader: &&u32| reader != transaction && !self.has_run(reader);
            let reader = *self.readers.row(version).iter().find(others)?;
            let of = self.writers.get(version as usize).copied().unwrap_or(INITIAL);
            Some(Wait::Reader { reader, of })
        })
    }

    /// Those that can be run now, the one to try first last.
    fn runnable(&self) -> Vec<u32> {
        let mut open: Vec<u32> =
            (0..self.next.len()).filter_map(|session| self.at(session)).filter(|&next| self.can_run(next)).collect();
        open.sort_unstable_by_key(|&transaction| std::cmp::Reverse(self.ranks[transaction as usize]));
        open
    }

    fn take(&mut self, transaction: u32) {
        self.taken += 1;
        for at in self.transactions.all_reads().span(transaction) {
            let version = self.seen[at];
            if version != NONE {
                self.left[version as usize] -= 1;
            }
        }
        for version in self.transactions.all_writes().span(transaction) {
            let key = self.transactions.all_writes().items()[version];
            self.replaced.push(std::mem::replace(&mut self.current[key as usize], count(version)));
        }
        self.next[self.transactions.session(transaction) as usize] += 1;
        self.places[transaction as usize] = count(self.order.len());
        self.order.push(transaction);
    }

    fn undo_to(&mut self, run_before: usize) {
        while self.order.len() > run_before {
            let transaction = self.order.pop().expect("there is more than nothing");
            self.places[transaction as usize] = NONE;
            self.next[self.transactions.session(transaction) as usize] -= 1;
            for &key in self.transactions.writes(transaction).iter().rev() {
                self.current[key as usize] = self.replaced.pop().expect("one for each write");
            }
            for at in self.transactions.all_reads().span(transaction) {
                let version = self.seen[at];
                if version != NONE {
                    self.left[version as usize] += 1;
                }
            }
        }
    }
}

/// For each read the number of the version that it saw, among all writes and after them the keys' initial values, and
/// [`NONE`] where its transaction read that before.
pub(super) fn versions_seen(transactions: &Transactions) -> Vec<u32> {
    let first_initial = count(transactions.all_writes().items().len());
    let mut seen: Vec<u32> = Vec::with_capacity(transactions.all_reads().items().len());
    let mut seen_by = vec![NONE; first_initial as usize + transactions.key_count()];
    for reader in transactions.all() {
        for read in transactions.reads(reader) {
            let version = if read.source == INITIAL {
                first_initial + read.key
            } else {
                let place = transactions.writes(read.source).binary_search(&read.key);
                count(transactions.all_writes().span(read.source).start + place.expect("a source wrote what was read"))
            };
            let is_first = std::mem::replace(&mut seen_by[version as usize], reader) != reader;
            seen.push(if is_first { version } else { NONE });
        }
    }
    seen
}

/// For each version that [`versions_seen`] numbers who read it.
pub(super) fn readers(transactions: &Transactions, seen: &[u32]) -> Rows<u32> {
    let versions = transactions.all_writes().items().len() + transactions.key_count();
    let reads = transactions.all().flat_map(|reader| {
        let seen = &seen[transactions.all_reads().span(reader)];
        seen.iter().filter(|&&version| version != NONE).map(move |&version| (version, reader))
    });
    Rows::grouped(versions, reads)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("transactions and accesses are counted in 32 bits")
}
