//! A reader for EDN, the notation of Clojure data, as far as histories use it.
//!
//! Values go straight into the table: keywords, symbols and characters as text without `:` and `\`, vectors,
//! lists and sets as lists (sets in the order of values), tagged values as what they tag. Discarded forms,
//! metadata and comments are skipped. Numbers that are no 64-bit integers become the text that stands there,
//! and the first of them is remembered for a caller that cannot have that ([`Edn::take_bad_number`]).

use super::error::{BadText, DEPTH_MAX, ReadErrorKind, shortened};
use super::forms::{ends_token, is_space};
use crate::history::value::{ValueId, ValueRef, Values};
use std::borrow::Cow;

/// A position in a piece of EDN.
pub(super) struct Edn<'t> {
    text: &'t str,
    at: usize,
    /// Items of collections that are being read.
    items: Vec<ValueId>,
    depth: usize,
    bad_number: Option<(usize, &'t str)>,
}

impl<'t> Edn<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, items: Vec::new(), depth: 0, bad_number: None }
    }

    /// The byte at which reading goes on.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Forgets a number that did not fit, and says where it stood.
    pub(super) fn take_bad_number(&mut self) -> Option<BadText> {
        let (at, found) = self.bad_number.take()?;
        Some(BadText { at, kind: ReadErrorKind::Number { found: shortened(found) } })
    }

    pub(super) fn fail<T>(&self, what: impl Into<String>) -> Result<T, BadText> {
        Err(BadText { at: self.at, kind: ReadErrorKind::Syntax { what: format!("not EDN: {}", what.into()) } })
    }

    fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    fn byte(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    /// The next byte that means something, after white space, comments and discarded forms.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, BadText> {
        loop {
            match self.byte() {
                Some(byte) if is_space(byte) => self.at += 1,
                Some(b';') => {
                    let rest = &self.bytes()[self.at..];
                    self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                }
                Some(b'#') if self.bytes().get(self.at + 1) == Some(&b'_') => {
                    self.at += 2;
                    self.skip()?;
                }
                other => return Ok(other),
            }
        }
    }

    /// Steps over `expected`, which [`Self::peek`] has seen.
    pub(super) fn eat(&mut self) {
        self.at += 1;
    }

    /// Steps over tags (`#jepsen.history.Op`) and metadata before a value.
    pub(super) fn skip_tags(&mut self) -> Result<(), BadText> {
        loop {
            match (self.peek()?, self.bytes().get(self.at + 1)) {
                (Some(b'#'), Some(next)) if !matches!(next, b'{' | b'#' | b'"') => {
                    self.at += 1;
                    if self.token().is_empty() {
                        return self.fail("a tag without a name");
                    }
                }
                (Some(b'^'), _) => {
                    self.at += 1;
                    self.skip()?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// A run of bytes up to white space, a bracket, a quote or a comment.
    fn token(&mut self) -> &'t str {
        let rest = &self.bytes()[self.at..];
        let len = rest.iter().position(|&byte| ends_token(byte)).unwrap_or(rest.len());
        let token = &self.text[self.at..self.at + len];
        self.at += len;
        token
    }

    /// A keyword, symbol or number as it stands, or `None` when a bracket or string comes.
    pub(super) fn word(&mut self) -> Result<Option<&'t str>, BadText> {
        self.skip_tags()?;
        match self.byte() {
            None | Some(b'(' | b'[' | b'{' | b'"' | b'#' | b')' | b']' | b'}') => Ok(None),
            Some(_) => Ok(Some(self.token())),
        }
    }

    /// The text of the next value, unread.
    pub(super) fn raw(&mut self) -> Result<&'t str, BadText> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }

    /// Steps over a value.
    pub(super) fn skip(&mut self) -> Result<(), BadText> {
        self.skip_tags()?;
        match self.byte() {
            None => self.fail("a value is missing here"),
            Some(b'"') => self.string().map(drop),
            Some(b'\\') => {
                self.character()?;
                Ok(())
            }
            Some(b'(') => self.skip_items(b')'),
            Some(b'[') => self.skip_items(b']'),
            Some(b'{') => self.skip_items(b'}'),
            Some(b'#') => {
                self.at += 1;
                if self.byte() == Some(b'{') {
                    return self.skip_items(b'}');
                }
                self.token();
                Ok(())
            }
            Some(byte @ (b')' | b']' | b'}')) => self.fail(format!("'{}' stands where a value must", char::from(byte))),
            Some(_) => {
                self.token();
                Ok(())
            }
        }
    }

    fn skip_items(&mut self, closing: u8) -> Result<(), BadText> {
        self.enter()?;
        while self.peek()? != Some(closing) {
            self.skip()?;
        }
        self.leave();
        Ok(())
    }

    fn enter(&mut self) -> Result<(), BadText> {
        if self.depth == DEPTH_MAX {
            return Err(BadText { at: self.at, kind: ReadErrorKind::TooDeep { limit: DEPTH_MAX } });
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    /// Reads a value into the table.
    pub(super) fn value(&mut self, values: &mut Values) -> Result<ValueId, BadText> {
        self.skip_tags()?;
        match self.byte() {
            Some(b'"') => Ok(values.text(&self.string()?)),
            Some(b'\\') => Ok(values.text(&self.character()?)),
            Some(b'(') => self.list(b')', values),
            Some(b'[') => self.list(b']', values),
            Some(b'{') => self.map(values),
            Some(b'#') if self.bytes().get(self.at + 1) == Some(&b'{') => {
                self.at += 1;
                let base = self.collect(b'}', values)?;
                let mut items = self.items.split_off(base);
                Ok(values.set(&mut items))
            }
            Some(b':') => {
                let token = self.token();
                Ok(values.text(&token[1..]))
            }
            None | Some(b')' | b']' | b'}') => self.skip().map(|()| ValueId::NIL),
            Some(_) => Ok(self.atom(values)),
        }
    }

    /// `nil`, a truth value, a number or a symbol.
    fn atom(&mut self, values: &mut Values) -> ValueId {
        let start = self.at;
        let token = if self.byte() == Some(b'#') {
            self.at += 1;
            self.token();
            &self.text[start..self.at]
        } else {
            self.token()
        };
        match token {
            "nil" => return ValueId::NIL,
            "true" | "false" => return values.intern_ref(ValueRef::Bool(token == "true")),
            _ => {}
        }
        if !is_number(token) {
            return values.text(token);
        }
        if let Ok(number) = token.strip_suffix('N').unwrap_or(token).parse() {
            return values.int(number);
        }
        self.bad_number.get_or_insert((start, token));
        values.text(token)
    }

    fn list(&mut self, closing: u8, values: &mut Values) -> Result<ValueId, BadText> {
        let base = self.collect(closing, values)?;
        let id = values.list(&self.items[base..]);
        self.items.truncate(base);
        Ok(id)
    }

    fn map(&mut self, values: &mut Values) -> Result<ValueId, BadText> {
        let start = self.at;
        let base = self.collect(b'}', values)?;
        if (self.items.len() - base) % 2 == 1 {
            self.at = start;
            return self.fail("a map with a key but no value for it");
        }
        let mut pairs: Vec<_> = self.items[base..].chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        self.items.truncate(base);
        Ok(values.map(&mut pairs))
    }

    /// Reads items on top of `items` and says where they begin.
    fn collect(&mut self, closing: u8, values: &mut Values) -> Result<usize, BadText> {
        self.enter()?;
        let base = self.items.len();
        while self.peek()? != Some(closing) {
            let item = self.value(values)?;
            self.items.push(item);
        }
        self.leave();
        Ok(base)
    }

    fn string(&mut self) -> Result<Cow<'t, str>, BadText> {
        let start = self.at + 1;
        let rest = &self.bytes()[start..];
        let Some(end) = rest.iter().position(|&byte| byte == b'"' || byte == b'\\') else {
            return self.fail("a string that never ends");
        };
        if rest[end] == b'"' {
            self.at = start + end + 1;
            return Ok(Cow::Borrowed(&self.text[start..start + end]));
        }
        let mut text = String::new();
        self.at = start;
        while let Some(c) = self.text[self.at..].chars().next() {
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                '\\' => text.push(self.escape()?),
                _ => {
                    self.at += c.len_utf8();
                    text.push(c);
                }
            }
        }
        self.fail("a string that never ends")
    }

    /// The character that a backslash sequence in a string stands for.
    fn escape(&mut self) -> Result<char, BadText> {
        const UNICODE_DIGITS: usize = 4;
        let rest = &self.text[self.at + 1..];
        let plain = match rest.bytes().next() {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/' | b'\'')) => char::from(byte),
            Some(b'u') => {
                let code = rest.get(1..=UNICODE_DIGITS).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                let Some(c) = code.and_then(char::from_u32) else { return self.fail("a bad \\u escape") };
                self.at += 2 + UNICODE_DIGITS;
                return Ok(c);
            }
            _ => return self.fail("an unknown escape in a string"),
        };
        self.at += 2;
        Ok(plain)
    }

    /// The text of a character such as `\a`, `\newline` or `\u00e9`.
    fn character(&mut self) -> Result<Cow<'t, str>, BadText> {
        let start = self.at + 1;
        let Some(first) = self.text[start..].chars().next() else { return self.fail("a character is missing here") };
        self.at = start + first.len_utf8();
        self.token();
        let name = &self.text[start..self.at];
        Ok(Cow::Borrowed(match name {
            "newline" => "\n",
            "space" => " ",
            "tab" => "\t",
            "return" => "\r",
            _ if name.len() > 1 && name.starts_with('u') => {
                let code = u32::from_str_radix(&name[1..], 16).ok().and_then(char::from_u32);
                return Ok(code.map_or(Cow::Borrowed(name), |c| Cow::Owned(c.to_string())));
            }
            _ => name,
        }))
    }
}

