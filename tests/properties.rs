//! Properties of every log: neither order nor packaging changes a summary, and any bytes give a summary or an error.

#[path = "support/any_records.rs"]
mod any_records;
#[path = "support/flow_log.rs"]
mod flow_log;

use std::collections::BTreeSet;
use std::sync::Arc;

use any_records::{ALL_COLUMNS, FIELDS, TOPOLOGY, log, record};
use flow_log::{gzip, summarize};
use flowsentry::cli::report::{self, RenderOptions};
use flowsentry::findings::types::{Confidence, FindingType};
use flowsentry::pipeline::{self, Options};
use flowsentry::summary::Summary;
use flowsentry::summary::build::{self, SummaryOptions};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Returns the summary without sources and formats, which depend on the packaging of the input.
fn without_packaging(mut summary: Summary) -> Summary {
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    summary.sources.clear();
    summary.formats.clear();
    summary
}

/// Summarizes the inputs without a topology and with one, without sources and formats.
fn summaries(inputs: &[Vec<u8>]) -> [Summary; 2] {
    let inputs = || inputs.iter().map(|bytes| ("log", &bytes[..]));
    [without_packaging(summarize(inputs(), None)), without_packaging(summarize(inputs(), Some(&TOPOLOGY)))]
}

#[test]
fn generated_records_cover_every_peering_finding() {
    let mut runner = TestRunner::deterministic();
    let mut types = BTreeSet::new();
    for count in [150, 5_000] {
        let records = prop::collection::vec(record(), count).new_tree(&mut runner).expect("records").current();
        // Among few hosts, rejected records explain nearly all missing replies.
        let accepted: Vec<_> = records.iter().filter(|record| record[12] == "ACCEPT").cloned().collect();
        for records in [records, accepted] {
            let [_, summary] = summaries(&[log(&records, &ALL_COLUMNS)]);
            types.extend(summary.findings.iter().map(|finding| finding.finding_type));
        }
    }
    let expected = [
        FindingType::AmbiguousAddress,
        FindingType::EdgeToEdgeRouting,
        FindingType::InactivePeering,
        FindingType::OneWayPeering,
        FindingType::PeeringPathMismatch,
        FindingType::RejectedPeering,
        FindingType::TransitivePeering,
        FindingType::UnpeeredVpc,
    ];
    assert!(types.is_superset(&expected.into()), "{types:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn gzip_member_boundaries_change_nothing(records in prop::collection::vec(record(), 1..60),
                                            boundaries in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
        let text = log(&records, &ALL_COLUMNS);
        let mut boundaries: Vec<usize> = boundaries.iter().map(|boundary| boundary.index(text.len())).chain([0, text.len()]).collect();
        boundaries.sort_unstable();
        let members: Vec<u8> = boundaries.windows(2).flat_map(|ends| gzip(&text[ends[0]..ends[1]])).collect();
        prop_assert_eq!(summaries(&[members]), summaries(&[text]));
    }

    #[test]
    fn column_order_changes_nothing(records in prop::collection::vec(record(), 1..60),
                                            columns in Just(ALL_COLUMNS.to_vec()).prop_shuffle()) {
        prop_assert_eq!(summaries(&[log(&records, &columns)]), summaries(&[log(&records, &ALL_COLUMNS)]));
    }

    #[test]
    fn tabs_instead_of_spaces_change_nothing(records in prop::collection::vec(record(), 1..60),
                                             places in prop::collection::vec(any::<prop::sample::Index>(), 0..200)) {
        let text = log(&records, &ALL_COLUMNS);
        let mut with_tabs = text.clone();
        for place in places {
            let byte = place.get_mut(&mut with_tabs);
            *byte = if *byte == b' ' { b'\t' } else { *byte };
        }
        prop_assert_eq!(summaries(&[with_tabs]), summaries(&[text]));
    }

    #[test]
    fn record_order_changes_nothing(
        (records, shuffled) in prop::collection::vec(record(), 1..150)
            .prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle()))) {
        prop_assert_eq!(summaries(&[log(&shuffled, &ALL_COLUMNS)]), summaries(&[log(&records, &ALL_COLUMNS)]));
    }

    #[test]
    fn the_split_into_inputs_changes_nothing(records in prop::collection::vec(record(), 1..150), parts in 1usize..6) {
        let inputs: Vec<Vec<u8>> =
            records.chunks(records.len().div_ceil(parts)).map(|part| gzip(&log(part, &ALL_COLUMNS))).collect();
        // With several inputs, a missing reply weighs more.
        let confident = |summaries: [Summary; 2]| summaries.map(|mut summary| {
            summary.findings.iter_mut().for_each(|finding| finding.confidence = finding.confidence.max(Confidence::Medium));
            summary
        });
        prop_assert_eq!(confident(summaries(&inputs)), confident(summaries(&[log(&records, &ALL_COLUMNS)])));
    }

    #[test]
    fn every_record_has_exactly_one_class(records in prop::collection::vec(record(), 1..60), noise: Vec<Vec<u8>>) {
        let mut text = log(&records, &ALL_COLUMNS);
        let noise: Vec<Vec<u8>> = noise.into_iter().map(|line| line.into_iter().filter(|b| *b != b'\n').collect()).collect();
        noise.iter().for_each(|line| text.extend(line.iter().chain(b"\n")));
        let counts = summarize([("log", &text[..])], Some(&TOPOLOGY)).records;
        let classes = counts.accepted + counts.rejected + counts.no_data + counts.skip_data + counts.other + counts.malformed;
        prop_assert_eq!(counts.total, classes);
        let blank = noise.iter().filter(|line| line.trim_ascii().is_empty()).count();
        prop_assert_eq!(counts.total, (records.len() + noise.len() - blank) as u64);
    }

    #[test]
    fn any_bytes_give_a_summary_or_an_error(bytes: Vec<u8>) {
        read(&bytes);
        read(&gzip(&bytes));
    }

    #[test]
    fn any_words_give_a_summary_or_an_error(
        words in prop::collection::vec(prop_oneof![
            Just(" ".to_owned()), Just("\t".to_owned()), Just("\n".to_owned()), Just("\r\n".to_owned()), Just("-".to_owned()),
            prop::sample::select(&FIELDS[..]).prop_map(str::to_owned), "[0-9]{1,21}", "[0-9a-f:.]{1,39}",
            Just("ACCEPT".to_owned()), Just("REJECT".to_owned()), "\\PC{0,9}",
        ], 0..200)) {
        read(words.concat().as_bytes());
    }
}

/// Analyzes any bytes. Asserts that the report of a summary has no control characters.
fn read(bytes: &[u8]) {
    let options = Options { topology: Some(Arc::clone(&TOPOLOGY)), ..Options::default() };
    if let Ok(analysis) = pipeline::analyze("any", bytes, &options) {
        let summary = build::build_summary(analysis, &SummaryOptions::default(), Some(&TOPOLOGY));
        let options = RenderOptions { width: 80, groups: None, topology: Some(&TOPOLOGY) };
        let report = report::render(&summary, options) + &report::render_all(&summary, options);
        assert!(!anstream::adapter::strip_str(&report).to_string().contains(|c: char| c.is_control() && c != '\n'));
    }
}
