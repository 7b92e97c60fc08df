//! Builds Parquet files from parts, any of which may lie.

/// A value in Thrift's compact protocol.
#[derive(Debug, Clone)]
pub enum Thrift {
    Integer(i64),
    Bytes(Vec<u8>),
    Boolean(bool),
    Structs(Vec<Fields>),
    Struct(Fields),
}

/// The fields of a struct, by number.
pub type Fields = Vec<(i64, Thrift)>;

/// Encodes a struct.
pub fn encode(fields: &[(i64, Thrift)]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_struct(fields, &mut out);
    out
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn encode_struct(fields: &[(i64, Thrift)], out: &mut Vec<u8>) {
    for (number, value) in fields {
        out.push(match value {
            Thrift::Boolean(true) => 1,
            Thrift::Boolean(false) => 2,
            Thrift::Integer(_) => 6,
            Thrift::Bytes(_) => 8,
            Thrift::Structs(_) => 9,
            Thrift::Struct(_) => 12,
        });
        varint(zigzag(*number), out);
        match value {
            Thrift::Boolean(_) => {}
            Thrift::Integer(value) => varint(zigzag(*value), out),
            Thrift::Bytes(bytes) => {
                varint(bytes.len() as u64, out);
                out.extend(bytes);
            }
            Thrift::Structs(all) => {
                out.push(0xfc);
                varint(all.len() as u64, out);
                all.iter().for_each(|fields| encode_struct(fields, out));
            }
            Thrift::Struct(fields) => encode_struct(fields, out),
        }
    }
    out.push(0);
}

/// A column with its pages.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: &'static str,
    /// Number of the physical type: 1 INT32, 2 INT64, 6 BYTE_ARRAY.
    pub kind: i64,
    /// 0 required, 1 optional, 2 repeated.
    pub repetition: i64,
    pub codec: i64,
    pub values: i64,
    /// Pages with their headers.
    pub pages: Vec<u8>,
    /// More fields of the schema element, and of the column's metadata.
    pub schema: Fields,
    pub metadata: Fields,
}

impl Column {
    /// Creates a required column without compression.
    pub fn new(name: &'static str, kind: i64, values: i64, pages: Vec<u8>) -> Column {
        Column { name, kind, repetition: 0, codec: 0, values, pages, schema: Vec::new(), metadata: Vec::new() }
    }
}

/// Builds a page: header with a checksum, and body, which is `stored`. `bytes` is the size that it claims after decompression.
pub fn page(number: i64, bytes: i64, stored: &[u8], details: (i64, Fields)) -> Vec<u8> {
    let (field, details) = details;
    let header = [
        (1, Thrift::Integer(number)),
        (2, Thrift::Integer(bytes)),
        (3, Thrift::Integer(size(stored))),
        (4, Thrift::Integer(i64::from(checksum(stored).cast_signed()))),
        (field, Thrift::Struct(details)),
    ];
    [encode(&header), stored.to_vec()].concat()
}

/// Returns the CRC-32 of gzip.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

/// Returns a length as Parquet's integers have it.
pub fn size<T>(list: &[T]) -> i64 {
    list.len().try_into().expect("a short list")
}

/// Builds a data page of version 1.
pub fn data_page(values: i64, encoding: i64, body: &[u8]) -> Vec<u8> {
    let details = [(1, values), (2, encoding), (3, 3), (4, 3)].map(|(field, value)| (field, Thrift::Integer(value)));
    page(0, size(body), body, (5, details.into()))
}

/// Builds a dictionary page.
pub fn dictionary_page(values: i64, body: &[u8]) -> Vec<u8> {
    page(2, size(body), body, (7, vec![(1, Thrift::Integer(values)), (2, Thrift::Integer(0))]))
}

/// Encodes texts as PLAIN does.
pub fn plain(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()).collect()
}

/// Returns the fields of a footer of one row group, and the pages.
pub fn parts(columns: &[Column], rows: i64) -> (Vec<u8>, Fields) {
    let mut pages = Vec::new();
    let mut schema = vec![vec![(4, Thrift::Bytes(b"root".to_vec())), (5, Thrift::Integer(size(columns)))]];
    let mut chunks = Vec::new();
    for column in columns {
        let mut element = vec![
            (1, Thrift::Integer(column.kind)),
            (3, Thrift::Integer(column.repetition)),
            (4, Thrift::Bytes(column.name.into())),
        ];
        element.extend(column.schema.clone());
        schema.push(element);
        let mut metadata: Fields =
            [(4, column.codec), (5, column.values), (7, size(&column.pages)), (9, 4 + size(&pages))]
                .map(|(field, value)| (field, Thrift::Integer(value)))
                .into();
        metadata.extend(column.metadata.clone());
        chunks.push(vec![(3, Thrift::Struct(metadata))]);
        pages.extend(&column.pages);
    }
    let group = vec![(1, Thrift::Structs(chunks)), (3, Thrift::Integer(rows))];
    let footer = vec![(2, Thrift::Structs(schema)), (3, Thrift::Integer(rows)), (4, Thrift::Structs(vec![group]))];
    (pages, footer)
}

/// Builds a file.
pub fn file(columns: &[Column], rows: i64) -> Vec<u8> {
    let (pages, footer) = parts(columns, rows);
    with_footer(&pages, &encode(&footer))
}

/// Builds a file of these pages and footer.
pub fn with_footer(pages: &[u8], footer: &[u8]) -> Vec<u8> {
    [b"PAR1", pages, footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}
