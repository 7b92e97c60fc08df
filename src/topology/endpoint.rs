//! Description of an address: its scope and, with a topology, its resources.

use serde::{Deserialize, Serialize};

/// Scope of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Neither public nor in a known VPC.
    Private,
    /// In no known VPC, and in no block that is reserved for private or special use.
    Public,
    /// In a known VPC.
    Vpc,
}

/// Description of an address. Without a topology, it has only the scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Endpoint {
    /// Null if the record does not have this address.
    pub scope: Option<Scope>,
    /// VPC of the address, or of the interface that has this public address.
    pub vpc_id: Option<String>,
    /// Name tag of the VPC.
    pub vpc_name: Option<String>,
    /// Subnet of the address, or of the interface that has this public address.
    pub subnet_id: Option<String>,
    /// Name tag of the subnet.
    pub subnet_name: Option<String>,
    /// Interface that owns the address.
    pub interface_id: Option<String>,
    /// AWS service that owns the interface.
    pub service: Option<String>,
    /// Name tag of the interface, or its description.
    pub name: Option<String>,
}
