//! What is known of the inputs themselves: where records came from, how many there were of each class, and which of them
//! are malformed. The types are part of the summary.

use serde::Serialize;

/// An input that was read whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InputSource {
    /// The input as given, or `s3://bucket/key`.
    pub uri: String,
    /// Bytes of the input as stored.
    pub compressed_bytes: u64,
    /// Bytes of text after decompression.
    pub bytes: u64,
    /// Records of every class.
    pub records: u64,
    /// What S3 calls the object.
    #[serde(flatten)]
    pub object: Option<ObjectIdentity>,
}

/// One version of one S3 object, as GetObject named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ObjectIdentity {
    /// Name of the bucket.
    pub bucket: String,
    /// Key, decoded.
    pub key: String,
    /// Version, where the bucket is versioned.
    pub version_id: Option<String>,
    /// Entity tag, without quotes.
    pub etag: Option<String>,
}

/// An input that could not be read whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InputFailure {
    /// The input as given.
    pub uri: String,
    /// What is wrong with it, where, and what to do.
    pub error: String,
}

/// How many records fell into each class; every record is in exactly one.
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
    /// Log status SKIPDATA: AWS left records out.
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
    /// What does not parse.
    pub reason: String,
    /// The line's beginning, at most 200 characters.
    pub text: String,
}
