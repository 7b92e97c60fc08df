//! The rejected groups of a summary as CSV (RFC 4180), for spreadsheets.
//!
//! Texts come from the log and from Name tags, which others can write. Characters without a shape are escaped, and a text that a
//! spreadsheet would take for a formula begins with an apostrophe.

use std::fmt::Display;

use super::report::escape_unprintable;
use crate::summary::{DeniedBy, RejectedGroup, Summary};
use crate::topology::endpoint::Scope;

/// The columns, with the names of the fields of JSON.
const COLUMNS: [&str; 23] = [
    "interface_id",
    "interface_name",
    "direction",
    "srcaddr",
    "src_scope",
    "src_vpc_id",
    "src_name",
    "dstaddr",
    "dst_scope",
    "dst_vpc_id",
    "dst_name",
    "dstport",
    "service_name",
    "protocol",
    "protocol_name",
    "cause",
    "causes",
    "denied_by",
    "flows",
    "packets",
    "bytes",
    "first_seen",
    "last_seen",
];

/// Returns the listed rejected groups, below a header. Lines end with CR LF. An absent value is empty.
pub(super) fn render(summary: &Summary) -> String {
    let header = COLUMNS.map(str::to_owned);
    let rows = summary.rejected.groups.iter().map(row);
    std::iter::once(header).chain(rows).map(|row| row.join(",") + "\r\n").collect()
}

/// Returns a note if not all rejected groups are listed.
pub(super) fn note_of_others(summary: &Summary) -> Option<String> {
    let (listed, all) = (summary.rejected.groups.len() as u64, summary.rejected.group_count);
    (listed < all)
        .then(|| format!("the CSV lists {listed} of {all} rejected connections; --top of analyze or merge lists more"))
}

/// Returns the values of a group, in the order of [`COLUMNS`].
fn row(group: &RejectedGroup) -> [String; COLUMNS.len()] {
    let causes: Vec<String> = group.causes.iter().map(|(cause, flows)| format!("{} {flows}", cause.name())).collect();
    let rules: Vec<String> = group.denied_by.iter().map(rule).collect();
    [
        text(group.interface_id.as_deref()),
        text(group.interface_name.as_deref()),
        group.direction.name().to_owned(),
        value(group.srcaddr),
        value(group.src.scope.map(scope_name)),
        text(group.src.vpc_id.as_deref()),
        text(group.src.name.as_deref()),
        value(group.dstaddr),
        value(group.dst.scope.map(scope_name)),
        text(group.dst.vpc_id.as_deref()),
        text(group.dst.name.as_deref()),
        value(group.dstport),
        text(group.service_name),
        value(group.protocol),
        text(group.protocol_name),
        group.cause.name().to_owned(),
        text(Some(&causes.join("; "))),
        text(Some(&rules.join("; "))),
        group.tally.flows.to_string(),
        group.tally.packets.to_string(),
        group.tally.bytes.to_string(),
        value(group.seen.first_seen),
        value(group.seen.last_seen),
    ]
}

