//! The stored bytes of an object, in a buffer that knows its offset.

use std::io::{self, BufRead, Read};

const BUFFER_BYTES: usize = 64 << 10;

/// A buffered reader.
///
/// Unlike `std::io::BufReader` it fills its whole buffer each time. So a decoder gets the same input, and stops at the same
/// offset, however the reader cuts the bytes into pieces.
pub(super) struct Source<R> {
    /// `None` in an empty source.
    reader: Option<R>,
    /// Whether the reader is at its end.
    ended: bool,
    buffer: Vec<u8>,
    /// Index of the first unused byte in the buffer.
    start: usize,
    /// Offset of that byte in the object.
    offset: u64,
    has_failed: bool,
}

/// An empty source, which takes the place of one that is moved.
impl<R> Default for Source<R> {
    fn default() -> Source<R> {
        Source { reader: None, ended: false, buffer: Vec::new(), start: 0, offset: 0, has_failed: false }
    }
}

impl<R> Source<R> {
    pub(super) fn new(reader: R) -> Source<R> {
        Source { reader: Some(reader), buffer: Vec::with_capacity(BUFFER_BYTES), ..Source::default() }
    }

    /// Returns the reader.
    pub(super) fn reader(&self) -> Option<&R> {
        self.reader.as_ref()
    }

    /// Returns the number of bytes used so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns `true` if the reader returned an error.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }
}

impl<R: Read> Source<R> {
    /// Returns the next `count` bytes without using them, or fewer at the end.
    #[expect(clippy::indexing_slicing, reason = "`start` never exceeds the length of the buffer")]
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.buffer.len() - self.start < count {
            self.fill()?;
        }
        let unused = &self.buffer[self.start..];
        Ok(&unused[..unused.len().min(count)])
    }

    /// Skips zero bytes. Returns `true` if there were any.
    pub(super) fn skip_zeros(&mut self) -> io::Result<bool> {
        let start = self.offset;
        loop {
            let unused = self.fill_buf()?;
            let zeros = unused.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                return Ok(self.offset > start);
            }
            self.consume(zeros);
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let Some(reader) = self.reader.as_mut().filter(|_| !self.ended) else { return Ok(()) };
        let missing = BUFFER_BYTES - self.buffer.len();
        match reader.by_ref().take(missing as u64).read_to_end(&mut self.buffer) {
            Ok(count) => self.ended = count < missing,
            Err(error) => {
                self.has_failed = true;
                return Err(error);
            }
        }
        Ok(())
    }
}

impl<R: Read> BufRead for Source<R> {
    #[expect(clippy::indexing_slicing, reason = "`start` never exceeds the length of the buffer")]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)?;
        Ok(&self.buffer[self.start..])
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}
