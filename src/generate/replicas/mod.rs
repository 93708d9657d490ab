//! Histories of sessions that read and write keys at replicas: right for claims below linearizable, wrong for it.
//!
//! Each session is at one replica and always has one operation open, whose accesses are to different keys, each as
//! likely; what it writes is written nowhere else. [`store`] says why the histories keep what their model promises.
//! A planted violation is a few operations in the second half whose reads are told wrong, with writes that really
//! happen; why no order can explain them stands beside each ([`Store::plants`]).

mod spell;
mod store;

pub use spell::Spelling;

use super::dice::Dice;
use super::{GenerateError, OPS_MAX, PLACES, Plant, Planted, Summary, millionths};
use crate::history::formats::consistory::encode_header;
use crate::history::{Header, Value};
use spell::Speller;
use std::io::{self, Write};
use store::{Kind, Stores};

/// The most accesses of one operation.
const ACCESSES_MAX: u32 = 1_000;
/// The most replicas.
const REPLICAS_MAX: u32 = 1_000;

/// A kind of replicated store.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// The word of `--model`.
    pub name: &'static str,
    /// The strongest claim that its histories keep.
    pub claim: &'static str,
    kind: Kind,
}

/// Every kind.
#[must_use]
pub fn stores() -> &'static [Store] {
    &[
        Store { name: "causal-store", claim: "causal-convergence", kind: Kind::Causal },
        Store { name: "replicated-log", claim: "sequential", kind: Kind::Log },
    ]
}

impl Store {
    /// What can be planted.
    #[must_use]
    pub fn plants() -> &'static [Plant] {
        &[Plant::Divergence, Plant::MissedCause, Plant::FracturedRead, Plant::BackwardRead]
    }
}

/// What to generate.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The store.
    pub store: &'static Store,
    /// How many operations, at most [`OPS_MAX`].
    pub ops: u64,
    /// How many sessions, at least 1.
    pub sessions: u32,
    /// How many keys, at least as many as accesses.
    pub keys: u32,
    /// How many reads and writes an operation has, at least 1; of 1, operations are `read` and `write`, else `txn`.
    pub accesses: u32,
    /// How many replicas there are, at least 1.
    pub replicas: u32,
    /// How many percent of the accesses read.
    pub read_percent: f64,
    /// The violation, if one is wanted.
    pub plant: Option<Plant>,
    /// How it is written down.
    pub spelling: Spelling,
    /// Every other choice follows from this.
    pub seed: u64,
}

/// One read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Access {
    writes: bool,
    key: u32,
    /// What is written, or was read.
    value: i64,
}

/// Writes a history.
///
/// # Errors
/// Options without sense before anything is written; what `out` says otherwise.
pub fn generate_store(options: &StoreOptions, out: &mut dyn Write) -> Result<Summary, GenerateError> {
    validate(options)?;
    if options.spelling == Spelling::Consistory {
        out.write_all(encode_header(&header(options)).as_bytes())?;
    }
    let mut run = Run::new(options, out);
    let planted = run.all()?;
    let events = run.speller.events;
    run.speller.finish()?;
    Ok(Summary { events, planted })
}

fn validate(options: &StoreOptions) -> Result<(), GenerateError> {
    let single = options.accesses == 1;
    let checks = [
        (options.ops <= OPS_MAX, "--ops", "at most 1073741824"),
        ((1..1 << 30).contains(&options.sessions), "--clients", "at least 1 and below 2^30"),
        ((1..=ACCESSES_MAX).contains(&options.accesses), "--accesses", "at least 1 and at most 1000"),
        (options.keys >= options.accesses, "--keys", "at least as many as --accesses"),
        ((1..=REPLICAS_MAX).contains(&options.replicas), "--replicas", "at least 1 and at most 1000"),
        ((0.0..=100.0).contains(&options.read_percent), "--read-share", "between 0 and 100"),
    ];
    for (sound, option, expected) in checks {
        if !sound {
            return Err(GenerateError::Option { option, expected });
        }
    }
    let Some(plant) = options.plant else { return Ok(()) };
    if !Store::plants().contains(&plant) {
        let possible = Store::plants().iter().map(|plant| plant.word()).collect::<Vec<_>>().join(", ");
        return Err(GenerateError::NotThisModel { plant, model: options.store.name, possible });
    }
    if options.sessions < 3 || options.keys < 2 {
        return Err(GenerateError::Option { option: "--clients and --keys", expected: "at least 3 and 2 for a plant" });
    }
    if single && matches!(plant, Plant::FracturedRead | Plant::BackwardRead) {
        return Err(GenerateError::Option { option: "--accesses", expected: "at least 2 for this plant" });
    }
    Ok(())
}

