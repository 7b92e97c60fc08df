//! Damages Parquet files, and makes them lie. The result is an error or a summary, never a panic, and memory stays bounded.

#[expect(dead_code, reason = "other tests write Booleans")]
#[path = "support/parquet_parts.rs"]
mod parquet_parts;
#[expect(dead_code, reason = "other tests use all layouts")]
#[path = "support/parquet_writer.rs"]
mod parquet_writer;

use std::process::Command;

use flowsentry::aggregate::Analysis;
use flowsentry::error::ObjectError;
use flowsentry::pipeline::{self, Options};
use flowsentry::summary::build::{self, SummaryOptions};
use parquet_parts::{
    Column, Fields, Thrift, data_page, dictionary_page, encode, file, page, parts, plain, size, with_footer,
};
use parquet_writer::{Layout, write};

fn analyze(file: &[u8]) -> Result<Analysis, ObjectError> {
    pipeline::analyze("x.parquet", file, &Options::default())
}

/// Returns the summary as JSON, without the sources, or the code of the error.
fn read(file: &[u8]) -> Result<String, &'static str> {
    let analysis = analyze(file).map_err(|error| error.code())?;
    let mut summary = build::build_summary(analysis, &SummaryOptions::default(), None);
    summary.sources.clear();
    Ok(serde_json::to_string(&summary).expect("JSON"))
}

/// Returns the message of the error.
fn error(file: &[u8]) -> String {
    analyze(file).expect_err("an error").to_string()
}

/// Returns the number of rows, or the reason why the file is corrupt.
fn rows(columns: &[Column], rows: i64) -> Result<u64, String> {
    match analyze(&file(columns, rows)) {
        Ok(analysis) => {
            let summary = build::build_summary(analysis, &SummaryOptions::default(), None);
            Ok(summary.records.total)
        }
        Err(ObjectError::ParquetCorrupt { reason, .. }) => Err(reason),
        Err(other) => Err(other.code().to_owned()),
    }
}

/// Returns a required column of 32-bit integers in one page.
fn ports(values: &[i32]) -> Column {
    let body: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Column::new("dstport", 1, size(values), data_page(size(values), 0, &body))
}

/// Returns a column of texts with a dictionary. `indexes` has the width and the runs.
fn words(name: &'static str, dictionary: &[&str], values: i64, indexes: &[u8]) -> Column {
    let pages = [dictionary_page(size(dictionary), &plain(dictionary)), data_page(values, 8, indexes)].concat();
    Column::new(name, 6, values, pages)
}

/// Returns three rejected records, and the ranges of the bodies of pages.
fn small() -> (Vec<u8>, Vec<std::ops::Range<usize>>) {
    let columns = [
        words("action", &["REJECT"], 3, &[1, 6, 0]),
        words("srcaddr", &["10.0.0.1", "10.0.0.2"], 3, &[1, 3, 0b101]),
        ports(&[22, 23, 3389]),
    ];
    let whole = file(&columns, 3);
    let bodies = [plain(&["REJECT"]), vec![1, 6, 0], plain(&["10.0.0.1", "10.0.0.2"]), vec![1, 3, 0b101]];
    let mut ranges = Vec::new();
    let mut at = 0;
    for body in bodies.iter().chain([&[22_i32, 23, 3389].iter().flat_map(|port| port.to_le_bytes()).collect()]) {
        at += whole[at..].windows(body.len()).position(|window| window == body).expect("the body");
        ranges.push(at..at + body.len());
        at += body.len();
    }
    (whole, ranges)
}

