//! Partials: merging them is analyzing their inputs, however the inputs are cut; and a file that is damaged or hostile is an error.

#[path = "support/any_records.rs"]
mod any_records;
#[expect(dead_code, reason = "tests/fuzz_smoke.rs runs the other bodies")]
#[path = "support/fuzz_bodies.rs"]
mod fuzz_bodies;

use std::collections::BTreeMap;
use std::sync::Arc;

use any_records::{ALL_COLUMNS, TOPOLOGY, log, record};
use flowsentry::aggregate::Analysis;
use flowsentry::config::{Config, Limits, Thresholds};
use flowsentry::findings::types::{Confidence, Details, Finding, FindingType, Severity};
use flowsentry::partial::{self, Context, PartialError};
use flowsentry::pipeline::{self, Options};
use flowsentry::summary::build::{self, SummaryOptions};
use flowsentry::summary::json;
use flowsentry::summary::{Rejected, RejectedGroup, Summary};
use flowsentry::topology::Topology;
use fuzz_bodies::partial_frames::{Frame, frames, reframe};
use proptest::prelude::*;
use proptest::sample::Index;

/// What all inputs of a case are analyzed with.
#[derive(Clone)]
struct Run {
    topology: Option<Arc<Topology>>,
    config: Config,
}

impl Run {
    fn new(has_topology: bool, limits: Limits) -> Run {
        let topology = has_topology.then(|| Arc::clone(&TOPOLOGY));
        Run { topology, config: Config { limits, ..Config::default() } }
    }

    fn context(&self) -> Context<'_> {
        Context::new(self.topology.as_deref(), &self.config)
    }

    /// Analyzes inputs, named by their numbers from `first`. Those that cannot be read fail.
    fn analyze(&self, first: usize, inputs: &[Vec<u8>]) -> Analysis {
        let options = Options { topology: self.topology.clone(), limits: self.config.limits, ..Options::default() };
        let mut merged = Analysis::new(&self.config.limits);
        for (number, input) in (first..).zip(inputs) {
            let uri = format!("{number}.log");
            match pipeline::analyze(&uri, &input[..], &options) {
                Ok(analysis) => merged.merge(analysis),
                Err(error) => merged.observe_failure(uri, error.to_string()),
            }
        }
        merged
    }

    fn write(&self, analysis: Analysis) -> Vec<u8> {
        let mut file = Vec::new();
        partial::write(analysis, &self.context(), &mut file).expect("writing to memory succeeds");
        file
    }

    fn read(&self, file: &[u8]) -> Result<Analysis, PartialError> {
        partial::read(file, &self.context())
    }

    fn merge(&self, files: &[Vec<u8>]) -> Analysis {
        let mut merged = Analysis::new(&self.config.limits);
        files.iter().for_each(|file| merged.merge(self.read(file).expect("a partial")));
        merged
    }

    fn summarize(&self, analysis: Analysis) -> Summary {
        // Low thresholds make findings of every type among few records.
        let mut thresholds = Thresholds { port_scan_ports: 2, host_sweep_hosts: 2, ..Thresholds::default() };
        for name in Thresholds::NAMES.iter().filter(|name| name.ends_with("_flows")) {
            assert_eq!(thresholds.set(name, "1"), Some(Ok(())));
        }
        let options = SummaryOptions { thresholds, ..SummaryOptions::default() };
        build::build_summary(analysis, &options, self.topology.as_deref())
    }
}

