//! The report of `diff`: what is new first, then what changed and what is gone.

use std::net::IpAddr;

use indicatif::DecimalBytes;

use super::format::{display_id, display_name, format_address, format_count, format_port, format_window, plural};
use super::table::{Cell, Column};
use super::{BOLD, DIM, GREEN, RED, Renderer, YELLOW, escape_unprintable, severity_style};
use crate::summary::diff::{
    Change, DIFFERENT_WINDOWS, Diff, DiffVerdict, FindingRow, GroupRow, NOT_GONE, NOT_NEW, PairRow, Side,
};

/// Maximum number of rows of each list. JSON has all.
const ROWS: usize = 15;

const GROUP_COLUMNS: [Column; 6] = [
    Column::number("FLOWS", 0),
    Column::text("SOURCE", 0),
    Column::text("DESTINATION", 0),
    Column::text("PORT", 0),
    Column::text("CAUSE", 1),
    Column::text("INTERFACE", 2),
];

const PAIR_COLUMNS: [Column; 7] = [
    Column::text("FROM", 0),
    Column::text("TO", 0),
    Column::text("VIA", 1),
    Column::number("BYTES BEFORE", 0),
    Column::number("BYTES AFTER", 0),
    Column::number("REJECTED BEFORE", 2),
    Column::number("REJECTED AFTER", 2),
];

/// Renders what differs between two summaries, for a terminal with this number of columns.
pub(in crate::cli) fn render_diff(diff: &Diff, width: usize) -> String {
    let mut renderer = Renderer::new(width);
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
    renderer.group_rows("NEW REJECTED CONNECTIONS", unsure(groups.new_certain, NOT_NEW), &groups.new);
    renderer.group_rows("GONE REJECTED CONNECTIONS", unsure(groups.gone_certain, NOT_GONE), &groups.gone);
    renderer.pair_rows(diff.vpc_pairs.as_deref());
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

    fn group_rows(&mut self, heading: &str, remark: &str, rows: &[GroupRow]) {
        if rows.is_empty() {
            return;
        }
        let row = |row: &GroupRow| {
            vec![
                format_count(row.tally.flows).into(),
                address(row.srcaddr, row.src_name.as_deref()),
                address(row.dstaddr, row.dst_name.as_deref()),
                format_port(row.dstport, row.protocol).into(),
                row.cause.name().to_owned().into(),
                named(row.interface_id.as_deref(), row.interface_name.as_deref()),
            ]
        };
        self.heading(heading, remark);
        self.table(&GROUP_COLUMNS, &rows.iter().take(ROWS).map(row).collect::<Vec<_>>());
        self.more(rows.len());
    }

    fn pair_rows(&mut self, rows: Option<&[PairRow]>) {
        let rows = rows.unwrap_or_default();
        if rows.is_empty() {
            return;
        }
        let row = |row: &PairRow| {
            let (before, after) = (row.change.before, row.change.after);
            vec![
                named(Some(&row.src_vpc_id), row.src_vpc_name.as_deref()),
                named(Some(&row.dst_vpc_id), row.dst_vpc_name.as_deref()),
                display_id(row.peering_connection_id.as_deref()).into(),
                DecimalBytes(before.accepted.bytes).to_string().into(),
                DecimalBytes(after.accepted.bytes).to_string().into(),
                format_count(before.rejected.flows).into(),
                format_count(after.rejected.flows).into(),
            ]
        };
        self.heading("TRAFFIC BETWEEN VPCS", "accepted bytes and rejected flows, the greatest change first");
        self.table(&PAIR_COLUMNS, &rows.iter().take(ROWS).map(row).collect::<Vec<_>>());
        self.more(rows.len());
    }

    /// Appends how many rows are not shown.
    fn more(&mut self, rows: usize) {
        if rows > ROWS {
            let more = plural((rows - ROWS) as u64, "more row");
            self.wrapped("  ", "    ", &format!("{DIM}{more}; all are in --format json{DIM:#}"));
        }
    }
}

fn address(address: Option<IpAddr>, name: Option<&str>) -> Cell {
    let short = format_address(address);
    let full = name.map_or_else(|| short.clone(), |name| format!("{short} ({})", display_name(name)));
    Cell { full, short }
}

fn named(id: Option<&str>, name: Option<&str>) -> Cell {
    let short = display_id(id);
    let full = name.map_or_else(|| short.clone(), |name| format!("{} ({short})", display_name(name)));
    Cell { full, short }
}
