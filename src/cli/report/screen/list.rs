//! Fits the problems into the rows that are left: a title of each type of high severity, the next step of the worst, as many other titles as
//! possible, the most urgent first, then next steps for those.

use std::collections::HashMap;

use indexmap::IndexSet;

use super::COLUMNS;
use super::problems::Problem;
use crate::cli::report::format::{format_count, plural};
use crate::cli::report::{BOLD, Renderer, severity_style};
use crate::findings::types::Severity;

/// Columns of a severity and the space after it.
const INDENT: usize = 8;
/// Maximum number of problems of one severity and type. The other rows are for other types.
const MAX_OF_A_TYPE: usize = 2;

/// The problems of a screen, the most urgent first. Scans from the internet that are not of high severity are one problem.
pub(super) struct ProblemList(Vec<Problem>);

/// Reports whether a problem is a scan from the internet that needs no row of its own.
fn is_noise(problem: &Problem) -> bool {
    problem.is_from_outside && problem.severity < Severity::High
}

impl ProblemList {
    /// Creates a list. The problems must be sorted by urgency.
    pub(super) fn new(problems: &[Problem]) -> ProblemList {
        let (noise, mut list): (Vec<Problem>, Vec<Problem>) = problems.iter().cloned().partition(is_noise);
        if let Some(noise) = as_one(&noise) {
            let index = list.partition_point(|problem| problem.severity >= noise.severity);
            list.insert(index, noise);
        }
        ProblemList(list)
    }

    /// Returns the most urgent problem.
    pub(super) fn worst(&self) -> Option<&Problem> {
        self.0.first()
    }

    /// Renders the list in at most this number of rows if it is not less than that of its worst problem. In a narrow terminal, the titles of
    /// high severity may need more.
    pub(super) fn render(&self, rows: usize, width: usize) -> Vec<String> {
        // One row is for the number of the others.
        let mut left = rows.saturating_sub(1);
        let (picked, has_first_step) = self.pick(&mut left, width);
        let is_picked = |problem: &&Problem| picked.iter().any(|picked| std::ptr::eq(*picked, *problem));
        let mut lines = Vec::new();
        let mut last_step = "";
        for (index, problem) in self.0.iter().filter(is_picked).enumerate() {
            lines.extend(title_rows(problem, width));
            let step = step_rows(problem, width);
            let is_reserved = index == 0 && has_first_step;
            let is_shown = is_reserved || index > 0 && problem.next_step != last_step && step.len() <= left;
            if is_noise(problem) || !is_shown {
                continue;
            }
            left = if is_reserved { left } else { left - step.len() };
            last_step = &problem.next_step;
            lines.extend(step);
        }
        let hidden: Vec<&Problem> = self.0.iter().filter(|it| !is_picked(it)).collect();
        lines.extend(more(&hidden, width));
        lines
    }

    /// Picks problems whose titles fit the rows that are left. Returns whether the next step of the first one fits, too: it comes after the
    /// titles of high severity, because the last rows of a screen have it again.
    fn pick(&self, left: &mut usize, width: usize) -> (Vec<&Problem>, bool) {
        let (urgent, others) = self.by_urgency();
        let mut picked: Vec<&Problem> = Vec::new();
        let mut pick = |problem, is_needed: bool, left: &mut usize| {
            let needed = title_rows(problem, width).len();
            let fits = is_needed || picked.is_empty() || needed <= *left;
            if fits {
                *left = left.saturating_sub(needed);
                picked.push(problem);
            }
            fits
        };
        // A shorter title of another type may fit where a longer one does not.
        let is_narrow = width < COLUMNS;
        let count = urgent.iter().filter(|problem| pick(problem, is_narrow, left)).count();
        let first_step =
            self.worst().filter(|problem| !is_noise(problem)).map(|problem| step_rows(problem, width).len());
        let has_first_step = first_step.is_some_and(|rows| rows <= *left);
        if has_first_step {
            *left = left.saturating_sub(first_step.unwrap_or(0));
        }
        if count == urgent.len() {
            others.into_iter().take_while(|problem| pick(problem, false, left)).for_each(drop);
        }
        (picked, has_first_step)
    }

