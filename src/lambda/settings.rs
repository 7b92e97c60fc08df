//! Settings of the function, read from environment variables. All invalid ones are reported at once.
//!
//! An empty value counts as unset, because CloudFormation cannot omit a variable. `OUTPUT_PREFIX` loses leading slashes and
//! gets one at its end; `/` alone is the root of the bucket.
//!
//! This file has the types and defaults, `env` reads the variables, and `parse` parses values. `discovery` has the settings of the
//! function that discovers the network. The reference in `docs` lists
//! every variable; a test compares it with these files.

mod discovery;
mod env;
mod parse;

use std::time::Duration;

use thiserror::Error;

pub use self::discovery::DiscoverySettings;
use self::env::EnvReader;
use crate::findings::types::Severity;
use crate::lambda::delivery::alerts::stored::Selection;
use crate::lambda::document_uri::DocumentUri;
use crate::lambda::event::ObjectReference;
use crate::pipeline;
use crate::summary::{LogEventsIdentity, build};

/// Default of `OUTPUT_PREFIX`.
pub const DEFAULT_OUTPUT_PREFIX: &str = "flowsentry/";
/// Default of `METRICS_NAMESPACE`.
pub const DEFAULT_METRICS_NAMESPACE: &str = "FlowSentry";
/// Default of `ALERT_REPEAT_HOURS`.
pub const DEFAULT_ALERT_REPEAT_HOURS: u32 = 24;
/// Default of `TOPOLOGY_TTL_SECONDS`.
pub const DEFAULT_TOPOLOGY_TTL_SECONDS: u64 = 300;

/// The settings of the function.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `OUTPUT_BUCKET`: the bucket of the outputs.
    pub output_bucket: String,
    /// `OUTPUT_PREFIX`: the prefix of their keys. It is empty or ends in a slash.
    pub output_prefix: String,
    /// `METRICS_NAMESPACE`: the CloudWatch namespace of the metrics.
    pub metrics_namespace: String,
    /// `EVENT_BUS_NAME`, `ALERT_MIN_SEVERITY`, `ALERT_REPEAT_HOURS`, and `WINDOW_REPORTS`: which alerts to send, and to which event bus. Without a bus, none are sent.
    pub alerts: Option<Alerting>,
    /// `ON_PERMANENT_FAILURE`: how to treat an object that can never be read.
    pub on_permanent_failure: OnPermanentFailure,
    /// `ALLOWED_SOURCES`: the only objects and log groups to read. If it is empty, all are read.
    pub allowed_sources: Vec<Source>,
    /// `OUTPUT_KMS_KEY_ARN`: the KMS key that encrypts the outputs. Without it, the bucket's default encryption applies.
    pub output_kms_key_arn: Option<String>,
    /// `LOG_FORMAT`, `MAX_OBJECT_BYTES` and `MAX_LINES`: how to read an object. The configuration has the limits.
    pub pipeline: pipeline::Options,
    /// `TOP`: how to build a summary. The configuration has the thresholds.
    pub summary: build::SummaryOptions,
    /// `CONFIG_URI`: the location of the configuration. Without one, the defaults apply.
    pub config_uri: Option<DocumentUri>,
    /// `TOPOLOGY_URI`: the location of the topology.
    pub topology_uri: Option<DocumentUri>,
    /// `TOPOLOGY_TTL_SECONDS`: how long to use the topology and the configuration without checking for newer ones.
    pub topology_ttl: Duration,
    /// `AWS_REGION`: the function's region, which is that of the log groups that it is subscribed to.
    pub region: Option<String>,
    /// `AWS_LAMBDA_LOG_LEVEL`: the level of the log.
    pub log_level: LogLevel,
}

/// Which alerts to send, and to which event bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerting {
    /// Name or ARN of the event bus.
    pub event_bus: String,
    /// Minimum severity of the findings to send.
    pub min_severity: Severity,
    /// `ALERT_REPEAT_HOURS`: after how many hours a finding that lasts is sent again. With 0, each finding of each object is sent.
    pub repeat_hours: u32,
    /// `WINDOW_REPORTS`: which reports about several objects are made.
    pub window_reports: WindowReports,
}

impl Alerting {
    /// Returns which findings of single objects are sent. If there are window reports, these are the ones that no other object can refute.
    pub fn of_objects(&self) -> Selection {
        Selection { min_severity: self.min_severity, only_certain: self.window_reports != WindowReports::Off }
    }

    /// Returns which findings of window reports are sent.
    pub fn of_windows(&self) -> Selection {
        Selection { min_severity: self.min_severity, only_certain: false }
    }
}

/// Which reports are made about the objects of a time window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WindowReports {
    /// None.
    #[default]
    Off,
    /// One for each hour.
    Hourly,
    /// One for each day.
    Daily,
}

/// How to treat an object that can never be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnPermanentFailure {
    /// Store a receipt with the reason. The event succeeds.
    #[default]
    Quarantine,
    /// Fail the event, so that it ends in the dead-letter queue.
    Fail,
}

/// Objects or log events that may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Objects of a bucket.
    Objects {
        /// Name of the bucket.
        bucket: String,
        /// Prefix of the objects' keys. If it is empty, all objects match.
        prefix: String,
    },
    /// Log events of CloudWatch Logs.
    LogEvents {
        /// Prefix of log group and stream, with a slash between them. If it is empty, all log events match.
        prefix: String,
    },
}

impl Source {
    /// Reports whether the object is one of this source.
    pub fn has_object(&self, object: &ObjectReference) -> bool {
        match self {
            Source::Objects { bucket, prefix } => object.bucket == *bucket && object.key.starts_with(prefix),
            Source::LogEvents { .. } => false,
        }
    }

    /// Reports whether the log events are of this source.
    pub fn has_log_events(&self, events: &LogEventsIdentity) -> bool {
        match self {
            Source::Objects { .. } => false,
            Source::LogEvents { prefix } => format!("{}/{}", events.log_group, events.log_stream).starts_with(prefix),
        }
    }
}

/// Log levels. Each includes the ones before it. The names are Lambda's:
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>. Lambda's level above `error` is
/// treated as `error`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors.
    Error,
    /// Warnings.
    Warn,
    /// The outcome of each object.
    #[default]
    Info,
    /// Details of the libraries.
    Debug,
    /// Everything.
    Trace,
}

/// Invalid settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} invalid environment variable(s): {}", errors.len(), errors.join("; "))]
pub struct SettingsError {
    /// One message per variable, with its name, its value and the allowed values.
    pub errors: Vec<String>,
}

impl Settings {
    /// Reads the settings from environment variables. Other variables are ignored.
    ///
    /// # Errors
    /// If a variable is missing or invalid. The error contains all of them.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Settings, SettingsError> {
        let mut reader = EnvReader::new(variables);
        let settings = reader.settings();
        reader.finish(settings)
    }
}

#[cfg(test)]
mod tests;
