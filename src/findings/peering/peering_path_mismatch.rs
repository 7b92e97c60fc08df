//! `peering-path-mismatch`: records between peered VPCs whose `traffic-path` is not the peering connection.

use std::collections::{BTreeMap, BTreeSet};

use super::{PeeringContext, VpcDirection};
use crate::aggregate::peering::{AddressPair, PEERING_PATHS, SAME_VPC_PATH, TrafficClass};
use crate::findings::evidence::{FindingDraft, MatchedFlows};
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::topology::{PeeringStatus, VpcIndex};

pub(in crate::findings) const MEANING: &str = "Traffic between peered VPCs does not use the peering connection, but a \
                                             gateway, a VPN or the internet.";
pub(in crate::findings) const NEXT_STEP: &str = "Check the source's route table: the most specific route to the peer's CIDR \
                                               blocks should target the peering connection.";

#[derive(Default)]
struct Mismatch {
    flows: MatchedFlows,
    addresses: Vec<AddressPair>,
    traffic_paths: BTreeSet<u64>,
}

pub(super) fn detect(peering: &PeeringContext<'_>) -> Vec<Finding> {
    let mut mismatches: BTreeMap<(VpcIndex, VpcIndex), Mismatch> = BTreeMap::new();
    for (class, view) in peering.context.classes {
        if let TrafficClass::Path(src, dst, path) = *class
            && path != SAME_VPC_PATH
            && !expected_paths(peering, src, dst).contains(&path)
        {
            let mismatch = mismatches.entry((src, dst)).or_default();
            mismatch.traffic_paths.insert(path);
            mismatch.addresses.extend(view.flows().map(|flows| flows.addresses));
            mismatch.flows.add_class(peering.context, view);
        }
    }
    mismatches
        .into_iter()
        .filter_map(|((src, dst), mismatch)| finding(peering, VpcDirection { src, dst }, mismatch))
        .collect()
}

