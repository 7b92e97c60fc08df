use super::types::{Confidence, Severity};
use super::*;
use crate::pipeline::{self, Options};
use crate::summary::build::{self, SummaryOptions};

/// The columns of the test records.
pub(super) const HEADER: &str = "interface-id srcaddr dstaddr srcport dstport protocol action tcp-flags flow-direction \
                      log-status packets bytes start end";

/// Returns a record of ten packets, 400 bytes, and one minute.
pub(super) fn record(interface: &str, ends: &str, protocol: u8, action: &str, flags: &str, direction: &str) -> String {
    format!("{interface} {ends} {protocol} {action} {flags} {direction} OK 10 400 1795413600 1795413660\n")
}

/// Returns a SKIPDATA record of an interface.
pub(super) fn gap(interface: &str) -> String {
    format!("{interface} - - - - - - - - SKIPDATA - - 1795413600 1795413660\n")
}

/// Returns the findings of one type in these records.
pub(super) fn detect_in(finding_type: FindingType, records: impl IntoIterator<Item = String>) -> Vec<Finding> {
    findings_in(records).into_iter().filter(|finding| finding.finding_type == finding_type).collect()
}

fn findings_in(records: impl IntoIterator<Item = String>) -> Vec<Finding> {
    let log = format!("{HEADER}\n{}", records.into_iter().collect::<String>());
    let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
    assert_eq!(analysis.records.malformed, 0, "{:?}", analysis.malformed);
    build::build_summary(analysis, &SummaryOptions::default(), None).findings
}

#[test]
fn findings_are_sorted_by_severity_then_flows() {
    let mut records: Vec<String> =
        (0..15).map(|n| record("eni-1", &format!("8.8.8.8 10.0.0.1 50000 {n}"), 6, "REJECT", "2", "ingress")).collect();
    records
        .extend((0..15).map(|n| record("eni-1", &format!("10.9.9.9 10.0.0.1 50000 {n}"), 6, "REJECT", "2", "ingress")));
    records
        .extend((0..16).map(|n| record("eni-1", &format!("9.9.9.9 10.0.0.1 50000 {n}"), 6, "REJECT", "2", "ingress")));
    let findings = detect_in(FindingType::PortScan, records);
    let order: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.tally.flows)).collect();
    assert_eq!(order, [(Severity::High, 15), (Severity::Medium, 16), (Severity::Medium, 15)]);
}

#[test]
fn ties_are_sorted_by_type_then_subject() {
    // Both have medium severity and five flows. By subject, the reply would come first.
    let blocked =
        (0..5).map(|n| record("eni-1", &format!("10.0.0.1 8.8.8.8 {} 443", 50_000 + n), 6, "REJECT", "2", "egress"));
    let replies =
        (0..5).map(|n| record("eni-0", &format!("10.0.0.2 8.8.8.8 443 {}", 50_000 + n), 6, "REJECT", "18", "egress"));
    let requests =
        (0..5).map(|n| record("eni-0", &format!("8.8.8.8 10.0.0.2 {} 443", 50_000 + n), 6, "ACCEPT", "2", "ingress"));
    let types: Vec<_> = findings_in(blocked.chain(replies).chain(requests)).iter().map(|f| f.finding_type).collect();
    assert_eq!(types, [FindingType::EgressBlocked, FindingType::ReplyBlocked]);
}

#[test]
fn skipped_records_of_one_interface_lower_the_confidence() {
    let probes = (0..15).map(|n| {
        record(&format!("eni-{}", n % 2), &format!("8.8.8.8 10.0.0.1 50000 {n}"), 6, "REJECT", "2", "ingress")
    });
    let finding = &detect_in(FindingType::PortScan, probes.chain([gap("eni-1")]))[0];
    assert_eq!(finding.confidence, Confidence::Medium);
}

#[test]
fn missing_flags_in_one_input_lower_the_confidence() {
    let log = |flags: &str, ports: std::ops::Range<u16>| -> String {
        let record = |port| record("eni-1", &format!("8.8.8.8 10.0.0.1 50000 {port}"), 6, "REJECT", flags, "ingress");
        format!("{HEADER}\n{}", ports.map(record).collect::<String>())
    };
    let mut merged = crate::aggregate::Analysis::default();
    for log in [log("2", 0..20), log("-", 0..20)] {
        merged.merge(pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log"));
    }
    let findings = build::build_summary(merged, &SummaryOptions::default(), None).findings;
    assert_eq!((findings.len(), findings[0].confidence), (1, Confidence::Medium));
}

#[test]
fn only_tcp_and_udp_are_probes() {
    let probes =
        (0..20).map(|n| record("eni-1", &format!("8.8.8.8 10.0.0.1 50000 {n}"), 132, "REJECT", "-", "ingress"));
    assert!(detect_in(FindingType::PortScan, probes).is_empty());
}

#[test]
fn each_type_has_a_meaning_and_a_next_step() {
    for finding_type in FindingType::ALL {
        assert!(meaning(*finding_type).ends_with('.') || meaning(*finding_type).contains(": "), "{finding_type:?}");
        assert!(next_step(*finding_type).ends_with('.') || next_step(*finding_type).contains(' '));
        assert_eq!(serde_json::to_value(finding_type).expect("JSON"), finding_type.name());
    }
    assert!(FindingType::ALL.is_sorted_by_key(|finding_type| finding_type.name()));
}
