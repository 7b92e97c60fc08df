//! Tests of plans, on objects of a few flow logs.

#![expect(clippy::single_range_in_vec_init, reason = "a level of one merge")]

use std::num::NonZero;

use proptest::prelude::*;

use super::*;

const FIVE_MINUTES: i64 = 300;

fn options(bytes: u64, objects: usize) -> PlanOptions {
    PlanOptions {
        max_batch_bytes: NonZero::new(bytes).expect("not 0"),
        max_batch_objects: NonZero::new(objects).expect("not 0"),
        fan_in: FanIn::try_from(3).expect("a fan-in"),
    }
}

fn time(slot: i64) -> Timestamp {
    "2026-11-23T06:00:00Z".parse::<Timestamp>().expect("a time") + jiff::SignedDuration::from_secs(slot * FIVE_MINUTES)
}

fn hour() -> Window {
    Window { from: time(0), to: time(12) }
}

/// Returns an object of a flow log. `slot` counts five minutes from the start of the hour.
fn object(flow_log: usize, slot: i64, hash: u32, bytes: u64) -> LogObject {
    let compact = time(slot).strftime("%Y%m%dT%H%MZ");
    let name = format!("123456789012_vpcflowlogs_eu-west-1_fl-{flow_log:08}_{compact}_{hash:08x}.log.gz");
    let key = format!("AWSLogs/123456789012/vpcflowlogs/eu-west-1/{}/{name}", time(slot).strftime("%Y/%m/%d"));
    LogObject { bucket: Some("logs".to_owned()), key, bytes, etag: Some(format!("{hash:032x}")) }
}

fn plan(options: PlanOptions, window: Window, objects: impl IntoIterator<Item = LogObject>) -> Plan {
    let mut planner = Planner::new(options, window);
    objects.into_iter().for_each(|object| planner.add(object));
    planner.finish()
}

/// Returns the hashes of the objects of each batch.
fn hashes(plan: &Plan) -> Vec<Vec<u32>> {
    let hash = |object: &LogObject| {
        let (_, end) = object.key.rsplit_once('_').expect("a hash");
        u32::from_str_radix(&end[..8], 16).expect("a hash")
    };
    plan.batches.iter().map(|batch| batch.objects.iter().map(hash).collect()).collect()
}

#[test]
fn flow_logs_that_fit_stay_together() {
    let objects =
        [object(2, 0, 4, 30), object(1, 1, 2, 30), object(1, 0, 1, 30), object(2, 1, 5, 30), object(1, 2, 3, 30)];
    let plan = plan(options(100, 9), hour(), objects);
    assert_eq!(hashes(&plan), [vec![1, 2, 3], vec![4, 5]]);
    assert_eq!(plan.batches[0].flow_log_ids, ["fl-00000001"]);
    assert_eq!((plan.batches[0].bytes, plan.objects(), plan.bytes()), (90, 5, 150));
    assert_eq!(plan.levels, [vec![0..2]]);
    assert!(plan.skipped.is_empty());
}

#[test]
fn flow_log_that_does_not_fit_is_cut_by_time() {
    // Two objects of each time, which stay together although the halves could be 75 and 75.
    let objects = (0..6).map(|index| object(1, i64::from(index / 2), index, 25));
    assert_eq!(hashes(&plan(options(100, 9), hour(), objects)), [vec![0, 1, 2, 3], vec![4, 5]]);
    let of_one_time = (0..6).map(|index| object(1, 0, index, 25));
    assert_eq!(hashes(&plan(options(100, 9), hour(), of_one_time)), [vec![0, 1, 2], vec![3, 4, 5]]);
}

#[test]
fn small_flow_logs_share_a_batch() {
    let objects = (0..7).map(|index| object(index, 0, index as u32, 1));
    let plan = plan(options(100, 4), hour(), objects);
    assert_eq!(hashes(&plan), [vec![0, 1, 2, 3], vec![4, 5, 6]]);
    assert_eq!(plan.batches[1].flow_log_ids, ["fl-00000004", "fl-00000005", "fl-00000006"]);
}

