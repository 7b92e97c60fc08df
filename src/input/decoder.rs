//! Decodes an object to text: gzip with any number of members, or plain text. The first bytes decide, not the name.
//!
//! Text is verified only when [`Decoder::read`] has returned 0: the checksum of a gzip member follows its data, so a corrupt object
//! is detected after its text was returned.

use std::io::Read;

use super::gzip::{self, Gzip};
use super::source::Source;
use crate::error::ObjectError;

/// Default limit of text bytes per object: 16 GiB.
pub const DEFAULT_MAX_OBJECT_BYTES: u64 = 16 << 30;
/// Limit of text bytes per input byte. Flow logs have a ratio of about 10; a decompression bomb has about 1,000.
pub const MAX_RATIO: u64 = 200;
/// Text bytes before the ratio is checked: small objects may be repetitive.
pub const RATIO_GRACE_BYTES: u64 = 64 << 20;

/// Reads an object and returns its text.
pub struct Decoder<R> {
    encoding: Encoding<R>,
    max_bytes: u64,
    bytes: u64,
    /// Text that was read to look at its beginning.
    head: Vec<u8>,
}

enum Encoding<R> {
    Plain(Source<R>),
    Gzip(Box<Gzip<R>>),
}

impl<R: Read> Decoder<R> {
    /// Reads the first bytes and detects the encoding.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn open(reader: R, max_bytes: u64) -> Result<Decoder<R>, ObjectError> {
        let mut source = Source::new(reader);
        let head = source.peek(gzip::MAGIC.len()).map_err(ObjectError::Read)?;
        let is_gzip = head.starts_with(&gzip::MAGIC);
        let encoding = if is_gzip { Encoding::Gzip(Box::new(Gzip::new(source))) } else { Encoding::Plain(source) };
        Ok(Decoder { encoding, max_bytes, bytes: 0, head: Vec::new() })
    }

    /// Returns the first `count` bytes of the text without using them, or fewer if it is shorter. Call it before the first read.
    ///
    /// # Errors
    /// As [`Decoder::read`].
    #[expect(clippy::indexing_slicing, reason = "a read returns at most the length that is missing")]
    pub fn head(&mut self, count: usize) -> Result<&[u8], ObjectError> {
        let mut head = vec![0; count];
        let mut length = 0;
        while length < count {
            match self.read(&mut head[length..])? {
                0 => break,
                more => length += more,
            }
        }
        head.truncate(length);
        self.head = head;
        Ok(&self.head)
    }

    /// Copies the next bytes of the text into `out`. Returns their number; 0 is the verified end of the object.
    ///
    /// # Errors
    /// If the input cannot be read, is corrupt or truncated, or expands beyond the limit. A decoder is unusable after an error.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, ObjectError> {
        if !self.head.is_empty() {
            return Ok(self.take_head(out));
        }
        let count = match &mut self.encoding {
            Encoding::Plain(source) => source.read(out).map_err(ObjectError::Read)?,
            Encoding::Gzip(gzip) => gzip.read(out)?,
        };
        self.bytes += count as u64;
        if self.bytes > self.max_bytes {
            return Err(ObjectError::TooLarge { max_bytes: self.max_bytes });
        }
        let compressed_bytes = self.compressed_bytes();
        if self.bytes > RATIO_GRACE_BYTES && self.bytes > compressed_bytes.saturating_mul(MAX_RATIO) {
            return Err(ObjectError::CompressionRatio { bytes: self.bytes, compressed_bytes });
        }
        Ok(count)
    }

    #[cold]
    #[expect(clippy::indexing_slicing, reason = "the count is at most both lengths")]
    fn take_head(&mut self, out: &mut [u8]) -> usize {
        let count = out.len().min(self.head.len());
        out[..count].copy_from_slice(&self.head[..count]);
        self.head.drain(..count);
        count
    }

    /// Returns the number of input bytes used so far.
    pub fn compressed_bytes(&self) -> u64 {
        match &self.encoding {
            Encoding::Plain(source) => source.offset(),
            Encoding::Gzip(gzip) => gzip.source().offset(),
        }
    }

    /// Returns the number of text bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("a Vec takes every byte")
    }

    fn read_all(reader: impl Read) -> Result<Vec<u8>, ObjectError> {
        read_by(300, Decoder::open(reader, 1 << 30)?)
    }

    fn read_by(read_bytes: usize, mut text: Decoder<impl Read>) -> Result<Vec<u8>, ObjectError> {
        let (mut all, mut slice) = (Vec::new(), vec![0; read_bytes]);
        while let count @ 1.. = text.read(&mut slice)? {
            all.extend_from_slice(&slice[..count]);
        }
        assert_eq!(text.bytes(), all.len() as u64);
        Ok(all)
    }

    fn code(bytes: &[u8]) -> &'static str {
        read_all(bytes).expect_err("an error").code()
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
    fn other_bytes_after_the_last_member_are_an_error() {
        assert_eq!(code(&[gzip(b"text"), b"more text".to_vec()].concat()), "gzip_trailing_data");
        assert_eq!(code(&[gzip(b"text"), vec![0; 9], b"x".to_vec()].concat()), "gzip_trailing_data");
        assert_eq!(code(&[gzip(b"text"), vec![0; 9], gzip(b"text")].concat()), "gzip_trailing_data");
        assert_eq!(code(&[gzip(b"text"), vec![0x1f]].concat()), "gzip_truncated");
        assert_eq!(code(&[gzip(b"text"), b"\x1fxyz".to_vec()].concat()), "gzip_corrupt");
    }

    #[test]
    fn an_error_has_the_byte_offset() {
        let first = gzip(b"text");
        let error = read_all(&[first.clone(), b"more".to_vec()].concat()[..]).expect_err("an error");
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
    fn text_above_the_limit_is_an_error() {
        let bomb = gzip(&vec![b'0'; 100_000]);
        for (max_bytes, fits) in [(99_999, false), (100_000, true)] {
            let text = Decoder::open(&bomb[..], max_bytes).expect("gzip");
            let outcome = read_by(1 << 17, text).map(|all| all.len()).map_err(|error| error.code());
            assert_eq!(outcome, if fits { Ok(100_000) } else { Err("too_large") });
        }
    }

    #[test]
    fn a_large_decompression_bomb_is_an_error() {
        let zeros = gzip(&vec![b'0'; (RATIO_GRACE_BYTES + 1) as usize]);
        assert!((zeros.len() as u64) < RATIO_GRACE_BYTES / MAX_RATIO);
        assert_eq!(code(&zeros), "compression_ratio");
        let small = gzip(&vec![b'0'; RATIO_GRACE_BYTES as usize]);
        assert_eq!(read_all(&small[..]).expect("small enough").len() as u64, RATIO_GRACE_BYTES);
        // Many members make the same bomb. Text may itself be gzip.
        let member = gzip(&vec![b'\n'; 1 << 20]);
        assert_eq!(code(&member.repeat(65)), "compression_ratio");
        assert_eq!(read_all(&gzip(&member)[..]).expect("one layer"), member);
        // Plain text has no ratio.
        let plain = vec![b'0'; (RATIO_GRACE_BYTES + 1) as usize];
        assert_eq!(read_all(&plain[..]).expect("plain").len(), plain.len());
    }

    #[test]
    fn the_error_does_not_depend_on_read_sizes() {
        let mut damaged = gzip(&(0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
        let at = damaged.len() - 2000;
        damaged[at..at + 50].fill(0xff);
        let whole = read_all(&damaged[..]).expect_err("an error");
        assert!(damaged.len() > 200_000 && whole.code() == "gzip_corrupt", "{whole}");
        assert_eq!(read_all(Drip(&damaged)).expect_err("an error").to_string(), whole.to_string());
    }

    #[test]
    fn a_failing_reader_is_an_error() {
        struct Broken(io::ErrorKind);
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::new(self.0, "cable cut"))
            }
        }
        let whole = gzip(b"text");
        for kind in [io::ErrorKind::Other, io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidInput] {
            for start in [&whole[..1], &whole[..9], &whole[..20], &whole, b"plain"] {
                let error = read_all(start.chain(Broken(kind))).expect_err("an error");
                assert_eq!((error.code(), error.to_string().contains("cable cut")), ("read_failed", true));
            }
        }
    }

    #[test]
    fn flate2_has_runtime_detection() {
        // Without flate2's `runtime_detection`, decompression takes 1.5 times as long, and no other test fails.
        let manifest = include_str!("../../Cargo.toml");
        let flate2 = manifest.lines().find(|line| line.starts_with("flate2")).expect("flate2 is a dependency");
        assert!(flate2.contains("\"zlib-rs\"") && flate2.contains("\"runtime_detection\""), "{flate2}");
    }

    /// Returns a member whose header has every optional field.
    fn with_header(text: &[u8]) -> Vec<u8> {
        let plain = gzip(text);
        let flags = (1 << 1) | (1 << 2) | (1 << 3) | (1 << 4);
        let mut header =
            [&[0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255][..], &[3, 0, b'x', 0, b'z'], b"name\0", b"a comment\0"]
                .concat();
        let mut crc = flate2::Crc::new();
        crc.update(&header);
        header.extend_from_slice(&crc.sum().to_le_bytes()[..2]);
        [header, plain[10..].to_vec()].concat()
    }

    #[test]
    fn optional_header_fields_are_skipped() {
        let member = with_header(b"text");
        assert_eq!(read_all(&[member.clone(), member.clone()].concat()[..]).expect("whole"), b"texttext");
        for cut in 2..member.len() {
            let error = read_all(&member[..cut]).expect_err("an error");
            assert!(matches!(error, ObjectError::GzipTruncated { offset } if offset == cut as u64), "{error}");
        }
    }

    #[test]
    fn a_damaged_header_or_trailer_is_an_error() {
        let reason = |member: &[u8]| match read_all(member).expect_err("an error") {
            ObjectError::GzipCorrupt { offset, reason } => (offset, reason),
            other => panic!("{other}"),
        };
        let changed = |member: &[u8], at: usize, byte: u8| {
            let mut member = member.to_vec();
            member[at] = byte;
            reason(&member)
        };
        let member = gzip(b"text");
        let end = member.len() as u64;
        let expected = |offset, reason: &str| (offset, reason.to_owned());
        let check_sum = "corrupt gzip stream does not have a matching checksum";
        assert_eq!(changed(&member, 2, 7), expected(10, "invalid gzip header"));
        for flag in [0x20, 0x40, 0x80] {
            assert_eq!(changed(&member, 3, flag), expected(10, "invalid gzip header"));
        }
        assert_eq!(changed(&with_header(b""), 6, 9), expected(32, check_sum));
        assert_eq!(changed(&member, member.len() - 5, 0), expected(end, check_sum));
        assert_eq!(changed(&member, member.len() - 1, 1), expected(end, check_sum));
        assert_eq!(reason(&[&member[..], b"\x1f\x8c"].concat()), expected(end, "invalid gzip header"));
        // A match that reaches back into the previous member.
        let far = [&member[..10], &[0b11, 0b10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(reason(&[&member[..], &far].concat()).1, "corrupt deflate stream");
    }

    #[test]
    fn a_read_continues_with_the_next_member() {
        let members = gzip(b"0123456789").repeat(50);
        let mut text = Decoder::open(&members[..], u64::MAX).expect("gzip");
        let mut slice = [0; 500];
        assert_eq!(text.read(&mut slice).expect("text"), 500);
        assert_eq!(slice[..], b"0123456789".repeat(50));
        assert_eq!(text.read(&mut slice).expect("the end"), 0);
    }

    #[test]
    fn a_member_may_begin_at_the_input_buffer_end() {
        for length in 65_500..65_520_usize {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
            encoder.write_all(&vec![b'x'; length]).expect("a Vec takes every byte");
            let first = encoder.finish().expect("a Vec takes every byte");
            let text = read_all(&[&first[..], &gzip(b"more")].concat()[..]).expect("whole");
            assert_eq!((text.len(), &text[length..]), (length + 4, &b"more"[..]));
            let error = read_all(&[&first[..], b"\x1fmore"].concat()[..]).expect_err("an error");
            assert!(
                matches!(error, ObjectError::GzipCorrupt { offset, .. } if offset == first.len() as u64),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_truncated_object_is_an_error_or_ends_a_member(first: Vec<u8>, second: Vec<u8>, cut: prop::sample::Index) {
            let members = [gzip(&first), gzip(&second)];
            let whole = members.concat();
            let cut = cut.index(whole.len());
            match read_all(&whole[..cut]) {
                // A cut after the first magic byte leaves one byte of plain text.
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
        fn any_bytes_are_text_or_an_error(bytes: Vec<u8>, magic: bool) {
            let bytes = if magic { [&[0x1f, 0x8b, 8], &bytes[..]].concat() } else { bytes };
            drop(read_all(&bytes[..]));
        }

        #[test]
        fn text_does_not_depend_on_read_sizes(text in prop::collection::vec(0..4_u8, 0..40_000), level in 0..10_u32, read_bytes in 700..50_000_usize) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&text)?;
            let members = [encoder.finish()?, gzip(b"more")].concat();
            let read = read_by(read_bytes, Decoder::open(Drip(&members), u64::MAX).expect("gzip")).expect("whole");
            prop_assert_eq!(read, [&text[..], b"more"].concat());
        }

        #[test]
        fn a_flipped_bit_is_an_error_or_changes_nothing(text in prop::collection::vec(any::<u8>(), 0..2000),
                                                        at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = gzip(&text);
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            // A flip in the magic bytes makes the object plain text.
            if at >= 2 && let Ok(read) = read_all(&bytes[..]) {
                prop_assert_eq!(read, text);
            }
        }
    }
}
