//! `no-answer`: connections from an interface to one address and port that are accepted but get no answer.
//!
//! The records show a SYN and nothing else, and no accepted record goes the other way. Traffic between two known VPCs is left to the
//! peering detectors.

use super::Context;
use super::evidence::{FindingDraft, MatchedFlows, describe_obstacle};
use crate::aggregate::unanswered::UnansweredGroup;
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::record::{TCP, names};

pub(super) const MEANING: &str = "Connections from one of your interfaces to this address and port are accepted, but nothing \
                                  answers them: the host is down, does not listen, or its answers take another way.";
pub(super) const NEXT_STEP: &str = "Check whether the destination runs and listens, then the firewalls and routes on the way \
                                    to it and back.";

pub(super) fn detect(context: &Context<'_>) -> Vec<Finding> {
    if context.network.topology.is_none() {
        // Without known VPCs, traffic between VPCs cannot be left to the peering detectors.
        return Vec::new();
    }
    let groups = context.openings.unanswered(context.thresholds.no_answer_flows, context.accepted, &context.network);
    let groups = groups.into_iter().filter(|group| context.is_identified(group.interface));
    groups.map(|group| finding(context, &group)).collect()
}

fn finding(context: &Context<'_>, group: &UnansweredGroup) -> Finding {
    let mut flows = MatchedFlows::default();
    for source in &group.sources {
        flows.add_opening(context, group, source);
    }
    let UnansweredGroup { interface, dst: dstaddr, dstport, .. } = *group;
    let recorder = context.network.interface_recorder(interface);
    // Evidence counts if it is that of every record.
    let direction = match (group.all_directed, group.some_directed) {
        (true, _) => Some(Evidence::FlowDirection),
        (false, false) => Some(Evidence::Topology),
        (false, true) => None,
    };
    // An answer may be among the records of another part, which is closed.
    let confidence = if context.completeness.answers { Confidence::High } else { context.confidence_in_absence() };
    let explanation = flows.explain_sent(context);
    let draft = FindingDraft {
        finding_type: FindingType::NoAnswer,
        severity: if context.is_public(dstaddr) { Severity::Low } else { Severity::Medium },
        confidence,
        title: format!(
            "{} gets no answer from {} at {}{}",
            context.network.interface_label(interface).as_deref().unwrap_or("An unnamed interface"),
            context.network.address_label(dstaddr, recorder),
            names::port(dstport, Some(TCP)),
            describe_obstacle(context, explanation.as_deref())
        ),
        subject: Subject::Target { interface_id: context.interface_name(interface), dstaddr, dstport },
        details: Details::Answerer {
            dst_interface_id: context.network.endpoint(Some(dstaddr), recorder).interface_id,
            explanation,
        },
        evidence: [Evidence::TcpFlags, Evidence::NoReply].into_iter().chain(direction).collect(),
    };
    flows.into_finding(context, draft)
}