fn header(options: &StoreOptions) -> Header {
    let config = vec![
        ("ops", options.ops.to_string()),
        ("clients", options.sessions.to_string()),
        ("keys", options.keys.to_string()),
        ("accesses", options.accesses.to_string()),
        ("replicas", options.replicas.to_string()),
        ("read-share", options.read_percent.to_string()),
        ("plant", options.plant.map_or("none", Plant::word).to_owned()),
    ];
    Header {
        tool: Some(concat!("consistory ", env!("CARGO_PKG_VERSION")).to_owned()),
        config: config.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        workload: Some("gen".to_owned()),
        model: Some(if options.accesses == 1 { "register" } else { "multi-register" }.to_owned()),
        initial: (options.accesses == 1).then_some(Value::Nil),
        claims: vec![options.store.claim.to_owned()],
        seed: Some(options.seed),
        clock: Some("virtual ns".to_owned()),
        ..Header::default()
    }
}

/// The stream of [`Dice`] that sessions use.
const SESSIONS: u64 = 2;

struct Run<'o> {
    options: &'o StoreOptions,
    dice: Dice,
    stores: Stores,
    speller: Speller<'o>,
    open: Vec<Vec<Access>>,
    invoked: u64,
    /// The last value written.
    value: i64,
}

impl<'o> Run<'o> {
    fn new(options: &'o StoreOptions, out: &'o mut dyn Write) -> Self {
        Self {
            options,
            dice: Dice::new(options.seed, SESSIONS),
            stores: Stores::new(options.store.kind, options.replicas as usize, options.keys as usize),
            speller: Speller::new(options.spelling, options.accesses == 1, options.sessions, out),
            open: vec![Vec::new(); options.sessions as usize],
            invoked: 0,
            value: 0,
        }
    }

    fn all(&mut self) -> io::Result<Option<Planted>> {
        let mut places = Dice::new(self.options.seed, PLACES);
        let half = self.options.ops / 2;
        let place = half + places.below(half / 2 + 1);
        let mut planted = None;
        for session in 0..self.options.sessions {
            self.invoke_next(session)?;
        }
        let sessions = u64::from(self.options.sessions);
        let mut idle = 0;
        while idle < sessions {
            let session = u32::try_from(self.dice.below(sessions)).expect("below the number of sessions");
            if let Some(plant) = self.options.plant.filter(|_| planted.is_none() && self.invoked >= place) {
                planted = Some(self.plant(plant, &mut places)?);
            }
            if self.open[session as usize].is_empty() {
                // All that is left is to complete the others: in turn, since chance takes long to find the last.
                idle = self.open.iter().filter(|open| open.is_empty()).count() as u64;
                for session in 0..self.options.sessions {
                    self.complete(session)?;
                    self.invoke_next(session)?;
                }
                continue;
            }
            self.complete(session)?;
            self.invoke_next(session)?;
        }
        Ok(planted)
    }

    /// Draws and invokes the next operation of a session, if any is left.
    fn invoke_next(&mut self, session: u32) -> io::Result<()> {
        if self.invoked >= self.options.ops {
            return Ok(());
        }
        let read_share = millionths(self.options.read_percent);
        let mut accesses: Vec<Access> = Vec::with_capacity(self.options.accesses as usize);
        for _ in 0..self.options.accesses {
            let mut key = u32::try_from(self.dice.below(self.options.keys.into())).expect("below the number of keys");
            while accesses.iter().any(|access| access.key == key) {
                key = (key + 1) % self.options.keys;
            }
            let writes = !self.dice.chance(read_share);
            let value = if writes { self.fresh() } else { 0 };
            accesses.push(Access { writes, key, value });
        }
        self.invoke(session, accesses)
    }

