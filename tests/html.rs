//! Checks pages without a browser: that they are well-formed and self-contained, that untrusted text stays text, that every type of finding
//! and all numbers are shown, and that no summary makes a page large.
//!
//! The pages are written to `target/tmp/html`, where `tools/html_check.py` opens them in a browser.

#![expect(clippy::disallowed_methods, reason = "golden folders and pages are files")]

#[path = "html/diff.rs"]
mod diff;
#[path = "html/explain.rs"]
mod explain;
#[path = "support/flow_log.rs"]
mod flow_log;
#[path = "html/page.rs"]
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use flowsentry::findings::types::{FindingType, Severity};
use flowsentry::findings::{meaning, next_step};
use flowsentry::html;
use flowsentry::summary::Summary;
use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use page::{Element, parse, table};

/// Elements that a page may have: none of them loads anything.
const ELEMENTS: &str = "html head meta title style body header nav main section footer article div p span a h1 h2 h3 h4 ul ol li dl dt dd \
    strong code bdi time details summary figure figcaption table caption thead tbody tr th td svg g path rect circle polygon text";
/// Attributes that a page may have. None of them holds an address, but `href`, which leads to a part of the page.
const ATTRIBUTES: &str = "lang charset http-equiv content name id class role tabindex scope href datetime aria-label aria-labelledby \
    aria-hidden width height viewBox preserveAspectRatio d x y cx cy r rx points text-anchor stroke-width";
/// Characters of untrusted text that must not act.
const HOSTILE: &str =
    "\"'><script>alert(1)</script><img src=http://evil.example/x style=\"a\">&amp;\u{202e}\u{1b}[2J\u{0}\u{200b}]]>";

/// Renders the page of a summary, and stores it for the check in a browser.
fn render(name: &str, summary: &Summary) -> (String, Vec<Element>) {
    store(name, html::render(summary))
}

/// Checks a page, and stores it for the check in a browser.
fn store(name: &str, page: String) -> (String, Vec<Element>) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("html");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(format!("{name}.html")), &page).expect("a file");
    let elements = parse(&page);
    check(&page, &elements);
    (page, elements)
}

/// Returns the text of the first element with this name.
fn text_of<'e>(elements: &'e [Element], name: &str) -> &'e str {
    &elements.iter().find(|element| element.name == name).expect(name).text
}

/// Checks what must hold for every page.
fn check(page: &str, elements: &[Element]) {
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"));
    let invisible = |c: char| c != '\n' && (c.is_control() || "\u{200b}\u{202e}\u{2066}\u{feff}".contains(c));
    assert_eq!(page.chars().find(|c| invisible(*c)), None);
    let has = |list: &str, name: &str| list.split_whitespace().any(|known| known == name);
    let ids: Vec<&str> = elements.iter().map(|it| it.attribute("id")).filter(|id| !id.is_empty()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "distinct ids");
    let regions = elements.iter().filter(|it| it.attribute("role") == "region").map(|it| it.attribute("aria-label"));
    let regions: Vec<&str> = regions.collect();
    assert_eq!(regions.iter().collect::<BTreeSet<_>>().len(), regions.len(), "distinct regions");
    for element in elements {
        assert!(has(ELEMENTS, &element.name), "<{}>", element.name);
        for (name, value) in &element.attributes {
            assert!(has(ATTRIBUTES, name), "{name} of <{}>", element.name);
            match name.as_str() {
                "href" => assert!(ids.contains(&value.strip_prefix('#').expect("a part of the page")), "{value}"),
                "aria-labelledby" => assert!(ids.contains(&value.as_str()), "{value}"),
                _ => {}
            }
        }
        if element.name == "th" {
            assert!(["row", "col"].contains(&element.attribute("scope")), "{}", element.text);
        }
    }
    check_tables_and_headings(elements);
    check_policy(elements);
}

fn check_tables_and_headings(elements: &[Element]) {
    let count = |name: &str| elements.iter().filter(|element| element.name == name).count();
    assert_eq!((count("table"), count("h1"), count("main")), (count("caption"), 1, 1));
    let mut last = 0;
    for heading in elements.iter().filter_map(|it| it.name.strip_prefix('h')?.parse::<u32>().ok()) {
        assert!(heading <= last + 1, "h{heading} after h{last}");
        last = heading;
    }
}