#[test]
fn a_truncated_file_is_an_error() {
    let (whole, _) = small();
    let written = write(&["srcaddr", "action"], &[vec!["10.0.0.1".to_owned(), "REJECT".to_owned()]], &Layout::aws());
    for file in [whole, written] {
        assert!(read(&file).is_ok());
        for length in 1..file.len() {
            let expected = if length < 4 { "not_a_flow_log" } else { "parquet_corrupt" };
            assert_eq!(read(&file[..length]), Err(expected), "{length}");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_page_is_found_by_its_checksum() {
    let (whole, bodies) = small();
    let expected = read(&whole).expect("a flow log");
    assert!(expected.contains("\"rejected\":3"), "{expected}");
    for index in bodies.into_iter().flatten() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[index] ^= 1 << bit;
            assert_eq!(read(&flipped), Err("parquet_corrupt"), "bit {bit} of byte {index}");
        }
    }
}

#[test]
fn any_flipped_bit_is_an_error_or_a_summary() {
    let row = |n: u32| {
        ["REJECT", &format!("10.0.0.{n}"), "10.0.1.1", &format!("{}", 20 + n), "eni-1"].map(str::to_owned).to_vec()
    };
    let records: Vec<Vec<String>> = (0..9).map(row).collect();
    let names = ["action", "srcaddr", "dstaddr", "dstport", "interface-id"];
    let (mut errors, mut summaries) = (0, 0);
    for (codec, version, has_dictionary) in
        [("gzip", 1, true), ("snappy", 2, true), ("none", 2, false), ("zstd", 1, false)]
    {
        let layout = Layout { codec, version, has_dictionary, rows_per_group: 5, ..Layout::aws() };
        let whole = write(&names, &records, &layout);
        for index in 0..whole.len() {
            // Two bits of each byte take a few seconds, all of them a minute.
            for bit in [index % 8, (index + 3) % 8] {
                let mut flipped = whole.clone();
                flipped[index] ^= 1 << bit;
                match read(&flipped) {
                    Ok(_) => summaries += 1,
                    Err(_) => errors += 1,
                }
            }
        }
    }
    assert!(errors > 2000 && summaries > 200, "{errors} errors, {summaries} summaries");
}

#[test]
fn a_lying_page_is_an_error() {
    let good = ports(&[22, 23]);
    assert_eq!(rows(std::slice::from_ref(&good), 2), Ok(2));
    let with_pages = |pages: Vec<u8>| rows(&[Column { pages, ..good.clone() }], 2);
    let body = [22, 0, 0, 0, 23, 0, 0, 0];
    let details =
        |values: i64| (5, [(1, values), (2, 0), (3, 3), (4, 3)].map(|(n, value)| (n, Thrift::Integer(value))).into());
    for (pages, reason) in [
        (
            page(0, 8, &body[..7], details(2)),
            "a page of the column dstport: the page has another size than its header claims",
        ),
        (
            page(0, 9, &body, details(2)),
            "a page of the column dstport: the page has another size than its header claims",
        ),
        (page(0, -8, &body, details(2)), "the header of a page of the column dstport: a size is negative"),
        (page(0, i64::MAX, &body, details(2)), "unsupported_format_parquet"),
        (page(0, 8, &body, details(-2)), "the header of a page of the column dstport: a size is negative"),
        (page(0, 8, &body, details(i64::MAX)), "the column dstport has more rows than its row group"),
        (page(0, 8, &body, details(3)), "the column dstport has more rows than its row group"),
        (page(0, 8, &body, details(1)), "the column dstport has fewer rows than its row group"),
        (page(9, 8, &body, details(2)), "the header of a page of the column dstport: its type is unknown"),
        (page(0, 8, &body, (7, Vec::new())), "the header of a page of the column dstport: its type is unknown"),
        (page(0, 8, &body, (5, Vec::new())), "the header of a page of the column dstport: a required field is missing"),
        (data_page(2, 5, &body), "a page of the column dstport: the size of a block of differences is invalid"),
        (
            data_page(2, 8, &[1, 4, 1]),
            "a page of the column dstport: it refers to an entry that its dictionary does not have",
        ),
        (data_page(2, 6, &body), "unsupported_format_parquet"),
        (
            [dictionary_page(2, &body), dictionary_page(2, &body)].concat(),
            "a page of the column dstport: its column has two dictionaries",
        ),
        (dictionary_page(i64::MAX / 2, &body), "a page of the column dstport: it ends too early"),
        (Vec::new(), "the column dstport has fewer rows than its row group"),
        (vec![0; 9], "the header of a page of the column dstport: a required field is missing"),
        (vec![0xff; 9], "the header of a page of the column dstport: a Thrift type is unknown"),
    ] {
        assert_eq!(with_pages(pages), Err(reason.to_owned()));
    }
    let more = Err("the column dstport has more rows than its row group".to_owned());
    assert_eq!(with_pages(data_page(3, 0, &[&body[..], &[0; 4]].concat())), more);
    assert_eq!(with_pages(data_page(2, 0, &body).repeat(2)), more);
    // A page without rows adds none.
    assert_eq!(with_pages([data_page(2, 0, &body), data_page(0, 0, &[])].concat()), Ok(2));
}

#[test]
fn lying_levels_and_indexes_are_errors() {
    let two = |indexes: &[u8]| rows(&[words("action", &["ACCEPT", "REJECT"], 2, indexes)], 2);
    assert_eq!(two(&[1, 4, 1]), Ok(2));
    let outside =
        Err("a page of the column action: it refers to an entry that its dictionary does not have".to_owned());
    assert_eq!(two(&[2, 4, 2]), outside);
    assert_eq!(two(&[2, 3, 0b1001, 0]), outside);
    assert_eq!(two(&[32, 4, 0xff, 0xff, 0xff, 0xff]), outside);
    assert_eq!(two(&[33, 4, 1]), Err("a page of the column action: a number has more than 32 bits".to_owned()));
    let long = Err("a page of the column action: a run is longer than its page".to_owned());
    assert_eq!(two(&[1, 6, 1]), long);
    assert_eq!(two(&[1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1]), long);
    let short = Err("a page of the column action: it ends too early".to_owned());
    for runs in [&[1][..], &[1, 2, 1], &[1, 3], &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], &[]] {
        assert_eq!(two(runs), short, "{runs:?}");
    }
    let optional = |page: &[u8]| {
        let pages = data_page(2, 0, page);
        rows(&[Column { repetition: 1, ..Column::new("dstport", 1, 2, pages) }], 2)
    };
    assert_eq!(optional(&[2, 0, 0, 0, 4, 0]), Ok(2));
    assert_eq!(optional(&[2, 0, 0, 0, 4, 1, 1, 0, 0, 0, 2, 0, 0, 0]), Ok(2));
    assert_eq!(optional(&[2, 0, 0, 0, 3, 0b10, 1, 0, 0, 0]), Ok(2));
    let damaged = |reason: &str| Err(format!("a page of the column dstport: {reason}"));
    assert_eq!(optional(&[2, 0, 0]), damaged("it ends too early"));
    assert_eq!(optional(&[3, 0, 0, 0, 4, 0]), damaged("its definition levels are longer than the page"));
    assert_eq!(optional(&[0xff, 0xff, 0xff, 0xff, 4, 0]), damaged("its definition levels are longer than the page"));
    assert_eq!(optional(&[2, 0, 0, 0, 6, 0]), damaged("a run is longer than its page"));
    assert_eq!(optional(&[2, 0, 0, 0, 4, 7]), damaged("a definition level is above 1"));
    assert_eq!(optional(&[2, 0, 0, 0, 4, 1, 1, 0]), damaged("it ends too early"));
}

