//! `one-way-peering`: accepted TCP records from one peered VPC to the other that get no reply. Usually the return route is
//! missing.

use super::{PeeringContext, VpcDirection};
use crate::aggregate::peering::{ClassView, ClassifiedFlows};
use crate::findings::evidence::{FindingDraft, describe_obstacle};
use crate::findings::types::{Details, Finding, FindingType, Severity, Subject};

pub(in crate::findings) const MEANING: &str = "Connections to a peered VPC are accepted but get no reply: usually the peer \
                                             has no return route, or rejects them.";
pub(in crate::findings) const NEXT_STEP: &str = "Check the return route in the peer's route tables, then its security groups \
                                               and network ACLs.";

pub(super) fn detect(
    peering: &PeeringContext<'_>,
    direction: VpcDirection,
    id: &str,
    view: &ClassView<'_>,
) -> Option<Finding> {
    let completeness = peering.context.completeness;
    if !completeness.peering && !completeness.groups {
        // Some of the records may have been rejected at their destination.
        return None;
    }
    let refused = &peering.refused;
    let is_lost = |flows: &ClassifiedFlows| flows.is_accepted_tcp() && !refused.contains(&flows.addresses);
    let unanswered = peering.unanswered(view, is_lost)?;
    if unanswered.flows.tally.flows < peering.context.thresholds.one_way_min_flows {
        return None;
    }
    let accepted_tcp = view.flows().filter(ClassifiedFlows::is_accepted_tcp);
    let accepted_flows: u64 = accepted_tcp.map(|flows| flows.sums.tally.flows).fold(0, u64::saturating_add);
    // Some of the records that a memory limit dropped may have had a reply.
    let some_have_replies = !completeness.peering
        || accepted_flows > unanswered.flows.tally.flows
        || peering.context.inter_vpc.has_left_out(direction.src, direction.dst);
    let ways_back = unanswered.addresses.iter().map(|addresses| (addresses.dst, addresses.src));
    let route_table_ids = peering.tables(direction.dst, ways_back, |route| {
        !route.is_some_and(|route| peering.topology.leads_between(route, direction.src, direction.dst))
    });
    let explanation = unanswered.flows.explain_between(peering.context, (direction.src, direction.dst), |_, _| None);
    let cause = match &route_table_ids[..] {
        _ if unanswered.replies_rejected_here => "; replies were sent, but rejected on arrival".to_owned(),
        _ if unanswered.replies_rejected.some => "; replies were rejected where they were sent".to_owned(),
        [] => describe_obstacle(peering.context, explanation.as_deref()),
        ids => format!("; {} does not route them back", peering.join(ids, " and ")),
    };
    let how_many = format_how_many(peering, direction, id, view, is_lost);
    let draft = FindingDraft {
        finding_type: FindingType::OneWayPeering,
        severity: if some_have_replies { Severity::Medium } else { Severity::High },
        confidence: unanswered.confidence_in_silence(peering.context),
        title: format!("{how_many} a reply{cause}"),
        subject: Subject::Peers {
            src_vpc_id: peering.id(direction.src),
            dst_vpc_id: peering.id(direction.dst),
            peering_connection_id: id.to_owned(),
        },
        details: Details::NoReturnRoute { route_table_ids, explanation },
        evidence: unanswered.evidence,
    };
    Some(unanswered.flows.into_finding(peering.context, draft))
}

