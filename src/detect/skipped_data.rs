//! `skipped-data`: AWS left records of an interface out, so nothing that is missing there proves anything.

use super::{Context, Records, Verdict};
use crate::finding::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::interfaces::Interface;
use crate::names::NameId;

pub(super) const MEANING: &str = "AWS could not record all traffic of this interface (SKIPDATA): the numbers for it are \
                                  lower bounds.";
pub(super) const NEXT_STEP: &str = "Do not conclude from what is missing here. If it goes on, spread the load over more \
                                    interfaces, or ask AWS: it is their internal capacity.";

pub(super) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let skipped = context.interfaces.iter().filter(|(_, interface)| interface.skipped.flows > 0);
    skipped.map(|(id, interface)| finding(context, id, interface)).collect()
}

fn finding(context: &Context<'_>, id: Option<NameId>, interface: &Interface) -> Finding {
    let interface_id = context.interface_name(id);
    let records = Records { tally: interface.skipped, seen: interface.skipped_seen, ..Records::default() };
    let verdict = Verdict {
        finding_type: FindingType::SkippedData,
        severity: Severity::Low,
        // Holes in the log are what this finding is sure of, and still: at most medium where there are holes.
        confidence: Confidence::Medium,
        title: format!("AWS left out records of {}", interface_id.as_deref().unwrap_or("an unnamed interface")),
        subject: Subject::Interface { interface_id },
        details: Details::None {},
        evidence: [Evidence::SkipData].into(),
    };
    records.into_finding(context, verdict)
}
