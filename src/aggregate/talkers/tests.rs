use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::aggregate::interner::Interner;
use crate::record::{Action, RejectReason, TcpFlags};

/// An accepted record: the numbers of its interface and of its addresses, and its bytes.
type Sample = (usize, u32, u64);

const INTERFACES: [&str; 3] = ["eni-1", "eni-2", "eni-3"];

/// Returns a pair of addresses, of IPv6 for every fifth number.
fn ends(number: u32) -> (IpAddr, IpAddr) {
    let v4 = |number: u32| IpAddr::from(number.to_be_bytes());
    let v6 = |number: u32| IpAddr::from((u128::from(number) + (1 << 125)).to_be_bytes());
    let src = if number % 5 == 1 { v6(number) } else { v4(number) };
    (src, v4(number / 7))
}

fn flow((_, pair, bytes): Sample) -> Flow<'static> {
    let (src, dst) = ends(pair);
    Flow {
        action: Action::Accept,
        interface_id: None,
        vpc_id: None,
        subnet_id: None,
        src: Some(src),
        dst: Some(dst),
        srcport: None,
        dstport: None,
        protocol: None,
        packets: bytes / 10,
        bytes,
        start: None,
        end: None,
        tcp_flags: TcpFlags::ABSENT,
        direction: None,
        traffic_path: None,
        reject_reason: RejectReason::Unspecified,
    }
}

