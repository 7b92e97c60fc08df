//! `transitive-peering`: records from one VPC to another that get no reply. The two have no connection, but another VPC is
//! peered with both. Peering is not transitive.

use super::{PeeringContext, VpcDirection};
use crate::aggregate::peering::ClassView;
use crate::findings::evidence::FindingDraft;
use crate::findings::types::{Details, Finding, FindingType, Severity, Subject};
use crate::topology::describe_output::Route;

pub(in crate::findings) const MEANING: &str = "Traffic tries to reach a third VPC through a peered VPC. Peering is not \
                                             transitive: AWS drops it.";
pub(in crate::findings) const NEXT_STEP: &str = "Peer the two VPCs directly or connect them with a transit gateway; \
                                               otherwise remove the route.";

pub(super) fn detect(peering: &PeeringContext<'_>, direction: VpcDirection, view: &ClassView<'_>) -> Option<Finding> {
    let via = peering.topology.common_peers(direction.src, direction.dst);
    if via.is_empty() {
        return None;
    }
    let unanswered = peering.unanswered(view, |_| true)?;
    let leads_astray = |route: Option<&Route>| {
        route.is_some_and(|route| via.iter().any(|via| peering.topology.leads_between(route, direction.src, *via)))
    };
    let route_table_ids = peering.source_tables(direction.src, &unanswered.addresses, leads_astray);
    let via_vpc_ids = peering.ids(via);
    let explanation = unanswered.flows.explain_between(peering.context, (direction.src, direction.dst), |_, _| None);
    let draft = FindingDraft {
        finding_type: FindingType::TransitivePeering,
        severity: Severity::High,
        confidence: unanswered.confidence_in_detour(peering.context),
        title: format!(
            "{} tries to reach {} through {}; peering is not transitive: peer them directly or use a transit gateway{}{}",
            peering.format_vpc(direction.src),
            peering.format_vpc(direction.dst),
            peering.labels(&via_vpc_ids),
            peering.route_note(&route_table_ids),
            unanswered.delivery_note()
        ),
        subject: Subject::Vpcs { src_vpc_id: peering.id(direction.src), dst_vpc_id: peering.id(direction.dst) },
        details: Details::Via { via_vpc_ids, route_table_ids, explanation },
        evidence: unanswered.evidence,
    };
    Some(unanswered.flows.into_finding(peering.context, draft))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{connection, detect_in, detect_with, gap, json, pairs, record, records, summarize};
    use super::*;
    use crate::findings::types::{Confidence, Evidence};

    const TYPE: FindingType = FindingType::TransitivePeering;
    const ATTEMPT: &str = "6 ACCEPT 2 4 vpc-a";

    fn attempts() -> Vec<String> {
        records(3, "eni-a", "10.1.0.5 10.3.0.7 443", ATTEMPT)
    }

    #[test]
    fn traffic_to_a_third_vpc_through_a_peer_is_found() {
        let mut log = attempts();
        log.push(record("eni-a", "10.1.0.5 10.3.0.8 60030 22", "6 REJECT 2 - vpc-a"));
        let findings = detect_in(TYPE, log);
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence, finding.exact), (Severity::High, Confidence::High, true));
        assert_eq!(
            finding.title,
            "10.1.0.0/16 (vpc-a) tries to reach 10.3.0.0/16 (vpc-c) through vpc-b; peering is not \
             transitive: peer them directly or use a transit gateway"
        );
        assert_eq!(json(&finding.subject), r#"{"src_vpc_id":"vpc-a","dst_vpc_id":"vpc-c"}"#);
        assert_eq!(json(&finding.details), r#"{"via_vpc_ids":["vpc-b"],"route_table_ids":[],"explanation":null}"#);
        assert_eq!(json(&finding.evidence), r#"["no-reply","tcp-flags","topology"]"#);
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (4, 40, 1600));
        assert_eq!(json(&finding.seen.first_seen), r#""2026-11-23T06:00:00Z""#);
        assert_eq!(json(&finding.seen.last_seen), r#""2026-11-23T06:01:30Z""#);
        assert_eq!(
            json(&finding.examples),
            r#"[{"interface_id":"eni-a","srcaddr":"10.1.0.5","dstaddr":"10.3.0.7","srcport":60000,"dstport":443,"protocol":6,"action":"ACCEPT"},"#
                .to_owned()
                + r#"{"interface_id":"eni-a","srcaddr":"10.1.0.5","dstaddr":"10.3.0.8","srcport":60030,"dstport":22,"protocol":6,"action":"REJECT"}]"#
        );
    }

    #[test]
    fn traffic_that_arrived_is_noted() {
        let finding = &detect_in(TYPE, records(3, "eni-c", "10.1.0.5 10.3.0.7 443", "6 ACCEPT 2 - vpc-c"))[0];
        assert!(finding.evidence.contains(&Evidence::SeenAtDestination));
        assert!(finding.title.ends_with("; some traffic arrived, so another path exists"), "{}", finding.title);
    }

    #[test]
    fn flags_or_a_peering_path_of_each_record_give_confidence() {
        let rated = |fields: &[&str]| {
            let record = |(n, fields): (usize, &&str)| {
                record("eni-a", &format!("10.1.0.5 10.3.0.7 {} 443", 60_000 + n), &format!("6 ACCEPT {fields} vpc-a"))
            };
            let finding = detect_in(TYPE, fields.iter().enumerate().map(record).collect()).remove(0);
            let [flags, path] =
                [Evidence::TcpFlags, Evidence::TrafficPath].map(|kind| finding.evidence.contains(&kind));
            (finding.confidence, flags, path)
        };
        assert_eq!(rated(&["2 -", "2 3"]), (Confidence::High, true, false));
        assert_eq!(rated(&["- 4", "- 5"]), (Confidence::High, false, true));
        assert_eq!(rated(&["2 -", "- 4"]), (Confidence::High, false, false));
        assert_eq!(rated(&["2 4", "- -"]), (Confidence::Low, false, false));
        assert_eq!(rated(&["- 3"]), (Confidence::Low, false, false));
    }

    #[test]
    fn the_misleading_route_table_is_named() {
        let table = r#"{"RouteTables": [{"RouteTableId": "rtb-a", "VpcId": "vpc-a", "Associations": [{"Main": true}],
            "Routes": [{"DestinationCidrBlock": "10.3.0.0/16", "VpcPeeringConnectionId": "pcx-ab", "State": "active"}]}]}"#;
        let finding = &detect_with(&[table.to_owned()], TYPE, attempts())[0];
        let Details::Via { route_table_ids, explanation: Some(hop), .. } = &finding.details else {
            panic!("{:?}", finding.details)
        };
        assert_eq!(route_table_ids, &["rtb-a"]);
        let reason =
            "peering connection pcx-ab: it leads only to vpc-b, and 10.3.0.7 is in vpc-c: peering is not transitive";
        assert_eq!(hop.in_words(), reason);
        assert!(finding.title.ends_with("use a transit gateway; the route is in rtb-a"), "{}", finding.title);
    }

    #[test]
    fn each_direction_is_evaluated_separately() {
        let mut log = attempts();
        log.extend(records(2, "eni-c", "10.3.0.9 10.1.0.5 443", "17 ACCEPT - 5 vpc-c"));
        let subjects: Vec<String> = detect_in(TYPE, log).iter().map(|finding| json(&finding.subject)).collect();
        let expected = [("vpc-a", "vpc-c"), ("vpc-c", "vpc-a")];
        assert_eq!(subjects, expected.map(|(src, dst)| format!(r#"{{"src_vpc_id":"{src}","dst_vpc_id":"{dst}"}}"#)));
    }

    #[test]
    fn a_reply_in_any_order_suppresses_it_and_keeps_the_pair() {
        let reply = record("eni-a", "10.3.0.7 10.1.0.5 443 60000", "6 ACCEPT 18 - vpc-a");
        let attempts = records(1, "eni-a", "10.1.0.5 10.3.0.7 443", ATTEMPT);
        let after = vec![attempts[0].clone(), reply.clone()];
        let before = vec![reply.clone(), attempts[0].clone()];
        for inputs in
            [vec![after], vec![before], vec![attempts.clone(), vec![reply.clone()]], vec![vec![reply], attempts]]
        {
            let summary = summarize(&[], &inputs);
            assert_eq!(summary.findings, [], "{inputs:?}");
            assert_eq!(pairs(&summary), ["vpc-a vpc-c - 1 0", "vpc-c vpc-a - 1 0"]);
        }
    }

    #[test]
    fn only_an_accepted_reverse_flow_of_the_vpc_is_a_reply() {
        let flows = |ends: &str, fields: &str, interface: &str| {
            let mut log = attempts();
            log.push(record(interface, ends, fields));
            detect_in(TYPE, log)
                .iter()
                .find(|f| json(&f.subject).starts_with(r#"{"src_vpc_id":"vpc-a""#))
                .map(|f| f.tally.flows)
        };
        assert_eq!(flows("10.3.0.7 10.1.0.5 443 60000", "6 ACCEPT 18 - vpc-a", "eni-a"), None, "a reply");
        assert_eq!(flows("10.3.0.7 10.1.0.5 443 60000", "6 ACCEPT 18 - vpc-a", "eni-b"), None, "another interface");
        assert_eq!(
            flows("10.3.0.7 10.1.0.5 443 60000", "6 ACCEPT 18 5 vpc-c", "eni-c"),
            Some(3),
            "sent by the other VPC"
        );
        assert_eq!(flows("10.3.0.7 10.1.0.5 443 60000", "6 REJECT 18 - vpc-a", "eni-a"), Some(3), "rejected");
        assert_eq!(flows("10.3.0.7 10.1.0.5 443 60000", "17 ACCEPT - - vpc-a", "eni-a"), Some(3), "another protocol");
        assert_eq!(flows("10.3.0.8 10.1.0.5 443 60000", "6 ACCEPT 18 - vpc-a", "eni-a"), Some(3), "another host");
        assert_eq!(flows("10.1.0.5 10.3.0.7 443 60000", "6 ACCEPT 2 - vpc-a", "eni-a"), Some(4), "the same way");
    }

    #[test]
    fn only_address_pairs_without_a_reply_count() {
        let mut log = attempts();
        log.extend(records(4, "eni-a", "10.1.0.5 10.3.0.8 443", ATTEMPT));
        log.push(record("eni-a", "10.3.0.8 10.1.0.5 443 60000", "6 ACCEPT 18 - vpc-a"));
        assert_eq!(detect_in(TYPE, log)[0].tally.flows, 3);
    }

    #[test]
    fn a_connection_of_any_status_suppresses_it() {
        let inactive = [connection("pcx-ac", "deleted", "vpc-c", "vpc-a")];
        assert_eq!(detect_with(&inactive, TYPE, attempts()), []);
        assert_eq!(detect_with(&inactive, FindingType::InactivePeering, attempts()).len(), 1);
        let active = [connection("pcx-ac", "active", "vpc-a", "vpc-c")];
        assert_eq!(detect_with(&active, TYPE, attempts()), []);
    }

    #[test]
    fn all_common_peers_are_listed_in_order() {
        let more = [connection("pcx-ad", "active", "vpc-a", "vpc-d"), connection("pcx-cd", "active", "vpc-c", "vpc-d")];
        let finding = &detect_with(&more, TYPE, attempts())[0];
        let via_vpc_ids = vec!["vpc-b".to_owned(), "vpc-d".to_owned()];
        assert_eq!(finding.details, Details::Via { via_vpc_ids, route_table_ids: Vec::new(), explanation: None });
    }

    #[test]
    fn skipped_records_lower_the_confidence() {
        let mut log = attempts();
        log.push(gap("eni-a"));
        let finding = &detect_in(TYPE, log)[0];
        assert_eq!(finding.confidence, Confidence::Medium);
        assert!(finding.evidence.contains(&Evidence::SkipData));
        let mut log = attempts();
        log.push(gap("eni-b"));
        let elsewhere = &detect_in(TYPE, log)[0];
        assert_eq!(elsewhere.confidence, Confidence::High);
        assert!(!elsewhere.evidence.contains(&Evidence::SkipData));
    }

    #[test]
    fn a_log_of_only_rejects_has_low_confidence() {
        let finding = &detect_in(TYPE, records(2, "eni-a", "10.1.0.5 10.3.0.7 443", "6 REJECT - - vpc-a"))[0];
        assert_eq!((finding.confidence, finding.severity), (Confidence::Low, Severity::High));
        assert!(finding.evidence.contains(&Evidence::NoAcceptedRecords));
    }

    #[test]
    fn the_first_five_examples_in_order_are_listed() {
        let log =
            (0..9).rev().flat_map(|n| records(2, "eni-a", &format!("10.1.0.5 10.3.0.{n} 443"), ATTEMPT)).collect();
        let finding = &detect_in(TYPE, log)[0];
        let destinations: Vec<_> =
            finding.examples.iter().map(|example| example.dstaddr.map(|dst| dst.to_string())).collect();
        assert_eq!(destinations, [0, 1, 2, 3, 4].map(|n| Some(format!("10.3.0.{n}"))));
        assert_eq!(finding.tally.flows, 18);
    }
}
