//! Bytes of a history, decompressed on the way.
//!
//! gzip and zstd are recognised by their first bytes. A compressed stream that ends early (a killed recorder,
//! a half copied file) is the end of the input, remembered in [`Input::torn`]; damaged data is an error.

use super::error::{ReadError, ReadErrorKind};
use std::io::{self, Cursor, ErrorKind, Read};

/// How much is looked at to recognise a format.
pub(super) const HEAD_BYTES: usize = 64 << 10;

/// A history's bytes.
pub struct Input<'r> {
    stream: Box<dyn Read + 'r>,
    method: Option<&'static str>,
    torn: bool,
    /// Read for recognition and not yet handed out.
    head: Cursor<Vec<u8>>,
}

impl<'r> Input<'r> {
    /// Looks at the first bytes and puts the decompressor they ask for before the rest.
    pub(super) fn open(mut source: impl Read + 'r) -> Result<Self, ReadError> {
        let mut magic = [0; 4];
        let len = fill(&mut source, &mut magic)?;
        let method = match &magic[..len] {
            [0x1f, 0x8b, ..] => Some("gzip"),
            [0x28, 0xb5, 0x2f, 0xfd] => Some("zstd"),
            _ => None,
        };
        let whole = Cursor::new(magic).take(len as u64).chain(source);
        let stream: Box<dyn Read + 'r> = match method {
            Some("gzip") => Box::new(flate2::read::MultiGzDecoder::new(whole)),
            Some(_) => Box::new(zstd::Decoder::new(whole)?),
            None => Box::new(whole),
        };
        let mut input = Self { stream, method, torn: false, head: Cursor::default() };
        let mut head = vec![0; HEAD_BYTES];
        let len = input.fill(&mut head)?;
        head.truncate(len);
        input.head = Cursor::new(head);
        Ok(input)
    }

    /// The first bytes, for [`super::Format::detects`].
    pub(super) fn head(&self) -> &[u8] {
        self.head.get_ref()
    }

    /// Fills `buffer` as far as the input goes; less than its length means that nothing follows.
    ///
    /// # Errors
    /// When the input fails or its compressed data is damaged.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let mut filled = self.head.read(buffer)?;
        while filled < buffer.len() && !self.torn {
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(len) => filled += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.fail(error)?,
            }
        }
        Ok(filled)
    }

    /// What to warn of when the compressed stream ended early.
    pub(super) fn torn(&self) -> Option<String> {
        self.torn.then(|| {
            let method = self.method.unwrap_or("compressed");
            format!("the {method} stream ends early; the history is what came before that")
        })
    }

    fn fail(&mut self, error: io::Error) -> Result<(), ReadError> {
        let Some(method) = self.method else { return Err(error.into()) };
        if error.kind() == ErrorKind::UnexpectedEof {
            self.torn = true;
            return Ok(());
        }
        Err(ReadErrorKind::Compression { method, cause: error.to_string() }.into())
    }
}

fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
