//! Errors of a whole object.

use std::io;

use thiserror::Error;

/// Reason why an object has no summary. The message names the problem, its position and the next step. It does not name
/// the object: the caller that knows the URI adds it.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// Reading failed. A retry may succeed.
    #[error("reading failed: {0}")]
    Read(#[source] io::Error),
    /// A gzip member is truncated.
    #[error("truncated gzip stream at byte {offset}; re-download the object or check its producer")]
    GzipTruncated {
        /// Length of the object, in bytes.
        offset: u64,
    },
    /// A gzip member is corrupt, or its checksum does not match.
    #[error("corrupt gzip stream near byte {offset} ({reason}); re-download the object or check its producer")]
    GzipCorrupt {
        /// Position in the object, in bytes.
        offset: u64,
        /// Message of the decoder.
        reason: String,
    },
    /// Data other than zero padding or another member follows a gzip member.
    #[error(
        "unexpected data after the gzip stream at byte {offset}, neither a gzip member nor zero padding; remove it or check \
         the producer of the object"
    )]
    GzipTrailingData {
        /// Position in the object, in bytes.
        offset: u64,
    },
    /// A JSON value does not end before the object does.
    #[error(
        "truncated JSON: the text ends at byte {offset}, within a value; re-download the object or check its producer"
    )]
    JsonTruncated {
        /// Length of the text, in bytes.
        offset: u64,
    },
    /// The text is larger than the limit.
    #[error(
        "the decompressed text exceeds {max_bytes} bytes; raise MAX_OBJECT_BYTES (function only) or split the object"
    )]
    TooLarge {
        /// Limit, in bytes.
        max_bytes: u64,
    },
    /// The compression ratio is too high, as in a decompression bomb.
    #[error(
        "compression ratio exceeds 200:1 ({compressed_bytes} bytes stored, at least {bytes} bytes decompressed); store it \
         uncompressed if it is a real flow log"
    )]
    CompressionRatio {
        /// Bytes of text when the ratio was exceeded.
        bytes: u64,
        /// Bytes of the object that were read until then.
        compressed_bytes: u64,
    },
    /// The text has more lines than the limit.
    #[error("the text has more than {max_lines} lines; raise MAX_LINES (function only) or split the object")]
    TooManyLines {
        /// Limit, in lines.
        max_lines: u64,
    },
    /// The object is a Parquet file with a property that is not supported.
    #[error("unsupported Parquet file: {problem}; {next_step}")]
    Parquet {
        /// The property, with the name of the column if it has one.
        problem: String,
        /// Advice for the user.
        next_step: &'static str,
    },
    /// The object is a Parquet file whose parts contradict each other, or are truncated.
    #[error("corrupt Parquet file at byte {offset} ({reason}); re-download the object or check its producer")]
    ParquetCorrupt {
        /// Position in the file, in bytes.
        offset: u64,
        /// The part of the file, and the contradiction.
        reason: String,
    },
    /// The object has records, and none of them parses, or its first bytes are those of another format.
    #[error("not a flow log: {diagnosis}; {next_step} ({unit} {number} begins with {text})")]
    NotAFlowLog {
        /// The actual format of the object, or the reason why no line parses.
        diagnosis: String,
        /// Advice for the user.
        next_step: &'static str,
        /// What the number counts: lines, or records.
        unit: &'static str,
        /// Number of the first line or record that does not parse.
        number: u64,
        /// Its beginning, quoted and escaped.
        text: String,
    },
}

impl ObjectError {
    /// Reports whether the object's bytes were damaged or truncated after they were written.
    pub fn is_damage(&self) -> bool {
        use ObjectError::{GzipCorrupt, GzipTrailingData, GzipTruncated, JsonTruncated, ParquetCorrupt};
        matches!(
            self,
            GzipTruncated { .. }
                | GzipCorrupt { .. }
                | GzipTrailingData { .. }
                | JsonTruncated { .. }
                | ParquetCorrupt { .. }
        )
    }

    /// Returns a stable identifier, for alarms and programs.
    pub fn code(&self) -> &'static str {
        match self {
            ObjectError::Read(_) => "read_failed",
            ObjectError::GzipTruncated { .. } => "gzip_truncated",
            ObjectError::GzipCorrupt { .. } => "gzip_corrupt",
            ObjectError::GzipTrailingData { .. } => "gzip_trailing_data",
            ObjectError::JsonTruncated { .. } => "json_truncated",
            ObjectError::TooLarge { .. } => "too_large",
            ObjectError::CompressionRatio { .. } => "compression_ratio",
            ObjectError::TooManyLines { .. } => "too_many_lines",
            ObjectError::Parquet { .. } => "unsupported_format_parquet",
            ObjectError::ParquetCorrupt { .. } => "parquet_corrupt",
            ObjectError::NotAFlowLog { .. } => "not_a_flow_log",
        }
    }
}
