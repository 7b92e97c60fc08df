//! Marks the findings that the configuration suppresses, and those of trusted scanners. They stay in the summary.

use serde_json::Value;

use super::types::{Finding, Suppressed};
use crate::config::exceptions::Exceptions;
use crate::record::timestamp::Timestamp;

/// Marks each finding with the exception that applies to it.
pub(crate) fn mark(findings: &mut [Finding], exceptions: &Exceptions) {
    if *exceptions == Exceptions::default() {
        return;
    }
    for finding in findings {
        let seen = finding.seen.last_seen.or(finding.seen.first_seen).map(Timestamp::seconds);
        let subject = serde_json::to_value(&finding.subject).unwrap_or_default();
        let member = |name: &str| subject.get(name).and_then(member_text);
        let applies = exceptions.of_finding(finding.finding_type.name(), member, seen);
        finding.suppressed =
            applies.map(|one| Suppressed { reason: one.reason.clone(), expires: one.expires.to_string() });
    }
}

/// Returns a member of a subject as text, if it is one value.
pub(crate) fn member_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::exceptions::FINDINGS;
    use crate::findings::types::FindingType;
    use crate::pipeline::{self, Options};
    use crate::summary::build::{self, SummaryOptions};
    use crate::summary::json;

    /// Returns the summary of a scan on 2026-11-29, as JSON.
    fn summary(config: &str) -> String {
        let record =
            |port: u16| format!("2 1 eni-1 10.9.0.1 10.0.0.2 40000 {port} 6 1 40 1795910400 1795910460 REJECT OK\n");
        let log: String = (1..=20).map(record).collect();
        let analysis = pipeline::analyze("x", log.as_bytes(), &Options::default()).expect("a flow log");
        let config = Config::from_toml(config).expect("valid");
        let options = SummaryOptions {
            trusted_scanners: config.trusted_scanners,
            exceptions: config.exceptions,
            ..SummaryOptions::default()
        };
        let rendered = json::render(&build::build_summary(analysis, &options, None));
        String::from_utf8(rendered).expect("text")
    }

    fn suppress(what: &str, expires: &str) -> String {
        summary(&format!("[[suppress]]\n{what}\nreason = \"a drill\"\nexpires = {expires}\n"))
    }

    #[test]
    fn the_types_of_the_configuration_are_those_of_the_detectors() {
        let names: Vec<&str> = FindingType::ALL.iter().map(|finding_type| finding_type.name()).collect();
        assert_eq!(names, FINDINGS.map(|(name, _)| name));
    }

    #[test]
    fn a_suppressed_finding_stays_in_the_summary_with_the_reason() {
        let plain = summary("");
        let marked = r#""suppressed": {
        "reason": "a drill",
        "expires": "2026-11-30"
      }"#;
        let compact = |text: &str| text.split_whitespace().collect::<String>();
        for what in ["types = [\"port-scan\"]", "subject = {srcaddr = \"10.9.0.1\", dstaddr = \"10.0.0.2\"}"] {
            let suppressed = suppress(what, "2026-11-30");
            assert!(compact(&suppressed).contains(&compact(marked)), "{suppressed}");
            assert_eq!(compact(&suppressed).replace(&format!(",{}", compact(marked)), ""), compact(&plain));
        }
    }

    #[test]
    fn other_and_expired_suppressions_change_no_byte() {
        let plain = summary("");
        let scan = "types = [\"port-scan\"]";
        assert_eq!(suppress(scan, "2026-11-29"), plain, "expired by the time of the records");
        assert_eq!(suppress("types = [\"host-sweep\"]", "2026-11-30"), plain);
        assert_eq!(suppress("subject = {srcaddr = \"10.9.0.2\"}", "2026-11-30"), plain);
        assert_eq!(suppress("subject = {dstport = 22}", "2026-11-30"), plain, "the subject has no port");
    }

    #[test]
    fn scans_of_trusted_scanners_are_listed_with_the_reason() {
        let plain = summary("");
        let scanner = |expires: &str| {
            summary(&format!(
                "[[trusted_scanners]]\ncidr_blocks = [\"10.9.0.1\"]\nreason = \"x\"\nexpires = {expires}\n"
            ))
        };
        assert_eq!(scanner("2026-11-29"), plain);
        let trusted = scanner("2026-11-30");
        assert!(trusted.contains("port-scan") && trusted.contains(r#""suppressed""#), "{trusted}");
        // Blocks without an end make no finding at all.
        assert!(!summary("trusted_scanners = [\"10.9.0.1\"]").contains("port-scan"));
    }
}
