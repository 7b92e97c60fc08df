//! Lines that do not come from a text: a buffer that messages are added to one by one.

use crate::input::MAX_LINE_BYTES;
use crate::input::chunks::{CHUNK_BYTES, HEADROOM};
use crate::input::lines::{BufferedLines, ChunkLines, Line};

/// Takes the place of a line end within a message, which is one line. It does not separate fields.
const LINE_END_WITHIN: u8 = b'\x0b';

/// A buffer of whole lines.
#[derive(Default)]
pub struct LineBatch {
    lines: ChunkLines,
    /// Bytes of the lines that were added.
    length: usize,
}

impl LineBatch {
    /// Forgets the lines that were read.
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Returns whether there is no line.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns whether there is room for a line of any length that is read.
    pub(super) fn has_room(&self) -> bool {
        self.length + MAX_LINE_BYTES < CHUNK_BYTES
    }

    /// Adds a message of at most [`MAX_LINE_BYTES`] as one line. There must be room for it.
    #[expect(clippy::indexing_slicing, reason = "there is room for the message and its line end")]
    pub(super) fn push(&mut self, message: &[u8]) {
        let start = HEADROOM + self.length;
        let line = &mut self.lines.chunk.buffer.bytes[start..=start + message.len()];
        let (target, end) = line.split_at_mut(message.len());
        target.copy_from_slice(message);
        if message.contains(&b'\n') {
            target.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = LINE_END_WITHIN);
        }
        end.fill(b'\n');
        self.length += message.len() + 1;
    }

    /// Makes the lines that were added ready to be read.
    pub(super) fn finish(&mut self) {
        self.lines.start = HEADROOM;
        let chunk = &mut self.lines.chunk;
        chunk.delimiters.find(&chunk.buffer, HEADROOM, HEADROOM + self.length);
        chunk.delimiters.start_at(HEADROOM);
    }
}

impl BufferedLines for LineBatch {
    #[inline(always)]
    fn next_buffered_line(&mut self) -> Option<Line<'_>> {
        self.lines.next_buffered_line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(batch: &mut LineBatch) -> Vec<(u64, String, bool)> {
        batch.finish();
        let mut lines = Vec::new();
        while let Some(line) = batch.next_buffered_line() {
            let text = String::from_utf8_lossy(line.bytes).into_owned();
            lines.push((line.number, text, line.columns.is_some()));
        }
        lines
    }

    #[test]
    fn each_message_is_one_line() {
        let mut batch = LineBatch::default();
        assert!(batch.is_empty() && read(&mut batch).is_empty());
        for message in ["a b", "c", ""] {
            batch.push(message.as_bytes());
        }
        let line = |number, text: &str, has_ranges| (number, text.to_owned(), has_ranges);
        assert_eq!(read(&mut batch), [line(1, "a b", false), line(2, "c", false), line(3, "", false)]);
        batch.clear();
        batch.push(b"d e");
        batch.push(b"f\ng h");
        assert_eq!(read(&mut batch), [line(4, "d e", true), line(5, "f\u{b}g h", true)]);
    }

    #[test]
    fn the_longest_lines_fit() {
        let mut batch = LineBatch::default();
        let mut count = 0;
        while batch.has_room() {
            batch.push(&[b'x'; MAX_LINE_BYTES]);
            count += 1;
        }
        let lines = read(&mut batch);
        assert_eq!((lines.len(), lines.iter().all(|(_, text, _)| text.len() == MAX_LINE_BYTES)), (count, true));
        assert!(count >= 1);
    }
}
