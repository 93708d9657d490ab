//! A register's calls with dense values: what the deciders for registers work on.
//!
//! Values become numbers from 0 (the initial value) in order of first appearance, so that every table is an array.
//! Calls that constrain nothing are left out: observers that nobody answered, and indeterminate compare-and-sets
//! that change nothing. A completed compare-and-set of a value with itself is a read. O(n).

use crate::check::models::{Model, Register, RegisterCall};
use crate::check::problem::{NEVER, Problem};
use crate::history::ValueId;
use rustc_hash::FxHashMap;

/// The number of the value before any write.
pub(super) const INITIAL: u32 = 0;

/// What one call did and saw, on dense values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Act {
    /// Saw this value.
    Read(u32),
    /// Found the register to hold something else.
    Differs(u32),
    /// Set this value.
    Write(u32),
    /// Found the first and set the second, which is another.
    Cas(u32, u32),
}

impl Act {
    /// What the register must have held.
    pub(super) fn seen(self) -> Option<u32> {
        match self {
            Self::Read(value) | Self::Cas(value, _) => Some(value),
            Self::Write(_) | Self::Differs(_) => None,
        }
    }

    /// What it holds afterwards, if this call set it.
    pub(super) fn set(self) -> Option<u32> {
        match self {
            Self::Write(value) | Self::Cas(_, value) => Some(value),
            Self::Read(_) | Self::Differs(_) => None,
        }
    }
}

/// The calls of one register in order of invocation, column by column.
#[derive(Clone, Debug, Default)]
pub(super) struct RegisterView {
    /// What each one did and saw.
    pub(super) acts: Vec<Act>,
    /// See [`Problem::invoked`].
    pub(super) invoked: Vec<u32>,
    /// See [`Problem::returned`].
    pub(super) returned: Vec<u32>,
    /// The place of each one in the problem.
    pub(super) places: Vec<u32>,
    /// How many values there are.
    pub(super) values: usize,
}

impl RegisterView {
    pub(super) fn new(problem: &Problem<Register>) -> Self {
        let mut numbers = Numbers::new(problem);
        let initial = numbers.of(problem.model.initial());
        debug_assert_eq!(initial, INITIAL, "the first value asked for");
        let mut view = Self::default();
        for (place, call) in problem.calls.iter().enumerate() {
            let act = match *call {
                RegisterCall::Read(value) => Act::Read(numbers.of(value)),
                RegisterCall::FailedCas(value) => Act::Differs(numbers.of(value)),
                RegisterCall::Write(value) => Act::Write(numbers.of(value)),
                RegisterCall::Cas { from, to } if from == to => Act::Read(numbers.of(from)),
                RegisterCall::Cas { from, to } => Act::Cas(numbers.of(from), numbers.of(to)),
            };
            if act.set().is_some() || problem.returned[place] != NEVER {
                view.acts.push(act);
                view.invoked.push(problem.invoked[place]);
                view.returned.push(problem.returned[place]);
                view.places.push(u32::try_from(place).expect("places are 32 bits"));
            }
        }
        view.values = numbers.count as usize;
        view
    }

    /// How many calls there are.
    pub(super) fn len(&self) -> usize {
        self.acts.len()
    }

    /// Whether the call returned.
    pub(super) fn completed(&self, at: usize) -> bool {
        self.returned[at] != NEVER
    }
}

/// Hands out dense numbers in order of first appearance.
struct Numbers {
    /// By raw id, where the raw ids are small enough for a table.
    table: Vec<u32>,
    others: FxHashMap<ValueId, u32>,
    count: u32,
}

const UNSEEN: u32 = u32::MAX;

impl Numbers {
    fn new(problem: &Problem<Register>) -> Self {
        let dense = 4 * problem.len() + 64;
        let largest = problem.calls.iter().map(|call| match *call {
            RegisterCall::Read(value) | RegisterCall::FailedCas(value) | RegisterCall::Write(value) => value.raw(),
            RegisterCall::Cas { from, to } => from.raw().max(to.raw()),
        });
        let size = largest.map(|raw| raw as usize + 1).filter(|&size| size <= dense).max().unwrap_or(0);
        Self { table: vec![UNSEEN; size], others: FxHashMap::default(), count: 0 }
    }

    fn of(&mut self, value: ValueId) -> u32 {
        let number = match self.table.get_mut(value.raw() as usize) {
            Some(number) => number,
            None => self.others.entry(value).or_insert(UNSEEN),
        };
        if *number == UNSEEN {
            *number = self.count;
            self.count += 1;
        }
        *number
    }
}