    /// Returns the worst problem and the first one of each other type of high severity; and after these the scans from the internet and
    /// more problems of each type.
    fn by_urgency(&self) -> (Vec<&Problem>, Vec<&Problem>) {
        let mut of_type: HashMap<(Severity, &str), usize> = HashMap::new();
        let mut urgent = Vec::new();
        let mut others: Vec<&Problem> = Vec::new();
        for problem in &self.0 {
            let count = of_type.entry((problem.severity, &problem.types)).or_default();
            *count += 1;
            if urgent.is_empty() || *count == 1 && problem.severity == Severity::High {
                urgent.push(problem);
            } else if is_noise(problem) || *count <= MAX_OF_A_TYPE {
                others.push(problem);
            }
        }
        // One row has all scans from the internet.
        others.sort_by_key(|problem| !is_noise(problem));
        (urgent, others)
    }
}

/// Returns all scans from the internet as one problem: the number of sources, and the first of them.
fn as_one(noise: &[Problem]) -> Option<Problem> {
    let [first, others @ ..] = noise else { return None };
    if others.is_empty() {
        return Some(first.clone());
    }
    // The extent is that of the first one.
    let such_as = first.source.map_or_else(String::new, |source| format!("; the worst is {source}"));
    let title = format!("{} sources on the internet scan your network{such_as}", format_count(noise.len() as u64));
    let findings = noise.iter().map(|problem| problem.findings).sum();
    Some(Problem { title, findings, ..first.clone() })
}

/// Returns the rows of a title: `HIGH    shop tries to reach … (20 flows since 05:59:11Z)`.
pub(super) fn title_rows(problem: &Problem, width: usize) -> Vec<String> {
    let (style, severity) = (severity_style(problem.severity), problem.severity.name().to_uppercase());
    let first = format!("{style}{severity}{style:#}{}", " ".repeat(INDENT.saturating_sub(severity.len())));
    wrap(&first, INDENT, &format!("{} ({})", problem.title, problem.extent), width)
}

/// Returns the rows of a next step.
pub(super) fn step_rows(problem: &Problem, width: usize) -> Vec<String> {
    let first = format!("{}{BOLD}Next:{BOLD:#} ", " ".repeat(INDENT));
    wrap(&first, INDENT, &problem.next_step, width)
}

/// Wraps a text below a first indentation, which may have styles.
pub(super) fn wrap(first: &str, indent: usize, text: &str, width: usize) -> Vec<String> {
    let mut renderer = Renderer::new(width);
    renderer.wrapped(first, &" ".repeat(indent), text);
    renderer.text.lines().map(str::to_owned).collect()
}

/// Returns a row with the number of the findings that are not shown, and their types as far as they fit.
fn more(hidden: &[&Problem], width: usize) -> Vec<String> {
    let count: usize = hidden.iter().map(|problem| problem.findings).sum();
    if count == 0 {
        return Vec::new();
    }
    let types: IndexSet<&str> = hidden.iter().map(|problem| problem.types.as_str()).collect();
    let indent = " ".repeat(INDENT);
    let start = format!("and {}", plural(count as u64, "more finding"));
    let row = |listed: usize| {
        let mut names: Vec<String> = types.iter().take(listed).map(|name| (*name).to_owned()).collect();
        if listed < types.len() {
            names.push(plural((types.len() - listed) as u64, "other type"));
        }
        format!("{indent}{start}: {} (--verbose)", names.join(", "))
    };
    let fitting = (1..=types.len()).rev().map(row).find(|row| row.len() <= width);
    fitting.map_or_else(|| wrap(&indent, INDENT, &format!("{start} (--verbose)"), width), |row| vec![row])
}
