//! Event lines in the exact spelling of our own recorder, read without a JSON parser.
//!
//! Accepts a subset of what [`super::wire`] accepts, with the same result: fields in the recorder's order
//! without spaces, whole numbers of at most 18 digits, text without escapes, flat lists of whole numbers.
//! Anything else is `None` and goes the general way, which also finds the error if there is one.

use super::super::tables::Tables;
use super::wire::NEMESIS;
use crate::history::builder::{Actor, Event, Phase, Place};
use crate::history::columns::{Nanos, ProcessId};
use crate::history::symbols::{Symbol, Symbols};
use crate::history::value::{ValueId, ValueRef};

/// More items than any operation on a register, set or queue has; longer lists go the general way.
const LIST_MAX: usize = 16;

/// More digits could overflow.
const DIGITS_MAX: usize = 18;

/// Words seen lately in functions, nodes and errors, so that a line costs no hashing of strings.
#[derive(Debug, Default)]
pub(super) struct Words {
    functions: WordCache,
    nodes: WordCache,
    errors: WordCache,
}

/// Reads one line with its line break from the beginning of `text`.
///
/// The result's second part is the length of the line.
pub(super) fn parse(text: &[u8], line: u32, tables: &mut Tables, words: &mut Words) -> Option<(Event, usize)> {
    let mut at = Cursor(text);
    at.skip(b"{\"")?;
    if at.skip(b"index\":").is_some() {
        at.digits(DIGITS_MAX)?;
        at.skip(b",\"")?;
    }
    let mut time = Nanos::UNKNOWN;
    if at.skip(b"time\":").is_some() {
        time = Nanos(at.digits(DIGITS_MAX)?);
        at.skip(b",\"")?;
    }
    at.skip(b"process\":")?;
    let actor = at.actor()?;
    at.skip(b",\"type\":\"")?;
    let phase = at.phase()?;
    at.skip(b",\"f\":\"")?;
    let function = at.word(&mut words.functions, &mut tables.functions)?;
    if function == Symbol::NONE {
        return None;
    }
    let mut key = ValueId::ABSENT;
    if at.skip(b",\"key\":").is_some() {
        // A key of null is no key.
        key = Some(at.value(tables)?).filter(|&key| key != ValueId::NIL).unwrap_or(ValueId::ABSENT);
    }
    let value = if at.skip(b",\"value\":").is_some() { at.value(tables)? } else { ValueId::ABSENT };
    let mut node = Symbol::NONE;
    if at.skip(b",\"node\":\"").is_some() {
        node = at.word(&mut words.nodes, &mut tables.nodes)?;
    }
    let mut error = Symbol::NONE;
    if at.skip(b",\"error\":\"").is_some() {
        error = at.word(&mut words.errors, &mut tables.errors)?;
    }
    at.skip(b"}\n")?;
    let place = Place { line, column: 1 };
    let event = Event { time, actor, phase, function, key, value, node, error, place };
    Some((event, text.len() - at.0.len()))
}

/// What is left of the line.
struct Cursor<'l>(&'l [u8]);

