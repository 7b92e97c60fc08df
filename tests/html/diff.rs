//! The page of `diff`.

use std::collections::BTreeMap;

use flowsentry::html;
use flowsentry::summary::diff::{Diff, compare};
use indicatif::{DecimalBytes, HumanCount};
use serde_json::{Value, json};

use super::page::{parse, table};
use super::{HOSTILE, check, every_finding, read, store, text_of};

fn between(before: &Value, after: &Value) -> Diff {
    compare(("logs/yesterday.json", &read(before)), ("today.json", &read(after)))
}

fn list<'v>(summary: &'v mut Value, pointer: &str) -> &'v mut Vec<Value> {
    summary.pointer_mut(pointer).and_then(Value::as_array_mut).expect("a list")
}

/// Returns a summary and a later one: findings and rejected groups are new, gone, changed, and ongoing.
fn two_days() -> (Value, Value) {
    let (mut before, mut after) = (every_finding(), every_finding());
    list(&mut before, "/findings").remove(0);
    list(&mut after, "/findings").truncate(18);
    before["findings"][3]["severity"] = json!("low");
    before["findings"][3]["confidence"] = json!("low");
    list(&mut before, "/rejected/groups").remove(0);
    list(&mut after, "/rejected/groups").pop();
    (before, after)
}

/// Replaces all sums by numbers of their own.
fn number(value: &mut Value, next: &mut u64) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| number(value, next)),
        Value::Object(members) => members.iter_mut().for_each(|(key, value)| match key.as_str() {
            "flows" | "packets" | "bytes" if value.is_u64() => {
                *next += 1237;
                *value = json!(*next);
            }
            _ => number(value, next),
        }),
        _ => {}
    }
}

/// Collects the sums of a document, as a page shows them.
fn sums(value: &Value, found: &mut BTreeMap<String, u64>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| sums(value, found)),
        Value::Object(members) => members.iter().for_each(|(key, value)| match (key.as_str(), value.as_u64()) {
            ("flows" | "packets", Some(number)) => drop(found.insert(HumanCount(number).to_string(), number)),
            ("bytes", Some(number)) => drop(found.insert(DecimalBytes(number).to_string(), number)),
            _ => sums(value, found),
        }),
        _ => {}
    }
}

