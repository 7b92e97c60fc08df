//! Decodes an object to its content: gzip with any number of members, gzip within gzip, or plain bytes. The first bytes decide, not the
//! name.
//!
//! Content is verified only when [`Decoder::read`] has returned 0: the checksum of a gzip member follows its data, so a corrupt object
//! is detected after its content was returned. Both layers of gzip have the same limits.

use std::io::{self, Read};

use super::gzip::{self, Gzip};
use super::source::Source;
use crate::error::ObjectError;

/// Default limit of text bytes per object: 16 GiB.
pub const DEFAULT_MAX_OBJECT_BYTES: u64 = 16 << 30;
/// Limit of text bytes per input byte. Flow logs have a ratio of about 10; a decompression bomb has about 1,000.
pub const MAX_RATIO: u64 = 200;
/// Text bytes before the ratio is checked: small objects may be repetitive.
pub const RATIO_GRACE_BYTES: u64 = 64 << 20;

/// Reads an object and returns its content.
pub struct Decoder<R> {
    encoding: Encoding<R>,
    limits: SizeLimits,
    /// Bytes of content that were decoded, but not yet returned by [`Decoder::read`].
    head: Vec<u8>,
    bytes: u64,
}

enum Encoding<R> {
    Plain(Source<R>),
    Gzip(Box<Gzip<R>>),
    /// Gzip within gzip, as Firehose writes what CloudWatch Logs has compressed.
    Nested(Box<Gzip<OuterLayer<R>>>),
}

/// Limits of the bytes that one layer of an object decodes to.
#[derive(Debug, Clone, Copy)]
struct SizeLimits {
    max_bytes: u64,
}

impl SizeLimits {
    /// Checks the number of bytes that were decoded from this many bytes of the object.
    fn check(self, bytes: u64, compressed_bytes: u64) -> Result<(), ObjectError> {
        if bytes > self.max_bytes {
            return Err(ObjectError::TooLarge { max_bytes: self.max_bytes });
        }
        if bytes > RATIO_GRACE_BYTES && bytes > compressed_bytes.saturating_mul(MAX_RATIO) {
            return Err(ObjectError::CompressionRatio { bytes, compressed_bytes });
        }
        Ok(())
    }
}

/// The outer of two layers of gzip, as the input of the inner one.
struct OuterLayer<R> {
    gzip: Box<Gzip<R>>,
    /// Bytes that were read to recognize the inner layer.
    head: io::Cursor<Vec<u8>>,
    limits: SizeLimits,
    bytes: u64,
}

impl<R: Read> Read for OuterLayer<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut count = self.head.read(out)?;
        if count == 0 {
            count = self.gzip.read(out).map_err(io::Error::other)?;
        }
        self.bytes += count as u64;
        self.limits.check(self.bytes, self.gzip.source().offset()).map_err(io::Error::other)?;
        Ok(count)
    }
}

impl<R: Read> Decoder<R> {
    /// Reads the first bytes and detects the encoding.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn open(reader: R, max_bytes: u64) -> Result<Decoder<R>, ObjectError> {
        let limits = SizeLimits { max_bytes };
        let mut source = Source::new(reader);
        if !source.peek(gzip::MAGIC.len()).map_err(ObjectError::Read)?.starts_with(&gzip::MAGIC) {
            return Ok(Decoder { encoding: Encoding::Plain(source), limits, head: Vec::new(), bytes: 0 });
        }
        let mut gzip = Box::new(Gzip::new(source));
        let mut head = vec![0; gzip::MEMBER_START.len()];
        let count = gzip.read(&mut head)?;
        head.truncate(count);
        let encoding = if head == gzip::MEMBER_START {
            let outer = OuterLayer { gzip, head: io::Cursor::new(std::mem::take(&mut head)), limits, bytes: 0 };
            Encoding::Nested(Box::new(Gzip::new(Source::new(outer))))
        } else {
            Encoding::Gzip(gzip)
        };
        Ok(Decoder { encoding, limits, head, bytes: 0 })
    }

    /// Returns the next `count` bytes of the content, or fewer at its end, without using them up.
    ///
    /// # Errors
    /// As [`Decoder::read`].
    #[expect(
        clippy::indexing_slicing,
        reason = "the vector was just resized to `count`, which is greater than `start`"
    )]
    pub fn peek(&mut self, count: usize) -> Result<&[u8], ObjectError> {
        while self.head.len() < count {
            let start = self.head.len();
            self.head.resize(count, 0);
            let decoded = self.encoding.decode(&mut self.head[start..])?;
            self.head.truncate(start + decoded);
            if decoded == 0 {
                break;
            }
        }
        Ok(self.head.get(..count).unwrap_or(&self.head))
    }

    /// Copies the next bytes of the content into `out`. Returns their number; 0 is the verified end of the object.
    ///
    /// # Errors
    /// If the input cannot be read, is corrupt or truncated, or expands beyond the limit. A decoder is unusable after an error.
    #[expect(clippy::indexing_slicing, reason = "the head is not longer than `out` where the rest of `out` is filled")]
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, ObjectError> {
        let peeked = self.head.len().min(out.len());
        if peeked > 0 {
            out[..peeked].copy_from_slice(&self.head[..peeked]);
            self.head.drain(..peeked);
        }
        let count = peeked + self.encoding.decode(&mut out[peeked..])?;
        self.bytes += count as u64;
        self.limits.check(self.bytes, self.compressed_bytes())?;
        Ok(count)
    }

    /// Returns the number of input bytes used so far.
    pub fn compressed_bytes(&self) -> u64 {
        match &self.encoding {
            Encoding::Plain(source) => source.offset(),
            Encoding::Gzip(gzip) => gzip.source().offset(),
            Encoding::Nested(inner) => inner.source().reader().map_or(0, |outer| outer.gzip.source().offset()),
        }
    }

    /// Returns the number of bytes of content that [`Decoder::read`] has returned.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<R: Read> Encoding<R> {
    /// Decodes the next bytes. Returns their number; 0 is the end.
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, ObjectError> {
        match self {
            Encoding::Plain(source) => source.read(out).map_err(ObjectError::Read),
            Encoding::Gzip(gzip) => gzip.read(out),
            Encoding::Nested(gzip) => gzip.read(out).map_err(outer_error),
        }
    }
}

