//! An object's bytes as they are stored.

use std::io::{self, Read};

use crate::error::ObjectError;
use crate::input::inflate::{Input, PADDING_BYTES};

const BUFFER_BYTES: usize = 64 << 10;
/// With what has to be there behind what is decompressed.
const PADDED_BYTES: usize = BUFFER_BYTES + PADDING_BYTES;

/// A buffer over a reader. It is filled whatever the pieces in which the bytes come, so that what is said of a fault does
/// not depend on them.
pub(super) struct Raw<R> {
    reader: R,
    buffer: Box<[u8; PADDED_BYTES]>,
    start: usize,
    end: usize,
    /// Of `start` in the object.
    offset: u64,
    /// Whether no more comes from the reader.
    is_last: bool,
}

impl<R> Raw<R> {
    pub(super) fn new(reader: R) -> Raw<R> {
        Raw { reader, buffer: Box::new([0; PADDED_BYTES]), start: 0, end: 0, offset: 0, is_last: false }
    }

    /// Bytes that were used so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where in the object a place of [`Raw::input`] is.
    pub(super) fn offset_of(&self, at: usize) -> u64 {
        self.offset + (at.saturating_sub(self.start)) as u64
    }

    /// Where in the object what is there ends.
    pub(super) fn offset_of_end(&self) -> u64 {
        self.offset_of(self.end)
    }

    /// What is there of them.
    pub(super) fn input(&self) -> Input<'_, PADDED_BYTES> {
        Input { bytes: &self.buffer, at: self.start, end: self.end, is_last: self.is_last }
    }

    /// Takes note that they were used up to that place of [`Raw::input`].
    pub(super) fn use_up_to(&mut self, at: usize) {
        self.offset += (at - self.start) as u64;
        self.start = at;
    }
}

impl<R: Read> Raw<R> {
    /// The first bytes, `count` of them or all that there are.
    pub(super) fn peek(&mut self, count: usize) -> Result<&[u8], ObjectError> {
        self.fill()?;
        Ok(&self.buffer[..self.end.min(count)])
    }

    /// The next byte, if there is one, which is not used yet.
    pub(super) fn next(&mut self) -> Result<Option<u8>, ObjectError> {
        if self.start == self.end {
            self.fill()?;
        }
        Ok(self.buffer[self.start..self.end].first().copied())
    }

    /// Uses the next byte, if there is one.
    pub(super) fn take(&mut self) -> Result<Option<u8>, ObjectError> {
        let next = self.next()?;
        if next.is_some() {
            self.use_up_to(self.start + 1);
        }
        Ok(next)
    }

    /// Reads on behind what is there.
    pub(super) fn fill(&mut self) -> Result<(), ObjectError> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < BUFFER_BYTES && !self.is_last {
            let count = read_some(&mut self.reader, &mut self.buffer[self.end..BUFFER_BYTES])?;
            self.end += count;
            self.is_last = count == 0;
        }
        Ok(())
    }

    /// Copies some bytes; none is the end.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, ObjectError> {
        self.next()?;
        let count = out.len().min(self.end - self.start);
        out[..count].copy_from_slice(&self.buffer[self.start..self.start + count]);
        self.use_up_to(self.start + count);
        Ok(count)
    }
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ObjectError> {
    loop {
        match reader.read(buffer) {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ObjectError::Read(error)),
        }
    }
}
