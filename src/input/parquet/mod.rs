//! Parquet files to columns of values.
//!
//! In comes a [`Spool`] with the file, since a Parquet file is read from its end: the `footer` has the columns and the positions of
//! their `pages`. Each page is decompressed (`codec`) and decoded by its encoding (`values`, `dictionary`, `rle`, `delta`). The needed
//! columns are read in lock step, one page of each at a time (`column`), and handed out in batches of rows. Other columns are not
//! read.
//!
//! Every number in a file is a claim. It is checked before anything is reserved or read by it, and the work for a file is bounded by
//! its size (`pages::Budget`).
//!
//! The crate `parquet` writes the files of the tests, but does not read. Its decoders believe claims inside of a page or a footer,
//! which no limit on sizes bounds: eleven bytes of DELTA_LENGTH_BYTE_ARRAY reserve 128 TiB and end the process, twelve bytes of a
//! footer take seconds. `tests/parquet_crate.rs` has such inputs for each decoder, and shows when an update of the crate refuses them.

mod codec;
mod column;
mod delta;
mod dictionary;
mod footer;
mod pages;
mod rle;
mod schema;
mod thrift;
mod values;

use self::column::Column;
use self::footer::{Footer, encrypted};
use self::pages::{Budget, PageSource};
use self::schema::ColumnKind;
use super::spool::Spool;
use crate::error::ObjectError;

/// Most rows per batch.
pub const BATCH_ROWS: usize = 1024;
/// Maximum size of a page, compressed and decompressed: 64 MiB. Writers make pages of 1 MiB.
const MAX_PAGE_BYTES: usize = 64 << 20;
/// Maximum size of the pages and dictionaries of all columns: 128 MiB. Those of a flow log have about 20 MiB.
const MAX_MEMORY_BYTES: usize = 128 << 20;
/// Bytes of a parsed value, at most.
const PARSED_BYTES: usize = 24;

/// A Parquet file whose footer was read.
#[derive(Debug)]
pub struct ParquetFile {
    source: PageSource,
    footer: Footer,
    rows: u64,
    columns: Vec<NeededColumn>,
    next_group: usize,
    left_in_group: u64,
}

#[derive(Debug)]
struct NeededColumn {
    column: Column,
    leaf: usize,
}

/// The values of one column in a batch.
#[derive(Debug, Clone, Copy)]
pub struct ColumnBatch<'a> {
    /// The distinct values, or one for each row that has one.
    pub values: ColumnValues<'a>,
    /// The number of the column's dictionary that these values are, if they are one. It stays the same as long as the values do.
    pub dictionary: Option<u64>,
    /// For each row 0 if it has no value, else the index of its value plus 1.
    pub indexes: &'a [u32],
}

/// Values of one type.
#[derive(Debug, Clone, Copy)]
pub enum ColumnValues<'a> {
    /// Integers. Those without a sign have the bits of an unsigned one.
    Integers {
        /// The integers.
        values: &'a [i64],
        /// Whether they have a sign.
        is_signed: bool,
    },
    /// Texts.
    Texts {
        /// The bytes of all texts.
        bytes: &'a [u8],
        /// The start and the end of each.
        ranges: &'a [(u32, u32)],
    },
}

/// What a column can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Integers, or texts.
    IntegersOrTexts,
    /// Texts alone.
    Texts,
}

impl ParquetFile {
    /// Reads the footer. `object_bytes` is the size of the object as stored, `max_bytes` the limit of decompressed bytes.
    ///
    /// # Errors
    /// If it is not that of a Parquet file, or the file is encrypted.
    pub fn open(mut file: Spool, object_bytes: u64, max_bytes: u64) -> Result<ParquetFile, ObjectError> {
        let mut magic = [0; 4];
        if file.bytes() >= magic.len() as u64 {
            file.read_at(0, &mut magic)?;
        }
        match &magic {
            b"PAR1" => {}
            b"PARE" => return Err(encrypted()),
            _ => return Err(corrupt(0, "the file does not begin with PAR1")),
        }
        let footer = Footer::read(&mut file)?;
        let rows = footer.rows().ok_or_else(|| corrupt(footer.start, "the file has too many rows"))?;
        let budget = Budget { object_bytes, max_bytes, page_bytes: 0, values: 0 };
        let source = PageSource::new(file, budget);
        Ok(ParquetFile { source, footer, rows, columns: Vec::new(), next_group: 0, left_in_group: 0 })
    }

