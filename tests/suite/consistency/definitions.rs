//! What every claim means, by trying everything: orders are enumerated, stores are run. Shares nothing with the checkers;
//! a value's writer is looked up among all writes, again and again.

use super::histories::{Access, Drawn, End, Tx};
use consistory::check::guarantee::Claim;

/// Whether a history keeps a claim: for some choice of the indeterminate transactions that took effect.
pub(super) fn keeps(claim: Claim, drawn: &Drawn) -> bool {
    let unsure: Vec<usize> = places(drawn, End::Info);
    (0..1_usize << unsure.len()).any(|choice| {
        let happened = |at: usize| match drawn.transactions[at].end {
            End::Ok => true,
            End::Fail => false,
            End::Info => unsure.iter().position(|&other| other == at).is_some_and(|bit| choice >> bit & 1 == 1),
        };
        let chosen = (0..drawn.transactions.len()).filter(|&at| happened(at)).map(|at| {
            let tx = &drawn.transactions[at];
            // What it would have read is not known.
            let known = tx.accesses.iter().copied().filter(|access| access.writes || tx.end == End::Ok);
            Tx { accesses: known.collect(), ..tx.clone() }
        });
        World { keys: drawn.keys, txs: chosen.collect() }.keeps(claim)
    })
}

fn places(drawn: &Drawn, end: End) -> Vec<usize> {
    (0..drawn.transactions.len()).filter(|&at| drawn.transactions[at].end == end).collect()
}

struct World {
    keys: usize,
    txs: Vec<Tx>,
}

type Order = Vec<Vec<bool>>;

impl World {
    fn keeps(&self, claim: Claim) -> bool {
        let all: Vec<usize> = (0..self.txs.len()).collect();
        if !self.reads_make_sense() {
            return false;
        }
        match claim {
            Claim::Sequential => self.some_order(&all, &self.session_order(), &|_| true),
            Claim::Causal => self.causally(&|one, other| one == other),
            Claim::CausalMemory => self.causally(&|one, other| {
                one == other || self.txs[one].session == self.txs[other].session && one < other
            }),
            Claim::CausalConvergence => self.converges(),
            Claim::Pram => (0..3)
                .all(|session| self.some_order(&all, &self.session_order(), &|at| self.txs[at].session == session)),
            Claim::Processor => self.agrees_on_keys(),
            Claim::ReadCommitted | Claim::ReadAtomic => self.commits(claim),
            Claim::ReadYourWrites | Claim::MonotonicReads | Claim::MonotonicWrites | Claim::WritesFollowReads => {
                self.guarantees(claim)
            }
            Claim::Linearizable | Claim::Convergent | Claim::LostAcks => unreachable!("not about sessions"),
        }
    }

    /// No read of a value that is not left behind by anybody, of the own future, or past an own write.
    fn reads_make_sense(&self) -> bool {
        self.txs.iter().enumerate().all(|(at, tx)| {
            (0..tx.accesses.len()).filter(|&place| !tx.accesses[place].writes).all(|place| {
                let read = tx.accesses[place];
                match own_before(tx, place) {
                    Some(own) => own == read.value,
                    None => read.value == 0 || self.writer(read).is_some_and(|writer| writer != at),
                }
            })
        })
    }

    /// Who left that value behind.
    fn writer(&self, read: Access) -> Option<usize> {
        self.txs.iter().position(|tx| last_write(tx, read.key) == Some(read.value))
    }

    /// The reads of others' writes: key and value, in order.
    fn external(&self, at: usize) -> Vec<Access> {
        let tx = &self.txs[at];
        let outside = |&place: &usize| !tx.accesses[place].writes && own_before(tx, place).is_none();
        (0..tx.accesses.len()).filter(outside).map(|place| tx.accesses[place]).collect()
    }

    fn session_order(&self) -> Order {
        let before = |one: usize, two: usize| one < two && self.txs[one].session == self.txs[two].session;
        (0..self.txs.len()).map(|one| (0..self.txs.len()).map(|two| before(one, two)).collect()).collect()
    }

    fn causal_order(&self) -> Order {
        let mut order = self.session_order();
        for (writer, row) in order.iter_mut().enumerate() {
            for (reader, before) in row.iter_mut().enumerate() {
                *before |= self.external(reader).iter().any(|&read| self.source(read) == Some(writer));
            }
        }
        for via in 0..order.len() {
            for from in 0..order.len() {
                for to in 0..order.len() {
                    order[from][to] |= order[from][via] && order[via][to];
                }
            }
        }
        order
    }

