//! Reads flow logs in JSON: values one after another, with or without line ends between them, or in an array.
//!
//! | value | content |
//! | --- | --- |
//! | an object with the array `logEvents` or `events` | log events: the `message` of each is a line. A `CONTROL_MESSAGE` has no lines |
//! | an object with `message` or `@message` | a line |
//! | any other object | the members of a record, by field name |
//! | a line of text between the values | a line |
//! | anything else | a malformed record |
//!
//! Invariants:
//! - A value of more than [`MAX_VALUE_BYTES`] is never in memory as a whole, and nothing is nested deeper on the stack than the JSON
//!   library allows. Log events are read one by one, so their array may have any length.
//! - Each value, and each element of an array of values or of log events, is one item. One that is not JSON is one malformed item, and
//!   the next begins after its brackets match, after a line end within a string, or at an object that begins where none can.
//! - A value that does not end before the content does is an error: the object was cut off.

mod line_batch;
mod members;
mod plain;
mod scan;
mod window;

use std::io::Read;

pub use self::line_batch::LineBatch;
use self::members::EVENT_ARRAYS;
pub use self::members::Members;
use self::scan::{Scan, Scanned, find_array};
use self::window::Window;
use super::MAX_LINE_BYTES;
use super::decoder::Decoder;
use super::shape::BYTE_ORDER_MARK;
use crate::error::ObjectError;

/// A longer value is read only if it is an array, or has an array of log events that begins within so many bytes.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// Part of the content, in its order.
pub enum JsonItem<'a> {
    /// Lines that are complete in the buffer.
    Lines(&'a mut LineBatch),
    /// The members of an object that may be a record, and its JSON.
    Object(Members<'a>, &'a [u8]),
    /// A value in which no flow log arrives, and its first bytes.
    Malformed(JsonProblem, &'a [u8]),
}

/// Why a value is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonProblem {
    /// It is too long.
    TooLong,
    /// It is not JSON.
    NotJson,
    /// It is not an object, or its log events are not an array.
    NotARecord,
    /// It is a log event without a message.
    NoMessage,
}

/// What the reader is in the middle of.
#[derive(Debug, Clone, Copy)]
enum Level {
    /// An array of values.
    Values,
    /// An array of log events.
    Events,
    /// The rest of a value that is skipped.
    Rest(Scan),
    /// The rest of words that are skipped.
    Words,
}

/// What a step has found, with positions in the window.
enum Step {
    /// A line was added, or something was skipped.
    Continue,
    /// An object of this many bytes.
    Object(usize),
    /// A malformed value whose first bytes are these, and the number of bytes to skip.
    Malformed(JsonProblem, usize, usize),
    /// The end of the content.
    End,
}

/// Reads the values of an object.
pub struct JsonReader<R> {
    window: Window<R>,
    levels: Vec<Level>,
    batch: LineBatch,
    /// What follows the lines of the batch.
    pending: Option<Step>,
}

impl<R: Read> JsonReader<R> {
    /// Starts at the first value.
    ///
    /// # Errors
    /// If the content cannot be read.
    pub fn open(content: Decoder<R>) -> Result<JsonReader<R>, ObjectError> {
        let mut window = Window::new(content);
        if window.at_least(BYTE_ORDER_MARK.len())?.starts_with(BYTE_ORDER_MARK) {
            window.consume(BYTE_ORDER_MARK.len());
        }
        Ok(JsonReader { window, levels: Vec::new(), batch: LineBatch::default(), pending: None })
    }

