use proptest::prelude::*;

use super::*;
use crate::findings;
use crate::findings::types::{Confidence, FindingType};
use crate::lambda::delivery::memory::Claim;
use crate::pipeline::{self, Options};
use crate::summary::build::{self, SummaryOptions};
use crate::summary::json;
use crate::summary::{LogEventsIdentity, ObjectIdentity, Summary};

const KEY: &str = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/x.log.gz";

fn object() -> ObjectIdentity {
    let etag = Some("e".to_owned());
    ObjectIdentity { bucket: "logs".to_owned(), key: KEY.to_owned(), version_id: None, etag }
}

fn summary(log: &str) -> Summary {
    let analysis = pipeline::analyze("x.log", log.as_bytes(), &Options::default()).expect("a flow log");
    build::build_summary(analysis, &SummaryOptions::default(), None)
}

/// Builds the summary of a log in which each source is rejected at 15 ports.
fn scans(sources: usize) -> Summary {
    let record = |source: usize, port: usize| {
        let (high, low) = (source / 256, source % 256);
        format!("2 1 eni-1 172.31.{high}.{low} 172.16.9.12 40000 {port} 6 2 80 1418530010 1418530070 REJECT OK\n")
    };
    summary(&(0..sources).flat_map(|source| (1..=15).map(move |port| record(source, port))).collect::<String>())
}

fn selection(min_severity: Severity) -> Selection {
    Selection { min_severity, only_certain: false }
}

fn notifications(findings: &[u8], min_severity: Severity) -> Vec<Notification> {
    let selected = stored::select(findings, selection(min_severity)).expect("findings");
    selected.into_iter().map(|finding| Notification { finding, memory: None }).collect()
}

fn alerts_of(findings: &[u8], min_severity: Severity) -> Vec<(String, Value)> {
    let (object, now_ms) = (object(), 7);
    let keys = OutputKeys::for_object("flowsentry/", &object);
    let identity = &InputIdentity::Object(object);
    let context = Context { identity, keys: &keys, output_bucket: "out", console_region: None, now_ms };
    let alerts = render(&notifications(findings, min_severity), &[], &context);
    alerts.into_iter().map(|alert| (alert.id, serde_json::from_str(&alert.detail).expect("JSON"))).collect()
}

fn alerts(summary: &Summary, min_severity: Severity) -> Vec<(String, Value)> {
    let alerts = alerts_of(&json::render_findings(&summary.findings), min_severity);
    assert_eq!(alerts.len(), count(&summary.findings, selection(min_severity)));
    assert_eq!(
        count_stored(&json::render_findings(&summary.findings), selection(min_severity)).ok(),
        Some(alerts.len())
    );
    alerts
}

fn observable(name: &str, ip: &str) -> Value {
    json!({"name": name, "type_id": 2, "type": "IP Address", "value": ip})
}

#[test]
fn a_finding_is_a_detection_finding() {
    let summary = scans(1);
    let sent = alerts(&summary, Severity::High);
    let [(id, detail)] = &sent[..] else { panic!("one: {sent:?}") };
    let keys = OutputKeys::for_object("flowsentry/", &object());
    assert_eq!(*id, format!("{}-{}", keys.fingerprint, summary.findings[0].id));
    let title = &summary.findings[0].title;
    let evidence = |port: u16| {
        json!({
            "data": {"action": "REJECT", "interface_id": "eni-1"},
            "src_endpoint": {"ip": "172.31.0.0", "port": 40000},
            "dst_endpoint": {"ip": "172.16.9.12", "port": port},
            "connection_info": {"protocol_num": 6, "direction_id": 0},
        })
    };
    let expected = json!({
        "activity_id": 1, "activity_name": "Create",
        "category_uid": 2, "category_name": "Findings",
        "class_uid": 2004, "class_name": "Detection Finding",
        "type_uid": 200_401, "type_name": "Detection Finding: Create",
        "time": 1_418_530_070_000_u64, "start_time": 1_418_530_010_000_u64, "end_time": 1_418_530_070_000_u64,
        "severity_id": 4, "severity": "High", "confidence_id": 1, "confidence": "Low",
        "remediation": {"desc": findings::next_step(FindingType::PortScan)},
        "status_id": 1, "status": "New", "is_alert": true, "count": 15, "message": title,
        "metadata": {
            "version": "1.5.0", "uid": id, "event_code": "port-scan", "profiles": ["cloud"],
            "product": {"name": "flowsentry", "vendor_name": "flowsentry", "version": env!("CARGO_PKG_VERSION")},
        },
        "cloud": {
            "provider": "AWS", "region": "us-east-1",
            "account": {"uid": "123456789012", "name": "123456789012", "type_id": 10, "type": "AWS Account"},
        },
        "finding_info": {
            "uid": summary.findings[0].id, "title": title, "types": ["port-scan"],
            "analytic": {"name": "port-scan", "uid": "port-scan", "type_id": 1, "type": "Rule"},
            "data_sources": [format!("s3://logs/{KEY}")],
            "first_seen_time": 1_418_530_010_000_u64, "last_seen_time": 1_418_530_070_000_u64,
        },
        "evidences": (1..=5).map(evidence).collect::<Vec<Value>>(),
        "observables": [
            observable("evidences.dst_endpoint.ip", "172.16.9.12"), observable("evidences.src_endpoint.ip", "172.31.0.0"),
        ],
        "unmapped": {
            "object": {"bucket": "logs", "key": KEY, "version_id": null, "etag": "e"},
            "summary": format!("s3://out/{}", keys.summary),
            "subject": {"srcaddr": "172.31.0.0", "dstaddr": "172.16.9.12"}, "details": {"distinct_ports": 15, "accepted_flows": 0},
            "evidence": ["distinct-ports", "no-accepted-records"], "flows": 15, "packets": 30, "bytes": 1200, "exact": true,
            "where": "dstaddr 172.16.9.12, srcaddr 172.31.0.0", "notice": "new", "since": "2014-12-14 04:06 UTC",
            "console_url": text::console_url(None, "out", &keys.summary),
        },
    });
    assert_eq!(*detail, expected);
}

