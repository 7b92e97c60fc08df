//! Decoder → numbered lines and where their columns end, slice by slice, in memory that does not grow with the text.

use std::io::Read;

use super::MAX_LINE_BYTES;
pub use super::chunks::ChunkReader;
use super::chunks::{HEADROOM, Slice};
use super::delimiters::MAX_FIELDS;
use crate::error::ObjectError;
use crate::input::padded_buffer::Buffer;

/// An object may not have more lines, unless set otherwise: of records as short as AWS can make them, more than the
/// largest text has.
pub const DEFAULT_MAX_LINES: u64 = 1_000_000_000;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// From 1; blank lines count.
    pub number: u64,
    /// Without its end. Of a line that is too long, its first [`MAX_LINE_BYTES`].
    pub bytes: &'a [u8],
    /// Whether the line is longer than [`MAX_LINE_BYTES`].
    pub too_long: bool,
    /// Where its columns are, if one space parts each two of them, and of the lines around, and if it stands in one slice, as
    /// nearly every line does.
    pub columns: Option<FieldRanges<'a>>,
}

/// The columns of a line, none of them empty, within the text around it: values are read in words, which begin before
/// a short value and end behind it.
#[derive(Clone, Copy)]
pub struct FieldRanges<'a> {
    /// Decoder with the line in it.
    pub text: &'a Buffer,
    /// Where in it the byte before each column stands, then the byte behind the last column.
    bounds: &'a [u32; MAX_FIELDS + 1],
    /// How many they are.
    pub count: usize,
}

impl FieldRanges<'_> {
    /// Where a column begins and ends.
    #[inline(always)]
    pub fn range(&self, column: u8) -> (u32, u32) {
        let column = usize::from(column);
        (self.bounds[column % (MAX_FIELDS + 1)] + 1, self.bounds[(column + 1) % (MAX_FIELDS + 1)])
    }
}

/// Splits an object's text into lines.
pub struct Lines<R> {
    slices: ChunkReader<R>,
    slice: Slice,
    /// Where the next line starts: before the slice, if that continues it.
    start: usize,
    end: usize,
    number: u64,
    ended: bool,
    /// The beginning of a line that is too long.
    kept: Vec<u8>,
}

impl<R: Read> Lines<R> {
    /// Starts at the first line, after a byte order mark.
    ///
    /// # Errors
    /// Where the text can't be read.
    pub fn open(slices: ChunkReader<R>) -> Result<Lines<R>, ObjectError> {
        let slice = Slice::default();
        let mut lines =
            Lines { slices, slice, start: HEADROOM, end: HEADROOM, number: 0, ended: false, kept: Vec::new() };
        while lines.end - lines.start < BYTE_ORDER_MARK.len() && !lines.ended {
            lines.fill()?;
        }
        let Slice { buffer, separators } = &mut lines.slice;
        if lines.start < HEADROOM {
            // Those of the last slice alone are known.
            separators.find(buffer, lines.start, lines.end);
        }
        if buffer.bytes[lines.start..lines.end].starts_with(BYTE_ORDER_MARK) {
            lines.start += BYTE_ORDER_MARK.len();
        }
        separators.start_at(lines.start);
        Ok(lines)
    }

