//! Values as histories carry them, interned.
//!
//! A [`ValueId`] is four bytes and equal exactly when the values are equal, so that checkers compare,
//! hash and sort ids and never look inside. Integers from 0 to 2³¹−1 are their own id: the common case
//! costs no table at all. Everything else lives once in a [`Values`] table, but for lists that a reader adds as
//! *unshared* because nobody compares them: transactions as a whole, of which there are millions.

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::cmp::Ordering;
use std::fmt;
use std::hash::Hasher;

/// An owned value: JSON without floats. Keywords of EDN become text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// Absent, `null`, `nil`: a register nobody wrote.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A string or a keyword.
    Text(Box<str>),
    /// A list, vector or set.
    List(Box<[Value]>),
    /// A map as pairs in key order.
    Map(Box<[(Value, Value)]>),
}

impl Value {
    /// A text value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl fmt::Display for Value {
    /// Compact JSON-like text; strings appear without quotes when they stand alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => {
                f.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    let gap = if place == 0 { "" } else { " " };
                    write!(f, "{gap}{item}")?;
                }
                f.write_str("]")
            }
            Self::Map(pairs) => {
                f.write_str("{")?;
                for (place, (key, value)) in pairs.iter().enumerate() {
                    let gap = if place == 0 { "" } else { ", " };
                    write!(f, "{gap}{key}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// The identity of a value inside one [`Values`] table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(u32);

const TABLE: u32 = 1 << 31;
/// In the number of a value in the table: that of an unshared triple.
const TRIPLE: u32 = 1 << 30;

impl ValueId {
    /// The value `nil`.
    pub const NIL: Self = Self(TABLE);
    /// No value at all: a field that the event does not have. Never stored in a table.
    pub const ABSENT: Self = Self(u32::MAX);

    /// The id of a small non-negative integer, if `number` is one.
    #[must_use]
    pub fn small(number: i64) -> Option<Self> {
        u32::try_from(number).ok().filter(|n| *n < TABLE).map(Self)
    }

    /// The raw number, for dense indexing and packing; only meaningful beside its table.
    #[must_use]
    pub fn raw(self) -> u32 {
        self.0
    }

    /// The integer, if the id is a small integer (which needs no table).
    #[must_use]
    pub fn as_small(self) -> Option<u32> {
        (self.0 < TABLE).then_some(self.0)
    }

    /// What this id is called in another table, by the names that [`Values::adopt_all`] gave.
    #[must_use]
    pub fn renamed(self, names: &[Self]) -> Self {
        if self.0 < TABLE || self.is_absent() { self } else { names[(self.0 & !TABLE) as usize] }
    }

    /// Whether the field was there at all.
    #[must_use]
    pub fn is_absent(self) -> bool {
        self == Self::ABSENT
    }
}

impl fmt::Debug for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NIL => f.write_str("nil"),
            Self::ABSENT => f.write_str("absent"),
            Self(raw) if raw < TABLE => write!(f, "{raw}"),
            Self(raw) => write!(f, "v{}", raw - TABLE),
        }
    }
}