/// Checks that the policy allows only the style sheet, and that the style sheet loads nothing.
fn check_policy(elements: &[Element]) {
    let style: Vec<&Element> = elements.iter().filter(|element| element.name == "style").collect();
    assert_eq!(style.len(), 1);
    let style = style[0];
    let hash = BASE64_STANDARD.encode(Sha256::digest(&style.text));
    let policy = elements.iter().find(|it| it.attribute("http-equiv") == "Content-Security-Policy").expect("a policy");
    let expected = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
    assert_eq!(policy.attribute("content"), expected);
    for address in ["url(", "@import", "http", "//", "image(", "src("] {
        assert!(!style.text.contains(address), "{address}");
    }
}

/// Returns a golden summary as JSON.
fn golden(case: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case).join("summary.json");
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn read(summary: &Value) -> Summary {
    serde_json::from_value(summary.clone()).expect("a summary")
}

fn intervals(number: i64) -> Value {
    let bucket = |index: i64| {
        let start = jiff::Timestamp::from_second(1_795_413_600 + 60 * index).expect("a time").to_string();
        let counters = |flows: i64| json!({"flows": flows, "packets": flows, "bytes": 100 * flows});
        json!({"start": start, "seconds": 60, "accepted": counters(1000 + 37 * (index % 60)), "rejected": counters(index % 7)})
    };
    (0..number).map(bucket).collect()
}

/// Returns the summary that has a finding of every type, with a timeline.
fn every_finding() -> Value {
    let mut summary = golden("made-every-finding");
    summary["timeline"] = intervals(30);
    summary
}

#[test]
fn all_golden_summaries_are_valid_pages() {
    for case in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")).expect("golden folders") {
        let case = case.expect("a folder").file_name().into_string().expect("UTF-8");
        let page = html::render(&read(&golden(&case)));
        check(&page, &parse(&page));
    }
}

#[test]
fn every_type_of_finding_has_meaning_and_next_step() {
    let summary = read(&every_finding());
    let (_, elements) = render("every-finding", &summary);
    let all = &elements.iter().find(|element| element.name == "body").expect("a body").text;
    let types: BTreeSet<&str> = summary.findings.iter().map(|finding| finding.finding_type.name()).collect();
    assert_eq!(types.len(), FindingType::ALL.len(), "the summary has all types");
    for finding_type in FindingType::ALL {
        assert!(all.contains(finding_type.name()), "{finding_type:?}");
        assert!(all.contains(&meaning(*finding_type).replace('`', "")), "{finding_type:?}");
    }
    for finding in &summary.findings {
        let next = finding.next_step.as_deref().unwrap_or_else(|| next_step(finding.finding_type)).replace('`', "");
        assert!(all.contains(&finding.title) && all.contains(&next), "{}", finding.title);
    }
}

#[test]
fn numbers_are_those_of_the_summary() {
    let mut stored = every_finding();
    stored["rejected"]["by_cause"][0]["flows"] = json!(12_345);
    let summary = read(&stored);
    let (_, elements) = render("every-finding-2", &summary);
    let plain = |text: &str| text.replace(',', "").parse::<u64>().expect("a number");
    let records = &summary.records;
    let classes: BTreeMap<String, u64> =
        table(&elements, "Records by class").into_iter().map(|row| (row[0].clone(), plain(&row[1]))).collect();
    assert_eq!(
        (classes["All"], classes["Accepted"], classes["Rejected"]),
        (records.total, records.accepted, records.rejected)
    );
    let flows = |caption: &str, column: usize| -> Vec<u64> {
        table(&elements, caption).iter().map(|row| plain(&row[column])).collect()
    };
    let causes: Vec<u64> = summary.rejected.by_cause.iter().map(|row| row.tally.flows).collect();
    assert_eq!((flows("Rejected flows by cause", 1), causes[0]), (causes.clone(), 12_345));
    let pairs = &summary.peering.as_ref().expect("peering").vpc_pairs;
    let sums: Vec<[u64; 3]> =
        pairs.iter().map(|p| [p.traffic.accepted.flows, p.traffic.rejected.flows, p.unanswered.flows]).collect();
    let caption = "Flows between VPCs, by direction";
    let shown: Vec<[u64; 3]> =
        table(&elements, caption).iter().map(|row| [plain(&row[3]), plain(&row[5]), plain(&row[6])]).collect();
    assert_eq!(shown, sums);
    let times: Vec<[u64; 2]> =
        summary.timeline.iter().map(|it| [it.traffic.accepted.flows, it.traffic.rejected.flows]).collect();
    assert_eq!((flows("Flows by time", 1), flows("Flows by time", 3)), times.iter().map(|[a, r]| (*a, *r)).unzip());
    let groups: Vec<u64> = summary.rejected.groups.iter().take(25).map(|group| group.tally.flows).collect();
    assert_eq!(flows("Rejected connections with the most flows", 0), groups);
}

