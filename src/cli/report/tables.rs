//! The tables of a run: causes, rejected connections, interfaces, pairs of VPCs, services.

use indicatif::DecimalBytes;

use super::Renderer;
use super::format::{
    approximate, cause_label, display_id, format_count, format_percent, format_port, plural, rule_label,
    short_rule_label,
};
use super::names::Names;
use super::table::{Cell, Column};
use crate::aggregate::counters::Counters;
use crate::aggregate::rejected::cause::Cause;
use crate::summary::{CauseRejects, RejectedGroup, RuleRejects, Summary, VpcPair};

const MAX_INTERFACES: usize = 100;
const MAX_RULES: usize = 100;
const MAX_PAIRS: usize = 12;
const MAX_SERVICES: usize = 8;

const CAUSE_COLUMNS: [Column; 5] = [
    Column::number("FLOWS", 0),
    Column::number("SHARE", 1),
    Column::number("PACKETS", 2),
    Column::number("BYTES", 3),
    Column::text("CAUSE", 0),
];

const GROUP_COLUMNS: [Column; 8] = [
    Column::number("FLOWS", 0),
    Column::number("BYTES", 4),
    Column::text("SOURCE", 0),
    Column::text("DESTINATION", 0),
    Column::text("PORT", 0),
    Column::text("DIRECTION", 3),
    Column::text("CAUSE", 1),
    Column::text("INTERFACE", 2),
];

const RULE_COLUMNS: [Column; 6] = [
    Column::number("FLOWS", 0),
    Column::number("SHARE", 1),
    Column::number("BYTES", 4),
    Column::number("CONNECTIONS", 2),
    Column::text("DIRECTION", 3),
    Column::text("RULE", 0),
];

const INTERFACE_COLUMNS: [Column; 6] = [
    Column::number("FLOWS", 0),
    Column::number("PACKETS", 3),
    Column::number("BYTES", 4),
    Column::text("INTERFACE", 0),
    Column::text("SUBNET", 2),
    Column::text("VPC", 1),
];

const PAIR_COLUMNS: [Column; 7] = [
    Column::text("FROM", 0),
    Column::text("TO", 0),
    Column::text("VIA", 1),
    Column::number("FLOWS", 0),
    Column::number("BYTES", 2),
    Column::number("REJECTED", 0),
    Column::number("UNANSWERED", 0),
];

const SERVICE_COLUMNS: [Column; 5] = [
    Column::text("SERVICE", 0),
    Column::number("INTERFACES", 0),
    Column::number("FLOWS", 0),
    Column::number("BYTES", 1),
    Column::number("REJECTED", 0),
];