    /// The next line; `None` is the object's verified end.
    ///
    /// # Errors
    /// Where the text can't be read to its end.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, ObjectError> {
        if self.slice.separators.has_line() { Ok(Some(self.take())) } else { self.refill_and_take() }
    }

    /// The next line, if it is in the buffer with its end.
    #[inline(always)]
    pub fn next_buffered_line(&mut self) -> Option<Line<'_>> {
        self.slice.separators.has_line().then(|| self.take())
    }

    /// Bytes of the input that were used up so far.
    pub fn compressed_bytes(&self) -> u64 {
        self.slices.compressed_bytes()
    }

    /// Bytes of text so far.
    pub fn bytes(&self) -> u64 {
        self.slices.bytes()
    }

    /// The next line, whose end is in the buffer.
    #[inline(always)]
    fn take(&mut self) -> Line<'_> {
        let Slice { buffer, separators } = &mut self.slice;
        let (bounds, count, single_spaced) = separators.take_line();
        let end = bounds.get(count).map_or(self.start, |end| *end as usize);
        let start = std::mem::replace(&mut self.start, end + 1);
        self.number += 1;
        let line = &buffer.bytes[start..end];
        if single_spaced && line.len() <= MAX_LINE_BYTES && line.last() != Some(&b'\r') {
            let columns = bounds.first_chunk().filter(|_| count <= MAX_FIELDS);
            let columns = columns.map(|bounds| FieldRanges { text: buffer, bounds, count });
            return Line { number: self.number, bytes: line, too_long: false, columns };
        }
        unusual(self.number, line)
    }

    #[cold]
    fn refill_and_take(&mut self) -> Result<Option<Line<'_>>, ObjectError> {
        loop {
            let begun = self.end - self.start;
            if self.ended {
                return Ok((begun > 0).then(|| self.take_until(self.end)));
            }
            // A carriage return may belong to the line's end.
            if begun > MAX_LINE_BYTES + 1 {
                return self.take_too_long().map(Some);
            }
            self.fill()?;
            let separators = &mut self.slice.separators;
            if begun > 0 {
                if let Some(end) = separators.skip_line() {
                    return Ok(Some(self.take_until(end)));
                }
                continue;
            }
            separators.start_at(self.start);
            if separators.has_line() {
                return Ok(Some(self.take()));
            }
        }
    }

    /// A line that a slice continues, or that has no end: where its columns are is not known.
    fn take_until(&mut self, end: usize) -> Line<'_> {
        let start = std::mem::replace(&mut self.start, self.end.min(end + 1));
        self.number += 1;
        unusual(self.number, &self.slice.buffer.bytes[start..end])
    }

    /// Keeps a line's beginning and skips the rest of it.
    fn take_too_long(&mut self) -> Result<Line<'_>, ObjectError> {
        self.kept.clear();
        self.kept.extend_from_slice(&self.slice.buffer.bytes[self.start..self.start + MAX_LINE_BYTES]);
        self.number += 1;
        loop {
            self.start = self.end;
            self.fill()?;
            let line_end = self.slice.separators.skip_line();
            if let Some(next) = line_end.map(|at| at + 1).or(self.ended.then_some(self.end)) {
                self.start = next;
                return Ok(Line { number: self.number, bytes: &self.kept, too_long: true, columns: None });
            }
        }
    }

    /// Reads on behind the line that has begun.
    fn fill(&mut self) -> Result<(), ObjectError> {
        let begun = self.start..self.end;
        self.start = HEADROOM - begun.len();
        let count = self.slices.next(&mut self.slice, begun)?;
        (self.end, self.ended) = (HEADROOM + count, count == 0);
        Ok(())
    }
}