/// A borrowed look at one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueRef<'v> {
    /// See [`Value::Nil`].
    Nil,
    /// See [`Value::Bool`].
    Bool(bool),
    /// See [`Value::Int`].
    Int(i64),
    /// See [`Value::Text`].
    Text(&'v str),
    /// See [`Value::List`].
    List(&'v [ValueId]),
    /// See [`Value::Map`]: key, value, key, value…
    Map(&'v [ValueId]),
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Nil,
    Bool(bool),
    Int(i64),
    Text { start: u32, len: u32 },
    List { start: u32, len: u32 },
    Map { start: u32, len: u32 },
}

/// The table behind [`ValueId`]: every distinct value once.
#[derive(Clone)]
pub struct Values {
    entries: Vec<Entry>,
    bytes: String,
    children: Vec<ValueId>,
    triples: Vec<[ValueId; 3]>,
    index: HashTable<u32>,
}

impl Default for Values {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({} entries)", self.entries.len())
    }
}

impl Values {
    /// A table that knows `nil`.
    #[must_use]
    pub fn new() -> Self {
        let (entries, bytes, children, triples) = (Vec::new(), String::new(), Vec::new(), Vec::new());
        let mut values = Self { entries, bytes, children, triples, index: HashTable::new() };
        let nil = values.intern_ref(ValueRef::Nil);
        debug_assert_eq!(nil, ValueId::NIL, "nil is the first entry, so that its id is a constant");
        values
    }

    /// How many values the table holds; small integers are in no table.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The id of an integer.
    pub fn int(&mut self, number: i64) -> ValueId {
        ValueId::small(number).unwrap_or_else(|| self.intern_ref(ValueRef::Int(number)))
    }

    /// The id of a text.
    pub fn text(&mut self, text: &str) -> ValueId {
        self.intern_ref(ValueRef::Text(text))
    }

    /// The id of a list of values already in this table.
    pub fn list(&mut self, items: &[ValueId]) -> ValueId {
        self.intern_ref(ValueRef::List(items))
    }

    /// A list of three values already in this table under an id of its own: equal ones are not found to be equal, and
    /// no table that has any is merged into another. For lists that nobody compares.
    ///
    /// # Panics
    /// When the table holds 2³⁰ of them.
    pub fn unshared_triple(&mut self, items: [ValueId; 3]) -> ValueId {
        let at = index(self.triples.len());
        assert!(at < TRIPLE - 1, "a history has fewer than 2^30 accesses");
        self.triples.push(items);
        ValueId(TABLE | TRIPLE | at)
    }

    /// A list of values already in this table under an id of its own, as [`Self::unshared_triple`].
    pub fn unshared_list(&mut self, items: &[ValueId]) -> ValueId {
        let start = index(self.children.len());
        self.children.extend_from_slice(items);
        self.add(Entry::List { start, len: index(items.len()) })
    }

    fn add(&mut self, entry: Entry) -> ValueId {
        let id = index(self.entries.len());
        assert!(id < TRIPLE, "a history has fewer than 2^30 distinct values");
        self.entries.push(entry);
        ValueId(TABLE | id)
    }

    /// The id of any owned value.
    pub fn intern(&mut self, value: &Value) -> ValueId {
        match value {
            Value::Nil => ValueId::NIL,
            Value::Bool(truth) => self.intern_ref(ValueRef::Bool(*truth)),
            Value::Int(number) => self.int(*number),
            Value::Text(text) => self.text(text),
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.intern(item)).collect();
                self.list(&items)
            }
            Value::Map(pairs) => {
                let mut ids: Vec<_> = pairs.iter().map(|(key, value)| (self.intern(key), self.intern(value))).collect();
                self.map(&mut ids)
            }
        }
    }

    /// The id of a map of values already in this table; puts the pairs into key order, since maps that
    /// differ in the order of writing only are equal.
    pub fn map(&mut self, pairs: &mut [(ValueId, ValueId)]) -> ValueId {
        if !pairs.is_sorted_by(|one, two| self.compare(one.0, two.0).is_lt()) {
            pairs.sort_by(|one, two| self.compare(one.0, two.0));
        }
        let items: Vec<_> = pairs.iter().flat_map(|&(key, value)| [key, value]).collect();
        self.intern_ref(ValueRef::Map(&items))
    }

    /// The id of a set of values already in this table: a list in the order of values, each once.
    pub fn set(&mut self, items: &mut Vec<ValueId>) -> ValueId {
        items.sort_by(|&one, &two| self.compare(one, two));
        items.dedup();
        self.list(items)
    }

    /// The order of two values of this table, the same as that of [`Value`].
    #[must_use]
    pub fn compare(&self, one: ValueId, two: ValueId) -> Ordering {
        match (self.get(one), self.get(two)) {
            (ValueRef::Int(one), ValueRef::Int(two)) => one.cmp(&two),
            (ValueRef::Text(one), ValueRef::Text(two)) => one.cmp(two),
            _ if one == two => Ordering::Equal,
            _ => self.to_value(one).cmp(&self.to_value(two)),
        }
    }

    /// The id of a value already in the table, without adding it.
    #[must_use]
    pub fn find(&self, value: ValueRef<'_>) -> Option<ValueId> {
        if let ValueRef::Int(number) = value
            && let Some(id) = ValueId::small(number)
        {
            return Some(id);
        }
        self.index.find(hash(value), |&entry| self.entry(entry) == value).map(|&entry| ValueId(TABLE | entry))
    }

    /// The id of a borrowed value; list items must be ids of this table.
    ///
    /// # Panics
    /// When the table holds 2³⁰ distinct values or four gigabytes of text.
    pub fn intern_ref(&mut self, value: ValueRef<'_>) -> ValueId {
        if let Some(id) = self.find(value) {
            return id;
        }
        let entry = match value {
            ValueRef::Nil => Entry::Nil,
            ValueRef::Bool(truth) => Entry::Bool(truth),
            ValueRef::Int(number) => Entry::Int(number),
            ValueRef::Text(text) => {
                let start = index(self.bytes.len());
                self.bytes.push_str(text);
                Entry::Text { start, len: index(text.len()) }
            }
            ValueRef::List(items) => {
                let start = index(self.children.len());
                self.children.extend_from_slice(items);
                Entry::List { start, len: index(items.len()) }
            }
            ValueRef::Map(items) => {
                let start = index(self.children.len());
                self.children.extend_from_slice(items);
                Entry::Map { start, len: index(items.len()) }
            }
        };
        let id = self.add(entry);
        let Self { entries, bytes, children, index, .. } = self;
        let number = id.0 & !TABLE;
        index.insert_unique(hash(value), number, |&entry| hash(resolve(entries[entry as usize], bytes, children)));
        id
    }

    /// A look at a value. An absent field looks like `nil`.
    #[must_use]
    pub fn get(&self, id: ValueId) -> ValueRef<'_> {
        match id {
            ValueId::ABSENT => ValueRef::Nil,
            ValueId(raw) if raw < TABLE => ValueRef::Int(i64::from(raw)),
            ValueId(raw) if raw & TRIPLE != 0 => ValueRef::List(&self.triples[(raw & !(TABLE | TRIPLE)) as usize]),
            ValueId(raw) => self.entry(raw & !TABLE),
        }
    }

    /// The id of an owned value, or [`ValueId::ABSENT`] if the table does not have it: then nothing in the history
    /// carries that value, and an id that nothing carries stands for it.
    #[must_use]
    pub fn id_of(&self, value: &Value) -> ValueId {
        let plain = match value {
            Value::Nil => ValueRef::Nil,
            Value::Bool(truth) => ValueRef::Bool(*truth),
            Value::Int(number) => ValueRef::Int(*number),
            Value::Text(text) => ValueRef::Text(text),
            Value::List(_) | Value::Map(_) => {
                let mut values = self.clone();
                let id = values.intern(value);
                return if self.contains(id) { id } else { ValueId::ABSENT };
            }
        };
        self.find(plain).unwrap_or(ValueId::ABSENT)
    }

    /// Whether the id is one of this table (small integers always are).
    #[must_use]
    pub fn contains(&self, id: ValueId) -> bool {
        let number = (id.0 & !(TABLE | TRIPLE)) as usize;
        id.0 < TABLE || number < if id.0 & TRIPLE == 0 { self.entries.len() } else { self.triples.len() }
    }

    /// The items of a list, or `None` when the value is no list.
    #[must_use]
    pub fn items(&self, id: ValueId) -> Option<&[ValueId]> {
        match self.get(id) {
            ValueRef::List(items) => Some(items),
            _ => None,
        }
    }

    /// An owned copy of a value.
    #[must_use]
    pub fn to_value(&self, id: ValueId) -> Value {
        match self.get(id) {
            ValueRef::Nil => Value::Nil,
            ValueRef::Bool(truth) => Value::Bool(truth),
            ValueRef::Int(number) => Value::Int(number),
            ValueRef::Text(text) => Value::text(text),
            ValueRef::List(items) => Value::List(items.iter().map(|&item| self.to_value(item)).collect()),
            ValueRef::Map(items) => {
                Value::Map(items.chunks_exact(2).map(|pair| (self.to_value(pair[0]), self.to_value(pair[1]))).collect())
            }
        }
    }

    /// Copies a value of another table into this one.
    pub fn adopt(&mut self, other: &Values, id: ValueId) -> ValueId {
        if id.as_small().is_some() || id == ValueId::NIL || id.is_absent() {
            return id;
        }
        match other.get(id) {
            ValueRef::List(items) => {
                let items: Vec<_> = items.iter().map(|&item| self.adopt(other, item)).collect();
                self.list(&items)
            }
            ValueRef::Map(items) => {
                let items: Vec<_> = items.iter().map(|&item| self.adopt(other, item)).collect();
                self.intern_ref(ValueRef::Map(&items))
            }
            plain => self.intern_ref(plain),
        }
    }

    /// Copies all values of another table into this one; the result says, by table index, what each is
    /// called here, for [`ValueId::renamed`].
    ///
    /// # Panics
    /// When the other table has unshared triples.
    pub fn adopt_all(&mut self, other: &Values) -> Vec<ValueId> {
        assert!(other.triples.is_empty(), "unshared triples are for tables that are not merged");
        let mut names: Vec<ValueId> = Vec::with_capacity(other.entries.len());
        let mut items = Vec::new();
        for &entry in &other.entries {
            // A list is interned after its items, so their new names are known here.
            let value = resolve(entry, &other.bytes, &other.children);
            let name = match value {
                ValueRef::List(children) | ValueRef::Map(children) => {
                    items.clear();
                    items.extend(children.iter().map(|child| child.renamed(&names)));
                    let list = matches!(value, ValueRef::List(_));
                    self.intern_ref(if list { ValueRef::List(&items) } else { ValueRef::Map(&items) })
                }
                plain => self.intern_ref(plain),
            };
            names.push(name);
        }
        names
    }

    fn entry(&self, entry: u32) -> ValueRef<'_> {
        resolve(self.entries[entry as usize], &self.bytes, &self.children)
    }
}