#[test]
fn only_findings_of_the_minimum_severity_are_sent() {
    let log = (1..=15).map(|port| format!("2 1 eni-1 8.8.8.8 10.0.0.2 40000 {port} 6 1 40 9 9 REJECT OK\n"));
    let summary = summary(&(log.collect::<String>() + "2 1 eni-2 - - - - - - - 8 9 - SKIPDATA\n"));
    let details =
        |min_severity| alerts(&summary, min_severity).into_iter().map(|(_, detail)| detail).collect::<Vec<_>>();
    let types = |details: &[Value]| details.iter().map(|it| it["metadata"]["event_code"].clone()).collect::<Vec<_>>();
    assert_eq!(types(&details(Severity::Low)), ["port-scan", "skipped-data"]);
    assert_eq!(types(&details(Severity::Medium)), ["port-scan"]);
    assert!(details(Severity::High).is_empty());
    let skipped = &details(Severity::Low)[1];
    assert_eq!(skipped["resources"], json!([{"uid": "eni-2", "type": "AWS::EC2::NetworkInterface"}]));
    assert_eq!((skipped.get("evidences"), skipped.get("observables")), (None, None));
}

#[test]
fn resources_have_their_types_and_names() {
    let finding = json!({
        "id": "1", "type": "later", "severity": "high", "confidence": "high", "title": "t", "evidence": [],
        "subject": {"src_vpc_id": "vpc-a", "tgw_id": "tgw-1", "srcaddr": "10.0.0.1", "newvpc_id": "x"},
        "details": {"via_vpc_ids": ["vpc-b", "vpc-a"], "subnet_ids": ["subnet-1"], "statuses": ["deleted"]},
        "flows": 1, "packets": 1, "bytes": 1, "first_seen": null, "last_seen": null, "exact": true, "examples": [],
    });
    let resources = |names: Value| {
        let mut finding = finding.clone();
        finding["names"] = names;
        alerts_of(finding.to_string().as_bytes(), Severity::Low)[0].1["resources"].clone()
    };
    let (vpc, subnet, gateway) = ("AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::TransitGateway");
    let expected = json!([
        {"uid": "subnet-1", "type": subnet}, {"uid": "tgw-1", "type": gateway},
        {"uid": "vpc-a", "type": vpc, "name": "prod\\u{202e}"}, {"uid": "vpc-b", "type": vpc},
    ]);
    assert_eq!(resources(json!({"vpc-a": "prod\u{202e}", "vpc-z": "elsewhere"})), expected);
    assert_eq!(resources(json!({}))[2], json!({"uid": "vpc-a", "type": vpc}));
    let long = resources(json!({"vpc-a": "x".repeat(1000)}))[2]["name"].as_str().map(str::len);
    assert!(long.is_some_and(|bytes| bytes < 140), "{long:?}");
}