/// Returns the fields of a struct, to be changed.
fn fields(value: &mut Fields, number: i64) -> &mut Thrift {
    &mut value.iter_mut().find(|(field, _)| *field == number).expect("the field").1
}

/// Returns the reason why a changed footer is an error.
fn with_lie(lie: impl Fn(&mut Fields)) -> String {
    let (pages, mut footer) = parts(&[ports(&[22, 23])], 2);
    lie(&mut footer);
    match analyze(&with_footer(&pages, &encode(&footer))).expect_err("a lie") {
        ObjectError::ParquetCorrupt { reason, .. } => reason,
        other => other.code().to_owned(),
    }
}

#[test]
fn row_groups_without_rows_are_skipped() {
    let (pages, mut footer) = parts(&[ports(&[22, 23])], 2);
    let Thrift::Structs(groups) = fields(&mut footer, 4) else { panic!("row groups") };
    let mut empty = groups[0].clone();
    let Thrift::Structs(chunks) = fields(&mut empty, 1) else { panic!("chunks") };
    let Thrift::Struct(metadata) = fields(&mut chunks[0], 3) else { panic!("metadata") };
    // As pyarrow writes it.
    for number in [5, 7, 9] {
        *fields(metadata, number) = Thrift::Integer(0);
    }
    *fields(&mut empty, 3) = Thrift::Integer(0);
    let full = groups[0].clone();
    *groups = vec![empty.clone(), empty.clone(), full, empty];
    let analysis = analyze(&with_footer(&pages, &encode(&footer))).expect("a flow log");
    assert_eq!(build::build_summary(analysis, &SummaryOptions::default(), None).records.total, 2);
}