/// Tells how many of the TCP flows got no reply. Each flow counts once, also if both ends logged it.
fn format_how_many(
    peering: &PeeringContext<'_>,
    direction: VpcDirection,
    id: &str,
    view: &ClassView<'_>,
    is_lost: impl Fn(&ClassifiedFlows) -> bool,
) -> String {
    let ends = format!(
        "from {} to {} via {}",
        peering.format_vpc(direction.src),
        peering.format_vpc(direction.dst),
        peering.label(id)
    );
    let side = view.totals.counted_side();
    let once = |flows: &ClassifiedFlows| if flows.side == side { flows.sums.tally.flows } else { 0 };
    let lost: u64 = view.unanswered().filter(is_lost).map(|flows| once(&flows)).fold(0, u64::saturating_add);
    let all: u64 =
        view.flows().filter(ClassifiedFlows::is_accepted_tcp).map(|flows| once(&flows)).fold(0, u64::saturating_add);
    match peering.context.completeness.peering {
        false => format!("Some of the TCP traffic {ends} did not get"),
        true if peering.context.inter_vpc.has_left_out(direction.src, direction.dst) => {
            format!("{lost} of {all} selected TCP flows {ends} did not get")
        }
        true if lost == all => format!("None of the TCP traffic {ends} gets"),
        true => format!("{lost} of {all} TCP flows {ends} did not get"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{connection, detect_in, detect_with, gap, json, record, records, summarize};
    use super::*;
    use crate::findings::types::{Confidence, Evidence};

    const TYPE: FindingType = FindingType::OneWayPeering;
    const ATTEMPT: &str = "6 ACCEPT 2 4 vpc-a";

    fn attempts(count: u32) -> Vec<String> {
        records(count, "eni-a", "10.1.0.5 10.2.0.7 443", ATTEMPT)
    }

    fn reply(interface: &str, ends: &str) -> String {
        record(interface, ends, "6 ACCEPT 18 - vpc-a")
    }

    #[test]
    fn rejected_replies_are_reported() {
        let mut log = records(6, "eni-a", "10.1.0.5 10.2.0.7 443", "6 ACCEPT 2 4 vpc-a");
        log.push(record("eni-a", "10.2.0.7 10.1.0.5 443 60000", "6 REJECT 18 - vpc-a"));
        let finding = &detect_in(FindingType::OneWayPeering, log)[0];
        assert!(finding.evidence.contains(&Evidence::RejectedReply));
        assert!(finding.title.ends_with("gets a reply; replies were sent, but rejected on arrival"));
    }

    #[test]
    fn replies_rejected_where_they_were_sent_are_reported_as_such() {
        let mut log = records(6, "eni-a", "10.1.0.5 10.2.0.7 443", "6 ACCEPT 2 4 vpc-a");
        log.extend(records(6, "eni-b", "10.1.0.5 10.2.0.7 443", "6 ACCEPT 2 - vpc-b"));
        log.push(record("eni-b", "10.2.0.7 10.1.0.5 443 60000", "6 REJECT 18 - vpc-b"));
        let finding = &detect_in(FindingType::OneWayPeering, log)[0];
        assert!(
            finding.title.ends_with("gets a reply; replies were rejected where they were sent"),
            "{}",
            finding.title
        );
    }

    #[test]
    fn only_the_table_of_the_destination_subnet_is_named() {
        let tables = |public: &str, private: &str| {
            let route = |destination: &str| {
                format!(
                    r#"{{"DestinationCidrBlock": "{destination}", "VpcPeeringConnectionId": "pcx-ab", "State": "active"}}"#
                )
            };
            format!(
                r#"{{"Subnets": [{{"SubnetId": "subnet-1", "VpcId": "vpc-b", "CidrBlock": "10.2.0.0/24"}},
                                 {{"SubnetId": "subnet-2", "VpcId": "vpc-b", "CidrBlock": "10.2.1.0/24"}}],
                     "RouteTables": [
                    {{"RouteTableId": "rtb-1", "VpcId": "vpc-b", "Associations": [{{"SubnetId": "subnet-1"}}], "Routes": [{}]}},
                    {{"RouteTableId": "rtb-2", "VpcId": "vpc-b", "Associations": [{{"SubnetId": "subnet-2"}}], "Routes": [{}]}}]}}"#,
                route(private),
                route(public)
            )
        };
        let details = |tables| json(&detect_with(&[tables], TYPE, attempts(5))[0].details);
        assert_eq!(details(tables("10.3.0.0/16", "10.1.0.0/16")), r#"{"route_table_ids":[],"explanation":null}"#);
        assert_eq!(
            details(tables("10.1.0.0/16", "10.3.0.0/16")),
            r#"{"route_table_ids":["rtb-1"],"explanation":null}"#
        );
        // The address that asks has a route, another block of its VPC may have none.
        assert_eq!(details(tables("10.3.0.0/16", "10.1.0.5/32")), r#"{"route_table_ids":[],"explanation":null}"#);
    }

    #[test]
    fn five_connections_without_a_reply_are_found() {
        let findings = detect_in(TYPE, attempts(5));
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::High, Confidence::High));
        assert_eq!(
            finding.title,
            "None of the TCP traffic from 10.1.0.0/16 (vpc-a) to 10.2.0.0/16 (vpc-b) via pcx-ab gets a reply"
        );
        assert_eq!(
            json(&finding.subject),
            r#"{"src_vpc_id":"vpc-a","dst_vpc_id":"vpc-b","peering_connection_id":"pcx-ab"}"#
        );
        assert_eq!(json(&finding.details), r#"{"route_table_ids":[],"explanation":null}"#);
        assert_eq!(json(&finding.evidence), r#"["no-reply","tcp-flags","topology","traffic-path"]"#);
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (5, 50, 2000));
        assert_eq!(json(&finding.seen.last_seen), r#""2026-11-23T06:01:04Z""#);
    }

    #[test]
    fn four_unanswered_flows_are_not_enough() {
        assert_eq!(detect_in(TYPE, attempts(4)), []);
        let mut log = attempts(4);
        log.extend(records(9, "eni-a", "10.1.0.5 10.2.0.7 443", "17 ACCEPT - 4 vpc-a"));
        log.extend(records(9, "eni-a", "10.1.0.5 10.2.0.8 443", "6 REJECT 2 - vpc-a"));
        log.extend(records(4, "eni-b", "10.2.0.7 10.1.0.6 443", "6 ACCEPT 2 4 vpc-b"));
        log.extend(records(4, "eni-a", "10.1.0.5 10.2.0.9 443", ATTEMPT));
        log.push(reply("eni-a", "10.2.0.9 10.1.0.5 443 60000"));
        assert_eq!(detect_in(TYPE, log), [], "UDP, rejected, the other direction and answered records do not count");
    }

    #[test]
    fn flows_of_all_hosts_and_interfaces_count() {
        let log = (0..5).flat_map(|n| records(1, &format!("eni-{n}"), &format!("10.1.0.{n} 10.2.0.7 443"), ATTEMPT));
        assert_eq!(detect_in(TYPE, log.collect())[0].tally.flows, 5);
    }

    #[test]
    fn flows_on_other_paths_count_too() {
        let mut log = attempts(5);
        let by = |path: &str, n: u32| {
            record("eni-a", &format!("10.1.0.5 10.2.0.7 {} 443", 60_005 + n), &ATTEMPT.replace(" 4 ", path))
        };
        log.extend([by(" - ", 0), by(" 1 ", 1)]);
        let finding = &detect_in(TYPE, log)[0];
        assert_eq!((finding.tally.flows, finding.examples.len()), (7, 3), "{:?}", finding.examples);
        assert!(!finding.evidence.contains(&Evidence::TrafficPath), "not each record has that path");
    }

    #[test]
    fn the_title_counts_a_flow_once_that_both_ends_log() {
        let mut log = attempts(8);
        log.extend(records(8, "eni-b", "10.1.0.5 10.2.0.7 443", "6 ACCEPT 2 - vpc-b"));
        log.push(record("eni-b", "10.2.0.7 10.1.0.5 443 60000", "6 ACCEPT 18 4 vpc-b"));
        let finding = &detect_in(TYPE, log)[0];
        assert_eq!(finding.tally.flows, 8);
        assert!(finding.title.starts_with("None of the TCP traffic from 10.1.0.0/16 (vpc-a)"), "{}", finding.title);
    }

    #[test]
    fn some_replies_lower_the_severity() {
        let mut log = attempts(5);
        log.extend(records(2, "eni-a", "10.1.0.5 10.2.0.9 443", ATTEMPT));
        log.push(reply("eni-a", "10.2.0.9 10.1.0.5 443 60000"));
        let finding = &detect_in(TYPE, log)[0];
        assert_eq!((finding.severity, finding.tally.flows), (Severity::Medium, 5));
        assert!(finding.title.starts_with("5 of 7 TCP flows from 10.1.0.0/16 (vpc-a)"), "{}", finding.title);
        assert!(finding.title.ends_with("via pcx-ab did not get a reply"), "{}", finding.title);
    }

    #[test]
    fn udp_replies_do_not_lower_the_severity() {
        let mut log = attempts(5);
        log.push(record("eni-a", "10.1.0.5 10.2.0.9 60000 53", "17 ACCEPT - 4 vpc-a"));
        log.push(record("eni-a", "10.2.0.9 10.1.0.5 53 60000", "17 ACCEPT - - vpc-a"));
        assert_eq!(detect_in(TYPE, log)[0].severity, Severity::High);
    }

    #[test]
    fn a_reply_counts_in_any_order_at_any_interface_of_the_vpc() {
        let replies = |interface| vec![reply(interface, "10.2.0.7 10.1.0.5 443 60000")];
        for replies in [replies("eni-a"), replies("eni-b")] {
            for inputs in [vec![attempts(5), replies.clone()], vec![replies, attempts(5)]] {
                assert_eq!(summarize(&[], &inputs).findings, []);
                assert_eq!(summarize(&[], &[inputs.concat()]).findings, []);
            }
        }
        // What the far VPC sent is no proof that it arrived.
        let sent = record("eni-x", "10.2.0.7 10.1.0.5 443 60000", "6 ACCEPT 18 4 vpc-b");
        let elsewhere = summarize(&[], &[attempts(5), vec![sent]]).findings;
        assert_eq!(elsewhere.iter().map(|finding| finding.finding_type).collect::<Vec<_>>(), [TYPE]);
    }

    #[test]
    fn without_a_vpc_a_reply_counts_at_the_same_interface() {
        let attempts = || records(5, "eni-a", "10.1.0.5 10.2.0.7 443", "6 ACCEPT 2 4 -");
        let found = |interface: &str, vpc: &str| {
            let mut log = attempts();
            log.push(record(interface, "10.2.0.7 10.1.0.5 443 60000", &format!("6 ACCEPT 18 - {vpc}")));
            detect_in(TYPE, log).len()
        };
        assert_eq!((found("eni-a", "-"), found("eni-a", "vpc-a")), (0, 0));
        assert_eq!((found("eni-b", "-"), found("eni-b", "vpc-a")), (1, 1));
    }

    #[test]
    fn flags_that_show_an_answer_replace_the_reply() {
        let with = |flags: &str| {
            detect_in(TYPE, records(5, "eni-a", "10.1.0.5 10.2.0.7 443", &format!("6 ACCEPT {flags} 4 vpc-a")))
        };
        for answered in ["0", "1", "3", "4", "6", "18", "19"] {
            assert_eq!(with(answered), [], "{answered}");
        }
        assert_eq!((with("2").len(), with("-").len()), (1, 1));
        // Flags of one connection say nothing of another.
        let mut log = attempts(5);
        log.extend(records(2, "eni-a", "10.1.0.5 10.2.0.7 443", "6 ACCEPT 3 4 vpc-a"));
        let finding = &detect_in(TYPE, log)[0];
        assert_eq!((finding.severity, finding.tally.flows), (Severity::Medium, 5));
    }

    #[test]
    fn traffic_that_was_rejected_there_is_left_out() {
        let rejected =
            |protocol: u8| record("eni-b", "10.1.0.5 10.2.0.7 60000 443", &format!("{protocol} REJECT 2 - vpc-b"));
        assert_eq!(detect_in(TYPE, [attempts(5), vec![rejected(6)]].concat()), []);
        let more = records(5, "eni-a", "10.1.0.5 10.2.0.8 443", ATTEMPT);
        let finding = &detect_in(TYPE, [attempts(5), more, vec![rejected(6)]].concat())[0];
        assert_eq!((finding.severity, finding.tally.flows), (Severity::Medium, 5));
        assert_eq!(detect_in(TYPE, [attempts(5), vec![rejected(17)]].concat())[0].severity, Severity::High);
    }

    #[test]
    fn the_route_table_without_a_route_back_is_named() {
        let table = |id: &str, destination: &str| {
            format!(
                r#"{{"RouteTables": [{{"RouteTableId": "{id}", "VpcId": "vpc-b", "Associations": [{{"Main": true}}],
                     "Tags": [{{"Key": "Name", "Value": "private"}}], "Routes": [{{"DestinationCidrBlock":
                     "{destination}", "VpcPeeringConnectionId": "pcx-ab", "State": "active"}}]}}]}}"#
            )
        };
        let finding = &detect_with(&[table("rtb-b", "10.3.0.0/16")], TYPE, attempts(5))[0];
        assert_eq!(json(&finding.details), r#"{"route_table_ids":["rtb-b"],"explanation":null}"#);
        assert!(finding.title.ends_with("gets a reply; private (rtb-b) does not route them back"), "{}", finding.title);
        assert_eq!(finding.names, [("rtb-b".to_owned(), "private".to_owned())].into());
        let finding = &detect_with(&[table("rtb-b", "10.1.0.0/16")], TYPE, attempts(5))[0];
        assert!(finding.title.ends_with("gets a reply"), "{}", finding.title);
    }

    #[test]
    fn a_rejected_reply_does_not_count() {
        let mut log = attempts(5);
        log.push(record("eni-a", "10.2.0.7 10.1.0.5 443 60000", "6 REJECT 18 - vpc-a"));
        assert_eq!(detect_in(TYPE, log)[0].tally.flows, 5);
    }

    #[test]
    fn version_2_and_skipped_records_lower_the_confidence() {
        let finding = &detect_in(TYPE, records(5, "eni-a", "10.1.0.5 10.2.0.7 443", "6 ACCEPT - - -"))[0];
        assert_eq!(finding.confidence, Confidence::Low);
        assert_eq!(finding.evidence, [Evidence::NoReply, Evidence::Topology].into());
        let without_flags = records(5, "eni-a", "10.1.0.5 10.2.0.7 443", "6 ACCEPT - - -");
        assert_eq!(summarize(&[], &[without_flags.clone(), Vec::new()]).findings[0].confidence, Confidence::Low);
        let another = vec![record("eni-z", "10.1.0.9 8.8.8.8 60000 443", "17 ACCEPT - - vpc-a")];
        let two_inputs = summarize(&[], &[without_flags, another]).findings;
        assert_eq!(two_inputs[0].confidence, Confidence::Medium);
        let mut log = attempts(5);
        log.push(gap("eni-a"));
        let finding = &detect_in(TYPE, log)[0];
        assert_eq!(finding.confidence, Confidence::Medium);
        assert!(finding.evidence.is_superset(&[Evidence::SkipData, Evidence::TrafficPath].into()));
    }

    #[test]
    fn vpcs_that_are_not_peered_are_ignored() {
        assert_eq!(detect_in(TYPE, records(9, "eni-a", "10.1.0.5 10.3.0.7 443", ATTEMPT)), []);
        assert_eq!(detect_in(TYPE, records(9, "eni-a", "10.1.0.5 10.5.0.7 443", ATTEMPT)), []);
    }

    #[test]
    fn the_active_connection_with_the_smallest_id_is_reported() {
        let more =
            [connection("pcx-aa", "deleted", "vpc-a", "vpc-b"), connection("pcx-aaa", "active", "vpc-b", "vpc-a")];
        let finding = &detect_with(&more, TYPE, attempts(5))[0];
        assert!(json(&finding.subject).contains(r#""peering_connection_id":"pcx-aaa""#), "{finding:?}");
    }
}
