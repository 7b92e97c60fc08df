//! The report of a run on one screen: the verdict first and last, and between them the problems, the traffic, peering, and what is rejected
//! most.
//!
//! It has at most [`MAX_ROWS`] rows at 100 columns, however many findings there are: problems get the rows that the other parts leave.
//! What is left out is counted, with the option that shows it.
//!
//! - `problems`: findings as problems, `list`: fits problems into rows.
//! - `verdict`: the first and the last rows.
//! - `traffic`, `peering`, `top`: the sections between.

mod list;
mod peering;
mod problems;
mod top;
mod traffic;
mod verdict;

use textwrap::core::display_width;

use super::names::Names;
use super::short_names::ShortNames;
use super::{RenderOptions, Renderer};
use crate::summary::Summary;
use top::TopList;
pub(super) use verdict::Verdict;

/// Maximum number of rows at 100 columns. One more is for the prompt below.
const MAX_ROWS: usize = 39;
/// Columns of such a screen. Narrower ones have two screens of 24 rows.
const COLUMNS: usize = 100;
const MAX_NARROW_ROWS: usize = 48;
/// Rows of a list of sources or ports, unless there is more room.
const MIN_TOP_ROWS: usize = 3;
const MAX_TOP_ROWS: usize = 10;
/// Minimum width of a list of sources or ports next to others.
const MIN_TOP_WIDTH: usize = 38;
/// Columns of space between tables in a row.
const GAP: usize = 2;

/// Renders the report of a run.
pub fn render(summary: &Summary, options: RenderOptions<'_>) -> String {
    let width = Renderer::new(options.width).width;
    let names = ShortNames::new(summary);
    let verdict = Verdict::new(summary, options.topology, &names);
    let heading = traffic::head(summary, width);
    let head = [heading, filters(summary, width), vec![String::new()], verdict.first(width)].concat();
    if summary.sources.is_empty() {
        // Empty sections would look like an all-clear.
        return text(&head);
    }
    let facts = |top_rows| facts(summary, &names, width, top_rows);
    let end = [vec![String::new()], verdict.last(" (all: --verbose)", width)].concat();
    let suppressed = verdict::suppressed(summary, width);
    let others = head.len() + suppressed.len() + end.len();
    let max_rows = if width < COLUMNS { MAX_NARROW_ROWS } else { MAX_ROWS };
    let list = verdict.list.render(max_rows.saturating_sub(others + facts(MIN_TOP_ROWS).len()), width);
    let left = max_rows.saturating_sub(others + list.len());
    let longest = (MIN_TOP_ROWS..=MAX_TOP_ROWS).rev().map(facts).find(|facts| facts.len() <= left);
    let facts = longest.unwrap_or_else(|| facts(MIN_TOP_ROWS));
    text(&[head, list, suppressed, facts, groups(summary, options, &names, width), end].concat())
}

fn text(rows: &[String]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// Returns the traffic, peering, the sources and ports that are rejected most, and the talkers if a filter asks for them.
fn facts(summary: &Summary, names: &ShortNames<'_>, width: usize, top_rows: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    rows.extend(traffic::traffic(summary, names, width));
    let peering = peering::render(summary.peering.as_ref(), names, width);
    rows.extend(tables(peering.table, &top::lists(summary, names), width, top_rows));
    rows.extend(peering.remarks);
    rows.extend(top::talkers(summary, names, width, top_rows));
    rows
}

/// Returns the filters, if there are any.
fn filters(summary: &Summary, width: usize) -> Vec<String> {
    let mut renderer = Renderer::new(width);
    renderer.filters(summary);
    renderer.text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Returns the rejected connections, if their number is given.
fn groups(summary: &Summary, options: RenderOptions<'_>, names: &ShortNames<'_>, width: usize) -> Vec<String> {
    let Some(groups) = options.groups else { return Vec::new() };
    let mut renderer =
        Renderer { names: Names { summary: Some(names), topology: options.topology }, ..Renderer::new(width) };
    renderer.top_rejected(summary, groups);
    renderer.text.lines().map(str::to_owned).collect()
}

/// Lays out peering and the lists of the most rejected, in a row if there is room.
fn tables(peering: Vec<String>, tops: &[TopList], width: usize, rows: usize) -> Vec<String> {
    let render = |width: usize| tops.iter().map(|top| top.render(rows, width)).collect::<Vec<_>>();
    let min_width = tops.iter().map(|top| top.min_width(rows)).fold(MIN_TOP_WIDTH, usize::max);
    let room = width.saturating_sub(columns(&peering) + GAP);
    let half = |room: usize| room.saturating_sub(GAP) / 2;
    if half(room) >= min_width {
        let lists = render(half(room));
        return lists.iter().fold(peering, |left, right| beside(&left, right));
    }
    if room >= min_width {
        return beside(&peering, &render(room).concat());
    }
    let lists = match render(half(width)) {
        lists if half(width) >= min_width => lists.iter().fold(Vec::new(), |left, right| beside(&left, right)),
        _ => render(width).concat(),
    };
    [peering, lists].concat()
}

fn columns(rows: &[String]) -> usize {
    rows.iter().map(|row| display_width(row)).max().unwrap_or(0)
}

/// Joins two tables, the second to the right of the first.
fn beside(left: &[String], right: &[String]) -> Vec<String> {
    let width = if left.is_empty() { 0 } else { columns(left) + GAP };
    let row = |index: usize| {
        let left = left.get(index).map_or("", String::as_str);
        let right = right.get(index).map_or("", String::as_str);
        let padding = " ".repeat(width.saturating_sub(display_width(left)));
        format!("{left}{padding}{right}").trim_end().to_owned()
    };
    (0..left.len().max(right.len())).map(row).collect()
}

#[cfg(test)]
mod tests;
