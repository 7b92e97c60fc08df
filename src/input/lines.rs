//! Splits text into numbered lines, chunk by chunk, with the positions of their fields.
//!
//! Invariants: the buffer holds the unfinished line before `HEADROOM` and the current chunk from there on. `DelimiterIndex`
//! (in the chunk) knows the delimiters of the current chunk only, so a line that began in an earlier chunk has no field ranges.
//! Field ranges are given only if no two delimiters of the chunk are neighbors, and it has no tab; then no field is empty.

use std::io::Read;

use super::MAX_LINE_BYTES;
pub use super::chunks::ChunkReader;
use super::chunks::{Chunk, HEADROOM};
use super::delimiters::MAX_FIELDS;
use crate::error::ObjectError;
use crate::input::other_format::HEAD_BYTES;
use crate::input::padded_buffer::Buffer;
use crate::input::shape::BYTE_ORDER_MARK;

/// Default limit of lines per object. The largest text, with records as short as AWS can write them, has fewer.
pub const DEFAULT_MAX_LINES: u64 = 1_000_000_000;

/// One line.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// Line number from 1. Blank lines count.
    pub number: u64,
    /// The line without its line end, or its first [`MAX_LINE_BYTES`] if it is too long.
    pub bytes: &'a [u8],
    /// Whether the line is longer than [`MAX_LINE_BYTES`].
    pub too_long: bool,
    /// Field ranges. `None` if the line or its neighbors have repeated delimiters or tabs, or if the line spans two chunks.
    pub columns: Option<FieldRanges<'a>>,
}

/// The fields of a line, none of them empty, within the text around it. The parser reads values in words, which may begin before
/// a short value and end after it.
#[derive(Clone, Copy)]
pub struct FieldRanges<'a> {
    /// The buffer that contains the line.
    pub text: &'a Buffer,
    /// The position before each field, then the position after the last field.
    bounds: &'a [u32; MAX_FIELDS + 1],
    /// The number of fields.
    pub count: usize,
}

impl FieldRanges<'_> {
    /// Returns the start and the end of a field in the buffer. A field that does not exist has an unspecified range.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "taken modulo the length of the array")]
    pub fn range(&self, column: u8) -> (u32, u32) {
        let column = usize::from(column);
        (self.bounds[column % (MAX_FIELDS + 1)] + 1, self.bounds[(column + 1) % (MAX_FIELDS + 1)])
    }
}

/// Lines that are complete in a buffer.
pub trait BufferedLines {
    /// Returns the next line, if the buffer has all of it.
    fn next_buffered_line(&mut self) -> Option<Line<'_>>;
}

/// A chunk, and a cursor over its lines.
pub(super) struct ChunkLines {
    pub(super) chunk: Chunk,
    /// Start of the next line. It is before the chunk if the line began in an earlier one.
    pub(super) start: usize,
    number: u64,
}

impl Default for ChunkLines {
    fn default() -> ChunkLines {
        ChunkLines { chunk: Chunk::default(), start: HEADROOM, number: 0 }
    }
}

impl ChunkLines {
    /// Takes the next line, whose end is in the buffer.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "`start` and the end of a line lie in the buffer, in this order")]
    fn take(&mut self) -> Line<'_> {
        let Chunk { buffer, delimiters } = &mut self.chunk;
        let (bounds, count, single_spaced) = delimiters.take_line();
        let end = bounds.get(count).map_or(self.start, |end| *end as usize);
        let start = std::mem::replace(&mut self.start, end + 1);
        self.number += 1;
        let line = &buffer.bytes[start..end];
        if single_spaced && line.len() <= MAX_LINE_BYTES && line.last() != Some(&b'\r') {
            let columns = bounds.first_chunk().filter(|_| count <= MAX_FIELDS);
            let columns = columns.map(|bounds| FieldRanges { text: buffer, bounds, count });
            return Line { number: self.number, bytes: line, too_long: false, columns };
        }
        line_without_ranges(self.number, line)
    }
}

impl BufferedLines for ChunkLines {
    #[inline(always)]
    fn next_buffered_line(&mut self) -> Option<Line<'_>> {
        self.chunk.delimiters.has_line().then(|| self.take())
    }
}

/// Splits the text of an object into lines.
pub struct Lines<R> {
    chunks: ChunkReader<R>,
    current: ChunkLines,
    end: usize,
    ended: bool,
    /// The beginning of a line that is too long for the buffer.
    kept: Vec<u8>,
}

impl<R> BufferedLines for Lines<R> {
    #[inline(always)]
    fn next_buffered_line(&mut self) -> Option<Line<'_>> {
        self.current.next_buffered_line()
    }
}

