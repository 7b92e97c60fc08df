//! `egress-blocked`: an interface is refused its way to public addresses.
//!
//! Late packets and answers do not count: they belong to what was let through.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Context, JudgedGroup, Records, Verdict, is_own_attempt};
use crate::address;
use crate::finding::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::names::NameId;
use crate::record::Direction;

pub(super) const MEANING: &str = "A host of yours tries to reach the internet and is refused: a rule is missing, or it \
                                  does what it should not.";
pub(super) const NEXT_STEP: &str = "See which destinations it tries. If they are meant, allow them in the security \
                                    group and the network ACL; if not, look at the host: malware calls home this way.";

#[derive(Default)]
struct Blocked {
    records: Records,
    destinations: BTreeSet<IpAddr>,
    evidence: BTreeSet<Evidence>,
}

pub(super) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut interfaces: BTreeMap<Option<NameId>, Blocked> = BTreeMap::new();
    for judged in context.groups.iter().filter(|judged| judged.direction == Direction::Egress) {
        if let Some(dst) = judged.group.key.dst.filter(|dst| address::is_public(*dst)) {
            interfaces.entry(judged.group.key.interface).or_default().add(context, judged, dst);
        }
    }
    interfaces
        .into_iter()
        .filter(|(_, blocked)| blocked.records.tally.flows >= context.thresholds.egress_blocked_flows)
        .map(|(interface, blocked)| blocked.into_finding(context, interface))
        .collect()
}

impl Blocked {
    fn add(&mut self, context: &Context<'_>, judged: &JudgedGroup, dst: IpAddr) {
        for part in judged.group.parts.iter().filter(|part| is_own_attempt(part)) {
            self.records.add(context, &judged.group, part);
            self.destinations.insert(dst);
            self.evidence.extend(judged.direction_from);
        }
    }

    fn into_finding(self, context: &Context<'_>, interface: Option<NameId>) -> Finding {
        let interface_id = context.interface_name(interface);
        let distinct_hosts = self.destinations.len() as u64;
        let inferred = self.evidence.contains(&Evidence::ConstantAddress);
        let verdict = Verdict {
            finding_type: FindingType::EgressBlocked,
            severity: Severity::Medium,
            confidence: if inferred { Confidence::Medium } else { Confidence::High },
            title: format!(
                "{} was refused its way to {distinct_hosts} public {}",
                interface_id.as_deref().unwrap_or("an unnamed interface"),
                if distinct_hosts == 1 { "address" } else { "addresses" }
            ),
            subject: Subject::Interface { interface_id },
            details: Details::Hosts { distinct_hosts },
            evidence: self.evidence,
        };
        self.records.into_finding(context, verdict)
    }
}
