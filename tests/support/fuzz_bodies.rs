//! Properties of any bytes, one function per fuzz target. The fuzzer runs them on nightly Rust (`fuzz/`), and
//! `tests/fuzz_smoke.rs` runs them on stable.

#[expect(dead_code, reason = "other tests build pages")]
#[path = "parquet_parts.rs"]
mod parquet_parts;
#[path = "partial_frames.rs"]
pub mod partial_frames;
#[path = "plain_json.rs"]
mod plain_json;

use std::io::{self, Read};
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use flowsentry::config::Config;
use flowsentry::findings::topology_check::check;
use flowsentry::input::decoder::Decoder;
use flowsentry::input::json::{JsonItem, JsonReader};
use flowsentry::input::lines::{BufferedLines, ChunkReader, Lines};
use flowsentry::lambda::event::{self, Invocation};
use flowsentry::partial::{self, Context};
use flowsentry::pipeline::{self, Options};
use flowsentry::record::field::{Field, FieldType};
use flowsentry::record::format::Format;
use flowsentry::record::parser;
use flowsentry::record::{Action, Record};
use flowsentry::summary::build::{self, SummaryOptions};
use flowsentry::summary::json;
use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
use flowsentry::topology::path::PathVerdict;
use parquet_parts::Column;
use partial_frames::{frames, reframe};
use serde_json::{Value, json};

/// Asserts that a first line that can be a header is one, and that every other line has the class that a slow, simple
/// parser assigns.
pub fn header_and_lines(bytes: &[u8]) {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let header = lines.next().unwrap_or_default();
    let format = Format::from_header(header);
    assert_eq!(format.is_some(), is_header(header), "{header:?}");
    let format = format.unwrap_or_else(Format::version_2);
    compare_parsers(bytes, &format);
    let names: Vec<Option<Field>> = format.names().iter().map(|name| Field::from_name(name.as_bytes())).collect();
    for line in lines.take(64) {
        let class = match parser::parse(line, &format) {
            Err(_) => "malformed",
            Ok(Record::NoData(_)) => "no_data",
            Ok(Record::SkipData(_)) => "skip_data",
            Ok(Record::Flow(flow)) if flow.action == Action::Accept => "accepted",
            Ok(Record::Flow(_)) => "rejected",
            Ok(Record::Other(_)) => "other",
        };
        assert_eq!(class, expected_class(line, &names), "{line:?} by {names:?}");
    }
}

/// Asserts that the fast parser gives the same records as the slow one.
fn compare_parsers(bytes: &[u8], format: &Format) {
    let parser = parser::Parser::new(Arc::new(format.clone()));
    let Ok(text) = Decoder::open(bytes, 1 << 20) else { return };
    let Ok(mut lines) = Lines::open(ChunkReader::here(text)) else { return };
    while let Ok(Some(line)) = lines.next_line() {
        if let Some(record) = parser.parse(&line) {
            assert_eq!(Ok(record), parser::parse(line.bytes, format), "{:?}", line.bytes);
        }
    }
}

/// Reports whether at least half of the tokens are names of fields.
fn is_header(line: &[u8]) -> bool {
    let tokens = tokens(line);
    let known = tokens.iter().filter(|token| Field::from_name(token).is_some()).count();
    !tokens.is_empty() && 2 * known >= tokens.len()
}

/// Splits a line at its spaces and tabs.
fn tokens(line: &[u8]) -> Vec<&[u8]> {
    line.split(|&byte| byte == b' ' || byte == b'\t').filter(|token| !token.is_empty()).collect()
}

