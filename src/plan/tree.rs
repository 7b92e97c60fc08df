//! The merge tree: which parts are merged to one, level by level.

use std::ops::Range;

use super::FanIn;

/// Returns the merges of each level. Part `i` of the next level merges the parts `levels[level][i]` of this one, in their order. The last
/// level has one merge, which makes the report, also of a single batch. Without batches there is no level.
///
/// The parts of a level are shared out evenly: 65 are merged as 33 and 32, rather than as 64 and 1.
pub(super) fn levels(batches: usize, fan_in: FanIn) -> Vec<Vec<Range<usize>>> {
    let mut levels = Vec::new();
    let mut parts = batches;
    while parts > 1 || (parts == 1 && levels.is_empty()) {
        let merges = parts.div_ceil(fan_in.get());
        levels.push((0..merges).map(|merge| share(parts, merges, merge)..share(parts, merges, merge + 1)).collect());
        parts = merges;
    }
    levels
}

/// Returns the first part of this merge.
fn share(parts: usize, merges: usize, merge: usize) -> usize {
    let (each, rest) = (parts / merges, parts % merges);
    each * merge + rest.min(merge)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fan_in(parts: usize) -> FanIn {
        FanIn::try_from(parts).expect("a fan-in")
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a level of one merge")]
    fn levels_end_with_one_merge() {
        let none: Vec<Vec<Range<usize>>> = Vec::new();
        assert_eq!(levels(0, fan_in(64)), none);
        assert_eq!(levels(1, fan_in(64)), [vec![0..1]]);
        assert_eq!(levels(64, fan_in(64)), [vec![0..64]]);
        assert_eq!(levels(65, fan_in(64)), [vec![0..33, 33..65], vec![0..2]]);
        assert_eq!(levels(5, fan_in(2)), [vec![0..2, 2..4, 4..5], vec![0..2, 2..3], vec![0..2]]);
        let sizes: Vec<usize> = levels(10_000, fan_in(64)).iter().map(Vec::len).collect();
        assert_eq!(sizes, [157, 3, 1]);
    }

    proptest! {
        #[test]
        fn each_level_has_all_parts_once_in_order(batches in 0..5_000_usize, parts in 2..70_usize) {
            let mut expected = batches;
            for level in levels(batches, fan_in(parts)) {
                prop_assert!(level.iter().all(|merge| !merge.is_empty() && merge.len() <= parts));
                let sizes = level.iter().map(Range::len);
                prop_assert!(sizes.clone().max() <= sizes.min().map(|least| least + 1));
                prop_assert_eq!(level.iter().cloned().flatten().collect::<Vec<_>>(), (0..expected).collect::<Vec<_>>());
                expected = level.len();
            }
            prop_assert_eq!(expected, batches.min(1));
        }
    }
}
