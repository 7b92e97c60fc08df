//! The shapes in which flow logs arrive. The content decides, never a name.

use serde::{Deserialize, Serialize};

/// The first bytes of Parquet files, plain and with an encrypted footer.
const PARQUET_MAGIC: [&[u8; 4]; 2] = [b"PAR1", b"PARE"];

/// Names of a value that is a whole line: in log events and records of Firehose, and in results of CloudWatch Logs Insights.
pub const MESSAGE_NAMES: [&str; 2] = ["message", "@message"];

/// May precede text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What an input is. The word is part of the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Lines with spaces between their fields.
    Text,
    /// An Apache Parquet file.
    Parquet,
    /// JSON values: messages of CloudWatch Logs, records of Firehose, or records by field name.
    Json,
    /// Lines of text with a time before each record, as CloudWatch Logs exports them.
    CloudwatchExport,
    /// Comma-separated or tab-separated values with a header.
    Csv,
}

impl Shape {
    /// Returns what the numbers of malformed records count.
    pub fn unit(self) -> &'static str {
        match self {
            Shape::Text => "line",
            Shape::CloudwatchExport => "record",
            Shape::Json => "value",
            Shape::Csv | Shape::Parquet => "row",
        }
    }

    /// Recognizes the shapes that the first bytes of the content show. Those that only lines show begin as text.
    pub fn from_head(head: &[u8]) -> Shape {
        if PARQUET_MAGIC.iter().any(|magic| head.starts_with(*magic)) {
            return Shape::Parquet;
        }
        let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start();
        if matches!(text.first(), Some(b'{' | b'[')) { Shape::Json } else { Shape::Text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        assert_eq!(Shape::from_head(b"PAR1\x15"), Shape::Parquet);
        assert_eq!(Shape::from_head(b"PARE"), Shape::Parquet);
        assert_eq!(Shape::from_head(b"{\"message\":"), Shape::Json);
        assert_eq!(Shape::from_head(b"\xef\xbb\xbf\n [1"), Shape::Json);
        for text in [&b""[..], b"PAR", b"PAR2", b"version account-id", b"2 1 eni-1 -", b"\"{", b"a {", b"a,b,c"] {
            assert_eq!(Shape::from_head(text), Shape::Text, "{text:?}");
        }
    }
}
