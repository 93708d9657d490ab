//! The top-level values of an EDN or JSON stream, one after the other, unparsed.
//!
//! Events come one a line, spread over lines, or inside one enclosing vector, list or array. Only brackets,
//! strings and comments are looked at. Memory is bounded by [`LINE_BYTES_MAX`] for one value. An input that
//! ends inside a value is torn; but when a later line inside begins with `{`, other events follow a value
//! that never ends, and that is an error.

use super::Input;
use super::blocks::BLOCK_BYTES;
use super::error::{BadText, LINE_BYTES_MAX, ReadError, ReadErrorKind, line_breaks};

/// One value, where it begins (line from 1, column from 0).
#[derive(Clone, Copy, Debug)]
pub(super) struct Form<'b> {
    pub text: &'b [u8],
    pub line: u32,
    pub column: u32,
}

impl Form<'_> {
    pub(super) fn error(&self, bad: BadText) -> ReadError {
        ReadError::in_form(bad, self.text, self.line, self.column)
    }
}

/// Reads forms off an input.
pub(super) struct Forms<'i, 'r> {
    input: &'i mut Input<'r>,
    buffer: Vec<u8>,
    /// What of the buffer is filled.
    len: usize,
    /// What of the buffer is done with.
    at: usize,
    ended: bool,
    line: u32,
    column: u32,
    /// The closing bracket of the value around all others.
    enclosing: Option<u8>,
    warnings: Vec<String>,
}

impl<'i, 'r> Forms<'i, 'r> {
    pub(super) fn new(input: &'i mut Input<'r>) -> Self {
        Self {
            input,
            buffer: vec![0; BLOCK_BYTES],
            len: 0,
            at: 0,
            ended: false,
            line: 1,
            column: 0,
            enclosing: None,
            warnings: Vec::new(),
        }
    }

    /// What is to be told about the end of the input, once [`Self::next`] has returned `None`.
    pub(super) fn into_warnings(mut self) -> Vec<String> {
        self.warnings.extend(self.input.torn());
        self.warnings
    }

    /// The next value, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Form<'_>>, ReadError> {
        loop {
            let rest = &self.buffer[self.at..self.len];
            match next_token(rest, self.ended) {
                Token::Space(len) => self.pass(len),
                Token::Open(closing) if self.enclosing.is_none() => {
                    self.enclosing = Some(closing);
                    self.pass(1);
                }
                Token::Close(closing) if self.enclosing == Some(closing) => {
                    self.enclosing = None;
                    self.pass(1);
                }
                Token::Close(_) => return Err(self.stray()),
                Token::Whole(len) => return Ok(Some(self.form(len))),
                Token::Open(_) => match form_end(rest) {
                    Some(len) => return Ok(Some(self.form(len))),
                    None if self.ended => return self.end().map(|()| None),
                    None => self.more()?,
                },
                Token::Unfinished if !self.ended => self.more()?,
                Token::Unfinished => return self.end().map(|()| None),
            }
        }
    }

    fn stray(&self) -> ReadError {
        let what = "a closing bracket that nothing opens".to_owned();
        let text = &self.buffer[self.at..self.len];
        let bad = BadText { at: 0, kind: ReadErrorKind::Syntax { what } };
        ReadError::in_form(bad, text, self.line, self.column)
    }

    fn form(&mut self, len: usize) -> Form<'_> {
        let (start, line, column) = (self.at, self.line, self.column);
        self.pass(len);
        Form { text: &self.buffer[start..start + len], line, column }
    }

    /// Moves on, keeping count of lines and columns.
    fn pass(&mut self, len: usize) {
        let passed = &self.buffer[self.at..self.at + len];
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        match passed.iter().rposition(|&byte| byte == b'\n') {
            None => self.column = self.column.saturating_add(count(len)),
            Some(last) => {
                let breaks = line_breaks(&passed[..=last]);
                self.line = self.line.saturating_add(count(breaks));
                self.column = count(len - last - 1);
            }
        }
        self.at += len;
    }

    /// Reads on, with what is not yet done with at the front of the buffer.
    fn more(&mut self) -> Result<(), ReadError> {
        self.buffer.copy_within(self.at..self.len, 0);
        self.len -= self.at;
        self.at = 0;
        if self.len > LINE_BYTES_MAX {
            self.refuse_events_inside()?;
            let bad = BadText { at: 0, kind: ReadErrorKind::TooLong { what: "value" } };
            return Err(ReadError::in_form(bad, &self.buffer[..self.len], self.line, self.column));
        }
        if 2 * self.len > self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let fresh = self.input.fill(&mut self.buffer[self.len..])?;
        self.ended = self.len + fresh < self.buffer.len();
        self.len += fresh;
        Ok(())
    }

    /// The end of the input: whatever is left is the beginning of a value.
    fn end(&mut self) -> Result<(), ReadError> {
        self.refuse_events_inside()?;
        if self.at < self.len {
            self.warnings.push(format!("line {} is torn; the history is what came before it", self.line));
        } else if self.enclosing.is_some() {
            self.warnings.push("the bracket around all events is never closed; the file may be cut".to_owned());
        }
        self.at = self.len;
        Ok(())
    }

    fn refuse_events_inside(&self) -> Result<(), ReadError> {
        let text = &self.buffer[self.at..self.len];
        let mut later_lines = text.split(|&byte| byte == b'\n').skip(1);
        if later_lines.any(|line| line.trim_ascii_start().starts_with(b"{")) {
            let bad = BadText { at: 0, kind: ReadErrorKind::TornInside { what: "event" } };
            return Err(ReadError::in_form(bad, text, self.line, self.column));
        }
        Ok(())
    }
}