#[test]
fn hostile_names_and_logs_stay_text() {
    let tags = json!([{"Key": "Name", "Value": HOSTILE}]);
    let vpc = |id: &str, block: &str| json!({"VpcId": id, "CidrBlock": block, "Tags": tags});
    let topology = json!({"Vpcs": [vpc("vpc-a", "10.1.0.0/16"), vpc("vpc-b", "10.2.0.0/16")]});
    let mut resources = Resources::default();
    resources.read("topology.json", topology.to_string().as_bytes()).expect("JSON");
    let log = "interface-id srcaddr dstaddr srcport dstport protocol action <script>x</script>\n\
        eni-\"><script>alert(1)</script> 10.1.0.1 10.2.0.1 5000 443 6 REJECT <b>\n\
        eni-\u{202e}<b> 10.1.0.1 10.2.0.1 5001 443 6 ACCEPT &amp;\n\
        <script>alert(1)</script>\u{1b}[2J\n";
    let topology = Arc::new(Topology::new(resources));
    let mut summary = flow_log::summarize([("<script>.log.gz", &flow_log::gzip(log.as_bytes())[..])], Some(&topology));
    summary.failed.push(flowsentry::summary::InputFailure { uri: HOSTILE.to_owned(), error: HOSTILE.to_owned() });
    let (page, elements) = render("hostile", &summary);
    assert!(
        page.contains("&lt;script&gt;alert(1)") && page.contains("\\u{202e}") && page.contains("\\u{1b}"),
        "{page}"
    );
    let text = &elements.iter().find(|element| element.name == "body").expect("a body").text;
    for part in ["\"'><script>alert(1)</script>", "eni-\"><script>", "<script>.log"] {
        assert!(text.contains(part), "{part}");
    }
}

/// Replaces every text that has no fixed form by one that grows when it is escaped, and every list by one of this length.
fn fill(value: &mut Value, key: &str, length: usize) {
    const FIXED: &[&str] = &[
        "schema",
        "shape",
        "type",
        "severity",
        "confidence",
        "evidence",
        "cause",
        "direction",
        "kind",
        "scope",
        "dst_scope",
        "action",
        "first_seen",
        "last_seen",
        "start",
        "end",
        "srcaddr",
        "dstaddr",
        "cidr_block",
        "verdict",
        "reason",
        "causes",
        "status_code",
    ];
    match value {
        Value::Array(values) if !values.is_empty() && key != "timeline" && key != "evidence" => {
            values.iter_mut().for_each(|value| fill(value, key, 8));
            let pattern = std::mem::take(values);
            *values = pattern.into_iter().cycle().take(length).collect();
        }
        Value::Object(members) => members.iter_mut().for_each(|(key, value)| {
            let length = if length < 10 { length } else { 120 };
            fill(value, key, length);
        }),
        Value::String(text) if !FIXED.contains(&key) => *text = "\"<&>\u{202e}'".repeat(100),
        Value::Null if ["name", "vpc_name", "next_step", "interface_name"].contains(&key) => {
            *value = json!("\"".repeat(900));
        }
        _ => {}
    }
}

