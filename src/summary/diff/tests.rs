use serde_json::{Value, json};

use super::*;
use crate::findings::types::Severity;
use crate::summary::json;

/// Returns the golden summary that has a finding of every type, as if it listed all groups, after a change.
fn summary(change: impl FnOnce(&mut Value)) -> Summary {
    let text = include_str!("../../../tests/golden/made-every-finding/summary.json");
    let mut value: Value = serde_json::from_str(text).expect("JSON");
    value["records"]["skip_data"] = json!(0);
    value["rejected"]["group_count"] = json!(list(&mut value, "/rejected/groups").len());
    change(&mut value);
    json::read(value.to_string().as_bytes()).expect("a summary")
}

fn list<'a>(value: &'a mut Value, path: &str) -> &'a mut Vec<Value> {
    value.pointer_mut(path).and_then(Value::as_array_mut).expect("a list")
}

fn diff(before: &Summary, after: &Summary) -> Diff {
    compare(("a.json", before), ("b.json", after))
}

#[test]
fn equal_summaries_differ_in_nothing() {
    let one = summary(|_| {});
    let diff = diff(&one, &one);
    assert_eq!((diff.findings.new.len(), diff.findings.gone.len(), diff.findings.changed.len()), (0, 0, 0));
    assert_eq!(diff.findings.ongoing.len(), one.findings.len());
    assert_eq!(diff.rejected_groups, GroupDiff { new_certain: true, gone_certain: true, ..GroupDiff::default() });
    let pairs = diff.vpc_pairs.as_ref().expect("there is a topology");
    assert!(pairs.iter().all(|row| row.change.before == row.change.after) && !pairs.is_empty());
    assert!(!diff.is_worse() && diff.findings.new_certain && diff.findings.gone_certain);
    assert_eq!(diff.has_comparable_windows(), Some(true));
}

#[test]
fn findings_are_new_gone_or_changed() {
    let before = summary(|value| {
        list(value, "/findings").remove(0);
    });
    let after = summary(|value| {
        list(value, "/findings").remove(1);
        value["findings"][1]["severity"] = json!("low");
        value["findings"][2]["flows"] = json!(12345);
    });
    let whole = summary(|_| {});
    let diff = diff(&before, &after);
    let ids = |rows: &[FindingRow]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&diff.findings.new), [whole.findings[0].id.clone()]);
    assert_eq!(ids(&diff.findings.gone), [whole.findings[1].id.clone()]);
    let [changed] = &diff.findings.changed[..] else { panic!("{:?}", diff.findings.changed) };
    assert_eq!(changed.id, whole.findings[2].id);
    assert_eq!((changed.before.severity, changed.after.severity), (whole.findings[2].severity, Severity::Low));
    let flows = diff.findings.ongoing.iter().find(|row| row.id == whole.findings[3].id).expect("it lasts");
    assert_eq!((flows.before.tally.flows, flows.after.tally.flows), (whole.findings[3].tally.flows, 12345));
    assert!(diff.is_worse());
}

#[test]
fn only_worse_findings_count_for_the_status() {
    let whole = summary(|_| {});
    let fewer = summary(|value| drop(list(value, "/findings").remove(0)));
    let milder = summary(|value| value["findings"][0]["severity"] = json!("low"));
    let suppressed =
        summary(|value| value["findings"][0]["suppressed"] = json!({"reason": "known", "expires": "2027-01-31"}));
    assert_eq!(whole.findings[0].severity, Severity::High);
    let is_worse = |before, after| diff(before, after).is_worse();
    assert_eq!([is_worse(&whole, &fewer), is_worse(&whole, &milder), is_worse(&whole, &suppressed)], [false; 3]);
    assert_eq!([is_worse(&fewer, &whole), is_worse(&milder, &whole), is_worse(&suppressed, &whole)], [true; 3]);
    assert!(!is_worse(&fewer, &suppressed));
}

