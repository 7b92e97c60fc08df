//! Facts about the inputs: their origin, the number of records of each class, and samples of malformed records. The types are part
//! of the summary.

use serde::Serialize;

use crate::input::shape::Shape;

/// An input that was read completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InputSource {
    /// The input as given, or `s3://bucket/key`.
    pub uri: String,
    /// What the content is.
    pub shape: Shape,
    /// Bytes of the input as stored.
    pub compressed_bytes: u64,
    /// Bytes of content after decompression.
    pub bytes: u64,
    /// Records of every class.
    pub records: u64,
    /// The S3 object, for inputs from S3.
    #[serde(flatten)]
    pub object: Option<ObjectIdentity>,
}

/// One version of an S3 object, as returned by GetObject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ObjectIdentity {
    /// Name of the bucket.
    pub bucket: String,
    /// Key, decoded.
    pub key: String,
    /// Version, if the bucket has versioning.
    pub version_id: Option<String>,
    /// Entity tag, without quotes.
    pub etag: Option<String>,
}

/// An input that could not be read completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InputFailure {
    /// The input as given.
    pub uri: String,
    /// The error, its position, and the next step.
    pub error: String,
}

/// Number of records by class. Every record is in exactly one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordCounts {
    /// All records.
    pub total: u64,
    /// Action ACCEPT.
    pub accepted: u64,
    /// Action REJECT.
    pub rejected: u64,
    /// Log status NODATA: no traffic in the interval.
    pub no_data: u64,
    /// Log status SKIPDATA: AWS skipped records.
    pub skip_data: u64,
    /// Records without an action, such as those of a transit gateway.
    pub other: u64,
    /// Lines that do not parse.
    pub malformed: u64,
}

/// One malformed record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MalformedSample {
    /// The input.
    pub uri: String,
    /// Line number from 1, headers and blank lines counted.
    pub line: u64,
    /// Why it does not parse.
    pub reason: String,
    /// The first 200 characters of the line.
    pub text: String,
}
