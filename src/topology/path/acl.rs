//! The hop of a network ACL.

use super::checks::{Check, describe_traffic_doubt, parts_of_ports, ranges};
use super::end::End;
use super::hop::{HopKind, HopRule, HopVerdict};
use super::segments::{Parts, Remote, SetVerdict, decide, remote_parts};
use super::walk::{Resource, Walk};
use crate::topology::describe_output::{AclEntry, Fit, own_rule_number};
use crate::topology::rules::{AclDoubt, AclVerdict, Traffic};

impl<'a> Walk<'a> {
    /// Adds the hop of the network ACL of an end's subnet.
    pub(super) fn check_acl(&mut self, end: &End<'a>, check: Check) {
        let Check { site, direction, remote } = check;
        let ports = self.ports();
        let Some(subnet_id) = end.subnet_id else {
            let resource = Resource { kind: HopKind::NetworkAcl, id: None, site };
            let reason = format!("the topology does not have the subnet of {}", end.address);
            return self.push(&resource, HopVerdict::Unknown, reason, None);
        };
        let topology = self.topology;
        let acl = topology.network_acl_of_subnet(subnet_id).ok();
        let entries = acl.map_or(&[][..], |(_, acl)| acl.entries(direction));
        let remotes = remote_parts(remote, entries.iter().filter_map(|entry| entry.block), topology.vpc_blocks());
        // An entry for other addresses or another protocol does not divide the ports.
        let matters = |entry: &&AclEntry| match remote {
            Remote::Address(address) => entry.fits(address, self.protocol, None) > Fit::No,
            Remote::Internet { .. } => entry.traffic.fits(self.protocol, None) > Fit::No,
        };
        let ports = parts_of_ports(ports, ranges(entries.iter().filter(matters).map(|entry| &entry.traffic)));
        let parts = Parts { remotes, ports, rules: entries.len() };
        let verdict = decide(&parts, |remote, dstport| {
            let traffic = Traffic { direction, remote, protocol: self.protocol, dstport };
            let verdict = topology.evaluate_network_acl(Some(subnet_id), &traffic);
            (verdict.verdict(), verdict)
        });
        self.push_acl(acl.map(|(id, _)| id), subnet_id, check, verdict);
    }

    fn push_acl(&mut self, id: Option<&'a str>, subnet_id: &str, check: Check, verdict: SetVerdict<AclVerdict<'a>>) {
        let what = self.describe(check, None);
        let (hop_verdict, reason, by) = match verdict {
            SetVerdict::Allows(by @ AclVerdict::SameSubnet { .. }) => {
                (HopVerdict::Pass, "no network ACL applies within a subnet".to_owned(), Some(by))
            }
            SetVerdict::Allows(by) => (HopVerdict::Pass, format!("{} allows {what}", rule_name(&by)), Some(by)),
            SetVerdict::Denies(by) => (HopVerdict::Block, format!("{} denies {what}", rule_name(&by)), Some(by)),
            SetVerdict::Mixed { denied, by } => {
                let part = self.describe(check, Some(denied));
                (HopVerdict::Unknown, format!("of {what}, {} denies {part}", rule_name(&by)), Some(by))
            }
            SetVerdict::Undecided(by) => (HopVerdict::Unknown, self.describe_acl_doubt(&by, subnet_id), Some(by)),
            SetVerdict::TooManyParts => (HopVerdict::Unknown, "there are too many rules to decide".to_owned(), None),
        };
        let resource = Resource { kind: HopKind::NetworkAcl, id, site: check.site };
        self.push(&resource, hop_verdict, reason, by.as_ref().and_then(acl_rule));
    }

    fn describe_acl_doubt(&self, verdict: &AclVerdict<'_>, subnet_id: &str) -> String {
        let subnet = self.label(subnet_id);
        match verdict {
            AclVerdict::Undecided(AclDoubt::SeveralAcls) => {
                format!("the topology has several network ACLs of {subnet}")
            }
            AclVerdict::Undecided(AclDoubt::Entry { entry, .. }) => {
                let doubt = describe_traffic_doubt(&entry.traffic).unwrap_or("its CIDR block cannot be read");
                format!("rule {} for {} may match: {doubt}", entry.rule_number, entry.traffic)
            }
            AclVerdict::Undecided(AclDoubt::UnknownSubnet { .. }) => {
                format!("the topology does not have {subnet}, so the traffic may stay within it")
            }
            _ => format!("the topology does not have the network ACL of {subnet}"),
        }
    }
}

/// Names the entry of a network ACL that decides: `rule 100`.
fn rule_name(verdict: &AclVerdict<'_>) -> String {
    match verdict {
        AclVerdict::Entry { entry, .. } if own_rule_number(Some(entry.rule_number)).is_some() => {
            format!("rule {}", entry.rule_number)
        }
        _ => "the default rule (*)".to_owned(),
    }
}

fn acl_rule(verdict: &AclVerdict<'_>) -> Option<HopRule> {
    match verdict {
        AclVerdict::Entry { entry, .. } | AclVerdict::Undecided(AclDoubt::Entry { entry, .. }) => {
            Some(HopRule::NetworkAcl {
                rule_number: Some(entry.rule_number),
                cidr_block: entry.block.map(|block| block.to_string()),
                traffic: Some(entry.traffic.to_string()),
            })
        }
        AclVerdict::NoEntry { .. } => Some(HopRule::NetworkAcl { rule_number: None, cidr_block: None, traffic: None }),
        AclVerdict::SameSubnet { .. } | AclVerdict::Undecided(_) => None,
    }
}
