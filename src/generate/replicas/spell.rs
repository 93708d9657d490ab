//! Transactions of sessions as text: this project's format, or that of other checkers.

use super::Access;
use crate::history::formats::consistory::{EventLine, Payload, encode_event};
use crate::history::{Actor, Nanos, Phase, ProcessId, Value};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::str::FromStr;

/// How a history of transactions is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spelling {
    /// This project's format.
    #[default]
    Consistory,
    /// That of Plume and PolySI, which says nothing about time.
    PlumeText,
    /// That of AWDIT, session after session, which says nothing about time; all of it is held in memory.
    AwditText,
}

impl Spelling {
    /// Every spelling.
    pub const ALL: [Self; 3] = [Self::Consistory, Self::PlumeText, Self::AwditText];

    /// The name of the format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Consistory => "consistory",
            Self::PlumeText => "plume-text",
            Self::AwditText => "awdit-text",
        }
    }
}

impl FromStr for Spelling {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = || format!("histories are written as {}", Self::ALL.map(Self::name).join(", "));
        Self::ALL.into_iter().find(|spelling| spelling.name() == word).ok_or_else(known)
    }
}

/// Between events.
const STEP_NS: u64 = 1_000;

/// Writes events one by one.
pub(super) struct Speller<'o> {
    spelling: Spelling,
    /// Whether an operation is one access, not a list of them.
    single: bool,
    out: &'o mut dyn Write,
    line: Vec<u8>,
    /// The text of each session, for AWDIT.
    sessions: Vec<String>,
    pub(super) events: u64,
    transactions: u64,
}

impl<'o> Speller<'o> {
    pub(super) fn new(spelling: Spelling, single: bool, sessions: u32, out: &'o mut dyn Write) -> Self {
        let sessions = vec![String::new(); sessions as usize];
        Self { spelling, single, out, line: Vec::new(), sessions, events: 0, transactions: 0 }
    }

    /// A session calls; what it reads is not known yet.
    pub(super) fn invoke(&mut self, session: u32, accesses: &[Access]) -> io::Result<()> {
        self.event(session, Phase::Invoke, accesses)
    }

    /// A session is answered.
    pub(super) fn complete(&mut self, session: u32, accesses: &[Access]) -> io::Result<()> {
        self.event(session, Phase::Ok, accesses)?;
        let transaction = self.transactions;
        self.transactions += 1;
        match self.spelling {
            Spelling::Consistory => Ok(()),
            Spelling::PlumeText => accesses.iter().try_for_each(|access| {
                let word = if access.writes { 'w' } else { 'r' };
                writeln!(self.out, "{word}({},{},{session},{transaction})", access.key, access.value)
            }),
            Spelling::AwditText => {
                let text = &mut self.sessions[session as usize];
                if !text.is_empty() {
                    text.push_str("-----\n");
                }
                for access in accesses {
                    let word = if access.writes { 'w' } else { 'r' };
                    writeln!(text, "{word} {} {}", access.key, access.value).map_err(io::Error::other)?;
                }
                Ok(())
            }
        }
    }

    fn event(&mut self, session: u32, phase: Phase, accesses: &[Access]) -> io::Result<()> {
        let index = self.events;
        self.events += 1;
        if self.spelling != Spelling::Consistory {
            return Ok(());
        }
        // No write has the value 0: it is what the other formats call the initial one.
        let is_known = |access: &Access| access.writes || phase == Phase::Ok && access.value != 0;
        let told = |access: &Access| if is_known(access) { Value::Int(access.value) } else { Value::Nil };
        let spell = |access: &Access| {
            let word = Value::text(if access.writes { "w" } else { "r" });
            Value::List(Box::new([word, Value::Int(access.key.into()), told(access)]))
        };
        let (function, key, value) = match accesses {
            [access] if self.single => {
                (if access.writes { "write" } else { "read" }, Payload::Int(access.key.into()), told(access))
            }
            _ => ("txn", Payload::Absent, Value::List(accesses.iter().map(spell).collect())),
        };
        self.line.clear();
        encode_event(
            &mut self.line,
            &EventLine {
                index,
                time: Nanos(index * STEP_NS),
                actor: Actor::Client(ProcessId(session)),
                phase,
                function,
                key,
                value: Payload::Value(&value),
                node: "",
                error: "",
                retry: None,
            },
        );
        self.out.write_all(&self.line)
    }

    /// Writes what was held back.
    pub(super) fn finish(self) -> io::Result<()> {
        for (at, text) in self.sessions.iter().filter(|text| !text.is_empty()).enumerate() {
            if at > 0 {
                self.out.write_all(b"=====\n")?;
            }
            self.out.write_all(text.as_bytes())?;
        }
        Ok(())
    }
}