    /// Whether some order of `members` within `order` explains the reads of those that are `checked`.
    fn some_order(&self, members: &[usize], order: &Order, checked: &dyn Fn(usize) -> bool) -> bool {
        self.extend(members, order, checked, &mut Vec::new(), &vec![0; self.keys])
    }

    fn extend(
        &self,
        members: &[usize],
        order: &Order,
        checked: &dyn Fn(usize) -> bool,
        placed: &mut Vec<usize>,
        store: &[usize],
    ) -> bool {
        if placed.len() == members.len() {
            return true;
        }
        for &next in members {
            let ready =
                !placed.contains(&next) && members.iter().all(|&other| placed.contains(&other) || !order[other][next]);
            if !ready {
                continue;
            }
            if let Some(store) = self.run(next, store, checked(next)) {
                placed.push(next);
                if self.extend(members, order, checked, placed, &store) {
                    return true;
                }
                placed.pop();
            }
        }
        false
    }

    /// The store after a transaction, if its reads are right or nobody asks.
    fn run(&self, at: usize, store: &[usize], checked: bool) -> Option<Vec<usize>> {
        let mut store = store.to_vec();
        for access in &self.txs[at].accesses {
            if access.writes {
                store[access.key] = access.value;
            } else if checked && store[access.key] != access.value {
                return None;
            }
        }
        Some(store)
    }

    /// For every transaction an order of its causal past that explains those that are `visible` to it.
    fn causally(&self, visible: &dyn Fn(usize, usize) -> bool) -> bool {
        let order = self.causal_order();
        (0..self.txs.len()).all(|at| !order[at][at])
            && (0..self.txs.len()).all(|at| {
                let past: Vec<usize> = (0..self.txs.len()).filter(|&other| other == at || order[other][at]).collect();
                self.some_order(&past, &order, &|other| visible(other, at))
            })
    }

    /// One order of all in which every causal past explains its reads.
    fn converges(&self) -> bool {
        let order = self.causal_order();
        (0..self.txs.len()).all(|at| !order[at][at])
            && permutations(self.txs.len(), &order).iter().any(|all| {
                (0..self.txs.len()).all(|at| {
                    let mut store = vec![0; self.keys];
                    for &other in all.iter().filter(|&&other| order[other][at]) {
                        store = self.run(other, &store, false).expect("nothing is checked");
                    }
                    self.run(at, &store, true).is_some()
                })
            })
    }

    /// Processor consistency: some order of each key's writers is that of a view of every session.
    fn agrees_on_keys(&self) -> bool {
        let order = self.session_order();
        let views_of = |session: usize| {
            let own = |at: usize| self.txs[at].session == session;
            let members: Vec<usize> = (0..self.txs.len()).filter(|&at| own(at) || self.writes(at)).collect();
            let explains = |view: &Vec<usize>| {
                let mut store = vec![0; self.keys];
                view.iter().all(|&at| match self.run(at, &store, own(at)) {
                    Some(after) => {
                        store = after;
                        true
                    }
                    None => false,
                })
            };
            let by_key = |view: Vec<usize>| -> Vec<Vec<usize>> {
                let writers = |key| view.iter().copied().filter(move |&at| last_write(&self.txs[at], key).is_some());
                (0..self.keys).map(|key| writers(key).collect()).collect()
            };
            let views = permutations_of(&members, &order).into_iter().filter(explains);
            views.map(by_key).collect::<std::collections::BTreeSet<_>>()
        };
        let views: Vec<_> = (0..3).map(views_of).collect();
        views[0].iter().any(|orders| views[1..].iter().all(|others| others.contains(orders)))
    }

    /// Read committed and read atomic: a commit order that contains sessions and sources.
    fn commits(&self, claim: Claim) -> bool {
        let order = self.causal_order();
        (0..self.txs.len()).all(|at| !order[at][at])
            && permutations(self.txs.len(), &order).iter().any(|all| {
                let position = |at: usize| all.iter().position(|&other| other == at);
                (0..self.txs.len()).all(|reader| {
                    let reads = self.external(reader);
                    (0..reads.len()).all(|place| {
                        let source = self.source(reads[place]);
                        (0..self.txs.len()).all(|other| {
                            let read_before =
                                |seen: &[Access]| seen.iter().any(|read| self.source(*read) == Some(other));
                            let visible = if claim == Claim::ReadCommitted {
                                read_before(&reads[..place])
                            } else {
                                read_before(&reads) || self.session_order()[other][reader]
                            };
                            let writes = last_write(&self.txs[other], reads[place].key).is_some();
                            let fine =
                                source.is_some_and(|source| source == other || position(other) < position(source));
                            !visible || !writes || fine
                        })
                    })
                })
            })
    }