#[test]
fn all_sums_of_a_diff_are_on_its_page() {
    let (mut before, mut after) = two_days();
    let mut next = 1_000_000;
    number(&mut before, &mut next);
    number(&mut after, &mut next);
    let diff = between(&before, &after);
    let (_, elements) = store("diff-numbers", html::render_diff(&diff));
    let mut expected = BTreeMap::new();
    sums(&serde_json::to_value(&diff).expect("JSON"), &mut expected);
    assert!(expected.len() > 150, "{}", expected.len());
    let text = text_of(&elements, "body");
    let missing: Vec<&String> = expected.keys().filter(|shown| !text.contains(shown.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new());
    // The cells are those of their rows.
    let shown = |caption: &str| table(&elements, caption);
    let findings = shown("Findings of the summary after only");
    let new = &diff.findings.new[0];
    let flows = HumanCount(new.facts.tally.flows).to_string();
    assert_eq!((findings.len(), &findings[0][1], &findings[0][4]), (1, &new.title, &flows));
    let pairs = diff.vpc_pairs.as_ref().expect("a topology");
    let rows = shown("Accepted bytes and rejected flows, the greatest change first");
    assert_eq!(rows.len(), pairs.len());
    for (row, pair) in rows.iter().zip(pairs) {
        let (before, after) = (pair.change.before, pair.change.after);
        let bytes = [before, after].map(|traffic| DecimalBytes(traffic.accepted.bytes).to_string());
        let rejected = [before, after].map(|traffic| HumanCount(traffic.rejected.flows).to_string());
        assert_eq!(row[3..], [bytes, rejected].concat());
    }
}

#[test]
fn the_verdict_of_a_diff_is_first_and_in_words() {
    let (before, after) = two_days();
    let title = |diff: &Diff| {
        let page = html::render_diff(diff);
        text_of(&parse(&page), "h1").to_owned()
    };
    let diff = between(&before, &after);
    let (page, elements) = store("diff", html::render_diff(&diff));
    assert_eq!(text_of(&elements, "h1"), "WORSE. Findings: 1 new, 1 changed, 3 gone, 16 ongoing");
    assert!(page.contains("A finding is new, has a higher severity, or is no longer suppressed."));
    let changed = &table(&elements, "Findings of both summaries that changed")[0];
    let change = diff.findings.changed[0].in_words();
    assert_eq!((&changed[3], change.starts_with("severity low → ")), (&change, true));
    let ongoing = table(&elements, "Findings of both summaries that did not change");
    assert_eq!(ongoing.len(), 16);
    // Nothing is new, but the later summary hides findings.
    let mut hidden = before.clone();
    hidden["failed"] = json!([{"uri": "a.log", "error": "cut off"}]);
    hidden["window"]["end"] = json!("2026-11-25T06:00:00Z");
    let diff = between(&before, &hidden);
    let (_, elements) = store("diff-unknown", html::render_diff(&diff));
    let text = text_of(&elements, "body");
    assert!(text_of(&elements, "h1").starts_with("UNKNOWN. Findings: 0 new"));
    for expected in [
        "No listed finding is worse, but the summary after may hide some: 1 input could not be read",
        "The windows have different lengths: compare flows and bytes with care.",
        "None is listed, but a summary does not have everything.",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("is not certain"), "an empty list has nothing that is uncertain");
    let mut fewer = before.clone();
    list(&mut fewer, "/findings").pop();
    let diff = between(&hidden, &fewer);
    let text = html::render_diff(&diff);
    assert!(title(&diff).starts_with("NO WORSE. Findings: 0 new, 0 changed, 1 gone"), "{}", title(&diff));
    assert!(text.contains("None.") && text.contains("Suppressed ones do not count."));
    let diff = between(&hidden, &before);
    assert_eq!(title(&diff), "NO WORSE. Findings: 0 new, 0 changed, 0 gone, 20 ongoing");
    let diff = between(&fewer, &hidden);
    assert!(title(&diff).starts_with("WORSE. Findings: 1 new"));
    let without_topology = json!({"peering": null});
    let mut old = before.clone();
    old["peering"] = without_topology["peering"].clone();
    let text = html::render_diff(&between(&old, &before));
    assert!(text.contains("Not compared: at least one summary was made without a topology (--topology)."));
    assert!(text.contains("it was made without a topology"));
}

#[test]
fn lists_that_may_be_wrong_say_why() {
    let (mut before, mut after) = two_days();
    for summary in [&mut before, &mut after] {
        summary["rejected"]["group_count"] = json!(list(summary, "/rejected/groups").len());
    }
    let new = "The list is not certain: the summary before does not have everything.";
    let gone = "The list is not certain: the summary after does not have everything.";
    let lists = [
        ("New findings: 1", new),
        ("Gone findings: 3", gone),
        ("New rejected connections: 1", new),
        ("Gone rejected connections: 1", gone),
    ];
    for (skipped_before, skipped_after) in [(1, 1), (1, 0), (0, 1), (0, 0)] {
        before["records"]["skip_data"] = json!(skipped_before);
        after["records"]["skip_data"] = json!(skipped_after);
        let page = html::render_diff(&between(&before, &after));
        let elements = parse(&page);
        let text = text_of(&elements, "body");
        for (heading, remark) in lists {
            let skipped = if remark == new { skipped_before } else { skipped_after };
            assert_eq!(text.contains(&format!("{heading}{remark}")), skipped > 0, "{heading}: {text}");
        }
    }
}

#[test]
fn hostile_names_of_summaries_stay_text_in_a_diff() {
    let (mut before, mut after) = two_days();
    for summary in [&mut before, &mut after] {
        for finding in list(summary, "/findings") {
            finding["title"] = json!(HOSTILE);
        }
        for group in list(summary, "/rejected/groups") {
            group["interface_name"] = json!(HOSTILE);
            group["src"]["name"] = json!(HOSTILE);
            group["dst"]["name"] = json!(HOSTILE);
        }
        for pair in list(summary, "/peering/vpc_pairs") {
            pair["src_vpc_name"] = json!(HOSTILE);
            pair["dst_vpc_id"] = json!(HOSTILE);
            pair["peering_connection_name"] = json!(HOSTILE);
        }
        summary["filters"] = json!({"since": null, "until": null, "interface_ids": [HOSTILE], "vpc_ids": [], "addresses": [], "ports": [],
                                    "actions": [], "min_severity": null, "findings_left_out": 0});
    }
    after["rejected"]["groups"][0]["interface_id"] = json!(HOSTILE);
    let diff = compare((HOSTILE, &read(&before)), (HOSTILE, &read(&after)));
    let (page, elements) = store("diff-hostile", html::render_diff(&diff));
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("\\u{202e}") && page.contains("\\u{1b}"));
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    for part in ["\"'><script>alert(1)</script>", "filters left out records"] {
        assert!(text_of(&elements, "main").contains(part), "{part}");
    }
}

