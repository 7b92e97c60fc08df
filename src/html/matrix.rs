//! The matrix of VPC pairs: rows send, columns receive. It shows patterns that a graph of many VPCs hides.

use std::collections::HashMap;

use maud::{Markup, html};

use super::text::{plural, short_count};
use super::vpcs::Vpc;
use crate::aggregate::counters::Counters;
use crate::summary::{Peering, Traffic};

/// VPCs with a row of their own. Others share a row.
pub(super) const MAX_VPCS: usize = 40;
/// Headings of more columns are vertical.
const MAX_LEVEL_HEADINGS: usize = 6;
/// Shades of cells.
const SHADES: u8 = 5;

/// Sums of one cell.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    traffic: Traffic,
    unanswered: Counters,
}

/// Renders the matrix.
pub(super) fn table(peering: &Peering, vpcs: &[Vpc<'_>]) -> Markup {
    let shown = vpcs.get(..MAX_VPCS).unwrap_or(vpcs);
    let folded = vpcs.len() - shown.len();
    let cells = cells(peering, shown);
    let largest = cells.values().map(|cell| cell.traffic.accepted.flows).max().unwrap_or(0);
    let size = shown.len() + usize::from(folded > 0);
    let others = || (folded > 0).then(|| plural(folded as u64, "other VPC"));
    // Labels are distinct, and names may be longer.
    let is_shared = |vpc: &Vpc<'_>| shown.iter().filter(|other| other.name == vpc.name).count() > 1;
    let row = |vpc: &Vpc<'_>| if is_shared(vpc) { vpc.label.clone() } else { vpc.name.clone() };
    let labels: Vec<String> = shown.iter().map(row).chain(others()).collect();
    let columns = shown.iter().map(|vpc| vpc.label.clone()).chain(others());
    let class = if size > MAX_LEVEL_HEADINGS { "matrix vertical" } else { "matrix" };
    html! {
        h3 { "Matrix" }
        div.scroll role="region" aria-label="Matrix of VPC pairs" tabindex="0" {
            table class=(class) {
                caption {
                    "Accepted flows from the VPC of the row to that of the column. " span.rejected { "✕" } " rejected, "
                    span.silent { "?" } " without a reply."
                }
                thead { tr { th scope="col" { "From \\ to" } @for label in columns { th scope="col" { span { (label) } } } } }
                tbody {
                    @for (row, label) in labels.iter().enumerate() {
                        tr {
                            th scope="row" { (label) }
                            @for column in 0..size { (cell(cells.get(&(row, column)), row == column && row < shown.len(), largest)) }
                        }
                    }
                }
            }
        }
        @if folded > 0 { p.note { "VPCs with less traffic share the last row and column. " code { "peering.vpc_pairs" } " of the JSON summary has all pairs." } }
    }
}

/// Returns the sums by row and column. VPCs without a row of their own have the last one.
fn cells(peering: &Peering, shown: &[Vpc<'_>]) -> HashMap<(usize, usize), Cell> {
    let indexes: HashMap<&str, usize> = shown.iter().enumerate().map(|(index, vpc)| (vpc.id, index)).collect();
    let index = |id: &str| indexes.get(id).copied().unwrap_or(shown.len());
    let mut cells: HashMap<(usize, usize), Cell> = HashMap::new();
    for pair in &peering.vpc_pairs {
        let cell = cells.entry((index(&pair.src_vpc_id), index(&pair.dst_vpc_id))).or_default();
        cell.traffic.merge(pair.traffic);
        cell.unanswered.merge(pair.unanswered);
    }
    cells
}

fn cell(cell: Option<&Cell>, is_diagonal: bool, largest: u64) -> Markup {
    let Some(Cell { traffic, unanswered }) = cell else {
        return if is_diagonal {
            html! { td.self {} }
        } else {
            html! { td {} }
        };
    };
    let shade = shade(traffic.accepted.flows, largest);
    html! {
        td.{ "q" (shade) } {
            (short_count(traffic.accepted.flows))
            @if traffic.rejected.flows > 0 { " " span.rejected { "✕" (short_count(traffic.rejected.flows)) } }
            @if unanswered.flows > 0 { " " span.silent { "?" (short_count(unanswered.flows)) } }
        }
    }
}

/// Returns the shade of a number, from 0 for none to 5 for the largest, on a logarithmic scale.
fn shade(number: u64, largest: u64) -> u8 {
    if number == 0 || largest == 0 {
        return 0;
    }
    let share = (number as f64).ln_1p() / (largest as f64).ln_1p();
    (1..SHADES).find(|level| share <= f64::from(*level) / f64::from(SHADES)).unwrap_or(SHADES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_grow_with_the_logarithm() {
        let shades = [0, 1, 9, 90, 900, 9000, 90_000].map(|number| shade(number, 90_000));
        assert_eq!(shades, [0, 1, 2, 2, 3, 4, 5]);
        assert_eq!([shade(1, 1), shade(0, 0), shade(u64::MAX, u64::MAX)], [5, 0, 5]);
    }
}