impl Renderer<'_> {
    /// Appends the causes of all rejected records. The table of connections shows a single cause as well.
    pub(super) fn rejected_by_cause(&mut self, summary: &Summary) {
        let rows = &summary.rejected.by_cause;
        if rows.len() < 2 {
            return;
        }
        let all = rows.iter().map(|row| row.tally.flows).fold(0, u64::saturating_add);
        let row = |row: &CauseRejects| {
            let Counters { flows, packets, bytes } = row.tally;
            [
                format_count(flows),
                format_percent(flows, all),
                format_count(packets),
                DecimalBytes(bytes).to_string(),
                cause_label(row.cause).to_owned(),
            ]
            .map(Cell::from)
            .into()
        };
        self.heading("REJECTED BY CAUSE", if summary.rejected.by_cause_exact { "" } else { "approximate" });
        self.table(&CAUSE_COLUMNS, &rows.iter().map(row).collect::<Vec<_>>());
    }

    /// Appends the rules that reject the most flows.
    pub(super) fn rejected_by_rule(&mut self, summary: &Summary) {
        let rows = &summary.rejected.by_rule;
        if rows.is_empty() {
            return;
        }
        let row = |row: &RuleRejects| {
            let Counters { flows, bytes, .. } = row.tally;
            vec![
                format_count(flows).into(),
                format_percent(flows, summary.traffic.rejected.flows).into(),
                DecimalBytes(bytes).to_string().into(),
                format_count(row.group_count).into(),
                row.direction.name().to_owned().into(),
                Cell { full: rule_label(&row.rule), short: short_rule_label(&row.rule) },
            ]
        };
        let remark = format!(
            "{} of {}{}",
            rows.len().min(MAX_RULES),
            plural(rows.len() as u64, "rule"),
            approximate(summary.rejected.by_cause_exact)
        );
        self.heading("REJECTED BY RULE", &remark);
        self.table(&RULE_COLUMNS, &rows.iter().take(MAX_RULES).map(row).collect::<Vec<_>>());
    }

    /// Appends the rejected connections with the most flows.
    pub(super) fn top_rejected(&mut self, summary: &Summary, top: usize) {
        let rejected = &summary.rejected;
        if rejected.group_count == 0 {
            return;
        }
        let rows: Vec<Vec<Cell>> = rejected.groups.iter().take(top).map(|group| group_row(group, self.names)).collect();
        let about = if rejected.error_bound > 0 { "about " } else { "" };
        let all = plural(rejected.group_count, "rejected connection");
        let remark = format!("{} of {about}{all}", format_count(rows.len() as u64));
        self.heading("TOP REJECTED CONNECTIONS", &remark);
        if !rows.is_empty() {
            self.table(&GROUP_COLUMNS, &rows);
        }
    }

    /// Appends the interfaces with the most rejected flows.
    pub(super) fn rejected_by_interface(&mut self, summary: &Summary) {
        let rows = &summary.rejected.by_interface;
        if rows.is_empty() {
            return;
        }
        let remark = format!("{} of {}", rows.len().min(MAX_INTERFACES), plural(rows.len() as u64, "interface"));
        self.heading("REJECTED BY INTERFACE", &remark);
        let rows: Vec<Vec<Cell>> = rows
            .iter()
            .take(MAX_INTERFACES)
            .map(|row| {
                let Counters { flows, packets, bytes } = row.tally;
                let [interface, subnet, vpc] =
                    [&row.interface_id, &row.subnet_id, &row.vpc_id].map(|id| self.names.cell(id.as_deref()));
                vec![
                    format_count(flows).into(),
                    format_count(packets).into(),
                    DecimalBytes(bytes).to_string().into(),
                    interface,
                    subnet,
                    vpc,
                ]
            })
            .collect();
        self.table(&INTERFACE_COLUMNS, &rows);
    }

    /// Appends the accepted, rejected and unanswered flows of each pair of VPCs.
    pub(super) fn inter_vpc_traffic(&mut self, summary: &Summary) {
        let Some(peering) = &summary.peering else {
            self.heading("INTER-VPC TRAFFIC", "not judged, because there is no topology (--topology)");
            return;
        };
        let pairs = &peering.vpc_pairs;
        let remark = format!("{} of {}", pairs.len().min(MAX_PAIRS), plural(pairs.len() as u64, "pair"));
        self.heading("INTER-VPC TRAFFIC", if pairs.is_empty() { "no traffic" } else { &remark });
        let rows: Vec<Vec<Cell>> =
            pairs.iter().take(MAX_PAIRS).map(|pair| pair_row(summary, pair, self.names)).collect();
        if !rows.is_empty() {
            self.table(&PAIR_COLUMNS, &rows);
        }
    }

    /// Appends the traffic of each AWS service.
    pub(super) fn services(&mut self, summary: &Summary) {
        if summary.services.is_empty() {
            return;
        }
        let shown = format!(
            "{} of {}",
            summary.services.len().min(MAX_SERVICES),
            plural(summary.services.len() as u64, "service")
        );
        self.heading("TRAFFIC BY SERVICE", &format!("{shown} that own the interfaces"));
        let rows: Vec<Vec<Cell>> = summary
            .services
            .iter()
            .take(MAX_SERVICES)
            .map(|row| {
                let (accepted, rejected) = (row.traffic.accepted, row.traffic.rejected);
                let service = row.service.as_deref();
                let service = service.map_or_else(|| "not in the topology".to_owned(), |name| display_id(Some(name)));
                let bytes = DecimalBytes(accepted.bytes).to_string();
                [
                    service,
                    format_count(row.interfaces),
                    format_count(accepted.flows),
                    bytes,
                    format_count(rejected.flows),
                ]
                .map(Cell::from)
                .into()
            })
            .collect();
        self.table(&SERVICE_COLUMNS, &rows);
    }
}

fn pair_row(summary: &Summary, pair: &VpcPair, names: Names<'_>) -> Vec<Cell> {
    let connections = summary.peering.iter().flat_map(|peering| &peering.connections);
    let via = pair.peering_connection_id.as_ref().map_or_else(
        || Cell::from("no connection".to_owned()),
        |id| {
            let Cell { full, short } = names.cell(Some(id));
            match connections.into_iter().find(|connection| connection.peering_connection_id == *id) {
                Some(connection) if connection.status != "active" => {
                    let status = display_id(Some(&connection.status));
                    Cell { full: format!("{full}, {status}"), short: format!("{short}, {status}") }
                }
                _ => Cell { full, short },
            }
        },
    );
    let (accepted, rejected) = (pair.traffic.accepted, pair.traffic.rejected);
    vec![
        names.cell(Some(&pair.src_vpc_id)),
        names.cell(Some(&pair.dst_vpc_id)),
        via,
        format_count(accepted.flows).into(),
        DecimalBytes(accepted.bytes).to_string().into(),
        format_count(rejected.flows).into(),
        format_count(pair.unanswered.flows).into(),
    ]
}

fn group_row(group: &RejectedGroup, names: Names<'_>) -> Vec<Cell> {
    vec![
        format_count(group.tally.flows).into(),
        DecimalBytes(group.tally.bytes).to_string().into(),
        names.address_cell(group.srcaddr, &group.src),
        names.address_cell(group.dstaddr, &group.dst),
        format_port(group.dstport, group.protocol).into(),
        group.direction.name().to_owned().into(),
        cause_cell(group),
        names.cell(group.interface_id.as_deref()),
    ]
}

/// Returns the cause of a rejected connection: the first rule that rejects it, if the cause is that of a rule.
fn cause_cell(group: &RejectedGroup) -> Cell {
    let label = cause_label(group.cause).to_owned();
    let rule = match (group.cause, group.denied_by.first()) {
        (Cause::NetworkAcl | Cause::SecurityGroup, Some(rule)) => short_rule_label(rule),
        _ => label.clone(),
    };
    Cell { full: rule, short: label }
}
