//! What is wrong with a document or a resource.

use std::fmt;

use thiserror::Error;

/// Error of a document that is not JSON.
#[derive(Debug, Error)]
#[error("{document}: not JSON: {source}")]
pub struct DocumentError {
    pub(super) document: String,
    pub(super) source: serde_json::Error,
}

/// Problem with a resource of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the document.
    pub document: String,
    /// Id of the resource, or its position in the document.
    pub resource: String,
    /// Description of the problem.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.document, self.resource, self.message)
    }
}