    fn fresh(&mut self) -> i64 {
        self.value += 1;
        self.value
    }

    fn invoke(&mut self, session: u32, accesses: Vec<Access>) -> io::Result<()> {
        self.invoked += 1;
        self.speller.invoke(session, &accesses)?;
        self.open[session as usize] = accesses;
        Ok(())
    }

    fn replica(&self, session: u32) -> usize {
        session as usize % self.options.replicas as usize
    }

    /// What a session has open takes effect and is answered.
    fn complete(&mut self, session: u32) -> io::Result<()> {
        let mut accesses = std::mem::take(&mut self.open[session as usize]);
        if accesses.is_empty() {
            return Ok(());
        }
        let replica = self.replica(session);
        if accesses.iter().any(|access| access.writes) {
            self.stores.catch_up(replica);
        }
        for access in accesses.iter_mut().filter(|access| !access.writes) {
            access.value = self.stores.read(replica, access.key);
        }
        self.tell(session, &accesses)
    }

    /// Answers with that, and lets the writes take effect.
    fn tell(&mut self, session: u32, accesses: &[Access]) -> io::Result<()> {
        let replica = self.replica(session);
        let written = accesses.iter().filter(|access| access.writes).map(|access| (access.key, access.value)).collect();
        self.stores.commit(replica, written);
        self.stores.spread(&mut self.dice);
        self.speller.complete(session, accesses)
    }

    /// Accesses of a session that are told as they stand, as one operation or, if operations are single, one by one.
    fn tell_planted(&mut self, session: u32, accesses: &[Access]) -> io::Result<()> {
        let size = if self.options.accesses == 1 { 1 } else { accesses.len() };
        for accesses in accesses.chunks(size) {
            self.complete(session)?;
            self.invoked += 1;
            self.speller.invoke(session, accesses)?;
            self.tell(session, accesses)?;
        }
        self.invoke_next(session)
    }

    fn plant(&mut self, plant: Plant, places: &mut Dice) -> io::Result<Planted> {
        let (keys, sessions) = (u64::from(self.options.keys), u64::from(self.options.sessions));
        let narrow = |number: u64| u32::try_from(number).expect("below a 32-bit number");
        let x = narrow(places.below(keys));
        let y = narrow((u64::from(x) + 1 + places.below(keys - 1)) % keys);
        let first = places.below(sessions);
        let [alice, bob, carol] = [0, 1, 2].map(|more| narrow((first + more) % sessions));
        self.stores.catch_up(self.replica(alice));
        let [old_x, old_y] = [x, y].map(|key| self.stores.read(self.replica(alice), key));
        let [one, two] = [self.fresh(), self.fresh()];
        let read = |key, value| Access { writes: false, key, value };
        let write = |key, value| Access { writes: true, key, value };
        match plant {
            // Neither of two writes can come last, for the other one's session saw it after its own.
            Plant::Divergence => {
                self.tell_planted(alice, &[write(x, one)])?;
                self.tell_planted(bob, &[write(x, two)])?;
                self.tell_planted(alice, &[read(x, two)])?;
                self.tell_planted(bob, &[read(x, one)])?;
            }
            // The old value was overwritten by one that had read it, which the reader's cause depends on.
            Plant::MissedCause => {
                self.tell_planted(alice, &[read(x, old_x), write(x, one)])?;
                self.tell_planted(bob, &[read(x, one), write(y, two)])?;
                self.tell_planted(carol, &[read(y, two), read(x, old_x)])?;
            }
            // One of two writes of a transaction is seen, of the other the value that the transaction itself had read.
            _ => {
                self.tell_planted(alice, &[read(x, old_x), read(y, old_y), write(x, one), write(y, two)])?;
                let torn = [read(y, old_y), read(x, one)];
                let backward = [torn[1], torn[0]];
                self.tell_planted(bob, if plant == Plant::FracturedRead { &torn } else { &backward })?;
            }
        }
        Ok(Planted { plant, key: x, index: self.speller.events - 1 })
    }
}
