//! The tables a parser interns into before the history's own tables know the words.
//!
//! Blocks of a file are parsed side by side, each into tables of its own; [`Tables::merge_into`] then moves
//! them into the history's tables, every distinct word and value once, and [`Remap`] renames the ids.

use crate::history::builder::{Event, HistoryBuilder};
use crate::history::symbols::{Symbol, Symbols};
use crate::history::value::{ValueId, Values};

/// What events of one block refer to.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub values: Values,
    pub functions: Symbols,
    pub nodes: Symbols,
    pub errors: Symbols,
}

/// How ids of [`Tables`] are called in the history.
#[derive(Debug)]
pub(super) struct Remap {
    values: Vec<ValueId>,
    functions: Vec<Symbol>,
    nodes: Vec<Symbol>,
    errors: Vec<Symbol>,
}

impl Tables {
    /// Only values and functions, for those who need no nodes and errors.
    pub(super) fn merge_values_into(&self, values: &mut Values, functions: &mut Symbols) -> Remap {
        let functions = self.functions.iter().map(|word| functions.intern(word)).collect();
        Remap { values: values.adopt_all(&self.values), functions, nodes: Vec::new(), errors: Vec::new() }
    }

    pub(super) fn merge_into(&self, builder: &mut HistoryBuilder) -> Remap {
        fn words(from: &Symbols, to: &mut Symbols) -> Vec<Symbol> {
            from.iter().map(|word| to.intern(word)).collect()
        }
        Remap {
            values: builder.values().adopt_all(&self.values),
            functions: words(&self.functions, builder.functions()),
            nodes: words(&self.nodes, builder.nodes()),
            errors: words(&self.errors, builder.errors()),
        }
    }
}

impl Remap {
    /// The event in the history's ids, without node and error.
    pub(super) fn apply_to_values(&self, event: &Event) -> Event {
        Event {
            function: self.functions[event.function.index()],
            key: event.key.renamed(&self.values),
            value: event.value.renamed(&self.values),
            node: Symbol::NONE,
            error: Symbol::NONE,
            ..*event
        }
    }

    /// The event in the history's ids.
    pub(super) fn apply(&self, event: &Event) -> Event {
        Event {
            function: self.functions[event.function.index()],
            key: event.key.renamed(&self.values),
            value: event.value.renamed(&self.values),
            node: self.nodes[event.node.index()],
            error: self.errors[event.error.index()],
            ..*event
        }
    }
}
