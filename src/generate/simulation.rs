//! Clients in virtual time: who calls, takes effect and returns when.
//!
//! Each client thinks, calls, and waits for the answer. Between call and answer lies one instant at which the
//! operation takes effect on a correct sequential object, so the order of these instants is a linearization of
//! the history: it is linearizable by construction (Herlihy and Wing 1990, §2.3). An operation that ends in
//! doubt takes effect half of the time, and half of these only after the client gave up; its process retires
//! and the client goes on under the next free number.
//!
//! Events have strictly increasing times, so no tie has to be interpreted. Memory is one operation a client
//! plus the late effects plus the objects; time O(log clients) an operation.

use super::dice::Dice;
use super::objects::{Doubt, Fate, Object, Op, Reply, Setup};
use crate::history::{Phase, Value};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

/// Mean time between call and answer.
const SERVICE_NS: u64 = 1_000_000;
/// Mean time between giving up and a late effect, in services.
const LATE_SERVICES: u64 = 10;
const MILLION: u64 = 1_000_000;

/// What a run is like, whatever the object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How many operations.
    pub(crate) ops: u64,
    /// How many clients, at least 1.
    pub(crate) clients: u32,
    /// The share of its time in which a client has an operation open, in millionths, at least 1.
    pub(crate) overlap: u32,
    /// The share of operations in doubt, in millionths.
    pub(crate) info: u32,
    /// The share of operations refused, in millionths.
    pub(crate) fail: u32,
}

/// One event of the history.
#[derive(Debug)]
pub(crate) struct Happening<'s> {
    pub(crate) index: u64,
    pub(crate) time: u64,
    pub(crate) process: u32,
    pub(crate) phase: Phase,
    pub(crate) function: &'static str,
    pub(crate) key: u32,
    pub(crate) value: &'s Value,
    pub(crate) error: &'static str,
}

/// What a run needs from outside, and what it says afterwards.
pub(crate) struct Drive<'d> {
    pub(crate) pace: Pace,
    pub(crate) dice: Dice,
    /// Where events go.
    pub(crate) sink: &'d mut dyn FnMut(&Happening<'_>) -> io::Result<()>,
    /// Whether the run may end as soon as the violation is certain.
    pub(crate) until_planted: bool,
    /// The event at which the violation became certain, from 1.
    pub(crate) planted: Option<u64>,
    /// What the sink said.
    pub(crate) written: io::Result<()>,
}

/// Runs the clients on objects of one kind.
pub(crate) fn simulate<O: Object>(drive: &mut Drive<'_>, setup: Setup) {
    let mut run = Run::<O>::new(O::new(setup), drive);
    let outcome = run.finish();
    let planted = run.object.planted();
    drive.planted = planted;
    drive.written = outcome;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Call(u32),
    Effect(u32),
    Return(u32),
    LateEffect(u32),
}

struct Run<'r, 'd, O: Object> {
    object: O,
    drive: &'r mut Drive<'d>,
    agenda: BinaryHeap<Reverse<(u64, u64, Step)>>,
    /// Steps put on the agenda so far: the order of steps at the same time.
    planned: u64,
    open: Vec<Option<Open<O::Call>>>,
    process: Vec<u32>,
    next_process: u32,
    late: Vec<Option<Op<O::Call>>>,
    free: Vec<u32>,
    events: u64,
    invoked: u64,
    last_time: u64,
}

struct Open<C> {
    op: Op<C>,
    /// When it is answered.
    until: u64,
    reply: Reply,
    /// Its effect comes only after the client gave up.
    late: bool,
}

impl<'r, 'd, O: Object> Run<'r, 'd, O> {
    fn new(object: O, drive: &'r mut Drive<'d>) -> Self {
        let clients = drive.pace.clients;
        let mut run = Self {
            object,
            drive,
            agenda: BinaryHeap::new(),
            planned: 0,
            open: (0..clients).map(|_| None).collect(),
            process: (0..clients).collect(),
            next_process: clients,
            late: Vec::new(),
            free: Vec::new(),
            events: 0,
            invoked: 0,
            last_time: 0,
        };
        for client in 0..clients {
            let start = run.think();
            run.plan(start, Step::Call(client));
        }
        run
    }

    fn finish(&mut self) -> io::Result<()> {
        while let Some(Reverse((time, _, step))) = self.agenda.pop() {
            match step {
                Step::Call(client) if self.invoked < self.drive.pace.ops => self.call(client, time)?,
                Step::Call(_) => {}
                Step::Effect(client) => self.effect(client),
                Step::Return(client) => self.give_back(client, time)?,
                Step::LateEffect(slot) => {
                    if let Some(op) = self.late[slot as usize].take() {
                        // Nobody is there to be told.
                        drop(self.object.take_effect(&op, &mut self.drive.dice));
                        self.free.push(slot);
                    }
                }
            }
            if self.drive.until_planted && self.object.planted().is_some() {
                break;
            }
        }
        Ok(())
    }