/// Returns the class of a line, by a direct implementation of the documented rules.
fn expected_class(line: &[u8], names: &[Option<Field>]) -> &'static str {
    let tokens = tokens(line);
    if tokens.len() != names.len() {
        return "malformed";
    }
    // If a name occurs twice, the first column counts.
    let value = |field: Field| {
        let column = names.iter().position(|name| *name == Some(field))?;
        Some(tokens[column]).filter(|token| *token != b"-")
    };
    for field in names.iter().flatten() {
        if let Some(token) = value(*field)
            && !is_valid(token, field.kind())
        {
            return "malformed";
        }
    }
    let action = value(Field::Action).unwrap_or_default();
    match value(Field::LogStatus).unwrap_or_default() {
        b"NODATA" => return if lacks_address(names, &value, action) { "malformed" } else { "no_data" },
        b"SKIPDATA" | b"FAILURE" => {
            return if lacks_address(names, &value, action) { "malformed" } else { "skip_data" };
        }
        _ => {}
    }
    match action {
        b"ACCEPT" | b"REJECT" if lacks_address(names, &value, action) => "malformed",
        b"ACCEPT" => "accepted",
        b"REJECT" => "rejected",
        _ => "other",
    }
}

/// Reports whether the action is ACCEPT or REJECT and an address is absent although the format has its column.
fn lacks_address<'a>(names: &[Option<Field>], value: &impl Fn(Field) -> Option<&'a [u8]>, action: &[u8]) -> bool {
    let lacks = |field: Field| names.contains(&Some(field)) && value(field).is_none();
    [&b"ACCEPT"[..], b"REJECT"].contains(&action) && (lacks(Field::Srcaddr) || lacks(Field::Dstaddr))
}

/// Reports whether the token is a valid value of this type.
fn is_valid(token: &[u8], kind: FieldType) -> bool {
    let text = std::str::from_utf8(token).unwrap_or("\u{fffd}");
    match kind {
        FieldType::Integer(max) => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            digits && text.trim_start_matches('0').len() <= 20 && {
                let significant = text.trim_start_matches('0');
                !text.is_empty() && (significant.is_empty() || u64::from_str(significant).is_ok_and(|it| it <= max))
            }
        }
        FieldType::Address => IpAddr::from_str(text).is_ok(),
        FieldType::Text => true,
    }
}

/// Reader that returns chunks of given lengths, repeatedly.
struct Chunks<'a> {
    lengths: &'a [u8],
    index: usize,
    bytes: &'a [u8],
}

impl Read for Chunks<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length =
            self.lengths.get(self.index % self.lengths.len().max(1)).map_or(1, |length| usize::from(*length) + 1);
        self.index += 1;
        let count = length.min(out.len()).min(self.bytes.len());
        let (chunk, remaining) = self.bytes.split_at(count);
        out[..count].copy_from_slice(chunk);
        self.bytes = remaining;
        Ok(count)
    }
}

/// Asserts that the chunk sizes of the input and decompression in the background change neither the summary nor the error.
/// The first eight bytes are the lengths of the chunks.
pub fn chunked_reading(bytes: &[u8]) {
    let (lengths, object) = bytes.split_at(bytes.len().min(8));
    let read = |reader: &mut (dyn Read + Send), decompress_in_background| {
        let options = Options { max_object_bytes: 1 << 20, decompress_in_background, ..Options::default() };
        let analysis = pipeline::analyze("any", reader, &options).map_err(|error| error.to_string())?;
        Ok::<_, String>(json::render(&build::build_summary(analysis, &SummaryOptions::default(), None)))
    };
    let (mut complete, mut chunks) = (object, Chunks { lengths, index: 0, bytes: object });
    assert_eq!(read(&mut complete, false), read(&mut chunks, true));
}

/// Asserts that JSON has the values that a simple reader finds, and that any bytes have values or an error.
pub fn json_values(bytes: &[u8]) {
    let Ok(content) = Decoder::open(bytes, 1 << 20) else { return };
    let Ok(mut json) = JsonReader::open(content) else { return };
    let (mut found, mut whole) = (Vec::new(), false);
    while let Ok(item) = json.next_item() {
        match item {
            Some(JsonItem::Lines(batch)) => {
                while let Some(line) = batch.next_buffered_line() {
                    found.push(format!("line {}", String::from_utf8_lossy(line.bytes)));
                }
            }
            Some(JsonItem::Object(members, _)) => {
                let names: Vec<_> = members.names().map(String::from_utf8_lossy).collect();
                found.push(format!("object {}", names.join(" ")));
            }
            Some(JsonItem::Malformed(problem, _)) => found.push(format!("{problem:?}")),
            None => {
                whole = true;
                break;
            }
        }
    }
    if let Some(expected) = plain_json::items(bytes) {
        assert!(whole);
        // A line end within a message does not end the line.
        let shown = |items: Vec<String>| items.join("; ").replace(['\n', '\u{b}'], " ");
        assert_eq!(shown(found), shown(expected));
    }
}

