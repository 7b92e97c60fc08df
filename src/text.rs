//! An object as text: gzip of any number of members, or plain. Its first bytes decide, not its name.
//!
//! What comes out is not to be trusted before [`Text::read`] has returned 0: a gzip member's check sum stands after
//! its data, so a corrupt object is noticed only when its text was handed on already.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

use crate::error::ObjectError;

/// Text may not expand beyond so many bytes, unless set otherwise: 16 GiB.
pub const DEFAULT_MAX_OBJECT_BYTES: u64 = 16 << 30;
/// Flow logs shrink to a tenth. Text that is more than so many times as long as what it was made of is a trap: a gigabyte
/// of zeros is a megabyte of gzip.
pub const MAX_RATIO: u64 = 200;
/// Before so many bytes of text the ratio is not looked at: small objects may well repeat themselves.
pub const RATIO_FREE_BYTES: u64 = 64 << 20;

const INPUT_BYTES: usize = 64 << 10;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const PARQUET_MAGIC: [u8; 4] = *b"PAR1";
const LARGEST_WINDOW_BITS: u8 = 15;

/// Reads the text of an object.
pub struct Text<R> {
    input: Input<R>,
    encoding: Encoding,
    max_bytes: u64,
    bytes: u64,
}

enum Encoding {
    Plain,
    Gzip { inflate: Box<Decompress>, state: Gzip },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gzip {
    InMember,
    AfterMember,
    InPadding,
}

impl<R: Read> Text<R> {
    /// Looks at the first bytes.
    ///
    /// # Errors
    /// Where they can't be read, or are those of a Parquet file.
    pub fn open(reader: R, max_bytes: u64) -> Result<Text<R>, ObjectError> {
        let mut input = Input::new(reader);
        let head = input.peek(PARQUET_MAGIC.len())?;
        if head == PARQUET_MAGIC {
            return Err(ObjectError::Parquet);
        }
        let encoding = if head.starts_with(&GZIP_MAGIC) {
            Encoding::Gzip { inflate: Box::new(Decompress::new_gzip(LARGEST_WINDOW_BITS)), state: Gzip::InMember }
        } else {
            Encoding::Plain
        };
        Ok(Text { input, encoding, max_bytes, bytes: 0 })
    }

    /// Fills some of `out`, which must not be empty. 0 is the verified end.
    ///
    /// # Errors
    /// Where the input can't be read, is corrupt or cut off, or expands beyond the limit.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, ObjectError> {
        let count = match &mut self.encoding {
            Encoding::Plain => self.input.read(out)?,
            Encoding::Gzip { inflate, state } => read_gzip(&mut self.input, inflate, state, out)?,
        };
        self.bytes += count as u64;
        if self.bytes > self.max_bytes {
            return Err(ObjectError::TooLarge { max_bytes: self.max_bytes });
        }
        let compressed_bytes = self.input.offset;
        if self.bytes > RATIO_FREE_BYTES && self.bytes > compressed_bytes.saturating_mul(MAX_RATIO) {
            return Err(ObjectError::CompressionRatio { bytes: self.bytes, compressed_bytes });
        }
        Ok(count)
    }

    /// Bytes of the input that were used up so far.
    pub fn compressed_bytes(&self) -> u64 {
        self.input.offset
    }

    /// Bytes of text so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn read_gzip<R: Read>(
    input: &mut Input<R>,
    inflate: &mut Decompress,
    state: &mut Gzip,
    out: &mut [u8],
) -> Result<usize, ObjectError> {
    loop {
        let waiting = input.fill()?;
        match (*state, waiting.first()) {
            (Gzip::AfterMember | Gzip::InPadding, None) => return Ok(0),
            (Gzip::AfterMember, Some(&byte)) if byte == GZIP_MAGIC[0] => {
                inflate.reset(true);
                *state = Gzip::InMember;
            }
            (Gzip::AfterMember | Gzip::InPadding, Some(0)) => {
                *state = Gzip::InPadding;
                input.consume(1);
            }
            (Gzip::AfterMember | Gzip::InPadding, Some(_)) => {
                return Err(ObjectError::GzipTrailingData { offset: input.offset });
            }
            (Gzip::InMember, first) => {
                let ended = first.is_none();
                let (count, status) = inflate_some(input, inflate, out)?;
                if status == Status::StreamEnd {
                    *state = Gzip::AfterMember;
                } else if ended && count == 0 {
                    return Err(ObjectError::GzipTruncated { offset: input.offset });
                }
                if count > 0 {
                    return Ok(count);
                }
            }
        }
    }
}

