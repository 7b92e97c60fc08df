//! Losses in the records of transit gateways.

use flowsentry::summary::Summary;
use serde_json::json;

use crate::build::{found, none, subjects, summary_of_logs};

const HEADER: &str = "version resource-type account-id tgw-id tgw-src-vpc-id tgw-dst-vpc-id srcaddr dstaddr srcport dstport \
                      protocol packets bytes start end log-status packets-lost-no-route packets-lost-blackhole \
                      packets-lost-mtu-exceeded packets-lost-ttl-expired";

/// Summarizes records, each with the destination VPC and the packets lost to each reason.
fn summary(records: &[(&str, [u64; 4])]) -> Summary {
    let line = |(dst_vpc, lost): &(&str, [u64; 4])| {
        let lost = lost.map(|packets| packets.to_string()).join(" ");
        format!(
            "6 TransitGateway 123456789012 tgw-1 vpc-app {dst_vpc} 10.40.1.4 10.50.2.9 40001 5432 6 500 30000 1795413600 \
             1795413660 OK {lost}\n"
        )
    };
    let lines: String = records.iter().map(line).collect();
    summary_of_logs(None, &[format!("{HEADER}\n{lines}").into_bytes()])
}

#[test]
fn packets_that_a_transit_gateway_lost_are_found() {
    let lost = summary(&[("-", [500, 0, 0, 0])]);
    assert_eq!((found(&lost), lost.records.other), (vec!["medium transit-gateway-loss 1".to_owned()], 1));
    assert_eq!(
        subjects(&lost),
        [json!({"tgw_id": "tgw-1", "tgw_src_vpc_id": "vpc-app", "tgw_dst_vpc_id": null, "reason": "no-route"})]
    );
    assert_eq!((lost.findings[0].tally.packets, lost.findings[0].tally.bytes), (500, 0));
    // Control: no loss.
    let forwarded = summary(&[("vpc-db", [0; 4])]);
    assert_eq!((found(&forwarded), forwarded.records.other), (none(), 1));
}

#[test]
fn losses_are_summed_by_reason_and_vpcs() {
    let lost =
        summary(&[("vpc-db", [0, 0, 0, 0]), ("vpc-db", [4, 0, 1, 0]), ("vpc-db", [5, 0, 0, 0]), ("-", [0, 7, 0, 1])]);
    let rows: Vec<_> = subjects(&lost)
        .iter()
        .zip(&lost.findings)
        .map(|(subject, finding)| {
            let text = |field: &str| subject[field].as_str().unwrap_or("-").to_owned();
            format!("{} {} {} {}", text("reason"), text("tgw_dst_vpc_id"), finding.tally.flows, finding.tally.packets)
        })
        .collect();
    assert_eq!(rows, ["no-route vpc-db 2 9", "blackhole - 1 7", "ttl-expired - 1 1", "mtu-exceeded vpc-db 1 1"]);
}