enum Token {
    /// White space, commas and comments.
    Space(usize),
    /// A `[` or `(` and what closes it.
    Open(u8),
    Close(u8),
    /// A value that is known to be whole.
    Whole(usize),
    /// More bytes are needed to say anything.
    Unfinished,
}

fn next_token(text: &[u8], ended: bool) -> Token {
    let Some(&first) = text.first() else { return Token::Unfinished };
    match first {
        b'[' => Token::Open(b']'),
        b'(' => Token::Open(b')'),
        b']' | b')' | b'}' => Token::Close(first),
        b';' => match text.iter().position(|&byte| byte == b'\n') {
            Some(len) => Token::Space(len),
            None if ended => Token::Space(text.len()),
            None => Token::Unfinished,
        },
        byte if is_space(byte) => Token::Space(text.iter().take_while(|&&byte| is_space(byte)).count()),
        _ => form_end(text).map_or(Token::Unfinished, Token::Whole),
    }
}

pub(super) fn is_space(byte: u8) -> bool {
    CLASSES[usize::from(byte)] == SPACE
}

/// Whether a keyword, symbol or number ends before `byte`.
pub(super) fn ends_token(byte: u8) -> bool {
    !matches!(CLASSES[usize::from(byte)], PLAIN | ESCAPE)
}

const PLAIN: u8 = 0;
const OPEN: u8 = 1;
const CLOSE: u8 = 2;
const QUOTE: u8 = 3;
const ESCAPE: u8 = 4;
const COMMENT: u8 = 5;
const SPACE: u8 = 6;

static CLASSES: [u8; 256] = {
    let mut classes = [PLAIN; 256];
    let groups: [(&[u8], u8); 6] =
        [(b"[({", OPEN), (b"])}", CLOSE), (b"\"", QUOTE), (b"\\", ESCAPE), (b";", COMMENT), (b" ,\n\t\r\x0c", SPACE)];
    let mut group = 0;
    while group < groups.len() {
        let mut place = 0;
        while place < groups[group].0.len() {
            classes[groups[group].0[place] as usize] = groups[group].1;
            place += 1;
        }
        group += 1;
    }
    classes
};

/// Where the value at the beginning of `text` ends; `None` when it goes on. Closing brackets close whatever
/// is open: whether they match is for the parser.
fn form_end(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0u32);
    loop {
        match CLASSES[usize::from(*text.get(at)?)] {
            PLAIN => {}
            OPEN => depth += 1,
            CLOSE if depth <= 1 => return Some(if depth == 0 { at } else { at + 1 }),
            CLOSE => depth -= 1,
            QUOTE => at = string_end(text, at)?,
            // In EDN a character such as `\{`.
            ESCAPE => at += 1,
            COMMENT => at += text[at..].iter().position(|&byte| byte == b'\n')?,
            // A tag such as `#inst` belongs to the value after it.
            _ if depth == 0 && text[0] != b'#' => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

/// The place of the quote that closes the string opened at `start`.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
