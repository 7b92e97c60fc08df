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
    #[error("the gzip data is cut off at byte {offset}: fetch the object again, or ask who wrote it")]
    GzipTruncated {
        /// Bytes of the object that there are.
        offset: u64,
    },
    /// A gzip member is damaged, or its check sum does not match.
    #[error("the gzip data is corrupt near byte {offset} ({reason}): fetch the object again, or ask who wrote it")]
    GzipCorrupt {
        /// Where in the object.
        offset: u64,
        /// What the decoder says.
        reason: String,
    },
    /// Something other than zero bytes or a further member stands after a gzip member.
    #[error(
        "what follows the gzip data at byte {offset} is neither a gzip member nor zero padding: ask who wrote it, or cut \
         it off"
    )]
    GzipTrailingData {
        /// Where in the object.
        offset: u64,
    },
    /// The text is larger than allowed.
    #[error(
        "the text is larger than the limit of {max_bytes} bytes (the function's MAX_OBJECT_BYTES): raise it, or split the text"
    )]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// The text is far longer than what it was made of: a decompression bomb.
    #[error(
        "{compressed_bytes} bytes of gzip became {bytes} bytes of text and more, which no flow log does: if it is one \
         all the same, store it as plain text"
    )]
    CompressionRatio {
        /// Bytes of text when it was noticed.
        bytes: u64,
        /// Bytes of the object until then.
        compressed_bytes: u64,
    },
    /// There are more lines than allowed.
    #[error("the text has more than {max_lines} lines (the function's MAX_LINES): raise that, or split the text")]
    TooManyLines {
        /// The limit.
        max_lines: u64,
    },
    /// A Parquet file.
    #[error(
        "this is a Parquet file, which is not read yet: create the flow log with the file format `plain-text`, or \
         convert the file"
    )]
    Parquet,
    /// There are records, but not one that parses, and no header.
    #[error(
        "this is not a flow log: it has no header, and not one of its lines ({records}) is a record of the format \
         {format}. If it is one, give the order of its columns with --log-format or LOG_FORMAT. Of the first line \
         {reason}"
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