#[test]
fn a_cut_list_proves_nothing() {
    let cut = |value: &mut Value| drop(list(value, "/rejected/groups").remove(0));
    let (whole, cut) = (summary(|_| {}), summary(cut));
    let after = diff(&cut, &whole).rejected_groups;
    assert_eq!((after.new.len(), after.new_certain, after.gone_certain), (1, false, true));
    let before = diff(&whole, &cut).rejected_groups;
    assert_eq!((before.gone.len(), before.new_certain, before.gone_certain), (1, true, false));
    // One that is complete, and has a group less.
    let fewer = summary(|value| {
        list(value, "/rejected/groups").remove(0);
        let count = value["rejected"]["group_count"].as_u64().expect("a number");
        value["rejected"]["group_count"] = json!(count - 1);
    });
    assert!(diff(&fewer, &whole).rejected_groups.new_certain);
}

#[test]
fn what_this_version_does_not_know_is_not_gone() {
    let whole = summary(|_| {});
    let text = include_str!("../../../tests/golden/made-every-finding/summary.json");
    let mut newer: Value = serde_json::from_str(text).expect("JSON");
    newer["findings"][0]["type"] = json!("new-type");
    let newer = json::read(newer.to_string().as_bytes()).expect("a summary");
    let found = compare(("a.json", &whole), ("b.json", &newer));
    assert_eq!((found.findings.gone.len(), found.findings.gone_certain), (1, false));
    assert!(found.after.lacks.iter().any(|text| text == "1 finding is unknown to this version"), "{found:?}");
}

fn filters(ports: &[u16], min_severity: Option<&str>) -> Value {
    json!({"since": null, "until": null, "interface_ids": [], "vpc_ids": [], "addresses": [], "ports": ports, "actions": [],
        "min_severity": min_severity, "findings_left_out": u64::from(min_severity.is_some())})
}

#[test]
fn what_a_summary_lacks_makes_its_gaps_uncertain() {
    let whole = summary(|_| {});
    for change in [
        |value: &mut Value| value["failed"] = json!([{"uri": "x", "error": "y"}]),
        |value: &mut Value| value["limits_reached"] = json!(["max_interfaces"]),
        |value: &mut Value| value["records"]["skip_data"] = json!(1),
        |value: &mut Value| value["records"]["total"] = json!(0),
        |value: &mut Value| {
            value["records"]["malformed"] = json!(value["records"]["total"].as_u64().expect("a number") / 2 + 1);
        },
        without_traffic,
        |value: &mut Value| value["peering"] = json!(null),
        |value: &mut Value| value["peering"]["exact"] = json!(false),
        |value: &mut Value| value["rejected"]["by_cause_exact"] = json!(false),
        |value: &mut Value| value["filters"] = filters(&[443], None),
        |value: &mut Value| value["filters"] = filters(&[], Some("high")),
    ] {
        let lacking = summary(change);
        let found = diff(&lacking, &whole);
        assert_eq!((found.before.lacks.len(), found.after.lacks.len()), (1, 0));
        assert_eq!((found.findings.new_certain, found.findings.gone_certain), (false, true));
        let found = diff(&whole, &lacking);
        assert_eq!((found.findings.new_certain, found.findings.gone_certain), (true, false));
        assert!(!found.rejected_groups.gone_certain);
    }
}

fn without_traffic(value: &mut Value) {
    ["accepted", "rejected", "other"].iter().for_each(|class| value["records"][class] = json!(0));
}

