//! The fast path: takes the message out of an object in the form of nearly all records of Firehose and log events, without a parse.
//!
//! It takes a subset of the objects with a message that the slow path takes, and gives the same line. It returns `None` for all others.

use memchr::memchr;

use super::members::EVENT_ARRAYS;
use crate::input::MAX_LINE_BYTES;
use crate::input::shape::MESSAGE_NAMES;

/// The longest string that is taken.
const MAX_STRING_BYTES: usize = MAX_LINE_BYTES;

/// Returns the message of the object at the start, and the length of the object. All its values are strings without escapes and control
/// characters, or integers.
pub(super) fn message(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let mut object = Cursor { bytes, at: 0 };
    object.take(b'{')?;
    let mut message = None;
    loop {
        let name = object.string()?;
        object.take(b':')?;
        let value = object.value()?;
        if MESSAGE_NAMES.iter().any(|wanted| wanted.as_bytes() == name) {
            // Of two messages the first counts; the slow path sees to that.
            if message.replace(value?).is_some() {
                return None;
            }
        } else if EVENT_ARRAYS.iter().any(|events| events.as_bytes() == name) {
            return None;
        }
        match object.next()? {
            b',' => {}
            b'}' => return message.map(|message| (message, object.at)),
            _ => return None,
        }
    }
}

/// A position in an object.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Returns the next byte that is not white space.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
        }
    }

    /// Takes this byte.
    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// Takes a string.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        self.rest_of_string()
    }

    /// Takes a string, or an integer. The inner `None` is an integer.
    fn value(&mut self) -> Option<Option<&'a [u8]>> {
        match self.next()? {
            b'"' => self.rest_of_string().map(Some),
            b'1'..=b'9' => {
                self.at += self.bytes.get(self.at..)?.iter().position(|byte| !byte.is_ascii_digit())?;
                Some(None)
            }
            _ => None,
        }
    }

    /// Takes the text of a string, and its quote.
    fn rest_of_string(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let rest = rest.get(..=MAX_STRING_BYTES).unwrap_or(rest);
        let text = rest.get(..memchr(b'"', rest)?)?;
        self.at += text.len() + 1;
        // Control characters and invalid UTF-8 are not JSON.
        text.iter().all(|byte| (b' '..=b'~').contains(byte) & (*byte != b'\\')).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(object: &str) -> Option<(&str, usize)> {
        message(object.as_bytes()).map(|(message, length)| (std::str::from_utf8(message).expect("ASCII"), length))
    }

    #[test]
    fn plain_objects_have_their_message() {
        assert_eq!(of(r#"{"message":"a b"}{"#), Some(("a b", 17)));
        assert_eq!(of(r#"{"id":"37","timestamp":1795413604000,"message":"a"}"#), Some(("a", 51)));
        assert_eq!(of("{\n  \"message\" : \"a\" ,\n \"eventId\": \"7\"\n}\n"), Some(("a", 39)));
        assert_eq!(of(r#"{"message":""}"#), Some(("", 14)));
        assert_eq!(of(r#"{"@timestamp":"7","@message":"a"}"#), Some(("a", 33)));
    }

    #[test]
    fn everything_else_is_left_to_the_slow_path() {
        for object in [
            "",
            "{",
            "{}",
            r#"{"a":"b"}"#,
            r#"{"message":"a"#,
            r#"{"message":"a""#,
            r#"{"message":"a","#,
            r#"{"message":"a",}"#,
            r#"{"message":"a"x}"#,
            r#"{"message":"a\u0020"}"#,
            "{\"message\":\"a\tb\"}",
            "{\"message\":\"\u{e9}\"}",
            r#"{"message":7}"#,
            r#"{"message":"a","message":"b"}"#,
            r#"{"message":"a","@message":"b"}"#,
            r#"{"message":"a","logEvents":"b"}"#,
            r#"{"message":"a","b":[]}"#,
            r#"{"message":"a","b":07}"#,
            r#"{"message":"a","b":-7}"#,
            r#"{"message":"a","b":7.0}"#,
            r#"{"message":"a","b":null}"#,
            r#"{"message":"a","b"}"#,
            r#"["message":"a"]"#,
        ] {
            assert_eq!(of(object), None, "{object}");
        }
        let long = |length: usize| format!("{{\"message\":\"{}\"}}", "x".repeat(length));
        assert!(of(&long(MAX_LINE_BYTES)).is_some() && of(&long(MAX_LINE_BYTES + 1)).is_none());
    }
}
