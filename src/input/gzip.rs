//! Gzip members (RFC 1952), one after another, and zero padding after the last.

#![expect(clippy::disallowed_types, reason = "reads one member at a time, and checks the bytes that follow it")]

use std::io::{self, ErrorKind, Read};
use std::mem;

use flate2::bufread::GzDecoder;

use super::source::Source;
use crate::error::ObjectError;

/// The first bytes of a member.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The first bytes of a member that is compressed by deflate, as all are. Content that begins so is gzip again.
pub(super) const MEMBER_START: [u8; 3] = [0x1f, 0x8b, 8];

/// Reads members.
pub(super) struct Gzip<R> {
    member: GzDecoder<Source<R>>,
}

impl<R: Read> Gzip<R> {
    /// Starts at the first member.
    pub(super) fn new(source: Source<R>) -> Gzip<R> {
        Gzip { member: GzDecoder::new(source) }
    }

    /// Returns the compressed bytes.
    pub(super) fn source(&self) -> &Source<R> {
        self.member.get_ref()
    }

    /// Fills `out` with text. Returns the number of bytes, which is smaller only at the end.
    #[expect(clippy::indexing_slicing, reason = "the loop ends when `filled` reaches the length")]
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, ObjectError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.member.read(&mut out[filled..]).map_err(|error| self.fault(error))? {
                0 if !self.next_member()? => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// Starts the next member. Returns `false` at the end of the object.
    fn next_member(&mut self) -> Result<bool, ObjectError> {
        let source = self.member.get_mut();
        let is_padded = source.skip_zeros().map_err(ObjectError::Read)?;
        match source.peek(MAGIC.len()).map_err(ObjectError::Read)? {
            [] => return Ok(false),
            [0x1f] | [0x1f, 0x8b] if !is_padded => {}
            [0x1f, _] if !is_padded => return Err(corrupt(source.offset(), "invalid gzip header")),
            _ => return Err(ObjectError::GzipTrailingData { offset: source.offset() }),
        }
        // The decoder is reset, not replaced: an object may have millions of members.
        let source = mem::take(source);
        self.member.reset(source);
        Ok(true)
    }

    /// Classifies an error of the decoder.
    fn fault(&self, error: io::Error) -> ObjectError {
        let offset = self.source().offset();
        match error.kind() {
            _ if self.source().has_failed() => ObjectError::Read(error),
            ErrorKind::UnexpectedEof => ObjectError::GzipTruncated { offset },
            _ => corrupt(offset, &error.to_string()),
        }
    }
}

fn corrupt(offset: u64, reason: &str) -> ObjectError {
    ObjectError::GzipCorrupt { offset, reason: reason.to_owned() }
}
