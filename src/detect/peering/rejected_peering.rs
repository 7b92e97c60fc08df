//! `rejected-peering`: rejected records from one peered VPC to the other.

use super::{View, Way};
use crate::detect::{Records, Verdict};
use crate::finding::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::peering::Noted;
use crate::record::Action;

pub(in crate::detect) const MEANING: &str = "Traffic between peered VPCs is refused by a security group or a network \
                                             ACL.";
pub(in crate::detect) const NEXT_STEP: &str = "If it is meant, allow the peer's blocks, or in one region its security \
                                               groups; if not, find the program at the source.";

pub(super) fn detect(view: &View<'_>, way: Way, id: &str, noted: &[Noted<'_>]) -> Option<Finding> {
    let mut records = Records::default();
    for noted in noted.iter().filter(|noted| noted.action == Action::Reject) {
        records.add_noted(view.context, noted);
    }
    if records.tally.flows == 0 {
        return None;
    }
    let verdict = Verdict {
        finding_type: FindingType::RejectedPeering,
        severity: Severity::Medium,
        confidence: Confidence::High,
        title: format!("Traffic from {} to {} over {id} is refused", view.shown(way.src), view.shown(way.dst)),
        subject: Subject::Peers {
            src_vpc_id: view.id(way.src),
            dst_vpc_id: view.id(way.dst),
            peering_connection_id: id.to_owned(),
        },
        details: Details::None {},
        evidence: [Evidence::Topology, Evidence::RejectedFlows].into(),
    };
    Some(records.into_finding(view.context, verdict))
}
