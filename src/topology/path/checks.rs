//! Traffic that a network ACL or security groups evaluate: its parts, and its words.

use super::hop::HopSite;
use super::segments::{Part, PortRange, Remote, port_parts};
use super::walk::Walk;
use crate::record::{ICMP, ICMPV6, TCP, UDP, names};
use crate::topology::describe_output::{RulePorts, RuleProtocol, TrafficKind};
use crate::topology::rules::{self, RuleDirection};

/// Traffic that a network ACL or security groups evaluate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
    pub(super) site: HopSite,
    pub(super) direction: RuleDirection,
    pub(super) remote: Remote,
}

impl Walk<'_> {
    /// Describes traffic, such as `5432/TCP (postgresql) from 10.0.1.5`, or a part of it.
    pub(super) fn describe(&self, check: Check, part: Option<Part>) -> String {
        let (service, remote) = self.describe_parts(check, part);
        match check.direction {
            RuleDirection::Ingress => format!("{service} from {remote}"),
            RuleDirection::Egress => format!("{service} to {remote}"),
        }
    }

    /// Describes traffic, or a part of it, as what a rule lets pass, such as `lets 10.0.1.5 in at 5432/TCP (postgresql)`.
    pub(super) fn describe_passing(&self, check: Check, part: Option<Part>) -> String {
        let (service, remote) = self.describe_parts(check, part);
        format!("lets {}", rules::describe_passing(check.direction, &remote, &service))
    }

    /// Returns the service and the remote addresses in words.
    fn describe_parts(&self, check: Check, part: Option<Part>) -> (String, String) {
        let whole = self.ports();
        let ports = part.map_or(whole, |part| part.ports);
        let service = match ports {
            Some(range) if range.first == range.last => names::port(range.first, Some(self.protocol)),
            Some(range) => format!("{range}/{}", names::protocol(Some(self.protocol))),
            None => names::protocol(Some(self.protocol)),
        };
        let remote = match part {
            Some(part) if matches!(check.remote, Remote::Internet { .. }) => part.remotes.to_string(),
            _ => check.remote.to_string(),
        };
        (service, remote)
    }
}

/// The ranges of ports of rules.
pub(super) fn ranges<'t>(
    kinds: impl Iterator<Item = &'t TrafficKind>,
) -> impl Iterator<Item = std::ops::RangeInclusive<u16>> {
    kinds.filter_map(|kind| match &kind.ports {
        RulePorts::Range(range) => Some(range.clone()),
        RulePorts::All | RulePorts::Unknown => None,
    })
}

/// Names the part of a rule's traffic that is unknown, if there is one.
pub(super) fn describe_traffic_doubt(kind: &TrafficKind) -> Option<&'static str> {
    match (kind.protocol, &kind.ports) {
        (RuleProtocol::Unreadable, _) => Some("its protocol cannot be read"),
        (RuleProtocol::Number(TCP | UDP), RulePorts::Unknown) => Some("its ports cannot be read"),
        (RuleProtocol::Number(ICMP | ICMPV6), RulePorts::Unknown) => {
            Some("it is for some ICMP types only, or its types cannot be read")
        }
        (RuleProtocol::Number(_), RulePorts::Unknown) => Some("what it is for cannot be read"),
        _ => None,
    }
}

pub(super) fn parts_of_ports(
    ports: Option<PortRange>,
    bounds: impl Iterator<Item = std::ops::RangeInclusive<u16>>,
) -> Vec<Option<PortRange>> {
    ports.map_or_else(|| vec![None], |ports| port_parts(ports, bounds).into_iter().map(Some).collect())
}