#[test]
fn no_diff_makes_a_large_page() {
    let (before, after) = two_days();
    let mut diff = between(&before, &after);
    let long = "\"<&>\u{202e}'".repeat(200);
    let mut grow = |row: &mut flowsentry::summary::diff::FindingRow| row.title.clone_from(&long);
    for rows in [&mut diff.findings.new, &mut diff.findings.gone] {
        rows.iter_mut().for_each(&mut grow);
        *rows = rows.iter().cloned().cycle().take(5000).collect();
    }
    for rows in [&mut diff.findings.changed, &mut diff.findings.ongoing] {
        rows.iter_mut().for_each(|row| row.title.clone_from(&long));
        *rows = rows.iter().cloned().cycle().take(5000).collect();
    }
    for rows in [&mut diff.rejected_groups.new, &mut diff.rejected_groups.gone] {
        for row in rows.iter_mut() {
            for text in [&mut row.interface_id, &mut row.interface_name, &mut row.src_name, &mut row.dst_name] {
                *text = Some(long.clone());
            }
        }
        *rows = rows.iter().cloned().cycle().take(5000).collect();
    }
    let pairs = diff.vpc_pairs.as_mut().expect("a topology");
    for pair in pairs.iter_mut() {
        pair.src_vpc_id.clone_from(&long);
        for name in [&mut pair.src_vpc_name, &mut pair.dst_vpc_name, &mut pair.peering_connection_name] {
            *name = Some(long.clone());
        }
    }
    *pairs = pairs.iter().cloned().cycle().take(5000).collect();
    for side in [&mut diff.before, &mut diff.after] {
        side.file.clone_from(&long);
        side.lacks = vec![long.clone(); 500];
    }
    diff.undecided = vec![long; 500];
    let (page, elements) = store("diff-largest", html::render_diff(&diff));
    assert!(page.len() > 300_000, "{} bytes: the case fills the lists", page.len());
    let text = text_of(&elements, "body");
    for member in
        ["findings.new", "findings.changed", "findings.gone", "findings.ongoing", "rejected_groups.new", "vpc_pairs"]
    {
        assert!(text.contains(&format!(" more, in {member} of the output of --format json")), "{member}");
    }
}

#[test]
fn a_diff_of_equal_summaries_is_a_valid_page() {
    let summary = every_finding();
    let page = html::render_diff(&between(&summary, &summary));
    let elements = parse(&page);
    check(&page, &elements);
    assert_eq!(text_of(&elements, "h1"), "NO WORSE. Findings: 0 new, 0 changed, 0 gone, 21 ongoing");
}
