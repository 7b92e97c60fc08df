//! Cuts a list of weights into runs within limits: as few as possible, and of these the ones whose heaviest run is lightest.

use std::ops::Range;

use super::PlanOptions;

/// The contribution of a part to its batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) bytes: u64,
    pub(super) objects: usize,
}

impl Weight {
    pub(super) fn plus(self, other: Weight) -> Weight {
        Weight { bytes: self.bytes.saturating_add(other.bytes), objects: self.objects + other.objects }
    }

    pub(super) fn fits(self, limits: &PlanOptions) -> bool {
        self.bytes <= limits.max_batch_bytes.get() && self.objects <= limits.max_batch_objects.get()
    }
}

/// Cuts the weights into runs, in their order. A weight beyond a limit is a run of its own.
pub(super) fn cut(weights: &[Weight], limits: &PlanOptions) -> Vec<Range<usize>> {
    let max_bytes = limits.max_batch_bytes.get();
    let max_objects = limits.max_batch_objects.get();
    let fewest = runs(weights, max_bytes, max_objects).count();
    // Filling up run after run gives the fewest of all cuts, for any number of bytes. So the least number of bytes that needs no
    // more runs is the weight of the heaviest run in the best cut.
    let fits = |weight: &Weight| weight.fits(limits);
    let mut low = weights.iter().copied().filter(fits).map(|weight| weight.bytes).max().unwrap_or(0);
    let mut high = max_bytes;
    while low < high {
        let middle = low + (high - low) / 2;
        if runs(weights, middle, max_objects).count() <= fewest {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    runs(weights, high, max_objects).collect()
}

/// Fills up one run after another.
fn runs(weights: &[Weight], max_bytes: u64, max_objects: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let mut rest = weights.get(start..)?.iter();
        let mut sum = *rest.next()?;
        let first = start;
        start += 1;
        for weight in rest {
            sum = sum.plus(*weight);
            if sum.bytes > max_bytes || sum.objects > max_objects {
                break;
            }
            start += 1;
        }
        Some(first..start)
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use proptest::prelude::*;

    use super::*;

    fn limits(bytes: u64, objects: usize) -> PlanOptions {
        PlanOptions {
            max_batch_bytes: NonZero::new(bytes).expect("not 0"),
            max_batch_objects: NonZero::new(objects).expect("not 0"),
            ..PlanOptions::default()
        }
    }

    fn weights(bytes: &[u64]) -> Vec<Weight> {
        bytes.iter().map(|bytes| Weight { bytes: *bytes, objects: 1 }).collect()
    }

    /// Returns the number of runs and the bytes of the heaviest, of the best of all cuts within the limits.
    fn best(weights: &[Weight], limits: &PlanOptions) -> (usize, u64) {
        let mut best = vec![(0, 0)];
        for end in 1..=weights.len() {
            let cut_before = |start: usize| {
                let sum = weights[start..end].iter().copied().fold(Weight::default(), Weight::plus);
                let is_allowed = end - start == 1 || sum.fits(limits);
                let counted = if sum.fits(limits) { sum.bytes } else { 0 };
                let (runs, heaviest): (usize, u64) = best[start];
                is_allowed.then_some((runs + 1, heaviest.max(counted)))
            };
            let next = (0..end).filter_map(cut_before).min().expect("a run of one");
            best.push(next);
        }
        best[weights.len()]
    }

    #[test]
    fn runs_are_few_and_even() {
        assert_eq!(cut(&weights(&[3, 3, 3, 3, 3, 3]), &limits(10, 9)), [0..3, 3..6]);
        assert_eq!(cut(&weights(&[1, 1, 1, 1, 8]), &limits(8, 9)), [0..4, 4..5]);
        assert_eq!(cut(&weights(&[1, 99, 1]), &limits(8, 9)), [0..1, 1..2, 2..3]);
        assert_eq!(cut(&weights(&[0, 0, 0]), &limits(8, 2)), [0..2, 2..3]);
        assert!(cut(&[], &limits(8, 2)).is_empty());
        assert_eq!(cut(&weights(&[u64::MAX, u64::MAX]), &limits(u64::MAX, 9)).len(), 1, "sums saturate");
    }

    proptest! {
        #[test]
        fn no_cut_has_fewer_or_lighter_runs(
            weights in prop::collection::vec((0..9_u64, 0..4_usize), 0..12), bytes in 1..20_u64, objects in 1..9_usize,
        ) {
            let weights: Vec<Weight> = weights.into_iter().map(|(bytes, objects)| Weight { bytes, objects }).collect();
            let limits = limits(bytes, objects);
            let runs = cut(&weights, &limits);
            let sums = runs.iter().map(|run| weights[run.clone()].iter().copied().fold(Weight::default(), Weight::plus));
            let heaviest = sums.filter(|sum| sum.fits(&limits)).map(|sum| sum.bytes).max().unwrap_or(0);
            prop_assert_eq!((runs.len(), heaviest), best(&weights, &limits));
            let covered: Vec<usize> = runs.into_iter().flatten().collect();
            prop_assert_eq!(covered, (0..weights.len()).collect::<Vec<_>>());
        }

        #[test]
        fn the_heaviest_run_is_near_the_mean(weights in prop::collection::vec(0..100_u64, 1..50), bytes in 100..999_u64) {
            let largest = *weights.iter().max().expect("weights");
            let total: u64 = weights.iter().sum();
            let weights = self::weights(&weights);
            let runs = cut(&weights, &limits(bytes, usize::MAX));
            let heaviest = runs.iter().map(|run| weights[run.clone()].iter().map(|weight| weight.bytes).sum::<u64>()).max();
            prop_assert!(heaviest.expect("runs") <= total / runs.len() as u64 + largest);
        }
    }
}
