//! The report of `diff`: what is new first, then what changed and what is gone.

use std::net::IpAddr;

use indicatif::DecimalBytes;

use super::format::{display_id, display_name, format_address, format_count, format_port, format_window, plural};
use super::names::Names;
use super::short_names::ShortNames;
use super::table::{self, Cell, Column, FittedTable};
use super::{BOLD, DIM, GREEN, RED, Renderer, YELLOW, escape_unprintable, severity_style};
use crate::summary::diff::{
    Change, DIFFERENT_WINDOWS, Diff, DiffVerdict, FindingRow, GroupRow, NOT_GONE, NOT_NEW, PairRow, Side, TrafficChange,
};

/// Maximum number of rows of each list. JSON has all.
const ROWS: usize = 15;

const GROUP_COLUMNS: [Column; 6] = [
    Column::number("FLOWS", 0),
    Column::text("SOURCE", 0),
    Column::text("DESTINATION", 0),
    Column::text("PORT", 0),
    Column::text("CAUSE", 2),
    Column::text("INTERFACE", 1),
];

const PAIR_COLUMNS: [Column; 7] = [
    Column::text("FROM", 0),
    Column::text("TO", 0),
    Column::text("VIA", 1),
    Column::number("BYTES BEFORE", 0),
    Column::number("BYTES AFTER", 0),
    Column::number("REJECTED BEFORE", 0),
    Column::number("REJECTED AFTER", 0),
];

/// Renders what differs between two summaries, for a terminal with this number of columns.
pub(in crate::cli) fn render_diff(diff: &Diff, width: usize) -> String {
    let names = ShortNames::from_pairs(names(diff));
    let mut renderer = Renderer { names: Names { summary: Some(&names), topology: None }, ..Renderer::new(width) };
    renderer.side("before", &diff.before);
    renderer.side("after", &diff.after);
    if diff.has_comparable_windows() == Some(false) {
        renderer.wrapped("  ", "  ", DIFFERENT_WINDOWS);
    }
    renderer.diff_verdict(diff);
    let findings = &diff.findings;
    let unsure = |certain: bool, text: &'static str| if certain { "" } else { text };
    renderer.finding_rows("NEW FINDINGS", unsure(findings.new_certain, NOT_NEW), &findings.new);
    renderer.changes(&findings.changed);
    renderer.finding_rows("GONE FINDINGS", unsure(findings.gone_certain, NOT_GONE), &findings.gone);
    let groups = &diff.rejected_groups;
    renderer.group_rows("NEW REJECTED CONNECTIONS", unsure(groups.new_certain, NOT_NEW), &groups.new, &names);
    renderer.group_rows("GONE REJECTED CONNECTIONS", unsure(groups.gone_certain, NOT_GONE), &groups.gone, &names);
    renderer.pair_rows(diff.vpc_pairs.as_deref(), &names);
    renderer.text
}

