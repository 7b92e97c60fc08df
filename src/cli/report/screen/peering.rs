//! Traffic between VPCs: a row for each pair where there are few, a matrix where there are many.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use indicatif::DecimalBytes;
use textwrap::core::display_width;

use super::list::wrap;
use crate::cli::report::Renderer;
use crate::cli::report::format::{format_count, plural};
use crate::cli::report::short_names::ShortNames;
use crate::cli::report::table::{Cell, Column};
use crate::summary::{Peering, VpcPair};

/// Maximum number of pairs that are listed. More are a matrix.
const MAX_LISTED: usize = 3;
/// Maximum number of VPCs of a matrix.
const MAX_VPCS: usize = 6;
/// Minimum number of VPCs of a matrix, in the narrowest terminal.
const MIN_VPCS: usize = 2;
/// Maximum number of pairs below a matrix.
const MAX_EXPLAINED: usize = 2;
/// Columns of space before a column of a table.
const GAP: usize = 2;

const LEFT: Column = Column::text("", 0);
const RIGHT: Column = Column::number("", 0);

/// The rows of the section.
pub(super) struct Section {
    /// The heading and the table.
    pub(super) table: Vec<String>,
    /// Remarks, as wide as the screen.
    pub(super) remarks: Vec<String>,
}

/// Renders the section.
pub(super) fn render(peering: Option<&Peering>, names: &ShortNames<'_>, width: usize) -> Section {
    let mut renderer = Renderer::new(width);
    let mut remarks = Vec::new();
    let pairs = peering.map_or(&[][..], |peering| &peering.vpc_pairs);
    let about = if peering.is_none_or(|peering| peering.exact) { "" } else { ", approximate" };
    if peering.is_none() {
        renderer.heading("PEERING", "not judged, because there is no topology (--topology)");
    } else if pairs.is_empty() {
        renderer.heading("PEERING", "no traffic between VPCs");
    } else if pairs.len() <= MAX_LISTED {
        renderer.heading("PEERING", &format!("traffic between VPCs{about}"));
        list(&mut renderer, pairs, names);
    } else {
        renderer.heading("PEERING", &format!("accepted bytes, row to column{about}"));
        remarks = Matrix::new(pairs, names).render(&mut renderer, pairs, names);
    }
    Section { table: renderer.text.trim_start().lines().map(str::to_owned).collect(), remarks }
}

fn list(renderer: &mut Renderer<'_>, pairs: &[VpcPair], names: &ShortNames<'_>) {
    let columns = [
        Column::text("FROM", 0),
        Column::text("TO", 0),
        Column::number("FLOWS", 0),
        Column::number("BYTES", 2),
        Column::number("REJECTED", 0),
        Column::number("NO REPLY", 0),
        Column::text("VIA", 1),
    ];
    let row = |pair: &VpcPair| {
        [
            names.get(&pair.src_vpc_id),
            names.get(&pair.dst_vpc_id),
            format_count(pair.traffic.accepted.flows),
            DecimalBytes(pair.traffic.accepted.bytes).to_string(),
            format_count(pair.traffic.rejected.flows),
            format_count(pair.unanswered.flows),
            via(pair, names),
        ]
        .map(Cell::from)
        .into()
    };
    renderer.table(&columns, &pairs.iter().map(row).collect::<Vec<_>>());
}

fn via(pair: &VpcPair, names: &ShortNames<'_>) -> String {
    pair.peering_connection_id.as_deref().map_or_else(|| "no connection".to_owned(), |id| names.get(id))
}

/// Returns the number of flows that do not work: rejected, or without a reply.
fn broken_flows(pair: &VpcPair) -> u64 {
    pair.traffic.rejected.flows.saturating_add(pair.unanswered.flows)
}

/// A matrix of the VPCs with the most traffic, and before them those with flows that do not work.
struct Matrix<'a> {
    vpcs: Vec<&'a str>,
    labels: Vec<String>,
    /// Number of VPCs with traffic.
    all: usize,
}