/// Pairs by name of the interface: symbols differ between analyses.
type ByName = HashMap<(&'static str, IpAddr, IpAddr), Counters>;

/// The talkers of some records, and the names of their interfaces in the order of the records.
struct Part {
    talkers: Talkers,
    names: Interner,
}

impl Part {
    fn new(limit: usize, samples: &[Sample]) -> Part {
        let mut part = Part { talkers: Talkers::new(limit), names: Interner::default() };
        for sample in samples {
            let id = part.names.intern(INTERFACES[sample.0].as_bytes());
            part.talkers.observe(InterfaceRef { id, is_tracked: true, vpc: None }, &flow(*sample));
        }
        part
    }

    fn merge(&mut self, other: &Part) {
        let interfaces = self.names.merge(&other.names);
        self.talkers.merge(&other.talkers, &interfaces);
    }

    /// Returns a part that is read from the rows of this one.
    fn restored(&self) -> Part {
        let mut talkers = Talkers::new(self.talkers.limit);
        talkers.restore_state(self.talkers.state());
        self.talkers.rows().for_each(|row| talkers.restore(row, &self.names).expect("a row"));
        Part { talkers, names: self.names.clone() }
    }

    fn pairs(&self) -> ByName {
        let name = |id: Option<Symbol>| {
            let name = self.names.name(id.expect("a name"));
            *INTERFACES.iter().find(|known| **known == name).expect("a known name")
        };
        self.talkers.iter().map(|(key, sums)| ((name(key.interface), key.src, key.dst), sums)).collect()
    }
}

/// Merges the parts between cuts; every second one is written and read.
fn in_parts(limit: usize, samples: &[Sample], cuts: &[usize]) -> Part {
    let mut merged = Part::new(limit, &[]);
    let mut rest = samples;
    for (number, cut) in cuts.iter().chain([&samples.len()]).enumerate() {
        let (samples, after) = rest.split_at((*cut).min(rest.len()));
        let part = Part::new(limit, samples);
        let part = if number % 2 == 0 { part } else { part.restored() };
        merged.merge(&part);
        if number % 3 == 2 {
            merged = merged.restored();
        }
        rest = after;
    }
    merged
}

fn exact(samples: &[Sample]) -> ByName {
    let mut pairs = ByName::new();
    for sample in samples {
        let (src, dst) = ends(sample.1);
        pairs.entry((INTERFACES[sample.0], src, dst)).or_default().observe(&flow(*sample));
    }
    pairs
}

/// Checks what the documentation guarantees.
fn check(part: &Part, samples: &[Sample]) {
    let (kept, exact, error) = (part.pairs(), exact(samples), part.talkers.error_bound());
    let total: u64 = samples.iter().map(|sample| sample.2 + 1).sum();
    assert!(kept.len() <= part.talkers.limit);
    assert!(error <= ERROR_SHARE * total / part.talkers.limit as u64, "{error} of {total}");
    assert_eq!(part.talkers.is_exact(), error == 0);
    for (pair, sums) in &exact {
        let Counters { flows, packets, bytes } = kept.get(pair).copied().unwrap_or_default();
        assert!(bytes <= sums.bytes && sums.bytes - bytes <= error, "{bytes} of {} ± {error}", sums.bytes);
        assert!(flows <= sums.flows && packets <= sums.packets);
    }
    assert!(kept.keys().all(|pair| exact.contains_key(pair)));
    if exact.len() <= part.talkers.limit {
        assert_eq!((error, kept), (0, exact));
    }
}

/// Returns records of pairs with skewed weights.
fn skewed(count: u32) -> Vec<Sample> {
    let mixed = |n: u32| n.wrapping_mul(2_654_435_761).rotate_left(11);
    let sample = |n: u32| (n as usize % 3, mixed(n) % 701, 40 + u64::from(1_000_000 / (mixed(n) % 701 + 1)));
    (0..count).map(sample).collect()
}

#[test]
fn few_pairs_are_exact() {
    let samples = skewed(5000);
    let part = Part::new(3 * 701, &samples);
    check(&part, &samples);
    assert!(part.talkers.is_exact());
    assert_eq!(part.talkers.counted().flows, 5000);
}

#[test]
fn many_pairs_have_lower_bounds_and_the_heaviest_stay() {
    let samples = skewed(20_000);
    let part = Part::new(200, &samples);
    check(&part, &samples);
    let error = part.talkers.error_bound();
    let heavy = exact(&samples).values().filter(|sums| sums.bytes > error).count();
    assert!(heavy >= 10, "only {heavy} pairs have more than {error} bytes");
}

#[test]
fn a_pair_of_small_records_is_found() {
    // The pair has most bytes, in records that are smaller than all others.
    let others = (0..6000).map(|n| (0, 10 + n, 1_000_000));
    let pair = (0..20_000).map(|_| (0, 5, 900_000));
    for samples in [others.clone().chain(pair.clone()).collect::<Vec<Sample>>(), pair.chain(others).collect()] {
        let part = Part::new(MAX_TALKERS, &samples);
        check(&part, &samples);
        let (src, dst) = ends(5);
        let (key, sums) = part.talkers.iter().max_by_key(|(_, sums)| sums.bytes).expect("a pair");
        assert_eq!((key.src, key.dst), (src, dst));
        assert!(sums.bytes > 17_900_000_000, "{}", sums.bytes);
    }
}

#[test]
fn equal_pairs_do_not_keep_the_loop_busy() {
    let samples: Vec<Sample> = (0..100_000).map(|n| (0, 5 * n, 40)).collect();
    let part = Part::new(64, &samples);
    check(&part, &samples);
    assert!(part.talkers.counted().flows <= 64);
}

#[test]
fn records_without_bytes_are_counted_by_flows() {
    let others = (0..3000).map(|n| (0, 10 + n, 0));
    let pair = (0..3000).map(|_| (0, 5, 0));
    for samples in [others.clone().chain(pair.clone()).collect::<Vec<Sample>>(), pair.chain(others).collect()] {
        let part = Part::new(MAX_TALKERS, &samples);
        check(&part, &samples);
        let (key, sums) = part.talkers.iter().max_by_key(|(_, sums)| sums.flows).expect("a pair");
        assert_eq!((key.src, key.dst), ends(5));
        assert!(sums.flows > 2900 && sums.bytes == 0 && !part.talkers.is_exact(), "{sums:?}");
    }
}

#[test]
fn the_largest_sums_do_not_overflow() {
    let samples: Vec<Sample> = (0..100).map(|n| (0, n % 40, u64::MAX)).collect();
    let mut part = Part::new(20, &samples);
    let other = Part::new(20, &samples);
    part.merge(&other);
    assert!(part.talkers.counted().flows <= 200);
    assert_eq!(part.talkers.error_bound(), u64::MAX);
}

#[test]
fn pairs_of_interfaces_without_room_are_written_and_read() {
    // The merged part has room for the first of three interfaces.
    let samples = skewed(20_000);
    let mut merged = Part { talkers: Talkers::new(200), names: Interner::new(1) };
    for part in samples.chunks(5000).map(|samples| Part::new(200, samples)) {
        merged.merge(&part);
        let read = merged.restored();
        assert_eq!(
            (read.talkers.error_bound(), read.talkers.counted()),
            (merged.talkers.error_bound(), merged.talkers.counted())
        );
        merged = read;
    }
    assert!(!merged.talkers.is_exact() && merged.talkers.iter().any(|(key, _)| key.interface.is_none()));
}

#[test]
fn a_row_that_cannot_be_is_refused() {
    let part = Part::new(701, &skewed(3000));
    let mut restored = part.restored();
    let row = part.talkers.rows().next().expect("a row");
    assert!(restored.talkers.restore(row, &part.names).is_err());
    let mut exact = Talkers::new(10_000);
    let row = part.talkers.rows().last().expect("a row");
    assert!(!part.talkers.is_exact() && exact.restore(row, &part.names).is_err());
}

proptest! {
    #[test]
    fn the_bounds_hold_for_any_records_and_cuts(
        records in prop::collection::vec((0_usize..3, 0_u32..60, prop_oneof![0_u64..3, 1_u64..50, 1000..2000_u64, 1..1_000_000_u64]), 0..400),
        cuts in prop::collection::vec(0_usize..150, 0..6),
        limit in prop_oneof![2_usize..40, 180..181_usize],
    ) {
        check(&Part::new(limit, &records), &records);
        check(&in_parts(limit, &records, &cuts), &records);
    }

    #[test]
    fn exact_sums_do_not_depend_on_cuts_and_order(
        records in prop::collection::vec((0_usize..3, 0_u32..60, 0_u64..1_000_000), 0..200),
        cuts in prop::collection::vec(0_usize..150, 0..6),
    ) {
        let whole = Part::new(180, &records);
        let backwards: Vec<Sample> = records.iter().rev().copied().collect();
        prop_assert_eq!(in_parts(180, &records, &cuts).pairs(), whole.pairs());
        prop_assert_eq!(Part::new(180, &backwards).pairs(), whole.pairs());
    }

    #[test]
    fn written_parts_merge_as_their_records(
        records in prop::collection::vec((0_usize..3, 0_u32..60, 1_u64..1_000_000), 0..200),
        cut in 0_usize..200,
    ) {
        let (first, second) = records.split_at(cut.min(records.len()));
        let (first, second) = (Part::new(20, first), Part::new(20, second));
        let mut merged = Part::new(20, &[]);
        let mut restored = first.restored();
        merged.merge(&first);
        merged.merge(&second);
        restored.merge(&second.restored());
        let mut live = first;
        live.merge(&second);
        for other in [merged, restored] {
            prop_assert_eq!(other.pairs(), live.pairs());
            prop_assert_eq!(other.talkers.error_bound(), live.talkers.error_bound());
        }
    }
}