fn is_number(token: &str) -> bool {
    let digits = token.strip_prefix(['-', '+']).unwrap_or(token);
    token.starts_with("##") || digits.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, BadText> {
        let mut values = Values::new();
        let mut edn = Edn::new(text);
        let id = edn.value(&mut values)?;
        Ok(values.to_value(id).to_string())
    }

    #[test]
    fn every_shape_of_a_value_is_read() {
        for (text, expected) in [
            ("nil", "nil"),
            (":foo/bar", "foo/bar"),
            ("-12", "-12"),
            ("+7", "7"),
            ("12N", "12"),
            ("[1 (2 3), [] ; note\n 4]", "[1 [2 3] [] 4]"),
            ("#{3 1 2}", "[1 2 3]"),
            ("{:b 1, :a nil}", "{a: nil, b: 1}"),
            ("#inst \"2020\"", "2020"),
            ("#a.B{:x #_ gone 1}", "{x: 1}"),
            ("^{:m 1} [2]", "[2]"),
            (r#""a\"b\u00e9\n""#, "a\"b\u{e9}\n"),
            (r"[\a \newline \u00e9 \{]", "[a \n \u{e9} {]"),
            ("true", "true"),
            ("sym?", "sym?"),
        ] {
            assert_eq!(read(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_kept_as_text_and_reported() {
        for text in ["1.5", "##NaN", "1/3", "99999999999999999999N", "1e3", "9223372036854775808"] {
            let mut values = Values::new();
            let source = format!("[0 {text}]");
            let mut edn = Edn::new(&source);
            let id = edn.value(&mut values).expect("readable");
            assert_eq!(values.to_value(id).to_string(), format!("[0 {text}]"));
            assert_eq!(edn.take_bad_number().expect("reported").at, 3);
        }
    }

    #[test]
    fn what_is_not_edn_is_refused_at_its_place() {
        for (text, at) in [("[1 2", 4), ("{:a}", 0), ("\"abc", 0), ("[1 }", 3), ("\"\\x\"", 1), ("", 0)] {
            assert_eq!(read(text).expect_err(text).at, at, "{text}");
        }
        let deep = "[".repeat(1000);
        assert!(matches!(read(&deep), Err(BadText { kind: ReadErrorKind::TooDeep { .. }, .. })));
    }
}