    fn plan(&mut self, time: u64, step: Step) {
        self.agenda.push(Reverse((time, self.planned, step)));
        self.planned += 1;
    }

    /// Thinking is to answering as the rest of the time is to the share of time with an operation open.
    fn think(&mut self) -> u64 {
        let busy = u64::from(self.drive.pace.overlap);
        let mean = SERVICE_NS * (MILLION - busy) / busy;
        if mean == 0 { 1 } else { self.drive.dice.wait(mean) }
    }

    fn call(&mut self, client: u32, time: u64) -> io::Result<()> {
        let now = self.events + 1;
        let (key, call) = self.object.next_call(client, now, &mut self.drive.dice);
        let doubt = self.object.doubt(key, &call);
        let fate = self.fate(doubt);
        let process = self.process[client as usize];
        let mut op = Op { client, process, key, call, fate, invoked: now, mark: 0 };
        self.object.invoked(&mut op);
        let (function, argument) = O::spell(&op.call);
        self.emit(time, process, Phase::Invoke, function, key, &argument, "")?;
        self.invoked += 1;
        let before = self.drive.dice.wait(SERVICE_NS / 2);
        let until = time + before + self.drive.dice.wait(SERVICE_NS / 2);
        let happens = match (fate, doubt) {
            (Fate::Answered, _) | (Fate::InDoubt, Doubt::Always) => true,
            (Fate::Refused, _) | (Fate::InDoubt, Doubt::Never | Doubt::Excluded) => false,
            (Fate::InDoubt, Doubt::Maybe) => self.coin(),
        };
        let late = happens && fate == Fate::InDoubt && self.coin();
        self.open[client as usize] = Some(Open { op, until, reply: Err("refused"), late });
        let step = if happens && !late { Step::Effect(client) } else { Step::Return(client) };
        self.plan(if step == Step::Effect(client) { time + before } else { until }, step);
        Ok(())
    }

    fn fate(&mut self, doubt: Doubt) -> Fate {
        let Pace { info, fail, .. } = self.drive.pace;
        let drawn = self.drive.dice.below(MILLION);
        let (info, fail) = (u64::from(info), u64::from(fail));
        if drawn < fail {
            Fate::Refused
        } else if drawn < fail + info && doubt != Doubt::Excluded {
            Fate::InDoubt
        } else {
            Fate::Answered
        }
    }

    fn coin(&mut self) -> bool {
        self.drive.dice.below(2) == 0
    }

    fn effect(&mut self, client: u32) {
        let open = self.open[client as usize].as_mut().expect("an effect is planned for an open operation");
        open.reply = self.object.take_effect(&open.op, &mut self.drive.dice);
        let until = open.until;
        self.plan(until, Step::Return(client));
    }

    fn give_back(&mut self, client: u32, time: u64) -> io::Result<()> {
        let open = self.open[client as usize].take().expect("a return is planned for an open operation");
        let Open { op, reply, late, .. } = open;
        let (function, argument) = O::spell(&op.call);
        if op.fate == Fate::InDoubt {
            self.emit(time, op.process, Phase::Info, function, op.key, &argument, "timeout")?;
            self.process[client as usize] = self.next_process;
            self.next_process += 1;
            if late {
                self.postpone(op, time);
            }
        } else {
            match self.object.returned(&op, reply, self.events + 1) {
                Ok(result) => self.emit(time, op.process, Phase::Ok, function, op.key, &result, "")?,
                Err(why) => self.emit(time, op.process, Phase::Fail, function, op.key, &argument, why)?,
            }
        }
        let next = time + self.think();
        self.plan(next, Step::Call(client));
        Ok(())
    }

    fn postpone(&mut self, op: Op<O::Call>, time: u64) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.late.push(None);
            u32::try_from(self.late.len() - 1).expect("fewer than 2^32 late effects at once")
        });
        self.late[slot as usize] = Some(op);
        let at = time + self.drive.dice.wait(SERVICE_NS * LATE_SERVICES);
        self.plan(at, Step::LateEffect(slot));
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one event, named at their only use")]
    fn emit(
        &mut self,
        time: u64,
        process: u32,
        phase: Phase,
        function: &'static str,
        key: u32,
        value: &Value,
        error: &'static str,
    ) -> io::Result<()> {
        self.last_time = time.max(self.last_time + 1);
        let (index, time) = (self.events, self.last_time);
        self.events += 1;
        (self.drive.sink)(&Happening { index, time, process, phase, function, key, value, error })
    }
}