#[test]
fn remediation_is_the_next_step_of_the_finding() {
    let remediation = |finding_type: &str, next_step: Value| {
        let finding = json!({
            "id": "1", "type": finding_type, "severity": "high", "confidence": "high", "title": "t", "evidence": [],
            "subject": {}, "details": {}, "next_step": next_step, "flows": 1, "packets": 1, "bytes": 1, "first_seen": null,
            "last_seen": null, "exact": true, "examples": [],
        });
        alerts_of(finding.to_string().as_bytes(), Severity::Low)[0].1["remediation"].clone()
    };
    assert_eq!(
        remediation("port-scan", json!("Allow \u{7}22/TCP in sg-1.")),
        json!({"desc": "Allow \\u{7}22/TCP in sg-1."})
    );
    let generic = json!({"desc": findings::next_step(FindingType::ReplyBlocked)});
    assert_eq!(remediation("reply-blocked", json!(null)), generic);
    assert_eq!(remediation("later", json!(null)), json!(null));
}

#[test]
fn twenty_findings_have_alerts_and_a_digest_counts_the_others() {
    assert_eq!(alerts(&scans(20), Severity::Medium).len(), 20);
    let sent = alerts(&scans(300), Severity::Medium);
    assert_eq!(sent.len(), 21);
    let (id, digest) = &sent[20];
    assert_eq!(digest["message"], "280 more findings in this object, not sent individually: 280 port-scan");
    assert_eq!(
        (&digest["count"], &digest["severity"], &digest["metadata"]["event_code"]),
        (&json!(280), &json!("High"), &json!("roll-up"))
    );
    assert_eq!(digest["unmapped"]["findings_by_type"], json!({"port-scan": 280}));
    assert_eq!(digest["time"], 1_418_530_070_000_u64);
    let again = alerts(&scans(300), Severity::Medium);
    assert_eq!(again[20].0, *id, "the id is the same each time");
    let distinct: BTreeSet<&String> = sent.iter().map(|(id, _)| id).collect();
    assert_eq!(distinct.len(), sent.len());
}

#[test]
fn without_record_times_the_caller_s_time_is_used() {
    let log = "srcaddr dstaddr dstport protocol action\n";
    let records: String = (1..=15).map(|port| format!("10.0.0.1 10.0.0.2 {port} 6 REJECT\n")).collect();
    let sent = alerts(&summary(&format!("{log}{records}")), Severity::Low);
    assert_eq!((&sent[0].1["time"], sent[0].1.get("start_time")), (&json!(7), None));
}

#[test]
fn log_events_are_named_instead_of_an_object() {
    let events = LogEventsIdentity {
        owner: "123456789012".to_owned(),
        log_group: "/vpc/flow-logs".to_owned(),
        log_stream: "s".repeat(5000),
        first_event_id: "1".to_owned(),
        last_event_id: "2".to_owned(),
    };
    let keys = OutputKeys::for_log_events("", &events, Some("eu-west-1"), None);
    let identity = &InputIdentity::LogEvents(events);
    let context = Context { identity, keys: &keys, output_bucket: "out", console_region: None, now_ms: 7 };
    let sent = render(&notifications(&json::render_findings(&scans(1).findings), Severity::Low), &[], &context);
    let detail: Value = serde_json::from_str(&sent[0].detail).expect("JSON");
    let stream = "s".repeat(512);
    assert_eq!(
        detail["unmapped"]["log_events"],
        json!({
            "owner": "123456789012", "log_group": "/vpc/flow-logs", "log_stream": stream,
            "first_event_id": "1", "last_event_id": "2",
        })
    );
    assert_eq!(detail["unmapped"].get("object"), None);
    let uri = detail["finding_info"]["data_sources"][0].as_str().expect("a URI");
    assert!(uri.starts_with("cloudwatch-logs:/vpc/flow-logs/sss") && uri.len() == 512, "{uri}");
    assert_eq!(
        (&detail["cloud"]["account"]["uid"], &detail["cloud"]["region"]),
        (&json!("123456789012"), &json!("eu-west-1"))
    );
}

#[test]
fn a_line_that_is_not_a_finding_is_an_error() {
    let all = selection(Severity::Low);
    assert!(stored::select(b"{}\n", all).is_err() && count_stored(b"1\n", all).is_err());
    assert_eq!(stored::select(b"", all).map(|findings| findings.len()).ok(), Some(0));
}

