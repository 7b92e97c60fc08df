//! An object as text: gzip of any number of members, or plain. Its first bytes decide, not its name.
//!
//! What comes out is not to be trusted before [`Decoder::read`] has returned 0: a gzip member's check sum stands after
//! its data, so a corrupt object is noticed only when its text was handed on already.

use std::io::Read;

use super::gzip::{self, Gzip};
use super::source::Source;
use crate::error::ObjectError;

/// Decoder may not expand beyond so many bytes, unless set otherwise: 16 GiB.
pub const DEFAULT_MAX_OBJECT_BYTES: u64 = 16 << 30;
/// Flow logs shrink to a tenth. Decoder that is more than so many times as long as what it was made of is a trap: a gigabyte
/// of zeros is a megabyte of gzip.
pub const MAX_RATIO: u64 = 200;
/// Before so many bytes of text the ratio is not looked at: small objects may well repeat themselves.
pub const RATIO_GRACE_BYTES: u64 = 64 << 20;

const PARQUET_MAGIC: [u8; 4] = *b"PAR1";

/// Reads the text of an object.
pub struct Decoder<R> {
    encoding: Encoding<R>,
    max_bytes: u64,
    bytes: u64,
}

enum Encoding<R> {
    Plain(Source<R>),
    Gzip(Gzip<R>),
}

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes.
    ///
    /// # Errors
    /// Where they can't be read, or are those of a Parquet file.
    pub fn open(reader: R, max_bytes: u64) -> Result<Decoder<R>, ObjectError> {
        let mut source = Source::new(reader);
        let head = source.peek(PARQUET_MAGIC.len()).map_err(ObjectError::Read)?;
        if head == PARQUET_MAGIC {
            return Err(ObjectError::Parquet);
        }
        let is_gzip = head.starts_with(&gzip::MAGIC);
        let encoding = if is_gzip { Encoding::Gzip(Gzip::new(source)) } else { Encoding::Plain(source) };
        Ok(Decoder { encoding, max_bytes, bytes: 0 })
    }

    /// Copies the next bytes of the text into `out`. Returns their number; 0 is the verified end of the object.
    ///
    /// # Errors
    /// Where the input can't be read, is corrupt or cut off, or expands beyond the limit. There is nothing more to read then.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, ObjectError> {
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

    /// Bytes of the input that were used up so far.
    pub fn compressed_bytes(&self) -> u64 {
        match &self.encoding {
            Encoding::Plain(source) => source.offset(),
            Encoding::Gzip(gzip) => gzip.source().offset(),
        }
    }

    /// Bytes of text so far.
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
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory takes everything")
    }

    fn read_all(reader: impl Read) -> Result<Vec<u8>, ObjectError> {
        read_by(300, Decoder::open(reader, 1 << 30)?)
    }

    fn read_by(slice_bytes: usize, mut text: Decoder<impl Read>) -> Result<Vec<u8>, ObjectError> {
        let (mut all, mut slice) = (Vec::new(), vec![0; slice_bytes]);
        while let count @ 1.. = text.read(&mut slice)? {
            all.extend_from_slice(&slice[..count]);
        }
        assert_eq!(text.bytes(), all.len() as u64);
        Ok(all)
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
            let text = Decoder::open(&bomb[..], max_bytes).expect("gzip");
            let outcome = read_by(1 << 17, text).map(|all| all.len()).map_err(|error| error.code());
            assert_eq!(outcome, if fits { Ok(100_000) } else { Err("too_large") });
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_ratio_once_it_is_large() {
        let zeros = gzip(&vec![b'0'; (RATIO_GRACE_BYTES + 1) as usize]);
        assert!((zeros.len() as u64) < RATIO_GRACE_BYTES / MAX_RATIO);
        assert_eq!(code(&zeros), "compression_ratio");
        let small = gzip(&vec![b'0'; RATIO_GRACE_BYTES as usize]);
        assert_eq!(read_all(&small[..]).expect("small enough").len() as u64, RATIO_GRACE_BYTES);
        // Spread over members it is the same trap; and its text may itself be gzip.
        let member = gzip(&vec![b'\n'; 1 << 20]);
        assert_eq!(code(&member.repeat(65)), "compression_ratio");
        assert_eq!(read_all(&gzip(&member)[..]).expect("one layer"), member);
        // Plain text has no ratio.
        let plain = vec![b'0'; (RATIO_GRACE_BYTES + 1) as usize];
        assert_eq!(read_all(&plain[..]).expect("plain").len(), plain.len());
    }

    #[test]
    fn what_is_said_of_a_fault_does_not_depend_on_the_pieces() {
        let mut damaged = gzip(&(0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
        let at = damaged.len() - 2000;
        damaged[at..at + 50].fill(0xff);
        let whole = read_all(&damaged[..]).expect_err("a fault");
        assert!(damaged.len() > 200_000 && whole.code() == "gzip_corrupt", "{whole}");
        assert_eq!(read_all(Drip(&damaged)).expect_err("a fault").to_string(), whole.to_string());
    }

    #[test]
    fn a_reader_that_fails_is_no_end() {
        struct Broken(io::ErrorKind);
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::new(self.0, "cable cut"))
            }
        }
        let whole = gzip(b"text");
        for kind in [io::ErrorKind::Other, io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidInput] {
            for start in [&whole[..1], &whole[..9], &whole[..20], &whole, b"plain"] {
                let error = read_all(start.chain(Broken(kind))).expect_err("a fault");
                assert_eq!((error.code(), error.to_string().contains("cable cut")), ("read_failed", true));
            }
        }
    }

    #[test]
    fn the_vectorised_check_sum_is_in_the_build() {
        // Without flate2's `runtime_detection` check sums take some times as long, and nothing else tells.
        let manifest = include_str!("../../Cargo.toml");
        let flate2 = manifest.lines().find(|line| line.starts_with("flate2")).expect("flate2 is a dependency");
        assert!(flate2.contains("\"zlib-rs\"") && flate2.contains("\"runtime_detection\""), "{flate2}");
    }

    /// A member with all that a header can have.
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
    fn a_header_may_have_more_than_is_wanted() {
        let member = with_header(b"text");
        assert_eq!(read_all(&[member.clone(), member.clone()].concat()[..]).expect("whole"), b"texttext");
        for cut in 2..member.len() {
            let error = read_all(&member[..cut]).expect_err("a fault");
            assert!(matches!(error, ObjectError::GzipTruncated { offset } if offset == cut as u64), "{error}");
        }
    }

    #[test]
    fn a_damaged_frame_is_told_as_such() {
        let reason = |member: &[u8]| match read_all(member).expect_err("a fault") {
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
        let told = |offset, reason: &str| (offset, reason.to_owned());
        let check_sum = "corrupt gzip stream does not have a matching checksum";
        assert_eq!(changed(&member, 2, 7), told(10, "invalid gzip header"));
        for flag in [0x20, 0x40, 0x80] {
            assert_eq!(changed(&member, 3, flag), told(10, "invalid gzip header"));
        }
        assert_eq!(changed(&with_header(b""), 6, 9), told(32, check_sum));
        assert_eq!(changed(&member, member.len() - 5, 0), told(end, check_sum));
        assert_eq!(changed(&member, member.len() - 1, 1), told(end, check_sum));
        assert_eq!(reason(&[&member[..], b"\x1f\x8c"].concat()), told(end, "invalid gzip header"));
        // A match from before a member's first byte, which the member before would have.
        let far = [&member[..10], &[0b11, 0b10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(reason(&[&member[..], &far].concat()).1, "corrupt deflate stream");
    }

    #[test]
    fn a_member_fills_the_slice_that_another_began() {
        let members = gzip(b"0123456789").repeat(50);
        let mut text = Decoder::open(&members[..], u64::MAX).expect("gzip");
        let mut slice = [0; 500];
        assert_eq!(text.read(&mut slice).expect("text"), 500);
        assert_eq!(slice[..], b"0123456789".repeat(50));
        assert_eq!(text.read(&mut slice).expect("the end"), 0);
    }

    #[test]
    fn a_member_may_begin_at_the_end_of_the_input_buffer() {
        for length in 65_500..65_520_usize {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
            encoder.write_all(&vec![b'x'; length]).expect("memory takes everything");
            let first = encoder.finish().expect("memory takes everything");
            let text = read_all(&[&first[..], &gzip(b"more")].concat()[..]).expect("whole");
            assert_eq!((text.len(), &text[length..]), (length + 4, &b"more"[..]));
            let error = read_all(&[&first[..], b"\x1fmore"].concat()[..]).expect_err("a fault");
            assert!(
                matches!(error, ObjectError::GzipCorrupt { offset, .. } if offset == first.len() as u64),
                "{error}"
            );
        }
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
        fn text_is_the_same_whatever_the_slices(text in prop::collection::vec(0..4_u8, 0..40_000), level in 0..10_u32, slice_bytes in 700..50_000_usize) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&text)?;
            let members = [encoder.finish()?, gzip(b"more")].concat();
            let read = read_by(slice_bytes, Decoder::open(Drip(&members), u64::MAX).expect("gzip")).expect("whole");
            prop_assert_eq!(read, [&text[..], b"more"].concat());
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
