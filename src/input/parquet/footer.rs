//! Reads the footer of a Parquet file: the columns, and where the pages of each column are.
//!
//! Every number in it is a claim. Ranges are checked against the length of the file, counts against each other, before anything is
//! read by them. A list grows with the elements that are read, never by the size that it claims.
//!
//! The crate `parquet` would read the same structs, but skips lists of Booleans without their bytes, calls itself for each level of the
//! schema, and reads a field whatever its type on the wire is. A check before it would need the types of all fields that it knows, also
//! of those that are not used here, and would be as long as this file.

use super::codec::Codec;
use super::schema::{SchemaColumn, schema};
use super::thrift::{Damage, Decoded, Reader, TOO_MANY, Type, WRONG_TYPE, structs};
use super::{corrupt, unsupported};
use crate::error::ObjectError;
use crate::input::MAX_LINE_BYTES;
use crate::input::spool::Spool;

/// The first and the last bytes of a Parquet file.
const MAGIC: &[u8; 4] = b"PAR1";
/// The last bytes of a file with an encrypted footer.
const ENCRYPTED_MAGIC: &[u8; 4] = b"PARE";
/// Length of the footer and magic, after the footer.
const TAIL_BYTES: u64 = 8;
/// Maximum length of a footer: 16 MiB. That of a flow log has a few kilobytes for each row group.
const MAX_FOOTER_BYTES: u64 = 16 << 20;

/// Maximum number of row groups, as in Parquet's definition.
const MAX_ROW_GROUPS: usize = i16::MAX as usize;
/// Maximum number of columns in all row groups.
const MAX_CHUNKS: usize = 1 << 18;

/// The contents of a footer.
#[derive(Debug)]
pub(super) struct Footer {
    /// The columns at the top of the schema, in order.
    pub(super) columns: Vec<SchemaColumn>,
    pub(super) row_groups: Vec<RowGroup>,
    /// Position of the footer, where the pages end.
    pub(super) start: u64,
}

/// Rows whose columns are stored together.
#[derive(Debug, Default)]
pub(super) struct RowGroup {
    pub(super) rows: u64,
    pub(super) chunks: Vec<ColumnChunk>,
}

/// The pages of one column in a row group.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnChunk {
    /// Number of the codec in Parquet's Thrift definition.
    codec: i64,
    values: i64,
    data_offset: i64,
    dictionary_offset: Option<i64>,
    bytes: i64,
    has_metadata: bool,
    is_encrypted: bool,
    is_in_other_file: bool,
}

/// The pages of a chunk, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageRange {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) codec: Codec,
}

impl Footer {
    /// Reads the footer of a file.
    pub(super) fn read(file: &mut Spool) -> Result<Footer, ObjectError> {
        let length = file.bytes();
        let cut_off = || corrupt(length, "the file is truncated: it does not end with PAR1");
        let tail_at = length.checked_sub(TAIL_BYTES).filter(|at| *at >= MAGIC.len() as u64).ok_or_else(cut_off)?;
        let mut tail = [0; TAIL_BYTES as usize];
        file.read_at(tail_at, &mut tail)?;
        let [a, b, c, d, magic @ ..] = tail;
        if magic == *ENCRYPTED_MAGIC {
            return Err(encrypted());
        }
        if magic != *MAGIC {
            return Err(cut_off());
        }
        let footer_bytes = u64::from(u32::from_le_bytes([a, b, c, d]));
        let start = tail_at.checked_sub(footer_bytes).filter(|start| *start >= MAGIC.len() as u64);
        let start = start.ok_or_else(|| corrupt(tail_at, "its footer is longer than the file"))?;
        if footer_bytes > MAX_FOOTER_BYTES {
            return Err(unsupported(format!("its footer has {footer_bytes} bytes, more than {MAX_FOOTER_BYTES}")));
        }
        let mut bytes = vec![0; (tail_at - start) as usize];
        file.read_at(start, &mut bytes)?;
        let footer = Footer::parse(&bytes, start)
            .map_err(|damage| corrupt(start, &format!("its footer cannot be decoded: {}", damage.reason())))?;
        let name_bytes: usize = footer.columns.iter().map(|column| column.name.len() + 1).sum();
        if name_bytes > MAX_LINE_BYTES {
            return Err(unsupported(format!("the names of its columns have more than {MAX_LINE_BYTES} bytes")));
        }
        Ok(footer)
    }

    fn parse(bytes: &[u8], start: u64) -> Decoded<Footer> {
        let mut reader = Reader::new(bytes);
        let (mut columns, mut row_groups, mut rows) = (None, None, None);
        let mut last = 0;
        while let Some((field, value)) = reader.field(&mut last)? {
            match (field, value) {
                (2, Type::List) => columns = Some(schema(&mut reader)?),
                (3, Type::Integer) => rows = Some(reader.length()? as u64),
                (4, Type::List) => row_groups = Some(all_row_groups(&mut reader)?),
                (2..=4, _) => return Err(WRONG_TYPE),
                _ => reader.skip(value)?,
            }
        }
        let (Some(columns), Some(row_groups), Some(rows)) = (columns, row_groups, rows) else { return Err(INCOMPLETE) };
        let footer = Footer { columns, row_groups, start };
        if footer.rows() != Some(rows) {
            return Err(Damage::Invalid("its row groups have another number of rows than the file"));
        }
        Ok(footer)
    }

