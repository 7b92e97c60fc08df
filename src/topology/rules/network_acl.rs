//! Evaluates the network ACL of a subnet.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::{InterfaceRules, RuleDirection, Traffic, Verdict};
use crate::topology::Topology;
use crate::topology::describe_output::{AclEntry, Fit, NetworkAcl, Resources, Subnet};

/// The network ACL of a subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SubnetAcl {
    /// The ACL with this id.
    One(String),
    /// Outdated documents give the subnet several ACLs.
    Several,
}

/// Returns the ACL of each subnet that an ACL is associated with.
pub(super) fn by_subnet(resources: &Resources) -> HashMap<String, SubnetAcl, RandomState> {
    let mut by_subnet: HashMap<String, SubnetAcl, RandomState> = HashMap::default();
    for (id, acl) in &resources.network_acls {
        for subnet_id in &acl.subnet_ids {
            by_subnet
                .entry(subnet_id.clone())
                .and_modify(|known| *known = SubnetAcl::Several)
                .or_insert_with(|| SubnetAcl::One(id.clone()));
        }
    }
    by_subnet
}

/// A subnet and its network ACL, as far as the topology has them.
#[derive(Debug, Clone, Copy)]
pub(super) struct SubnetRules<'a> {
    /// The subnet, with its id.
    subnet: Option<(&'a str, &'a Subnet)>,
    /// The ACL, with its id.
    acl: Result<(&'a str, &'a NetworkAcl), AclDoubt<'a>>,
}

/// The result of a network ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AclVerdict<'a> {
    /// The remote address is in the same subnet. AWS evaluates no ACL within a subnet.
    SameSubnet {
        /// Id of the subnet.
        subnet_id: &'a str,
    },
    /// An entry decides.
    Entry {
        /// Id of the ACL.
        acl_id: &'a str,
        /// The entry.
        entry: &'a AclEntry,
    },
    /// No entry matches, so the ACL denies.
    NoEntry {
        /// Id of the ACL.
        acl_id: &'a str,
    },
    /// The topology or the log lacks what decides.
    Undecided(AclDoubt<'a>),
}

/// What is missing to evaluate a network ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AclDoubt<'a> {
    /// The topology has no ACL of the subnet, or the subnet of the interface is unknown.
    NoAcl,
    /// Several ACLs have the subnet, as documents of different times may say.
    SeveralAcls,
    /// The ACL denies. It does not apply if the remote address is in the same subnet, but not all blocks of the subnet are known.
    UnknownSubnet {
        /// Id of the ACL.
        acl_id: &'a str,
    },
    /// Whether this entry matches cannot be decided.
    Entry {
        /// Id of the ACL.
        acl_id: &'a str,
        /// The entry.
        entry: &'a AclEntry,
    },
}

impl AclVerdict<'_> {
    /// Returns whether the ACL lets the traffic pass.
    pub fn verdict(&self) -> Verdict {
        match self {
            AclVerdict::SameSubnet { .. } => Verdict::Allows,
            AclVerdict::Entry { entry, .. } if entry.allows => Verdict::Allows,
            AclVerdict::Entry { .. } | AclVerdict::NoEntry { .. } => Verdict::Denies,
            AclVerdict::Undecided(_) => Verdict::Undecided,
        }
    }
}

impl AclEntry {
    /// Returns whether traffic matches the entry.
    pub fn fits(&self, remote: IpAddr, protocol: u8, dstport: Option<u16>) -> Fit {
        // Most entries are for other ports, which is faster to find out.
        let fit = self.traffic.fits(protocol, dstport);
        match self.block {
            _ if fit == Fit::No => Fit::No,
            Some(block) if !block.contains(&remote) => Fit::No,
            Some(_) => fit,
            None => Fit::Unknown,
        }
    }
}

impl NetworkAcl {
    /// Returns the entries of a direction, by number.
    pub fn entries(&self, direction: RuleDirection) -> &[AclEntry] {
        match direction {
            RuleDirection::Ingress => &self.ingress,
            RuleDirection::Egress => &self.egress,
        }
    }
}

impl Topology {
    /// Returns the network ACL of a subnet, with its id.
    ///
    /// # Errors
    /// If there is none, or several.
    pub fn network_acl_of_subnet(&self, subnet_id: &str) -> Result<(&str, &NetworkAcl), AclDoubt<'_>> {
        match self.rules.acls.get(subnet_id) {
            None => Err(AclDoubt::NoAcl),
            Some(SubnetAcl::Several) => Err(AclDoubt::SeveralAcls),
            Some(SubnetAcl::One(id)) => {
                let acl = self.resources.network_acls.get_key_value(id);
                acl.map(|(id, acl)| (id.as_str(), acl)).ok_or(AclDoubt::NoAcl)
            }
        }
    }

    /// Evaluates the network ACL of a subnet, or of an unknown one.
    pub fn evaluate_network_acl(&self, subnet_id: Option<&str>, traffic: &Traffic) -> AclVerdict<'_> {
        self.subnet_rules(subnet_id).evaluate(traffic)
    }

    pub(super) fn subnet_rules(&self, subnet_id: Option<&str>) -> SubnetRules<'_> {
        let subnet = subnet_id.and_then(|id| self.resources.subnets.get_key_value(id));
        SubnetRules {
            subnet: subnet.map(|(id, subnet)| (id.as_str(), subnet)),
            acl: subnet_id.map_or(Err(AclDoubt::NoAcl), |id| self.network_acl_of_subnet(id)),
        }
    }
}

impl<'a> InterfaceRules<'a> {
    /// Evaluates the network ACL of the interface's subnet.
    pub fn network_acl(&self, traffic: &Traffic) -> AclVerdict<'a> {
        self.acl.evaluate(traffic)
    }
}

impl<'a> SubnetRules<'a> {
    fn evaluate(&self, traffic: &Traffic) -> AclVerdict<'a> {
        let Traffic { direction, remote, protocol, dstport } = *traffic;
        if let Some((subnet_id, subnet)) = self.subnet
            && subnet.blocks.iter().any(|block| block.contains(&remote))
        {
            return AclVerdict::SameSubnet { subnet_id };
        }
        let (acl_id, acl) = match self.acl {
            Ok(acl) => acl,
            Err(doubt) => return AclVerdict::Undecided(doubt),
        };
        let mut fits = acl.entries(direction).iter().map(|entry| (entry, entry.fits(remote, protocol, dstport)));
        let verdict = match fits.find(|(_, fit)| *fit != Fit::No) {
            Some((entry, Fit::Unknown)) => return AclVerdict::Undecided(AclDoubt::Entry { acl_id, entry }),
            Some((entry, _)) => AclVerdict::Entry { acl_id, entry },
            None => AclVerdict::NoEntry { acl_id },
        };
        let is_known = self.subnet.is_some_and(|(_, subnet)| !subnet.is_incomplete);
        if verdict.verdict() == Verdict::Denies && !is_known {
            return AclVerdict::Undecided(AclDoubt::UnknownSubnet { acl_id });
        }
        verdict
    }
}
