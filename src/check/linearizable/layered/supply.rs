//! How many indeterminate calls of each class a configuration has used, interned.
//!
//! A use takes a member of its class. Inside an excursion (see [`moves`](super::moves)) it must be one that was
//! available when the last blind write was linearized; anywhere else any will do, and then taking one that came
//! after that write leaves more choices (an exchange argument), so two counts per class are exact: the members used
//! from before the last blind write, and those from after it.

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

/// So many rows lie in one block of memory: what grows is never copied, since memory may be scarce.
const BLOCK_ROWS: usize = 4096;

/// The counts of configurations, one row each: for each class (early, late).
#[derive(Debug)]
pub(super) struct Supply {
    /// How long a row is.
    width: usize,
    blocks: Vec<Vec<u32>>,
    totals: Vec<u32>,
    /// The rows by what they say.
    known: HashTable<u32>,
    /// A row under construction.
    row: Vec<u32>,
    /// Whether indeterminate calls never run out: an over-approximation, sound for saying that no order exists.
    pub(super) unlimited: bool,
}

/// The row without any use.
pub(super) const UNUSED: u32 = 0;

impl Supply {
    pub(super) fn new(classes: usize, unlimited: bool) -> Self {
        let (blocks, totals, known) = (Vec::new(), Vec::new(), HashTable::new());
        let mut supply = Self { width: 2 * classes, blocks, totals, known, row: vec![0; 2 * classes], unlimited };
        supply.intern();
        supply
    }

    /// The counts (early, late) of a class.
    pub(super) fn used(&self, row: u32, class: u32) -> (u32, u32) {
        let counts = &self.row(row)[2 * class as usize..];
        (counts[0], counts[1])
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
        self.copy(row);
        self.row[2 * class as usize + usize::from(late)] += 1;
        self.intern()
    }

    /// The row after a blind write: everything available by then is early.
    pub(super) fn settled(&mut self, row: u32) -> u32 {
        if row == UNUSED || self.row(row).chunks_exact(2).all(|counts| counts[1] == 0) {
            return row;
        }
        self.copy(row);
        for counts in self.row.chunks_exact_mut(2) {
            counts[0] += std::mem::take(&mut counts[1]);
        }
        self.intern()
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
        let rows = self.blocks.len() * BLOCK_ROWS * self.width + self.totals.capacity();
        (rows * size_of::<u32>() + self.known.allocation_size()) as u64
    }

    /// Forgets all rows but those; their new names replace them.
    pub(super) fn keep<'r>(&mut self, rows: impl Iterator<Item = &'r mut u32>) {
        let mut references: Vec<&mut u32> = rows.collect();
        let mut kept: Vec<u32> = references.iter().map(|row| **row).chain([UNUSED]).collect();
        kept.sort_unstable();
        kept.dedup();
        self.known.clear();
        let all = self.totals.len();
        self.totals.truncate(0);
        for &row in &kept {
            debug_assert!((row as usize) < all, "rows only move towards the beginning");
            self.copy(row);
            self.intern();
        }
        for row in &mut references {
            let name = kept.binary_search(&**row).expect("it is kept");
            **row = u32::try_from(name).expect("rows are 32 bits");
        }
        self.blocks.truncate(kept.len().div_ceil(BLOCK_ROWS));
        self.totals.shrink_to_fit();
        self.known.shrink_to(kept.len(), |&row| hash(row_of(&self.blocks, self.width, row)));
    }

    /// The row of another supply of the same classes.
    pub(super) fn adopt(&mut self, other: &Self, row: u32) -> u32 {
        if row == UNUSED {
            return UNUSED;
        }
        self.row.clear();
        self.row.extend_from_slice(other.row(row));
        self.intern()
    }

    fn row(&self, row: u32) -> &[u32] {
        row_of(&self.blocks, self.width, row)
    }

    fn copy(&mut self, row: u32) {
        self.row.clear();
        self.row.extend_from_slice(row_of(&self.blocks, self.width, row));
    }

    /// The name of the row under construction.
    fn intern(&mut self) -> u32 {
        let (blocks, width) = (&mut self.blocks, self.width);
        let code = hash(&self.row);
        if let Some(&row) = self.known.find(code, |&row| row_of(blocks, width, row) == self.row) {
            return row;
        }
        let place = self.totals.len();
        if place == blocks.len() * BLOCK_ROWS {
            blocks.push(vec![0; BLOCK_ROWS * width]);
        }
        let begin = place % BLOCK_ROWS * width;
        blocks[place / BLOCK_ROWS][begin..begin + width].copy_from_slice(&self.row);
        let row = u32::try_from(place).expect("rows are 32 bits");
        self.totals.push(self.row.iter().sum());
        self.known.insert_unique(code, row, |&row| hash(row_of(blocks, width, row)));
        row
    }
}

fn row_of(blocks: &[Vec<u32>], width: usize, row: u32) -> &[u32] {
    let begin = row as usize % BLOCK_ROWS * width;
    &blocks[row as usize / BLOCK_ROWS][begin..begin + width]
}

fn hash(row: &[u32]) -> u64 {
    FxBuildHasher.hash_one(row)
}