    /// Returns the number of rows, or `None` if it is above 2^64 − 1.
    pub(super) fn rows(&self) -> Option<u64> {
        self.row_groups.iter().try_fold(0_u64, |sum, group| sum.checked_add(group.rows))
    }
}

const INCOMPLETE: Damage = Damage::Invalid("a required field is missing");

pub(super) fn encrypted() -> ObjectError {
    ObjectError::Parquet { problem: "it is encrypted".to_owned(), next_step: "write the flow log without encryption" }
}

fn all_row_groups(reader: &mut Reader<'_>) -> Decoded<Vec<RowGroup>> {
    let mut chunks = 0;
    structs(reader, MAX_ROW_GROUPS, |reader| {
        let group = row_group(reader)?;
        chunks += group.chunks.len();
        if chunks > MAX_CHUNKS { Err(TOO_MANY) } else { Ok(group) }
    })
}

fn row_group(reader: &mut Reader<'_>) -> Decoded<RowGroup> {
    let (mut group, mut rows, mut last) = (RowGroup::default(), None, 0);
    while let Some((field, value)) = reader.field(&mut last)? {
        match (field, value) {
            (1, Type::List) => group.chunks = structs(reader, MAX_CHUNKS, column_chunk)?,
            (3, Type::Integer) => rows = Some(reader.length()? as u64),
            (1 | 3, _) => return Err(WRONG_TYPE),
            _ => reader.skip(value)?,
        }
    }
    group.rows = rows.ok_or(INCOMPLETE)?;
    Ok(group)
}

fn column_chunk(reader: &mut Reader<'_>) -> Decoded<ColumnChunk> {
    let (mut chunk, mut last) = (ColumnChunk::default(), 0);
    while let Some((field, value)) = reader.field(&mut last)? {
        match (field, value) {
            (1, Type::Binary) => chunk.is_in_other_file = !reader.binary()?.is_empty(),
            (3, Type::Struct) => column_metadata(reader, &mut chunk)?,
            (1 | 3, _) => return Err(WRONG_TYPE),
            (8, _) => {
                chunk.is_encrypted = true;
                reader.skip(value)?;
            }
            _ => reader.skip(value)?,
        }
    }
    Ok(chunk)
}

fn column_metadata(reader: &mut Reader<'_>, chunk: &mut ColumnChunk) -> Decoded<()> {
    let mut last = 0;
    let mut required = 0;
    while let Some((field, value)) = reader.field(&mut last)? {
        match (field, value) {
            (4, Type::Integer) => chunk.codec = reader.integer()?,
            (5, Type::Integer) => chunk.values = reader.integer()?,
            (7, Type::Integer) => chunk.bytes = reader.integer()?,
            (9, Type::Integer) => chunk.data_offset = reader.integer()?,
            (11, Type::Integer) => chunk.dictionary_offset = Some(reader.integer()?),
            (4 | 5 | 7 | 9 | 11, _) => return Err(WRONG_TYPE),
            _ => reader.skip(value)?,
        }
        required |= u32::from(matches!(field, 4 | 5 | 7 | 9)) << (field & 0xf);
    }
    chunk.has_metadata = required.count_ones() == 4;
    Ok(())
}

impl ColumnChunk {
    /// Checks the chunk against the rows of its group and the bytes of the file, and returns its pages.
    pub(super) fn pages(&self, name: &str, rows: u64, footer_start: u64) -> Result<PageRange, ObjectError> {
        if self.is_encrypted {
            return Err(encrypted());
        }
        if self.is_in_other_file {
            return Err(unsupported(format!("the column {name} is stored in another file")));
        }
        let damaged = |reason: &str| corrupt(footer_start, &format!("the column {name} {reason}"));
        if !self.has_metadata {
            return Err(damaged("has no metadata"));
        }
        let codec = Codec::from_number(self.codec)
            .map_err(|codec| unsupported(format!("the column {name} is compressed by {codec}")))?;
        if u64::try_from(self.values) != Ok(rows) {
            return Err(damaged("has another number of values than its row group has rows"));
        }
        // Some writers store 0 if there is no dictionary.
        let dictionary = self.dictionary_offset.filter(|offset| *offset > 0).unwrap_or(self.data_offset);
        let start = u64::try_from(dictionary.min(self.data_offset)).unwrap_or(0);
        let end = u64::try_from(self.bytes).ok().and_then(|bytes| start.checked_add(bytes));
        let end = end.filter(|end| start >= MAGIC.len() as u64 && *end <= footer_start);
        let end = end.ok_or_else(|| damaged("has pages outside of the file"))?;
        Ok(PageRange { start, end, codec })
    }
}
