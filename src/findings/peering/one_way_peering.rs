//! `one-way-peering`: accepted TCP records from one peered VPC to the other that get no reply: as a rule, the way back is
//! missing.

use super::{PeeringContext, VpcDirection};
use crate::aggregate::peering::{ClassView, ClassifiedFlows};
use crate::findings::FindingDraft;
use crate::findings::types::{Details, Finding, FindingType, Severity, Subject};

pub(in crate::findings) const MEANING: &str = "Connections to a peered VPC are accepted but get no reply: usually the peer \
                                             has no return route, or rejects them.";
pub(in crate::findings) const NEXT_STEP: &str = "Check the return route in the peer's route tables, then its security groups \
                                               and network ACLs.";

pub(super) fn detect(view: &PeeringContext<'_>, way: VpcDirection, id: &str, noted: &ClassView<'_>) -> Option<Finding> {
    let unanswered = view.unanswered(noted, ClassifiedFlows::is_accepted_tcp)?;
    if unanswered.records.tally.flows < view.context.thresholds.one_way_min_flows {
        return None;
    }
    // Of what was left out for lack of memory some may have been answered.
    let some_answered =
        !view.context.exact.peering || noted.flows().any(|noted| noted.is_accepted_tcp() && noted.has_reply);
    let verdict = FindingDraft {
        finding_type: FindingType::OneWayPeering,
        severity: if some_answered { Severity::Medium } else { Severity::High },
        confidence: unanswered.confidence,
        title: format!(
            "{} of the TCP traffic from {} to {} via {id} gets a reply{}",
            if some_answered { "Only some" } else { "None" },
            view.shown(way.src),
            view.shown(way.dst),
            if unanswered.refused { "; replies were sent, but rejected on arrival" } else { "" }
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

#[cfg(test)]
mod tests {
    use super::super::tests::{connection, detect_in, detect_with, gap, json, record, records, summarise};
    use super::*;
    use crate::findings::types::{Confidence, Evidence};

    const TYPE: FindingType = FindingType::OneWayPeering;
    const TRY: &str = "6 ACCEPT 2 4 vpc-a";

    fn tries(count: u32) -> Vec<String> {
        records(count, "eni-a", "10.1.0.5 10.2.0.7 443", TRY)
    }

    fn reply(interface: &str, ends: &str) -> String {
        record(interface, ends, "6 ACCEPT 18 - vpc-a")
    }

    #[test]
    fn answers_that_were_refused_are_told() {
        let mut log = records(6, "eni-a", "10.1.0.5 10.2.0.7 443", "6 ACCEPT 2 4 vpc-a");
        log.push(record("eni-a", "10.2.0.7 10.1.0.5 443 60000", "6 REJECT 18 - vpc-a"));
        let finding = &detect_in(FindingType::OneWayPeering, log)[0];
        assert_eq!(finding.confidence, Confidence::Medium);
        assert!(finding.evidence.contains(&Evidence::RejectedReply));
        assert!(finding.title.ends_with("gets a reply; replies were sent, but rejected on arrival"));
    }

    #[test]
    fn five_connections_without_any_reply() {
        let findings = detect_in(TYPE, tries(5));
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
        assert_eq!(json(&finding.details), "{}");
        assert_eq!(json(&finding.evidence), r#"["no-reply","tcp-flags","topology","traffic-path"]"#);
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (5, 50, 2000));
        assert_eq!(json(&finding.seen.last_seen), r#""2026-11-23T06:01:04Z""#);
    }

    #[test]
    fn four_are_too_few_whatever_else_there_is() {
        assert_eq!(detect_in(TYPE, tries(4)), []);
        let mut log = tries(4);
        log.extend(records(9, "eni-a", "10.1.0.5 10.2.0.7 443", "17 ACCEPT - 4 vpc-a"));
        log.extend(records(9, "eni-a", "10.1.0.5 10.2.0.8 443", "6 REJECT 2 - vpc-a"));
        log.extend(records(4, "eni-b", "10.2.0.7 10.1.0.6 443", "6 ACCEPT 2 4 vpc-b"));
        log.extend(records(4, "eni-a", "10.1.0.5 10.2.0.9 443", TRY));
        log.push(reply("eni-a", "10.2.0.9 10.1.0.5 443 60000"));
        assert_eq!(detect_in(TYPE, log), [], "UDP, rejected, the other direction and answered records do not count");
    }

    #[test]
    fn they_count_over_all_hosts_and_interfaces() {
        let log = (0..5).flat_map(|n| records(1, &format!("eni-{n}"), &format!("10.1.0.{n} 10.2.0.7 443"), TRY));
        assert_eq!(detect_in(TYPE, log.collect())[0].tally.flows, 5);
    }

    #[test]
    fn of_two_hosts_there_is_one_example_whatever_paths_their_records_took() {
        let mut log = tries(5);
        let by = |path: &str, n: u32| {
            record("eni-a", &format!("10.1.0.5 10.2.0.7 {} 443", 60_005 + n), &TRY.replace(" 4 ", path))
        };
        log.extend([by(" - ", 0), by(" 1 ", 1)]);
        let finding = &detect_in(TYPE, log)[0];
        assert_eq!((finding.tally.flows, finding.examples.len()), (7, 1), "{:?}", finding.examples);
    }

    #[test]
    fn some_answers_make_it_less_severe() {
        let mut log = tries(5);
        log.extend(records(2, "eni-a", "10.1.0.5 10.2.0.9 443", TRY));
        log.push(reply("eni-a", "10.2.0.9 10.1.0.5 443 60000"));
        let finding = &detect_in(TYPE, log)[0];
        assert_eq!((finding.severity, finding.tally.flows), (Severity::Medium, 5));
        assert!(finding.title.starts_with("Only some of the TCP traffic from"), "{}", finding.title);
    }

    #[test]
    fn answers_of_udp_leave_it_severe() {
        let mut log = tries(5);
        log.push(record("eni-a", "10.1.0.5 10.2.0.9 60000 53", "17 ACCEPT - 4 vpc-a"));
        log.push(record("eni-a", "10.2.0.9 10.1.0.5 53 60000", "17 ACCEPT - - vpc-a"));
        assert_eq!(detect_in(TYPE, log)[0].severity, Severity::High);
    }

    #[test]
    fn a_reply_counts_in_any_order_and_input_but_on_the_same_interface_alone() {
        let answer = |interface| vec![reply(interface, "10.2.0.7 10.1.0.5 443 60000")];
        for inputs in [vec![tries(5), answer("eni-a")], vec![answer("eni-a"), tries(5)]] {
            assert_eq!(summarise(&[], &inputs).findings, []);
            assert_eq!(summarise(&[], &[inputs.concat()]).findings, []);
        }
        let elsewhere = summarise(&[], &[tries(5), answer("eni-b")]).findings;
        assert_eq!(elsewhere.iter().map(|finding| finding.finding_type).collect::<Vec<_>>(), [TYPE]);
    }

    #[test]
    fn a_rejected_reply_is_none() {
        let mut log = tries(5);
        log.push(record("eni-a", "10.2.0.7 10.1.0.5 443 60000", "6 REJECT 18 - vpc-a"));
        assert_eq!(detect_in(TYPE, log)[0].tally.flows, 5);
    }

    #[test]
    fn version_2_and_holes_lower_the_confidence() {
        let finding = &detect_in(TYPE, records(5, "eni-a", "10.1.0.5 10.2.0.7 443", "6 ACCEPT - - -"))[0];
        assert_eq!(finding.confidence, Confidence::Medium);
        assert_eq!(finding.evidence, [Evidence::NoReply, Evidence::Topology].into());
        let mut log = tries(5);
        log.push(gap("eni-a"));
        let finding = &detect_in(TYPE, log)[0];
        assert_eq!(finding.confidence, Confidence::Medium);
        assert!(finding.evidence.is_superset(&[Evidence::SkipData, Evidence::TrafficPath].into()));
    }

    #[test]
    fn vpcs_that_are_not_peered_make_others() {
        assert_eq!(detect_in(TYPE, records(9, "eni-a", "10.1.0.5 10.3.0.7 443", TRY)), []);
        assert_eq!(detect_in(TYPE, records(9, "eni-a", "10.1.0.5 10.5.0.7 443", TRY)), []);
    }

    #[test]
    fn of_several_connections_the_least_active_one_is_meant() {
        let more =
            [connection("pcx-aa", "deleted", "vpc-a", "vpc-b"), connection("pcx-aaa", "active", "vpc-b", "vpc-a")];
        let finding = &detect_with(&more, TYPE, tries(5))[0];
        assert!(json(&finding.subject).contains(r#""peering_connection_id":"pcx-aaa""#), "{finding:?}");
    }
}
