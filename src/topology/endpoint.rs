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

/// What is known of an address. Without a topology, only the scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Endpoint {
    /// Null where the record has no such address.
    pub scope: Option<Scope>,
    /// VPC of the address.
    pub vpc_id: Option<String>,
    /// Subnet of the address.
    pub subnet_id: Option<String>,
    /// Interface that owns the address.
    pub interface_id: Option<String>,
    /// AWS service that owns the interface.
    pub service: Option<String>,
    /// Its Name tag, or its description.
    pub name: Option<String>,
}
