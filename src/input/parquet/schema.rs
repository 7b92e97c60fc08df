//! Reads the schema of a Parquet file: the names of its columns, and the types of their values.

use super::thrift::{Damage, Decoded, Reader, Type, WRONG_TYPE};

/// Maximum number of nodes. A flow log has 40.
const MAX_NODES: usize = 1 << 16;

/// A column of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SchemaColumn {
    pub(super) name: String,
    /// Index of its chunk in each row group.
    pub(super) leaf: usize,
    pub(super) kind: ColumnKind,
    /// Whether values may be null.
    pub(super) is_optional: bool,
}

/// How the values of a column are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// Integers of this many bytes, 4 or 8.
    Integers { bytes: usize, is_signed: bool },
    /// Strings of bytes.
    Texts,
    /// No values at all.
    Nulls,
    /// Anything else, by name.
    Other(String),
}

/// A node of the schema, which is a tree in depth-first order.
#[derive(Debug, Default)]
struct SchemaElement<'a> {
    name: &'a [u8],
    physical_type: Option<i64>,
    repetition: i64,
    children: usize,
    converted_type: Option<i64>,
    /// Number of the logical type, and whether an integer has no sign.
    logical_type: Option<(i64, bool)>,
}

/// Reads the schema, and returns the nodes below its root.
pub(super) fn schema(reader: &mut Reader<'_>) -> Decoded<Vec<SchemaColumn>> {
    const INVALID: Damage = Damage::Invalid("its schema is not a tree");
    let count = reader.struct_count(MAX_NODES)?;
    if count == 0 {
        return Err(INVALID);
    }
    let root = schema_element(reader)?;
    let mut columns: Vec<SchemaColumn> = Vec::new();
    let mut leaf = 0;
    // Nodes that are missing in the subtree of the last column.
    let mut open: usize = 0;
    for _ in 1..count {
        let node = schema_element(reader)?;
        if open == 0 {
            let name = String::from_utf8_lossy(node.name).into_owned();
            columns.push(SchemaColumn { name, leaf, kind: node.kind(), is_optional: node.repetition == OPTIONAL });
        } else {
            open -= 1;
        }
        leaf += usize::from(node.children == 0);
        open = open.checked_add(node.children).ok_or(INVALID)?;
    }
    if open > 0 || columns.len() != root.children {
        return Err(INVALID);
    }
    Ok(columns)
}

const OPTIONAL: i64 = 1;
const REPEATED: i64 = 2;

fn schema_element<'a>(reader: &mut Reader<'a>) -> Decoded<SchemaElement<'a>> {
    let mut node = SchemaElement::default();
    let mut last = 0;
    while let Some((field, value)) = reader.field(&mut last)? {
        match (field, value) {
            (1, Type::Integer) => node.physical_type = Some(reader.integer()?),
            (3, Type::Integer) => node.repetition = reader.integer()?,
            (4, Type::Binary) => node.name = reader.binary()?,
            (5, Type::Integer) => node.children = reader.length()?,
            (6, Type::Integer) => node.converted_type = Some(reader.integer()?),
            (10, Type::Struct) => node.logical_type = logical_type(reader)?,
            (1 | 3..=6 | 10, _) => return Err(WRONG_TYPE),
            _ => reader.skip(value)?,
        }
    }
    Ok(node)
}

/// Reads a union: a struct with one field.
fn logical_type(reader: &mut Reader<'_>) -> Decoded<Option<(i64, bool)>> {
    let (mut found, mut last) = (None, 0);
    while let Some((number, value)) = reader.field(&mut last)? {
        let is_unsigned = match (number, value) {
            (LOGICAL_INTEGER, Type::Struct) => is_unsigned(reader)?,
            _ => {
                reader.skip(value)?;
                false
            }
        };
        found = Some((number, is_unsigned));
    }
    Ok(found)
}

fn is_unsigned(reader: &mut Reader<'_>) -> Decoded<bool> {
    let (mut is_unsigned, mut last) = (false, 0);
    while let Some((field, value)) = reader.field(&mut last)? {
        is_unsigned |= (field, value) == (2, Type::False);
        reader.skip(value)?;
    }
    Ok(is_unsigned)
}

const LOGICAL_STRING: i64 = 1;
const LOGICAL_ENUM: i64 = 4;
const LOGICAL_INTEGER: i64 = 10;
/// A column without values.
const LOGICAL_UNKNOWN: i64 = 11;
const LOGICAL_JSON: i64 = 12;

const PHYSICAL: [&str; 8] =
    ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"];
const CONVERTED: [&str; 22] = [
    "UTF8",
    "MAP",
    "MAP_KEY_VALUE",
    "LIST",
    "ENUM",
    "DECIMAL",
    "DATE",
    "TIME_MILLIS",
    "TIME_MICROS",
    "TIMESTAMP_MILLIS",
    "TIMESTAMP_MICROS",
    "UINT_8",
    "UINT_16",
    "UINT_32",
    "UINT_64",
    "INT_8",
    "INT_16",
    "INT_32",
    "INT_64",
    "JSON",
    "BSON",
    "INTERVAL",
];
const LOGICAL: [&str; 16] = [
    "",
    "STRING",
    "MAP",
    "LIST",
    "ENUM",
    "DECIMAL",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "",
    "INTEGER",
    "UNKNOWN",
    "JSON",
    "BSON",
    "UUID",
    "FLOAT16",
];

fn name_in(names: &[&str], number: i64) -> String {
    let name = usize::try_from(number).ok().and_then(|index| names.get(index));
    name.map_or_else(|| format!("type {number}"), |name| (*name).to_owned())
}

impl SchemaElement<'_> {
    /// Returns how the values are stored. A logical type that gives them another meaning, such as a time in milliseconds, counts
    /// as another kind, because its values must not be read as plain numbers.
    fn kind(&self) -> ColumnKind {
        let physical = self.physical_type.unwrap_or(-1);
        if self.children > 0 || self.physical_type.is_none() {
            return ColumnKind::Other("a nested type".to_owned());
        }
        if self.repetition == REPEATED {
            return ColumnKind::Other("a repeated type".to_owned());
        }
        let bytes = if physical == 1 { 4 } else { 8 };
        match (physical, self.logical_type, self.converted_type) {
            (1 | 2, Some((LOGICAL_INTEGER, is_unsigned)), _) => ColumnKind::Integers { bytes, is_signed: !is_unsigned },
            (_, Some((LOGICAL_UNKNOWN, _)), _) => ColumnKind::Nulls,
            (1 | 2, None, None) => ColumnKind::Integers { bytes, is_signed: true },
            (1 | 2, None, Some(converted @ 11..=18)) => ColumnKind::Integers { bytes, is_signed: converted >= 15 },
            (6, Some((LOGICAL_STRING | LOGICAL_ENUM | LOGICAL_JSON, _)), _) | (6, None, None | Some(0 | 4 | 19)) => {
                ColumnKind::Texts
            }
            (1 | 2 | 6, Some((logical, _)), _) => ColumnKind::Other(name_in(&LOGICAL, logical)),
            (1 | 2 | 6, None, Some(converted)) => ColumnKind::Other(name_in(&CONVERTED, converted)),
            _ => ColumnKind::Other(name_in(&PHYSICAL, physical)),
        }
    }
}
