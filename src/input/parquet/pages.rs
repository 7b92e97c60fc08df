//! Reads the pages of a column: header, checksum, decompression. Bounds what a file expands to.

use super::footer::PageRange;
use super::thrift::{Damage, Decoded, Reader, Type, WRONG_TYPE};
use super::{MAX_PAGE_BYTES, corrupt, unsupported};
use crate::error::ObjectError;
use crate::input::decoder::{MAX_RATIO, RATIO_GRACE_BYTES};
use crate::input::spool::Spool;

/// Bytes in which the header of a page is sought first. It has about 30, and more with the least and the greatest value.
const FIRST_HEADER_BYTES: u64 = 128;
/// Maximum length of the header of a page: 1 MiB.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// A page, as its header describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) kind: PageKind,
    /// Bytes after decompression.
    bytes: usize,
    stored_bytes: usize,
    checksum: Option<u32>,
}

/// The contents of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    /// The entries of the column's dictionary.
    Dictionary { values: usize, encoding: i64 },
    /// Definition levels and values, compressed together.
    Data { values: usize, encoding: i64, level_encoding: i64 },
    /// Definition levels, then values, of which only the values may be compressed.
    DataV2 { values: usize, encoding: i64, level_bytes: usize, is_compressed: bool },
    /// A page without values.
    Index,
}

/// The file, and the limits for reading it.
#[derive(Debug)]
pub(super) struct PageSource {
    pub(super) file: Spool,
    pub(super) budget: Budget,
    /// The stored bytes of the current page.
    stored: Vec<u8>,
}

/// What was read so far, and how much may be read.
#[derive(Debug)]
pub(super) struct Budget {
    /// Bytes of the object as stored.
    pub(super) object_bytes: u64,
    /// Limit of bytes after decompression.
    pub(super) max_bytes: u64,
    /// Bytes of pages after decompression.
    pub(super) page_bytes: u64,
    /// Values in all columns that are read. Few bytes can claim many of them.
    pub(super) values: u64,
}

/// Bytes of text that a value counts as: one character and a space.
const BYTES_PER_VALUE: u64 = 2;

impl Budget {
    /// Adds bytes of decompressed pages.
    pub(super) fn add_bytes(&mut self, bytes: usize) -> Result<(), ObjectError> {
        self.page_bytes = self.page_bytes.saturating_add(bytes as u64);
        if self.page_bytes > self.max_bytes {
            return Err(ObjectError::TooLarge { max_bytes: self.max_bytes });
        }
        self.check_ratio()
    }

    /// Adds values.
    pub(super) fn add_values(&mut self, values: u64) -> Result<(), ObjectError> {
        self.values = self.values.saturating_add(values);
        self.check_ratio()
    }

    fn check_ratio(&self) -> Result<(), ObjectError> {
        let bytes = self.page_bytes.max(self.values.saturating_mul(BYTES_PER_VALUE));
        if bytes > RATIO_GRACE_BYTES && bytes > self.object_bytes.saturating_mul(MAX_RATIO) {
            return Err(ObjectError::CompressionRatio { bytes, compressed_bytes: self.object_bytes });
        }
        Ok(())
    }
}

impl PageSource {
    pub(super) fn new(file: Spool, budget: Budget) -> PageSource {
        PageSource { file, budget, stored: Vec::new() }
    }

    /// Reads the next page of a column into `out`, and moves the start of the range behind it. Returns `None` after the last page.
    pub(super) fn next_page(
        &mut self,
        range: &mut PageRange,
        name: &str,
        out: &mut Vec<u8>,
    ) -> Result<Option<PageKind>, ObjectError> {
        if range.start == range.end {
            return Ok(None);
        }
        let at = range.start;
        let damaged = |reason: &str| corrupt(at, &format!("a page of the column {name}: {reason}"));
        let (header, header_bytes) = self.header(range, name)?;
        if header.bytes > MAX_PAGE_BYTES || header.stored_bytes > MAX_PAGE_BYTES {
            let bytes = header.bytes.max(header.stored_bytes);
            return Err(unsupported(format!(
                "a page of the column {name} has {bytes} bytes, more than {MAX_PAGE_BYTES}"
            )));
        }
        let data_at = at + header_bytes as u64;
        let end = data_at + header.stored_bytes as u64;
        if end > range.end {
            return Err(damaged("it ends after the pages of its column"));
        }
        self.budget.add_bytes(header.bytes)?;
        self.stored.resize(header.stored_bytes, 0);
        self.file.read_at(data_at, &mut self.stored)?;
        range.start = end;
        out.clear();
        decompress(&header, &self.stored, range, out).map_err(|damage| damaged(damage.reason()))?;
        Ok(Some(header.kind))
    }

