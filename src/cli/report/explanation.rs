//! An explained path: the verdict, a table of the hops, and the evidence of logs.

use textwrap::core::display_width;

use super::format::{
    display_id, display_name, escape_unprintable, format_count, format_port, format_time_range, plural,
};
use super::names::Names;
use super::short_names::{ShortNames, words};
use super::table::{Cell, Column};
use super::{GREEN, RED, Renderer, YELLOW, wrap};
use crate::summary::explain::{DirectionEvidence, Evidence};
use crate::topology::Topology;
use crate::topology::path::{Explanation, Hop, HopDirection, PathEnd, PathVerdict};

const COLUMNS: [Column; 4] =
    [Column::text("WAY", 0), Column::text("VERDICT", 0), Column::text("HOP", 0), Column::text("REASON", 0)];

/// Reasons are wrapped to no less than this width. If there is no room, the hops are a list.
const MIN_REASON_WIDTH: usize = 32;
/// Interfaces that are listed.
const MAX_LISTED_INTERFACES: usize = 5;

/// Renders an explanation, for a terminal with this number of columns.
pub(in crate::cli) fn render_explanation(
    explanation: &Explanation,
    evidence: Option<&Evidence>,
    topology: &Topology,
    width: usize,
) -> String {
    let names = names(explanation, evidence, topology);
    let names = ShortNames::from_pairs(names.iter().copied());
    let mut renderer = Renderer { names: Names { summary: Some(&names), topology: None }, ..Renderer::new(width) };
    renderer.verdict(explanation, &names);
    renderer.hops(&explanation.hops, &names);
    if let Some(evidence) = evidence {
        renderer.evidence(evidence, &names);
    }
    renderer.text
}

/// Returns the ids and Name tags of the resources of an explanation: those of the hops, and those that a text mentions.
fn names<'a>(
    explanation: &'a Explanation,
    evidence: Option<&'a Evidence>,
    topology: &'a Topology,
) -> Vec<(&'a str, &'a str)> {
    let ids = explanation.hops.iter().filter_map(|hop| hop.id.as_deref());
    let contradictions = evidence.iter().flat_map(|evidence| &evidence.contradictions);
    let texts = explanation.hops.iter().map(|hop| &hop.reason).chain(contradictions);
    let directions = evidence.iter().flat_map(|evidence| [&evidence.forward, &evidence.back]);
    let interfaces = directions.flat_map(|direction| &direction.interface_ids);
    let ids = ids.chain(texts.flat_map(|text| words(text))).chain(interfaces.map(String::as_str));
    ids.filter_map(|id| Some((id, topology.name_of(id)?))).collect()
}

impl Renderer<'_> {
    /// Appends the verdict, the ends, and the first hop in the way.
    fn verdict(&mut self, explanation: &Explanation, names: &ShortNames<'_>) {
        let verdict = explanation.verdict();
        let (style, word) = match verdict {
            PathVerdict::Reachable => (GREEN, "REACHABLE"),
            PathVerdict::Blocked => (RED, "BLOCKED"),
            PathVerdict::Unknown => (YELLOW, "UNKNOWN"),
        };
        let Explanation { source, destination, protocol, port, .. } = explanation;
        let port = format_port(*port, Some(*protocol));
        let ends = format!("{} to {}, {port}", describe_end(source), describe_end(destination));
        self.wrapped("", "  ", &format!("{style}{word}{style:#}  {ends}"));
        let hop = match verdict {
            PathVerdict::Reachable => None,
            PathVerdict::Blocked => explanation.blocked_by(),
            PathVerdict::Unknown => explanation.unknown_at(),
        };
        if let Some(hop) = hop {
            let way = if hop.direction == HopDirection::Return { "on the way back, " } else { "" };
            let reason = names.with_ids(&escape_unprintable(&hop.reason));
            let text = format!("{way}{}: {reason}", self.hop_label(hop, names).full);
            self.wrapped("  ", "    ", &text);
        }
    }

    /// Returns the kind and the name of a hop, and its id if there is room.
    fn hop_label(&self, hop: &Hop, names: &ShortNames<'_>) -> Cell {
        let kind = hop.kind.words();
        match hop.id.as_deref() {
            Some(id) => {
                Cell { full: format!("{kind} {}", self.names.id(Some(id))), short: format!("{kind} {}", names.get(id)) }
            }
            None => Cell::from(kind.to_owned()),
        }
    }

    /// Appends the table of the hops. A long reason continues in rows whose other cells are empty.
    fn hops(&mut self, hops: &[Hop], names: &ShortNames<'_>) {
        let labels: Vec<Cell> = hops.iter().map(|hop| self.hop_label(hop, names)).collect();
        let widest =
            |text: fn(&Cell) -> &String| labels.iter().map(|cell| display_width(text(cell))).max().unwrap_or(0);
        let others = "  forward  VERDICT    ".len();
        let room = |label: usize| self.width.saturating_sub(others + label);
        if room(widest(|cell| &cell.short)) < MIN_REASON_WIDTH {
            return self.list_of_hops(hops, &labels, names);
        }
        let is_short = room(widest(|cell| &cell.full)) < MIN_REASON_WIDTH;
        let label_width = if is_short { widest(|cell| &cell.short) } else { widest(|cell| &cell.full) };
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for (hop, label) in hops.iter().zip(labels) {
            let label = if is_short { Cell::from(label.short) } else { label };
            let reason = escape_unprintable(&hop.reason);
            let reason = if is_short { names.shorten(&reason) } else { names.with_ids(&reason) };
            let mut first =
                Some([hop.direction.name().to_owned().into(), hop.verdict.label().to_owned().into(), label]);
            for line in wrap::fill("", "", &reason, room(label_width)).lines() {
                let empty = || [String::new().into(), String::new().into(), String::new().into()];
                let cells = first.take().unwrap_or_else(empty);
                rows.push(cells.into_iter().chain([Cell::from(line.to_owned())]).collect());
            }
        }
        self.line("");
        self.table(&COLUMNS, &rows);
    }

    /// Appends the hops without columns, for a terminal that has no room for them.
    fn list_of_hops(&mut self, hops: &[Hop], labels: &[Cell], names: &ShortNames<'_>) {
        self.line("");
        for (hop, label) in hops.iter().zip(labels) {
            let (way, verdict) = (hop.direction.name(), hop.verdict.label());
            self.wrapped("  ", "    ", &format!("{way}  {verdict}  {}", label.short));
            self.wrapped("      ", "      ", &names.shorten(&escape_unprintable(&hop.reason)));
        }
    }

    /// Appends the flows of the logs between the ends, and the contradictions.
    fn evidence(&mut self, evidence: &Evidence, names: &ShortNames<'_>) {
        self.heading("EVIDENCE", "flows between the two in the logs");
        for (name, direction) in [("forward", &evidence.forward), ("return", &evidence.back)] {
            let text = format!("{name}: {}", describe_evidence(direction, self.names));
            self.wrapped("  ", "    ", &text);
        }
        for contradiction in &evidence.contradictions {
            self.wrapped("  ! ", "    ", &names.with_ids(&escape_unprintable(contradiction)));
        }
        if !evidence.failed.is_empty() {
            let inputs = plural(evidence.failed.len() as u64, "input");
            self.wrapped("  ! ", "    ", &format!("{inputs} could not be read, so the evidence is incomplete"));
        }
    }
}

