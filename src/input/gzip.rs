//! Gzip members (RFC 1952), one after another, and maybe zero bytes behind the last.

use std::io::Read;

use flate2::Crc;

use super::source::Raw;
use crate::error::ObjectError;
use crate::input::inflate::{Fault, Inflate, Output, Status, WINDOW_BYTES};

/// A member's first bytes.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The one method that there is.
const DEFLATE: u8 = 8;
/// Of so many bytes the check sum is made while they are in the fastest cache.
const PIECE_BYTES: usize = 16 << 10;

/// Flags of a member's header.
mod flag {
    pub(super) const CRC: u8 = 1 << 1;
    pub(super) const EXTRA: u8 = 1 << 2;
    pub(super) const NAME: u8 = 1 << 3;
    pub(super) const COMMENT: u8 = 1 << 4;
    pub(super) const RESERVED: u8 = 0xe0;
}

/// Reads members.
#[derive(Default)]
pub(super) struct Gzip {
    state: State,
    inflate: Inflate,
    /// Of the member's text so far.
    crc: Crc,
    bytes: u64,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Header,
    Data,
    AfterMember,
    Padding,
}

impl Gzip {
    /// As [`super::decoder::Text::read`].
    pub(super) fn read<R: Read, const N: usize>(
        &mut self,
        raw: &mut Raw<R>,
        bytes: &mut [u8; N],
        mut at: usize,
        limit: usize,
    ) -> Result<usize, ObjectError> {
        while at < limit {
            match self.state {
                State::Header => self.begin(raw)?,
                State::Data => at = self.read_data(raw, bytes, at, limit.min(at + PIECE_BYTES))?,
                State::AfterMember | State::Padding => match (self.state, raw.next()?) {
                    (_, None) => break,
                    (State::AfterMember, Some(byte)) if byte == MAGIC[0] => self.state = State::Header,
                    (_, Some(0)) => {
                        self.state = State::Padding;
                        raw.take()?;
                    }
                    (_, Some(_)) => return Err(ObjectError::GzipTrailingData { offset: raw.offset() }),
                },
            }
        }
        Ok(at)
    }

    fn begin<R: Read>(&mut self, raw: &mut Raw<R>) -> Result<(), ObjectError> {
        read_header(raw)?;
        self.inflate.restart();
        self.crc.reset();
        self.bytes = 0;
        self.state = State::Data;
        Ok(())
    }

    fn read_data<R: Read, const N: usize>(
        &mut self,
        raw: &mut Raw<R>,
        bytes: &mut [u8; N],
        at: usize,
        limit: usize,
    ) -> Result<usize, ObjectError> {
        // A match may reach no farther back than to the member's first byte.
        let first = at - self.bytes.min(WINDOW_BYTES as u64) as usize;
        let mut output = Output { bytes, first, at, limit };
        let mut input = raw.input();
        let status = self.inflate.inflate(&mut input, &mut output);
        let used = input.at;
        let end = output.at;
        let status = status.map_err(|fault| match fault {
            Fault::CutOff => ObjectError::GzipTruncated { offset: raw.offset_of_end() },
            Fault::Corrupt(reason) => corrupt(raw.offset_of(used), reason),
        })?;
        raw.use_up_to(used);
        self.crc.update(&bytes[at..end]);
        self.bytes += (end - at) as u64;
        match status {
            Status::Full => {}
            Status::Starved => raw.fill()?,
            Status::End => self.end(raw)?,
        }
        Ok(end)
    }

    /// Compares what was read with what should have been.
    fn end<R: Read>(&mut self, raw: &mut Raw<R>) -> Result<(), ObjectError> {
        if u32::from_le_bytes(take(raw)?) != self.crc.sum() {
            return Err(corrupt(raw.offset(), "incorrect data check"));
        }
        // The length is kept modulo 2^32.
        if u32::from_le_bytes(take(raw)?) != self.bytes as u32 {
            return Err(corrupt(raw.offset(), "incorrect length check"));
        }
        self.state = State::AfterMember;
        Ok(())
    }
}

fn corrupt(offset: u64, reason: &str) -> ObjectError {
    ObjectError::GzipCorrupt { offset, reason: reason.to_owned() }
}

/// The next bytes, which have to be there.
fn take<const N: usize>(raw: &mut Raw<impl Read>) -> Result<[u8; N], ObjectError> {
    let mut bytes = [0; N];
    for byte in &mut bytes {
        *byte = raw.take()?.ok_or(ObjectError::GzipTruncated { offset: raw.offset() })?;
    }
    Ok(bytes)
}

/// Reads over a header, of which nothing matters here but that it is one.
fn read_header(raw: &mut Raw<impl Read>) -> Result<(), ObjectError> {
    let magic = take(raw)?;
    if magic != MAGIC {
        return Err(corrupt(raw.offset(), "incorrect header check"));
    }
    let [method, flags] = take(raw)?;
    if method != DEFLATE {
        return Err(corrupt(raw.offset(), "unknown compression method"));
    }
    if flags & flag::RESERVED != 0 {
        return Err(corrupt(raw.offset(), "unknown header flags set"));
    }
    let mut header = Header { raw, crc: (flags & flag::CRC != 0).then(Crc::new) };
    header.note(&[MAGIC[0], MAGIC[1], method, flags]);
    // When it was made, how well, and on what.
    header.take::<6>()?;
    if flags & flag::EXTRA != 0 {
        for _ in 0..u16::from_le_bytes(header.take()?) {
            header.take::<1>()?;
        }
    }
    for text in [flag::NAME, flag::COMMENT] {
        if flags & text != 0 {
            while header.take()? != [0] {}
        }
    }
    let crc = header.crc;
    if let Some(crc) = crc
        && u16::from_le_bytes(take(raw)?) != crc.sum() as u16
    {
        return Err(corrupt(raw.offset(), "header crc mismatch"));
    }
    Ok(())
}

/// A header that is read.
struct Header<'a, R> {
    raw: &'a mut Raw<R>,
    /// Of what was read, if half of it stands behind.
    crc: Option<Crc>,
}

impl<R: Read> Header<'_, R> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ObjectError> {
        let bytes = take(self.raw)?;
        self.note(&bytes);
        Ok(bytes)
    }

    fn note(&mut self, bytes: &[u8]) {
        if let Some(crc) = &mut self.crc {
            crc.update(bytes);
        }
    }
}
