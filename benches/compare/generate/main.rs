//! Generates realistic VPC flow logs for tests and benchmarks.
//!
//! ```text
//! alias generate='cargo run --release --manifest-path benches/compare/Cargo.toml --bin generate --'
//! generate --records 3260896 --out flows.log.gz
//! generate --records 1000000 --files 8 --format wide --out logs/
//! generate --records 5000 --plain | less
//! generate --day --records 1000000 --format wide --out day/ --topology day/topology
//! ```
//!
//! The same arguments give the same text, byte for byte, on every platform: seeded random numbers, integers only, no
//! unordered maps. (The compressed bytes also depend on the version of zlib-rs.) Records are generated run by run; memory
//! grows with the number of malformed records only.
//!
//! # The model
//!
//! 200 network interfaces in four VPCs ([`network`]), some far busier than others (Zipf with exponent 0.8, as for
//! every population here), record runs of some 12 records ([`traffic`]): [`connections`] to 20,000 servers of the
//! internet, from 300,000 clients, and with 3,000 hosts of the same and the peered VPCs, each with a request and a
//! reply. 6 % of the records are [`rejects`]: packets of 40,000 scanners, 30 % of them from sources that occur only
//! once, and 12 % attempts of 60 misconfigured peers. 5 % are IPv6, 1 % NODATA, a few SKIPDATA. All end times are in
//! the five minutes from 2026-11-23T06:00:00Z.
//!
//! The log contains planted scenarios with fixed addresses and counts, for tests: [`scenarios`]. The option
//! `--distinct-rejects` generates a different kind of log: [`cardinality`].
//!
//! `--objects` generates the objects of a whole flow log, as they arrive in a bucket, with [`distributed`] connections: over several
//! objects, several interfaces, and both ends of a peering connection. `--day` adds [`troubles`] that differ by hour ([`day`]).
//!
//! Command that generated the sample of the README:
//!
//! ```text
//! generate --records 20000 --seed 3 --files 3 --format wide --out examples/sample \
//!     --topology examples/sample/topology
//! ```

#![expect(clippy::disallowed_methods, clippy::print_stderr, reason = "a program that writes files and says so")]

mod cardinality;
mod connections;
mod day;
mod distributed;
mod format;
mod generator;
mod network;
mod output;
mod record;
mod rejects;
mod rng;
mod rules;
mod scenarios;
mod topology;
mod traffic;
mod troubles;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, error::ErrorKind};

use cardinality::HighCardinality;
use day::{Day, MIN_RECORDS_PER_OBJECT};
use format::Format;
use generator::Generator;
use network::Interface;
use output::{Encoding, Error, FILE_TIME, LogFile, Sizes, Target, aws_file_name, aws_folder};
use record::Record;