#[test]
fn what_hides_findings_leaves_the_verdict_open() {
    let whole = summary(|_| {});
    let total = whole.records.total;
    type Case = (fn(&mut Value), String);
    let cases: [Case; 8] = [
        (|value| value["failed"] = json!([{"uri": "x", "error": "y"}]), "1 input could not be read".to_owned()),
        (|value| value["records"]["total"] = json!(0), "no records were read".to_owned()),
        (
            |value| value["records"]["malformed"] = value["records"]["total"].clone(),
            format!("{total} of {total} records are malformed"),
        ),
        (without_traffic, "no record is of accepted or rejected traffic".to_owned()),
        (|value| value["filters"] = filters(&[], Some("high")), "1 finding below high is not listed".to_owned()),
        (
            |value| value["limits_reached"] = json!(["max_formats", "max_unanswered_groups"]),
            "memory limits were reached: max_unanswered_groups".to_owned(),
        ),
        (
            |value| value["records"]["filtered"] = json!(7),
            format!("7 of {total} records are left out by filters that this version does not know"),
        ),
        (|value| value["filters"] = filters(&[443], None), "filters left out records: --port 443".to_owned()),
    ];
    for (change, expected) in cases {
        let found = diff(&whole, &summary(change));
        assert_eq!((found.verdict(), found.undecided), (DiffVerdict::Unknown, vec![expected]));
    }
    let without_topology = summary(|value| value["peering"] = Value::Null);
    let found = diff(&whole, &without_topology);
    assert_eq!(
        (found.verdict(), found.undecided),
        (DiffVerdict::Unknown, vec!["it was made without a topology".to_owned()])
    );
    assert_eq!(diff(&without_topology, &without_topology).verdict(), DiffVerdict::NoWorse);
    // What does not hide findings of B.
    for change in [
        |value: &mut Value| value["records"]["skip_data"] = json!(1),
        |value: &mut Value| value["limits_reached"] = json!(["max_formats"]),
        |value: &mut Value| value["rejected"]["by_cause_exact"] = json!(false),
        |value: &mut Value| value["peering"]["exact"] = json!(false),
        |value: &mut Value| {
            value["records"]["malformed"] = json!(value["records"]["total"].as_u64().expect("a number") / 2);
        },
    ] {
        assert_eq!(diff(&whole, &summary(change)).verdict(), DiffVerdict::NoWorse);
    }
    let part = |port: u16| summary(|value| value["filters"] = filters(&[port], None));
    assert_eq!(diff(&part(443), &part(443)).verdict(), DiffVerdict::NoWorse);
    assert_eq!(diff(&part(80), &part(443)).verdict(), DiffVerdict::Unknown);
    // A finding that is worse is so whatever is hidden.
    let fewer = summary(|value| drop(list(value, "/findings").remove(0)));
    let failed = summary(|value| value["failed"] = json!([{"uri": "x", "error": "y"}]));
    assert_eq!(diff(&fewer, &failed).verdict(), DiffVerdict::Worse);
}

#[test]
fn pairs_of_both_sides_are_compared() {
    let before = summary(|value| drop(list(value, "/peering/vpc_pairs").remove(0)));
    let after = summary(|value| {
        list(value, "/peering/vpc_pairs").remove(1);
        value["peering"]["vpc_pairs"][1]["accepted"]["bytes"] = json!(1_u64 << 40);
    });
    let whole = summary(|_| {}).peering.expect("there is a topology").vpc_pairs;
    let rows = diff(&before, &after).vpc_pairs.expect("both have a topology");
    assert_eq!(rows.len(), whole.len());
    assert_eq!((&rows[0].src_vpc_id, &rows[0].dst_vpc_id), (&whole[2].src_vpc_id, &whole[2].dst_vpc_id));
    assert_eq!(rows[0].change.after.accepted.bytes, 1 << 40);
    let row = |pair: &VpcPair| {
        rows.iter().find(|row| (&row.src_vpc_id, &row.dst_vpc_id) == (&pair.src_vpc_id, &pair.dst_vpc_id)).expect("it")
    };
    assert_eq!(row(&whole[0]).change, TrafficChange { after: whole[0].traffic, ..TrafficChange::default() });
    assert_eq!(row(&whole[1]).change, TrafficChange { before: whole[1].traffic, ..TrafficChange::default() });
    let none = summary(|value| value["peering"] = json!(null));
    assert_eq!(diff(&none, &after).vpc_pairs, None);
}

#[test]
fn windows_of_other_lengths_are_not_comparable() {
    let with_end = |end: &str| summary(|value| value["window"]["end"] = json!(end));
    let (hour, day) = (with_end("2026-11-23T07:00:00Z"), with_end("2026-11-24T07:00:00Z"));
    assert_eq!(diff(&hour, &day).has_comparable_windows(), Some(false));
    assert_eq!(diff(&hour, &hour).has_comparable_windows(), Some(true));
    assert_eq!(diff(&hour, &summary(|value| value["window"] = json!(null))).has_comparable_windows(), None);
}
