//! The error of a row of a file.

use thiserror::Error;

/// Error for a row that no store can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidRow(pub &'static str);
