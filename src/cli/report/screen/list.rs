//! Fits the problems into the rows that are left: as many titles as possible, the most urgent first, then next steps for those.

use std::collections::HashMap;

use indexmap::IndexSet;

use super::problems::Problem;
use crate::cli::report::format::{format_count, plural};
use crate::cli::report::{BOLD, Renderer, severity_style};
use crate::findings::types::Severity;

/// Columns of a severity and the space after it.
const INDENT: usize = 8;
/// Maximum number of problems of one severity and type. The other rows are for other types.
const MAX_OF_A_TYPE: usize = 2;

/// The problems of a screen.
pub(super) struct ProblemList {
    /// Problems of the user's own network, and scans from the internet that are as urgent.
    own: Vec<Problem>,
    /// All other scans from the internet, as one problem.
    outside: Option<Problem>,
}

impl ProblemList {
    /// Creates a list. The problems must be sorted by urgency.
    pub(super) fn new(problems: &[Problem]) -> ProblemList {
        let is_noise = |problem: &Problem| problem.is_from_outside && problem.severity < Severity::High;
        let (noise, own): (Vec<Problem>, Vec<Problem>) = problems.iter().cloned().partition(is_noise);
        ProblemList { own, outside: as_one(&noise) }
    }

    /// Returns the most urgent problem.
    pub(super) fn worst(&self) -> Option<&Problem> {
        self.own.first().or(self.outside.as_ref())
    }

    /// Renders the list in at most this number of rows if it is not less than that of its worst problem.
    pub(super) fn render(&self, rows: usize, width: usize) -> Vec<String> {
        // One row is for the number of the others.
        let mut left = rows.saturating_sub(1);
        let picked = self.pick(&mut left, width);
        let is_picked = |problem: &&Problem| picked.iter().any(|picked| std::ptr::eq(*picked, *problem));
        let mut lines = Vec::new();
        let mut last_step = "";
        for (index, problem) in self.own.iter().filter(is_picked).enumerate() {
            lines.extend(title_rows(problem, width));
            let step = step_rows(problem, width);
            if index > 0 && (problem.next_step == last_step || step.len() > left) {
                continue;
            }
            // The rows of the first one are reserved.
            left = if index == 0 { left } else { left - step.len() };
            last_step = &problem.next_step;
            lines.extend(step);
        }
        let hidden: Vec<&Problem> = self.own.iter().chain(&self.outside).filter(|it| !is_picked(it)).collect();
        lines.extend(more(&hidden, width));
        lines.extend(self.outside.iter().filter(is_picked).flat_map(|problem| title_rows(problem, width)));
        lines
    }

    /// Picks problems whose titles fit the rows that are left, after the worst one and its next step.
    fn pick(&self, left: &mut usize, width: usize) -> Vec<&Problem> {
        let first_step = self.own.first().map_or(0, |problem| step_rows(problem, width).len());
        *left = left.saturating_sub(first_step);
        let (urgent, others) = self.by_urgency();
        let mut picked: Vec<&Problem> = Vec::new();
        let mut pick = |problem| {
            let needed = title_rows(problem, width).len();
            let fits = picked.is_empty() || needed <= *left;
            if fits {
                *left = left.saturating_sub(needed);
                picked.push(problem);
            }
            fits
        };
        // A shorter title of another type may fit where a longer one does not.
        let count = urgent.iter().filter(|problem| pick(problem)).count();
        if count == urgent.len() {
            others.into_iter().take_while(|problem| pick(problem)).for_each(drop);
        }
        picked
    }

    /// Returns the worst problem and the first one of each other type of high severity; and after these the scans from the internet and
    /// more problems of each type.
    fn by_urgency(&self) -> (Vec<&Problem>, Vec<&Problem>) {
        let mut of_type: HashMap<(Severity, &str), usize> = HashMap::new();
        let mut urgent = Vec::new();
        let mut others: Vec<&Problem> = self.outside.iter().collect();
        for problem in &self.own {
            let count = of_type.entry((problem.severity, &problem.types)).or_default();
            *count += 1;
            if urgent.is_empty() || *count == 1 && problem.severity == Severity::High {
                urgent.push(problem);
            } else if *count <= MAX_OF_A_TYPE {
                others.push(problem);
            }
        }
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
