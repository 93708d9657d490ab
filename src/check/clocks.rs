//! Vector clocks over transactions: for every one how many of each session's come before it.
//!
//! They take most of the memory that checking causal consistency needs: 2 bytes a transaction and session where no session
//! has more than 65,535 transactions, 4 otherwise.

use super::budget::Budget;
use super::precedence::{Stuck, schedule};
use super::transactions::{INITIAL, Rows, Transactions};

/// See the module.
#[derive(Clone, Debug)]
pub struct Clocks {
    sessions: usize,
    entries: Entries,
}

#[derive(Clone, Debug)]
enum Entries {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

/// One transaction's clock.
#[derive(Clone, Copy, Debug)]
pub enum Clock<'c> {
    /// Of short sessions.
    Short(&'c [u16]),
    /// Of long ones.
    Long(&'c [u32]),
}

impl Clock<'_> {
    /// How many of a session's transactions come before.
    #[must_use]
    pub fn of(self, session: u32) -> u32 {
        match self {
            Self::Short(entries) => u32::from(entries[session as usize]),
            Self::Long(entries) => entries[session as usize],
        }
    }

    /// Visits every session with how many of its transactions come before.
    pub fn each(self, mut visit: impl FnMut(u32, u32)) {
        // One loop for either width: asking for the width at every step made causal checking a tenth slower.
        match self {
            Self::Short(entries) => (0..).zip(entries).for_each(|(session, &count)| visit(session, u32::from(count))),
            Self::Long(entries) => (0..).zip(entries).for_each(|(session, &count)| visit(session, count)),
        }
    }
}

impl Clocks {
    /// The clocks of the causal order: what a session did before, and what was read, with all that came before that.
    /// What they take stays reserved: they live as long as the judgement.
    ///
    /// # Errors
    /// A cycle, or the end of the budget.
    pub fn causal(transactions: &Transactions, budget: &Budget) -> Result<Self, Stuck> {
        Self::over(transactions, None, budget)
    }

    /// The clocks of sessions, sources and `also.row(t)` before `t`; see [`Self::causal`].
    ///
    /// # Errors
    /// A cycle, or the end of the budget.
    pub fn over(transactions: &Transactions, also: Option<&Rows<u32>>, budget: &Budget) -> Result<Self, Stuck> {
        let sessions = transactions.session_count();
        let lengths = (0..).take(sessions).map(|session| transactions.of_session(session).len());
        let is_short = u16::try_from(lengths.max().unwrap_or(0)).is_ok();
        let entries = if is_short {
            filled(transactions, also, budget).map(Entries::Short)
        } else {
            filled(transactions, also, budget).map(Entries::Long)
        };
        Ok(Self { sessions, entries: entries? })
    }

    /// Gives back what they took of the budget.
    pub fn release(self, budget: &Budget) {
        budget.release(match &self.entries {
            Entries::Short(entries) => size_of_val(&entries[..]) as u64,
            Entries::Long(entries) => size_of_val(&entries[..]) as u64,
        });
    }

    /// One transaction's clock.
    #[must_use]
    pub fn row(&self, transaction: u32) -> Clock<'_> {
        let from = transaction as usize * self.sessions;
        match &self.entries {
            Entries::Short(entries) => Clock::Short(&entries[from..from + self.sessions]),
            Entries::Long(entries) => Clock::Long(&entries[from..from + self.sessions]),
        }
    }

    /// Whether one transaction comes before the other.
    #[must_use]
    pub fn precedes(&self, transactions: &Transactions, before: u32, after: u32) -> bool {
        self.row(after).of(transactions.session(before)) > transactions.place(before)
    }
}

/// The entries, clock after clock, in numbers that can count the transactions of every session.
fn filled<T>(transactions: &Transactions, also: Option<&Rows<u32>>, budget: &Budget) -> Result<Vec<T>, Stuck>
where
    T: Copy + Default + Ord + Into<u32> + TryFrom<u32, Error: std::fmt::Debug>,
{
    let sessions = transactions.session_count();
    let number = |count: u32| T::try_from(count).expect("sessions are not longer than that");
    let bytes = (size_of::<T>() * transactions.len() * sessions) as u64;
    budget.reserve(bytes).map_err(Stuck::Stopped)?;
    let mut entries = vec![T::default(); transactions.len() * sessions];
    let done = schedule(transactions, also, budget, |current| {
        let row = current as usize * sessions;
        let (before, rest) = entries.split_at_mut(row);
        let (own, after) = rest.split_at_mut(sessions);
        if transactions.previous(current).is_some() {
            own.copy_from_slice(&before[row - sessions..]);
            own[transactions.session(current) as usize] = number(transactions.place(current));
        }
        let sources = transactions.reads(current).iter().map(|read| read.source).filter(|&by| by != INITIAL);
        for source in sources.chain(also.map_or(&[][..], |also| also.row(current)).iter().copied()) {
            let (session, place) = (transactions.session(source) as usize, transactions.place(source));
            if own[session].into() > place {
                continue;
            }
            let from = source as usize * sessions;
            let other =
                if from < row { &before[from..from + sessions] } else { &after[from - row - sessions..][..sessions] };
            for (mine, theirs) in own.iter_mut().zip(other) {
                *mine = (*mine).max(*theirs);
            }
            own[session] = own[session].max(number(place + 1));
        }
    });
    match done {
        Ok(()) => Ok(entries),
        Err(stuck) => {
            budget.release(bytes);
            Err(stuck)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::transactions::{Read, Transaction};

    /// A session of so many writes, and one that reads the last of them.
    fn with_a_session_of(length: u32) -> Transactions {
        let write = Transaction { reads: Vec::new(), writes: vec![0] };
        let read = Transaction { reads: vec![Read { key: 0, source: length - 1 }], writes: Vec::new() };
        Transactions::of_sessions(&[vec![write; length as usize], vec![read.clone(), read]], 1)
    }

    #[test]
    fn sessions_that_are_too_long_for_short_numbers_get_long_ones() {
        for length in [65_535, 65_536] {
            let transactions = with_a_session_of(length);
            let clocks = Clocks::causal(&transactions, &Budget::unlimited()).expect("no cycle");
            assert_eq!(matches!(clocks.entries, Entries::Short(_)), length == 65_535);
            let seen = |transaction| {
                let mut seen = Vec::new();
                clocks.row(transaction).each(|_, count| seen.push(count));
                seen
            };
            assert_eq!(seen(length - 1), [length - 1, 0]);
            assert_eq!(seen(length), [length, 0]);
            assert_eq!(seen(length + 1), [length, 1]);
            assert!(clocks.precedes(&transactions, length - 1, length));
            assert!(!clocks.precedes(&transactions, length, length - 1));
        }
    }
}
