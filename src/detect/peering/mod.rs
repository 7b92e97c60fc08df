//! Findings about VPC peering: each direction between two VPCs is judged by itself.

pub(super) mod ambiguous_address;
pub(super) mod edge_to_edge_routing;
pub(super) mod inactive_peering;
pub(super) mod one_way_peering;
pub(super) mod peering_path_mismatch;
pub(super) mod rejected_peering;
pub(super) mod transitive_peering;
pub(super) mod unpeered_vpc;

use std::collections::BTreeSet;

use super::{Context, Records};
use crate::finding::{Confidence, Evidence, Finding};
use crate::peering::{Note, Noted};
use crate::topology::{Relation, Topology, VpcNumber};

/// One direction between two VPCs.
#[derive(Debug, Clone, Copy)]
struct Way {
    src: VpcNumber,
    dst: VpcNumber,
}

/// What the detectors of peering look at.
struct View<'a> {
    context: &'a Context<'a>,
    topology: &'a Topology,
}

pub(super) fn detect(context: &Context<'_>, topology: &Topology) -> Vec<Finding> {
    let view = View { context, topology };
    let mut findings = Vec::new();
    for (note, noted) in context.notes {
        if let Note::Between(src, dst) = *note {
            let way = Way { src, dst };
            findings.extend(match topology.relation(src, dst) {
                Relation::Peered(id) => {
                    [one_way_peering::detect(&view, way, id, noted), rejected_peering::detect(&view, way, id, noted)]
                }
                Relation::Inactive(ids) => [inactive_peering::detect(&view, way, ids, noted), None],
                Relation::None => {
                    [transitive_peering::detect(&view, way, noted), unpeered_vpc::detect(&view, way, noted)]
                }
            });
        }
    }
    let mut findings: Vec<Finding> = findings.into_iter().flatten().collect();
    findings.extend(peering_path_mismatch::detect(&view));
    findings.extend(edge_to_edge_routing::detect(&view));
    findings.extend(ambiguous_address::detect(&view));
    findings
}

impl View<'_> {
    fn id(&self, vpc: VpcNumber) -> String {
        self.topology.vpc(vpc).id.clone()
    }

    fn ids(&self, vpcs: impl IntoIterator<Item = VpcNumber>) -> Vec<String> {
        vpcs.into_iter().map(|vpc| self.id(vpc)).collect()
    }

    /// A VPC as a network engineer names it: `10.1.0.0/16 (vpc-a)`.
    fn shown(&self, vpc: VpcNumber) -> String {
        let vpc = self.topology.vpc(vpc);
        match &vpc.blocks[..] {
            [] => vpc.id.clone(),
            [one] => format!("{one} ({})", vpc.id),
            [first, more @ ..] => format!("{first} and {} more ({})", more.len(), vpc.id),
        }
    }

    /// The records without a reply, and what that is worth.
    fn unanswered(&self, noted: &[Noted<'_>], which: impl Fn(&Noted<'_>) -> bool) -> Option<Unanswered> {
        let mut records = Records::default();
        let mut evidence = BTreeSet::from([Evidence::Topology, Evidence::NoReply]);
        for noted in noted.iter().filter(|noted| !noted.has_reply && which(noted)) {
            records.add_noted(self.context, noted);
            evidence.extend(noted.sums.through_peering.then_some(Evidence::TrafficPath));
            evidence.extend(noted.sums.has_flags.then_some(Evidence::TcpFlags));
        }
        if records.tally.flows == 0 {
            return None;
        }
        // `traffic-path` shows that the records left through a peering connection. Without it they may have gone
        // elsewhere, to a transit gateway say, and be answered where nothing is logged.
        let mut confidence =
            if evidence.contains(&Evidence::TrafficPath) { Confidence::High } else { Confidence::Medium };
        if !self.context.accepts_are_logged {
            // Replies are accepted records: a log of rejects alone can't have any.
            confidence = Confidence::Low;
            evidence.insert(Evidence::NoAcceptedRecords);
        }
        Some(Unanswered { records, confidence, evidence })
    }
}

/// Records without a reply.
struct Unanswered {
    records: Records,
    confidence: Confidence,
    evidence: BTreeSet<Evidence>,
}
