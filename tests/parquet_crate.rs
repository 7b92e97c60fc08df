//! Shows why footers and pages are not decoded by the crate `parquet`, which only writes the files of other tests.
//!
//! Each input is an error of our reader. The crate panics on it, ends the process, or reads what is not there. If a test fails
//! after an update of the crate, then that decoder of the crate can be considered again.

#[expect(dead_code, reason = "other tests use all parts")]
#[path = "support/parquet_parts.rs"]
mod parquet_parts;

use std::panic;
use std::process::Command;
use std::sync::Arc;

use flowsentry::pipeline::{self, Options};
use parquet::basic::{Encoding, Repetition, Type as Physical};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArrayType, DataType, Int64Type};
use parquet::errors::Result;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::schema::types::{ColumnDescriptor, ColumnPath, Type};
use parquet_parts::{Column, Thrift, data_page, encode, file, with_footer};

/// Hands out one page, as a reader would that has bounded its size.
struct OnePage(Option<Page>);

impl Iterator for OnePage {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.0.take().map(Ok)
    }
}

impl PageReader for OnePage {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        Ok(self.0.take())
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Ok(None)
    }

    fn skip_next_page(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Decodes a page of a required column by the crate. Returns the number of values.
fn decode<T: DataType>(physical: Physical, encoding: Encoding, page: &[u8], values: u32) -> Result<usize> {
    let column = Type::primitive_type_builder("x", physical).with_repetition(Repetition::REQUIRED).build()?;
    let column = ColumnDescriptor::new(Arc::new(column), 0, 0, ColumnPath::new(vec!["x".to_owned()]));
    let page = Page::DataPage {
        buf: page.to_vec().into(),
        num_values: values,
        encoding,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    let mut reader = ColumnReaderImpl::<T>::new(Arc::new(column), Box::new(OnePage(Some(page))));
    let mut out = Vec::new();
    reader.read_records(values as usize, None, None, &mut out)?;
    Ok(out.len())
}

/// Returns why our reader cannot read a file.
fn our_error(file: &[u8]) -> String {
    pipeline::analyze("x.parquet", file, &Options::default()).expect_err("an error").to_string()
}

/// Asserts that our reader returns this error for a page of integers or texts, and that the crate panics.
fn assert_panics(encoding: Encoding, page: &[u8], values: u32, expected: &str) {
    let is_text = matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY);
    let (name, kind) = if is_text { ("action", 6) } else { ("bytes", 2) };
    let column = Column::new(name, kind, values.into(), data_page(values.into(), encoding as i64, page));
    let error = our_error(&file(&[column], values.into()));
    assert!(error.contains(expected), "{encoding}: {error}");
    let decoded = panic::catch_unwind(|| {
        if is_text {
            decode::<ByteArrayType>(Physical::BYTE_ARRAY, encoding, page, values)
        } else {
            decode::<Int64Type>(Physical::INT64, encoding, page, values)
        }
    });
    assert!(decoded.is_err(), "the crate returns {decoded:?} for {encoding}");
}

#[test]
fn the_crate_panics_on_a_page_that_lies() {
    // A block of 128 integers in 4 miniblocks. The page claims no integer at all; its header, one.
    let none = [&[0x80, 1, 4, 0, 2, 2][..], &[0; 10]].concat();
    assert_panics(Encoding::DELTA_BINARY_PACKED, &none, 1, "it ends too early");
    // The least difference of the block has more than ten bytes.
    let long = [&[0x80, 1, 4, 2, 2][..], &[0xff; 11]].concat();
    assert_panics(Encoding::DELTA_BINARY_PACKED, &long, 2, "a number has more than 64 bits");
    // One text of −1 bytes.
    assert_panics(Encoding::DELTA_LENGTH_BYTE_ARRAY, &[0x80, 1, 4, 1, 1], 1, "a length is negative");
    // The lengths end after the page.
    assert_panics(Encoding::DELTA_LENGTH_BYTE_ARRAY, &[0x80, 1, 4, 1, 20, b'x'], 1, "it ends too early");
    // Two integers, of which one is there.
    assert_panics(Encoding::BYTE_STREAM_SPLIT, &[1; 8], 2, "it ends too early");
}

/// Names a case for the child process, in which the crate ends it.
const CASE: &str = "FLOWSENTRY_TEST_PARQUET_CASE";

/// Returns a page of texts that claims 2^45 lengths. The crate reserves them.
fn many_lengths() -> Vec<u8> {
    [0x80, 1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 8, 2].to_vec()
}

/// Returns a footer whose schema has 60,000 groups within each other. The crate calls itself for each.
fn deep_schema() -> Vec<u8> {
    let group = [0x35, 0, 0x18, 0, 0x15, 2, 0];
    [&[0x29, 0xfc, 0xe0, 0xd4, 3][..], &group.repeat(60_000), &[0]].concat()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the variable is set below, for the child")]
fn the_crate_ends_the_process() {
    let texts = Encoding::DELTA_LENGTH_BYTE_ARRAY;
    match std::env::var(CASE).as_deref() {
        Ok("lengths") => return drop(decode::<ByteArrayType>(Physical::BYTE_ARRAY, texts, &many_lengths(), 1)),
        Ok(_) => return drop(ParquetMetaDataReader::decode_metadata(&deep_schema())),
        Err(_) => {}
    }
    for (case, expected) in [("lengths", "memory allocation of"), ("schema", "overflowed its stack")] {
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        let output = child.args(["--exact", "the_crate_ends_the_process", "--nocapture"]).env(CASE, case).output();
        let output = output.expect("a child process");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(expected), "{case}: {message}");
    }
    let column = Column::new("action", 6, 1, data_page(1, texts as i64, &many_lengths()));
    assert!(our_error(&file(&[column], 1)).contains("it has more differences than values"));
    assert!(our_error(&with_footer(b"", &deep_schema())).contains("its schema is not a tree"));
}

/// Returns the message of the crate, and that of our reader, for a footer that both refuse.
fn refusals(footer: &[u8]) -> (String, String) {
    let crate_error = ParquetMetaDataReader::decode_metadata(footer).expect_err("an error").to_string();
    (crate_error, our_error(&with_footer(b"", footer)))
}

#[test]
fn the_crate_skips_a_list_of_booleans_without_their_bytes() {
    // Field 100 is a list of one list, which has 2^16 Booleans. With 2^31 − 1, these bytes take seconds in a release build, and each
    // list more takes as long again.
    let (theirs, ours) = refusals(&[0x09, 0xc8, 1, 0x19, 0xf1, 0x80, 0x80, 4, 0]);
    assert!(theirs.contains("Required field version is missing"), "{theirs}");
    assert!(ours.contains("it ends too early"), "{ours}");
}

#[test]
fn the_crate_reads_fields_whatever_their_type_is() {
    // The version is a text of one byte, 0, which the crate takes for the end of the footer. So a check of the footer before the
    // crate reads it would have to know the type of every field that the crate knows.
    let text = encode(&[(1, Thrift::Bytes(vec![0])), (2, Thrift::Integer(1))]);
    let (theirs, ours) = refusals(&text);
    assert!(theirs.contains("Required field num_rows is missing"), "{theirs}");
    assert!(ours.contains("a field has another type"), "{ours}");
}