/// Write seeded, realistic VPC flow logs
#[derive(Parser)]
#[command(name = "generate")]
struct Arguments {
    /// Number of records in all files, including malformed lines
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    records: u64,
    /// Random seed; the same seed gives the same log
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// default (14 fields of version 2) or wide (29 fields of versions 2 to 5)
    #[arg(long, value_enum, default_value_t = Format::Default, hide_possible_values = true)]
    format: Format,
    /// Split the records over K files in the folder --out
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    files: u64,
    /// Number of malformed records
    #[arg(long, value_name = "M", default_value_t = 3)]
    malformed: u64,
    /// Generate N rejected groups of one record and 150 heavy groups instead
    #[arg(long, value_name = "N", conflicts_with_all = ["records", "malformed"])]
    #[arg(value_parser = clap::value_parser!(u64).range(..=cardinality::MOST_DISTINCT))]
    distinct_rejects: Option<u64>,
    /// Generate K objects of five minutes each from 00:00, in the folders of a bucket below --out. Some connections are split
    /// over objects, answered at another interface, or logged at both ends
    #[arg(long, value_name = "K", conflicts_with_all = ["files", "distinct_rejects"])]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=day::OBJECTS))]
    objects: Option<u64>,
    /// Generate a day (--objects 288, if not given) with troubles that differ by hour, such as scans, a missing route, and
    /// rejected health checks
    #[arg(long, conflicts_with_all = ["files", "distinct_rejects"])]
    day: bool,
    /// A file, a folder (with AWS file names) or - for stdout
    #[arg(long, value_name = "PATH", default_value = "-")]
    out: PathBuf,
    /// Do not compress
    #[arg(long)]
    plain: bool,
    /// Also write the topology, JSON files in the format of aws ec2 describe-…, to this folder
    #[arg(long, value_name = "FOLDER")]
    topology: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(message) = arguments.check() {
        Arguments::command().error(ErrorKind::ValueValidation, message).exit();
    }
    match write_logs(&arguments) {
        Ok(sizes) => {
            eprintln!("{}", arguments.report(&sizes));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_logs(arguments: &Arguments) -> Result<Sizes, Error> {
    if let Some(objects) = arguments.objects() {
        return write_objects(arguments, objects);
    }
    let interfaces = network::interfaces();
    arguments.write_topology(&interfaces)?;
    let mut generated: Box<dyn Iterator<Item = Record>> = match arguments.distinct_rejects {
        None => Box::new(Generator::new(&interfaces, arguments.seed, arguments.records, arguments.malformed)),
        Some(distinct) => Box::new(HighCardinality::new(&interfaces, distinct)),
    };
    let mut sizes = Sizes::default();
    for number in 0..arguments.files {
        let records = (0..arguments.share(number)).zip(&mut generated).map(|(_, record)| record);
        sizes += write_log(arguments, arguments.target(number), &interfaces, records)?;
    }
    Ok(sizes)
}

/// Writes the objects of a flow log.
fn write_objects(arguments: &Arguments, objects: u64) -> Result<Sizes, Error> {
    let interfaces = network::interfaces_with_attachments();
    arguments.write_topology(&interfaces)?;
    let day = Day::new(&interfaces, arguments.seed, objects, arguments.records, arguments.malformed);
    let mut day = if arguments.day { day.with_troubles() } else { day };
    let folder = arguments.out.join(aws_folder());
    let mut sizes = Sizes::default();
    for number in 0..objects {
        let name = aws_file_name(arguments.seed, &day::time_of(number), number, arguments.encoding());
        sizes += write_log(arguments, Target::File(folder.join(name)), &interfaces, day.object(number))?;
    }
    Ok(sizes)
}

fn write_log(
    arguments: &Arguments,
    target: Target,
    interfaces: &[Interface],
    records: impl Iterator<Item = Record>,
) -> Result<Sizes, Error> {
    let mut log = LogFile::create(target, arguments.encoding())?;
    log.write(arguments.format.header().as_bytes())?;
    let mut line = Vec::new();
    for record in records {
        line.clear();
        arguments.format.render(&record, &interfaces[record.interface], &mut line);
        log.write(&line)?;
    }
    log.finish()
}

impl Arguments {
    fn check(&self) -> Result<(), String> {
        if self.malformed > self.records {
            return Err(format!("{} malformed lines are more than {} records", self.malformed, self.records));
        }
        if self.files > 1 && self.out == Path::new("-") {
            return Err(format!("{} files need a folder as --out", self.files));
        }
        if let Some(objects) = self.objects() {
            let least = objects * MIN_RECORDS_PER_OBJECT;
            if self.out == Path::new("-") {
                return Err("objects need a folder as --out".to_owned());
            }
            if self.records - self.malformed < least {
                return Err(format!("{objects} objects need at least {least} records, not counting malformed ones"));
            }
        }
        Ok(())
    }

    /// Returns the number of objects, if they are those of a whole flow log.
    fn objects(&self) -> Option<u64> {
        self.objects.or_else(|| self.day.then_some(day::OBJECTS))
    }

    fn write_topology(&self, interfaces: &[Interface]) -> Result<(), Error> {
        let Some(folder) = &self.topology else { return Ok(()) };
        topology::write(folder, interfaces).map_err(|cause| Error::new(&folder.display(), cause))
    }

    fn encoding(&self) -> Encoding {
        if self.plain { Encoding::Plain } else { Encoding::Gzip }
    }

    fn target(&self, number: u64) -> Target {
        if self.out == Path::new("-") {
            Target::Stdout
        } else if self.files > 1 || self.out.is_dir() {
            Target::File(self.out.join(aws_file_name(self.seed, FILE_TIME, number, self.encoding())))
        } else {
            Target::File(self.out.clone())
        }
    }

    fn records(&self) -> u64 {
        self.distinct_rejects.map_or(self.records, cardinality::records)
    }

    /// Returns the number of records in one file; files differ by one record at most.
    fn share(&self, number: u64) -> u64 {
        self.records() / self.files + u64::from(number < self.records() % self.files)
    }

    fn report(&self, sizes: &Sizes) -> String {
        let records = self.records();
        let files = self.objects().unwrap_or(self.files);
        let target = match (files, self.out == Path::new("-")) {
            (1, true) => "stdout".to_owned(),
            (1, false) => self.out.display().to_string(),
            (files, _) => format!("{files} files in {}", self.out.display()),
        };
        let Sizes { text_bytes, file_bytes } = sizes;
        match self.encoding() {
            Encoding::Plain => format!("wrote {records} records, {text_bytes} bytes, to {target}"),
            Encoding::Gzip => {
                format!("wrote {records} records, {text_bytes} bytes, {file_bytes} compressed, to {target}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(format: Format, seed: u64, records: u64) -> String {
        let interfaces = network::interfaces();
        let mut text = format.header().into_bytes();
        for record in Generator::new(&interfaces, seed, records, 0) {
            format.render(&record, &interfaces[record.interface], &mut text);
        }
        String::from_utf8(text).expect("only malformed lines are not UTF-8")
    }

    fn share(text: &str, of: impl Fn(&[&str]) -> bool) -> f64 {
        let records: Vec<Vec<_>> = text.lines().skip(1).map(|line| line.split(' ').collect()).collect();
        records.iter().filter(|fields| of(fields)).count() as f64 / records.len() as f64
    }

    /// FNV-1a.
    fn checksum(text: &str) -> u64 {
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    #[test]
    fn a_seed_gives_this_text_on_every_platform() {
        assert_eq!(checksum(&text(Format::Default, 1, 20_000)), 10_822_389_228_927_164_738);
        assert_eq!(checksum(&text(Format::Wide, 1, 20_000)), 5_528_980_108_552_155_016);
    }

    #[test]
    fn a_seed_gives_this_day_on_every_platform() {
        let interfaces = network::interfaces_with_attachments();
        let mut day = Day::new(&interfaces, 1, day::OBJECTS, 90_000, 3).with_troubles();
        let mut text = Vec::new();
        for object in 0..day::OBJECTS {
            for record in day.object(object) {
                Format::Wide.render(&record, &interfaces[record.interface], &mut text);
            }
        }
        let text = String::from_utf8_lossy(&text);
        assert_eq!((text.lines().count(), checksum(&text)), (90_000, 10_611_800_512_154_322_710));
    }

    #[test]
    fn every_number_of_records_is_met() {
        for records in [0, 1, 2, 3, 5, 17, 4_000, 4_001] {
            assert_eq!(text(Format::Default, 7, records).lines().count() as u64, 1 + records);
        }
    }

    #[test]
    fn the_shares_are_those_of_the_model() {
        let text = text(Format::Default, 1, 300_000);
        let rejected = share(&text, |fields| fields[12] == "REJECT");
        assert!((0.058..0.064).contains(&rejected), "{rejected}");
        let ipv6 = share(&text, |fields| fields[3].contains(':'));
        assert!((0.047..0.053).contains(&ipv6), "{ipv6}");
        let no_data = share(&text, |fields| fields[13] == "NODATA");
        assert!((0.009..0.011).contains(&no_data), "{no_data}");
    }
}
