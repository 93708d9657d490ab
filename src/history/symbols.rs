//! Short recurring words (functions, nodes, errors), interned to a small number.

use rustc_hash::FxHashMap;

/// The number of a word inside one [`Symbols`] table; 0 is the empty word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(u32);

impl Symbol {
    /// The empty word: a field that the event does not have.
    pub const NONE: Self = Self(0);

    /// The number, for dense tables.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A table of words.
#[derive(Clone, Debug)]
pub struct Symbols {
    words: Vec<Box<str>>,
    index: FxHashMap<Box<str>, Symbol>,
}

impl Default for Symbols {
    fn default() -> Self {
        Self { words: vec!["".into()], index: std::iter::once(("".into(), Symbol::NONE)).collect() }
    }
}

impl Symbols {
    /// The number of a word, added if it is new.
    ///
    /// # Panics
    /// When there are 2³² distinct words.
    pub fn intern(&mut self, word: &str) -> Symbol {
        if let Some(&symbol) = self.index.get(word) {
            return symbol;
        }
        let symbol = Symbol(u32::try_from(self.words.len()).expect("fewer than 2^32 distinct words"));
        self.words.push(word.into());
        self.index.insert(word.into(), symbol);
        symbol
    }

    /// The number of a word, if it is known.
    #[must_use]
    pub fn find(&self, word: &str) -> Option<Symbol> {
        self.index.get(word).copied()
    }

    /// The word behind a number.
    #[must_use]
    pub fn get(&self, symbol: Symbol) -> &str {
        &self.words[symbol.index()]
    }

    /// All words in order of their numbers, the empty one first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(AsRef::as_ref)
    }
}