/// Asserts that any JSON is an event or an error with a bounded message, and that it means the same in every envelope.
pub fn event_envelopes(bytes: &[u8]) {
    let Ok(payload) = serde_json::from_slice::<Value>(bytes) else { return };
    if let Err(error) = event::read(&payload) {
        assert!(error.to_string().len() < 8000, "{error}");
    }
    let notices = |payload: &Value| match event::read(payload) {
        Ok(Invocation::Direct(notices)) => notices,
        Ok(Invocation::Queue(messages)) => messages.into_iter().flat_map(|message| message.events).collect(),
        Ok(Invocation::BatchJob(job)) => job.tasks.into_iter().map(|task| task.event).collect(),
        // A task of flowsentry itself has no envelope.
        Ok(Invocation::Window(_) | Invocation::OwnTask(_)) => Vec::new(),
        Err(error) => vec![Err(error)],
    };
    let in_a_queue = |payload: &Value| {
        notices(&json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": payload.to_string()}]}))
    };
    let in_a_record = |payload: &Value| notices(&json!({"requestPayload": payload}));
    assert_eq!(in_a_queue(&payload), in_a_record(&payload));
}

/// Asserts that a key is decoded as a byte-by-byte decoder does.
pub fn key_decoding(bytes: &[u8]) {
    let Ok(key) = std::str::from_utf8(bytes) else { return };
    let mut decoded = Vec::new();
    let mut remaining = key.as_bytes();
    while let Some((&first, following)) = remaining.split_first() {
        let escape = (first == b'%').then(|| hexadecimal(following)).flatten();
        decoded.push(escape.unwrap_or(if first == b'+' { b' ' } else { first }));
        remaining = if escape.is_some() { &following[2..] } else { following };
    }
    let expected = String::from_utf8(decoded).unwrap_or_else(|_| key.to_owned());
    assert_eq!(event::decode_form_key(key), expected);
}

/// Parses the two hexadecimal digits at the start.
fn hexadecimal(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*bytes.first()?)?, digit(*bytes.get(1)?)?);
    u8::try_from(16 * high + low).ok()
}

/// Asserts that any document is an error, or a topology with which an analysis succeeds.
pub fn topology_documents(bytes: &[u8]) {
    let mut resources = Resources::default();
    if resources.read("any.json", bytes).is_err() {
        return;
    }
    let topology = Arc::new(Topology::new(resources));
    let findings = serde_json::to_value(check(&topology)).expect("JSON");
    assert!(findings.is_object());
    let log = "2 1 eni-1 10.0.0.1 10.1.0.1 1 22 6 1 40 9 9 ACCEPT OK\n2 1 eni-1 10.1.0.1 10.0.0.1 22 1 6 1 40 9 9 REJECT OK\n";
    let options = Options { topology: Some(Arc::clone(&topology)), ..Options::default() };
    let analysis = pipeline::analyze("any", log.as_bytes(), &options).expect("a flow log");
    let summary = build::build_summary(analysis, &SummaryOptions::default(), Some(&topology));
    assert_eq!(summary.records.total, 2);
    assert!(summary.peering.is_some());
    let by_rule: u64 = summary.rejected.by_rule.iter().map(|row| row.tally.flows).sum();
    let denied = summary.rejected.groups.iter().filter(|group| !group.denied_by.is_empty()).count() as u64;
    assert_eq!((by_rule, denied), (denied, denied.min(1)), "{:?}", summary.rejected);
    let [src, dst] = ["10.0.0.1", "10.1.0.1"].map(|address| address.parse().expect("an address"));
    for port in [Some(22), None] {
        let explanation = topology.explain(&topology.question_of_flow(src, dst, 6, port, Some("eni-1")));
        assert_eq!(explanation.blocked_by().is_some(), explanation.verdict() == PathVerdict::Blocked);
    }
}

