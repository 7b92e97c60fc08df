//! Computes the totals and the top ten rejected groups of a flow log with `vrl`, the language of Vector.
//!
//! Each line is the message of an event and runs through a VRL program with one call. Rust code counts the results.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark reads files and prints")]

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

use flate2::read::MultiGzDecoder;
use serde_json::json;
use vrl::compiler::state::RuntimeState;
use vrl::compiler::{self, Context, Program, TargetValue, TimeZone};
use vrl::value::{ObjectMap, Secrets, Value};

const INPUT_BYTES: usize = 64 << 10;
const SLICE_BYTES: usize = 128 << 10;

const KEY: [&str; 5] = ["interface_id", "srcaddr", "dstaddr", "dstport", "protocol"];

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: with-vrl LOG")?;
    let decoder = MultiGzDecoder::new(BufReader::with_capacity(INPUT_BYTES, File::open(path)?));
    let mut lines = BufReader::with_capacity(SLICE_BYTES, decoder).lines();
    let parser = parser(&lines.next().ok_or("no header")??)?;
    let (mut state, timezone) = (RuntimeState::default(), TimeZone::default());
    let mut counts = Counts::default();
    for line in lines {
        let value = Value::Object(ObjectMap::from([("message".into(), Value::from(line?))]));
        let mut target = TargetValue { value, metadata: Value::Null, secrets: Secrets::default() };
        match parser.resolve(&mut Context::new(&mut target, &mut state, &timezone)) {
            Ok(Value::Object(record)) => counts.observe(&record)?,
            Ok(other) => return Err(format!("{other} is not a record").into()),
            Err(error) => return Err(error.to_string().into()),
        }
    }
    Ok(writeln!(io::stdout(), "{}", counts.answer())?)
}

/// Returns a VRL program that parses a line into an object, with the columns of the header.
fn parser(header: &str) -> Result<Program, Box<dyn Error>> {
    let source = format!("parse_aws_vpc_flow_log!(.message, format: \"{}\")", header.replace('-', "_"));
    let compiled = compiler::compile(&source, &vrl::stdlib::all()).map_err(|errors| format!("{errors:?}"))?;
    Ok(compiled.program)
}

#[derive(Default)]
struct Counts {
    records: u64,
    accepted: u64,
    rejected: Sums,
    groups: HashMap<[Value; KEY.len()], Sums>,
}

/// Field order is the sort order of groups.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sums {
    flows: i64,
    packets: i64,
    bytes: i64,
}

impl Counts {
    fn observe(&mut self, record: &ObjectMap) -> Result<(), &'static str> {
        self.records += 1;
        let action = record.get("action").and_then(Value::as_bytes).map(AsRef::as_ref);
        self.accepted += u64::from(action == Some(b"ACCEPT"));
        if action == Some(b"REJECT") {
            let number = |name| record.get(name).and_then(Value::as_integer).ok_or("a number is missing");
            let (packets, bytes) = (number("packets")?, number("bytes")?);
            let key = KEY.map(|name| record.get(name).cloned().unwrap_or(Value::Null));
            self.rejected.add(packets, bytes);
            self.groups.entry(key).or_default().add(packets, bytes);
        }
        Ok(())
    }

    fn answer(&self) -> serde_json::Value {
        let mut groups: Vec<Sums> = self.groups.values().copied().collect();
        groups.sort_unstable_by(|a, b| b.cmp(a));
        let top: Vec<_> = groups.iter().take(10).map(|group| [group.flows, group.packets, group.bytes]).collect();
        json!({ "sums": [self.records, self.accepted, self.rejected.flows, self.rejected.bytes], "top": top })
    }
}

impl Sums {
    fn add(&mut self, packets: i64, bytes: i64) {
        self.flows += 1;
        self.packets += packets;
        self.bytes += bytes;
    }
}