fn resolve<'v>(entry: Entry, bytes: &'v str, children: &'v [ValueId]) -> ValueRef<'v> {
    let range = |start: u32, len: u32| start as usize..start as usize + len as usize;
    match entry {
        Entry::Nil => ValueRef::Nil,
        Entry::Bool(truth) => ValueRef::Bool(truth),
        Entry::Int(number) => ValueRef::Int(number),
        Entry::Text { start, len } => ValueRef::Text(&bytes[range(start, len)]),
        Entry::List { start, len } => ValueRef::List(&children[range(start, len)]),
        Entry::Map { start, len } => ValueRef::Map(&children[range(start, len)]),
    }
}

fn index(len: usize) -> u32 {
    u32::try_from(len).expect("a history's values fit in four gigabytes")
}

fn hash(value: ValueRef<'_>) -> u64 {
    let mut hasher = FxHasher::default();
    match value {
        ValueRef::Nil => hasher.write_u8(0),
        ValueRef::Bool(truth) => hasher.write_u8(1 + u8::from(truth)),
        ValueRef::Int(number) => hasher.write_i64(number),
        ValueRef::Text(text) => hasher.write(text.as_bytes()),
        ValueRef::List(items) | ValueRef::Map(items) => {
            hasher.write_u8(if matches!(value, ValueRef::List(_)) { 3 } else { 4 });
            for item in items {
                hasher.write_u32(item.raw());
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_ids_and_come_back_unchanged() {
        let mut values = Values::new();
        let nested = Value::List(Box::new([
            Value::text("r"),
            Value::Int(-7),
            Value::Nil,
            Value::Int(i64::MAX),
            Value::Map(Box::new([(Value::text("k"), Value::Bool(true))])),
        ]));
        let first = values.intern(&nested);
        assert_eq!(first, values.intern(&nested));
        assert_eq!(values.to_value(first), nested);
        assert_ne!(first, values.text("r"));
        assert_eq!(values.int(5).as_small(), Some(5));
        assert_eq!(values.get(values.find(ValueRef::Int(-7)).expect("was interned")), ValueRef::Int(-7));
    }

    #[test]
    fn a_whole_table_moves_and_every_id_has_a_new_name() {
        let mut one = Values::new();
        let mut two = Values::new();
        two.text("something else first");
        let owned = [
            Value::List(Box::new([Value::text("a"), Value::List(Box::new([Value::Int(-1)]))])),
            Value::Map(Box::new([(Value::text("k"), Value::Bool(false))])),
            Value::Int(3),
            Value::Nil,
        ];
        let ids = owned.each_ref().map(|value| one.intern(value));
        let names = two.adopt_all(&one);
        for (id, value) in ids.iter().zip(&owned) {
            assert_eq!(two.to_value(id.renamed(&names)), *value);
        }
        assert!(ValueId::ABSENT.renamed(&names).is_absent());
    }

    #[test]
    fn maps_and_sets_are_equal_in_whatever_order_they_were_written() {
        let mut values = Values::new();
        let [a, b] = ["a", "b"].map(|word| values.text(word));
        let one = values.map(&mut [(b, ValueId::NIL), (a, a)]);
        assert_eq!(one, values.map(&mut [(a, a), (b, ValueId::NIL)]));
        let set = values.set(&mut vec![b, a, b]);
        assert_eq!(values.items(set), Some(&[a, b][..]));
    }

    #[test]
    fn a_value_moves_between_tables() {
        let mut one = Values::new();
        let mut two = Values::new();
        two.text("something else first");
        let id = one.intern(&Value::List(Box::new([Value::text("a"), Value::Int(1)])));
        let moved = two.adopt(&one, id);
        assert_eq!(two.to_value(moved), one.to_value(id));
    }
}
