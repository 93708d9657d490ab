//! A map from numbers to numbers whose copies share what they have in common: the memory of large model states.
//!
//! A search copies a state for every configuration, and the replay of a witness steps through one state per
//! operation; with a plain map both would cost the size of the object at every step. Here a step costs O(log n)
//! and old states stay valid.
//!
//! The tree is a radix tree over the key's digits to base 16, lowest digit first, whose subtrees of up to
//! [`LEAF_MAX`] entries are sorted leaves. That form is canonical: two maps are equal exactly when their trees are,
//! so comparing walks only what is not shared. Hashing takes a digest that insertion and removal keep up to date;
//! equality never relies on the digest alone.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

const LEAF_MAX: usize = 16;
const BRANCHES: usize = 16;

/// See the module's text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PersistentMap {
    digest: u64,
    root: Option<Arc<Node>>,
}

type Entry = (u64, u32);
type Children = [Option<Arc<Node>>; BRANCHES];

#[derive(Clone, PartialEq, Eq)]
enum Node {
    /// At most [`LEAF_MAX`] entries in order of their keys.
    Leaf(Box<[Entry]>),
    /// More than that, by the digit at this depth.
    Branch { len: usize, children: Box<Children> },
}

impl PersistentMap {
    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.len())
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// What belongs to a key.
    #[must_use]
    pub fn get(&self, key: u64) -> Option<u32> {
        let mut node = self.root.as_deref()?;
        let mut depth = 0;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return entries.binary_search_by_key(&key, |entry| entry.0).ok().map(|at| entries[at].1);
                }
                Node::Branch { children, .. } => node = children[digit(key, depth)].as_deref()?,
            }
            depth += 1;
        }
    }

    /// The same map with one key set.
    #[must_use]
    pub fn with(&self, key: u64, value: u32) -> Self {
        let before = self.get(key).map_or(0, |old| weight((key, old)));
        let digest = self.digest.wrapping_sub(before).wrapping_add(weight((key, value)));
        Self { digest, root: Some(Arc::new(inserted(self.root.as_deref(), 0, (key, value)))) }
    }

    /// The same map without one key.
    #[must_use]
    pub fn without(&self, key: u64) -> Self {
        let Some(old) = self.get(key) else { return self.clone() };
        let root = self.root.as_deref().and_then(|root| removed(root, 0, key)).map(Arc::new);
        Self { digest: self.digest.wrapping_sub(weight((key, old))), root }
    }

    /// All entries in order of their keys.
    #[must_use]
    pub fn entries(&self) -> Vec<(u64, u32)> {
        let mut entries = Vec::with_capacity(self.len());
        if let Some(root) = &self.root {
            root.collect(&mut entries);
        }
        entries.sort_unstable();
        entries
    }
}

impl Hash for PersistentMap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

impl fmt::Debug for PersistentMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries()).finish()
    }
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Branch { len, .. } => *len,
        }
    }

    fn collect(&self, into: &mut Vec<Entry>) {
        match self {
            Self::Leaf(entries) => into.extend_from_slice(entries),
            Self::Branch { children, .. } => children.iter().flatten().for_each(|child| child.collect(into)),
        }
    }
}

fn digit(key: u64, depth: u32) -> usize {
    usize::try_from(key >> (4 * depth) & 0xf).expect("a digit is below 16")
}

/// Sums of these tell maps apart well enough for a hash table.
fn weight((key, value): Entry) -> u64 {
    let mixed = (key ^ u64::from(value).rotate_left(40)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn inserted(node: Option<&Node>, depth: u32, entry: Entry) -> Node {
    match node {
        None => Node::Leaf(Box::new([entry])),
        Some(Node::Leaf(entries)) => {
            let mut entries = entries.to_vec();
            match entries.binary_search_by_key(&entry.0, |old| old.0) {
                Ok(at) => entries[at] = entry,
                Err(at) => entries.insert(at, entry),
            }
            canonical(entries, depth)
        }
        Some(Node::Branch { len, children }) => {
            let mut children = children.clone();
            let slot = &mut children[digit(entry.0, depth)];
            let before = slot.as_ref().map_or(0, |child| child.len());
            let child = inserted(slot.as_deref(), depth + 1, entry);
            let len = len - before + child.len();
            *slot = Some(Arc::new(child));
            Node::Branch { len, children }
        }
    }
}

/// Without a key that is there; `None` if nothing remains.
fn removed(node: &Node, depth: u32, key: u64) -> Option<Node> {
    match node {
        Node::Leaf(entries) => {
            let rest: Box<[Entry]> = entries.iter().copied().filter(|entry| entry.0 != key).collect();
            (!rest.is_empty()).then_some(Node::Leaf(rest))
        }
        Node::Branch { len, children } => {
            let mut children = children.clone();
            let slot = &mut children[digit(key, depth)];
            let child = slot.take().expect("the key is below this branch");
            *slot = removed(&child, depth + 1, key).map(Arc::new);
            let branch = Node::Branch { len: len - 1, children };
            if len - 1 > LEAF_MAX {
                return Some(branch);
            }
            let mut entries = Vec::with_capacity(LEAF_MAX);
            branch.collect(&mut entries);
            entries.sort_unstable();
            Some(Node::Leaf(entries.into()))
        }
    }
}

fn canonical(entries: Vec<Entry>, depth: u32) -> Node {
    if entries.len() <= LEAF_MAX {
        return Node::Leaf(entries.into());
    }
    let mut parts: [Vec<Entry>; BRANCHES] = Default::default();
    let len = entries.len();
    for entry in entries {
        parts[digit(entry.0, depth)].push(entry);
    }
    let children = parts.map(|part| (!part.is_empty()).then(|| Arc::new(canonical(part, depth + 1))));
    Node::Branch { len, children: Box::new(children) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    use std::collections::BTreeMap;

    #[test]
    fn it_behaves_like_a_tree_map_and_equal_contents_are_equal_however_they_came_about() {
        for seed in 0..40usize {
            let mut random = SmallRng::seed_from_u64(seed as u64);
            let mut truth = BTreeMap::new();
            let mut map = PersistentMap::default();
            let range = [8, 60, 3000][seed % 3];
            for _ in 0..400 {
                let key = random.random_range(0..range) * [1, 1 << 32 | 1][seed % 2];
                if random.random_bool(0.6) {
                    let value = random.random_range(0..3);
                    truth.insert(key, value);
                    map = map.with(key, value);
                } else {
                    truth.remove(&key);
                    map = map.without(key);
                }
                assert_eq!(map.get(key), truth.get(&key).copied(), "seed {seed}");
            }
            assert_eq!(map.entries(), truth.iter().map(|(&key, &value)| (key, value)).collect::<Vec<_>>());
            let rebuilt = truth.iter().rev().fold(PersistentMap::default(), |map, (&key, &value)| map.with(key, value));
            assert!(map == rebuilt, "seed {seed}: the form is canonical");
            assert_eq!(map.digest, rebuilt.digest, "seed {seed}");
            assert_eq!(map.len(), truth.len());
        }
    }
}
