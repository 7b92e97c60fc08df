//! Errors of a partial.

use std::io;

use thiserror::Error;

use super::FORMAT_VERSION;
use super::fingerprint::Fingerprint;

/// Reason why a file is not merged. The message names the problem and the next step. It does not name the file: the caller that knows the
/// path adds it.
#[derive(Debug, Error)]
pub enum PartialError {
    /// Reading failed. A retry may succeed.
    #[error("reading failed: {0}")]
    Read(#[source] io::Error),
    /// The file does not begin as a partial.
    #[error("not a partial; make one with flowsentry analyze --partial")]
    NotAPartial,
    /// Another version of the format.
    #[error(
        "partial of format version {version}, made by flowsentry {program}, but this program reads version {FORMAT_VERSION}; \
         use one version of flowsentry for all parts of a report"
    )]
    Version {
        /// Version of the format.
        version: u16,
        /// Version of the program that made the file, quoted.
        program: String,
    },
    /// The file ends early.
    #[error("truncated partial; copy it again, or make it again")]
    Truncated,
    /// The file contradicts itself, or its checksum does not match.
    #[error("corrupt partial ({0}); copy it again, or make it again")]
    Corrupt(&'static str),
    /// The partial was made with another topology.
    #[error(
        "partial made with {}, but this run has {}; pass the same --topology documents for all parts of a report, or make the \
         partial again", topology_name(*.made_with), topology_name(*.expected)
    )]
    Topology {
        /// Fingerprint of the topology that the partial was made with.
        made_with: Option<Fingerprint>,
        /// Fingerprint of the topology of this run.
        expected: Option<Fingerprint>,
    },
    /// The partial was made with another configuration.
    #[error(
        "partial made with configuration {made_with}, but this run has {expected}; pass a --config with the same thresholds, \
         limits, and trusted scanners for all parts of a report, or make the partial again"
    )]
    Configuration {
        /// Fingerprint of the configuration that the partial was made with.
        made_with: Fingerprint,
        /// Fingerprint of the configuration of this run.
        expected: Fingerprint,
    },
}

fn topology_name(fingerprint: Option<Fingerprint>) -> String {
    fingerprint.map_or_else(|| "no topology".to_owned(), |fingerprint| format!("topology {fingerprint}"))
}

impl PartialError {
    /// Returns a stable identifier, for alarms and programs.
    pub fn code(&self) -> &'static str {
        match self {
            PartialError::Read(_) => "read_failed",
            PartialError::NotAPartial => "not_a_partial",
            PartialError::Version { .. } => "partial_version",
            PartialError::Truncated => "partial_truncated",
            PartialError::Corrupt(_) => "partial_corrupt",
            PartialError::Topology { .. } => "partial_topology",
            PartialError::Configuration { .. } => "partial_configuration",
        }
    }
}