    /// Reads the header of the page at the start of the range. Returns it with its length.
    fn header(&mut self, range: &PageRange, name: &str) -> Result<(PageHeader, usize), ObjectError> {
        let available = (range.end - range.start).min(MAX_HEADER_BYTES);
        let mut length = available.min(FIRST_HEADER_BYTES);
        loop {
            self.stored.resize(length as usize, 0);
            self.file.read_at(range.start, &mut self.stored)?;
            let mut reader = Reader::new(&self.stored);
            match page_header(&mut reader) {
                Ok(header) => return Ok((header, reader.position())),
                Err(Damage::Truncated) if length < available => length = available.min(length * 16),
                Err(damage) => {
                    let reason = format!("the header of a page of the column {name}: {}", damage.reason());
                    return Err(corrupt(range.start, &reason));
                }
            }
        }
    }
}

/// Checks the stored bytes against the checksum, if there is one, and decompresses them.
fn decompress(header: &PageHeader, stored: &[u8], range: &PageRange, out: &mut Vec<u8>) -> Decoded<()> {
    if let Some(expected) = header.checksum {
        let mut checksum = flate2::Crc::new();
        checksum.update(stored);
        if checksum.sum() != expected {
            return Err(Damage::Invalid("its checksum does not match"));
        }
    }
    let PageKind::DataV2 { level_bytes, is_compressed, .. } = header.kind else {
        return range.codec.decompress(stored, header.bytes, out);
    };
    let (levels, values) = stored.split_at_checked(level_bytes).ok_or(Damage::Truncated)?;
    let value_bytes = header.bytes.checked_sub(level_bytes).ok_or(Damage::Truncated)?;
    out.extend_from_slice(levels);
    let codec = if is_compressed { range.codec } else { super::codec::Codec::Uncompressed };
    codec.decompress(values, value_bytes, out)
}

/// The fields of a page header that depend on its type.
#[derive(Debug, Default)]
struct Details {
    values: Option<usize>,
    encoding: Option<i64>,
    level_encoding: i64,
    level_bytes: usize,
    is_compressed: bool,
}

fn page_header(reader: &mut Reader<'_>) -> Decoded<PageHeader> {
    let (mut number, mut bytes, mut stored_bytes, mut checksum, mut details) = (None, None, None, None, None);
    let mut last = 0;
    while let Some((field, value)) = reader.field(&mut last)? {
        match (field, value) {
            (1, Type::Integer) => number = Some(reader.integer()?),
            (2, Type::Integer) => bytes = Some(reader.length()?),
            (3, Type::Integer) => stored_bytes = Some(reader.length()?),
            // A signed integer has the bits of the checksum.
            (4, Type::Integer) => checksum = Some(reader.integer()?.cast_unsigned() as u32),
            (5 | 7 | 8, Type::Struct) => details = Some((field, page_details(reader, field)?)),
            (1..=5 | 7 | 8, _) => return Err(WRONG_TYPE),
            _ => reader.skip(value)?,
        }
    }
    let (Some(number), Some(bytes), Some(stored_bytes)) = (number, bytes, stored_bytes) else { return Err(INCOMPLETE) };
    let kind = match (number, details) {
        (1, _) => PageKind::Index,
        (0, Some((5, details))) => {
            let (values, encoding) = details.required()?;
            PageKind::Data { values, encoding, level_encoding: details.level_encoding }
        }
        (2, Some((7, details))) => {
            let (values, encoding) = details.required()?;
            PageKind::Dictionary { values, encoding }
        }
        (3, Some((8, details))) => {
            let (values, encoding) = details.required()?;
            let Details { level_bytes, is_compressed, .. } = details;
            PageKind::DataV2 { values, encoding, level_bytes, is_compressed }
        }
        _ => return Err(Damage::Invalid("its type is unknown")),
    };
    Ok(PageHeader { kind, bytes, stored_bytes, checksum })
}

const INCOMPLETE: Damage = Damage::Invalid("a required field is missing");

impl Details {
    fn required(&self) -> Decoded<(usize, i64)> {
        self.values.zip(self.encoding).ok_or(INCOMPLETE)
    }
}

/// Reads the struct in this field of a page header: 5 is a data page, 7 a dictionary, 8 a data page of version 2.
fn page_details(reader: &mut Reader<'_>, of: i64) -> Decoded<Details> {
    let mut details = Details { is_compressed: true, ..Details::default() };
    let mut repetition_bytes = 0;
    let mut last = 0;
    while let Some((field, value)) = reader.field(&mut last)? {
        match (of, field, value) {
            (_, 1, Type::Integer) => details.values = Some(reader.length()?),
            (5 | 7, 2, Type::Integer) | (8, 4, Type::Integer) => details.encoding = Some(reader.integer()?),
            (5, 3, Type::Integer) => details.level_encoding = reader.integer()?,
            (8, 5, Type::Integer) => details.level_bytes = reader.length()?,
            (8, 6, Type::Integer) => repetition_bytes = reader.length()?,
            (8, 7, Type::False) => details.is_compressed = false,
            _ => reader.skip(value)?,
        }
    }
    // Columns that repeat are not read.
    if repetition_bytes == 0 { Ok(details) } else { Err(Damage::Invalid("it has repetition levels")) }
}
