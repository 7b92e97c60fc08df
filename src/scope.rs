//! Whose an address is, roughly.

use serde::Serialize;

/// Whose an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Neither of the others.
    Private,
    /// In no known VPC and in no block that is reserved for private or special use.
    Public,
    /// In a known VPC.
    Vpc,
}