    fn source(&self, read: Access) -> Option<usize> {
        self.writer(read).filter(|_| read.value != 0)
    }

    /// The session guarantees: an order of all writes and for each read the least set that it must see.
    fn guarantees(&self, claim: Claim) -> bool {
        let count = self.txs.len();
        let sessions = self.session_order();
        let mut known = vec![vec![false; count]; count];
        for after in 0..count {
            for before in 0..count {
                known[before][after] = match claim {
                    Claim::MonotonicWrites => sessions[before][after] && self.writes(before) && self.writes(after),
                    Claim::WritesFollowReads => self.had_read(after).contains(&before) && self.writes(after),
                    _ => false,
                };
            }
        }
        let writers: Vec<usize> = (0..count).filter(|&at| self.writes(at)).collect();
        permutations_of(&writers, &known).iter().any(|all| {
            let position = |at: usize| all.iter().position(|&other| other == at);
            (0..count).all(|reader| {
                let reads = self.external(reader);
                (0..reads.len()).all(|place| {
                    let source = self.source(reads[place]);
                    self.must_see(claim, reader, place).into_iter().all(|other| {
                        let same_key = last_write(&self.txs[other], reads[place].key).is_some();
                        let fine = source.is_some_and(|source| source == other || position(other) < position(source));
                        !same_key || fine
                    })
                })
            })
        })
    }

    fn writes(&self, at: usize) -> bool {
        self.txs[at].accesses.iter().any(|access| access.writes)
    }

    /// The sources of all reads of the session until that transaction, itself included.
    fn had_read(&self, last: usize) -> Vec<usize> {
        let until = (0..=last).filter(|&at| self.txs[at].session == self.txs[last].session);
        until.flat_map(|at| self.external(at)).filter_map(|read| self.source(read)).collect()
    }

    fn must_see(&self, claim: Claim, reader: usize, place: usize) -> Vec<usize> {
        let own: Vec<usize> = (0..reader).filter(|&at| self.txs[at].session == self.txs[reader].session).collect();
        if claim == Claim::ReadYourWrites {
            return own;
        }
        let mut seen: Vec<usize> =
            own.iter().flat_map(|&at| self.external(at)).filter_map(|read| self.source(read)).collect();
        seen.extend(self.external(reader)[..=place].iter().filter_map(|&read| self.source(read)));
        loop {
            let more: Vec<usize> = match claim {
                Claim::MonotonicWrites => {
                    let sessions = self.session_order();
                    (0..self.txs.len()).filter(|&at| seen.iter().any(|&later| sessions[at][later])).collect()
                }
                Claim::WritesFollowReads => seen.iter().flat_map(|&at| self.had_read(at)).collect(),
                _ => Vec::new(),
            };
            let fresh: Vec<usize> = more.into_iter().filter(|at| !seen.contains(at)).collect();
            if fresh.is_empty() {
                return seen;
            }
            seen.extend(fresh);
        }
    }
}

fn own_before(tx: &Tx, place: usize) -> Option<usize> {
    let same = |access: &&Access| access.writes && access.key == tx.accesses[place].key;
    tx.accesses[..place].iter().rev().find(same).map(|access| access.value)
}

fn last_write(tx: &Tx, key: usize) -> Option<usize> {
    tx.accesses.iter().rev().find(|access| access.writes && access.key == key).map(|access| access.value)
}

fn permutations(count: usize, order: &Order) -> Vec<Vec<usize>> {
    permutations_of(&(0..count).collect::<Vec<_>>(), order)
}

/// All orders of those members that contain `order`.
fn permutations_of(members: &[usize], order: &Order) -> Vec<Vec<usize>> {
    fn go(members: &[usize], order: &Order, placed: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
        if placed.len() == members.len() {
            found.push(placed.clone());
            return;
        }
        for &next in members {
            let ready =
                !placed.contains(&next) && members.iter().all(|&other| placed.contains(&other) || !order[other][next]);
            if ready {
                placed.push(next);
                go(members, order, placed, found);
                placed.pop();
            }
        }
    }
    let mut found = Vec::new();
    go(members, order, &mut Vec::new(), &mut found);
    found
}
