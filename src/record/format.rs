//! Column order: from a header line, from a setting, or AWS's default.

use thiserror::Error;

use crate::record::field::{self, Field, FieldType};
use crate::sanitize::{NAME_CHARACTERS, quoted};

/// A column list. The header alone decides which column is which: any subset, any order, any version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Format {
    columns: Vec<Column>,
    names: Vec<String>,
    version: Option<u8>,
    cannot_be_header: bool,
    cannot_be_header_with_class: bool,
}

/// How to read the tokens of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// A number of a known field, with its maximum.
    Number(Field, u64),
    /// An address of a known field.
    Address(Field),
    /// Any other known field.
    Text(Field),
    /// A column to skip: an unknown field, or one that an earlier column has already.
    Skip,
}

/// Error for an unusable column order in a setting. The message is the end of "… must be".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a list of flow log fields, separated by spaces, such as \"${{version}} ${{srcaddr}} ${{dstaddr}}\"{problem}")]
pub struct FormatError {
    problem: String,
}

/// Maximum number of unknown names that an error lists.
const MAX_LISTED_NAMES: usize = 3;

/// Splits a line into tokens at runs of spaces and tabs. AWS writes single spaces; spreadsheets and editors write tabs.
#[expect(clippy::indexing_slicing, reason = "the start of a token lies in the line")]
pub fn tokens(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|&byte| !is_separator(byte))?;
        rest = &rest[start..];
        let end = rest.iter().position(|&byte| is_separator(byte)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        rest = after;
        Some(token)
    })
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

impl Format {
    /// Returns AWS's default format: the 14 fields of version 2.
    pub fn version_2() -> Format {
        Format::from_names(field::v2_fields().iter().map(|field| (field.name().as_bytes(), Some(*field))))
    }

    /// Returns the format that a header line declares. A header has field names as at least half of its tokens.
    pub fn from_header(line: &[u8]) -> Option<Format> {
        is_header(line).then(|| Format::from_names(tokens(line).map(|name| (name, Field::from_name(name)))))
    }

    /// Returns the format of a table with these columns, whose names may be spelled as in [`Field::from_column_name`]. At least half of
    /// the names must be those of fields, or the table is not a flow log; or it has both addresses and the action, as one with
    /// many columns of other sources.
    pub fn from_columns<'a>(names: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Format> {
        let columns = names.map(|name| (name, Field::from_column_name(name)));
        let has = |field: Field| columns.clone().any(|(_, found)| found == Some(field));
        let is_table = are_mostly_known(columns.clone().map(|(_, field)| field))
            || [Field::Srcaddr, Field::Dstaddr, Field::Action].into_iter().all(has);
        is_table.then(|| Format::from_names(columns))
    }

    /// Parses a setting: AWS's notation (`${version} ${account-id} …`) or bare names. Unlike a header, which AWS writes, a setting
    /// may have typing errors, so each name must be known.
    ///
    /// # Errors
    /// If there is no name, or one is unknown. The error lists the unknown names and similar known ones.
    pub fn from_setting(given: &str) -> Result<Format, FormatError> {
        let names: Vec<&str> = given.split_ascii_whitespace().map(strip_placeholder).collect();
        let format = Format::from_names(names.iter().map(|name| (name.as_bytes(), Field::from_name(name.as_bytes()))));
        let problems: Vec<String> = format.unknown_names().take(MAX_LISTED_NAMES).map(describe_unknown).collect();
        if names.is_empty() || !problems.is_empty() {
            return Err(FormatError { problem: problems.concat() });
        }
        Ok(format)
    }

    /// Returns the format whose [`Format::names`] are these.
    pub(crate) fn from_shown_names(names: &[&str]) -> Format {
        Format::from_names(names.iter().map(|name| (name.as_bytes(), Field::from_name(name.as_bytes()))))
    }

    fn from_names<'a>(names: impl Iterator<Item = (&'a [u8], Option<Field>)>) -> Format {
        let mut columns: Vec<Column> = Vec::new();
        let mut shown = Vec::new();
        let mut version = None;
        // A bit per field: an untrusted header may have 32,000 names.
        let mut seen: u128 = 0;
        for (name, known) in names {
            shown.push(
                known
                    .map_or_else(|| String::from_utf8_lossy(name).into_owned(), |field| field.name().replace('-', "_")),
            );
            version = version.max(known.map(Field::version));
            let first = known.filter(|&field| seen & mask(field) == 0);
            seen |= first.map_or(0, mask);
            columns.push(first.map_or(Column::Skip, Column::from_field));
        }
        let takes_names = columns.iter().filter(|column| !column.is_typed()).count();
        // The text that determines the class of a record is not a field name.
        let settles = |names: usize| 2 * names < columns.len();
        let cannot_be_header = settles(takes_names);
        let cannot_be_header_with_class = settles(takes_names.saturating_sub(1));
        Format { columns, names: shown, version, cannot_be_header, cannot_be_header_with_class }
    }

    /// Returns the columns in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns whether a column has this field.
    pub fn has(&self, field: Field) -> bool {
        self.columns.contains(&Column::from_field(field))
    }

    /// Returns the names, with underscores for known fields; unknown names are unchanged.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the names that are not names of fields.
    pub fn unknown_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str).filter(|name| Field::from_name(name.as_bytes()).is_none())
    }

    /// Returns the highest version among the known fields.
    pub fn version(&self) -> Option<u8> {
        self.version
    }

    /// Returns whether a line that parses by this format cannot be a header: more than half of the columns accept only numbers or
    /// addresses, or contain a word that is not a field name. This spares most records the check for a header. `has_class` is true if
    /// the line has an action or a log status that determines its class.
    #[inline]
    pub fn cannot_be_header(&self, has_class: bool) -> bool {
        self.cannot_be_header || has_class && self.cannot_be_header_with_class
    }
}

