//! The columns that CloudWatch Logs puts before a record: a time in its exports, a time and the name of the log stream in the output of
//! `aws logs tail`.

use crate::record::format::tokens;

/// What stands before the records of a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prefix {
    /// Nothing.
    #[default]
    None,
    /// A time.
    Time,
    /// A time, and the name of a log stream.
    TimeAndStream,
}

/// The shortest time: `2026-11-23T06:00:00`.
const TIME_PATTERN: &[u8; 19] = b"0000-00-00T00:00:00";

/// What the names of log streams of flow logs begin with: the id of the resource that recorded the traffic.
const STREAM_PREFIXES: [&[u8]; 3] = [b"eni-", b"tgw-", b"nat-"];

impl Prefix {
    /// Returns the number of columns.
    pub fn columns(self) -> u8 {
        self as u8
    }

    /// Splits a line into the columns before the record and the record itself, which should have this many columns. Without a time, or
    /// with another number of columns, the whole line is the record.
    pub fn split(line: &[u8], columns: usize) -> (Prefix, &[u8]) {
        let Some((first, rest)) = split_time(line) else { return (Prefix::None, line) };
        debug_assert!(is_time(first));
        let count = tokens(rest).take(columns + 2).count();
        if count == columns {
            return (Prefix::Time, rest);
        }
        match split_token(rest) {
            Some((stream, record)) if count == columns + 1 && is_stream(stream) => (Prefix::TimeAndStream, record),
            _ => (Prefix::None, line),
        }
    }

    /// Returns whether the columns of this prefix are what they should be.
    #[inline]
    pub fn matches<'a>(self, mut column: impl FnMut(u8) -> &'a [u8]) -> bool {
        match self {
            Prefix::None => true,
            Prefix::Time => is_time(column(0)),
            Prefix::TimeAndStream => is_time(column(0)) && is_stream(column(1)),
        }
    }
}

/// Splits a line after its first column, if that is a time.
pub fn split_time(line: &[u8]) -> Option<(&[u8], &[u8])> {
    split_token(line).filter(|(first, _)| is_time(first))
}

/// Splits a line after its first token.
#[expect(clippy::indexing_slicing, reason = "a token lies in the line, and ends at its length at most")]
fn split_token(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let token = tokens(line).next()?;
    let start = line.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
    Some((token, &line[start + token.len()..]))
}

/// Returns whether a column is a time in RFC 3339. The AWS CLI leaves out the offset in its short format.
fn is_time(column: &[u8]) -> bool {
    let Some((start, rest)) = column.split_at_checked(TIME_PATTERN.len()) else { return false };
    let is_like = |(byte, pattern): (&u8, &u8)| if *pattern == b'0' { byte.is_ascii_digit() } else { byte == pattern };
    start.iter().zip(TIME_PATTERN).all(is_like)
        && rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b':' | b'+' | b'-' | b'Z'))
}

fn is_stream(column: &[u8]) -> bool {
    STREAM_PREFIXES.iter().any(|prefix| column.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str, columns: usize) -> (Prefix, &str) {
        let (prefix, record) = Prefix::split(line.as_bytes(), columns);
        (prefix, std::str::from_utf8(record).expect("UTF-8").trim_start())
    }

    #[test]
    fn a_time_is_a_prefix_if_one_column_is_left_over() {
        for time in [
            "2026-11-23T06:00:04.000Z",
            "2026-11-23T06:00:04",
            "2026-11-23T06:00:04+01:00",
            "2026-11-23T06:00:04.000000-08:00",
        ] {
            assert_eq!(split(&format!("{time} a b c"), 3), (Prefix::Time, "a b c"), "{time}");
            assert_eq!(split(&format!(" {time}\t a  b c "), 3), (Prefix::Time, "a  b c "), "{time}");
        }
        let line = "2026-11-23T06:00:04.000Z a b c";
        assert_eq!(split(line, 4), (Prefix::None, line));
        assert_eq!(split(line, 2), (Prefix::None, line));
    }

    #[test]
    fn other_first_columns_are_not_times() {
        for first in
            ["2026-11-23", "2026-11-23T06:00", "2026-11-23 06:00:04Z", "2026-11-23T06:00:04x", "1795413604", "-", ""]
        {
            let line = format!("{first} a b c");
            assert_eq!(split(&line, 3), (Prefix::None, &line[usize::from(first.is_empty())..]), "{first}");
        }
    }

    #[test]
    fn the_name_of_a_log_stream_may_follow_the_time() {
        let line = "2026-11-23T06:00:04+00:00 eni-0a-all a b";
        assert_eq!(split(line, 2), (Prefix::TimeAndStream, "a b"));
        assert_eq!(split(line, 3), (Prefix::Time, "eni-0a-all a b"));
        let other = "2026-11-23T06:00:04+00:00 5 a b";
        assert_eq!(split(other, 2), (Prefix::None, other));
    }
}