#[test]
fn no_summary_makes_a_large_page() {
    let mut stored = every_finding();
    let schema = stored["schema"].take();
    fill(&mut stored, "", 120);
    stored["schema"] = schema;
    stored["timeline"] = intervals(1000);
    let largest = json!({"flows": u64::MAX, "packets": u64::MAX, "bytes": u64::MAX});
    stored["traffic"] = json!({"accepted": largest, "rejected": largest});
    let pair = stored["peering"]["vpc_pairs"][0].clone();
    let pairs = (0..60).flat_map(|a| (0..60).map(move |b| (a, b))).filter(|(a, b)| a != b).map(|(a, b)| {
        let mut pair = pair.clone();
        let id = |number: i32| format!("{number:02}{}", "\"".repeat(90));
        pair["src_vpc_id"] = id(a).into();
        pair["dst_vpc_id"] = id(b).into();
        for name in ["src_vpc_name", "dst_vpc_name"] {
            pair[name] = Value::Null;
        }
        for sums in ["accepted", "rejected", "unanswered"] {
            pair[sums] = json!({"flows": u64::MAX, "packets": u64::MAX, "bytes": u64::MAX});
        }
        pair
    });
    stored["peering"]["vpc_pairs"] = pairs.collect();
    let summary = read(&stored);
    assert!(summary.findings.len() >= 100 && summary.rejected.groups.len() >= 100);
    let (page, elements) = render("largest", &summary);
    assert!(page.len() > 300_000, "{} bytes: the case fills the lists", page.len());
    let text = &elements.iter().find(|element| element.name == "body").expect("a body").text;
    for left_out in [
        "rejected.groups",
        "rejected.by_interface",
        "peering.vpc_pairs",
        "findings",
        "timeline",
        "sources",
        "20 other VPCs",
    ] {
        assert!(text.contains(left_out), "{left_out}");
    }
}

#[test]
fn an_empty_summary_gives_no_all_clear() {
    let title = |summary: &Summary| {
        let page = html::render(summary);
        parse(&page).into_iter().find(|element| element.name == "h1").expect("a heading").text
    };
    let none = flow_log::summarize([("a.log", &b"version srcaddr action\n"[..])], None);
    assert_eq!(title(&none), "Unknown: no records were read");
    let no_traffic = flow_log::summarize([("a.log", &b"version log-status\n5 NODATA\n"[..])], None);
    assert_eq!(title(&no_traffic), "Unknown: no record is of accepted or rejected traffic");
    let mut accepted = flow_log::summarize([("a.log", &b"version action\n5 ACCEPT\n"[..])], None);
    assert_eq!(title(&accepted), "No problem found in your network");
    accepted.failed.push(flowsentry::summary::InputFailure { uri: "b.log".to_owned(), error: "cut off".to_owned() });
    assert_eq!(title(&accepted), "Unknown: no problem listed in your network, but 1 input could not be read");
    accepted.sources.clear();
    assert_eq!(title(&accepted), "No input could be read");
    let malformed = flow_log::summarize([("a.log", &b"version action\n5 ACCEPT\nx\ny\n"[..])], None);
    assert_eq!(title(&malformed), "Unknown: 2 of 3 records are malformed");
    let gaps = b"version interface-id start end log-status\n5 eni-1 1 2 SKIPDATA\n";
    let gaps = flow_log::summarize([("a.log", &gaps[..])], None);
    assert_eq!(
        (title(&gaps).as_str(), gaps.findings.len()),
        ("Unknown: no record is of accepted or rejected traffic", 1)
    );
}

/// Returns the text of a tile.
fn tile(elements: &[Element], label: &str) -> String {
    let (index, _) = elements.iter().enumerate().find(|(_, it)| it.name == "dt" && it.text == label).expect(label);
    let value = elements[index..].iter().find(|it| it.name == "dd").expect("a value");
    value.text.clone()
}