impl<R: Read> Lines<R> {
    /// Starts at the first line, after a byte order mark.
    ///
    /// # Errors
    /// If the text cannot be read.
    #[expect(clippy::indexing_slicing, reason = "`start` and `end` lie in the buffer, in this order")]
    pub fn open(chunks: ChunkReader<R>) -> Result<Lines<R>, ObjectError> {
        let mut lines = Lines { chunks, current: ChunkLines::default(), end: HEADROOM, ended: false, kept: Vec::new() };
        while lines.end - lines.current.start < BYTE_ORDER_MARK.len() && !lines.ended {
            lines.fill()?;
        }
        let Chunk { buffer, delimiters } = &mut lines.current.chunk;
        if lines.current.start < HEADROOM {
            // The index covers only the last chunk.
            delimiters.find(buffer, lines.current.start, lines.end);
        }
        if buffer.bytes[lines.current.start..lines.end].starts_with(BYTE_ORDER_MARK) {
            lines.current.start += BYTE_ORDER_MARK.len();
        }
        delimiters.start_at(lines.current.start);
        Ok(lines)
    }

    /// Returns the first bytes of the text, up to [`HEAD_BYTES`], while no line was taken.
    #[expect(clippy::indexing_slicing, reason = "`start` and `end` lie in the buffer, in this order")]
    pub fn head(&self) -> &[u8] {
        let text = &self.current.chunk.buffer.bytes[self.current.start..self.end];
        &text[..text.len().min(HEAD_BYTES)]
    }

    /// Returns the next line, or `None` at the verified end of the object.
    ///
    /// # Errors
    /// If the text cannot be read to its end.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, ObjectError> {
        if self.current.chunk.delimiters.has_line() { Ok(Some(self.current.take())) } else { self.refill_and_take() }
    }

    /// Returns the number of input bytes used so far.
    pub fn compressed_bytes(&self) -> u64 {
        self.chunks.compressed_bytes()
    }

    /// Returns the number of text bytes so far.
    pub fn bytes(&self) -> u64 {
        self.chunks.bytes()
    }

    /// Reads more text until the next line is complete.
    #[cold]
    fn refill_and_take(&mut self) -> Result<Option<Line<'_>>, ObjectError> {
        loop {
            let unfinished = self.end - self.current.start;
            if self.ended {
                return Ok((unfinished > 0).then(|| self.take_until(self.end)));
            }
            // One byte more may be the carriage return of the line end.
            if unfinished > MAX_LINE_BYTES + 1 {
                return self.take_too_long().map(Some);
            }
            self.fill()?;
            let delimiters = &mut self.current.chunk.delimiters;
            if unfinished > 0 {
                if let Some(end) = delimiters.skip_line() {
                    return Ok(Some(self.take_until(end)));
                }
                continue;
            }
            delimiters.start_at(self.current.start);
            if delimiters.has_line() {
                return Ok(Some(self.current.take()));
            }
        }
    }

    /// Takes a line that spans chunks or has no line end. Its field ranges are unknown.
    #[expect(clippy::indexing_slicing, reason = "`start` and `end` lie in the buffer, in this order")]
    fn take_until(&mut self, end: usize) -> Line<'_> {
        let start = std::mem::replace(&mut self.current.start, self.end.min(end + 1));
        self.current.number += 1;
        line_without_ranges(self.current.number, &self.current.chunk.buffer.bytes[start..end])
    }

    /// Keeps the beginning of a line that is too long, and skips the rest.
    #[expect(clippy::indexing_slicing, reason = "more than MAX_LINE_BYTES are in the buffer")]
    fn take_too_long(&mut self) -> Result<Line<'_>, ObjectError> {
        self.kept.clear();
        self.kept.extend_from_slice(
            &self.current.chunk.buffer.bytes[self.current.start..self.current.start + MAX_LINE_BYTES],
        );
        self.current.number += 1;
        loop {
            self.current.start = self.end;
            self.fill()?;
            let line_end = self.current.chunk.delimiters.skip_line();
            if let Some(next) = line_end.map(|at| at + 1).or(self.ended.then_some(self.end)) {
                self.current.start = next;
                return Ok(Line { number: self.current.number, bytes: &self.kept, too_long: true, columns: None });
            }
        }
    }

    /// Reads the next chunk after the unfinished line.
    fn fill(&mut self) -> Result<(), ObjectError> {
        let unfinished = self.current.start..self.end;
        self.current.start = HEADROOM - unfinished.len();
        let count = self.chunks.next(&mut self.current.chunk, unfinished)?;
        (self.end, self.ended) = (HEADROOM + count, count == 0);
        Ok(())
    }
}