#[test]
fn skipped_objects_are_counted_by_reason() {
    let mut objects: Vec<LogObject> = [-1, 0, 11, 12].map(|slot| object(1, slot, 1, 10)).into();
    objects.push(object(1, 0, 1, 10));
    objects.push(object(1, 3, 2, 0));
    let other = |key: &str| LogObject { bucket: None, key: key.to_owned(), bytes: 9, etag: None };
    objects.extend(["folder/", "notes.txt", "copied/x.log.gz"].map(other));
    let plan = plan(options(100, 9), hour(), objects.clone());
    let skipped: Vec<(SkipReason, u64)> =
        plan.skipped.iter().map(|(reason, skipped)| (*reason, skipped.objects)).collect();
    let expected = [
        (SkipReason::NotAFlowLog, 2),
        (SkipReason::Empty, 1),
        (SkipReason::NoTime, 1),
        (SkipReason::OutsideWindow, 2),
        (SkipReason::Duplicate, 1),
    ];
    assert_eq!(skipped, expected);
    assert_eq!(plan.skipped[&SkipReason::NotAFlowLog].examples, ["folder/", "notes.txt"]);
    assert_eq!(plan.skipped[&SkipReason::Duplicate].examples, [objects[1].uri()]);
    assert_eq!(plan.objects(), 2);
}

#[test]
fn window_of_everything_has_objects_without_a_time() {
    let key = "copied/x.log.gz".to_owned();
    let plan = plan(options(100, 9), Window::ALL, [LogObject { bucket: None, key, bytes: 9, etag: None }]);
    assert_eq!((plan.objects(), plan.batches[0].flow_log_ids.len(), plan.levels), (1, 0, vec![vec![0..1]]));
}

#[test]
fn examples_are_bounded() {
    let plan = plan(options(100, 9), hour(), (0..9).rev().map(|hash| object(1, 20, hash, 1)));
    let skipped = &plan.skipped[&SkipReason::OutsideWindow];
    assert_eq!(skipped.objects, 9);
    assert_eq!(skipped.examples, (0..5).map(|hash| object(1, 20, hash, 1).uri()).collect::<Vec<_>>());
    assert_eq!((plan.batches.len(), plan.levels.len()), (0, 0));
}

#[test]
fn plans_are_json() {
    let plan = plan(options(100, 9), hour(), [object(1, 0, 1, 10), object(1, 20, 1, 10)]);
    let json = serde_json::to_value(&plan).expect("JSON");
    assert_eq!(json["window"], serde_json::json!({"from": "2026-11-23T06:00:00Z", "to": "2026-11-23T07:00:00Z"}));
    assert_eq!(json["options"], serde_json::json!({"max_batch_bytes": 100, "max_batch_objects": 9, "fan_in": 3}));
    assert_eq!(json["levels"], serde_json::json!([[{"start": 0, "end": 1}]]));
    assert_eq!(json["skipped"]["outside_window"]["objects"], 1);
    assert_eq!(serde_json::from_value::<Plan>(json).expect("a plan"), plan);
}

#[test]
fn a_late_or_changed_object_changes_the_fingerprint() {
    let objects = vec![object(1, 0, 1, 10), object(1, 1, 2, 10)];
    let fingerprint = |window, objects: &[LogObject]| plan(options(100, 9), window, objects.to_vec()).fingerprint;
    let mut all = vec![fingerprint(hour(), &objects), fingerprint(Window::ALL, &objects)];
    all.push(fingerprint(hour(), &[objects.clone(), vec![object(1, 2, 3, 10)]].concat()));
    all.push(plan(options(100, 8), hour(), objects.clone()).fingerprint);
    for change in [
        |object: &mut LogObject| object.etag = Some("x".to_owned()),
        |object: &mut LogObject| object.etag = None,
        |object: &mut LogObject| object.bytes = 11,
        |object: &mut LogObject| object.bucket = None,
    ] {
        let mut changed = objects.clone();
        change(&mut changed[1]);
        all.push(fingerprint(hour(), &changed));
    }
    let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert!(all.iter().all(|fingerprint| fingerprint.len() == 64));
    let with_skipped = [objects.clone(), vec![object(1, 20, 3, 10)]].concat();
    assert_eq!(fingerprint(hour(), &with_skipped), all[0]);
}

