//! Writes Parquet files with the crate `parquet`, an implementation that is independent of the one under test.

use std::sync::Arc;

use flowsentry::record::field::{Field, FieldType};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

/// How integers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integers {
    /// As AWS does: 32 or 64 bits by field, with a sign.
    Aws,
    /// 64 bits with a sign.
    Signed64,
    /// 32 or 64 bits by field, without a sign.
    Unsigned,
    /// Decimal text.
    Texts,
}

/// How the values of columns without a dictionary are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encodings {
    Plain,
    Delta,
    /// DELTA_LENGTH_BYTE_ARRAY for texts, BYTE_STREAM_SPLIT for integers.
    Other,
}

/// The physical properties of a file. None of them changes its records.
#[derive(Debug, Clone)]
pub struct Layout {
    pub codec: &'static str,
    pub version: u8,
    pub has_dictionary: bool,
    pub dictionary_bytes: usize,
    pub rows_per_page: usize,
    pub rows_per_group: usize,
    pub integers: Integers,
    pub encodings: Encodings,
    /// Whether absent texts are null. AWS writes `-`.
    pub has_null_texts: bool,
}

impl Layout {
    /// Returns the layout of AWS's files.
    pub fn aws() -> Layout {
        Layout {
            codec: "gzip",
            version: 1,
            has_dictionary: true,
            dictionary_bytes: 1 << 20,
            rows_per_page: 20_000,
            rows_per_group: 1 << 20,
            integers: Integers::Aws,
            encodings: Encodings::Plain,
            has_null_texts: false,
        }
    }

    fn properties(&self, schema: &[(String, Kind)]) -> WriterProperties {
        let codec = match self.codec {
            "gzip" => Compression::GZIP(Default::default()),
            "snappy" => Compression::SNAPPY,
            "zstd" => Compression::ZSTD(ZstdLevel::default()),
            _ => Compression::UNCOMPRESSED,
        };
        let version = if self.version == 1 { WriterVersion::PARQUET_1_0 } else { WriterVersion::PARQUET_2_0 };
        let mut properties = WriterProperties::builder()
            .set_compression(codec)
            .set_writer_version(version)
            .set_dictionary_enabled(self.has_dictionary)
            .set_dictionary_page_size_limit(self.dictionary_bytes)
            .set_data_page_row_count_limit(self.rows_per_page)
            .set_write_batch_size(self.rows_per_page.min(1024));
        for (name, kind) in schema {
            let is_text = *kind == Kind::Text;
            let encoding = match self.encodings {
                Encodings::Plain => Encoding::PLAIN,
                Encodings::Delta if is_text => Encoding::DELTA_BYTE_ARRAY,
                Encodings::Delta => Encoding::DELTA_BINARY_PACKED,
                Encodings::Other if is_text => Encoding::DELTA_LENGTH_BYTE_ARRAY,
                Encodings::Other => Encoding::BYTE_STREAM_SPLIT,
            };
            properties = properties.set_column_encoding(ColumnPath::from(name.as_str()), encoding);
        }
        properties.build()
    }

    fn kind(&self, name: &str) -> Kind {
        match (Field::from_name(name.as_bytes()).map(Field::kind), self.integers) {
            (Some(FieldType::Integer(_)), Integers::Texts) => Kind::Text,
            (Some(FieldType::Integer(_)), Integers::Signed64) => Kind::Int64,
            // AWS stores sums and times in 64 bits.
            (Some(FieldType::Integer(_)), _) if ["packets", "bytes", "start", "end"].contains(&name) => Kind::Int64,
            (Some(FieldType::Integer(_)), _) if name.starts_with("packets") => Kind::Int64,
            (Some(FieldType::Integer(_)), _) => Kind::Int32,
            _ => Kind::Text,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int32,
    Int64,
    Text,
}

/// Writes rows of values as they stand in a text log: `-` is absent. Names get underscores.
pub fn write(names: &[&str], rows: &[Vec<String>], layout: &Layout) -> Vec<u8> {
    let schema: Vec<(String, Kind)> = names.iter().map(|name| (name.replace('-', "_"), layout.kind(name))).collect();
    let unsigned = layout.integers == Integers::Unsigned;
    let columns: Vec<String> = schema
        .iter()
        .map(|(name, kind)| match kind {
            Kind::Text => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
            Kind::Int32 if unsigned => format!("OPTIONAL INT32 {name} (INTEGER(32,false));"),
            Kind::Int64 if unsigned => format!("OPTIONAL INT64 {name} (INTEGER(64,false));"),
            Kind::Int32 => format!("OPTIONAL INT32 {name};"),
            Kind::Int64 => format!("OPTIONAL INT64 {name};"),
        })
        .collect();
    let message = parse_message_type(&format!("message LogFormatInfo {{ {} }}", columns.concat())).expect("a schema");
    let properties = Arc::new(layout.properties(&schema));
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(message), properties).expect("a writer");
    for group in rows.chunks(layout.rows_per_group) {
        let mut row_group = writer.next_row_group().expect("a row group");
        for (column, (_, kind)) in schema.iter().enumerate() {
            let values: Vec<&str> = group.iter().map(|row| row[column].as_str()).collect();
            let mut out = row_group.next_column().expect("a column").expect("as many as in the schema");
            let is_null = |value: &str| value == "-" && (*kind != Kind::Text || layout.has_null_texts);
            let levels: Vec<i16> = values.iter().map(|value| i16::from(!is_null(value))).collect();
            let present = values.iter().filter(|value| !is_null(value));
            match kind {
                Kind::Int32 => {
                    let values: Vec<i32> = present.map(|value| integer(value) as i32).collect();
                    out.typed::<Int32Type>().write_batch(&values, Some(&levels), None).expect("values");
                }
                Kind::Int64 => {
                    let values: Vec<i64> = present.map(|value| integer(value) as i64).collect();
                    out.typed::<Int64Type>().write_batch(&values, Some(&levels), None).expect("values");
                }
                Kind::Text => {
                    let values: Vec<ByteArray> = present.map(|value| ByteArray::from(*value)).collect();
                    out.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).expect("values");
                }
            }
            out.close().expect("a column");
        }
        row_group.close().expect("a row group");
    }
    writer.into_inner().expect("a file")
}

/// Parses an integer of any sign.
fn integer(text: &str) -> i128 {
    text.parse().expect("an integer")
}
