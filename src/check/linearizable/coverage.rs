//! How many intervals cover each piece of a line, while intervals are taken away: a segment tree.
//!
//! Built in O(n), changed and searched in O(log n). Each node knows the smallest and the largest count below it,
//! without what its ancestors add.

/// Counts for pieces `0..len`.
pub(super) struct Coverage {
    leaves: usize,
    added: Vec<i32>,
    least: Vec<i32>,
    most: Vec<i32>,
}

impl Coverage {
    /// From the counts themselves.
    pub(super) fn new(counts: &[i32]) -> Self {
        let leaves = counts.len().next_power_of_two();
        let mut least = vec![0; 2 * leaves];
        least[leaves..leaves + counts.len()].copy_from_slice(counts);
        let mut most = least.clone();
        for node in (1..leaves).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
            most[node] = most[2 * node].max(most[2 * node + 1]);
        }
        Self { leaves, added: vec![0; 2 * leaves], least, most }
    }

    /// Takes away one interval over the pieces from `from` to before `to`.
    pub(super) fn remove(&mut self, from: usize, to: usize) {
        self.add(1, 0, self.leaves, from, to);
    }

    /// The first piece from `from` on that is covered.
    pub(super) fn first_covered(&self, from: usize) -> Option<usize> {
        self.find(1, 0, self.leaves, from, 0, &|_, most| most > 0)
    }

    /// The first piece from `from` on that is not covered.
    pub(super) fn first_bare(&self, from: usize) -> Option<usize> {
        self.find(1, 0, self.leaves, from, 0, &|least, _| least <= 0)
    }

    fn add(&mut self, node: usize, start: usize, len: usize, from: usize, to: usize) {
        if to <= start || start + len <= from {
            return;
        }
        if from <= start && start + len <= to {
            self.added[node] -= 1;
            self.least[node] -= 1;
            self.most[node] -= 1;
            return;
        }
        let half = len / 2;
        self.add(2 * node, start, half, from, to);
        self.add(2 * node + 1, start + half, half, from, to);
        self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]) + self.added[node];
        self.most[node] = self.most[2 * node].max(self.most[2 * node + 1]) + self.added[node];
    }

    fn find(
        &self,
        node: usize,
        start: usize,
        len: usize,
        from: usize,
        above: i32,
        wanted: &impl Fn(i32, i32) -> bool,
    ) -> Option<usize> {
        if start + len <= from || !wanted(self.least[node] + above, self.most[node] + above) {
            return None;
        }
        if len == 1 {
            return Some(start);
        }
        let (half, above) = (len / 2, above + self.added[node]);
        self.find(2 * node, start, half, from, above, wanted)
            .or_else(|| self.find(2 * node + 1, start + half, half, from, above, wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn it_finds_what_a_plain_list_of_counts_finds() {
        for seed in 0..200 {
            let mut random = SmallRng::seed_from_u64(seed);
            let len = random.random_range(1..40);
            let mut counts: Vec<i32> = vec![0; len];
            let mut intervals = Vec::new();
            for _ in 0..random.random_range(0..12) {
                let from = random.random_range(0..len);
                let to = random.random_range(from..=len);
                counts[from..to].iter_mut().for_each(|count| *count += 1);
                intervals.push((from, to));
            }
            let mut coverage = Coverage::new(&counts);
            for (from, to) in intervals {
                for start in 0..len {
                    let covered = (start..len).find(|&at| counts[at] > 0);
                    let bare = (start..len).find(|&at| counts[at] == 0);
                    assert_eq!(coverage.first_covered(start), covered, "seed {seed}");
                    assert_eq!(coverage.first_bare(start).filter(|&at| at < len), bare, "seed {seed}");
                }
                counts[from..to].iter_mut().for_each(|count| *count -= 1);
                coverage.remove(from, to);
            }
        }
    }
}
