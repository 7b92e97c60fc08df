//! The part of the content that a JSON reader looks at.

use std::io::Read;

use super::MAX_VALUE_BYTES;
use super::scan::{Scan, Scanned};
use crate::error::ObjectError;
use crate::input::decoder::Decoder;

/// Bytes that are read at once.
const FILL_BYTES: usize = 128 << 10;

/// A buffer that moves over the content.
///
/// Invariant: it holds at most [`MAX_VALUE_BYTES`] and `FILL_BYTES`, because it is filled only for a value that is shorter.
pub(super) struct Window<R> {
    content: Decoder<R>,
    buffer: Vec<u8>,
    /// Index of the first byte that is not used up.
    start: usize,
    /// The state after the first [`MAX_VALUE_BYTES`] of a value that is longer.
    scan: Scan,
}

impl<R: Read> Window<R> {
    /// Creates an empty window at the start of the content.
    pub(super) fn new(content: Decoder<R>) -> Window<R> {
        Window { content, buffer: Vec::new(), start: 0, scan: Scan::default() }
    }

    /// Returns the bytes that are not used up.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Returns at least this many bytes, or fewer at the end.
    pub(super) fn at_least(&mut self, count: usize) -> Result<&[u8], ObjectError> {
        while self.bytes().len() < count && self.fill()? {}
        Ok(self.bytes())
    }

    /// Uses bytes up.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.buffer.len().min(self.start + count);
    }

    /// Uses bytes up, and returns them.
    pub(super) fn take(&mut self, count: usize) -> &[u8] {
        let start = self.start;
        self.consume(count);
        self.buffer.get(start..self.start).unwrap_or_default()
    }

    /// Reads more bytes. Returns `false` at the verified end of the content.
    #[expect(clippy::indexing_slicing, reason = "the buffer was just made longer than `length`")]
    pub(super) fn fill(&mut self) -> Result<bool, ObjectError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + FILL_BYTES, 0);
        let count = self.content.read(&mut self.buffer[length..])?;
        self.buffer.truncate(length + count);
        Ok(count > 0)
    }

    /// Uses up the white space and commas between values. Returns the byte that follows, or `None` at the end.
    pub(super) fn skip_separators(&mut self) -> Result<Option<u8>, ObjectError> {
        loop {
            let bytes = self.bytes();
            let is_separator = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
            let separators = bytes.iter().position(|byte| !is_separator(byte)).unwrap_or(bytes.len());
            let next = bytes.get(separators).copied();
            self.consume(separators);
            if next.is_some() || !self.fill()? {
                return Ok(next);
            }
        }
    }

    /// Finds the end of the value at the start. `More` means that it is longer than [`MAX_VALUE_BYTES`].
    ///
    /// # Errors
    /// If the content cannot be read, or ends within the value.
    pub(super) fn scan_value(&mut self) -> Result<Scanned, ObjectError> {
        let mut scan = Scan::default();
        let mut scanned = 0;
        loop {
            let end = self.bytes().len().min(MAX_VALUE_BYTES);
            match scan.advance(self.bytes().get(scanned..end).unwrap_or_default()) {
                Scanned::End(length) => return Ok(Scanned::End(scanned + length)),
                Scanned::Broken(at) => return Ok(Scanned::Broken(scanned + at)),
                Scanned::More if end == MAX_VALUE_BYTES => {
                    self.scan = scan;
                    return Ok(Scanned::More);
                }
                Scanned::More => scanned = end,
            }
            if !self.fill()? {
                return Err(self.truncated());
            }
        }
    }

    /// Returns the state after the first [`MAX_VALUE_BYTES`] of the value that was last found to be longer.
    pub(super) fn scan(&self) -> Scan {
        self.scan
    }

    /// Returns the number of bytes of the object that were used so far, and the number of bytes of content.
    pub(super) fn bytes_read(&self) -> (u64, u64) {
        (self.content.compressed_bytes(), self.content.bytes())
    }

    /// Returns the error of a content that ends within a value.
    pub(super) fn truncated(&self) -> ObjectError {
        ObjectError::JsonTruncated { offset: self.content.bytes() }
    }
}
