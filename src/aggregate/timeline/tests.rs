use proptest::prelude::*;

use super::*;
use crate::record::timestamp::Timestamp;
use crate::record::{Action, RejectReason, TcpFlags};

/// Returns the timeline of accepted records of one packet each that start at these seconds.
fn timeline(starts: &[u64]) -> Timeline {
    let mut timeline = Timeline::default();
    for start in starts {
        let flow = Flow { start: Timestamp::from_seconds(*start), packets: 1, bytes: 10, ..flow(Action::Accept) };
        timeline.observe_accepted(&flow);
    }
    timeline
}

fn flow(action: Action) -> Flow<'static> {
    Flow {
        action,
        interface_id: None,
        vpc_id: None,
        subnet_id: None,
        src: None,
        dst: None,
        srcport: None,
        dstport: None,
        protocol: None,
        packets: 0,
        bytes: 0,
        start: None,
        end: None,
        tcp_flags: TcpFlags::ABSENT,
        direction: None,
        traffic_path: None,
        reject_reason: RejectReason::Unspecified,
    }
}

/// Returns the start and the accepted flows of each bucket.
fn flows(timeline: &Timeline) -> Vec<(u64, u64)> {
    timeline.buckets().map(|(start, sums)| (start.seconds(), sums.accepted.flows)).collect()
}

#[test]
fn buckets_of_a_minute_have_no_gap() {
    assert_eq!(flows(&timeline(&[])), []);
    assert_eq!(flows(&timeline(&[59])), [(0, 1)]);
    assert_eq!(flows(&timeline(&[125, 60, 119, 300])), [(60, 2), (120, 1), (180, 0), (240, 0), (300, 1)]);
}

#[test]
fn accepted_and_rejected_records_have_sums_of_their_own() {
    let mut timeline = Timeline::default();
    let at =
        |action, start, packets, bytes| Flow { start: Timestamp::from_seconds(start), packets, bytes, ..flow(action) };
    timeline.observe_accepted(&at(Action::Accept, 60, 1, 10));
    timeline.observe_rejected(&at(Action::Reject, 60, 2, 20));
    timeline.observe_accepted(&at(Action::Accept, 0, 4, u64::MAX));
    timeline.observe_accepted(&at(Action::Accept, 61, 8, 80));
    timeline.observe_accepted(&at(Action::Accept, 59, 16, 1));
    timeline.observe_accepted(&flow(Action::Accept));
    let sums: Vec<_> = timeline.buckets().map(|(_, sums)| sums).collect();
    let counters = |flows, packets, bytes| Counters { flows, packets, bytes };
    assert_eq!(sums[0], BucketSums { accepted: counters(2, 20, u64::MAX), rejected: Counters::default() });
    assert_eq!(sums[1], BucketSums { accepted: counters(2, 9, 90), rejected: counters(1, 2, 20) });
    assert_eq!(sums.len(), 2);
}

#[test]
fn more_than_240_minutes_double_the_length() {
    let whole = timeline(&[0, 239 * 60]);
    assert_eq!((whole.seconds(), whole.buckets().count()), (60, 240));
    let wider = timeline(&[0, 240 * 60, 119]);
    assert_eq!((wider.seconds(), wider.buckets().count(), flows(&wider)[0]), (120, 121, (0, 2)));
    // Numbers count from 1970: an odd first minute shares its bucket with the even one before.
    let odd = timeline(&[60, 241 * 60, 120]);
    assert_eq!((odd.seconds(), flows(&odd)[0], flows(&odd)[1]), (120, (0, 1), (120, 1)));
    let backwards = timeline(&[86_400 * 7, 86_400 * 6 + 3600 * 23, 0]);
    assert_eq!((backwards.seconds(), backwards.buckets().count()), (60 * 64, 158));
}

#[test]
fn the_ends_of_time_fit() {
    let all = timeline(&[Timestamp::MAX.seconds(), 0, 60]);
    assert!(all.buckets().count() <= MAX_BUCKETS);
    assert_eq!(flows(&all)[0], (0, 2));
    assert_eq!(all.buckets().map(|(_, sums)| sums.accepted.flows).sum::<u64>(), 3);
}

proptest! {
    #[test]
    fn merging_is_observing_all(
        starts in prop::collection::vec((0_u64..5, 0_u64..40, 0_u64..7200), 0..60),
        cuts in prop::collection::vec(0_usize..60, 0..4),
    ) {
        // Days, hours, and seconds, so that some spans need wider buckets.
        let starts: Vec<u64> = starts.iter().map(|(days, hours, seconds)| days * days * 86_400 + hours * 3600 + seconds).collect();
        let whole = timeline(&starts);
        let mut parts = Timeline::default();
        let mut rest = &starts[..];
        for cut in cuts {
            let (part, after) = rest.split_at(cut.min(rest.len()));
            parts.merge(&timeline(part));
            rest = after;
        }
        parts.merge(&timeline(rest));
        prop_assert_eq!(flows(&parts), flows(&whole));
        let mut restored = Timeline::default();
        restored.restore_state(whole.state()).expect("a state");
        whole.rows().for_each(|row| restored.restore(row).expect("a row"));
        prop_assert_eq!(flows(&restored), flows(&whole));
        // The least length that is enough.
        let minutes = |seconds: u64| starts.iter().max().zip(starts.iter().min()).map_or(0, |(max, min)| max / seconds - min / seconds + 1);
        prop_assert!(minutes(whole.seconds()) <= 240 && (whole.seconds() == 60 || minutes(whole.seconds() / 2) > 240));
        prop_assert_eq!(flows(&whole).iter().map(|(_, flows)| flows).sum::<u64>(), starts.len() as u64);
    }
}
