//! `one-way-peering`: accepted TCP records from one peered VPC to the other that get no reply: as a rule, the way back is
//! missing.

use super::{View, Way};
use crate::detect::Verdict;
use crate::finding::{Details, Finding, FindingType, Severity, Subject};
use crate::peering::Noted;

pub(in crate::detect) const MEANING: &str = "Connections to a peered VPC are let out and get no answer: as a rule the \
                                             peer has no route back, or refuses them.";
pub(in crate::detect) const NEXT_STEP: &str = "Look at the peer's route tables for the way back, then at its security \
                                               groups and network ACLs.";

pub(super) fn detect(view: &View<'_>, way: Way, id: &str, noted: &[Noted<'_>]) -> Option<Finding> {
    let unanswered = view.unanswered(noted, |noted| noted.is_accepted_tcp())?;
    if unanswered.records.tally.flows < view.context.thresholds.one_way_min_flows {
        return None;
    }
    let some_answered = noted.iter().any(|noted| noted.is_accepted_tcp() && noted.has_reply);
    let verdict = Verdict {
        finding_type: FindingType::OneWayPeering,
        severity: if some_answered { Severity::Medium } else { Severity::High },
        confidence: unanswered.confidence,
        title: format!(
            "{} of the TCP traffic from {} to {} over {id} gets an answer",
            if some_answered { "Only some" } else { "None" },
            view.shown(way.src),
            view.shown(way.dst)
        ),
        subject: Subject::Peers {
            src_vpc_id: view.id(way.src),
            dst_vpc_id: view.id(way.dst),
            peering_connection_id: id.to_owned(),
        },
        details: Details::None {},
        evidence: unanswered.evidence,
    };
    Some(unanswered.records.into_finding(view.context, verdict))
}
