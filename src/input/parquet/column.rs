//! Reads one column: its dictionary and its data pages, one at a time, in batches of rows.

use super::dictionary::{Dictionary, MAX_DICTIONARY_BYTES, read_indexes};
use super::footer::PageRange;
use super::pages::{Budget, PageKind, PageSource};
use super::rle::Runs;
use super::schema::{ColumnKind, SchemaColumn};
use super::thrift::{Damage, Decoded};
use super::values::{Decoder, PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY, Values, encoding_name};
use super::{BATCH_ROWS, ColumnBatch, ColumnValues, corrupt, unsupported};
use crate::error::ObjectError;

/// Bytes of texts that are not counted for each row. The names of a flow log have about 20.
const LONG_TEXT_BYTES: usize = 64;

/// A column, and the position in it.
#[derive(Debug)]
pub(super) struct Column {
    name: String,
    kind: ColumnKind,
    is_optional: bool,
    pages: PageRange,
    dictionary: Dictionary,
    page: DataPage,
    batch: Batch,
}

/// A data page, and the position in it.
#[derive(Debug, Default)]
struct DataPage {
    /// Position in the file.
    offset: u64,
    bytes: Vec<u8>,
    /// Rows that are left.
    rows: usize,
    /// Whether each row has a value, if any has none.
    levels: Option<Runs>,
    decoder: Option<Decoder>,
}

/// The rows of a batch.
#[derive(Debug, Default)]
struct Batch {
    /// For each row 0, or the index of its value plus 1.
    indexes: Vec<u32>,
    levels: Vec<u32>,
    /// The values of this batch, unless they are in the dictionary.
    values: Values,
    is_dictionary: bool,
}

