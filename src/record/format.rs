//! The order of columns: from a header line, from a setting, or AWS's default.

use thiserror::Error;

use crate::record::field::{self, Field, FieldType};

/// A column list. The header alone decides which column is which: any subset, any order, any version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Format {
    columns: Vec<Column>,
    names: Vec<String>,
    version: Option<u8>,
    cannot_be_header: bool,
    cannot_be_header_with_class: bool,
}

/// What to do with the tokens of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// A known number, and its greatest value.
    Number(Field, u64),
    /// A known address.
    Address(Field),
    /// Any other known field.
    Text(Field),
    /// An unknown field, or one that an earlier column gives already.
    Skip,
}

/// Why a column order given as a setting can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{given:?} is not a list of flow log fields: at least half of the names must be documented by AWS, \
         such as \"${{version}} ${{account-id}} ${{interface-id}}\" or \"version account-id interface-id\""
)]
pub struct FormatError {
    given: String,
}

/// The tokens of a line: what stands between runs of spaces.
pub fn tokens(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|&byte| byte != b' ')?;
        rest = &rest[start..];
        let end = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
        let (token, behind) = rest.split_at(end);
        rest = behind;
        Some(token)
    })
}

impl Format {
    /// AWS's default format: the 14 fields of version 2.
    pub fn version_2() -> Format {
        Format::from_names(field::v2_fields().iter().map(|field| field.name().as_bytes()))
    }

    /// The format that a line declares, if it is a header: at least half of its tokens are names of fields.
    pub fn from_header(line: &[u8]) -> Option<Format> {
        is_header(line).then(|| Format::from_names(tokens(line)))
    }

    /// The format of files without a header, in AWS's notation (`${version} ${account-id} …`) or as bare names.
    ///
    /// # Errors
    /// Where fewer than half of the names are known, as for a header.
    pub fn from_setting(given: &str) -> Result<Format, FormatError> {
        let names: Vec<&str> = given.split_ascii_whitespace().map(strip_placeholder).collect();
        Format::from_header(names.join(" ").as_bytes()).ok_or_else(|| FormatError { given: given.to_owned() })
    }

    fn from_names<'a>(names: impl Iterator<Item = &'a [u8]>) -> Format {
        let mut columns: Vec<Column> = Vec::new();
        let mut shown = Vec::new();
        let mut version = None;
        // A list of fields that were met, as bits: a stranger's header may have 32,000 names.
        let mut met: u128 = 0;
        for name in names {
            let known = Field::from_name(name);
            shown.push(
                known
                    .map_or_else(|| String::from_utf8_lossy(name).into_owned(), |field| field.name().replace('-', "_")),
            );
            version = version.max(known.map(Field::version));
            let first = known.filter(|&field| met & bit(field) == 0);
            met |= first.map_or(0, bit);
            columns.push(first.map_or(Column::Skip, Column::of));
        }
        let takes_names = columns.iter().filter(|column| !column.is_typed()).count();
        // Of a record whose class a text tells, that text is no name.
        let settles = |names: usize| 2 * names < columns.len();
        let cannot_be_header = settles(takes_names);
        let cannot_be_header_with_class = settles(takes_names.saturating_sub(1));
        Format { columns, names: shown, version, cannot_be_header, cannot_be_header_with_class }
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether a column gives this field.
    pub fn has(&self, field: Field) -> bool {
        self.columns.contains(&Column::of(field))
    }

    /// Interner with hyphens as underscores; unknown ones as they stand.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The names that are no field's.
    pub fn unknown_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str).filter(|name| Field::from_name(name.as_bytes()).is_none())
    }

    /// The highest version among the known fields.
    pub fn version(&self) -> Option<u8> {
        self.version
    }

    /// Whether a line that parses by this format cannot be a header: more than half of the columns take only numbers or
    /// addresses, or have a word in them that is no name of a field. It spares most records the question.
    /// `has_class` says whether the line has an action or a log status that tells its class.
    #[inline]
    pub fn cannot_be_header(&self, has_class: bool) -> bool {
        self.cannot_be_header || has_class && self.cannot_be_header_with_class
    }
}

impl Column {
    /// The column of a field.
    pub fn of(field: Field) -> Column {
        match field.kind() {
            FieldType::Integer(max) => Column::Number(field, max),
            FieldType::Address => Column::Address(field),
            FieldType::Text => Column::Text(field),
        }
    }

    /// The field, if it is a known one.
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

/// Whether at least half of a line's tokens are names of fields.
pub fn is_header(line: &[u8]) -> bool {
    let (mut known, mut total) = (0, 0);
    for token in tokens(line) {
        total += 1;
        known += usize::from(Field::from_name(token).is_some());
    }
    total > 0 && 2 * known >= total
}

const _: () = assert!(Field::ALL.len() <= 128, "the fields have a bit each in a u128");

fn bit(field: Field) -> u128 {
    1 << (field as u32)
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
    fn half_of_the_tokens_make_a_header() {
        assert!(is_header(b"srcaddr one"));
        assert!(!is_header(b"srcaddr one two"));
        assert!(is_header(b"srcaddr one two log_status"));
        assert!(is_header(b"  srcaddr   dstaddr  "));
        assert!(!is_header(b""));
        assert!(!is_header(b"   "));
        assert!(!is_header(b"2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA"));
    }

    #[test]
    fn unknown_columns_are_skipped_and_of_a_double_name_the_first_counts() {
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
    fn a_setting_of_other_words_is_refused_by_name() {
        for given in ["", "${versionn} ${srcadr}", "a b c srcaddr"] {
            let error = Format::from_setting(given).expect_err("no format");
            assert!(error.to_string().starts_with(&format!("{given:?} is not a list")), "{error}");
        }
    }

    #[test]
    fn only_columns_of_numbers_and_addresses_settle_what_is_a_header() {
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