#[test]
fn a_notice_decides_activity_status_and_id() {
    let of = |notice: Notice, claimed: bool| {
        let mut notifications = notifications(&json::render_findings(&scans(1).findings), Severity::Low);
        let uid = "of another input".to_owned();
        let sent = Sent { notice, severity: Severity::High, uid, last_seen: 1_795_932_000 };
        let claim = Claim { sent: sent.clone(), token: "t".to_owned(), claimed_at: 0 };
        notifications[0].memory = Some(Memory {
            first_seen: 1_795_932_000 - 86_400,
            last_seen: 1_795_932_000,
            first_sent: Some(1_795_932_000 - 3600),
            sent: (!claimed).then_some(sent),
            claim: claimed.then_some(claim),
            ended: None,
            digest: None,
        });
        let keys = OutputKeys::for_object("", &object());
        let identity = &InputIdentity::Object(object());
        let context = Context { identity, keys: &keys, output_bucket: "out", console_region: None, now_ms: 7 };
        let sent = render(&notifications, &[], &context);
        let detail: Value = serde_json::from_str(&sent[0].detail).expect("JSON");
        assert_eq!((sent[0].id.as_str(), &detail["metadata"]["uid"]), ("of another input", &json!(sent[0].id)));
        let unmapped = &detail["unmapped"];
        assert_eq!(unmapped["first_sent"], "2026-11-29 05:00 UTC");
        assert_eq!(unmapped["since"], "2026-11-28 06:00 UTC");
        assert_eq!(detail["finding_info"]["first_seen_time"], json!(1_795_845_600_000_u64));
        assert_eq!(
            detail["type_name"],
            format!("Detection Finding: {}", detail["activity_name"].as_str().expect("text"))
        );
        [&detail["type_uid"], &detail["status"], &unmapped["notice"]].map(Value::to_string)
    };
    assert_eq!(of(Notice::New, true), ["200401", "\"New\"", "\"new\""]);
    assert_eq!(of(Notice::Worse, true), ["200402", "\"In Progress\"", "\"worse\""]);
    assert_eq!(of(Notice::Lasting, false), ["200402", "\"In Progress\"", "\"lasting\""]);
    assert_eq!(of(Notice::Resolved, false), ["200403", "\"Resolved\"", "\"resolved\""]);
}

#[test]
fn only_certain_findings_need_no_other_object() {
    let summary = scans(1);
    let selection = Selection { min_severity: Severity::Low, only_certain: true };
    assert_eq!((summary.findings[0].confidence.name(), count(&summary.findings, selection)), ("low", 0));
    let mut certain = summary;
    certain.findings[0].confidence = Confidence::High;
    assert_eq!(count(&certain.findings, selection), 1);
    let stored = json::render_findings(&certain.findings);
    assert_eq!(count_stored(&stored, selection).ok(), Some(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// EventBridge accepts 256 KB.
    #[test]
    fn untrusted_names_do_not_make_alerts_long(name in "[^ \\t\\n\\r]{1,3}", times in 1usize..4_900) {
        let interface = name.repeat(times);
        let flow = |port: u16| format!("2 1 {interface} 10.0.0.1 10.0.0.2 40000 {port} 6 1 40 9 9 REJECT OK\n");
        let gap = format!("2 1 {interface} - - - - - - - 8 9 - SKIPDATA\n");
        let summary = summary(&((1..=15).map(flow).collect::<String>() + &gap));
        let mut findings = json::render_findings(&summary.findings);
        prop_assume!(!findings.is_empty());
        let list: Vec<&str> = std::iter::repeat_n(interface.as_str(), 100).collect();
        let odd = json!({
            "id": interface, "type": interface, "severity": "high", "confidence": interface, "title": interface,
            "subject": {"vpc_id": interface}, "details": {"via_vpc_ids": list, "traffic_paths": vec![1; 1000]},
            "evidence": [], "flows": 1, "packets": 1, "bytes": 1, "exact": true, "examples": [],
            "first_seen": interface, "last_seen": null,
        });
        findings.extend(format!("{odd}\n").bytes());
        for (id, detail) in alerts_of(&findings, Severity::Low) {
            let detail = detail.to_string();
            prop_assert!(detail.len() < 120_000 && id.len() < 1500, "{} {}", detail.len(), id.len());
            prop_assert!(!detail.contains(|character: char| character.is_control()));
        }
    }
}

#[test]
fn findings_that_are_not_remembered_are_in_the_roll_up_only() {
    let (object, now_ms) = (object(), 7);
    let keys = OutputKeys::for_object("flowsentry/", &object);
    let identity = &InputIdentity::Object(object);
    let context = Context { identity, keys: &keys, output_bucket: "out", console_region: None, now_ms };
    let stored = json::render_findings(&scans(3).findings);
    let others = stored::select(&stored, selection(Severity::Low)).expect("findings");
    let sent = |notifications: &[Notification]| {
        let details = render(notifications, &others, &context).into_iter().map(|alert| alert.detail);
        let details = details.map(|detail| serde_json::from_str::<Value>(&detail).expect("JSON"));
        details.map(|it| (it["metadata"]["event_code"].clone(), it["count"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(sent(&[]), [(json!("roll-up"), json!(3))]);
    let one = &notifications(&stored, Severity::Low)[..1];
    assert_eq!(sent(one), [(json!("port-scan"), json!(15)), (json!("roll-up"), json!(3))]);
}
