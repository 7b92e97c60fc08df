//! `repeated-rejects`: the same connection is refused again and again.

use super::{Context, JudgedGroup, Records, Verdict};
use crate::finding::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::iana;

pub(super) const MEANING: &str = "The same connection is tried and refused again and again: as a rule a program that is \
                                  misconfigured, or a rule that is missing.";
pub(super) const NEXT_STEP: &str = "If the traffic is meant, add the rule that the cause names; if not, find the \
                                    program at the source and stop it.";

pub(super) fn detect(context: &Context<'_>) -> Vec<Finding> {
    context
        .groups
        .iter()
        .filter(|judged| judged.group.tally().flows >= context.thresholds.repeated_reject_flows)
        .map(|judged| finding(context, judged))
        .collect()
}

fn finding(context: &Context<'_>, judged: &JudgedGroup) -> Finding {
    let key = judged.group.key;
    let mut records = Records::default();
    judged.group.parts.iter().for_each(|part| records.add(context, &judged.group, part));
    let verdict = Verdict {
        finding_type: FindingType::RepeatedRejects,
        severity: Severity::Low,
        confidence: Confidence::High,
        title: format!(
            "{} was refused at {} of {} again and again",
            address(key.src),
            key.dstport.map_or_else(|| iana::protocol(key.protocol), |port| iana::port(port, key.protocol)),
            address(key.dst)
        ),
        subject: Subject::Group {
            interface_id: context.interface_name(key.interface),
            srcaddr: key.src,
            dstaddr: key.dst,
            dstport: key.dstport,
            protocol: key.protocol,
        },
        details: Details::Group { direction: judged.direction, cause: judged.group.cause() },
        evidence: [Evidence::RejectedFlows].into(),
    };
    records.into_finding(context, verdict)
}

fn address(address: Option<std::net::IpAddr>) -> String {
    address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string())
}
