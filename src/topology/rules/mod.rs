//! Repeats AWS's evaluation of network ACLs and security groups, so that a rejection can be attributed to a rule.
//!
//! In: an interface of the topology, and the direction, remote address, protocol, and destination port of traffic. Out: an
//! [`AclVerdict`] and a [`GroupsVerdict`], which name the deciding rule, or what is missing to decide.
//!
//! - A network ACL is evaluated where traffic enters or leaves a subnet. The entry with the least number that matches decides
//!   (`network_acl`).
//! - The security groups of an interface allow what any of their permissions allows (`security_groups`).
//!
//! A verdict is [`Verdict::Undecided`] rather than a guess: a flow log has no ICMP types, and a topology may lack a prefix list.
//! Sources: <https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html>,
//! <https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html>.

mod compiled_groups;
mod network_acl;
mod refusal;
mod security_groups;

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::Topology;
use super::describe_output::{Interface, Resources};
use compiled_groups::GroupTables;
pub use network_acl::{AclDoubt, AclVerdict};
pub use refusal::{Judgement, Refusal, describe_passing};
pub use security_groups::{GroupDoubt, GroupsVerdict};
use security_groups::{GroupRules, MAX_GROUPS};

/// Traffic at an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Direction as seen from the interface.
    pub direction: RuleDirection,
    /// Source of incoming traffic, destination of outgoing traffic.
    pub remote: IpAddr,
    /// IANA protocol number.
    pub protocol: u8,
    /// Destination port, if known.
    pub dstport: Option<u16>,
}

/// Direction of traffic as seen from an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleDirection {
    /// To the interface.
    Ingress,
    /// From the interface.
    Egress,
}

/// Whether rules let traffic pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They let it pass.
    Allows,
    /// They reject it.
    Denies,
    /// The topology or the log lacks what decides.
    Undecided,
}

/// The rules of one interface.
#[derive(Debug, Clone)]
pub struct InterfaceRules<'a> {
    topology: &'a Topology,
    interface: &'a Interface,
    acl: network_acl::SubnetRules<'a>,
    /// The rules of each security group, in the order of the ids. `None` for a group that the topology lacks.
    groups: Vec<Option<GroupRules<'a>>>,
}

/// Look-ups of the rules.
#[derive(Debug, Clone, Default)]
pub(super) struct RuleIndex {
    /// The network ACL of each subnet.
    acls: HashMap<String, network_acl::SubnetAcl, RandomState>,
    groups: GroupTables,
}

impl RuleIndex {
    pub(super) fn new(resources: &Resources) -> RuleIndex {
        RuleIndex { acls: network_acl::by_subnet(resources), groups: GroupTables::new(resources) }
    }
}

impl Topology {
    /// Reports whether the topology has any security group or network ACL.
    pub fn has_rules(&self) -> bool {
        !self.resources.security_groups.is_empty() || !self.resources.network_acls.is_empty()
    }

    /// Looks up the rules of an interface.
    pub fn rules_of<'a>(&'a self, interface: &'a Interface) -> InterfaceRules<'a> {
        InterfaceRules {
            topology: self,
            interface,
            acl: self.subnet_rules(interface.subnet_id.as_deref()),
            groups: interface.group_ids.iter().take(MAX_GROUPS).map(|id| self.group_rules(id)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