impl Column {
    /// Returns the column of a field.
    pub fn from_field(field: Field) -> Column {
        match field.kind() {
            FieldType::Integer(max) => Column::Number(field, max),
            FieldType::Address => Column::Address(field),
            FieldType::Text => Column::Text(field),
        }
    }

    /// Returns the field, if it is known.
    pub fn field(self) -> Option<Field> {
        match self {
            Column::Number(field, _) | Column::Address(field) | Column::Text(field) => Some(field),
            Column::Skip => None,
        }
    }

    fn is_typed(&self) -> bool {
        matches!(self, Column::Number(..) | Column::Address(_))
    }
}

/// Returns whether at least half of the tokens of a line are field names.
pub fn is_header(line: &[u8]) -> bool {
    are_mostly_known(tokens(line).map(Field::from_name))
}

/// Returns whether there are names, and at least half of them are names of fields.
fn are_mostly_known(fields: impl Iterator<Item = Option<Field>>) -> bool {
    let (mut known, mut total) = (0, 0);
    for field in fields {
        total += 1;
        known += usize::from(field.is_some());
    }
    total > 0 && 2 * known >= total
}

const _: () = assert!(Field::ALL.len() <= 128, "the fields have a mask each in a u128");

fn mask(field: Field) -> u128 {
    1 << (field as u32)
}

/// Returns a sentence part about a name that is not a field.
fn describe_unknown(name: &str) -> String {
    let suggestion =
        Field::similar_to(name).map_or_else(String::new, |field| format!(", did you mean {:?}?", field.name()));
    format!("; unknown field {}{suggestion}", quoted(name, NAME_CHARACTERS))
}