/// Asserts that a file is an error, or has as many records as rows, and that both ways to read it agree. The bytes are a file, or
/// four bytes that describe a column, and its pages.
pub fn parquet_pages(bytes: &[u8]) {
    let options = Options { max_object_bytes: 1 << 24, max_lines: 1 << 17, ..Options::default() };
    let (file, rows) = match bytes {
        [b'P', b'A', b'R', b'1', ..] => (bytes.to_vec(), None),
        [shape, codec, low, high, pages @ ..] => {
            let rows = u16::from_le_bytes([*low, *high]);
            (parquet_parts::file(&[parquet_column(*shape, *codec, rows, pages)], rows.into()), Some(u64::from(rows)))
        }
        _ => return,
    };
    let analyzed = pipeline::analyze("any", &file[..], &options).map_err(|error| error.to_string());
    let analyzed = analyzed.map(|analysis| build::build_summary(analysis, &SummaryOptions::default(), None).records);
    let mut flows = 0;
    let observed = pipeline::for_each_flow("x", &file[..], &options, |_| flows += 1);
    let observed = observed.map(|read| (read.total, read.malformed)).map_err(|error| error.to_string());
    match analyzed {
        Ok(records) => {
            assert_eq!(
                (observed, flows),
                (Ok((records.total, records.malformed)), records.accepted + records.rejected)
            );
            assert!(rows.is_none_or(|rows| records.total == rows), "{records:?} {rows:?}");
        }
        Err(error) => {
            assert!(error.len() < 4000, "{error}");
            assert_eq!(observed, Err(error));
        }
    }
}

/// Returns a column of one of the kinds that are read.
fn parquet_column(shape: u8, codec: u8, rows: u16, pages: &[u8]) -> Column {
    let (name, kind) = match shape >> 1 & 7 {
        0 => ("dstport", 1),
        1 => ("bytes", 2),
        2 => ("srcaddr", 6),
        3 => ("action", 6),
        4 => ("packets", 6),
        5 => ("tcp_flags", 1),
        6 => ("packets_lost_blackhole", 2),
        _ => ("interface_id", 6),
    };
    let column = Column::new(name, kind, rows.into(), pages.to_vec());
    Column { repetition: i64::from(shape & 1), codec: i64::from(codec & 7), ..column }
}

/// A topology with peered VPCs, and two with the same block.
const PARTIAL_TOPOLOGY: &str = r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.0.0.0/16"}, {"VpcId": "vpc-b", "CidrBlock": "10.1.0.0/16"},
    {"VpcId": "vpc-c", "CidrBlock": "10.2.0.0/16"}, {"VpcId": "vpc-d", "CidrBlock": "10.2.0.0/16"}],
    "VpcPeeringConnections": [{"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "active"},
      "RequesterVpcInfo": {"VpcId": "vpc-a"}, "AccepterVpcInfo": {"VpcId": "vpc-b"}}],
    "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "VpcId": "vpc-a", "PrivateIpAddress": "10.0.0.1"}]}"#;

