//! Facts about the inputs: their origin, the number of records of each class, and samples of malformed records. The types are part
//! of the summary.

use serde::{Deserialize, Serialize};

use crate::input::shape::Shape;

/// An input that was read completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InputSource {
    /// The input as given, `s3://bucket/key`, or `cloudwatch-logs:log-group/log-stream:first-event-id-last-event-id`.
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
    /// The log events, for inputs from CloudWatch Logs.
    #[serde(flatten)]
    pub log_events: Option<LogEventsIdentity>,
    /// The window, for a report of a time window: then the source stands for all objects of the window that have its shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowIdentity>,
}

/// What identifies an input of the function: equal inputs have equal identities, however often and by whatever event they arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputIdentity {
    /// An S3 object.
    Object(ObjectIdentity),
    /// Log events of CloudWatch Logs.
    LogEvents(LogEventsIdentity),
    /// All objects of a time window.
    Window(WindowIdentity),
}

impl InputSource {
    /// Sets what identifies the input.
    pub fn identify(&mut self, identity: InputIdentity) {
        (self.object, self.log_events, self.window) = match identity {
            InputIdentity::Object(object) => (Some(object), None, None),
            InputIdentity::LogEvents(events) => (None, Some(events), None),
            InputIdentity::Window(window) => (None, None, Some(window)),
        };
    }
}

impl InputIdentity {
    /// Returns the URI of the input: `s3://bucket/key`, or `cloudwatch-logs:log-group/log-stream:first-event-id-last-event-id`. That of a
    /// window is the URI of its manifest.
    pub fn uri(&self) -> String {
        match self {
            InputIdentity::Object(ObjectIdentity { bucket, key, .. }) => format!("s3://{bucket}/{key}"),
            InputIdentity::LogEvents(events) => events.uri(),
            InputIdentity::Window(window) => window.manifest.clone(),
        }
    }

    /// Returns the version of the object, if it is an object of a bucket with versioning.
    pub fn version_id(&self) -> Option<&str> {
        match self {
            InputIdentity::Object(object) => object.version_id.as_deref(),
            InputIdentity::LogEvents(_) | InputIdentity::Window(_) => None,
        }
    }

    /// Returns the entity tag of the object, without quotes.
    pub fn etag(&self) -> Option<&str> {
        match self {
            InputIdentity::Object(object) => object.etag.as_deref(),
            InputIdentity::LogEvents(_) | InputIdentity::Window(_) => None,
        }
    }
}

/// One version of an S3 object, as returned by GetObject.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// The log events of one stream that CloudWatch Logs sent together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogEventsIdentity {
    /// Id of the account that owns the log group.
    pub owner: String,
    /// Name of the log group.
    pub log_group: String,
    /// Name of the log stream.
    pub log_stream: String,
    /// Id of the first log event, in the order of delivery.
    pub first_event_id: String,
    /// Id of the last log event, in the order of delivery.
    pub last_event_id: String,
}

impl LogEventsIdentity {
    /// Returns `cloudwatch-logs:log-group/log-stream:first-event-id-last-event-id`. Names of groups and streams have no colon.
    pub fn uri(&self) -> String {
        let LogEventsIdentity { log_group, log_stream, first_event_id, last_event_id, .. } = self;
        format!("cloudwatch-logs:{log_group}/{log_stream}:{first_event_id}-{last_event_id}")
    }
}

/// A time window over the objects of a bucket, at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WindowIdentity {
    /// Name of the report: `hourly`, `daily`, or that of a run by hand.
    pub name: String,
    /// Begin of the window, RFC 3339 in UTC to the second. An object belongs to the window if the time in its key does.
    pub from: String,
    /// End of the window, exclusive.
    pub to: String,
    /// Number of the list of objects, from 1. A new one is made if the window is run again and objects, topology, or configuration have
    /// changed. The report of the highest revision holds.
    pub revision: u32,
    /// Hash of the objects, the topology, the configuration, and the version of the program.
    pub inputs: String,
    /// Number of objects of all shapes.
    pub objects: u64,
    /// `s3://bucket/key` of the manifest, which leads to the lists of the objects.
    pub manifest: String,
}

/// An input that could not be read completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InputFailure {
    /// The input as given.
    pub uri: String,
    /// The error, its position, and the next step.
    pub error: String,
}

/// Number of records by class. Every record is in exactly one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