    /// Returns the next item, or `None` at the verified end.
    ///
    /// # Errors
    /// If the content cannot be read to its end, or ends within a value.
    pub fn next_item(&mut self) -> Result<Option<JsonItem<'_>>, ObjectError> {
        self.batch.clear();
        while self.batch.has_room() && self.pending.is_none() {
            self.pending = Some(self.step()?).filter(|step| !matches!(step, Step::Continue));
        }
        if !self.batch.is_empty() {
            self.batch.finish();
            return Ok(Some(JsonItem::Lines(&mut self.batch)));
        }
        Ok(match self.pending.take() {
            None | Some(Step::Continue | Step::End) => None,
            Some(Step::Object(length)) => {
                let object = self.window.take(length);
                Some(match Members::parse(object) {
                    Some(members) => JsonItem::Object(members, object),
                    None => JsonItem::Malformed(JsonProblem::NotJson, object),
                })
            }
            Some(Step::Malformed(problem, shown, length)) => {
                let bytes = self.window.take(length);
                Some(JsonItem::Malformed(problem, bytes.get(..shown).unwrap_or(bytes)))
            }
        })
    }

    /// Returns the number of bytes of the object that were used so far, and the number of bytes of content.
    pub fn bytes_read(&self) -> (u64, u64) {
        self.window.bytes_read()
    }

    /// Reads one value, or one bracket of an array.
    fn step(&mut self) -> Result<Step, ObjectError> {
        match self.levels.last() {
            Some(Level::Rest(scan)) => return self.skip_rest(*scan),
            Some(Level::Words) => return self.skip_words(),
            Some(Level::Values | Level::Events) | None => {}
        }
        let Some(first) = self.window.skip_separators()? else {
            return if self.levels.is_empty() { Ok(Step::End) } else { Err(self.window.truncated()) };
        };
        match (first, self.levels.last()) {
            (b'[', None) => self.enter(Level::Values, 1),
            (b']', Some(_)) => {
                self.levels.pop();
                self.window.consume(1);
                Ok(Step::Continue)
            }
            (b'{', _) => self.object(),
            (b'[' | b'"', _) => self.other_value(),
            _ => self.words(),
        }
    }

    /// Enters an array, whose elements begin after this many bytes.
    fn enter(&mut self, level: Level, length: usize) -> Result<Step, ObjectError> {
        self.levels.push(level);
        self.window.consume(length);
        Ok(Step::Continue)
    }

    /// Skips the rest of a value.
    fn skip_rest(&mut self, mut scan: Scan) -> Result<Step, ObjectError> {
        loop {
            let bytes = self.window.bytes();
            match scan.advance(bytes) {
                Scanned::End(length) => {
                    self.levels.pop();
                    self.window.consume(length);
                    return Ok(Step::Continue);
                }
                Scanned::Broken(at) => {
                    self.levels.pop();
                    return Ok(Step::Malformed(JsonProblem::NotJson, at, at));
                }
                Scanned::More => {
                    let length = bytes.len();
                    self.window.consume(length);
                    if !self.window.fill()? {
                        return Err(self.window.truncated());
                    }
                }
            }
        }
    }

    /// Reads an object.
    fn object(&mut self) -> Result<Step, ObjectError> {
        if let Some((message, length)) = plain::message(self.window.bytes()) {
            self.batch.push(message);
            self.window.consume(length);
            return Ok(Step::Continue);
        }
        match self.window.scan_value()? {
            Scanned::End(length) => Ok(self.classify(length)),
            Scanned::Broken(at) => Ok(Step::Malformed(JsonProblem::NotJson, at, at)),
            Scanned::More => Ok(self.long_object()),
        }
    }

    /// Finds out what the object of this many bytes is.
    fn classify(&mut self, length: usize) -> Step {
        let object = self.window.bytes().get(..length).unwrap_or_default();
        let malformed = |problem| Step::Malformed(problem, length, length);
        let Some(members) = Members::parse(object) else { return malformed(JsonProblem::NotJson) };
        let is_event = matches!(self.levels.last(), Some(Level::Events));
        if !is_event {
            if members.get(EVENT_ARRAYS[0]).is_some_and(|events| !events.get().starts_with('[')) {
                return malformed(JsonProblem::NotARecord);
            }
            if let Some(events) = members.events(object) {
                if is_control(&members) {
                    self.window.consume(length);
                } else {
                    self.window.consume(events);
                    self.levels.extend([Level::Rest(Scan::within(1)), Level::Events]);
                }
                return Step::Continue;
            }
        }
        let value = members.message();
        let message = value.and_then(members::string);
        let message = message.as_deref().map(|message| message.trim_end_matches(['\r', '\n']));
        match message {
            Some(message) if message.len() > MAX_LINE_BYTES => malformed(JsonProblem::TooLong),
            Some(message) => {
                self.batch.push(message.as_bytes());
                self.window.consume(length);
                Step::Continue
            }
            None if is_event || value.is_some() => malformed(JsonProblem::NoMessage),
            None if length > MAX_LINE_BYTES => malformed(JsonProblem::TooLong),
            None => Step::Object(length),
        }
    }

    /// Reads an object that is longer than [`MAX_VALUE_BYTES`]: by its log events, or not at all.
    fn long_object(&mut self) -> Step {
        let start = self.window.bytes().get(..MAX_VALUE_BYTES).unwrap_or_default();
        let is_event = matches!(self.levels.last(), Some(Level::Events));
        let events = find_array(start, &EVENT_ARRAYS).filter(|events| !is_event && !begins_control(start, *events));
        match events {
            Some(events) => {
                self.window.consume(events);
                self.levels.extend([Level::Rest(Scan::within(1)), Level::Events]);
                Step::Continue
            }
            None => self.long_value(),
        }
    }

    /// Reads a string, or an array within an array.
    fn other_value(&mut self) -> Result<Step, ObjectError> {
        Ok(match self.window.scan_value()? {
            Scanned::End(length) => Step::Malformed(self.other_problem(), length, length),
            Scanned::Broken(at) => Step::Malformed(JsonProblem::NotJson, at, at),
            Scanned::More => self.long_value(),
        })
    }

    /// Begins to skip a value that is longer than [`MAX_VALUE_BYTES`].
    fn long_value(&mut self) -> Step {
        self.levels.push(Level::Rest(self.window.scan()));
        Step::Malformed(JsonProblem::TooLong, MAX_LINE_BYTES, MAX_VALUE_BYTES)
    }

    /// Reads a number, a word, or bytes that are not JSON, up to the next value or line end.
    fn words(&mut self) -> Result<Step, ObjectError> {
        // The first byte belongs to the words whatever it is.
        let mut scanned = 1;
        loop {
            let bytes = self.window.bytes();
            if let Some(length) = end_of_words(bytes.get(scanned..).unwrap_or_default()) {
                let length = scanned + length;
                let is_line = bytes.get(length) == Some(&b'\n');
                return Ok(self.line_or_words(length, is_line));
            }
            scanned = bytes.len();
            if scanned > MAX_VALUE_BYTES {
                self.levels.push(Level::Words);
                return Ok(Step::Malformed(JsonProblem::TooLong, MAX_LINE_BYTES, scanned));
            }
            if !self.window.fill()? {
                return Ok(self.line_or_words(scanned, true));
            }
        }
    }

    /// Takes a line of text between the values, or else malformed words.
    fn line_or_words(&mut self, length: usize, is_line: bool) -> Step {
        let words = self.window.bytes().get(..length).unwrap_or_default();
        if is_line && self.levels.is_empty() && length <= MAX_LINE_BYTES && words.contains(&b' ') {
            self.batch.push(words.trim_ascii_end());
            self.window.consume(length);
            return Step::Continue;
        }
        Step::Malformed(self.other_problem(), length, length)
    }

    /// Skips the rest of words.
    fn skip_words(&mut self) -> Result<Step, ObjectError> {
        loop {
            let bytes = self.window.bytes();
            let end = end_of_words(bytes);
            let length = end.unwrap_or(bytes.len());
            self.window.consume(length);
            if end.is_some() || !self.window.fill()? {
                self.levels.pop();
                return Ok(Step::Continue);
            }
        }
    }

    /// Returns why a value that is not an object is malformed.
    fn other_problem(&self) -> JsonProblem {
        if matches!(self.levels.last(), Some(Level::Events)) { JsonProblem::NoMessage } else { JsonProblem::NotARecord }
    }
}

/// Returns the length of words before the next value or line end, if there is one.
fn end_of_words(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, b',' | b'{' | b'[' | b']' | b'"' | b'\n'))
}

/// Returns whether an object is a message of CloudWatch Logs about the delivery itself. It has no records.
fn is_control(members: &Members<'_>) -> bool {
    members.string("messageType").as_deref() == Some("CONTROL_MESSAGE")
}

/// Returns whether an object that begins so, with an array after this many bytes, is a message about the delivery.
fn begins_control(start: &[u8], array: usize) -> bool {
    let members = start.get(..array - 1).unwrap_or_default();
    Members::parse(&[members, b"null}"].concat()).is_some_and(|members| is_control(&members))
}

#[cfg(test)]
mod tests;