#[test]
fn a_lying_footer_is_an_error() {
    fn group(footer: &mut Fields) -> &mut Fields {
        let Thrift::Structs(groups) = fields(footer, 4) else { panic!("row groups") };
        &mut groups[0]
    }
    fn chunk(footer: &mut Fields) -> &mut Fields {
        let Thrift::Structs(chunks) = fields(group(footer), 1) else { panic!("chunks") };
        &mut chunks[0]
    }
    fn metadata(footer: &mut Fields) -> &mut Fields {
        let Thrift::Struct(metadata) = fields(chunk(footer), 3) else { panic!("metadata") };
        metadata
    }
    fn schema(footer: &mut Fields) -> &mut Vec<Fields> {
        let Thrift::Structs(schema) = fields(footer, 2) else { panic!("a schema") };
        schema
    }
    let set =
        |number: i64, value: i64| with_lie(move |footer| *fields(metadata(footer), number) = Thrift::Integer(value));
    let outside = "the column dstport has pages outside of the file";
    for (number, value) in [(7, i64::MAX), (7, -1), (7, 1 << 40), (9, i64::MAX), (9, -1), (9, 0), (9, 3), (9, 1 << 40)]
    {
        assert_eq!(set(number, value), outside, "{number} {value}");
    }
    for value in [1, 3, -2, i64::MAX] {
        assert_eq!(set(5, value), "the column dstport has another number of values than its row group has rows");
    }
    assert_eq!(with_lie(|footer| metadata(footer).push((11, Thrift::Integer(2)))), outside);
    for codec in [3, 4, 5, 7, -1, 99] {
        assert_eq!(set(4, codec), "unsupported_format_parquet");
    }
    let decoded = |reason: &str| format!("its footer cannot be decoded: {reason}");
    let rows = decoded("its row groups have another number of rows than the file");
    assert_eq!(with_lie(|footer| *fields(footer, 3) = Thrift::Integer(3)), rows);
    assert_eq!(with_lie(|footer| *fields(group(footer), 3) = Thrift::Integer(i64::MAX)), rows);
    assert_eq!(with_lie(|footer| *fields(footer, 3) = Thrift::Integer(-1)), decoded("a size is negative"));
    assert_eq!(with_lie(|footer| footer.retain(|(field, _)| *field != 2)), decoded("a required field is missing"));
    let wrong_type = decoded("a field has another type than in Parquet's definition");
    assert_eq!(with_lie(|footer| *fields(footer, 4) = Thrift::Bytes(vec![0xfc; 20])), wrong_type);
    assert_eq!(with_lie(|footer| *fields(group(footer), 1) = Thrift::Integer(1)), wrong_type);
    assert_eq!(with_lie(|footer| *fields(metadata(footer), 9) = Thrift::Bytes(vec![4])), wrong_type);
    let fewer = "a row group has fewer columns than the schema";
    assert_eq!(with_lie(|footer| *fields(group(footer), 1) = Thrift::Structs(Vec::new())), fewer);
    assert_eq!(with_lie(|footer| chunk(footer).clear()), "the column dstport has no metadata");
    assert_eq!(with_lie(|footer| chunk(footer).push((8, Thrift::Struct(Vec::new())))), "unsupported_format_parquet");
    assert_eq!(
        with_lie(|footer| chunk(footer).push((1, Thrift::Bytes(b"other".into())))),
        "unsupported_format_parquet"
    );
    let tree = decoded("its schema is not a tree");
    for children in [0, 2, i64::MAX] {
        assert_eq!(with_lie(|footer| *fields(&mut schema(footer)[0], 5) = Thrift::Integer(children)), tree);
        assert_eq!(with_lie(|footer| schema(footer)[1].push((5, Thrift::Integer(children.max(1))))), tree);
    }
    assert_eq!(with_lie(|footer| schema(footer).clear()), tree);
    let long = with_lie(|footer| *fields(&mut schema(footer)[1], 4) = Thrift::Bytes(vec![b'x'; 1 << 16]));
    assert_eq!(long, "unsupported_format_parquet");
}

