//! Whether the permissions of a security group that reference another group apply to traffic.
//!
//! AWS resolves such a reference within a VPC, and over an active peering connection within a Region:
//! <https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-security-groups.html>.

use super::end::End;
use super::segments::Remote;
use crate::topology::Topology;

/// Whether permissions that reference a security group apply to traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum References {
    /// They do.
    Apply,
    /// They do not, for this reason.
    DoNotApply(&'static str),
    /// It is unknown, for this reason.
    Unknown(&'static str),
}

/// Returns whether group references apply between two ends with these addresses of their VPCs.
pub(super) fn references(topology: &Topology, own: &End<'_>, other: &End<'_>, remote: Remote) -> References {
    let is_direct = matches!(remote, Remote::Address(address) if address == other.address);
    let (Some(a), Some(b)) = (own.vpc, other.vpc) else {
        // An address outside the VPCs belongs to no member of a group.
        return if other.is_ambiguous {
            References::Unknown("several VPCs have the address")
        } else {
            References::Apply
        };
    };
    let (a_region, b_region) = (topology.vpc(a).region.as_deref(), topology.vpc(b).region.as_deref());
    match (a_region, b_region) {
        _ if !is_direct => References::DoNotApply("the traffic crosses the internet"),
        _ if a == b => References::Apply,
        _ if !topology.is_peered(a, b) => References::DoNotApply("the VPCs have no active peering connection"),
        (Some(a), Some(b)) if a == b => References::Apply,
        (Some(_), Some(_)) => References::DoNotApply("the VPCs are in different Regions"),
        _ => References::Unknown("the Regions of the VPCs are unknown"),
    }
}