    /// Returns the names of the columns, in the order of the schema.
    pub fn column_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.footer.columns.iter().map(|column| &*column.name)
    }

    /// Returns the number of rows that the footer claims.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the bytes of the pages that were read, after decompression.
    pub fn page_bytes(&self) -> u64 {
        self.source.budget.page_bytes
    }

    /// Adds a column to those that are read, by its index in the schema. Call it before the first batch.
    ///
    /// # Errors
    /// If its type is not supported.
    pub fn select(&mut self, index: usize, expected: Expected) -> Result<(), ObjectError> {
        let Some(schema) = self.footer.columns.get(index) else { return Ok(()) };
        let name = &schema.name;
        match (&schema.kind, expected) {
            (ColumnKind::Other(found), _) => return Err(unsupported_type(name, found)),
            (ColumnKind::Integers { .. }, Expected::Texts) => return Err(unsupported_type(name, "integers")),
            _ => self.columns.push(NeededColumn { column: Column::new(schema), leaf: schema.leaf }),
        }
        Ok(())
    }

    /// Reads the next rows of all selected columns. Returns their number; 0 is the end of the file.
    ///
    /// # Errors
    /// If the file is corrupt, has a property that is not supported, or exceeds a limit.
    pub fn next_batch(&mut self) -> Result<usize, ObjectError> {
        while self.left_in_group == 0 {
            self.finish_group()?;
            if !self.start_group()? {
                return Ok(0);
            }
        }
        let rows = self.load_pages()?;
        for NeededColumn { column, .. } in &mut self.columns {
            column.read(rows, &mut self.source.budget)?;
        }
        self.left_in_group -= rows as u64;
        Ok(rows)
    }

    /// Reads the next page of each column that has no rows left. Returns the rows that all pages have, at most [`BATCH_ROWS`].
    fn load_pages(&mut self) -> Result<usize, ObjectError> {
        let mut rows = self.left_in_group.min(BATCH_ROWS as u64) as usize;
        let mut memory = 0;
        for NeededColumn { column, .. } in &mut self.columns {
            let in_page = column.rows_in_page(&mut self.source)?;
            if in_page == 0 {
                let reason = format!("the column {} has fewer rows than its row group", column.name());
                return Err(corrupt(self.footer.start, &reason));
            }
            rows = rows.min(in_page);
            memory += column.memory();
            if memory > MAX_MEMORY_BYTES {
                return Err(unsupported(format!("its pages and dictionaries have more than {MAX_MEMORY_BYTES} bytes")));
            }
        }
        Ok(rows)
    }

    /// Checks that no column has more rows than the row group that was read.
    fn finish_group(&mut self) -> Result<(), ObjectError> {
        for NeededColumn { column, .. } in &mut self.columns {
            if column.rows_in_page(&mut self.source)? > 0 {
                let reason = format!("the column {} has more rows than its row group", column.name());
                return Err(corrupt(self.footer.start, &reason));
            }
        }
        Ok(())
    }

    /// Starts the next row group. Returns `false` after the last one.
    fn start_group(&mut self) -> Result<bool, ObjectError> {
        // pyarrow writes empty row groups, whose chunks have no pages and a position of 0.
        let rest = self.footer.row_groups.get(self.next_group..).unwrap_or_default();
        let Some(empty) = rest.iter().position(|group| group.rows > 0) else { return Ok(false) };
        self.next_group += empty;
        let Some(group) = self.footer.row_groups.get(self.next_group) else { return Ok(false) };
        for NeededColumn { column, leaf } in &mut self.columns {
            let chunk = group.chunks.get(*leaf);
            let chunk =
                chunk.ok_or_else(|| corrupt(self.footer.start, "a row group has fewer columns than the schema"))?;
            column.start_chunk(chunk.pages(column.name(), group.rows, self.footer.start)?);
        }
        // Few bytes can claim many rows, which are checked before they are read.
        let columns = self.columns.len().max(1) as u64;
        self.source.budget.add_values(group.rows.saturating_mul(columns))?;
        self.left_in_group = group.rows;
        self.next_group += 1;
        Ok(true)
    }

    /// Returns the values of a selected column in the last batch, which had this number of rows.
    pub fn batch(&self, column: usize, rows: usize) -> Option<ColumnBatch<'_>> {
        self.columns.get(column).map(|needed| needed.column.batch(rows))
    }
}

fn corrupt(offset: u64, reason: &str) -> ObjectError {
    ObjectError::ParquetCorrupt { offset, reason: reason.to_owned() }
}

fn unsupported(problem: String) -> ObjectError {
    let next_step = "rewrite it as the reference describes, or create the flow log with the file format `plain-text`";
    ObjectError::Parquet { problem, next_step }
}

fn unsupported_type(name: &str, found: &str) -> ObjectError {
    unsupported(format!("the column {name} has values of {found}"))
}
