//! Event lines in the exact spelling of our own recorder, read without a JSON parser.
//!
//! Accepts a subset of what [`super::wire`] accepts, with the same result: fields in the recorder's order
//! without spaces, whole numbers of at most 18 digits, text without escapes, flat lists of whole numbers.
//! Anything else is `None` and goes the general way, which also finds the error if there is one.

use super::super::tables::Tables;
use super::wire::NEMESIS;
use crate::history::builder::{Actor, Event, Phase, Place, Retry};
use crate::history::columns::{Nanos, ProcessId};
use crate::history::symbols::{Symbol, Symbols};
use crate::history::value::{ValueId, ValueRef};

/// More items than any operation on a register, set or queue has; longer lists go the general way.
const LIST_MAX: usize = 16;

/// More digits could overflow.
const DIGITS_MAX: usize = 18;
/// The same for numbers of 32 bits.
const PROCESS_DIGITS_MAX: usize = 9;

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
    let retry = if at.skip(b",\"attempt\":").is_some() { Some(at.retry()?) } else { None };
    at.skip(b"}\n")?;
    let place = Place { line, column: 1 };
    let event = Event { time, actor, phase, function, key, value, node, error, retry, place };
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

    /// What follows the name of an attempt.
    fn retry(&mut self) -> Option<Retry> {
        let attempt = u32::try_from(self.digits(PROCESS_DIGITS_MAX)?).ok().filter(|&attempt| attempt > 1)?;
        self.skip(b",\"previous\":")?;
        let previous = u32::try_from(self.digits(PROCESS_DIGITS_MAX)?).ok()?;
        Some(Retry { attempt, previous: ProcessId(previous) })
    }

    #[inline]
    fn actor(&mut self) -> Option<Actor> {
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
    let x = bytes ^ (ONES * u64::from(b'"'));
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

#[cfg(test)]
mod tests {
    use super::super::encode::{EventLine, Payload, encode_event};
    use super::super::wire;
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    const LINES: usize = 20_000;

    fn seed() -> u64 {
        let seed = std::env::var("CONSISTORY_SEED").ok().map_or(4711, |seed| seed.parse().expect("a number"));
        println!("CONSISTORY_SEED={seed}");
        seed
    }

    /// The event with every id replaced by what it stands for.
    fn spelled_out(event: &Event, tables: &Tables) -> String {
        let value = |id: ValueId| (!id.is_absent()).then(|| tables.values.to_value(id));
        let words =
            [tables.functions.get(event.function), tables.nodes.get(event.node), tables.errors.get(event.error)];
        format!(
            "{:?} {:?} {:?} {words:?} {:?} {:?} {:?}",
            event.time,
            event.actor,
            event.phase,
            value(event.key),
            value(event.value),
            event.place
        )
    }

    fn fast(line: &[u8]) -> Option<String> {
        let (mut tables, mut words) = (Tables::default(), Words::default());
        let (event, len) = parse(line, 9, &mut tables, &mut words)?;
        assert_eq!(len, line.len(), "a line is read whole");
        // A second time, with every word in the cache.
        let (again, _) = parse(line, 9, &mut tables, &mut words).expect("what is read once is read twice");
        assert_eq!(spelled_out(&event, &tables), spelled_out(&again, &tables));
        Some(spelled_out(&event, &tables))
    }

    fn general(line: &[u8]) -> Option<String> {
        let mut tables = Tables::default();
        let event = wire::parse(line, 9, &mut tables).ok()?;
        Some(spelled_out(&event, &tables))
    }

    fn word(random: &mut SmallRng) -> &'static str {
        ["read", "write", "compare-and-set", "n1", "ümlaut", "a b", "1234567", "12345678"][random.random_range(0..8)]
    }

    fn number(random: &mut SmallRng) -> i64 {
        let wide = random.random_range(-999_999_999_999_999_999..=999_999_999_999_999_999);
        [0, 7, -1, 1 << 31, (1 << 31) - 1, wide][random.random_range(0..6)]
    }

    fn line(random: &mut SmallRng) -> Vec<u8> {
        let numbers: Vec<i64> = (0..random.random_range(0..=LIST_MAX)).map(|_| number(random)).collect();
        let text = word(random);
        let payload = |random: &mut SmallRng| match random.random_range(0..6) {
            0 => Payload::Absent,
            1 => Payload::Nil,
            2 => Payload::Bool(random.random()),
            3 => Payload::Int(number(random)),
            4 => Payload::Text(text),
            _ => Payload::Ints(&numbers),
        };
        let client = Actor::Client(ProcessId(random.random_range(0..1_000_000_000)));
        let event = EventLine {
            index: random.random_range(0..1_000_000),
            time: [Nanos::UNKNOWN, Nanos(0), Nanos(random.random_range(0..1 << 50))][random.random_range(0..3)],
            actor: if random.random_ratio(1, 8) { Actor::Nemesis } else { client },
            phase: [Phase::Invoke, Phase::Ok, Phase::Fail, Phase::Info][random.random_range(0..4)],
            function: word(random),
            key: payload(random),
            value: payload(random),
            node: ["", word(random)][random.random_range(0..2)],
            error: ["", word(random)][random.random_range(0..2)],
            retry: random.random_ratio(1, 4).then(|| Retry {
                attempt: random.random_range(2..1_000_000_000),
                previous: ProcessId(random.random_range(0..1_000_000_000)),
            }),
        };
        let mut out = Vec::new();
        encode_event(&mut out, &event);
        out
    }

    #[test]
    fn every_line_of_the_encoder_is_read_fast_and_means_what_serde_says() {
        let mut random = SmallRng::seed_from_u64(seed());
        for _ in 0..LINES {
            let line = line(&mut random);
            let text = String::from_utf8_lossy(&line);
            let fast = fast(&line);
            assert!(fast.is_some(), "read the slow way: {text}");
            assert_eq!(fast, general(&line), "{text}");
        }
    }

    #[test]
    fn whatever_is_read_fast_from_a_damaged_line_serde_reads_just_so() {
        const BYTES: &[u8] = b"\"\\{}[],:-+.0123456789eEnull \t\0\x7f\xff\xc3u";
        let mut random = SmallRng::seed_from_u64(seed());
        let mut accepted = 0;
        for _ in 0..LINES * 10 {
            let mut line = line(&mut random);
            line.pop();
            for _ in 0..random.random_range(1..3) {
                let at = random.random_range(0..line.len());
                let byte = BYTES[random.random_range(0..BYTES.len())];
                match random.random_range(0..3) {
                    0 => line[at] = byte,
                    1 => line.insert(at, byte),
                    _ => drop(line.remove(at)),
                }
            }
            line.push(b'\n');
            if let Some(fast) = fast(&line) {
                accepted += 1;
                assert_eq!(Some(fast), general(&line), "{}", String::from_utf8_lossy(&line));
            }
        }
        assert!(accepted > LINES, "only {accepted} damaged lines were readable: the test says little");
    }

    #[test]
    fn what_json_forbids_is_never_read_fast() {
        for (field, bad) in [
            ("\"process\":3", "\"process\":03"),
            ("\"value\":5", "\"value\":-0"),
            ("\"value\":5", "\"value\":05"),
            ("\"value\":5", "\"value\":5.0"),
            ("\"value\":5", "\"value\":[5,]"),
            ("\"value\":5", "\"value\":\"a\tb\""),
            ("\"value\":5", "\"value\":9223372036854775808"),
            ("\"f\":\"r\"", "\"f\":\"\""),
            ("\"f\":\"r\"", "\"f\":\"\\u0072\""),
        ] {
            let line = "{\"process\":3,\"type\":\"ok\",\"f\":\"r\",\"value\":5}\n";
            assert!(fast(line.as_bytes()).is_some());
            assert!(fast(line.replace(field, bad).as_bytes()).is_none(), "{bad}");
        }
    }
}