/// Cuts inputs at these places, and returns a partial of each part.
fn cut(run: &Run, inputs: &[Vec<u8>], places: &[Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(inputs.len() + 1)).collect();
    places.extend([0, inputs.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| run.write(run.analyze(ends[0], &inputs[ends[0]..ends[1]]))).collect()
}

/// Closes analyses, and merges their partials.
fn merge_closed(run: &Run, analyses: impl IntoIterator<Item = Analysis>) -> Analysis {
    let close = |mut analysis: Analysis| {
        partial::close(&mut analysis, run.topology.as_deref());
        run.write(analysis)
    };
    let files: Vec<Vec<u8>> = analyses.into_iter().map(close).collect();
    run.merge(&files)
}

/// Returns a finding without its examples: closed partials have one for all source ports of a group.
fn without_examples(finding: &Finding) -> Finding {
    Finding { examples: Vec::new(), names: BTreeMap::new(), ..finding.clone() }
}

/// Returns what was accepted from the source of a scan, as far as it is known.
fn accepted_flows(finding: &Finding) -> Option<u64> {
    match finding.details {
        Details::Ports { accepted_flows, .. } | Details::SweptHosts { accepted_flows, .. } => accepted_flows,
        _ => None,
    }
}

/// Generates logs: with all columns or with some, with malformed lines, and broken ones.
fn inputs() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let columns = prop_oneof![
        3 => Just(ALL_COLUMNS.to_vec()),
        1 => Just((0..14).collect()),
        1 => Just((0..19).filter(|column| *column != 14).collect()),
        1 => Just(vec![3, 4, 12]),
    ];
    let input = (prop::collection::vec(record(), 0..40), columns, 0..12_u8).prop_map(|(records, columns, noise)| {
        let mut text = log(&records, &columns);
        match noise {
            0 => text.extend(b"not a record\nnor \xff\n"),
            1 => text = b"PK\x03\x04 a broken input".to_vec(),
            2 => text.extend(
                b"tgw-id tgw-src-vpc-id tgw-dst-vpc-id packets-lost-no-route packets-lost-blackhole log-status\n\
                  tgw-1 vpc-0 vpc-1 7 0 OK\ntgw-1 vpc-0 - 1 2 OK\n",
            ),
            3 => text.extend(b"action srcaddr dstaddr \xfe new-in-2030\nREJECT 10.0.0.1 2001:db8::5 - -\n"),
            _ => {}
        }
        text
    });
    prop::collection::vec(input, 0..8)
}