#[test]
fn a_list_reserves_nothing_for_the_size_that_it_claims() {
    // The schema, and the row groups, are lists of structs with two billion elements.
    for field in [0x29, 0x49] {
        let footer = [&[field, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07][..], &[0x15, 0, 0]].concat();
        assert!(error(&with_footer(b"", &footer)).contains("its footer cannot be decoded: it ends too early"));
    }
    // Elements of one byte each.
    let groups = |chunks: &[u8], count: u8| {
        let group = [&[0x19][..], chunks, &[0x26, 0, 0]].concat();
        let groups = [&[0x49, 0xfc, count][..], &group.repeat(count.into())].concat();
        error(&with_footer(b"", &[&groups[..], &[0]].concat()))
    };
    let chunks = |count: usize| [&[0xfc, 0x80, 0x80, (count >> 14) as u8][..], &vec![0; count]].concat();
    assert!(groups(&chunks(1 << 19), 1).contains("a list has too many elements"));
    assert!(groups(&chunks(1 << 17), 3).contains("a list has too many elements"));
    assert!(groups(&chunks(1 << 17), 2).contains("a required field is missing"));
    for field in [0x29, 0x49] {
        let many = with_footer(b"", &[&[field, 0xfc, 0x80, 0x80, 0x40][..], &vec![0; 1 << 20]].concat());
        assert!(error(&many).contains("a list has too many elements"));
    }
    let long = with_footer(b"", &[0; 9]);
    let claims = [&long[..long.len() - 8], &u32::MAX.to_le_bytes(), b"PAR1"].concat();
    assert!(error(&claims).contains("its footer is longer than the file"));
    let large = with_footer(b"", &vec![0; (16 << 20) + 1]);
    assert!(error(&large).contains("its footer has 16777217 bytes, more than 16777216"));
}

#[test]
fn types_that_are_not_supported_are_named() {
    let with = |change: &dyn Fn(&mut Column)| {
        let mut column = ports(&[22, 23]);
        change(&mut column);
        error(&file(&[column], 2))
    };
    let starts = |message: String, expected: &str| assert!(message.starts_with(expected), "{message}");
    for (kind, name) in
        [(0, "BOOLEAN"), (3, "INT96"), (4, "FLOAT"), (5, "DOUBLE"), (7, "FIXED_LEN_BYTE_ARRAY"), (77, "type 77")]
    {
        let message = with(&|column| column.kind = kind);
        starts(message, &format!("unsupported Parquet file: the column dstport has values of {name}; rewrite it"));
    }
    starts(
        with(&|column| column.repetition = 2),
        "unsupported Parquet file: the column dstport has values of a repeated type;",
    );
    let logical = |number| vec![(10, Thrift::Struct(vec![(number, Thrift::Struct(Vec::new()))]))];
    starts(
        with(&|column| column.schema = logical(8)),
        "unsupported Parquet file: the column dstport has values of TIMESTAMP;",
    );
    starts(
        with(&|column| column.schema = vec![(6, Thrift::Integer(5))]),
        "unsupported Parquet file: the column dstport has values of DECIMAL;",
    );
    starts(
        with(&|column| column.name = "action"),
        "unsupported Parquet file: the column action has values of integers;",
    );
    starts(with(&|column| column.codec = 4), "unsupported Parquet file: the column dstport is compressed by BROTLI;");
    // A column that is not read may have any type.
    let other = Column { kind: 5, ..Column::new("account_id", 6, 2, Vec::new()) };
    assert_eq!(rows(&[ports(&[22, 23]), other], 2), Ok(2));
    let encrypted = [&b"PAR1pages"[..], &[0; 4], b"PARE"].concat();
    for file in [encrypted, b"PARE....PARE".to_vec()] {
        assert_eq!(error(&file), "unsupported Parquet file: it is encrypted; write the flow log without encryption");
    }
}

