//! `skipped-data`: AWS skipped records of an interface (SKIPDATA), so the absence of its traffic is not evidence.

use super::Context;
use super::evidence::{FindingDraft, MatchedFlows};
use crate::aggregate::interfaces::Interface;
use crate::aggregate::interner::Symbol;
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};

pub(super) const MEANING: &str = "AWS could not record all traffic of this interface (SKIPDATA): its counts are lower \
                                  bounds.";
pub(super) const NEXT_STEP: &str = "Do not treat missing traffic as evidence. If it continues, spread the load over more \
                                    interfaces or contact AWS: their internal capacity was exceeded.";

pub(super) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let skipped = context.network.interfaces.iter().filter(|(_, interface)| interface.skipped.flows > 0);
    skipped.map(|(id, interface)| finding(context, id, interface)).collect()
}

fn finding(context: &Context<'_>, id: Option<Symbol>, interface: &Interface) -> Finding {
    let interface_id = context.interface_name(id);
    let flows = MatchedFlows::from_sums(interface.skipped, interface.skipped_seen);
    let draft = FindingDraft {
        finding_type: FindingType::SkippedData,
        severity: Severity::Low,
        // Confidence is at most medium for every interface with skipped records, so here too.
        confidence: Confidence::Medium,
        title: format!(
            "AWS skipped records of {}",
            context.network.interface_label(id).as_deref().unwrap_or("an unnamed interface")
        ),
        subject: Subject::Interface { interface_id },
        details: Details::None {},
        evidence: [Evidence::SkipData].into(),
    };
    flows.into_finding(context, draft)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{detect_in, gap, record};
    use super::*;

    #[test]
    fn skipped_records_are_counted_by_interface() {
        let findings = detect_in(FindingType::SkippedData, [gap("eni-2"), gap("eni-1"), gap("eni-2"), gap("-")]);
        let seen: Vec<_> = findings.iter().map(|finding| (finding.title.as_str(), finding.tally.flows)).collect();
        let expected = [
            ("AWS skipped records of eni-2", 2),
            ("AWS skipped records of an unnamed interface", 1),
            ("AWS skipped records of eni-1", 1),
        ];
        assert_eq!(seen, expected);
        assert_eq!((findings[0].severity, findings[0].tally.packets), (Severity::Low, 0));
        // AWS reports no packets or bytes in these records. If it did, they would count.
        let counted = &detect_in(FindingType::SkippedData, [gap("eni-1").replace("SKIPDATA - -", "SKIPDATA 7 9")])[0];
        assert_eq!((counted.tally.packets, counted.tally.bytes), (7, 9));
        assert_eq!(findings[0].seen.last_seen.map(|time| time.to_string()).as_deref(), Some("2026-11-23T06:01:00Z"));
    }

    #[test]
    fn nodata_is_not_skipped_data() {
        let no_data = gap("eni-1").replace("SKIPDATA", "NODATA");
        let accepted = record("eni-1", "8.8.8.8 10.0.0.1 50000 443", 6, "ACCEPT", "2", "ingress");
        assert!(detect_in(FindingType::SkippedData, [no_data, accepted]).is_empty());
    }
}
