//! Text → numbered lines, in one buffer that does not grow.

use std::io::Read;

use crate::error::ObjectError;
use crate::text::Text;

/// A longer line, its end not counted, is malformed unread: 64 KiB.
pub const MAX_LINE_BYTES: usize = 64 << 10;

/// An object may not have more lines, unless set otherwise: of records as short as AWS can make them, more than the
/// largest text has.
pub const DEFAULT_MAX_LINES: u64 = 1_000_000_000;

/// Fewer bytes a call cost the decoder 15 to 30 % more time; more gain nothing.
const SLICE_BYTES: usize = 128 << 10;
const BUFFER_BYTES: usize = MAX_LINE_BYTES + SLICE_BYTES;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// From 1; blank lines count.
    pub number: u64,
    /// Without its end. Of a line that is too long, its first [`MAX_LINE_BYTES`].
    pub bytes: &'a [u8],
    /// Whether the line is longer than [`MAX_LINE_BYTES`].
    pub too_long: bool,
}

/// Splits an object's text into lines.
pub struct Lines<R> {
    text: Text<R>,
    buffer: Box<[u8]>,
    /// Where the next line starts.
    start: usize,
    /// Up to where there is no line end after `start`.
    searched: usize,
    end: usize,
    number: u64,
    ended: bool,
}

impl<R: Read> Lines<R> {
    /// Starts at the first line, after a byte order mark.
    ///
    /// # Errors
    /// Where the text can't be read.
    pub fn open(text: Text<R>) -> Result<Lines<R>, ObjectError> {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        let mut lines = Lines { text, buffer, start: 0, searched: 0, end: 0, number: 0, ended: false };
        while lines.end < BYTE_ORDER_MARK.len() && !lines.ended {
            lines.fill()?;
        }
        if lines.waiting().starts_with(BYTE_ORDER_MARK) {
            lines.start = BYTE_ORDER_MARK.len();
            lines.searched = lines.start;
        }
        Ok(lines)
    }

    /// The next line; `None` is the object's verified end.
    ///
    /// # Errors
    /// Where the text can't be read to its end.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, ObjectError> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..self.end]) {
                let line_end = self.searched + at;
                return Ok(Some(self.take(line_end, line_end + 1)));
            }
            self.searched = self.end;
            if self.ended {
                return Ok((self.start < self.end).then(|| self.take(self.end, self.end)));
            }
            // A carriage return may belong to the line's end.
            if self.end - self.start > MAX_LINE_BYTES + 1 {
                return self.take_too_long().map(Some);
            }
            self.fill()?;
        }
    }

    /// Bytes of the input that were used up so far.
    pub fn compressed_bytes(&self) -> u64 {
        self.text.compressed_bytes()
    }

    /// Bytes of text so far.
    pub fn bytes(&self) -> u64 {
        self.text.bytes()
    }

    fn waiting(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn take(&mut self, line_end: usize, next: usize) -> Line<'_> {
        let start = self.start;
        self.start = next;
        self.searched = next;
        self.number += 1;
        let line = &self.buffer[start..line_end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let too_long = line.len() > MAX_LINE_BYTES;
        Line { number: self.number, bytes: &line[..line.len().min(MAX_LINE_BYTES)], too_long }
    }

    /// Keeps a line's beginning and skips the rest of it.
    fn take_too_long(&mut self) -> Result<Line<'_>, ObjectError> {
        self.buffer.copy_within(self.start..self.start + MAX_LINE_BYTES, 0);
        self.number += 1;
        loop {
            self.end = MAX_LINE_BYTES + self.text.read(&mut self.buffer[MAX_LINE_BYTES..])?;
            self.ended = self.end == MAX_LINE_BYTES;
            let rest = &self.buffer[MAX_LINE_BYTES..self.end];
            let line_end = memchr::memchr(b'\n', rest).map(|at| MAX_LINE_BYTES + at + 1);
            if line_end.is_some() || self.ended {
                self.start = line_end.unwrap_or(self.end);
                self.searched = self.start;
                return Ok(Line { number: self.number, bytes: &self.buffer[..MAX_LINE_BYTES], too_long: true });
            }
        }
    }

    /// Reads some more text behind what is waiting.
    fn fill(&mut self) -> Result<(), ObjectError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.searched -= self.start;
        self.end -= self.start;
        self.start = 0;
        let count = self.text.read(&mut self.buffer[self.end..])?;
        self.end += count;
        self.ended = count == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &[u8]) -> Vec<(u64, Vec<u8>, bool)> {
        let text = Text::open(text, u64::MAX).expect("text");
        let mut lines = Lines::open(text).expect("lines");
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
            (BUFFER_BYTES, "\n", true),
            (5 * BUFFER_BYTES + 3, "\r\n", true),
            (5 * BUFFER_BYTES + 3, "", true),
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

    proptest! {
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