#[test]
fn a_nested_column_is_skipped_unless_it_is_needed() {
    let nested = |name: &[u8]| {
        let (pages, mut footer) = parts(&[Column::new("inner", 6, 2, Vec::new()), ports(&[22, 23])], 2);
        let Thrift::Structs(schema) = fields(&mut footer, 2) else { panic!("a schema") };
        schema.insert(1, vec![(4, Thrift::Bytes(name.into())), (5, Thrift::Integer(1))]);
        with_footer(&pages, &encode(&footer))
    };
    assert_eq!(
        analyze(&nested(b"extra"))
            .map(|analysis| {
                let summary = build::build_summary(analysis, &SummaryOptions::default(), None);
                (summary.records.total, summary.formats[0].fields.clone())
            })
            .expect("a flow log"),
        (2, vec!["extra".to_owned(), "dstport".to_owned()])
    );
    assert!(error(&nested(b"start")).contains("the column start has values of a nested type"));
}

#[test]
fn few_bytes_that_claim_many_rows_are_a_bomb() {
    for (rows, run, code) in [
        (1 << 29, [0x80, 0x80, 0x80, 0x80, 4], "compression_ratio"),
        (i64::from(i32::MAX), [0xfe, 0xff, 0xff, 0xff, 15], "too_many_lines"),
    ] {
        let page = data_page(rows, 8, &[&[1][..], &run, &[0]].concat());
        let pages = [dictionary_page(1, &plain(&["REJECT"])), page].concat();
        assert_eq!(read(&file(&[Column::new("action", 6, rows, pages)], rows)), Err(code));
    }
    // One long text that every row has.
    let long = "x".repeat(1 << 20);
    let text = words("interface_id", &[&long], 1000, &[1, 0xd0, 0x0f, 0]);
    assert_eq!(rows_of(&text, 1000), Err("compression_ratio"));
    let short = words("interface_id", &["eni-1"], 1000, &[1, 0xd0, 0x0f, 0]);
    assert_eq!(rows_of(&short, 1000), Ok(1000));
}

fn rows_of(column: &Column, rows: i64) -> Result<u64, &'static str> {
    let analysis = analyze(&file(std::slice::from_ref(column), rows)).map_err(|error| error.code())?;
    Ok(build::build_summary(analysis, &SummaryOptions::default(), None).records.total)
}

/// Runs the command in an address space of 400 MB, which a reservation for a claim exceeds.
#[test]
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "the command reads a file")]
fn lies_need_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let details = || (5, [(1, 2), (2, 0), (3, 3), (4, 3)].map(|(n, value)| (n, Thrift::Integer(value))).into());
    let claims = |codec: i64, stored: &[u8]| {
        let pages = page(0, 64 << 20, stored, details());
        file(&[Column { codec, ..Column::new("dstport", 1, 2, pages) }], 2)
    };
    let many = dictionary_page(1 << 30, &[0; 16]);
    let delta = [&[0x80, 1, 4][..], &[0xff, 0xff, 0xff, 0xff, 7], &[0, 0, 0, 0, 0, 0]].concat();
    let files = [
        claims(0, &[0; 8]),
        claims(1, &[0x80, 0x80, 0x80, 0x20, 0]),
        claims(2, &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 1]),
        claims(6, &[0x28, 0xb5, 0x2f, 0xfd, 0x80, 0x60, 0, 0, 0, 4, 0]),
        file(&[Column::new("action", 6, 2, many)], 2),
        file(&[Column::new("dstport", 1, 1 << 24, data_page(1 << 24, 5, &delta))], 1 << 24),
        file(&[Column::new("action", 6, 1 << 20, data_page(1 << 20, 7, &delta))], 1 << 20),
    ];
    for (number, bytes) in files.iter().enumerate() {
        let path = folder.path().join(format!("{number}.parquet"));
        std::fs::write(&path, bytes).expect("a file");
        let script = "ulimit -v 400000; exec \"$0\" analyze --threads 1 \"$1\"";
        let command = env!("CARGO_BIN_EXE_flowsentry");
        let output = Command::new("sh").args(["-c", script, command]).arg(&path).output().expect("a command");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{number}: {message}");
        assert!(message.contains("Parquet") || message.contains("ratio"), "{number}: {message}");
    }
}
