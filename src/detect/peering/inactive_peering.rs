//! `inactive-peering`: records from one VPC to another that get no reply, with connections between the two of which
//! none is active.

use std::collections::BTreeSet;

use super::{View, Way};
use crate::detect::Verdict;
use crate::finding::{Details, Finding, FindingType, Severity, Subject};
use crate::peering::Noted;

pub(in crate::detect) const MEANING: &str = "Traffic goes to a VPC whose peering connection is not active, so it gets no \
                                             answer.";
pub(in crate::detect) const NEXT_STEP: &str = "Accept the connection, or make it anew, or remove the routes to it.";

pub(super) fn detect(view: &View<'_>, way: Way, ids: &BTreeSet<String>, noted: &[Noted<'_>]) -> Option<Finding> {
    let unanswered = view.unanswered(noted, |_| true)?;
    let connections = ids.iter().filter_map(|id| view.topology.connection(id));
    let statuses: BTreeSet<String> = connections.map(|connection| connection.status.clone()).collect();
    let statuses: Vec<String> = statuses.into_iter().collect();
    let peering_connection_ids: Vec<String> = ids.iter().cloned().collect();
    let verdict = Verdict {
        finding_type: FindingType::InactivePeering,
        severity: Severity::High,
        confidence: unanswered.confidence,
        title: format!(
            "{} tries to reach {} over {}, which is {}",
            view.shown(way.src),
            view.shown(way.dst),
            peering_connection_ids.join(" or "),
            statuses.join(" or ")
        ),
        subject: Subject::Vpcs { src_vpc_id: view.id(way.src), dst_vpc_id: view.id(way.dst) },
        details: Details::Inactive { peering_connection_ids, statuses },
        evidence: unanswered.evidence,
    };
    Some(unanswered.records.into_finding(view.context, verdict))
}
