//! The verdict of a screen, which is its first and its last part.

use super::list::{ProblemList, wrap};
use super::problems::{Problem, problems};
use crate::cli::report::findings::{Doubt, doubt};
use crate::cli::report::format::{escape_unprintable, format_count, plural};
use crate::cli::report::short_names::ShortNames;
use crate::cli::report::{BOLD, GREEN, YELLOW, severity_style};
use crate::findings::types::Severity;
use crate::summary::Summary;
use crate::topology::Topology;

/// What a summary says in one sentence, and its problems.
pub(in crate::cli::report) struct Verdict<'a> {
    summary: &'a Summary,
    problems: Vec<Problem>,
    pub(super) list: ProblemList,
}

impl<'a> Verdict<'a> {
    pub(in crate::cli::report) fn new(
        summary: &'a Summary,
        topology: Option<&Topology>,
        names: &ShortNames<'_>,
    ) -> Verdict<'a> {
        let problems = problems(summary, topology, names);
        Verdict { summary, list: ProblemList::new(&problems), problems }
    }

    /// Returns the rows of the verdict: `VERDICT  HIGH  8 findings: 2 high, 4 medium, 2 low`.
    pub(in crate::cli::report) fn first(&self, width: usize) -> Vec<String> {
        with_remark(self.summary, &self.problems, "", width)
    }

    /// Returns the last rows: the verdict with a remark if there are problems, the worst problem, and what to do.
    pub(in crate::cli::report) fn last(&self, remark: &str, width: usize) -> Vec<String> {
        let remark = if self.problems.is_empty() { "" } else { remark };
        let mut rows = with_remark(self.summary, &self.problems, remark, width);
        if let Some(worst) = self.list.worst() {
            let label = if worst.is_from_outside { "First:" } else { "Worst:" };
            let text = format!("{} ({})", worst.title, worst.extent);
            rows.extend(wrap(&format!("  {BOLD}{label}{BOLD:#} "), 2, &text, width));
            rows.extend(wrap(&format!("  {BOLD}Next:{BOLD:#} "), 2, &worst.next_step, width));
        }
        rows
    }
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
        (0, Some(Doubt::MostlyMalformed)) => "most records are malformed".to_owned(),
        (0, Some(Doubt::LeftOut)) => "no finding has the severity that is listed".to_owned(),
        (0, Some(Doubt::UnknownFindings)) => "no finding is of a type that this version knows".to_owned(),
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
    let left_out = summary.filters.as_ref().map_or(0, |filters| filters.findings_left_out);
    if left_out > 0 {
        parts.push(format!("not listed, of a lower severity: {}", format_count(left_out)));
    }
    if summary.unknown_findings() > 0 {
        let count = format_count(summary.unknown_findings());
        parts.push(format!("unknown to this version, which may be worse: {count}"));
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
