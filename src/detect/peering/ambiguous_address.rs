//! `ambiguous-address`: records with an address in a block that several VPCs have, where nothing tells which is meant.

use super::View;
use crate::detect::{Records, Verdict};
use crate::finding::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::peering::{Note, Noted};
use crate::topology::TieNumber;

pub(in crate::detect) const MEANING: &str = "Several VPCs have the same block, and nothing tells which of them an address \
                                             is in: its traffic makes no other finding about peering.";
pub(in crate::detect) const NEXT_STEP: &str = "Log with `vpc-id`, or add the interfaces to the topology; in the long run \
                                               give each VPC blocks of its own.";

pub(super) fn detect(view: &View<'_>) -> Vec<Finding> {
    let ties = view.context.notes.iter().filter_map(|(note, noted)| match note {
        Note::Ambiguous(tie) => Some(finding(view, *tie, noted)),
        _ => None,
    });
    ties.collect()
}

fn finding(view: &View<'_>, tie: TieNumber, noted: &[Noted<'_>]) -> Finding {
    let mut records = Records::default();
    noted.iter().for_each(|noted| records.add_noted(view.context, noted));
    let tie = view.topology.block(tie);
    let vpc_ids = view.ids(tie.vpcs.iter().copied());
    let verdict = Verdict {
        finding_type: FindingType::AmbiguousAddress,
        severity: Severity::Low,
        confidence: Confidence::High,
        title: format!("Addresses in {} may be in {}", tie.block, vpc_ids.join(" or ")),
        subject: Subject::Block { cidr_block: tie.block },
        details: Details::Tied { vpc_ids },
        evidence: [Evidence::Topology].into(),
    };
    records.into_finding(view.context, verdict)
}
