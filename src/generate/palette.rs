//! Which values are written.

use super::dice::Dice;
use std::fmt;
use std::str::FromStr;

/// The value before any write.
pub(crate) const NIL: i64 = -1;

/// Which values clients write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Values {
    /// Every write has a value of its own.
    #[default]
    Unique,
    /// This many, at least 1: they repeat.
    Among(u32),
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unique => f.write_str("unique"),
            Self::Among(count) => write!(f, "{count}"),
        }
    }
}

impl FromStr for Values {
    type Err = UnknownValues;

    fn from_str(word: &str) -> Result<Self, UnknownValues> {
        if word == "unique" {
            return Ok(Self::Unique);
        }
        word.parse().ok().filter(|&count| count > 0).map(Self::Among).ok_or_else(|| UnknownValues(word.to_owned()))
    }
}

/// A word that says nothing about values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither 'unique' nor how many values there are, at least 1")]
pub struct UnknownValues(pub String);

/// The values still to be written.
#[derive(Clone, Debug)]
pub(crate) struct Palette {
    values: Values,
    next: i64,
}

impl Palette {
    /// Nothing written yet.
    pub(crate) fn new(values: Values) -> Self {
        Self { values, next: 1 }
    }

    /// Whether no value is drawn twice.
    pub(crate) fn is_unique(&self) -> bool {
        self.values == Values::Unique
    }

    /// A value to write.
    pub(crate) fn draw(&mut self, dice: &mut Dice) -> i64 {
        match self.values {
            Values::Unique => self.take(),
            Values::Among(count) => below(dice, count),
        }
    }

    /// A value that may have been written, for guesses.
    pub(crate) fn guess(&self, dice: &mut Dice) -> i64 {
        const RECENT: u32 = 8;
        match self.values {
            Values::Unique => (self.next - 1 - below(dice, RECENT)).max(1),
            Values::Among(count) => below(dice, count),
        }
    }

    /// A value that [`Self::draw`] never gives.
    pub(crate) fn foreign(&mut self) -> i64 {
        match self.values {
            Values::Unique => self.take(),
            Values::Among(count) => i64::from(count),
        }
    }

    /// Values drawn from now on are not below this one, if they are unique.
    pub(crate) fn frontier(&self) -> i64 {
        self.next
    }

    fn take(&mut self) -> i64 {
        self.next += 1;
        self.next - 1
    }
}

fn below(dice: &mut Dice, count: u32) -> i64 {
    i64::try_from(dice.below(count.into())).expect("below 2^32")
}