/// A line that stands in two slices or at the end of the text, ends with CRLF, may be too long, or is among lines with other
/// than single spaces.
#[cold]
fn unusual(number: u64, line: &[u8]) -> Line<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let too_long = line.len() > MAX_LINE_BYTES;
    Line { number, bytes: &line[..line.len().min(MAX_LINE_BYTES)], too_long, columns: None }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::super::chunks::SLICE_BYTES;
    use super::*;
    use crate::input::decoder::Decoder;

    const WHOLE_BUFFER: usize = HEADROOM + SLICE_BYTES;

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
    fn lines_end_with_lf_or_crlf_and_the_last_may_lack_its_end() {
        assert_eq!(texts(b"one\ntwo\r\n\nfour"), [&b"one"[..], b"two", b"", b"four"]);
        assert_eq!(texts(b"one\n"), [b"one"]);
        assert_eq!(texts(b"one\rtwo\r\r\n"), [b"one\rtwo\r"]);
        assert_eq!(texts(b"\n"), [b""]);
        assert!(split(b"").is_empty());
    }

    #[test]
    fn a_slice_may_be_full_of_line_ends() {
        assert_eq!(texts(&[b'\n'; 300_000]), vec![b""; 300_000]);
        assert_eq!(texts(&[&[b' '; 200_000][..], b"\n"].concat()).len(), 1);
    }

    /// A line, and its columns, if it is told where they are.
    type Told = (Vec<u8>, Option<Vec<Vec<u8>>>);

    /// All lines of text that comes in these slices.
    fn columns(pieces: &[&[u8]]) -> Vec<Told> {
        let mut lines = Lines::open(ChunkReader::of(pieces)).expect("lines");
        let mut all = Vec::new();
        loop {
            let at_hand = lines.slice.separators.has_line();
            let line = if at_hand { lines.next_buffered_line() } else { lines.next_line().expect("a line") };
            let Some(line) = line else { return all };
            let column = |columns: &FieldRanges<'_>, number: usize| {
                let (start, end) = columns.range(number as u8);
                columns.text.bytes[start as usize..end as usize].to_vec()
            };
            let told = line.columns.map(|columns| (0..columns.count).map(|number| column(&columns, number)).collect());
            all.push((line.bytes.to_vec(), told));
        }
    }

    #[test]
    fn columns_are_told_of_all_lines_but_those_that_a_slice_continues() {
        let told = |pieces: &[&[u8]]| -> Vec<bool> { columns(pieces).iter().map(|(_, told)| told.is_some()).collect() };
        assert_eq!(told(&[b"a b\nc d\ne f\n"]), [true; 3]);
        assert_eq!(told(&[b"a b\nc d\n", b"e f\ng h\n"]), [true; 4]);
        assert_eq!(told(&[b"a b\nc", b" d\ne f\ng h\n"]), [true, false, true, true]);
        assert_eq!(told(&[b"\xef\xbb\xbfa b\nc d\n"]), [true; 2]);
        // A line that can't be told takes those of its slice along, and no others.
        assert_eq!(told(&[b"a b\nc d\n", b" e f\ng h\n", b"i j\n"]), [true, true, false, false, true]);
        assert_eq!(told(&[b"\xef\xbb\xbf a b\nc d\n"]), [false; 2]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_at_the_start_only() {
        assert_eq!(texts(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo"), [&b"one"[..], b"\xef\xbb\xbftwo"]);
        assert!(split(b"\xef\xbb\xbf").is_empty());
        assert_eq!(texts(b"\xef\xbb"), [b"\xef\xbb"]);
    }

    #[test]
    fn a_line_is_too_long_from_one_byte_beyond_the_limit() {
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
    fn the_line_after_a_long_one_is_whole() {
        let text = [&vec![b'x'; 300_000][..], b"\nnext\r\n\nlast"].concat();
        let lines = split(&text);
        assert_eq!(lines[1..], [(2, b"next".to_vec(), false), (3, Vec::new(), false), (4, b"last".to_vec(), false)]);
    }

    #[test]
    fn text_is_whole_across_slices_here_and_ahead() {
        // What repeats itself every 30,000 bytes is matches from slice to slice.
        let noise = |at: u32| b'!' + (at.wrapping_mul(0x9e37_79b9) >> 24) as u8 % 90;
        let period: Vec<u8> = (0..30_000).map(|at| if at % 1000 == 7 { b'\n' } else { noise(at) }).collect();
        let text = period.repeat(20);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let object = encoder.write_all(&text).and_then(|()| encoder.finish()).expect("memory takes everything");
        assert!(object.len() < 2 * period.len());
        let opened = || Decoder::open(&object[..], u64::MAX).expect("gzip");
        let read = |slices: ChunkReader<&[u8]>| {
            let (mut lines, mut all) = (Lines::open(slices).expect("lines"), Vec::new());
            while let Some(line) = lines.next_line().expect("a line") {
                all.extend_from_slice(line.bytes);
                all.push(b'\n');
            }
            all.truncate(text.len());
            all
        };
        assert!(read(ChunkReader::here(opened())) == text);
        let (slices, decompression) = ChunkReader::ahead(opened());
        std::thread::scope(|scope| {
            scope.spawn(move || decompression.run());
            assert!(read(slices) == text);
        });
    }

    proptest! {
        #[test]
        fn columns_are_those_of_the_line_wherever_the_text_is_cut(
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
            for (line, told) in all {
                let Some(told) = told else { continue };
                prop_assert!(told.iter().all(|column| !column.is_empty()));
                prop_assert_eq!(told.join(&b' '), line);
            }
        }

        #[test]
        fn agrees_with_a_split_of_the_whole(text in prop::collection::vec(
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
