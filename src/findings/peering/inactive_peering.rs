//! `inactive-peering`: records from one VPC to another that get no reply, where no connection between the two is active.

use std::collections::BTreeSet;

use super::{PeeringContext, VpcDirection};
use crate::aggregate::peering::ClassView;
use crate::findings::evidence::FindingDraft;
use crate::findings::types::{Details, Finding, FindingType, Severity, Subject};
use crate::topology::describe_output::Route;

pub(in crate::findings) const MEANING: &str = "Traffic goes to a VPC whose peering connection is not active, so it gets no \
                                             reply.";
pub(in crate::findings) const NEXT_STEP: &str =
    "If the connection is pending, accept it. Otherwise create a new one, or remove the routes to it.";

pub(super) fn detect(
    peering: &PeeringContext<'_>,
    direction: VpcDirection,
    ids: &BTreeSet<String>,
    view: &ClassView<'_>,
) -> Option<Finding> {
    let unanswered = peering.unanswered(view, |_| true)?;
    let doubt = unanswered.delivery_note();
    let leads_to_inactive =
        |route: Option<&Route>| route.and_then(Route::connection_id).is_some_and(|id| ids.contains(id));
    let route_table_ids = peering.source_tables(direction.src, &unanswered.addresses, leads_to_inactive);
    let connections = ids.iter().filter_map(|id| peering.topology.connection(id));
    let statuses: BTreeSet<String> = connections.map(|connection| connection.status.clone()).collect();
    let statuses: Vec<String> = statuses.into_iter().collect();
    let peering_connection_ids: Vec<String> = ids.iter().cloned().collect();
    let draft = FindingDraft {
        finding_type: FindingType::InactivePeering,
        severity: Severity::High,
        confidence: unanswered.confidence_in_detour(peering.context),
        title: format!(
            "{} tries to reach {} via {}, which is {}{}{doubt}",
            peering.format_vpc(direction.src),
            peering.format_vpc(direction.dst),
            peering.labels(&peering_connection_ids),
            statuses.join(" or "),
            peering.route_note(&route_table_ids)
        ),
        subject: Subject::Vpcs { src_vpc_id: peering.id(direction.src), dst_vpc_id: peering.id(direction.dst) },
        details: Details::Inactive { peering_connection_ids, statuses, route_table_ids },
        evidence: unanswered.evidence,
    };
    Some(unanswered.flows.into_finding(peering.context, draft))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{connection, detect_in, detect_with, json, pairs, record, records, summarize};
    use super::*;
    use crate::findings::types::{Confidence, Evidence};

    const TYPE: FindingType = FindingType::InactivePeering;

    fn attempts() -> Vec<String> {
        records(2, "eni-a", "10.1.0.5 10.5.0.7 443", "6 ACCEPT 2 4 vpc-a")
    }

    #[test]
    fn connections_and_distinct_statuses_are_reported() {
        let findings = detect_in(TYPE, attempts());
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::High, Confidence::High));
        assert_eq!(json(&finding.subject), r#"{"src_vpc_id":"vpc-a","dst_vpc_id":"vpc-e"}"#);
        assert_eq!(
            json(&finding.details),
            r#"{"peering_connection_ids":["pcx-ae1","pcx-ae2","pcx-ae3"],"statuses":["deleted","rejected"],"route_table_ids":[]}"#
        );
        assert_eq!(json(&finding.evidence), r#"["no-reply","tcp-flags","topology","traffic-path"]"#);
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (2, 20, 800));
    }

    #[test]
    fn the_pair_has_the_connection_with_the_smallest_id() {
        assert_eq!(pairs(&summarize(&[], &[attempts()])), ["vpc-a vpc-e pcx-ae1 2 0"]);
    }

    #[test]
    fn one_active_connection_suppresses_it() {
        let active = [connection("pcx-ae9", "active", "vpc-a", "vpc-e")];
        assert_eq!(detect_with(&active, TYPE, attempts()), []);
        assert_eq!(pairs(&summarize(&active, &[attempts()])), ["vpc-a vpc-e pcx-ae9 2 0"]);
    }

    #[test]
    fn every_status_but_active_is_inactive() {
        for status in ["initiating-request", "pending-acceptance", "provisioning", "failed", "expired", "deleting"] {
            let finding = &detect_with(
                &[connection("pcx-ad", status, "vpc-a", "vpc-d")],
                TYPE,
                records(1, "eni-a", "10.1.0.5 10.4.0.7 443", "17 REJECT - - vpc-a"),
            )[0];
            let (peering_connection_ids, statuses) = (vec!["pcx-ad".to_owned()], vec![status.to_owned()]);
            let route_table_ids = Vec::new();
            assert_eq!(finding.details, Details::Inactive { peering_connection_ids, statuses, route_table_ids });
        }
    }

    #[test]
    fn a_reply_suppresses_it_in_both_directions() {
        let mut log = attempts();
        log.push(record("eni-a", "10.5.0.7 10.1.0.5 443 60000", "6 ACCEPT 18 - vpc-a"));
        assert_eq!(detect_in(TYPE, log.clone()), []);
        assert_eq!(pairs(&summarize(&[], &[log])), ["vpc-a vpc-e pcx-ae1 2 0", "vpc-e vpc-a pcx-ae1 1 0"]);
    }

    #[test]
    fn rejected_records_count_too() {
        let mut log = attempts();
        log.push(record("eni-e", "10.5.0.7 10.1.0.5 60001 22", "6 REJECT 2 - vpc-e"));
        let findings = detect_in(TYPE, log);
        assert_eq!(findings.iter().map(|finding| finding.tally.flows).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(findings[1].evidence, [Evidence::NoReply, Evidence::TcpFlags, Evidence::Topology].into());
        assert_eq!(findings[1].confidence, Confidence::High);
    }
}