impl Renderer<'_> {
    fn side(&mut self, name: &str, side: &Side) {
        let file = escape_unprintable(&side.file);
        let (accepted, rejected) = (side.traffic.accepted.flows, side.traffic.rejected.flows);
        let flows = format!("{} accepted, {} rejected", format_count(accepted), format_count(rejected));
        self.wrapped("", "  ", &format!("{BOLD}{name}{BOLD:#}  {file}: {flows}{}", format_window(side.window)));
        if !side.lacks.is_empty() {
            let lacks = escape_unprintable(&side.lacks.join("; "));
            self.wrapped("  ", "    ", &format!("{YELLOW}incomplete{YELLOW:#}: {lacks}"));
        }
    }

    fn diff_verdict(&mut self, diff: &Diff) {
        let counts = diff.findings.counts();
        let counts: Vec<String> =
            counts.iter().map(|(count, word)| format!("{} {word}", format_count(*count as u64))).collect();
        let verdict = diff.verdict();
        let word = verdict.words();
        let style = match verdict {
            DiffVerdict::Worse => RED,
            DiffVerdict::NoWorse => GREEN,
            DiffVerdict::Unknown => YELLOW,
        };
        self.line("");
        self.wrapped("", "  ", &format!("{style}{word}{style:#}  findings: {}", counts.join(", ")));
        if let Some(doubt) = diff.doubt() {
            self.wrapped("  ", "    ", &escape_unprintable(&doubt));
        }
    }

    fn finding_rows(&mut self, heading: &str, remark: &str, rows: &[FindingRow]) {
        if rows.is_empty() {
            return;
        }
        self.heading(heading, remark);
        for row in rows.iter().take(ROWS) {
            let style = severity_style(row.facts.severity);
            let severity = row.facts.severity.name().to_uppercase();
            let suppressed = if row.facts.suppressed { " (suppressed)" } else { "" };
            let title = escape_unprintable(&row.title);
            self.wrapped(&format!("  {style}{severity}{style:#} "), "    ", &format!("{title}{suppressed}"));
        }
        self.more(rows.len());
    }

    fn changes(&mut self, rows: &[Change]) {
        if rows.is_empty() {
            return;
        }
        self.heading("CHANGED FINDINGS", "");
        for change in rows.iter().take(ROWS) {
            self.wrapped("  ", "    ", &format!("{}: {}", change.in_words(), escape_unprintable(&change.title)));
        }
        self.more(rows.len());
    }

    fn group_rows(&mut self, heading: &str, remark: &str, rows: &[GroupRow], names: &ShortNames<'_>) {
        if rows.is_empty() {
            return;
        }
        let with_ids = self.names;
        let interface = |id: Option<&str>| Cell {
            full: with_ids.id(id),
            short: id.map_or_else(|| display_id(None), |id| names.get(id)),
        };
        let row = |row: &GroupRow| {
            vec![
                format_count(row.tally.flows).into(),
                address(row.srcaddr, row.src_name.as_deref()),
                address(row.dstaddr, row.dst_name.as_deref()),
                format_port(row.dstport, row.protocol).into(),
                row.cause.name().to_owned().into(),
                interface(row.interface_id.as_deref()),
            ]
        };
        self.heading(heading, remark);
        self.table(&GROUP_COLUMNS, &rows.iter().take(ROWS).map(row).collect::<Vec<_>>());
        self.more(rows.len());
    }

    fn pair_rows(&mut self, rows: Option<&[PairRow]>, names: &ShortNames<'_>) {
        let rows = rows.unwrap_or_default();
        if rows.is_empty() {
            return;
        }
        self.heading("TRAFFIC BETWEEN VPCS", "accepted bytes and rejected flows, the greatest change first");
        let listed: Vec<&PairRow> = rows.iter().take(ROWS).collect();
        let cells = |label: &dyn Fn(&str) -> String| -> Vec<Vec<Cell>> {
            listed.iter().map(|row| pair_cells(row, label)).collect()
        };
        let (with_ids, short) = (cells(&|id| self.names.id(Some(id))), cells(&|id| names.get(id)));
        let fits = |fitted: &FittedTable| fitted.lines.iter().all(|line| !line.contains('\n'));
        let wide = table::fit(&PAIR_COLUMNS, &with_ids, self.width);
        if fits(&wide) && wide.hidden.is_empty() {
            self.table(&PAIR_COLUMNS, &with_ids);
        } else if fits(&table::fit(&PAIR_COLUMNS, &short, self.width)) {
            self.table(&PAIR_COLUMNS, &short);
        } else {
            self.list_of_pairs(&listed, names);
        }
        self.more(rows.len());
    }

    /// Appends the pairs without columns, for a terminal that has no room for them.
    fn list_of_pairs(&mut self, rows: &[&PairRow], names: &ShortNames<'_>) {
        for PairRow { src_vpc_id, dst_vpc_id, change: TrafficChange { before, after }, .. } in rows {
            self.wrapped("  ", "    ", &format!("{} to {}", names.get(src_vpc_id), names.get(dst_vpc_id)));
            let bytes = [before, after].map(|traffic| DecimalBytes(traffic.accepted.bytes));
            let rejected = [before, after].map(|traffic| format_count(traffic.rejected.flows));
            let text = format!("bytes {} → {}; rejected {} → {}", bytes[0], bytes[1], rejected[0], rejected[1]);
            self.wrapped("      ", "      ", &text);
        }
    }

    /// Appends how many rows are not shown.
    fn more(&mut self, rows: usize) {
        if rows > ROWS {
            let more = plural((rows - ROWS) as u64, "more row");
            self.wrapped("  ", "    ", &format!("{DIM}{more}; all are in --format json{DIM:#}"));
        }
    }
}

/// Returns the cells of a pair. `label` formats an id.
fn pair_cells(row: &PairRow, label: &dyn Fn(&str) -> String) -> Vec<Cell> {
    let (before, after) = (row.change.before, row.change.after);
    let via = row.peering_connection_id.as_deref().map_or_else(|| display_id(None), label);
    let cells = [
        label(&row.src_vpc_id),
        label(&row.dst_vpc_id),
        via,
        DecimalBytes(before.accepted.bytes).to_string(),
        DecimalBytes(after.accepted.bytes).to_string(),
        format_count(before.rejected.flows),
        format_count(after.rejected.flows),
    ];
    cells.map(Cell::from).into()
}

/// Returns the ids and names of the VPCs, connections, and interfaces.
fn names(diff: &Diff) -> impl Iterator<Item = (&str, &str)> {
    let pairs = diff.vpc_pairs.iter().flatten().flat_map(|row| {
        [
            (Some(&row.src_vpc_id), row.src_vpc_name.as_ref()),
            (Some(&row.dst_vpc_id), row.dst_vpc_name.as_ref()),
            (row.peering_connection_id.as_ref(), row.peering_connection_name.as_ref()),
        ]
    });
    let groups = diff.rejected_groups.new.iter().chain(&diff.rejected_groups.gone);
    let interfaces = groups.map(|row| (row.interface_id.as_ref(), row.interface_name.as_ref()));
    pairs.chain(interfaces).filter_map(|(id, name)| Some((id?.as_str(), name?.as_str())))
}

fn address(address: Option<IpAddr>, name: Option<&str>) -> Cell {
    let short = format_address(address);
    let full = name.map_or_else(|| short.clone(), |name| format!("{short} ({})", display_name(name)));
    Cell { full, short }
}
