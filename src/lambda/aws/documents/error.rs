//! Errors of documents that can't be read or used.

use std::io;

use thiserror::Error;

use super::DocumentKind;
use crate::config::ConfigError;
use crate::discovery::snapshot::SnapshotError;
use crate::lambda::aws::error::S3Error;
use crate::topology::describe_output::DocumentError;

/// Maximum number of topology documents. Each of them is one request.
pub const MAX_DOCUMENTS: usize = 1000;

/// Why the documents can't be used.
#[derive(Debug, Error)]
pub enum DocumentsError {
    /// A call to S3 failed.
    #[error(transparent)]
    S3(Box<S3Error>),
    /// There are no documents.
    #[error("no *.json documents in {uri}")]
    Missing {
        /// The configured location.
        uri: String,
    },
    /// There are too many documents.
    #[error("more than {MAX_DOCUMENTS} documents in {uri}")]
    TooMany {
        /// The configured location.
        uri: String,
    },
    /// The documents are too large in total.
    #[error("{uri} exceeds {} bytes in total", kind.max_bytes())]
    TooLarge {
        /// The kind of the documents.
        kind: DocumentKind,
        /// The configured location.
        uri: String,
    },
    /// The body of a document could not be read to its end.
    #[error("{uri}: read failed: {source}")]
    ReadFailed {
        /// The document.
        uri: String,
        /// The cause.
        source: io::Error,
    },
    /// A document of the topology is not JSON.
    #[error(transparent)]
    NotJson(#[from] DocumentError),
    /// The documents of the topology are JSON, but have no usable resource.
    #[error("no usable resources in {uri}: {problem}")]
    Unusable {
        /// The configured location.
        uri: String,
        /// The first problem found.
        problem: String,
    },
    /// A snapshot has an invalid manifest, or a document that its manifest does not list.
    #[error("{uri}: {source}")]
    InvalidSnapshot {
        /// The snapshot.
        uri: String,
        /// What is wrong.
        source: SnapshotError,
    },
    /// All snapshots are damaged.
    #[error("no usable snapshot in {uri}; invoke the discovery to store a new one")]
    NoUsableSnapshot {
        /// The configured location.
        uri: String,
    },
    /// The configuration is not text.
    #[error("{uri} is not UTF-8 text after byte {valid_up_to}")]
    NotText {
        /// The configured location.
        uri: String,
        /// Number of valid bytes at the start.
        valid_up_to: usize,
    },
    /// The configuration has a wrong name or value.
    #[error("{uri}: {source}")]
    InvalidConfig {
        /// The configured location.
        uri: String,
        /// The name or value, and what is allowed.
        source: ConfigError,
    },
    /// The documents could not be read in time.
    #[error("timed out reading {uri}")]
    TimedOut {
        /// The kind of the documents.
        kind: DocumentKind,
        /// The configured location.
        uri: String,
    },
    /// Reading a document panicked.
    #[error("{uri}: internal error while reading (panic): {source}")]
    Panicked {
        /// The document.
        uri: String,
        /// The cause.
        source: tokio::task::JoinError,
    },
}

impl From<S3Error> for DocumentsError {
    fn from(error: S3Error) -> DocumentsError {
        DocumentsError::S3(Box::new(error))
    }
}

impl DocumentsError {
    /// Reports whether the documents themselves are damaged, so that reading them again has the same result.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            DocumentsError::InvalidSnapshot { .. } | DocumentsError::NotJson(_) | DocumentsError::TooLarge { .. }
        )
    }

    /// Returns a stable code: AWS's, or one in snake_case.
    pub fn code(&self) -> &str {
        match self {
            DocumentsError::S3(error) => error.code(),
            DocumentsError::Missing { .. } => "topology_missing",
            DocumentsError::TooMany { .. } => "topology_too_many_documents",
            DocumentsError::TooLarge { kind: DocumentKind::Topology, .. } => "topology_too_large",
            DocumentsError::TooLarge { kind: DocumentKind::Config, .. } => "config_too_large",
            DocumentsError::ReadFailed { .. } => "read_failed",
            DocumentsError::NotJson(_) => "topology_not_json",
            DocumentsError::Unusable { .. } => "topology_unusable",
            DocumentsError::InvalidSnapshot { .. } | DocumentsError::NoUsableSnapshot { .. } => {
                "topology_snapshot_invalid"
            }
            DocumentsError::NotText { .. } | DocumentsError::InvalidConfig { .. } => "config_invalid",
            DocumentsError::TimedOut { kind: DocumentKind::Topology, .. } => "topology_timeout",
            DocumentsError::TimedOut { kind: DocumentKind::Config, .. } => "config_timeout",
            DocumentsError::Panicked { .. } => "internal_error",
        }
    }
}