/// Returns the error of the outer layer of gzip, if it is the cause.
fn outer_error(error: ObjectError) -> ObjectError {
    match error {
        ObjectError::Read(error) => error.downcast().unwrap_or_else(ObjectError::Read),
        error => error,
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
        // Many members make the same bomb.
        let member = gzip(&vec![b'\n'; 1 << 20]);
        assert_eq!(code(&member.repeat(65)), "compression_ratio");
        assert_eq!(code(&gzip(&member.repeat(65))), "compression_ratio");
        // Plain text has no ratio.
        let plain = vec![b'0'; (RATIO_GRACE_BYTES + 1) as usize];
        assert_eq!(read_all(&plain[..]).expect("plain").len(), plain.len());
    }

    #[test]
    fn gzip_within_gzip_is_decoded_twice_and_no_more() {
        let text = b"one two three".repeat(20_000);
        let inner = [gzip(&text[..5]), gzip(&text[5..])].concat();
        for outer in [gzip(&inner), [gzip(&inner[..1000]), gzip(&inner[1000..])].concat()] {
            assert_eq!(read_all(&outer[..]).expect("whole"), text);
            assert_eq!(read_all(Drip(&outer)).expect("whole"), text);
            let mut decoder = Decoder::open(&outer[..], u64::MAX).expect("gzip");
            assert_eq!(decoder.peek(7).expect("the start"), b"one two");
            assert_eq!(read_by(1000, decoder).expect("whole"), text);
        }
        let outer = gzip(&inner);
        let mut decoder = Decoder::open(&outer[..], u64::MAX).expect("gzip");
        while decoder.read(&mut [0; 999]).expect("whole") > 0 {}
        assert_eq!(decoder.compressed_bytes(), outer.len() as u64);
        assert_eq!(read_all(&gzip(&gzip(&gzip(b"text")))[..]).expect("two layers"), gzip(b"text"));
        // The outer layer holds the first bytes of gzip alone: that is not text, and a cut-off inner layer.
        assert_eq!(code(&gzip(&[0x1f, 0x8b, 8])), "gzip_truncated");
        assert_eq!(read_all(&gzip(&[0x1f, 0x8b])[..]).expect("text"), [0x1f, 0x8b]);
    }

    #[test]
    fn each_layer_of_gzip_is_verified() {
        let inner = gzip(b"text");
        assert_eq!(code(&gzip(&inner[..inner.len() - 1])), "gzip_truncated");
        assert_eq!(code(&gzip(&[&inner[..], b"more"].concat())), "gzip_trailing_data");
        let outer = gzip(&inner);
        assert_eq!(code(&outer[..outer.len() - 1]), "gzip_truncated");
        assert_eq!(code(&[&outer[..], b"more"].concat()), "gzip_trailing_data");
        let mut damaged = outer.clone();
        damaged[outer.len() - 5] ^= 1;
        assert_eq!(code(&damaged), "gzip_corrupt");
        assert_eq!(read_all(&gzip(&[&inner[..], &[0; 100]].concat())[..]).expect("padded"), b"text");
    }

    #[test]
    fn the_outer_layer_has_the_same_limits() {
        // Much padding, and many empty members, expand in the outer layer only.
        let padding = gzip(&[gzip(b"text"), vec![0; (RATIO_GRACE_BYTES + 1) as usize]].concat());
        assert_eq!(code(&padding), "compression_ratio");
        let members = gzip(&gzip(b"").repeat(10_000));
        let decoder = Decoder::open(&members[..], 100_000).expect("gzip");
        assert_eq!(read_by(300, decoder).expect_err("too large").code(), "too_large");
    }

    #[test]
    fn peeked_bytes_are_read_again() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        for object in [text.clone(), gzip(&text), gzip(&gzip(&text))] {
            let mut decoder = Decoder::open(Drip(&object), u64::MAX).expect("opened");
            assert_eq!(decoder.peek(70_000).expect("the start"), &text[..70_000]);
            assert_eq!(decoder.peek(3).expect("the start"), &text[..3]);
            let mut first = [0; 10];
            assert_eq!((decoder.read(&mut first).expect("bytes"), &first[..]), (10, &text[..10]));
            let mut rest = Vec::new();
            let mut slice = [0; 50_000];
            while let count @ 1.. = decoder.read(&mut slice).expect("bytes") {
                rest.extend_from_slice(&slice[..count]);
            }
            assert!(rest == text[10..] && decoder.bytes() == text.len() as u64);
        }
        assert_eq!(Decoder::open(&b"ab"[..], 9).expect("text").peek(5).expect("all of it"), b"ab");
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
