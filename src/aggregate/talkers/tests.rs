use std::collections::BTreeMap;

use super::*;

/// Returns a pair of addresses, of IPv6 for odd numbers of 5.
fn key(number: u32) -> TalkerKey {
    let v4 = |number: u32| IpAddr::from(number.to_be_bytes());
    let v6 = |number: u32| IpAddr::from((u128::from(number) + (1 << 125)).to_be_bytes());
    let address = |number: u32| if number % 5 == 1 { v6(number) } else { v4(number) };
    TalkerKey { interface: Symbol::new(number % 3), src: address(number), dst: v4(number / 7) }
}

fn sums(flows: u64, bytes: u64) -> Counters {
    Counters { flows, packets: 2 * flows, bytes }
}

/// Returns the records with pairs of skewed weights: (pair, bytes).
fn records(count: u32) -> Vec<(u32, u64)> {
    let mixed = |n: u32| n.wrapping_mul(2_654_435_761).rotate_left(11);
    (0..count).map(|n| (mixed(n) % 701, 40 + u64::from(1_000_000 / (mixed(n) % 701 + 1)))).collect()
}

fn observe(limit: usize, records: &[(u32, u64)]) -> Talkers {
    let mut talkers = Talkers::new(limit);
    for (pair, bytes) in records {
        if *bytes >= talkers.min_bytes {
            talkers.add(key(*pair), sums(1, *bytes));
        }
    }
    talkers
}

fn all(talkers: &Talkers) -> Vec<(u64, u64)> {
    let mut all: Vec<_> = talkers.iter().map(|(_, sums)| (sums.bytes, sums.flows)).collect();
    all.sort_unstable_by_key(|row| Reverse(*row));
    all
}

fn exact(records: &[(u32, u64)]) -> BTreeMap<u32, (u64, u64)> {
    let mut exact: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for (pair, bytes) in records {
        let sums = exact.entry(*pair).or_default();
        *sums = (sums.0 + bytes, sums.1 + 1);
    }
    exact
}

#[test]
fn few_pairs_are_exact() {
    let records = records(5000);
    let talkers = observe(701, &records);
    let mut expected: Vec<_> = exact(&records).into_values().collect();
    expected.sort_unstable_by_key(|row| Reverse(*row));
    assert_eq!((all(&talkers), talkers.is_exact(), talkers.kept_flows()), (expected, true, 5000));
}

#[test]
fn many_pairs_have_lower_bounds_and_the_heaviest_stay() {
    let records = records(20_000);
    let talkers = observe(100, &records);
    let exact = exact(&records);
    assert!(!talkers.is_exact() && talkers.pairs.len() <= 100);
    let by_key: BTreeMap<_, _> = exact.iter().map(|(pair, sums)| (format!("{:?}", key(*pair)), *sums)).collect();
    for (key, sums) in talkers.iter() {
        let (bytes, flows) = by_key[&format!("{key:?}")];
        assert!(sums.bytes <= bytes && sums.flows <= flows);
    }
    let mut heaviest: Vec<u64> = exact.values().map(|(bytes, _)| *bytes).collect();
    heaviest.sort_unstable_by_key(|bytes| Reverse(*bytes));
    let kept: Vec<u64> = all(&talkers).into_iter().map(|(bytes, _)| bytes).take(10).collect();
    assert_eq!(kept, heaviest[..10]);
}

#[test]
fn equal_pairs_do_not_keep_the_loop_busy() {
    let records: Vec<(u32, u64)> = (0..100_000).map(|n| (n, 40)).collect();
    let talkers = observe(64, &records);
    assert!(talkers.min_bytes > 40 && talkers.kept_flows() <= 64);
}

#[test]
fn merging_is_observing_all() {
    let records = records(3000);
    let mut names = crate::aggregate::interner::Interner::default();
    for name in ["eni-1", "eni-2"] {
        names.intern(name.as_bytes()).expect("there is room");
    }
    let same = names.clone().merge(&names);
    let mut merged = Talkers::new(701);
    records.chunks(700).for_each(|part| merged.merge(&observe(701, part), &same));
    assert_eq!((all(&merged), merged.is_exact()), (all(&observe(701, &records)), true));
    let mut limited = Talkers::new(50);
    records.chunks(700).for_each(|part| limited.merge(&observe(50, part), &same));
    assert!(!limited.is_exact() && limited.pairs.len() <= 50);
    let mut restored = Talkers::new(701);
    restored.restore_state(merged.state());
    merged.rows().for_each(|row| restored.restore(row, &names).expect("a row"));
    assert_eq!(all(&restored), all(&merged));
    let row = merged.rows().next().expect("a row");
    assert!(restored.restore(row, &names).is_err());
}

#[test]
fn a_packed_key_is_the_same_after_unpacking() {
    let key = |interface| TalkerKey { interface, src: [10, 1, 2, 3].into(), dst: [255, 0, 255, 1].into() };
    for interface in [None, Symbol::new(1), Symbol::new(u32::MAX)] {
        assert_eq!(key(interface).pack().map(TalkerKey::unpack), Some(key(interface)));
    }
}
