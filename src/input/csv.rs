//! Splits a line of comma-separated values into its fields.
//!
//! A line end always ends a row, also within quotes: no value of a flow log has one, and a stray quote would otherwise take all rows
//! after it into one field.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Splits rows with one separator.
pub struct RowSplitter {
    reader: Reader,
    /// The fields one after another, without their quotes.
    text: Vec<u8>,
    /// The end of each field in `text`.
    ends: Vec<usize>,
}

impl RowSplitter {
    /// Creates a splitter for fields with this separator between them.
    pub fn new(separator: u8) -> RowSplitter {
        let reader = ReaderBuilder::new().delimiter(separator).build();
        RowSplitter { reader, text: Vec::new(), ends: Vec::new() }
    }

    /// Splits a line. Returns its fields without quotes and without white space around them. A blank
    /// line has none.
    #[expect(clippy::indexing_slicing, reason = "the reader returns numbers of bytes in the slices that it was given")]
    pub fn split(&mut self, line: &[u8]) -> Fields<'_> {
        self.reader.reset();
        // A line has at most a field per byte, and one more.
        if self.ends.len() <= line.len() {
            self.text.resize(line.len().max(1), 0);
            self.ends.resize(line.len() + 1, 0);
        }
        let (mut input, mut text, mut fields) = (line, 0, 0);
        loop {
            let (result, read, written, ended) =
                self.reader.read_record(input, &mut self.text[text..], &mut self.ends[fields..]);
            (input, text, fields) = (&input[read..], text + written, fields + ended);
            // After the input, an empty one ends the row.
            if !matches!(result, ReadRecordResult::InputEmpty) {
                break;
            }
        }
        Fields { text: &self.text, ends: &self.ends[..fields] }
    }
}

/// The fields of a row.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    text: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    /// Returns the fields in order.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let range = std::mem::replace(&mut start, *end)..*end;
            self.text.get(range).unwrap_or_default().trim_ascii()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::MAX_LINE_BYTES;

    fn split(separator: u8, line: &str) -> Vec<String> {
        let mut splitter = RowSplitter::new(separator);
        let split = |splitter: &mut RowSplitter, line: &str| -> Vec<String> {
            splitter.split(line.as_bytes()).iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
        };
        let first = split(&mut splitter, line);
        // A row does not depend on the row before it.
        drop(split(&mut splitter, "\"a, b"));
        assert_eq!(split(&mut splitter, line), first);
        first
    }

    #[test]
    fn fields_may_be_quoted() {
        assert_eq!(split(b',', "2,eni-1,,ACCEPT"), ["2", "eni-1", "", "ACCEPT"]);
        assert_eq!(split(b',', r#""2","eni-1","","say ""hi"", twice""#), ["2", "eni-1", "", r#"say "hi", twice"#]);
        assert_eq!(split(b',', "1795413604000,2 1 eni-1 - -"), ["1795413604000", "2 1 eni-1 - -"]);
        assert_eq!(split(b'\t', "2\teni-1\t\tOK"), ["2", "eni-1", "", "OK"]);
        assert_eq!(split(b',', "a,"), ["a", ""]);
        assert_eq!(split(b',', " a , \"b\" "), ["a", "\"b\""]);
    }

    #[test]
    fn a_stray_quote_ends_with_its_line() {
        assert_eq!(split(b',', "2,\"eni-1,OK"), ["2", "eni-1,OK"]);
        assert_eq!(split(b',', "2,eni\"-1,OK"), ["2", "eni\"-1", "OK"]);
        assert_eq!(split(b',', "\""), [""]);
    }

    #[test]
    fn every_line_fits() {
        assert!(split(b',', "").is_empty());
        assert_eq!(split(b',', &",".repeat(MAX_LINE_BYTES)).len(), MAX_LINE_BYTES + 1);
        assert_eq!(split(b',', &"x".repeat(MAX_LINE_BYTES)), ["x".repeat(MAX_LINE_BYTES)]);
        assert_eq!(split(b',', &"\"".repeat(MAX_LINE_BYTES)).len(), 1);
    }
}
