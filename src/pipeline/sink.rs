//! The receiver of an object's contents.

use std::sync::Arc;

use crate::record::Record;
use crate::record::format::Format;
use crate::record::parser::ParseError;

/// Receives the contents of an object in order.
pub(super) trait RecordSink {
    /// The columns of the records that follow.
    fn observe_format(&mut self, format: &Arc<Format>);
    /// A record of any class.
    fn observe_record(&mut self, record: &Record<'_>);
    /// A malformed record: its number from 1, and its beginning as text.
    fn observe_malformed(&mut self, number: u64, text: &[u8], reason: &ParseError);
}

/// Bytes of an object that was read completely.
pub(super) struct ReadBytes {
    pub compressed_bytes: u64,
    pub bytes: u64,
}
