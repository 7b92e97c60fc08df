//! `reply-blocked`: requests are let through, and their answers are refused.
//!
//! A security group is stateful: it lets the answer to what it let through pass. So a network ACL refuses it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Context, Records, Verdict};
use crate::cause::Cause;
use crate::finding::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::iana;
use crate::names::NameId;

pub(super) const MEANING: &str = "Requests are let through, but their answers are refused: only a network ACL, which \
                                  is stateless, does that.";
pub(super) const NEXT_STEP: &str = "Allow the answers in the subnet's network ACL: as a rule the ephemeral ports 1024 to \
                                    65535 towards the client.";

type Key = (Option<NameId>, IpAddr, IpAddr, u8);

pub(super) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut replies: BTreeMap<Key, Records> = BTreeMap::new();
    for judged in context.groups {
        let group = &judged.group;
        if let (Some(src), Some(dst), Some(protocol)) = (group.key.src, group.key.dst, group.key.protocol) {
            for part in group.parts.iter().filter(|part| part.cause == Cause::NetworkAcl) {
                let key = (group.key.interface, src, dst, protocol);
                replies.entry(key).or_default().add(context, group, part);
            }
        }
    }
    replies.into_iter().map(|(key, records)| finding(context, key, records)).collect()
}

fn finding(context: &Context<'_>, (interface, srcaddr, dstaddr, protocol): Key, records: Records) -> Finding {
    let verdict = Verdict {
        finding_type: FindingType::ReplyBlocked,
        severity: Severity::Medium,
        confidence: Confidence::High,
        title: format!(
            "A network ACL refuses the {} answers of {srcaddr} to {dstaddr}",
            iana::protocol(Some(protocol))
        ),
        subject: Subject::Replies { interface_id: context.interface_name(interface), srcaddr, dstaddr, protocol },
        details: Details::None {},
        evidence: [Evidence::AcceptedRequest].into(),
    };
    records.into_finding(context, verdict)
}
