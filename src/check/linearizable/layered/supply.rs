//! How many indeterminate calls of each class a configuration has used, interned.
//!
//! A use takes a member of its class. Inside an excursion (see [`moves`](super::moves)) it must be one that was
//! available when the last blind write was linearized; anywhere else any will do, and then taking one that came
//! after that write leaves more choices (an exchange argument), so two counts per class are exact: the members used
//! from before the last blind write, and those from after it.

use rustc_hash::FxHashMap;

/// The counts of configurations, one row each: for each class (early, late).
#[derive(Debug)]
pub(super) struct Supply {
    classes: usize,
    rows: Vec<u32>,
    totals: Vec<u32>,
    known: FxHashMap<Box<[u32]>, u32>,
    /// Whether indeterminate calls never run out: an over-approximation, sound for saying that no order exists.
    pub(super) unlimited: bool,
}

/// The row without any use.
pub(super) const UNUSED: u32 = 0;

impl Supply {
    pub(super) fn new(classes: usize, unlimited: bool) -> Self {
        let mut supply = Self { classes, rows: Vec::new(), totals: Vec::new(), known: FxHashMap::default(), unlimited };
        supply.intern(vec![0; 2 * classes].into());
        supply
    }

    /// The counts (early, late) of a class.
    pub(super) fn used(&self, row: u32, class: u32) -> (u32, u32) {
        let at = row as usize * 2 * self.classes + 2 * class as usize;
        (self.rows[at], self.rows[at + 1])
    }

    /// How many are used in all.
    pub(super) fn total(&self, row: u32) -> u32 {
        self.totals[row as usize]
    }

    /// The row after one more use.
    pub(super) fn with(&mut self, row: u32, class: u32, late: bool) -> u32 {
        if self.unlimited {
            return row;
        }
        let mut counts: Box<[u32]> = self.row(row).into();
        counts[2 * class as usize + usize::from(late)] += 1;
        self.intern(counts)
    }

    /// The row after a blind write: everything available by then is early.
    pub(super) fn settled(&mut self, row: u32) -> u32 {
        if row == UNUSED || self.row(row).chunks_exact(2).all(|counts| counts[1] == 0) {
            return row;
        }
        let settled = self.row(row).chunks_exact(2).flat_map(|counts| [counts[0] + counts[1], 0]).collect();
        self.intern(settled)
    }

    /// Whether the first row leaves at least what the second one leaves.
    #[inline]
    pub(super) fn leaves_more(&self, row: u32, other: u32) -> bool {
        row == other
            || row == UNUSED
            || (self.total(row) <= self.total(other) && self.row(row).iter().zip(self.row(other)).all(|(a, b)| a <= b))
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        (self.rows.len() * 8 + self.totals.len() * 64) as u64
    }

    /// Forgets all rows but those; their new names replace them.
    pub(super) fn keep<'r>(&mut self, rows: impl Iterator<Item = &'r mut u32>) {
        let mut fresh = Self::new(self.classes, self.unlimited);
        let mut renamed: FxHashMap<u32, u32> = FxHashMap::default();
        for row in rows {
            let old = *row;
            *row = *renamed.entry(old).or_insert_with(|| fresh.intern(self.row(old).into()));
        }
        *self = fresh;
    }

    /// The row of another supply of the same classes.
    pub(super) fn adopt(&mut self, other: &Self, row: u32) -> u32 {
        if row == UNUSED { UNUSED } else { self.intern(other.row(row).into()) }
    }

    fn row(&self, row: u32) -> &[u32] {
        let begin = row as usize * 2 * self.classes;
        &self.rows[begin..begin + 2 * self.classes]
    }

    fn intern(&mut self, counts: Box<[u32]>) -> u32 {
        if let Some(&row) = self.known.get(&counts) {
            return row;
        }
        let row = u32::try_from(self.totals.len()).expect("rows are 32 bits");
        self.rows.extend_from_slice(&counts);
        self.totals.push(counts.iter().sum());
        self.known.insert(counts, row);
        row
    }
}