/// Generates limits: the defaults, or small ones, each small at random.
fn limits() -> impl Strategy<Value = Limits> {
    let small = || prop_oneof![2 => 1..40_u64, 1 => Just(100_000)];
    ([small(), small(), small()], [small(), small(), small()]).prop_map(|([a, b, c], [d, e, f])| Limits {
        max_rejected_groups: a,
        max_accepted_tuples: b,
        max_address_pairs: c,
        max_unanswered_groups: d,
        max_interfaces: e,
        max_formats: f,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn merging_partials_is_analyzing_their_inputs(inputs in inputs(), places in prop::collection::vec(any::<Index>(), 0..5),
                                                  has_topology: bool) {
        let run = Run::new(has_topology, Limits::default());
        let expected = run.summarize(run.analyze(0, &inputs));
        let files = cut(&run, &inputs, &places);
        prop_assert_eq!(json::render(&run.summarize(run.merge(&files))), json::render(&expected));
        // A partial of partials, as in a tree of merges.
        let (first, second) = files.split_at(files.len() / 2);
        let tree = [first, second].map(|files| run.write(run.merge(files)));
        prop_assert_eq!(json::render(&run.summarize(run.merge(&tree))), json::render(&expected));
    }

    /// `tests/limits.rs` merges partials, too, and checks all bounds.
    #[test]
    fn with_limits_totals_are_exact(inputs in inputs(), places in prop::collection::vec(any::<Index>(), 0..5),
                                                    limits in limits()) {
        let (run, unlimited) = (Run::new(true, limits), Run::new(true, Limits::default()));
        let exact = unlimited.summarize(unlimited.analyze(0, &inputs));
        let merged = run.summarize(run.merge(&cut(&run, &inputs, &places)));
        prop_assert_eq!((&merged.sources, &merged.failed, &merged.malformed), (&exact.sources, &exact.failed, &exact.malformed));
        prop_assert_eq!((merged.records, merged.traffic, merged.window), (exact.records, exact.traffic, exact.window));
        if merged.limits_reached.is_empty() {
            prop_assert_eq!(json::render(&merged), json::render(&exact));
        }
    }

    /// Until a part is merged with others, closing it loses nothing.
    #[test]
    fn a_closed_partial_alone_is_exact(inputs in inputs(), has_topology: bool) {
        let run = Run::new(has_topology, Limits::default());
        let expected = run.summarize(run.analyze(0, &inputs));
        let closed = run.summarize(merge_closed(&run, [run.analyze(0, &inputs)]));
        prop_assert_eq!(&closed.rejected, &expected.rejected);
        let peering_exact = closed.peering.as_ref().is_none_or(|peering| peering.exact);
        if peering_exact {
            prop_assert_eq!(&closed.peering, &expected.peering);
            let findings = |summary: &Summary| summary.findings.iter().map(without_examples).collect::<Vec<_>>();
            prop_assert_eq!(findings(&closed), findings(&expected));
        }
        prop_assert_eq!((&closed.timeline, &closed.top), (&expected.timeline, &expected.top));
        let others = |summary: &Summary| (summary.records, summary.traffic, summary.window, summary.services.clone());
        prop_assert_eq!(others(&closed), others(&expected));
    }

    #[test]
    fn closed_partials_are_exact_where_they_say_so(inputs in inputs(), places in prop::collection::vec(any::<Index>(), 0..5),
                                                   open in 0..4_usize) {
        let run = Run::new(true, Limits::default());
        let expected = run.summarize(run.analyze(0, &inputs));
        let mut places: Vec<usize> = places.iter().map(|place| place.index(inputs.len() + 1)).chain([0, inputs.len()]).collect();
        places.sort_unstable();
        let mut merged = Analysis::new(&run.config.limits);
        for (part, ends) in places.windows(2).enumerate() {
            let analysis = run.analyze(ends[0], &inputs[ends[0]..ends[1]]);
            merged.merge(if part == open { analysis } else { merge_closed(&run, [analysis]) });
        }
        let merged = run.summarize(merged);
        prop_assert_eq!((&merged.sources, &merged.failed, &merged.formats), (&expected.sources, &expected.failed, &expected.formats));
        prop_assert_eq!((merged.records, merged.traffic, merged.window), (expected.records, expected.traffic, expected.window));
        prop_assert_eq!((&merged.timeline, &merged.top), (&expected.timeline, &expected.top));
        let (rejected, exact) = (&merged.rejected, &expected.rejected);
        prop_assert_eq!((rejected.group_count, rejected.exact, rejected.error_bound), (exact.group_count, true, 0));
        let sums = |rejected: &Rejected| (rejected.by_interface.clone(), rejected.by_subnet.clone(), rejected.by_vpc.clone());
        prop_assert_eq!(sums(rejected), sums(exact));
        for (group, exact) in rejected.groups.iter().zip(&exact.groups) {
            let same = RejectedGroup { cause: exact.cause, causes: exact.causes.clone(), denied_by: exact.denied_by.clone(), ..group.clone() };
            prop_assert_eq!(&same, exact);
        }
        if rejected.by_cause_exact {
            prop_assert_eq!(rejected, exact);
        }
        let peering = |summary: &Summary| summary.peering.clone().filter(|_| merged.peering.as_ref().is_some_and(|peering| peering.exact));
        prop_assert_eq!(peering(&merged), peering(&expected));
        let expected: Vec<Finding> = expected.findings.iter().map(without_examples).collect();
        for finding in merged.findings.iter().map(without_examples) {
            let exact = expected.iter().find(|exact| exact.id == finding.id);
            prop_assert!(!finding.exact || exact == Some(&finding), "{:?}", finding);
            // A scan has no more accepted flows than there are, and no higher severity for it.
            if let Some(exact) = exact.filter(|_| accepted_flows(&finding).is_some()) {
                prop_assert!(accepted_flows(&finding) <= accepted_flows(exact) && finding.severity <= exact.severity, "{:?}", finding);
            }
        }
    }

    #[test]
    fn a_tree_of_closed_partials_gives_the_same_report(inputs in inputs(), limits in limits(), size in 2..4_usize) {
        let run = Run::new(true, limits);
        let closed = |mut analysis| {
            partial::close(&mut analysis, run.topology.as_deref());
            run.write(analysis)
        };
        let mut parts: Vec<Vec<u8>> = (0..inputs.len()).map(|n| closed(run.analyze(n, &inputs[n..=n]))).collect();
        let flat = run.summarize(run.merge(&parts));
        while parts.len() > 1 {
            parts = parts.chunks(size).map(|parts| closed(run.merge(parts))).collect();
        }
        let tree = run.summarize(run.merge(&parts));
        prop_assert_eq!((&tree.sources, tree.records, tree.traffic), (&flat.sources, flat.records, flat.traffic));
        if flat.limits_reached.is_empty() {
            prop_assert_eq!(json::render(&tree), json::render(&flat));
        }
    }

    #[test]
    fn what_is_read_is_what_was_written(inputs in inputs(), limits in limits(), has_topology: bool) {
        let run = Run::new(has_topology, limits);
        let file = run.write(run.analyze(0, &inputs));
        let again = run.write(run.read(&file).expect("a partial"));
        prop_assert!(file == again);
    }
}

/// 14 ports an object are below the threshold. Only the merge sees the scan, also of closed partials.
#[test]
fn a_scan_that_no_part_shows_is_found_in_the_merge() {
    let run = Run { config: Config::default(), topology: None };
    let part = |first: u16| {
        let record = |port| {
            format!("eni-0 vpc-0 subnet-1 8.8.8.8 10.0.0.1 50000 {port} 6 1 40 1795413600 1795413660 REJECT 2\n")
        };
        let header = &LOG[..=LOG.find('\n').expect("a header")];
        run.analyze(
            first.into(),
            &[(header.to_owned() + &(first..first + 14).map(record).collect::<String>()).into_bytes()],
        )
    };
    let scans = |analysis| {
        let options = SummaryOptions::default();
        let findings = build::build_summary(analysis, &options, None).findings;
        findings.into_iter().map(|finding| (finding.finding_type, finding.details, finding.exact)).collect::<Vec<_>>()
    };
    assert_eq!(scans(part(1)), []);
    let scan = |accepted_flows, exact| {
        let distinct_ports = 28;
        [(FindingType::PortScan, Details::Ports { distinct_ports, accepted_flows }, exact)]
    };
    assert_eq!(scans(run.merge(&[run.write(part(1)), run.write(part(15))])), scan(Some(0), true));
    assert_eq!(scans(merge_closed(&run, [part(1), part(15)])), scan(None, false));
}

/// Analyzes records below the header of [`LOG`].
fn analyze_records(run: &Run, number: usize, records: &str) -> Analysis {
    let header = &LOG[..=LOG.find('\n').expect("a header")];
    run.analyze(number, &[format!("{header}{records}").into_bytes()])
}

#[test]
fn closing_keeps_what_was_accepted_from_scanners() {
    let run = Run { config: Config::default(), topology: None };
    let record = |dst: &str, port: u16, action: &str, flags: u8| {
        format!("eni-0 vpc-0 subnet-1 8.8.8.8 {dst} 50000 {port} 6 1 40 1795413600 1795413660 {action} {flags}\n")
    };
    let probes = |ports: std::ops::Range<u16>| ports.map(|port| record("10.0.0.1", port, "REJECT", 2)).collect();
    let accepted = |dst: &str| record(dst, 443, "ACCEPT", 19);
    let scan = |parts: [String; 3]| {
        let parts = parts.iter().enumerate().map(|(number, records)| analyze_records(&run, number, records));
        let merged = merge_closed(&run, parts.collect::<Vec<_>>());
        let mut findings = build::build_summary(merged, &SummaryOptions::default(), None).findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        let finding = findings.remove(0);
        let title = finding.title.split_once("10.0.0.1").expect("the host").1.to_owned();
        (finding.severity, accepted_flows(&finding), finding.exact, title)
    };
    let [first, second]: [String; 2] = [probes(1..11), probes(11..21)];
    // The part in which it was accepted has probes, too.
    let let_through = first.clone() + &accepted("10.0.0.1") + &accepted("10.0.0.1");
    let expected = (Severity::High, Some(2), false, "; at least 2 flows from it to this host were accepted".to_owned());
    assert_eq!(scan([let_through.clone(), second.clone(), String::new()]), expected);
    assert_eq!(scan([second.clone(), String::new(), let_through]), expected);
    // In a part without probes of that host it is not known.
    let unknown = (Severity::Medium, None, false, String::new());
    assert_eq!(scan([first.clone(), second.clone(), accepted("10.0.0.1")]), unknown);
    assert_eq!(scan([first.clone() + &accepted("10.0.0.2"), second.clone(), String::new()]), unknown);
    // A single closed part is whole.
    let whole = (Severity::High, Some(1), true, "; 1 flow from it to this host was accepted".to_owned());
    assert_eq!(scan([first + &second + &accepted("10.0.0.1"), String::new(), String::new()]), whole);
}

#[test]
fn answers_may_stand_in_another_closed_part() {
    let run = Run::new(true, Limits::default());
    let open = |port: u16, flags: u8| {
        format!("eni-0 vpc-0 subnet-1 10.0.0.1 8.8.8.8 {port} 443 6 1 40 1795413600 1795413660 ACCEPT {flags}\n")
    };
    let parts = |flags: u8| {
        let opened: String = (1..7).map(|port| open(port, 2)).collect();
        vec![analyze_records(&run, 0, &opened), analyze_records(&run, 1, &open(7, flags))]
    };
    let findings = |analysis| {
        let summary = build::build_summary(analysis, &SummaryOptions::default(), run.topology.as_deref());
        let findings = summary.findings.into_iter().filter(|finding| finding.finding_type == FindingType::NoAnswer);
        findings.map(|finding| (finding.tally.flows, finding.confidence, finding.exact)).collect::<Vec<_>>()
    };
    let open = |flags| run.merge(&parts(flags).into_iter().map(|part| run.write(part)).collect::<Vec<_>>());
    let (syn, whole_connection) = (2, 19);
    assert_eq!(findings(open(syn)), [(7, Confidence::High, true)]);
    assert_eq!(findings(open(whole_connection)), []);
    assert_eq!(findings(merge_closed(&run, parts(syn))), [(7, Confidence::Medium, false)]);
    assert_eq!(findings(merge_closed(&run, parts(whole_connection))), [(6, Confidence::Medium, false)]);
    let alone = parts(syn).swap_remove(0);
    assert_eq!(findings(merge_closed(&run, [alone])), [(6, Confidence::High, true)]);
}

const LOG: &str = "interface-id vpc-id subnet-id srcaddr dstaddr srcport dstport protocol packets bytes start end action tcp-flags\n\
                   eni-0 vpc-0 subnet-1 10.0.0.1 10.1.0.2 50000 443 6 3 200 1795413600 1795413660 ACCEPT 2\n\
                   eni-0 vpc-0 subnet-1 10.0.0.1 8.8.8.8 50000 53 17 3 200 1795413600 1795413660 REJECT -\n\
                   eni-2 vpc-x subnet-1 2001:db8::1 10.0.0.1 50000 22 6 3 200 1795413600 1795413660 REJECT 2\n\
                   malformed\n";

/// Returns the run and the partial of a small log.
fn small() -> (Run, Vec<u8>) {
    let run = Run::new(true, Limits::default());
    let file = run.write(run.analyze(1, &[LOG.as_bytes().to_vec(), b"PK\x03\x04".to_vec()]));
    (run, file)
}

#[test]
fn a_truncated_partial_is_an_error_wherever_it_ends() {
    let (run, file) = small();
    assert_eq!(run.read(&file).expect("a partial").records().total, 4);
    for end in 0..file.len() {
        let error = run.read(&file[..end]).expect_err("truncated");
        let expected = if end < 8 { "not_a_partial" } else { "partial_truncated" };
        assert_eq!(error.code(), expected, "{end} of {}: {error}", file.len());
    }
    let error = run.read(&[&file[..], b"\0"].concat()).expect_err("longer");
    assert_eq!(error.to_string(), "corrupt partial (data follows its end); copy it again, or make it again");
}

#[test]
fn every_flipped_bit_is_an_error() {
    let (run, file) = small();
    for (byte, bit) in (0..file.len()).flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
        let mut flipped = file.clone();
        flipped[byte] ^= 1 << bit;
        assert!(run.read(&flipped).is_err(), "bit {bit} of byte {byte} of {}", file.len());
    }
}

#[test]
fn empty_partials_change_nothing() {
    let (run, file) = small();
    let expected = json::render(&run.summarize(run.read(&file).expect("a partial")));
    let empty = run.write(run.analyze(0, &[]));
    let merged = run.merge(&[empty.clone(), empty.clone(), file, empty.clone()]);
    assert_eq!(json::render(&run.summarize(merged)), expected);
    assert_eq!(run.summarize(run.merge(&[])).records.total, 0);
    assert!(empty.len() < 250, "{}", empty.len());
}

#[test]
fn another_topology_or_configuration_is_refused_by_name() {
    let (run, file) = small();
    let error = |run: &Run| run.read(&file).expect_err("another").to_string();
    let without = error(&Run { topology: None, ..run.clone() });
    assert!(
        without.starts_with("partial made with topology ") && without.contains(", but this run has no topology;"),
        "{without}"
    );
    let mut resources = flowsentry::topology::describe_output::Resources::default();
    resources.read("other.json", br#"{"Vpcs": [{"VpcId": "vpc-9"}]}"#).expect("JSON");
    let other = Run { topology: Some(Arc::new(Topology::new(resources))), ..run.clone() };
    let message = error(&other);
    let words: Vec<&str> = message.split_whitespace().collect();
    assert_eq!((words[2], words[3], words[8], words[9]), ("with", "topology", "has", "topology"), "{message}");
    assert_ne!(words[4], words[10]);
    assert!(
        message.ends_with("pass the same --topology documents for all parts of a report, or make the partial again")
    );
    let limited = Run::new(true, Limits { max_formats: 7, ..Limits::default() });
    let message = error(&limited);
    assert!(message.starts_with("partial made with configuration ") && message.contains("--config"), "{message}");
    let mut newer = file.clone();
    newer[8] = 4;
    let message = run.read(&newer).expect_err("newer").to_string();
    assert_eq!(
        message,
        "partial of format version 4, made by flowsentry \"0.1.0\", but this program reads version 3; use one version of \
         flowsentry for all parts of a report"
    );
}

/// Returns the error for a partial with these changes.
fn error_after(change: impl Fn(&mut Vec<Frame>)) -> String {
    let (run, file) = small();
    let mut frames = frames(&file);
    change(&mut frames);
    run.read(&reframe(&file, &frames)).expect_err("contradictory").to_string()
}

#[test]
fn a_partial_that_contradicts_itself_is_an_error() {
    let (run, file) = small();
    assert!(run.read(&reframe(&file, &frames(&file))).is_ok());
    let at = |frames: &[Frame], tag: u8| frames.iter().position(|frame| frame.tag == tag).expect("a section");
    type Change<'a> = &'a dyn Fn(&mut Vec<Frame>);
    let cases: [(&str, Change<'_>); 9] = [
        ("it has no header", &|frames| drop(frames.remove(0))),
        ("its sections are out of order", &|frames| drop(frames.remove(1))),
        ("its sections are out of order", &|frames| frames.swap(3, 4)),
        ("an interface occurs twice, or is above the limit", &|frames| {
            let interfaces = frames[at(frames, 8)].clone();
            frames.insert(at(frames, 8), interfaces);
        }),
        ("a symbol has no name", &|frames| drop(frames.remove(at(frames, 8)))),
        ("a row does not parse", &|frames| frames[2].rows = u32::MAX),
        ("data follows the rows of a block", &|frames| frames[2].bytes.push(0)),
        ("its sums contradict each other", &|frames| drop(frames.remove(at(frames, 3)))),
        ("it has an undefined section", &|frames| frames.push(Frame { tag: 99, rows: 1, bytes: vec![0] })),
    ];
    for (reason, change) in cases {
        assert_eq!(error_after(change), format!("corrupt partial ({reason}); copy it again, or make it again"));
    }
}

#[test]
fn huge_counts_reserve_no_memory() {
    let (run, file) = small();
    let head = file[..11 + usize::from(file[10])].to_vec();
    let block = |rows: u32, length: u32, stored: u32| {
        let numbers = [rows, length, stored].map(u32::to_le_bytes).concat();
        [&head[..], &[1], &numbers].concat()
    };
    for (rows, length, stored) in [(1, u32::MAX, u32::MAX), (1, 1 << 24, 1), (0, 1, 1), (1, 1, 2), (1, u32::MAX, 0)] {
        let error = run.read(&block(rows, length, stored)).expect_err("impossible");
        assert!(error.to_string().contains("the head of a block is impossible"), "{error}");
    }
    assert_eq!(run.read(&block(u32::MAX, 1 << 24, 1 << 24)).expect_err("short").code(), "partial_truncated");
    // A vector in a row that claims to have 2^60 entries.
    let error = error_after(|frames| frames[4].bytes = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(error.contains("a row does not parse"), "{error}");
}

/// Equal records compress well. The writer keeps the ratio that the reader allows.
#[test]
fn repetitive_partials_are_read() {
    let run = Run::new(false, Limits::default());
    let line = "eni-0 vpc-0 subnet-1 10.0.0.1 10.1.0.2 50000 443 6 3 200 1795413600 1795413660 ACCEPT 2\n";
    let header = &LOG[..=LOG.find('\n').expect("a header")];
    let analysis = run.analyze(0, &[format!("{header}{}", line.repeat(20_000)).into_bytes()]);
    let file = run.write(analysis);
    assert!(file.len() < 1000, "{}", file.len());
    let mut repeated = run.read(&file).expect("a partial");
    assert_eq!(repeated.records().accepted, 20_000);
    (0..3000).for_each(|_| repeated.observe_failure("a".repeat(500), "b".repeat(500)));
    let file = run.write(repeated);
    assert_eq!(run.read(&file).expect("a partial").records().accepted, 20_000);
}

/// The format of files that exist. A change of any row needs another version; then `UPDATE_GOLDEN=1` stores a new file.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test reads a file of the repository")]
fn the_stored_partial_is_still_that_of_its_log() {
    let path = "tests/partial/v3.fspart";
    let rows = |file: &[u8]| -> Vec<(u8, u32, Vec<u8>)> {
        frames(file).into_iter().map(|frame| (frame.tag, frame.rows, frame.bytes)).collect()
    };
    let file = fuzz_bodies::valid_partial();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &file).expect("the file can be written");
    }
    let stored = std::fs::read(path).expect("the stored partial");
    assert_eq!(rows(&stored), rows(&file), "the rows changed: raise FORMAT_VERSION");
    let tags: Vec<u8> = frames(&file).iter().map(|frame| frame.tag).collect();
    assert_eq!(tags, Vec::from_iter(1..=20), "the log has rows of every section");
}