/// Objects of 3 flow logs in and around the hour. Each has its own hash.
fn objects() -> impl Strategy<Value = Vec<LogObject>> {
    prop::collection::vec((0..3_usize, -2..14_i64, 0..50_u64), 0..40).prop_map(|objects| {
        let object =
            |(hash, (flow_log, slot, bytes)): (usize, (usize, i64, u64))| object(flow_log, slot, hash as u32, bytes);
        objects.into_iter().enumerate().map(object).collect()
    })
}

proptest! {
    #[test]
    fn each_object_of_the_window_is_in_one_batch(objects in objects(), bytes in 1..200_u64, count in 1..20_usize) {
        let plan = plan(options(bytes, count), hour(), objects.clone());
        let skipped: u64 = plan.skipped.values().map(|skipped| skipped.objects).sum();
        prop_assert_eq!(plan.objects() as u64 + skipped, objects.len() as u64);
        let in_window = |object: &&LogObject| {
            object.bytes > 0 && key::LogKey::from_key(&object.key).is_some_and(|key| hour().contains(key.time))
        };
        let mut expected: Vec<&LogObject> = objects.iter().filter(in_window).collect();
        let order = |object: &LogObject| {
            let key = key::LogKey::from_key(&object.key).expect("a key");
            (key.account_id, key.region, key.flow_log_id, key.time, object.key.clone())
        };
        expected.sort_by_key(|object| order(object));
        let planned: Vec<&LogObject> = plan.batches.iter().flat_map(|batch| &batch.objects).collect();
        prop_assert_eq!(planned, expected);
    }

    #[test]
    fn nothing_exceeds_the_limits_but_a_single_object(objects in objects(), bytes in 1..200_u64, count in 1..20_usize) {
        for batch in plan(options(bytes, count), hour(), objects).batches {
            prop_assert_eq!(batch.bytes, batch.objects.iter().map(|object| object.bytes).sum::<u64>());
            prop_assert!(batch.objects.len() == 1 || (batch.bytes <= bytes && batch.objects.len() <= count));
        }
    }

    #[test]
    fn flow_logs_and_times_that_fit_are_not_cut(objects in objects(), bytes in 1..400_u64, count in 1..20_usize) {
        let plan = plan(options(bytes, count), hour(), objects);
        let mut weights: BTreeMap<String, (u64, usize, Vec<usize>)> = BTreeMap::new();
        for (index, batch) in plan.batches.iter().enumerate() {
            for object in &batch.objects {
                let key = key::LogKey::from_key(&object.key).expect("a key");
                for unit in [key.flow_log_id.clone(), format!("{} {}", key.flow_log_id, key.time)] {
                    let (bytes, objects, batches) = weights.entry(unit).or_default();
                    *bytes += object.bytes;
                    *objects += 1;
                    batches.push(index);
                }
            }
        }
        for (unit, (sum, objects, mut batches)) in weights {
            batches.dedup();
            prop_assert!(sum > bytes || objects > count || batches.len() == 1, "{unit} is in {batches:?}");
        }
    }

    #[test]
    fn the_order_of_adding_does_not_matter(
        (objects, shuffled) in objects().prop_flat_map(|objects| (Just(objects.clone()), Just(objects).prop_shuffle())),
        twice in 0..5_usize,
    ) {
        let again = objects.iter().take(twice).cloned();
        let first = plan(options(100, 6), hour(), objects.iter().cloned().chain(again.clone()));
        prop_assert_eq!(plan(options(100, 6), hour(), again.chain(shuffled)), first);
    }
}
