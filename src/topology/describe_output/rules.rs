//! Security groups and network ACLs of the describe output.

use std::fmt;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde::Serialize;

use crate::record::names;

/// A security group. Traffic that no permission allows is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecurityGroup {
    /// VPC id.
    pub vpc_id: Option<String>,
    /// Name tag, or the name of the group.
    pub name: Option<String>,
    /// Permissions for traffic to the interfaces.
    pub ingress: Vec<Permission>,
    /// Permissions for traffic from the interfaces.
    pub egress: Vec<Permission>,
}

/// A permission of a security group: it allows traffic of a kind with any of its peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// The traffic.
    pub traffic: TrafficKind,
    /// Peers by CIDR block.
    pub blocks: Vec<IpNet>,
    /// Peers by prefix list.
    pub prefix_list_ids: Vec<String>,
    /// Peers by security group: the interfaces that have one of these.
    pub group_ids: Vec<String>,
    /// Whether there are peers that cannot be read.
    pub has_unreadable_peer: bool,
}

impl Permission {
    /// Returns the number of rules as AWS counts them: one for each peer.
    pub fn rule_count(&self) -> usize {
        self.blocks.len() + self.prefix_list_ids.len() + self.group_ids.len()
    }
}

/// A network ACL. The entry with the least number that matches decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkAcl {
    /// VPC id.
    pub vpc_id: Option<String>,
    /// Name tag.
    pub name: Option<String>,
    /// Subnets that use the ACL, in order.
    pub subnet_ids: Vec<String>,
    /// Entries for traffic into the subnets, by number.
    pub ingress: Vec<AclEntry>,
    /// Entries for traffic out of the subnets, by number.
    pub egress: Vec<AclEntry>,
}

/// An entry of a network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AclEntry {
    /// Number of the rule.
    pub rule_number: u32,
    /// Whether the entry allows the traffic, rather than denies it.
    pub allows: bool,
    /// The traffic.
    pub traffic: TrafficKind,
    /// Addresses outside of the subnet. `None` if they cannot be read.
    pub block: Option<IpNet>,
}

/// Least number of the entries that AWS adds to the end of each network ACL, and displays as `*`: one denies all IPv4 traffic, the next one
/// all IPv6 traffic. Other entries have lesser numbers.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html>
const DEFAULT_RULE_NUMBER: u32 = 32_767;

/// Returns the number of an entry that users see: `None` for an entry that AWS added, and if no entry matches.
pub fn own_rule_number(rule_number: Option<u32>) -> Option<u32> {
    rule_number.filter(|number| *number < DEFAULT_RULE_NUMBER)
}

/// Protocol and destination ports of a permission or an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrafficKind {
    /// The protocol.
    pub protocol: RuleProtocol,
    /// The destination ports.
    pub ports: RulePorts,
}

/// Protocol of a permission or an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RuleProtocol {
    /// Any protocol, with any ports.
    All,
    /// This IANA protocol number.
    Number(u8),
    /// Cannot be read.
    Unreadable,
}

/// Destination ports of a permission or an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum RulePorts {
    /// Any port. Protocols other than TCP and UDP have no ports here.
    All,
    /// Ports from the first to the last.
    Range(RangeInclusive<u16>),
    /// A type of ICMP, which flow logs do not have, or ports that cannot be read.
    Unknown,
}

/// Whether traffic is of a kind. The order is that of certainty, so the maximum of several is that of any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is not.
    No,
    /// What decides is not known, such as the type of ICMP.
    Unknown,
    /// It is.
    Yes,
}

impl TrafficKind {
    /// Returns whether traffic of this protocol to this port is of this kind.
    pub fn fits(&self, protocol: u8, dstport: Option<u16>) -> Fit {
        match self.protocol {
            RuleProtocol::All => Fit::Yes,
            RuleProtocol::Number(number) if number != protocol => Fit::No,
            RuleProtocol::Unreadable => Fit::Unknown,
            RuleProtocol::Number(_) => self.ports.fit(dstport),
        }
    }
}

impl RulePorts {
    fn fit(&self, dstport: Option<u16>) -> Fit {
        match (self, dstport) {
            (RulePorts::All, _) => Fit::Yes,
            (RulePorts::Unknown, _) => Fit::Unknown,
            (RulePorts::Range(ports), Some(port)) => {
                if ports.contains(&port) {
                    Fit::Yes
                } else {
                    Fit::No
                }
            }
            (RulePorts::Range(ports), None) => {
                if (*ports.start(), *ports.end()) == (0, u16::MAX) {
                    Fit::Yes
                } else {
                    Fit::Unknown
                }
            }
        }
    }
}

impl fmt::Display for TrafficKind {
    /// Formats the kind as people read it: `443/TCP`, `1024-65535/UDP`, `all traffic`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            RuleProtocol::All => return f.write_str("all traffic"),
            RuleProtocol::Unreadable => return f.write_str("unreadable traffic"),
            RuleProtocol::Number(number) => names::protocol(Some(number)),
        };
        match &self.ports {
            RulePorts::All => write!(f, "all {protocol}"),
            RulePorts::Range(ports) if ports.start() == ports.end() => write!(f, "{}/{protocol}", ports.start()),
            RulePorts::Range(ports) => write!(f, "{}-{}/{protocol}", ports.start(), ports.end()),
            RulePorts::Unknown => write!(f, "some {protocol}"),
        }
    }
}