impl<'l> Cursor<'l> {
    #[inline]
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// A number as JSON writes it: no sign, no leading zero.
    #[inline]
    fn digits(&mut self, digits_max: usize) -> Option<u64> {
        let mut number = 0;
        let mut len = 0;
        while let Some(digit) = self.0.get(len).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
            if len == digits_max {
                return None;
            }
            number = number * 10 + u64::from(digit);
            len += 1;
        }
        if len == 0 || len > 1 && self.0[0] == b'0' {
            return None;
        }
        self.0 = &self.0[len..];
        Some(number)
    }

    #[inline]
    fn int(&mut self) -> Option<i64> {
        let negative = self.skip(b"-").is_some();
        let number = i64::try_from(self.digits(DIGITS_MAX)?).ok()?;
        match (negative, number) {
            // JSON's -0 is a float.
            (true, 0) => None,
            (true, number) => Some(-number),
            (false, number) => Some(number),
        }
    }

    #[inline]
    fn actor(&mut self) -> Option<Actor> {
        const PROCESS_DIGITS_MAX: usize = 9;
        if self.skip(b"\"").is_some() {
            self.skip(NEMESIS.as_bytes())?;
            self.skip(b"\"")?;
            return Some(Actor::Nemesis);
        }
        let process = u32::try_from(self.digits(PROCESS_DIGITS_MAX)?).ok()?;
        Some(Actor::Client(ProcessId(process)))
    }

    #[inline]
    fn phase(&mut self) -> Option<Phase> {
        const PHASES: [(&[u8], Phase); 4] =
            [(b"invoke\"", Phase::Invoke), (b"ok\"", Phase::Ok), (b"fail\"", Phase::Fail), (b"info\"", Phase::Info)];
        PHASES.iter().find_map(|&(word, phase)| self.skip(word).map(|()| phase))
    }

    /// Text up to its closing quote, which is skipped; the opening one is behind us.
    #[inline]
    fn text(&mut self) -> Option<&'l str> {
        let len = self.0.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        if self.0[len] != b'"' {
            return None;
        }
        let (text, rest) = self.0.split_at(len);
        self.0 = &rest[1..];
        std::str::from_utf8(text).ok()
    }

    #[inline]
    fn word(&mut self, cache: &mut WordCache, symbols: &mut Symbols) -> Option<Symbol> {
        if let Some(short) = short_word(self.0) {
            if let Some(symbol) = cache.get(short.packed) {
                self.0 = &self.0[short.len + 1..];
                return Some(symbol);
            }
            let symbol = symbols.intern(self.text()?);
            cache.put(short.packed, symbol);
            return Some(symbol);
        }
        Some(symbols.intern(self.text()?))
    }

    #[inline]
    fn value(&mut self, tables: &mut Tables) -> Option<ValueId> {
        match *self.0.first()? {
            b'-' | b'0'..=b'9' => Some(tables.values.int(self.int()?)),
            b'"' => {
                self.0 = &self.0[1..];
                Some(tables.values.text(self.text()?))
            }
            b'[' => self.list(tables),
            b'n' => self.skip(b"null").map(|()| ValueId::NIL),
            b't' => self.skip(b"true").map(|()| tables.values.intern_ref(ValueRef::Bool(true))),
            b'f' => self.skip(b"false").map(|()| tables.values.intern_ref(ValueRef::Bool(false))),
            _ => None,
        }
    }

    fn list(&mut self, tables: &mut Tables) -> Option<ValueId> {
        let mut items = [ValueId::NIL; LIST_MAX];
        let mut len = 0;
        self.skip(b"[")?;
        if self.skip(b"]").is_none() {
            loop {
                *items.get_mut(len)? = tables.values.int(self.int()?);
                len += 1;
                if self.skip(b",").is_none() {
                    break self.skip(b"]")?;
                }
            }
        }
        Some(tables.values.list(&items[..len]))
    }
}

/// A word of at most seven bytes, its bytes in one integer.
struct ShortWord {
    packed: u64,
    len: usize,
}

/// Finds the closing quote among the next eight bytes at once: the lowest byte of `x` that is zero is the
/// lowest with its high bit set in `(x - 01…01) & !x & 80…80`.
#[inline]
fn short_word(text: &[u8]) -> Option<ShortWord> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let bytes = u64::from_le_bytes(*text.first_chunk()?);
    let x = bytes ^ (ONES * b'"' as u64);
    let zeros = x.wrapping_sub(ONES) & !x & (ONES << 7);
    let bits = zeros.trailing_zeros() & !7;
    (zeros != 0).then(|| ShortWord { packed: bytes & ((1 << bits) - 1), len: bits as usize / 8 })
}

const CACHE_BITS: u32 = 6;

/// Packed words and their symbols, one in each place; 0 is the empty word and means an empty place.
#[derive(Debug)]
struct WordCache([(u64, Symbol); 1 << CACHE_BITS]);

impl Default for WordCache {
    fn default() -> Self {
        Self([(0, Symbol::NONE); 1 << CACHE_BITS])
    }
}

impl WordCache {
    fn place(packed: u64) -> usize {
        // The golden ratio spreads words over the high bits.
        (packed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - CACHE_BITS)) as usize
    }

    #[inline]
    fn get(&self, packed: u64) -> Option<Symbol> {
        let (known, symbol) = self.0[Self::place(packed)];
        (known == packed && packed != 0).then_some(symbol)
    }

    fn put(&mut self, packed: u64, symbol: Symbol) {
        self.0[Self::place(packed)] = (packed, symbol);
    }
}