#[test]
fn what_is_left_out_gives_no_all_clear() {
    let scan: String = (1..30).map(|port| format!("8.8.8.8 10.0.0.1 50000 {port} 6 REJECT 2\n")).collect();
    let log = format!("srcaddr dstaddr srcport dstport protocol action tcp-flags\n{scan}");
    let whole = flow_log::summarize([("a.log", log.as_bytes())], None);
    let shown = |summary: &Summary| {
        let elements = parse(&html::render(summary));
        let title = elements.iter().find(|element| element.name == "h1").expect("a heading").text.clone();
        (title, tile(&elements, "Findings"), tile(&elements, "Internet scanners"), elements)
    };
    let (title, findings, scanners, _) = shown(&whole);
    assert_eq!(title, "No problem found in your network; 1 source on the internet scans it");
    assert_eq!((findings.as_str(), scanners.as_str()), ("1 0 high, 1 medium, 0 low", "1 rejected source"));
    let mut selected = whole.clone();
    selected.keep_findings(Severity::High);
    let (title, findings, scanners, elements) = shown(&selected);
    assert_eq!(title, "Unknown: no problem listed in your network, but 1 finding below high is not listed");
    assert_eq!((findings.as_str(), scanners.as_str()), ("0 0 high, 1 left out", "- scans below high are left out"));
    assert!(elements.iter().any(|it| it.name == "p" && it.text.ends_with("1 finding below high is not listed.")));
    let mut later = serde_json::to_value(&whole).expect("JSON");
    later["findings"][0]["type"] = json!("time-travel");
    let later = flowsentry::summary::json::read(later.to_string().as_bytes()).expect("a summary");
    let (title, findings, _, elements) = shown(&later);
    assert_eq!(title, "Unknown: no problem listed in your network, but 1 finding is unknown to this version");
    assert_eq!(findings, "0 0 high, 0 medium, 0 low, 1 unknown");
    assert!(elements.iter().any(|it| it.name == "p" && it.text.contains("does not know: 1 of findings.")));
}