fn inflate_some<R>(
    input: &mut Input<R>,
    inflate: &mut Decompress,
    out: &mut [u8],
) -> Result<(usize, Status), ObjectError> {
    let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input.waiting(), out, FlushDecompress::None).map_err(|error| {
        let offset = input.offset + (inflate.total_in() - before_in);
        ObjectError::GzipCorrupt { offset, reason: error.message().unwrap_or("bad data").to_owned() }
    })?;
    // Both differences are bounded by the slices given.
    input.consume((inflate.total_in() - before_in) as usize);
    Ok(((inflate.total_out() - before_out) as usize, status))
}

/// A buffer over the object as it is stored.
struct Input<R> {
    reader: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    offset: u64,
}

impl<R> Input<R> {
    fn new(reader: R) -> Input<R> {
        Input { reader, buffer: vec![0; INPUT_BYTES].into_boxed_slice(), start: 0, end: 0, offset: 0 }
    }

    fn waiting(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }
}

impl<R: Read> Input<R> {
    /// The first bytes, `count` of them or all that there are.
    fn peek(&mut self, count: usize) -> Result<&[u8], ObjectError> {
        self.fill_up()?;
        Ok(&self.buffer[..self.end.min(count)])
    }

    /// Waiting bytes; none is the end. The buffer is filled whatever the pieces in which the input comes, so that what is
    /// said of a fault does not depend on them.
    fn fill(&mut self) -> Result<&[u8], ObjectError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.fill_up()?;
        }
        Ok(self.waiting())
    }

    fn fill_up(&mut self) -> Result<(), ObjectError> {
        while self.end < self.buffer.len() {
            match read_some(&mut self.reader, &mut self.buffer[self.end..])? {
                0 => break,
                more => self.end += more,
            }
        }
        Ok(())
    }

    fn read(&mut self, out: &mut [u8]) -> Result<usize, ObjectError> {
        let waiting = self.fill()?;
        let count = waiting.len().min(out.len());
        out[..count].copy_from_slice(&waiting[..count]);
        self.consume(count);
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory takes everything")
    }

    fn read_all(reader: impl Read) -> Result<Vec<u8>, ObjectError> {
        let mut text = Text::open(reader, 1 << 30)?;
        let (mut all, mut slice) = (Vec::new(), [0; 300]);
        loop {
            match text.read(&mut slice)? {
                0 => return Ok(all),
                count => all.extend_from_slice(&slice[..count]),
            }
        }
    }

    fn code(bytes: &[u8]) -> &'static str {
        read_all(bytes).expect_err("a fault").code()
    }

    /// Hands out one byte a call, as a slow network may.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            out[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn all_members_are_read() {
        let members = [gzip(b"one "), gzip(b""), gzip(b"two "), gzip(b"three")].concat();
        assert_eq!(read_all(&members[..]).expect("whole"), b"one two three");
        assert_eq!(read_all(Drip(&members)).expect("whole"), b"one two three");
    }

    #[test]
    fn zero_bytes_after_the_last_member_are_padding() {
        let padded = [gzip(b"text"), vec![0; 70_000]].concat();
        assert_eq!(read_all(&padded[..]).expect("whole"), b"text");
    }

    #[test]
    fn anything_else_after_the_last_member_is_a_fault() {
        assert_eq!(code(&[gzip(b"text"), b"more text".to_vec()].concat()), "gzip_trailing_data");
        assert_eq!(code(&[gzip(b"text"), vec![0; 9], b"x".to_vec()].concat()), "gzip_trailing_data");
        assert_eq!(code(&[gzip(b"text"), vec![0; 9], gzip(b"text")].concat()), "gzip_trailing_data");
        assert_eq!(code(&[gzip(b"text"), vec![0x1f]].concat()), "gzip_truncated");
        assert_eq!(code(&[gzip(b"text"), b"\x1fxyz".to_vec()].concat()), "gzip_corrupt");
    }

    #[test]
    fn the_offset_of_a_fault_is_told() {
        let first = gzip(b"text");
        let error = read_all(&[first.clone(), b"more".to_vec()].concat()[..]).expect_err("a fault");
        assert!(error.to_string().contains(&format!("byte {}", first.len())), "{error}");
    }

    #[test]
    fn empty_and_plain_objects_are_text() {
        assert_eq!(read_all(&b""[..]).expect("whole"), b"");
        assert_eq!(read_all(&b"\x1f"[..]).expect("whole"), b"\x1f");
        assert_eq!(read_all(&b"PAR"[..]).expect("whole"), b"PAR");
        assert_eq!(read_all(Drip(b"plain text")).expect("whole"), b"plain text");
    }

    #[test]
    fn parquet_is_refused_and_told_apart_byte_by_byte() {
        assert_eq!(code(b"PAR1...."), "unsupported_format_parquet");
        assert_eq!(read_all(Drip(b"PAR1")).expect_err("a fault").code(), "unsupported_format_parquet");
    }

    #[test]
    fn text_ends_at_the_limit_with_an_error_not_with_an_end() {
        let bomb = gzip(&vec![b'0'; 100_000]);
        for (max_bytes, fits) in [(99_999, false), (100_000, true)] {
            let mut text = Text::open(&bomb[..], max_bytes).expect("gzip");
            let mut slice = vec![0; 1 << 17];
            let outcome = loop {
                match text.read(&mut slice) {
                    Ok(0) => break Ok(text.bytes()),
                    Ok(_) => {}
                    Err(error) => break Err(error.code()),
                }
            };
            assert_eq!(outcome, if fits { Ok(100_000) } else { Err("too_large") });
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_ratio_once_it_is_large() {
        let zeros = gzip(&vec![b'0'; (RATIO_FREE_BYTES + 1) as usize]);
        assert!((zeros.len() as u64) < RATIO_FREE_BYTES / MAX_RATIO);
        assert_eq!(code(&zeros), "compression_ratio");
        let small = gzip(&vec![b'0'; RATIO_FREE_BYTES as usize]);
        assert_eq!(read_all(&small[..]).expect("small enough").len() as u64, RATIO_FREE_BYTES);
        // Spread over members it is the same trap; and its text may itself be gzip.
        let member = gzip(&vec![b'\n'; 1 << 20]);
        assert_eq!(code(&member.repeat(65)), "compression_ratio");
        assert_eq!(read_all(&gzip(&member)[..]).expect("one layer"), member);
        // Plain text has no ratio.
        let plain = vec![b'0'; (RATIO_FREE_BYTES + 1) as usize];
        assert_eq!(read_all(&plain[..]).expect("plain").len(), plain.len());
    }

    #[test]
    fn what_is_said_of_a_fault_does_not_depend_on_the_pieces() {
        let mut damaged = gzip(&(0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
        let at = damaged.len() - 2000;
        damaged[at..at + 50].fill(0xff);
        let whole = read_all(&damaged[..]).expect_err("a fault");
        assert!(damaged.len() > 2 * INPUT_BYTES && whole.code() == "gzip_corrupt", "{whole}");
        assert_eq!(read_all(Drip(&damaged)).expect_err("a fault").to_string(), whole.to_string());
    }

    #[test]
    fn a_reader_that_fails_is_no_end() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("cable cut"))
            }
        }
        let error = read_all(gzip(b"text")[..9].chain(Broken)).expect_err("a fault");
        assert_eq!((error.code(), error.to_string().contains("cable cut")), ("read_failed", true));
    }

    #[test]
    fn the_vectorised_decoder_is_in_the_build() {
        // Without flate2's `runtime_detection` decompression takes half as long again, and nothing else tells.
        let manifest = include_str!("../Cargo.toml");
        let flate2 = manifest.lines().find(|line| line.starts_with("flate2")).expect("flate2 is a dependency");
        assert!(flate2.contains("\"zlib-rs\"") && flate2.contains("\"runtime_detection\""), "{flate2}");
    }

    proptest! {
        #[test]
        fn a_cut_object_is_a_fault_or_a_members_end(first: Vec<u8>, second: Vec<u8>, cut: prop::sample::Index) {
            let members = [gzip(&first), gzip(&second)];
            let whole = members.concat();
            let cut = cut.index(whole.len());
            match read_all(&whole[..cut]) {
                // A cut after the magic's first byte leaves plain text of one byte, which is no flow log.
                Ok(text) if cut == 1 => prop_assert_eq!(text, [0x1f]),
                Ok(text) if cut == 0 => prop_assert!(text.is_empty()),
                Ok(text) => {
                    prop_assert_eq!(cut, members[0].len());
                    prop_assert_eq!(text, first);
                }
                Err(error) => prop_assert_eq!(error.code(), "gzip_truncated"),
            }
        }

        #[test]
        fn any_bytes_are_text_or_a_fault(bytes: Vec<u8>, magic: bool) {
            let bytes = if magic { [&[0x1f, 0x8b, 8], &bytes[..]].concat() } else { bytes };
            drop(read_all(&bytes[..]));
        }

        #[test]
        fn a_flipped_bit_is_a_fault_or_changes_nothing(text in prop::collection::vec(any::<u8>(), 0..2000),
                                                        at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = gzip(&text);
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            // A flip in the magic makes it plain; it is then bytes as they stand.
            if at >= 2 && let Ok(read) = read_all(&bytes[..]) {
                prop_assert_eq!(read, text);
            }
        }
    }
}
