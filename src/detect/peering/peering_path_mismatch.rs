//! `peering-path-mismatch`: records between peered VPCs that say to have taken another path than the peering.

use std::collections::{BTreeMap, BTreeSet};

use super::{View, Way};
use crate::detect::{Records, Verdict};
use crate::finding::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::peering::{Note, PEERING_PATHS, SAME_VPC_PATH};
use crate::topology::{Relation, VpcNumber};

pub(in crate::detect) const MEANING: &str = "Traffic between peered VPCs takes another path than the peering: a gateway, \
                                             a VPN, or the internet.";
pub(in crate::detect) const NEXT_STEP: &str = "Look at the source's route table: the most specific route to the peer's \
                                               blocks should lead to the peering connection.";

#[derive(Default)]
struct Mismatch {
    records: Records,
    traffic_paths: BTreeSet<u64>,
}

pub(super) fn detect(view: &View<'_>) -> Vec<Finding> {
    let mut mismatches: BTreeMap<(VpcNumber, VpcNumber), Mismatch> = BTreeMap::new();
    for (note, noted) in view.context.notes {
        if let Note::Path(src, dst, path) = *note
            && path != SAME_VPC_PATH
            && !expected(view, src, dst).contains(&path)
        {
            let mismatch = mismatches.entry((src, dst)).or_default();
            mismatch.traffic_paths.insert(path);
            noted.iter().for_each(|noted| mismatch.records.add_noted(view.context, noted));
        }
    }
    mismatches.into_iter().filter_map(|((src, dst), mismatch)| finding(view, Way { src, dst }, mismatch)).collect()
}

/// The paths of a peering connection between the two.
fn expected(view: &View<'_>, src: VpcNumber, dst: VpcNumber) -> &'static [u64] {
    let (within_region, between_regions) = const { PEERING_PATHS.split_at(1) };
    match (&view.topology.vpc(src).region, &view.topology.vpc(dst).region) {
        (Some(a), Some(b)) if a == b => within_region,
        (Some(_), Some(_)) => between_regions,
        _ => &PEERING_PATHS,
    }
}

fn finding(view: &View<'_>, way: Way, mismatch: Mismatch) -> Option<Finding> {
    let Relation::Peered(id) = view.topology.relation(way.src, way.dst) else { return None };
    let paths: Vec<&str> = mismatch.traffic_paths.iter().map(|path| path_name(*path)).collect();
    let verdict = Verdict {
        finding_type: FindingType::PeeringPathMismatch,
        severity: Severity::Medium,
        confidence: Confidence::High,
        title: format!(
            "Traffic from {} to {} takes {} instead of {id}",
            view.shown(way.src),
            view.shown(way.dst),
            paths.join(" and ")
        ),
        subject: Subject::Peers {
            src_vpc_id: view.id(way.src),
            dst_vpc_id: view.id(way.dst),
            peering_connection_id: id.to_owned(),
        },
        details: Details::Paths { traffic_paths: mismatch.traffic_paths.into_iter().collect() },
        evidence: [Evidence::Topology, Evidence::TrafficPath].into(),
    };
    Some(mismatch.records.into_finding(view.context, verdict))
}

/// What AWS says the values of `traffic-path` are:
/// <https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>.
fn path_name(path: u64) -> &'static str {
    match path {
        2 => "an internet gateway or a gateway endpoint",
        3 => "a virtual private gateway",
        4 => "a peering connection within the region",
        5 => "a peering connection between regions",
        6 => "a Local Zone or Wavelength Zone",
        7 => "a gateway endpoint",
        8 => "an internet gateway",
        _ => "an unknown path",
    }
}