/// Returns the values of `traffic-path` for a peering connection between two VPCs. Both values are possible if a region is unknown.
fn expected_paths(peering: &PeeringContext<'_>, src: VpcIndex, dst: VpcIndex) -> &'static [u64] {
    let (within_region, between_regions) = const { PEERING_PATHS.split_at(1) };
    match (&peering.topology.vpc(src).region, &peering.topology.vpc(dst).region) {
        (Some(a), Some(b)) if a == b => within_region,
        (Some(_), Some(_)) => between_regions,
        _ => &PEERING_PATHS,
    }
}

fn finding(peering: &PeeringContext<'_>, direction: VpcDirection, mismatch: Mismatch) -> Option<Finding> {
    let PeeringStatus::Peered(id) = peering.topology.peering_status(direction.src, direction.dst) else { return None };
    let paths: Vec<&str> = mismatch.traffic_paths.iter().map(|path| path_name(*path)).collect();
    let route_table_ids = peering.source_tables(direction.src, &mismatch.addresses, |route| {
        route.is_some_and(|route| !peering.topology.leads_between(route, direction.src, direction.dst))
    });
    let draft = FindingDraft {
        finding_type: FindingType::PeeringPathMismatch,
        severity: Severity::Medium,
        confidence: Confidence::High,
        title: format!(
            "Traffic from {} to {} takes {} instead of {}{}",
            peering.format_vpc(direction.src),
            peering.format_vpc(direction.dst),
            paths.join(" and "),
            peering.label(id),
            peering.route_note(&route_table_ids)
        ),
        subject: Subject::Peers {
            src_vpc_id: peering.id(direction.src),
            dst_vpc_id: peering.id(direction.dst),
            peering_connection_id: id.to_owned(),
        },
        details: Details::Paths { traffic_paths: mismatch.traffic_paths.into_iter().collect(), route_table_ids },
        evidence: [Evidence::Topology, Evidence::TrafficPath].into(),
    };
    Some(mismatch.flows.into_finding(peering.context, draft))
}

/// Returns the meaning of a value of `traffic-path`, from
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

#[cfg(test)]
mod tests {
    use super::super::tests::{detect_in, json, record, records};
    use super::*;

    const TYPE: FindingType = FindingType::PeeringPathMismatch;

    /// Returns the paths that are reported as a mismatch, of records with these paths from one host to another.
    fn mismatches(ends: &str, paths: &[&str]) -> Vec<u64> {
        let log = paths.iter().flat_map(|path| records(1, "eni-1", ends, &format!("6 ACCEPT 2 {path} -")));
        match &detect_in(TYPE, log.collect())[..] {
            [] => Vec::new(),
            [Finding { details: Details::Paths { traffic_paths, .. }, .. }] => traffic_paths.clone(),
            other => panic!("{other:?}"),
        }
    }

    const ALL: [&str; 10] = ["-", "0", "1", "2", "3", "4", "5", "6", "7", "8"];

    #[test]
    fn traffic_between_peers_through_another_gateway_is_found() {
        let mut log = records(2, "eni-a", "10.1.0.5 10.2.0.7 443", "6 ACCEPT 2 8 vpc-a");
        log.push(record("eni-a", "10.1.0.5 10.2.0.8 60009 22", "6 REJECT 2 3 vpc-a"));
        log.extend(records(7, "eni-a", "10.1.0.5 10.2.0.7 443", "6 ACCEPT 2 4 vpc-a"));
        let findings = detect_in(TYPE, log);
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::Medium, Confidence::High));
        assert_eq!(
            finding.title,
            "Traffic from 10.1.0.0/16 (vpc-a) to 10.2.0.0/16 (vpc-b) takes a virtual private gateway and an internet \
             gateway instead of pcx-ab"
        );
        assert_eq!(
            json(&finding.subject),
            r#"{"src_vpc_id":"vpc-a","dst_vpc_id":"vpc-b","peering_connection_id":"pcx-ab"}"#
        );
        assert_eq!(json(&finding.details), r#"{"traffic_paths":[3,8],"route_table_ids":[]}"#);
        assert_eq!(finding.evidence, [Evidence::Topology, Evidence::TrafficPath].into());
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (3, 30, 1200));
        assert_eq!(finding.examples.len(), 2);
    }

    #[test]
    fn path_4_is_expected_within_a_region() {
        assert_eq!(mismatches("10.1.0.5 10.2.0.7 443", &ALL), [0, 2, 3, 5, 6, 7, 8]);
        assert_eq!(mismatches("10.1.0.5 10.2.0.7 443", &["4", "1", "-"]), [0; 0]);
    }

    #[test]
    fn path_5_is_expected_between_regions() {
        assert_eq!(mismatches("10.2.0.5 10.3.0.7 443", &ALL), [0, 2, 3, 4, 6, 7, 8]);
        assert_eq!(mismatches("10.3.0.5 10.2.0.7 443", &["5"]), [0; 0]);
    }

    #[test]
    fn paths_4_and_5_are_expected_if_a_region_is_unknown() {
        assert_eq!(mismatches("10.1.0.5 10.8.0.7 443", &ALL), [0, 2, 3, 6, 7, 8]);
        assert_eq!(mismatches("10.8.0.5 10.1.0.7 443", &["4", "5"]), [0; 0]);
    }

    #[test]
    fn vpcs_that_are_not_peered_are_ignored() {
        for dst in ["10.3.0.7", "10.4.0.7", "10.5.0.7", "10.1.0.7", "10.77.0.7", "8.8.8.8"] {
            assert_eq!(mismatches(&format!("10.1.0.5 {dst} 443"), &["2", "3", "8"]), [0; 0], "{dst}");
        }
    }

    #[test]
    fn a_reply_does_not_suppress_it() {
        let log = vec![
            record("eni-a", "10.1.0.5 10.2.0.7 60000 443", "6 ACCEPT 2 3 vpc-a"),
            record("eni-a", "10.2.0.7 10.1.0.5 443 60000", "6 ACCEPT 18 - vpc-a"),
        ];
        assert_eq!(detect_in(TYPE, log)[0].tally.flows, 1);
    }
}