impl Column {
    pub(super) fn new(schema: &SchemaColumn) -> Column {
        Column {
            name: schema.name.clone(),
            kind: schema.kind.clone(),
            is_optional: schema.is_optional,
            pages: PageRange { start: 0, end: 0, codec: super::codec::Codec::Uncompressed },
            dictionary: Dictionary::default(),
            page: DataPage::default(),
            batch: Batch { indexes: vec![0; BATCH_ROWS], levels: vec![0; BATCH_ROWS], ..Batch::default() },
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Starts to read the pages of a row group.
    pub(super) fn start_chunk(&mut self, pages: PageRange) {
        self.pages = pages;
        self.page.rows = 0;
        self.dictionary.release();
        self.dictionary.page = None;
    }

    /// Returns the bytes of memory of the page, the dictionary and the batch. An entry of the dictionary is parsed, so it counts more.
    pub(super) fn memory(&self) -> usize {
        let dictionary = self.dictionary.bytes.capacity() + self.dictionary.values.memory();
        let parsed = self.dictionary.values.len() * super::PARSED_BYTES;
        dictionary + parsed + self.page.bytes.capacity() + self.batch.values.memory()
    }

    /// Returns the rows that are left in the current page, and reads the next page if there are none. Returns 0 after the last page.
    pub(super) fn rows_in_page(&mut self, source: &mut PageSource) -> Result<usize, ObjectError> {
        while self.page.rows == 0 {
            let pages = self.pages;
            let Some(kind) = source.next_page(&mut self.pages, &self.name, &mut self.page.bytes)? else { return Ok(0) };
            self.page.offset = pages.start;
            match kind {
                // A page without values may lack everything.
                PageKind::Index | PageKind::Data { values: 0, .. } | PageKind::DataV2 { values: 0, .. } => {}
                PageKind::Dictionary { values, encoding } => self.start_dictionary(pages, values, encoding)?,
                PageKind::Data { values, encoding, level_encoding } => {
                    self.prepare_dictionary(encoding, source)?;
                    self.start_page(kind, values, encoding, level_encoding)?;
                }
                PageKind::DataV2 { values, encoding, .. } => {
                    self.prepare_dictionary(encoding, source)?;
                    self.start_page(kind, values, encoding, RLE)?;
                }
            }
        }
        Ok(self.page.rows)
    }

    fn start_page(
        &mut self,
        kind: PageKind,
        values: usize,
        encoding: i64,
        level_encoding: i64,
    ) -> Result<(), ObjectError> {
        if self.is_optional && level_encoding != RLE {
            return Err(self.unsupported_encoding("definition levels", level_encoding));
        }
        let levels = self.levels(kind, values).map_err(|damage| self.damaged(damage))?;
        let at = levels.as_ref().map_or(0, |(_, end)| *end);
        let decoder = Decoder::new(&self.kind, encoding, &self.page.bytes, at, values);
        let decoder = decoder.map_err(|damage| self.damaged(damage))?;
        self.page.levels = levels.map(|(levels, _)| levels);
        self.page.decoder = Some(decoder.ok_or_else(|| self.unsupported_encoding("values", encoding))?);
        self.page.rows = values;
        Ok(())
    }

    /// Returns the definition levels at the start of the current page, and their end.
    fn levels(&self, kind: PageKind, values: usize) -> Decoded<Option<(Runs, usize)>> {
        let page = &self.page.bytes;
        let (start, length) = match kind {
            PageKind::DataV2 { level_bytes, .. } => (0, level_bytes),
            _ if !self.is_optional => return Ok(None),
            _ => {
                let length = page.first_chunk().ok_or(Damage::Truncated)?;
                (4, u32::from_le_bytes(*length) as usize)
            }
        };
        let end = start + length;
        if end > page.len() {
            return Err(Damage::Invalid("its definition levels are longer than the page"));
        }
        if !self.is_optional && length > 0 {
            return Err(Damage::Invalid("it has definition levels although its column is required"));
        }
        let levels = Runs::new(start, end, 1, values)?;
        Ok(self.is_optional.then_some((levels, end)))
    }

    fn start_dictionary(&mut self, pages: PageRange, count: usize, encoding: i64) -> Result<(), ObjectError> {
        if !matches!(encoding, PLAIN | PLAIN_DICTIONARY) {
            return Err(self.unsupported_encoding("a dictionary", encoding));
        }
        if self.dictionary.page.is_some() {
            return Err(self.damaged(Damage::Invalid("its column has two dictionaries")));
        }
        self.dictionary.page = Some((pages, count));
        std::mem::swap(&mut self.dictionary.bytes, &mut self.page.bytes);
        self.load_dictionary(count)
    }

    /// Loads the dictionary for a page that refers to it, and releases it for a page that does not: writers that found too many
    /// distinct values do not use it again, and such a dictionary is large.
    fn prepare_dictionary(&mut self, encoding: i64, source: &mut PageSource) -> Result<(), ObjectError> {
        if !matches!(encoding, PLAIN_DICTIONARY | RLE_DICTIONARY) {
            self.dictionary.release();
        } else if let Some((mut pages, count)) = self.dictionary.page.filter(|_| !self.dictionary.is_loaded) {
            source.next_page(&mut pages, &self.name, &mut self.dictionary.bytes)?;
            self.load_dictionary(count)?;
        }
        Ok(())
    }

    fn load_dictionary(&mut self, count: usize) -> Result<(), ObjectError> {
        let bytes = self.dictionary.bytes.len();
        if bytes > MAX_DICTIONARY_BYTES {
            let name = &self.name;
            return Err(unsupported(format!(
                "the dictionary of the column {name} has {bytes} bytes, more than {MAX_DICTIONARY_BYTES}"
            )));
        }
        self.dictionary.load(&self.kind, count).map_err(|damage| self.damaged(damage))
    }

    /// Decodes the next rows of the current page, at most [`BATCH_ROWS`].
    pub(super) fn read(&mut self, rows: usize, budget: &mut Budget) -> Result<(), ObjectError> {
        self.try_read(rows).map_err(|damage| self.damaged(damage))?;
        budget.add_bytes(self.batch.values.composed.len())?;
        if self.batch.is_dictionary && self.dictionary.longest > LONG_TEXT_BYTES {
            budget.add_bytes(self.text_bytes(rows))?;
        }
        Ok(())
    }

    fn try_read(&mut self, rows: usize) -> Decoded<()> {
        let Column { kind, dictionary, page, batch, .. } = self;
        page.rows = page.rows.checked_sub(rows).ok_or(Damage::Truncated)?;
        let present = batch.read_levels(page, rows)?;
        batch.values.clear();
        let indexes = batch.indexes.get_mut(..present).ok_or(Damage::Truncated)?;
        let decoder = page.decoder.as_mut().ok_or(Damage::Truncated)?;
        batch.is_dictionary = matches!(decoder, Decoder::Dictionary(_));
        if let Decoder::Dictionary(runs) = decoder {
            read_indexes(runs, &page.bytes, dictionary.values.len(), indexes)?;
        } else {
            decoder.read(kind, &page.bytes, present, &mut batch.values)?;
            indexes.iter_mut().zip(1..).for_each(|(index, number)| *index = number);
        }
        if present < rows {
            batch.spread(rows, present);
        }
        Ok(())
    }

    /// Returns the bytes of the texts in a batch whose values are in the dictionary.
    fn text_bytes(&self, rows: usize) -> usize {
        let texts = &self.dictionary.values.texts;
        let text = |index: &u32| (*index as usize).checked_sub(1).and_then(|index| texts.get(index));
        let indexes = self.batch.indexes.iter().take(rows);
        indexes.filter_map(text).map(|(start, end)| (end - start) as usize).sum()
    }

    /// Returns the rows of the last read.
    #[expect(clippy::indexing_slicing, reason = "a batch has at most as many rows as its list of indexes")]
    pub(super) fn batch(&self, rows: usize) -> ColumnBatch<'_> {
        let Column { dictionary, page, batch, .. } = self;
        let (values, bytes) = match &batch.values {
            _ if batch.is_dictionary => (&dictionary.values, &dictionary.bytes),
            values if values.composed.is_empty() => (values, &page.bytes),
            values => (values, &values.composed),
        };
        let values = match self.kind {
            ColumnKind::Integers { bytes, is_signed } => {
                ColumnValues::Integers { values: &values.integers, is_signed: is_signed || bytes < 8 }
            }
            _ => ColumnValues::Texts { bytes, ranges: &values.texts },
        };
        let dictionary = batch.is_dictionary.then_some(dictionary.number);
        ColumnBatch { values, dictionary, indexes: &batch.indexes[..rows] }
    }

    fn damaged(&self, damage: Damage) -> ObjectError {
        corrupt(self.page.offset, &format!("a page of the column {}: {}", self.name, damage.reason()))
    }

    fn unsupported_encoding(&self, part: &str, encoding: i64) -> ObjectError {
        unsupported(format!("the column {} has {part} in the encoding {}", self.name, encoding_name(encoding)))
    }
}

impl Batch {
    /// Reads which rows have a value. Returns the number of these.
    fn read_levels(&mut self, page: &mut DataPage, rows: usize) -> Decoded<usize> {
        let Some(runs) = &mut page.levels else { return Ok(rows) };
        let levels = self.levels.get_mut(..rows).ok_or(Damage::Truncated)?;
        // In nearly every column all rows of a page have a value, or none has.
        match runs.next_repeated(&page.bytes, rows)? {
            Some(1) => return Ok(rows),
            Some(level) => levels.fill(level),
            None => runs.read(&page.bytes, levels)?,
        }
        if levels.iter().any(|level| *level > 1) {
            return Err(Damage::Invalid("a definition level is above 1"));
        }
        Ok(levels.iter().filter(|level| **level == 1).count())
    }

    /// Moves the indexes of values to the rows that have one.
    #[expect(
        clippy::indexing_slicing,
        reason = "rows are below the length of both lists, and no row is before its value"
    )]
    fn spread(&mut self, rows: usize, present: usize) {
        let mut next = present;
        for row in (0..rows).rev() {
            self.indexes[row] = if self.levels[row] == 1 {
                next -= 1;
                self.indexes[next]
            } else {
                0
            };
        }
    }
}
