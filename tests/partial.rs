//! Partials: merging them is analyzing their inputs, however the inputs are cut; and a file that is damaged or hostile is an error.

#[path = "support/any_records.rs"]
mod any_records;
#[expect(dead_code, reason = "other tests summarize logs")]
#[path = "support/flow_log.rs"]
mod flow_log;

use std::sync::Arc;

use any_records::{ALL_COLUMNS, TOPOLOGY, log, record};
use flowsentry::aggregate::Analysis;
use flowsentry::config::{Config, Limits};
use flowsentry::partial::{self, Context, PartialError};
use flowsentry::pipeline::{self, Options};
use flowsentry::summary::Summary;
use flowsentry::summary::build::{self, SummaryOptions};
use flowsentry::summary::json;
use flowsentry::topology::Topology;
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
        build::build_summary(analysis, &SummaryOptions::default(), self.topology.as_deref())
    }
}

/// Cuts inputs at these places, and returns a partial of each part.
fn cut(run: &Run, inputs: &[Vec<u8>], places: &[Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(inputs.len() + 1)).collect();
    places.extend([0, inputs.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| run.write(run.analyze(ends[0], &inputs[ends[0]..ends[1]]))).collect()
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
    #![proptest_config(ProptestConfig::with_cases(200))]

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

    #[test]
    fn with_limits_totals_are_exact_and_bounds_hold(inputs in inputs(), places in prop::collection::vec(any::<Index>(), 0..5),
                                                    limits in limits()) {
        let (run, unlimited) = (Run::new(true, limits), Run::new(true, Limits::default()));
        let exact = unlimited.summarize(unlimited.analyze(0, &inputs));
        let merged = run.summarize(run.merge(&cut(&run, &inputs, &places)));
        prop_assert_eq!((&merged.sources, &merged.failed, &merged.malformed), (&exact.sources, &exact.failed, &exact.malformed));
        prop_assert_eq!((merged.records, merged.traffic, merged.window), (exact.records, exact.traffic, exact.window));
        let bound = merged.rejected.error_bound;
        for group in &exact.rejected.groups {
            let key = |other: &&flowsentry::summary::RejectedGroup| {
                (&other.interface_id, other.srcaddr, other.dstaddr, other.dstport, other.protocol)
                    == (&group.interface_id, group.srcaddr, group.dstaddr, group.dstport, group.protocol)
            };
            let flows = merged.rejected.groups.iter().find(key).map_or(0, |found| found.tally.flows);
            prop_assert!(group.interface_id.is_none() || flows <= group.tally.flows);
            prop_assert!(flows + bound >= group.tally.flows || !merged.limits_reached.is_empty() && merged.rejected.groups.len() == 100
                || group.interface_id.is_some() && merged.limits_reached.contains(&"max_interfaces"));
        }
        if merged.limits_reached.is_empty() {
            prop_assert_eq!(json::render(&merged), json::render(&exact));
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