/// Returns a line without field ranges: it spans chunks, ends with CRLF or without a line end, may be too long, or its chunk has
/// repeated delimiters.
#[cold]
#[expect(clippy::indexing_slicing, reason = "the range ends at the length at most")]
fn line_without_ranges(number: u64, line: &[u8]) -> Line<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let too_long = line.len() > MAX_LINE_BYTES;
    Line { number, bytes: &line[..line.len().min(MAX_LINE_BYTES)], too_long, columns: None }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::super::chunks::CHUNK_BYTES;
    use super::*;
    use crate::input::decoder::Decoder;

    const WHOLE_BUFFER: usize = HEADROOM + CHUNK_BYTES;

    fn split(text: &[u8]) -> Vec<(u64, Vec<u8>, bool)> {
        let text = Decoder::open(text, u64::MAX).expect("text");
        let mut lines = Lines::open(ChunkReader::here(text)).expect("lines");
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().expect("a line") {
            all.push((line.number, line.bytes.to_vec(), line.too_long));
        }
        all
    }

    fn texts(text: &[u8]) -> Vec<Vec<u8>> {
        split(text).into_iter().map(|(_, bytes, _)| bytes).collect()
    }

    #[test]
    fn lines_end_with_lf_crlf_or_the_end_of_the_text() {
        assert_eq!(texts(b"one\ntwo\r\n\nfour"), [&b"one"[..], b"two", b"", b"four"]);
        assert_eq!(texts(b"one\n"), [b"one"]);
        assert_eq!(texts(b"one\rtwo\r\r\n"), [b"one\rtwo\r"]);
        assert_eq!(texts(b"\n"), [b""]);
        assert!(split(b"").is_empty());
    }

    #[test]
    fn a_chunk_full_of_line_ends_is_split() {
        assert_eq!(texts(&[b'\n'; 300_000]), vec![b""; 300_000]);
        assert_eq!(texts(&[&[b' '; 200_000][..], b"\n"].concat()).len(), 1);
    }

    /// A line, and its fields if their ranges are known.
    type LineFields = (Vec<u8>, Option<Vec<Vec<u8>>>);

    /// Splits text that comes in these chunks.
    fn columns(pieces: &[&[u8]]) -> Vec<LineFields> {
        let mut lines = Lines::open(ChunkReader::from_pieces(pieces)).expect("lines");
        let mut all = Vec::new();
        loop {
            let buffered = lines.current.chunk.delimiters.has_line();
            let line = if buffered { lines.next_buffered_line() } else { lines.next_line().expect("a line") };
            let Some(line) = line else { return all };
            let column = |columns: &FieldRanges<'_>, number: usize| {
                let (start, end) = columns.range(number as u8);
                columns.text.bytes[start as usize..end as usize].to_vec()
            };
            let fields =
                line.columns.map(|columns| (0..columns.count).map(|number| column(&columns, number)).collect());
            all.push((line.bytes.to_vec(), fields));
        }
    }

    #[test]
    fn lines_within_one_chunk_have_field_ranges() {
        let fields =
            |pieces: &[&[u8]]| -> Vec<bool> { columns(pieces).iter().map(|(_, fields)| fields.is_some()).collect() };
        assert_eq!(fields(&[b"a b\nc d\ne f\n"]), [true; 3]);
        assert_eq!(fields(&[b"a b\nc d\n", b"e f\ng h\n"]), [true; 4]);
        assert_eq!(fields(&[b"a b\nc", b" d\ne f\ng h\n"]), [true, false, true, true]);
        assert_eq!(fields(&[b"\xef\xbb\xbfa b\nc d\n"]), [true; 2]);
        // Repeated delimiters affect all lines of their chunk, and no others.
        assert_eq!(fields(&[b"a b\nc d\n", b" e f\ng h\n", b"i j\n"]), [true, true, false, false, true]);
        assert_eq!(fields(&[b"\xef\xbb\xbf a b\nc d\n"]), [false; 2]);
        // So does a tab, in a block of 64 bytes and in the rest of a chunk.
        assert_eq!(fields(&[b"a b\nc\td\n", b"e f\n"]), [false, false, true]);
        let long = [&[b'a'; 100][..], b"\n"].concat();
        assert_eq!(fields(&[&[b"a\tb\n", &long[..]].concat(), b"e f\n"]), [false, false, true]);
        assert_eq!(fields(&[&[b"a\x0bb\n", &long[..]].concat(), b"e f\n"]), [true; 3]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_only_at_the_start() {
        assert_eq!(texts(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo"), [&b"one"[..], b"\xef\xbb\xbftwo"]);
        assert!(split(b"\xef\xbb\xbf").is_empty());
        assert_eq!(texts(b"\xef\xbb"), [b"\xef\xbb"]);
    }

    #[test]
    fn a_line_one_byte_above_the_limit_is_too_long() {
        for (length, end, too_long) in [
            (MAX_LINE_BYTES, "\n", false),
            (MAX_LINE_BYTES, "\r\n", false),
            (MAX_LINE_BYTES, "", false),
            (MAX_LINE_BYTES, "\r", false),
            (MAX_LINE_BYTES + 1, "\n", true),
            (MAX_LINE_BYTES + 1, "\r\n", true),
            (MAX_LINE_BYTES + 1, "", true),
            (WHOLE_BUFFER, "\n", true),
            (5 * WHOLE_BUFFER + 3, "\r\n", true),
            (5 * WHOLE_BUFFER + 3, "", true),
        ] {
            for lead in [0, 1, 70_000, 190_000] {
                let text = [&vec![b' '; lead][..], b"\n", &vec![b'x'; length], end.as_bytes()].concat();
                let lines = split(&text);
                let expected = (2, vec![b'x'; length.min(MAX_LINE_BYTES)], too_long);
                assert_eq!(lines.len(), 2);
                assert!(lines[1] == expected, "{length} {end:?} {lead}");
            }
        }
    }

    #[test]
    fn the_line_after_a_too_long_line_is_complete() {
        let text = [&vec![b'x'; 300_000][..], b"\nnext\r\n\nlast"].concat();
        let lines = split(&text);
        assert_eq!(lines[1..], [(2, b"next".to_vec(), false), (3, Vec::new(), false), (4, b"last".to_vec(), false)]);
    }

    #[test]
    fn text_is_complete_inline_and_in_background() {
        // Text that repeats every 30,000 bytes compresses to matches that reach across chunks.
        let noise = |at: u32| b'!' + (at.wrapping_mul(0x9e37_79b9) >> 24) as u8 % 90;
        let period: Vec<u8> = (0..30_000).map(|at| if at % 1000 == 7 { b'\n' } else { noise(at) }).collect();
        let text = period.repeat(20);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let object = encoder.write_all(&text).and_then(|()| encoder.finish()).expect("a Vec takes every byte");
        assert!(object.len() < 2 * period.len());
        let opened = || Decoder::open(&object[..], u64::MAX).expect("gzip");
        let read = |chunks: ChunkReader<&[u8]>| {
            let (mut lines, mut all) = (Lines::open(chunks).expect("lines"), Vec::new());
            while let Some(line) = lines.next_line().expect("a line") {
                all.extend_from_slice(line.bytes);
                all.push(b'\n');
            }
            all.truncate(text.len());
            all
        };
        assert!(read(ChunkReader::here(opened())) == text);
        let (chunks, decompression) = ChunkReader::ahead(opened());
        std::thread::scope(|scope| {
            scope.spawn(move || decompression.run());
            assert!(read(chunks) == text);
        });
    }

    proptest! {
        #[test]
        fn fields_do_not_depend_on_chunk_boundaries(
            text in prop::collection::vec(prop::sample::select(&b"aaaaaabbbb    \n\n\r"[..]), 0..120),
            marked: bool,
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let whole = if marked { [BYTE_ORDER_MARK, &text].concat() } else { text.clone() };
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([whole.len()]);
            let pieces: Vec<&[u8]> = std::iter::once(0).chain(cuts.iter().copied()).zip(ends).map(|(a, b)| &whole[a..b]).collect();
            let all = columns(&pieces);
            prop_assert_eq!(all.iter().map(|(line, _)| line.clone()).collect::<Vec<_>>(), texts(&text));
            for (line, fields) in all {
                let Some(fields) = fields else { continue };
                prop_assert!(fields.iter().all(|column| !column.is_empty()));
                prop_assert_eq!(fields.join(&b' '), line);
            }
        }

        #[test]
        fn lines_equal_a_split_of_the_whole_text(text in prop::collection::vec(
            prop_oneof![4 => Just(b'a'), 2 => Just(b'\n'), 1 => Just(b'\r'), 1 => any::<u8>()], 0..400)) {
            prop_assume!(!text.starts_with(&[0x1f, 0x8b]) && !text.starts_with(b"PAR1"));
            let whole = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
            let mut expected: Vec<&[u8]> = whole.split(|&byte| byte == b'\n').collect();
            if expected.last().is_some_and(|last| last.is_empty()) {
                expected.pop();
            }
            let expected: Vec<_> = expected.iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
            prop_assert_eq!(texts(&text), expected);
        }
    }
}
