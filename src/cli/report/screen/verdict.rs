//! The verdict of a screen, which is its first and its last part.

use super::list::{ProblemList, wrap};
use super::problems::Problem;
use crate::cli::report::findings::{Doubt, doubt};
use crate::cli::report::format::{escape_unprintable, format_count, plural};
use crate::cli::report::{BOLD, GREEN, YELLOW, severity_style};
use crate::findings::types::Severity;
use crate::summary::Summary;

/// Returns the rows of the verdict: `VERDICT  HIGH  8 findings: 2 high, 4 medium, 2 low`.
pub(super) fn verdict(summary: &Summary, problems: &[Problem], width: usize) -> Vec<String> {
    with_remark(summary, problems, "", width)
}

fn with_remark(summary: &Summary, problems: &[Problem], remark: &str, width: usize) -> Vec<String> {
    let worst = problems.iter().map(|problem| problem.severity).max();
    let (style, word) = match (worst, doubt(summary)) {
        (Some(severity), _) => (severity_style(severity), severity.name().to_uppercase()),
        (None, Some(_)) => (YELLOW, "UNKNOWN".to_owned()),
        (None, None) => (GREEN, "OK".to_owned()),
    };
    let first = format!("{BOLD}VERDICT{BOLD:#}  {style}{word}{style:#}  ");
    wrap(&first, 2, &(conclusion(summary, problems) + remark), width)
}

/// Returns the last rows: the verdict, the worst problem, and what to do.
pub(super) fn end(summary: &Summary, problems: &[Problem], list: &ProblemList, width: usize) -> Vec<String> {
    let remark = if problems.is_empty() { "" } else { " (all: --verbose)" };
    let mut rows = with_remark(summary, problems, remark, width);
    if let Some(worst) = list.worst() {
        let is_outside = worst.is_from_outside;
        let label = if is_outside { "First:" } else { "Worst:" };
        rows.extend(wrap(
            &format!("  {BOLD}{label}{BOLD:#} "),
            2,
            &format!("{} ({})", worst.title, worst.extent),
            width,
        ));
        rows.extend(wrap(&format!("  {BOLD}Next:{BOLD:#} "), 2, &worst.next_step, width));
    }
    rows
}

/// Describes all findings in one sentence.
fn conclusion(summary: &Summary, problems: &[Problem]) -> String {
    let suppressed = summary.findings.iter().filter(|finding| finding.suppressed.is_some()).count();
    let mut parts = Vec::new();
    let count = |is_counted: &dyn Fn(&Problem) -> bool| -> usize {
        problems.iter().filter(|problem| is_counted(problem)).map(|problem| problem.findings).sum()
    };
    let all = count(&|_| true);
    parts.push(match (all, doubt(summary)) {
        (0, None) => "no findings".to_owned(),
        (0, Some(Doubt::NoRecords)) => "no records were read".to_owned(),
        (0, Some(Doubt::NoTraffic)) => "no record is of accepted or rejected traffic".to_owned(),
        (0, Some(Doubt::FailedInputs)) => "no findings in the inputs that were read".to_owned(),
        (0, Some(Doubt::UnknownFindings)) => "only findings of a later version".to_owned(),
        (0, Some(Doubt::Filtered)) => "no findings among those that the filters leave".to_owned(),
        _ => format!("{}: {}", plural(all as u64, "finding"), by_severity(summary)),
    });
    match count(&|problem| problem.is_from_outside) {
        0 => {}
        outside if outside == all => parts.push("all are scans from the internet".to_owned()),
        outside => parts.push(format!("scans from the internet: {}", format_count(outside as u64))),
    }
    if suppressed > 0 {
        parts.push(format!("suppressed by the configuration: {}", format_count(suppressed as u64)));
    }
    if all > 0 && !summary.failed.is_empty() {
        parts.push("some inputs could not be read".to_owned());
    }
    parts.join("; ")
}

fn by_severity(summary: &Summary) -> String {
    let counts = Severity::ALL.iter().rev().map(|severity| {
        let of =
            summary.findings.iter().filter(|finding| finding.severity == *severity && finding.suppressed.is_none());
        (severity, of.count())
    });
    let counts = counts.filter(|(_, count)| *count > 0);
    counts
        .map(|(severity, count)| format!("{} {}", format_count(count as u64), severity.name()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns the rows of the findings that the configuration suppresses: the first of them, and the number of the others.
pub(super) fn suppressed(summary: &Summary, width: usize) -> Vec<String> {
    let mut suppressed = summary.findings.iter().filter_map(|finding| Some((finding, finding.suppressed.as_ref()?)));
    let Some((finding, why)) = suppressed.next() else { return Vec::new() };
    let more = match suppressed.count() {
        0 => String::new(),
        more => format!(", and {} more; --verbose shows them", format_count(more as u64)),
    };
    let (title, reason) = (escape_unprintable(&finding.title), escape_unprintable(&why.reason));
    wrap("", 8, &format!("{title} [suppressed until {}: {reason}]{more}", why.expires), width)
}
