//! Locks: mutexes with and without an owner, with fencing tokens, and semaphores.
//!
//! A client acquires, and releases what it holds before it acquires again; an acquisition that finds no permit
//! answers `fail`. In doubt, an acquisition has no effect and a release has one: else the lock of a process that
//! is gone would never be free again.
//!
//! Why the plants are violations. *Double grant*: let `a` acquisitions have returned with success, this one
//! included, and `r` releases have been invoked and not refused, and let `a` exceed `r` by more than the permits.
//! Up to the last of the `a` in any linearization, at most `r` releases come before (later ones were not yet
//! invoked when it returned), so more are held than there are. *Foreign release*: every acquisition of the process
//! was released by it before it calls, so it holds nothing wherever the call takes effect. *Stale token*: tokens
//! grow with every acquisition; the one told was told to somebody else by an acquisition that returned before
//! this one was invoked.

use super::{Doubt, Fate, Generated, Initial, Object, Op, Reply, Setup, any_key};
use crate::generate::dice::Dice;
use crate::generate::plant::{Plan, Plant};
use crate::generate::simulation::simulate;
use crate::history::Value;

pub(super) const MUTEX: Generated = Generated {
    name: "mutex",
    functions: "acquire, release",
    plants: &[Plant::DoubleGrant],
    initial: Initial::Unstated,
    keyed: true,
    simulate: simulate::<Locks<MUTEX_KIND>>,
};

pub(super) const OWNER_MUTEX: Generated = Generated {
    name: "owner-mutex",
    plants: &[Plant::DoubleGrant, Plant::ForeignRelease],
    simulate: simulate::<Locks<OWNER_KIND>>,
    ..MUTEX
};

pub(super) const FENCED_MUTEX: Generated = Generated {
    name: "fenced-mutex",
    functions: "acquire -> token, release token",
    plants: &[Plant::DoubleGrant, Plant::StaleToken],
    simulate: simulate::<Locks<FENCED_KIND>>,
    ..MUTEX
};

pub(super) const SEMAPHORE: Generated =
    Generated { name: "semaphore", initial: Initial::Permits, simulate: simulate::<Locks<SEMAPHORE_KIND>>, ..MUTEX };

const MUTEX_KIND: u8 = 0;
const OWNER_KIND: u8 = 1;
const FENCED_KIND: u8 = 2;
const SEMAPHORE_KIND: u8 = 3;

/// A permit in a client's hands.
#[derive(Clone, Copy, Debug)]
struct Held {
    key: u32,
    token: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lock {
    held: u32,
    tokens: u64,
}

#[derive(Debug)]
pub(super) struct Locks<const KIND: u8> {
    objects: Vec<Lock>,
    clients: Vec<Option<Held>>,
    permits: u32,
    plan: Option<Plan>,
    /// Of the watched lock: acquisitions that returned, releases invoked, the largest token returned.
    granted: u64,
    given_back: u64,
    token: u64,
    planted: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Acquire,
    /// Of the token, 0 where there are none.
    Release(u64),
    /// Of a lock that the process does not hold.
    ForeignRelease,
}

impl<const KIND: u8> Locks<KIND> {
    fn wants(&self, plant: Plant, key: u32, now: u64) -> bool {
        let due = |plan: Plan| plan.plant == plant && plan.key == key && now >= plan.from;
        self.planted.is_none() && self.plan.is_some_and(due)
    }

    fn watches(&self, key: u32) -> bool {
        self.plan.is_some_and(|plan| plan.key == key)
    }

    fn grant(&mut self, op: &Op<Call>) -> Value {
        let lock = &mut self.objects[op.key as usize];
        lock.held += 1;
        lock.tokens += 1;
        let token = if KIND == FENCED_KIND { lock.tokens } else { 0 };
        self.clients[op.client as usize] = Some(Held { key: op.key, token });
        spell_token(token)
    }

    /// The answer to an acquisition of the watched lock that returns.
    fn acquired(&mut self, op: &Op<Call>, reply: Reply, now: u64) -> Reply {
        let mut reply = reply;
        let over = self.granted + 1 > self.given_back + u64::from(self.permits);
        if reply.is_err() && over && self.wants(Plant::DoubleGrant, op.key, now) {
            self.planted = Some(now);
            reply = Ok(self.grant(op));
        } else if reply.is_ok() && op.mark > 0 && self.wants(Plant::StaleToken, op.key, now) {
            self.planted = Some(now);
            self.clients[op.client as usize] = Some(Held { key: op.key, token: op.mark });
            reply = Ok(spell_token(op.mark));
        }
        if let Ok(told) = &reply {
            self.granted += 1;
            if let Value::Int(token) = *told {
                self.token = self.token.max(token.unsigned_abs());
            }
        }
        reply
    }
}

impl<const KIND: u8> Object for Locks<KIND> {
    type Call = Call;

    fn new(setup: Setup) -> Self {
        Self {
            objects: vec![Lock::default(); setup.keys as usize],
            clients: vec![None; setup.clients as usize],
            permits: if KIND == SEMAPHORE_KIND { setup.permits } else { 1 },
            plan: setup.plan,
            granted: 0,
            given_back: 0,
            token: 0,
            planted: None,
        }
    }

    fn next_call(&mut self, client: u32, now: u64, dice: &mut Dice) -> (u32, Call) {
        if let Some(held) = self.clients[client as usize] {
            return (held.key, Call::Release(held.token));
        }
        let key = any_key(u32::try_from(self.objects.len()).expect("made from a u32"), dice);
        let foreign = self.wants(Plant::ForeignRelease, key, now) && self.objects[key as usize].held > 0;
        (key, if foreign { Call::ForeignRelease } else { Call::Acquire })
    }

    fn doubt(&self, _: u32, call: &Call) -> Doubt {
        match call {
            Call::Acquire => Doubt::Never,
            Call::Release(_) => Doubt::Always,
            Call::ForeignRelease => Doubt::Excluded,
        }
    }

    fn invoked(&mut self, op: &mut Op<Call>) {
        op.mark = self.token;
        if matches!(op.call, Call::Release(_)) && op.fate != Fate::Refused {
            self.clients[op.client as usize] = None;
            if self.watches(op.key) {
                self.given_back += 1;
            }
        }
    }

    fn take_effect(&mut self, op: &Op<Call>, _: &mut Dice) -> Reply {
        let lock = &mut self.objects[op.key as usize];
        match op.call {
            Call::Acquire if lock.held < self.permits => return Ok(self.grant(op)),
            Call::Acquire => return Err("held"),
            Call::Release(_) | Call::ForeignRelease => lock.held = lock.held.saturating_sub(1),
        }
        Ok(Self::spell(&op.call).1)
    }

    fn returned(&mut self, op: &Op<Call>, reply: Reply, now: u64) -> Reply {
        if !self.watches(op.key) || op.fate != Fate::Answered {
            return reply;
        }
        match op.call {
            Call::Acquire => self.acquired(op, reply, now),
            Call::Release(_) => reply,
            Call::ForeignRelease => {
                self.planted.get_or_insert(now);
                reply
            }
        }
    }

    fn spell(call: &Call) -> (&'static str, Value) {
        match *call {
            Call::Acquire => ("acquire", Value::Nil),
            Call::Release(token) => ("release", spell_token(token)),
            Call::ForeignRelease => ("release", Value::Nil),
        }
    }

    fn planted(&self) -> Option<u64> {
        self.planted
    }
}

fn spell_token(token: u64) -> Value {
    if token == 0 { Value::Nil } else { Value::Int(i64::try_from(token).expect("one for each operation")) }
}
