//! What is wrong with a whole object.

use std::io;

use thiserror::Error;

/// Why an object gives no summary. The message says what, where and what to do; whoever knows the object's URI adds
/// it, once.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// Reading failed. It may pass.
    #[error("reading failed: {0}")]
    Read(#[source] io::Error),
    /// A gzip member has no end.
    #[error("truncated gzip stream at byte {offset}; re-download the object or check its producer")]
    GzipTruncated {
        /// Bytes of the object that there are.
        offset: u64,
    },
    /// A gzip member is damaged, or its check sum does not match.
    #[error("corrupt gzip stream near byte {offset} ({reason}); re-download the object or check its producer")]
    GzipCorrupt {
        /// Where in the object.
        offset: u64,
        /// What the decoder says.
        reason: String,
    },
    /// Something other than zero bytes or a further member stands after a gzip member.
    #[error(
        "unexpected data after the gzip stream at byte {offset}, neither a gzip member nor zero padding; remove it or check \
         the producer of the object"
    )]
    GzipTrailingData {
        /// Where in the object.
        offset: u64,
    },
    /// The text is larger than allowed.
    #[error(
        "the decompressed text exceeds {max_bytes} bytes; raise MAX_OBJECT_BYTES (function only) or split the object"
    )]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// The text is far longer than what it was made of: a decompression bomb.
    #[error(
        "compression ratio exceeds 200:1 ({compressed_bytes} bytes of gzip, at least {bytes} bytes of text); store it \
         uncompressed if it is a real flow log"
    )]
    CompressionRatio {
        /// Bytes of text when it was noticed.
        bytes: u64,
        /// Bytes of the object until then.
        compressed_bytes: u64,
    },
    /// There are more lines than allowed.
    #[error("the text has more than {max_lines} lines; raise MAX_LINES (function only) or split the object")]
    TooManyLines {
        /// The limit.
        max_lines: u64,
    },
    /// A Parquet file.
    #[error(
        "Parquet files are not supported; create the flow log with the file format `plain-text` or convert the file"
    )]
    Parquet,
    /// There are records, but not one that parses, and no header.
    #[error(
        "not a flow log: it has no header, and none of its {records} lines is a record of the format {format}; if it is a \
         flow log, set the column order with --log-format or LOG_FORMAT (first line: {reason})"
    )]
    NotAFlowLog {
        /// Lines that are not blank.
        records: u64,
        /// The column order that was tried.
        format: String,
        /// Why the first of them is none.
        reason: String,
    },
}

impl ObjectError {
    /// Whether the object's bytes are not those that were written, as far as they came.
    pub fn is_damage(&self) -> bool {
        use ObjectError::{GzipCorrupt, GzipTrailingData, GzipTruncated};
        matches!(self, GzipTruncated { .. } | GzipCorrupt { .. } | GzipTrailingData { .. })
    }

    /// A name that stays the same, for alarms and programs.
    pub fn code(&self) -> &'static str {
        match self {
            ObjectError::Read(_) => "read_failed",
            ObjectError::GzipTruncated { .. } => "gzip_truncated",
            ObjectError::GzipCorrupt { .. } => "gzip_corrupt",
            ObjectError::GzipTrailingData { .. } => "gzip_trailing_data",
            ObjectError::TooLarge { .. } => "too_large",
            ObjectError::CompressionRatio { .. } => "compression_ratio",
            ObjectError::TooManyLines { .. } => "too_many_lines",
            ObjectError::Parquet => "unsupported_format_parquet",
            ObjectError::NotAFlowLog { .. } => "not_a_flow_log",
        }
    }
}