/// Records of every section: a class of each kind, IPv6, losses, and a malformed one.
const PARTIAL_LOG: &str = "interface-id vpc-id subnet-id srcaddr dstaddr srcport dstport protocol start end action tcp-flags traffic-path log-status\n\
    eni-1 vpc-a subnet-1 10.0.0.1 10.1.0.1 50000 443 6 1795413600 1795413660 ACCEPT 2 4 OK\n\
    eni-1 vpc-a subnet-1 10.1.0.1 10.0.0.1 443 50000 6 1795413600 1795413660 REJECT - - OK\n\
    eni-1 vpc-a - 10.0.0.1 10.2.0.1 50000 443 17 1795413600 1795413660 REJECT - 1 OK\n\
    eni-2 vpc-x - 10.0.0.1 8.8.8.8 50000 443 6 1795413600 1795413660 ACCEPT 2 5 OK\n\
    eni-1 vpc-a - 10.0.0.1 8.8.8.9 50000 443 6 1795413600 1795413660 ACCEPT 2 8 OK\n\
    - - - 2001:db8::1 2001:db8::2 50000 443 6 1795413600 1795413660 REJECT 18 - OK\n\
    - - - 2001:db8::1 2001:db8::2 50000 443 6 1795413600 1795413660 ACCEPT 3 - OK\n\
    eni-1 vpc-a - 8.8.8.8 10.0.0.1 50000 22 6 1795413600 1795413660 REJECT 2 - OK\n\
    eni-1 vpc-a - 8.8.8.8 10.0.0.1 50001 22 6 1795413600 1795413660 ACCEPT 19 - OK\n\
    eni-1 - - - - - - - - - - - - SKIPDATA\n\
    malformed\n\
    tgw-id tgw-src-vpc-id packets-lost-blackhole log-status\n\
    tgw-1 vpc-a 7 OK\n";

static PARTIAL_RUN: LazyLock<(Arc<Topology>, Config)> = LazyLock::new(|| {
    let mut resources = Resources::default();
    resources.read("topology.json", PARTIAL_TOPOLOGY.as_bytes()).expect("JSON");
    (Arc::new(Topology::new(resources)), Config::default())
});

/// Returns the partial of [`PARTIAL_LOG`], once closed and once open.
pub fn valid_partial() -> Vec<u8> {
    let (topology, config) = &*PARTIAL_RUN;
    let options = Options { topology: Some(Arc::clone(topology)), ..Options::default() };
    let analyze = |uri| pipeline::analyze(uri, PARTIAL_LOG.as_bytes(), &options).expect("a flow log");
    let mut analysis = analyze("closed");
    partial::close(&mut analysis, Some(topology));
    analysis.merge(analyze("any"));
    analysis.observe_failure("other".to_owned(), "cannot be opened".to_owned());
    let mut file = Vec::new();
    partial::write(analysis, &Context::new(Some(topology), config), &mut file).expect("writing to memory succeeds");
    file
}

/// Asserts that a file is an error, or a partial that can be written, merged, and summarized. The bytes are a file, or changes of a
/// valid one, of four bytes each: the block, the place (two bytes), and what to combine the byte there with.
pub fn partials(bytes: &[u8]) {
    let valid = valid_partial();
    let file = if bytes.starts_with(b"FSPART") {
        bytes.to_vec()
    } else {
        let mut frames = frames(&valid);
        for change in bytes.chunks_exact(4) {
            let count = frames.len();
            let frame = &mut frames[usize::from(change[0]) % count];
            match (usize::from(change[1]) << 8 | usize::from(change[2])) % (frame.bytes.len() + 3) {
                0 => frame.rows ^= u32::from(change[3]) << 24 >> 24,
                1 => frame.tag ^= change[3],
                2 => frame.bytes.push(change[3]),
                place => frame.bytes[place - 3] ^= change[3],
            }
        }
        reframe(&valid, &frames)
    };
    let (topology, config) = &*PARTIAL_RUN;
    let context = Context::new(Some(topology), config);
    let Ok(analysis) = partial::read(&file[..], &context) else { return };
    let records = analysis.records().total;
    let mut again = Vec::new();
    partial::write(analysis.clone(), &context, &mut again).expect("writing to memory succeeds");
    let mut merged = partial::read(&valid[..], &context).expect("valid");
    let valid_records = merged.records().total;
    merged.merge(partial::read(&again[..], &context).expect("what was written"));
    for (analysis, expected) in [(analysis, records), (merged, valid_records + records)] {
        let summary = build::build_summary(analysis, &SummaryOptions::default(), Some(topology));
        assert_eq!(summary.records.total, expected);
        assert!(!json::render(&summary).is_empty());
    }
}