fn strip_placeholder(name: &str) -> &str {
    name.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start \
                           end action log-status";

    #[test]
    fn the_default_is_version_2() {
        let format = Format::version_2();
        assert_eq!(Format::from_header(DEFAULT.as_bytes()), Some(format.clone()));
        assert_eq!(format.version(), Some(2));
        assert_eq!(format.names().join(" "), DEFAULT.replace('-', "_"));
        assert!(format.cannot_be_header(false));
    }

    #[test]
    fn columns_of_tables_may_be_spelled_in_other_ways() {
        let format = |names: &str| Format::from_columns(names.split(',').map(str::as_bytes));
        let shown = |names: &str| format(names).map(|format| format.names().join(" "));
        let insights = "accountId,interfaceId,srcAddr,dstAddr,srcPort,dstPort,startTime,endTime,logStatus";
        let expected = "account_id interface_id srcaddr dstaddr srcport dstport start end log_status";
        assert_eq!(shown(insights).as_deref(), Some(expected));
        assert!(!is_header(insights.replace(',', " ").as_bytes()), "only tables");
        let enriched = "a,b,c,d,e,srcaddr,dstaddr,action";
        assert_eq!(shown(enriched).as_deref(), Some("a b c d e srcaddr dstaddr action"));
        assert_eq!(format("a,b,c,d,e,srcaddr,dstaddr"), None);
    }

    #[test]
    fn a_line_with_half_known_names_is_a_header() {
        assert!(is_header(b"srcaddr one"));
        assert!(!is_header(b"srcaddr one two"));
        assert!(is_header(b"srcaddr one two log_status"));
        assert!(is_header(b"  srcaddr   dstaddr  "));
        assert!(is_header(b"\tsrcaddr\tdstaddr \t one two\t"));
        assert!(!is_header(b"srcaddr\x0bdstaddr one"));
        assert!(!is_header(b""));
        assert!(!is_header(b"   "));
        assert!(!is_header(b"2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA"));
    }

    #[test]
    fn unknown_and_repeated_columns_are_skipped() {
        let format = Format::from_header(b"srcaddr new-in-2030 dstaddr srcaddr other").expect("a header");
        assert_eq!(
            format.columns(),
            [
                Column::Address(Field::Srcaddr),
                Column::Skip,
                Column::Address(Field::Dstaddr),
                Column::Skip,
                Column::Skip
            ]
        );
        assert_eq!(format.names(), ["srcaddr", "new-in-2030", "dstaddr", "srcaddr", "other"]);
        assert_eq!(format.unknown_names().collect::<Vec<_>>(), ["new-in-2030", "other"]);
    }

    #[test]
    fn the_version_is_the_highest_of_the_known_fields() {
        let version = |header: &[u8]| Format::from_header(header).and_then(|f| f.version());
        assert_eq!(version(b"srcaddr vpc-id x"), Some(3));
        assert_eq!(version(b"next_hop_vpc_id srcaddr"), Some(11));
        assert_eq!(version(b"tgw-id srcaddr"), Some(6));
    }

    #[test]
    fn a_setting_is_awss_notation_or_bare_names() {
        let expected = Format::from_header(b"version srcaddr tcp-flags");
        assert_eq!(Format::from_setting("${version} ${srcaddr} ${tcp-flags}").ok(), expected);
        assert_eq!(Format::from_setting(" version  srcaddr tcp_flags\n").ok(), expected);
    }

    #[test]
    fn a_setting_with_an_unknown_name_is_an_error() {
        let problem = |given: &str| {
            let message = Format::from_setting(given).expect_err("no format").to_string();
            message.split_once("${dstaddr}\"").expect("an example").1.to_owned()
        };
        assert_eq!(problem(""), "");
        assert_eq!(problem(" \t"), "");
        assert_eq!(
            problem("srcaddr dstaddr ${srcport} dst-port"),
            "; unknown field \"dst-port\", did you mean \"dstport\"?"
        );
        assert_eq!(
            problem("${versionn} password srcAddr a b srcaddr"),
            "; unknown field \"versionn\", did you mean \"version\"?; unknown field \"password\"; unknown field \"srcAddr\", \
             did you mean \"srcaddr\"?"
        );
        assert_eq!(problem("srcaddr \u{1b}[2J"), "; unknown field \"\\u{1b}[2J\"");
        assert!(problem(&"x".repeat(100_000)).len() < 200);
        // A header may have unknown names.
        assert!(Format::from_header(b"srcaddr dstaddr srcport dst-port").is_some());
    }

    #[test]
    fn numbers_and_addresses_rule_out_a_header() {
        let settles = |header: &[u8]| {
            let format = Format::from_header(header).expect("a header");
            [false, true].map(|has_class| format.cannot_be_header(has_class))
        };
        assert_eq!(settles(b"instance-id interface-id srcaddr dstaddr"), [false, true]);
        assert_eq!(settles(b"interface-id srcaddr dstaddr"), [true, true]);
        assert_eq!(settles(b"interface-tag action"), [false, false]);
        // AWS's 29 fields up to version 5: 14 numbers and addresses, 15 texts, the action among them.
        let names: Vec<&str> = Field::ALL[..29].iter().map(|field| field.name()).collect();
        assert_eq!(settles(names.join(" ").as_bytes()), [false, true]);
    }
}
