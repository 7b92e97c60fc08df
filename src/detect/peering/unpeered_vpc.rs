//! `unpeered-vpc`: records from one VPC to another that get no reply, with nothing that connects the two.

use super::{View, Way};
use crate::detect::Verdict;
use crate::finding::{Details, Finding, FindingType, Severity, Subject};
use crate::peering::Noted;

pub(in crate::detect) const MEANING: &str = "Traffic tries to reach a VPC that no peering connection leads to, not even \
                                             by way of a third.";
pub(in crate::detect) const NEXT_STEP: &str = "If the two are to talk, peer them or connect them by a transit gateway; \
                                               if not, find the program at the source: its address book is wrong.";

pub(super) fn detect(view: &View<'_>, way: Way, noted: &[Noted<'_>]) -> Option<Finding> {
    if !view.topology.between(way.src, way.dst).is_empty() {
        return None;
    }
    let unanswered = view.unanswered(noted, |_| true)?;
    let verdict = Verdict {
        finding_type: FindingType::UnpeeredVpc,
        severity: Severity::Medium,
        confidence: unanswered.confidence,
        title: format!(
            "{} tries to reach {}, and no peering connection leads there",
            view.shown(way.src),
            view.shown(way.dst)
        ),
        subject: Subject::Vpcs { src_vpc_id: view.id(way.src), dst_vpc_id: view.id(way.dst) },
        details: Details::None {},
        evidence: unanswered.evidence,
    };
    Some(unanswered.records.into_finding(view.context, verdict))
}
