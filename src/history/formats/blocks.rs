//! An input cut into blocks that end at line breaks.
//!
//! Memory is bounded: a block is [`BLOCK_BYTES`] long unless a single line is longer, and a line may have at
//! most [`LINE_BYTES_MAX`]. Buffers are handed back with [`Blocks::recycle`] and used again.

use super::Input;
use super::error::{EXCERPT_BYTES, LINE_BYTES_MAX, ReadError};

/// The size of a block: large enough that handing it over costs nothing, small enough to stay in a cache.
pub(super) const BLOCK_BYTES: usize = 1 << 20;

/// Whole lines; only the last line of the last block may lack its line break.
#[derive(Debug, Default)]
pub(super) struct Block {
    buffer: Vec<u8>,
    len: usize,
    /// Whether nothing follows.
    pub last: bool,
    /// Whether this is only the beginning of a line that is too long to read.
    pub too_long: bool,
}

impl Block {
    /// Whole lines that something follows, or may follow.
    pub(super) fn of(lines: Vec<u8>) -> Self {
        Self { len: lines.len(), buffer: lines, last: false, too_long: false }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

/// The blocks of an input.
pub(super) struct Blocks<'i, 'r> {
    input: &'i mut Input<'r>,
    /// The beginning of a line whose end is not yet read.
    carry: Vec<u8>,
    ended: bool,
    spare: Vec<Vec<u8>>,
}

impl<'i, 'r> Blocks<'i, 'r> {
    pub(super) fn new(input: &'i mut Input<'r>) -> Self {
        Self { input, carry: Vec::new(), ended: false, spare: Vec::new() }
    }

    /// Takes a block's memory back.
    pub(super) fn recycle(&mut self, block: Block) {
        self.spare.push(block.buffer);
    }

    /// The next block, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Block>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        let mut len = self.carry.len();
        if buffer.len() < BLOCK_BYTES.max(2 * len) {
            buffer.resize(BLOCK_BYTES.max(2 * len), 0);
        }
        buffer[..len].copy_from_slice(&self.carry);
        self.carry.clear();
        loop {
            let fresh = self.input.fill(&mut buffer[len..])?;
            self.ended = len + fresh < buffer.len();
            if self.ended {
                len += fresh;
                return Ok((len > 0).then_some(Block { buffer, len, last: true, too_long: false }));
            }
            let newest = &buffer[len..len + fresh];
            if let Some(end) = newest.iter().rposition(|&byte| byte == b'\n') {
                let end = len + end + 1;
                self.carry.extend_from_slice(&buffer[end..]);
                return Ok(Some(Block { buffer, len: end, last: false, too_long: false }));
            }
            len += fresh;
            if len > LINE_BYTES_MAX {
                self.ended = true;
                return Ok(Some(Block { buffer, len: EXCERPT_BYTES, last: true, too_long: true }));
            }
            buffer.resize((2 * len).min(LINE_BYTES_MAX + 1), 0);
        }
    }
}
