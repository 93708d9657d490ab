//! The text that Plume and PolySI read: `r(key,value,session,transaction)` or `w(…)`, an access a line.
//!
//! Lines of one transaction may be mixed with lines of other sessions', but a session has one transaction at a time.
//! Transaction -1 is one that was aborted. Every key holds 0 at first.

use super::blocks::Blocks;
use super::error::{BadText, ReadError, ReadErrorKind};
use super::forms::Form;
use super::sessions::{End, Sessions, number};
use super::{Format, FormatInfo, Input, ReadOptions};
use crate::history::builder::Place;
use crate::history::columns::History;
use crate::history::value::{Value, ValueId};
use rustc_hash::FxHashMap;

/// The format.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlumeText;

/// The transaction of accesses that had no effect.
const ABORTED: i64 = -1;

const EXPECTED: &str =
    "a line is r(key,value,session,transaction) or w(key,value,session,transaction) in whole numbers";

impl Format for PlumeText {
    fn info(&self) -> FormatInfo {
        FormatInfo {
            name: "plume-text",
            about: "transactions as Plume and PolySI read them: r(key,value,session,transaction), an access a line",
            extensions: &["txt"],
        }
    }

    fn detects(&self, head: &[u8]) -> bool {
        let head = head.trim_ascii_start();
        let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        access(line.trim_ascii_end()).is_ok()
    }

    fn read(&self, input: &mut Input<'_>, _: &ReadOptions) -> Result<History, ReadError> {
        let names = FxHashMap::default();
        let mut reader = Reader { sessions: Sessions::new(), names, open: Vec::new(), last: None };
        let mut owners = FxHashMap::default();
        let mut blocks = Blocks::new(input);
        let mut line = 0;
        while let Some(block) = blocks.next()? {
            let mut left = block.bytes();
            while !left.is_empty() {
                line += 1;
                let quick = if block.too_long { None } else { quick(left) };
                let end = quick.as_ref().map_or_else(|| line_end(left), |(_, rest)| left.len() - rest.len());
                let (text, rest) = left.split_at(end);
                left = rest;
                let form = Form { text, line, column: 0 };
                if block.too_long {
                    return Err(form.error(BadText { at: 0, kind: ReadErrorKind::TooLong { what: "line" } }));
                }
                let read = match quick {
                    Some((access, _)) => Some(access),
                    None => access_of(&form)?,
                };
                if let Some(access) = read {
                    reader.take(&access, &mut owners, &form)?;
                }
            }
            blocks.recycle(block);
        }
        if let Some(warning) = input.torn() {
            reader.sessions.warn(warning);
        }
        reader.finish()
    }
}

/// Where the first line ends.
fn line_end(text: &[u8]) -> usize {
    text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1)
}

/// What a line says in any spelling; nothing if it is empty.
fn access_of(form: &Form<'_>) -> Result<Option<Access>, ReadError> {
    let trimmed = form.text.trim_ascii();
    if trimmed.is_empty() {
        return Ok(None);
    }
    let read = access(trimmed).map_err(|at| {
        let kind = ReadErrorKind::Syntax { what: EXPECTED.to_owned() };
        form.error(BadText { at: at + form.text.len() - form.text.trim_ascii_start().len(), kind })
    })?;
    Ok(Some(read))
}

/// The first line, if it is spelled without spaces and has its line break, and what follows it.
#[inline]
fn quick(text: &[u8]) -> Option<(Access, &[u8])> {
    let (writes, rest) = match text {
        [b'r', b'(', rest @ ..] => (false, rest),
        [b'w', b'(', rest @ ..] => (true, rest),
        _ => return None,
    };
    let (key, rest) = number(rest)?;
    let (value, rest) = number(rest.strip_prefix(b",")?)?;
    let (session, rest) = number(rest.strip_prefix(b",")?)?;
    let (transaction, rest) = number(rest.strip_prefix(b",")?)?;
    Some((Access { writes, key, value, session, transaction }, rest.strip_prefix(b")\n")?))
}

/// One line.
struct Access {
    writes: bool,
    key: i64,
    value: i64,
    session: i64,
    transaction: i64,
}

/// What a line says, or the byte at which it does not.
fn access(line: &[u8]) -> Result<Access, usize> {
    let writes = match line {
        [b'r', b'(', ..] => false,
        [b'w', b'(', ..] => true,
        _ => return Err(0),
    };
    let mut at = 2;
    let mut numbers = [0; 4];
    for (place, number) in numbers.iter_mut().enumerate() {
        let end = at + line[at..].iter().position(|byte| matches!(byte, b',' | b')')).ok_or(line.len())?;
        *number = std::str::from_utf8(&line[at..end]).ok().and_then(|word| word.trim().parse().ok()).ok_or(at)?;
        let closes = place == 3;
        if closes != (line[end] == b')') {
            return Err(end);
        }
        at = end + 1;
    }
    let [key, value, session, transaction] = numbers;
    if at == line.len() { Ok(Access { writes, key, value, session, transaction }) } else { Err(at) }
}

/// A session's transaction that may go on.
struct Open {
    transaction: i64,
    accesses: Vec<ValueId>,
    place: Place,
}

struct Reader {
    sessions: Sessions,
    names: FxHashMap<i64, u32>,
    open: Vec<Open>,
    /// The session of the last line.
    last: Option<(i64, u32)>,
}

impl Reader {
    /// `owners` knows which transactions have begun.
    fn take(&mut self, access: &Access, owners: &mut FxHashMap<i64, u32>, form: &Form<'_>) -> Result<(), ReadError> {
        let session = self.session(access.session);
        let id = self.sessions.access(access.writes, access.key, Some(access.value));
        let open = &mut self.open[session as usize];
        if open.accesses.is_empty() || open.transaction != access.transaction {
            if !open.accesses.is_empty() {
                close(&mut self.sessions, session, open)?;
            }
            if access.transaction != ABORTED && owners.insert(access.transaction, session).is_some() {
                let what = format!(
                    "transaction {} goes on after its session began another one, or belongs to two sessions",
                    access.transaction
                );
                return Err(form.error(BadText { at: 0, kind: ReadErrorKind::Syntax { what } }));
            }
            open.transaction = access.transaction;
            open.place = Place { line: form.line, column: 1 };
        }
        open.accesses.push(id);
        Ok(())
    }

    fn session(&mut self, name: i64) -> u32 {
        if let Some((last, session)) = self.last
            && last == name
        {
            return session;
        }
        let session = *self.names.entry(name).or_insert_with(|| {
            self.open.push(Open { transaction: ABORTED, accesses: Vec::new(), place: Place::default() });
            u32::try_from(self.open.len() - 1).unwrap_or(u32::MAX)
        });
        self.last = Some((name, session));
        session
    }

    fn finish(mut self) -> Result<History, ReadError> {
        for (session, open) in (0..).zip(&mut self.open) {
            if !open.accesses.is_empty() {
                close(&mut self.sessions, session, open)?;
            }
        }
        Ok(self.sessions.finish(Some(Value::Int(0))))
    }
}

fn close(sessions: &mut Sessions, session: u32, open: &mut Open) -> Result<(), ReadError> {
    let end = if open.transaction == ABORTED { End::Aborted } else { End::Committed };
    sessions.push(session, &open.accesses, end, open.place)?;
    open.accesses.clear();
    Ok(())
}
