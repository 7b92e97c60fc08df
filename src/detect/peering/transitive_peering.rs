//! `transitive-peering`: records from one VPC to another that get no reply, with no connection between the two, but a
//! VPC that is peered with both. Peering is not transitive.

use super::{View, Way};
use crate::detect::Verdict;
use crate::finding::{Details, Finding, FindingType, Severity, Subject};
use crate::peering::Noted;

pub(in crate::detect) const MEANING: &str = "Traffic tries to pass through a peered VPC to a third one. Peering is not \
                                             transitive: AWS drops it.";
pub(in crate::detect) const NEXT_STEP: &str = "Peer the two VPCs directly, or connect them by a transit gateway; or \
                                               remove the route that leads there.";

pub(super) fn detect(view: &View<'_>, way: Way, noted: &[Noted<'_>]) -> Option<Finding> {
    let via = view.topology.between(way.src, way.dst);
    if via.is_empty() {
        return None;
    }
    let unanswered = view.unanswered(noted, |_| true)?;
    let via_vpc_ids = view.ids(via);
    let verdict = Verdict {
        finding_type: FindingType::TransitivePeering,
        severity: Severity::High,
        confidence: unanswered.confidence,
        title: format!(
            "{} tries to reach {} through {}; peering is not transitive: peer them directly or use a transit gateway",
            view.shown(way.src),
            view.shown(way.dst),
            via_vpc_ids.join(" or ")
        ),
        subject: Subject::Vpcs { src_vpc_id: view.id(way.src), dst_vpc_id: view.id(way.dst) },
        details: Details::Via { via_vpc_ids },
        evidence: unanswered.evidence,
    };
    Some(unanswered.records.into_finding(view.context, verdict))
}
