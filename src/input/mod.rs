//! Bytes to lines.
//!
//! In comes any reader: gzip of one or more members, or plain text; the first bytes decide. [`decoder`] makes text of it,
//! [`chunks`] cuts the text into buffers, on a second thread if asked to, and [`lines`] takes numbered lines out of them with
//! the positions of their fields, which [`delimiters`] finds for a whole buffer at once. [`other_format`] recognizes inputs that are
//! not flow logs. A Parquet file is read from its end: [`spool`] stores its bytes, and [`parquet`] makes columns of values of them.
//! Out go lines or columns, or one
//! [`ObjectError`](crate::error::ObjectError) that names the byte offset.
//!
//! Decoder is not verified before the end of the object, since a gzip check sum follows its data. Memory does not grow with
//! the object.

pub mod chunks;
pub mod csv;
pub mod decoder;
pub mod delimiters;
mod gzip;
pub mod json;
pub mod lines;
pub mod other_format;
pub mod padded_buffer;
pub mod parquet;
pub mod shape;
mod source;
pub mod spool;

/// A longer line, its end not counted, is malformed unread: 64 KiB.
pub const MAX_LINE_BYTES: usize = 64 << 10;