/// Formats a value that is no text.
fn value(value: Option<impl Display>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Formats a text, in quotes if it has a separator of any spreadsheet.
fn text(text: Option<&str>) -> String {
    let mut text = escape_unprintable(text.unwrap_or_default());
    if text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        text.insert(0, '\'');
    }
    if text.contains(['"', ',', ';']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// Formats what rejects the traffic: kind, id, and rule number.
fn rule(rule: &DeniedBy) -> String {
    match rule {
        DeniedBy::NetworkAcl { id, rule_number: Some(number), .. } => format!("network-acl {id} rule {number}"),
        DeniedBy::NetworkAcl { id, rule_number: None, .. } => format!("network-acl {id}"),
        DeniedBy::SecurityGroup { ids, .. } => format!("security-group {}", ids.join(" ")),
    }
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Private => "private",
        Scope::Public => "public",
        Scope::Vpc => "vpc",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::pipeline::{self, Options};
    use crate::summary::build::{self, SummaryOptions};

    /// Parses CSV, by the crate that reads CSV inputs.
    fn parse(csv: &str) -> Vec<Vec<String>> {
        let mut reader = csv_core::Reader::new();
        let (mut rest, mut output, mut ends) = (csv.as_bytes(), vec![0; csv.len() + 1], vec![0; csv.len()]);
        let mut rows = Vec::new();
        loop {
            let (result, read, _, count) = reader.read_record(rest, &mut output, &mut ends);
            rest = &rest[read..];
            match result {
                csv_core::ReadRecordResult::Record => {
                    let starts = std::iter::once(0).chain(ends.iter().copied());
                    let fields = starts.zip(&ends[..count]).map(|(start, end)| output[start..*end].to_vec());
                    rows.push(fields.map(|field| String::from_utf8(field).expect("UTF-8")).collect());
                }
                csv_core::ReadRecordResult::End => return rows,
                csv_core::ReadRecordResult::InputEmpty => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn summarize(log: &str, max_listed_groups: usize) -> Summary {
        let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
        build::build_summary(analysis, &SummaryOptions { max_listed_groups, ..SummaryOptions::default() }, None)
    }

    const LOG: &str = "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n\
        eni-1 8.8.8.8 10.0.0.5 50000 22 6 3 120 1795413600 1795413660 REJECT OK\n\
        eni-1 8.8.8.8 10.0.0.5 50001 22 6 1 40 1795413600 1795413720 REJECT OK\n\
        =HYPERLINK(\"http://x\"),;\u{1b} 2001:db8::1 10.0.0.5 - - - - - - - REJECT OK\n";

    #[test]
    fn each_rejected_group_is_a_row() {
        let summary = summarize(LOG, 100);
        let csv = render(&summary);
        assert!(csv.lines().all(|line| !line.contains('\r')) && csv.matches("\r\n").count() == 3, "{csv}");
        let rows = parse(&csv);
        let row: BTreeMap<&str, &str> = rows[0].iter().zip(&rows[1]).map(|(name, value)| (&**name, &**value)).collect();
        let expected = [
            ("bytes", "160"),
            ("cause", "security-group-or-network-acl"),
            ("causes", "security-group-or-network-acl 2"),
            ("denied_by", ""),
            ("direction", "ingress"),
            ("dst_name", ""),
            ("dst_scope", "private"),
            ("dst_vpc_id", ""),
            ("dstaddr", "10.0.0.5"),
            ("dstport", "22"),
            ("first_seen", "2026-11-23T06:00:00Z"),
            ("flows", "2"),
            ("interface_id", "eni-1"),
            ("interface_name", ""),
            ("last_seen", "2026-11-23T06:02:00Z"),
            ("packets", "4"),
            ("protocol", "6"),
            ("protocol_name", "TCP"),
            ("service_name", "ssh"),
            ("src_name", ""),
            ("src_scope", "public"),
            ("src_vpc_id", ""),
            ("srcaddr", "8.8.8.8"),
        ];
        assert_eq!(row, BTreeMap::from(expected));
        assert_eq!(note_of_others(&summary), None);
    }

    #[test]
    fn hostile_text_is_no_formula_and_one_field() {
        let rows = parse(&render(&summarize(LOG, 100)));
        assert_eq!(rows[2][0], "'=HYPERLINK(\"http://x\"),;\\u{1b}");
        assert_eq!((rows[2].len(), rows[2][11].as_str()), (COLUMNS.len(), ""));
        for (given, expected) in [
            ("+1", "'+1"),
            ("-x", "'-x"),
            ("@sum", "'@sum"),
            (" =1", "' =1"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
            ("a;b", "\"a;b\""),
            ("a\"b", "\"a\"\"b\""),
            ("\t=1", "\\u{9}=1"),
            ("a\r\nb", "a\\u{d}\\u{a}b"),
        ] {
            assert_eq!(text(Some(given)), expected);
        }
    }

    #[test]
    fn groups_that_are_not_listed_are_noted() {
        let summary = summarize(LOG, 1);
        assert_eq!(parse(&render(&summary)).len(), 2);
        let note = note_of_others(&summary);
        assert_eq!(
            note.as_deref(),
            Some("the CSV lists 1 of 2 rejected connections; --top of analyze or merge lists more")
        );
    }
}
