//! The verdict of a screen, which is its first and its last part.

use super::list::{ProblemList, wrap};
use super::problems::{Problem, problems};
use crate::cli::report::format::{escape_unprintable, format_count, plural};
use crate::cli::report::short_names::ShortNames;
use crate::cli::report::{BOLD, GREEN, YELLOW, severity_style};
use crate::findings::types::Severity;
use crate::summary::Summary;
use crate::summary::doubt::{self, Doubt};
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
    let doubts = summary.doubts();
    let (style, word) = match worst {
        Some(severity) => (severity_style(severity), severity.name().to_uppercase()),
        None if doubts.is_empty() => (GREEN, "OK".to_owned()),
        None => (YELLOW, "UNKNOWN".to_owned()),
    };
    let first = format!("{BOLD}VERDICT{BOLD:#}  {style}{word}{style:#}  ");
    wrap(&first, 2, &(conclusion(summary, problems, &doubts) + remark), width)
}

/// Describes all findings in one sentence, and why some may be missing.
fn conclusion(summary: &Summary, problems: &[Problem], doubts: &[Doubt]) -> String {
    let suppressed = summary.findings.iter().filter(|finding| finding.suppressed.is_some()).count();
    let mut parts = Vec::new();
    let count = |is_counted: &dyn Fn(&Problem) -> bool| -> usize {
        problems.iter().filter(|problem| is_counted(problem)).map(|problem| problem.findings).sum()
    };
    let all = count(&|_| true);
    parts.push(match (all, doubts) {
        (0, []) => "no findings".to_owned(),
        (0, [first, ..]) if first.is_of_everything() => reasons(doubts),
        (0, _) => format!("no findings listed, but {}", reasons(doubts)),
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
    // The filters of records are above the verdict.
    let others = reasons(doubts.iter().filter(|doubt| !matches!(doubt, Doubt::Filtered { .. })));
    if all > 0 && !others.is_empty() {
        parts.push(format!("incomplete: {others}"));
    }
    parts.join("; ")
}

fn reasons<'a>(doubts: impl IntoIterator<Item = &'a Doubt>) -> String {
    escape_unprintable(&doubt::join(doubts))
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
    let [title, expires, reason] = [&finding.title, &why.expires, &why.reason].map(|text| escape_unprintable(text));
    wrap("", 8, &format!("{title} [suppressed until {expires}: {reason}]{more}"), width)
}