#[test]
fn a_page_of_a_selection_says_so_in_each_section() {
    let filters = json!({"since": null, "until": null, "interface_ids": [], "vpc_ids": [], "addresses": [], "ports": [],
        "actions": ["ACCEPT"], "min_severity": null, "findings_left_out": 0});
    let mut selected = golden("aws-accepted-and-rejected");
    for member in ["findings", "timeline"] {
        selected[member] = json!([]);
    }
    selected["traffic"]["rejected"] = json!({"flows": 0, "packets": 0, "bytes": 0});
    for list in ["rejected_sources", "rejected_ports", "talkers"] {
        selected["top"][list] = json!([]);
    }
    selected["records"]["filtered"] = json!(1);
    selected["filters"] = filters;
    let text = |summary: &Summary| {
        let elements = parse(&html::render(summary));
        elements.iter().find(|element| element.name == "body").expect("a body").text.clone()
    };
    let page = text(&read(&selected));
    for expected in [
        "Unknown: no problem listed in your network, but 1 of 2 records are left out by --action ACCEPT",
        "This is a selection. 1 of 2 records is left out by --action ACCEPT.",
        "No record that the filters leave is of rejected traffic.",
        "No record that the filters leave of accepted or rejected traffic has a start.",
        "No traffic that the filters leave has addresses or ports.",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    selected["filters"] = Value::Null;
    let page = text(&read(&selected));
    let expected = "This is a selection. 1 of 2 records is left out by filters that this version does not know.";
    assert!(page.contains(expected), "{page}");
}

#[test]
fn a_scan_that_was_let_through_is_a_problem() {
    let record = |port: u16, action: &str| format!("8.8.8.8 10.0.0.1 50000 {port} 6 {action} 2\n");
    let scan: String = (1..30).map(|port| record(port, "REJECT")).collect();
    let page = |accepted: &str| {
        let log = format!("srcaddr dstaddr srcport dstport protocol action tcp-flags\n{scan}{accepted}");
        let page = html::render(&flow_log::summarize([("a.log", log.as_bytes())], None));
        parse(&page).into_iter().find(|element| element.name == "h1").expect("a heading").text
    };
    assert_eq!(page(""), "No problem found in your network; 1 source on the internet scans it");
    assert_eq!(page(&record(443, "ACCEPT")), "1 problem in your network: 1 high");
}

/// Returns the text of the page without its head.
fn body(elements: &[Element]) -> &str {
    &elements.iter().find(|element| element.name == "body").expect("a body").text
}

/// Returns the page of a stored summary, as JSON that was changed.
fn page_of(name: &str, stored: &Value) -> Vec<Element> {
    let summary = flowsentry::summary::json::read(stored.to_string().as_bytes()).expect("a summary");
    render(name, &summary).1
}

#[test]
fn the_reason_of_approximate_numbers_is_true() {
    let limit = "A memory limit was reached";
    let closed = "Closed partials were merged";
    let with = |change: fn(&mut Value)| {
        let mut stored = every_finding();
        change(&mut stored);
        let elements = page_of("approximate", &stored);
        [limit, closed].map(|reason| body(&elements).matches(reason).count())
    };
    assert_eq!(with(|_| {}), [0, 0]);
    assert_eq!(with(|it| it["rejected"]["by_cause_exact"] = json!(false)), [0, 1]);
    assert_eq!(with(|it| it["rejected"]["exact"] = json!(false)), [1, 0]);
    assert_eq!(with(|it| it["peering"]["exact"] = json!(false)), [0, 1]);
    let both = |it: &mut Value| {
        it["peering"]["exact"] = json!(false);
        it["limits_reached"] = json!(["max_address_pairs"]);
    };
    assert_eq!(with(both), [1, 0]);
    let other = |it: &mut Value| {
        it["peering"]["exact"] = json!(false);
        it["limits_reached"] = json!(["max_formats"]);
    };
    assert_eq!(with(other), [0, 1]);
}

#[test]
fn a_limit_beside_findings_says_what_may_be_missing() {
    for (limit, expected) in [("max_rejected_groups", true), ("max_formats", false)] {
        let mut stored = every_finding();
        stored["limits_reached"] = json!([limit]);
        let elements = page_of("limit", &stored);
        assert!(body(&elements).contains(&format!("Memory limits were reached: {limit}. Totals are exact.")));
        assert_eq!(body(&elements).contains("Totals are exact. Findings may be missing."), expected, "{limit}");
    }
}

#[test]
fn what_an_earlier_version_lacks_is_not_made_up() {
    let mut old = every_finding();
    for name in ["timeline", "top"] {
        old.as_object_mut().expect("an object").remove(name).expect(name);
    }
    for name in ["by_rule", "by_cause", "by_cause_exact"] {
        old["rejected"].as_object_mut().expect("an object").remove(name).expect(name);
    }
    let elements = page_of("earlier-version", &old);
    let text = body(&elements);
    assert_eq!(text.matches("is of an earlier version, and does not have").count(), 4, "{text}");
    assert!(!text.contains("memory limit") && !text.contains("No rule is known"), "{text}");
}

#[test]
fn a_page_without_intervals_has_the_true_reason() {
    let reason = |log: &str| {
        let elements = parse(&html::render(&flow_log::summarize([("a.log", log.as_bytes())], None)));
        let title = elements.iter().position(|it| it.attribute("id") == "timeline-title").expect("a timeline");
        elements[title + 1].text.clone()
    };
    assert_eq!(reason("version start end log-status\n5 1 2 NODATA\n"), "No record is of accepted or rejected traffic.");
    assert_eq!(reason("version action\n5 ACCEPT\n"), "No record of accepted or rejected traffic has a start.");
    assert_eq!(reason("version action\n"), "There are no records.");
}

#[test]
fn vpcs_with_one_name_have_different_labels() {
    let mut stored = every_finding();
    let pairs = stored["peering"]["vpc_pairs"].as_array_mut().expect("a list");
    for pair in pairs.iter_mut() {
        pair["src_vpc_name"] = json!("prod");
        pair["dst_vpc_name"] = json!("prod");
    }
    let elements = page_of("same-names", &stored);
    let distinct = |labels: &[String]| labels.iter().collect::<BTreeSet<_>>().len() == labels.len() && labels.len() > 1;
    let text = |name: &str| -> Vec<String> {
        let all = elements.iter().filter(|it| it.name == name && it.text.starts_with("prod"));
        all.map(|it| it.text.clone()).collect()
    };
    assert!(distinct(&text("text")), "{:?}", text("text"));
    let matrix = elements.iter().position(|it| it.attribute("class").starts_with("matrix")).expect("a matrix");
    let headings = |scope: &str| -> Vec<String> {
        let cells = elements[matrix..].iter().take_while(|it| it.attribute("class") != "data twin");
        let cells = cells.filter(|it| it.name == "th" && it.attribute("scope") == scope && it.text.starts_with("prod"));
        cells.map(|it| it.text.clone()).collect()
    };
    assert!(distinct(&headings("row")), "{:?}", headings("row"));
    assert_eq!(headings("col"), headings("row"));
    assert!(text("title").iter().any(|title| title.contains(") to prod (…")), "{:?}", text("title"));
}

#[test]
fn classes_of_records_add_up_with_a_filter() {
    let mut summary = read(&every_finding());
    summary.records.filtered = 1234;
    summary.records.total += 1234;
    let elements = parse(&html::render(&summary));
    let numbers = table(&elements, "Records by class");
    let numbers: Vec<u64> = numbers.iter().map(|row| row[1].replace(',', "").parse().expect("a number")).collect();
    let (all, classes) = numbers.split_last().expect("rows");
    assert_eq!((*all, classes.iter().sum()), (summary.records.total, summary.records.total));
}

#[test]
fn cut_lists_name_the_member_that_has_more() {
    let mut summary = read(&every_finding());
    summary.rejected.group_count = 1172;
    let listed = summary.rejected.groups.len();
    let notes = |summary: &Summary| -> Vec<String> {
        let elements = parse(&html::render(summary));
        elements.iter().filter(|it| it.attribute("class") == "note").map(|it| it.text.clone()).collect()
    };
    let has = |number: usize| {
        format!("rejected.groups of the JSON summary has {number} of them, and has more with a higher --top.")
    };
    assert!(notes(&summary).contains(&has(listed)), "{:?}", notes(&summary));
    summary.rejected.groups.clear();
    assert!(notes(&summary).contains(&has(0)), "{:?}", notes(&summary));
    let peering = summary.peering.as_mut().expect("peering");
    let pair = peering.vpc_pairs[0].clone();
    let vpcs = |number: usize| {
        (0..number).map(|n| flowsentry::summary::VpcPair { src_vpc_id: format!("vpc-{n}"), ..pair.clone() })
    };
    peering.vpc_pairs = vpcs(20).collect();
    assert!(notes(&summary).iter().any(|note| note.ends_with("are left out. The matrix has them.")));
    summary.peering.as_mut().expect("peering").vpc_pairs = vpcs(60).collect();
    let all = "are left out. peering.vpc_pairs of the JSON summary has all pairs.";
    assert!(notes(&summary).iter().any(|note| note.ends_with(all)), "{:?}", notes(&summary));
}

#[test]
fn a_long_finding_hides_no_other() {
    let mut summary = read(&every_finding());
    let (first, example) = (summary.findings[0].clone(), summary.findings[0].examples[0].clone());
    summary.findings[0].examples = vec![example; 1000];
    let cards = |summary: &Summary| {
        let (_, elements) = render("long-finding", summary);
        elements.iter().filter(|it| it.name == "article").count()
    };
    let whole = cards(&summary);
    assert_eq!(whole, cards(&read(&every_finding())));
    // Names are truncated, and there are many.
    let id = |n: usize| format!("vpc-{n}");
    summary.findings[0] = flowsentry::findings::types::Finding {
        subject: flowsentry::findings::types::Subject::CidrBlock { cidr_block: "10.0.0.0/8".parse().expect("a block") },
        title: "\"".repeat(1000),
        next_step: Some("`".repeat(1000)),
        names: (0..5).map(|n| (id(n), "\"".repeat(400))).collect(),
        details: flowsentry::findings::types::Details::CandidateVpcs { vpc_ids: (0..5).map(id).collect() },
        ..first
    };
    summary.findings[0].severity = Severity::Low;
    summary.findings = vec![summary.findings[0].clone(); 40];
    // Those that the verdict links to are there, some of them without evidence.
    assert_eq!(cards(&summary), 4);
    assert!(html::render(&summary).contains("The evidence is too long for this page."));
}