/// Describes an end: `10.0.1.5 (web-1, eni-0a1b…)`.
fn describe_end(end: &PathEnd) -> String {
    let Some(address) = end.address else { return "the internet".to_owned() };
    let name = end.name.as_deref().map(display_name);
    let id = end.interface_id.as_deref().map(|id| display_id(Some(id)));
    let known: Vec<String> = name.into_iter().chain(id).collect();
    if known.is_empty() { address.to_string() } else { format!("{address} ({})", known.join(", ")) }
}

fn describe_evidence(direction: &DirectionEvidence, names: Names<'_>) -> String {
    let DirectionEvidence { accepted, rejected, unanswered, seen, interface_ids } = direction;
    if accepted.flows == 0 && rejected.flows == 0 {
        return "no flows".to_owned();
    }
    let unanswered = match unanswered {
        Some(unanswered) => format_count(unanswered.flows),
        None => "unknown".to_owned(),
    };
    let ids: Vec<String> = interface_ids.iter().take(MAX_LISTED_INTERFACES).map(|id| names.id(Some(id))).collect();
    let more = interface_ids.len().saturating_sub(ids.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let at = if ids.is_empty() { String::new() } else { format!(", at {}{more}", ids.join(", ")) };
    format!(
        "{} accepted (unanswered: {unanswered}), {} rejected{}{at}",
        plural(accepted.flows, "flow"),
        format_count(rejected.flows),
        format_time_range(*seen),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::describe_output::Resources;
    use crate::topology::path::Question;

    fn render(width: usize) -> String {
        let tags = serde_json::json!([{"Key": "Name", "Value": "a-rather-long-name-of-a-table"}]);
        let document = serde_json::json!({
            "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}],
            "RouteTables": [{"RouteTableId": "rtb-0123456789abcdef0", "VpcId": "vpc-a", "Associations": [{"Main": true}], "Tags": tags,
                             "Routes": [{"DestinationCidrBlock": "10.2.0.0/16", "GatewayId": "vgw-1"}]}],
        });
        let mut resources = Resources::default();
        resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
        let topology = Topology::new(resources);
        let (source, destination) = topology.resolve_ends("10.1.0.5", "10.2.0.5").expect("addresses");
        let explanation = topology.explain(&Question { source, destination, protocol: 6, port: Some(22) });
        render_explanation(&explanation, None, &topology, width)
    }

    #[test]
    fn narrow_table_wraps_reasons_and_drops_ids() {
        let row = |width: usize, text: &str| {
            let report = render(width);
            let found = report.lines().skip(2).find(|line| line.contains(text)).map(str::trim_end);
            found.unwrap_or_default().to_owned()
        };
        let wide = "  forward  pass     route table a-rather-long-name-of-a-table (rtb-0123456789abcdef0)  10.2.0.0/16 is routed to vgw-1";
        assert_eq!(row(160, "route table"), wide);
        let narrow = "  forward  pass     route table a-rather-long-name-of-a-table  10.2.0.0/16 is routed to vgw-1";
        assert_eq!(row(100, "route table"), narrow);
        assert_eq!(row(60, "route table"), "  forward  pass  route table a-rather-long-name-of-a-table");
        assert_eq!(row(60, "10.2.0.0/16"), "      10.2.0.0/16 is routed to vgw-1");
        for width in [40, 60, 80, 100, 200] {
            assert!(render(width).lines().all(|line| display_width(line) <= width), "{}", render(width));
        }
    }
}
