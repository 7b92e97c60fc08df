//! `transit-gateway-loss`: a transit gateway lost packets between two attachments.

use super::Context;
use super::evidence::{FindingDraft, MatchedFlows};
use crate::aggregate::interner::Symbol;
use crate::aggregate::transit_gateway::{Loss, LossKey};
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::record::LossReason;

pub(super) const MEANING: &str = "A transit gateway dropped packets: it has no route for them, the route is a blackhole, or they are too \
                                  large or too old.";
pub(super) const NEXT_STEP: &str = "no-route or blackhole: check the route table that is associated with the source attachment. \
                                    mtu-exceeded: send at most 8,500 bytes. ttl-expired: look for a routing loop.";

pub(super) fn detect(context: &Context<'_>) -> Vec<Finding> {
    context.losses.iter().map(|(key, loss)| finding(context, key, loss)).collect()
}

fn finding(context: &Context<'_>, key: LossKey, loss: &Loss) -> Finding {
    let name = |id: Option<Symbol>| id.map(|id| context.losses.name(id).to_owned());
    let (tgw_id, src, dst) = (name(key.gateway), name(key.src_vpc), name(key.dst_vpc));
    let label = |id: &Option<String>, unknown: &str| {
        id.as_deref().map_or_else(|| unknown.to_owned(), |id| context.network.resource_label(id))
    };
    let draft = FindingDraft {
        finding_type: FindingType::TransitGatewayLoss,
        severity: Severity::Medium,
        confidence: Confidence::High,
        title: format!(
            "{} lost {} {} from {} to {}: {}",
            label(&tgw_id, "A transit gateway"),
            loss.tally.packets,
            if loss.tally.packets == 1 { "packet" } else { "packets" },
            label(&src, "an unknown VPC"),
            label(&dst, "an unknown VPC"),
            explain(key.reason)
        ),
        subject: Subject::TransitGateway { tgw_id, tgw_src_vpc_id: src, tgw_dst_vpc_id: dst, reason: key.reason },
        details: Details::None {},
        evidence: [Evidence::TransitGatewayRecords].into(),
    };
    MatchedFlows::from_sums(loss.tally, loss.seen).into_finding(context, draft)
}

fn explain(reason: LossReason) -> &'static str {
    match reason {
        LossReason::NoRoute => "no route",
        LossReason::Blackhole => "blackhole route",
        LossReason::MtuExceeded => "larger than the MTU",
        LossReason::TtlExpired => "TTL expired",
    }
}
