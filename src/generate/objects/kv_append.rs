//! A map from keys to strings with `get`, `put` and `append`, as in Porcupine.
//!
//! Every mutator ends the string with its own token (a number and a full stop), so a string names its last
//! mutator by its last token. That makes the argument of `watch` hold word for word with the last token in the
//! place of the value: a `get` that returns a string sees the last mutator before it. A planted string is one that
//! the entry really had when its last token was the newest, or one whose only token nobody writes.

use super::{Fate, Generated, Initial, Object, Op, Reply, Setup, any_key};
use crate::generate::dice::Dice;
use crate::generate::palette::{NIL, Palette};
use crate::generate::plant::Plant;
use crate::generate::simulation::simulate;
use crate::generate::watch::{Observer, Watch};
use crate::history::Value;
use std::collections::BTreeMap;

pub(super) const KV_APPEND: Generated = Generated {
    name: "kv-append",
    functions: "get -> text, put text, append text",
    plants: &[Plant::StaleRead, Plant::GarbageRead, Plant::LostWrite],
    initial: Initial::Text(""),
    keyed: true,
    simulate: simulate::<Entries>,
};

/// Above this many tokens an entry is put anew, so that a history does not grow with the square of its length.
const TOKENS_MAX: usize = 8;
/// How many old strings of the entry that misbehaves are kept.
const STRINGS_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Entries {
    texts: Vec<String>,
    /// The strings that the watched entry had, by their last token.
    strings: BTreeMap<i64, String>,
    palette: Palette,
    read_share: u32,
    watch: Watch,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Get,
    Put(i64),
    Append(i64),
}

impl Call {
    fn token(self) -> Option<i64> {
        match self {
            Self::Get => None,
            Self::Put(token) | Self::Append(token) => Some(token),
        }
    }
}

fn spell_token(token: i64) -> String {
    format!("{token}.")
}

fn last_token(text: &str) -> i64 {
    let token = text.strip_suffix('.').and_then(|text| text.rsplit('.').next());
    token.map_or(NIL, |token| token.parse().expect("made of numbers only"))
}

impl Object for Entries {
    type Call = Call;

    fn new(setup: Setup) -> Self {
        let watch = Watch::new(setup.plan, &setup.palette);
        let texts = vec![String::new(); setup.keys as usize];
        let strings = [(NIL, String::new())].into();
        Self { texts, strings, palette: setup.palette, read_share: setup.read_share, watch }
    }

    fn next_call(&mut self, _: u32, _: u64, dice: &mut Dice) -> (u32, Call) {
        const APPENDS: u32 = 750_000;
        let keys = u32::try_from(self.texts.len()).expect("made from a u32");
        let key = any_key(keys, dice);
        if dice.chance(self.read_share) {
            return (key, Call::Get);
        }
        let tokens = self.texts[key as usize].matches('.').count();
        let token = self.palette.draw(dice);
        let append = tokens < TOKENS_MAX && dice.chance(APPENDS);
        (key, if append { Call::Append(token) } else { Call::Put(token) })
    }

    fn invoked(&mut self, op: &mut Op<Call>) {
        if !self.watch.watches(op.key) {
            return;
        }
        op.mark = self.watch.observer_invoked();
        if let Some(token) = op.call.token().filter(|_| op.fate != Fate::Refused) {
            self.watch.write_invoked(token, op.invoked);
        }
    }

    fn take_effect(&mut self, op: &Op<Call>, _: &mut Dice) -> Reply {
        let watched = self.watch.watches(op.key);
        let entry = &mut self.texts[op.key as usize];
        let Some(token) = op.call.token() else { return Ok(Value::text(entry)) };
        if watched && op.fate == Fate::Answered && self.watch.drops(op.invoked) {
            return Ok(Value::Nil);
        }
        if matches!(op.call, Call::Put(_)) {
            entry.clear();
        }
        entry.push_str(&spell_token(token));
        if watched {
            self.watch.overwrite_of(op.key);
            self.strings.insert(token, entry.clone());
            if self.palette.is_unique() && self.strings.len() > STRINGS_MAX {
                self.strings.pop_first();
            }
        }
        Ok(Value::Nil)
    }

    fn returned(&mut self, op: &Op<Call>, reply: Reply, now: u64) -> Reply {
        if !self.watch.watches(op.key) || op.fate != Fate::Answered {
            return reply;
        }
        if let Some(token) = op.call.token() {
            self.watch.write_returned(token, op.invoked, now, reply.is_ok());
            return reply;
        }
        let Ok(Value::Text(text)) = reply else { return reply };
        let truth = last_token(&text);
        let seen = Observer { invoked: op.invoked, mark: op.mark };
        let lie = self.watch.observed(truth, seen, now, &mut self.palette);
        if lie == truth {
            return Ok(Value::Text(text));
        }
        Ok(self.strings.get(&lie).map_or_else(|| Value::text(&spell_token(lie)), |text| Value::text(text)))
    }

    fn spell(call: &Call) -> (&'static str, Value) {
        match *call {
            Call::Get => ("get", Value::Nil),
            Call::Put(token) => ("put", Value::text(&spell_token(token))),
            Call::Append(token) => ("append", Value::text(&spell_token(token))),
        }
    }

    fn planted(&self) -> Option<u64> {
        self.watch.planted()
    }
}
