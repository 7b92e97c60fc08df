//! `edge-to-edge-routing`: records that leave through a peering connection for an address in no known VPC: a peer's
//! internet gateway, NAT, VPN or endpoint can't be used from here.

use super::View;
use crate::detect::{Records, Verdict};
use crate::finding::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::peering::{Beyond, Note, Noted, Origin};

pub(in crate::detect) const MEANING: &str = "Traffic leaves through a peering connection for what is in no known VPC. A \
                                             peer's internet gateway, NAT device, VPN or endpoint can't be used that \
                                             way: AWS drops it.";
pub(in crate::detect) const NEXT_STEP: &str = "Give the source's VPC a gateway of its own, or route by a transit \
                                               gateway. If the destination is a VPC of yours, add it to the topology.";

pub(super) fn detect(view: &View<'_>) -> Vec<Finding> {
    let edges = view.context.notes.iter().filter_map(|(note, noted)| match note {
        Note::Beyond(origin, beyond) => Some(finding(view, *origin, *beyond, noted)),
        _ => None,
    });
    edges.collect()
}

fn finding(view: &View<'_>, origin: Origin, beyond: Beyond, noted: &[Noted<'_>]) -> Finding {
    let mut records = Records::default();
    noted.iter().for_each(|noted| records.add_noted(view.context, noted));
    let (src_vpc_id, shown) = match origin {
        Origin::Known(vpc) => (Some(view.id(vpc)), view.shown(vpc)),
        Origin::Named(name) => {
            let name = view.context.places.name(name).to_owned();
            (Some(name.clone()), name)
        }
        Origin::Unknown => (None, "an unknown VPC".to_owned()),
    };
    let beyond_shown = match beyond {
        Beyond::Public => "the internet",
        Beyond::Private => "private addresses in no known VPC",
    };
    let verdict = Verdict {
        finding_type: FindingType::EdgeToEdgeRouting,
        severity: Severity::High,
        confidence: Confidence::High,
        title: format!("{shown} tries to reach {beyond_shown} through a peering connection"),
        subject: Subject::Edge { src_vpc_id, dst_scope: beyond.scope() },
        details: Details::None {},
        evidence: [Evidence::Topology, Evidence::TrafficPath].into(),
    };
    records.into_finding(view.context, verdict)
}