impl<'a> Matrix<'a> {
    fn new(pairs: &'a [VpcPair], names: &ShortNames<'_>) -> Matrix<'a> {
        let mut by_vpc: BTreeMap<&str, (bool, u64)> = BTreeMap::new();
        for pair in pairs {
            for id in [&pair.src_vpc_id, &pair.dst_vpc_id] {
                let (is_broken, flows) = by_vpc.entry(id).or_default();
                *is_broken |= broken_flows(pair) > 0;
                *flows = flows.saturating_add(pair.traffic.flows());
            }
        }
        let all = by_vpc.len();
        let mut vpcs: Vec<(&str, (bool, u64))> = by_vpc.into_iter().collect();
        vpcs.sort_by_key(|(_, rank)| Reverse(*rank));
        vpcs.truncate(MAX_VPCS);
        let vpcs: Vec<&str> = vpcs.into_iter().map(|(id, _)| id).collect();
        let labels = vpcs.iter().map(|id| names.get(id)).collect();
        Matrix { vpcs, labels, all }
    }

    fn has(&self, pair: &VpcPair) -> bool {
        [&pair.src_vpc_id, &pair.dst_vpc_id].iter().all(|id| self.vpcs.contains(&id.as_str()))
    }

    /// Appends the matrix. Returns the remarks.
    fn render(mut self, renderer: &mut Renderer<'_>, pairs: &[VpcPair], names: &ShortNames<'_>) -> Vec<String> {
        let mut table = self.table(pairs, false);
        if width(&table) > renderer.width {
            // Long names are beside the rows only; the columns have their numbers.
            table = self.table(pairs, true);
        }
        while width(&table) > renderer.width && self.vpcs.len() > MIN_VPCS {
            self.vpcs.pop();
            self.labels.pop();
            table = self.table(pairs, true);
        }
        let columns: Vec<Column> = [LEFT].into_iter().chain(self.vpcs.iter().map(|_| RIGHT)).collect();
        renderer.table(&columns, &table);
        self.explain(pairs, names, renderer.width)
    }

    /// Returns the cells with their headings, which are names or numbers.
    fn table(&self, pairs: &[VpcPair], is_numbered: bool) -> Vec<Vec<Cell>> {
        let heading =
            |(index, label): (usize, &String)| if is_numbered { (index + 1).to_string() } else { label.clone() };
        let headings = self.labels.iter().enumerate().map(heading);
        let row = |(index, (src, label)): (usize, (&&str, &String))| {
            let label = if is_numbered { format!("{} {label}", index + 1) } else { label.clone() };
            [label].into_iter().chain(self.cells(src, pairs)).map(Cell::from).collect()
        };
        let first = [String::new()].into_iter().chain(headings).map(Cell::from).collect();
        [first].into_iter().chain(self.vpcs.iter().zip(&self.labels).enumerate().map(row)).collect()
    }

    fn cells(&self, src: &str, pairs: &[VpcPair]) -> Vec<String> {
        let cell = |dst: &&str| {
            let pair = pairs.iter().find(|pair| pair.src_vpc_id == src && pair.dst_vpc_id == **dst);
            pair.map_or_else(
                || "-".to_owned(),
                |pair| {
                    let mark = if broken_flows(pair) > 0 { "! " } else { "" };
                    format!("{mark}{}", DecimalBytes(pair.traffic.accepted.bytes))
                },
            )
        };
        self.vpcs.iter().map(cell).collect()
    }

    /// Describes the pairs with the most flows that do not work, and counts the pairs that are not shown.
    fn explain(&self, pairs: &[VpcPair], names: &ShortNames<'_>, width: usize) -> Vec<String> {
        let mut broken: Vec<&VpcPair> = pairs.iter().filter(|pair| broken_flows(pair) > 0).collect();
        broken.sort_by_key(|pair| Reverse(broken_flows(pair)));
        let explained = broken.iter().take(MAX_EXPLAINED);
        let mut rows: Vec<String> =
            explained.flat_map(|pair| wrap("  ! ", 4, &explanation(pair, names), width)).collect();
        let mut more = Vec::new();
        if let Some(marked) = broken.len().checked_sub(MAX_EXPLAINED).filter(|marked| *marked > 0) {
            more.push(format!("{} with !", plural(marked as u64, "more pair")));
        }
        let outside = pairs.iter().filter(|pair| !self.has(pair)).count();
        if outside > 0 {
            let vpcs = plural(self.all.saturating_sub(self.vpcs.len()) as u64, "more VPC");
            more.push(format!("{} with {vpcs}", plural(outside as u64, "pair")));
        }
        if !more.is_empty() {
            rows.extend(wrap("  ", 4, &format!("and {}; --format json has all pairs", more.join(", and ")), width));
        }
        rows
    }
}

/// Returns the width of a table.
fn width(table: &[Vec<Cell>]) -> usize {
    let columns = table.first().map_or(0, Vec::len);
    let cell = |row: &Vec<Cell>, index: usize| row.get(index).map_or(0, |cell| display_width(&cell.full));
    let column = |index: usize| GAP + table.iter().map(|row| cell(row, index)).max().unwrap_or(0);
    (0..columns).map(column).sum()
}

/// Describes a pair with flows that do not work: `shop to data: 20 of 20 flows without reply, no connection`.
fn explanation(pair: &VpcPair, names: &ShortNames<'_>) -> String {
    let (accepted, rejected) = (pair.traffic.accepted.flows, pair.traffic.rejected.flows);
    let mut parts = Vec::new();
    if pair.unanswered.flows > 0 {
        let unanswered = format_count(pair.unanswered.flows);
        parts.push(format!("{unanswered} of {} without reply", plural(accepted, "accepted flow")));
    }
    if rejected > 0 {
        parts.push(format!("{} rejected", plural(rejected, "flow")));
    }
    let via = match pair.peering_connection_id.as_deref() {
        Some(id) => format!("via {}", names.get(id)),
        None => "no connection".to_owned(),
    };
    let (src, dst) = (names.get(&pair.src_vpc_id), names.get(&pair.dst_vpc_id));
    format!("{src} to {dst}: {}; {via}", parts.join(", "))
}
