use serde_json::Value;

use super::mail::{Digest, LINES};
use super::*;
use crate::lambda::delivery::memory::{self, Claim, Decision, Notice, Sender, Sent, Sighting};

const HOUR: i64 = 60 * 60;
const SEEN: i64 = 1_795_932_000;

fn day(text: &str) -> Date {
    text.parse().expect("a date")
}

fn entry(id: u32, severity: Severity, memory: impl FnOnce(&mut Memory)) -> Entry {
    let sent = Sent { notice: Notice::New, severity, uid: "u".to_owned(), last_seen: SEEN };
    let mut stored = Memory {
        first_seen: SEEN - HOUR,
        last_seen: SEEN,
        first_sent: Some(SEEN),
        sent: Some(sent),
        claim: None,
        ended: None,
        digest: None,
    };
    memory(&mut stored);
    let about = About {
        finding_type: "port-scan".to_owned(),
        title: format!("scan {id}."),
        subject: "srcaddr 10.0.0.1".to_owned(),
        members: [("srcaddr".to_owned(), "10.0.0.1".to_owned())].into(),
        next_step: "Look.".to_owned(),
        account_id: Some("123456789012".to_owned()),
        region: Some("eu-west-1".to_owned()),
        window: None,
        summary: "flowsentry/summaries/x.json".to_owned(),
    };
    Entry::new(&format!("{id:032x}"), about, stored)
}

fn progress(data_until: i64) -> AllProgress {
    let mut all = AllProgress::default();
    all.add(Progress::new(Some("123456789012"), Some("eu-west-1"), data_until));
    all
}

/// Does what a run does to a memory. Returns `None` if nothing changes.
pub(super) fn marked(entry: &Entry, progress: &AllProgress, day: Date) -> Option<Entry> {
    let item = item(entry, progress, day)?;
    let closed = if item.section == Section::Ended { closed(entry, &item, day)? } else { entry.clone() };
    let marked = super::marked(&closed, &item, day).unwrap_or(closed);
    (marked != *entry).then_some(marked)
}

fn section_of(entry: &Entry, progress: &AllProgress, on: &str) -> Option<Section> {
    item(entry, progress, day(on)).map(|item| item.section)
}

#[test]
fn a_finding_is_new_until_listed_then_lasts_and_ends_once() {
    let (first, second, third) = ("2026-11-29", "2026-11-30", "2026-12-01");
    let new = entry(1, Severity::Medium, |_| {});
    let running = progress(SEEN + 25 * HOUR - 1);
    assert_eq!(section_of(&new, &running, first), Some(Section::New));
    let listed = marked(&new, &running, day(first)).expect("listed");
    assert_eq!(section_of(&listed, &running, first), Some(Section::New), "a repetition of the same run");
    assert_eq!(marked(&listed, &running, day(first)), None);
    assert_eq!(section_of(&listed, &running, second), Some(Section::Lasting));
    assert_eq!(marked(&listed, &running, day(second)), None);
    let later = progress(SEEN + 25 * HOUR);
    assert_eq!(section_of(&listed, &later, second), Some(Section::Ended));
    let ended = marked(&listed, &later, day(second)).expect("it has ended");
    assert_eq!(section_of(&ended, &later, second), Some(Section::Ended), "a repetition of the same run");
    assert_eq!((section_of(&ended, &later, third), marked(&ended, &later, day(second))), (None, None));
}

#[test]
fn a_finding_is_not_listed_while_it_is_suppressed() {
    let told = entry(1, Severity::Medium, |_| {});
    let suppressed = |table: &str, on: &str| {
        let toml = format!("{table}\nreason = \"x\"\nexpires = 2026-11-30\n");
        let config = crate::config::Config::from_toml(&toml).expect("valid");
        is_suppressed(&told, &config.exceptions, day(on))
    };
    let by_source = "[[suppress]]\nsubject = {srcaddr = \"10.0.0.1\"}";
    assert!(suppressed(by_source, "2026-11-29") && !suppressed(by_source, "2026-11-30"));
    assert!(suppressed("[[suppress]]\ntypes = [\"port-scan\"]", "2026-11-29"));
    assert!(suppressed("[[trusted_scanners]]\ncidr_blocks = [\"10.0.0.0/24\"]", "2026-11-29"));
    assert!(!suppressed("[[suppress]]\nsubject = {srcaddr = \"10.0.0.2\"}", "2026-11-29"));
    assert!(!suppressed("[[suppress]]\ntypes = [\"host-sweep\"]", "2026-11-29"));
}

/// A listed finding that only the reports of this name have.
fn reported(window: &str) -> Entry {
    let mut entry = entry(1, Severity::Medium, |memory| memory.digest = Some("2026-11-29".to_owned()));
    entry.about = About { account_id: None, region: None, window: Some(window.to_owned()), ..entry.about };
    entry
}

#[test]
fn a_finding_of_reports_ends_with_the_reports_of_its_name() {
    let midnight = SEEN - 6 * HOUR;
    let all = |name: &str, day: i64| {
        let mut all = progress(SEEN + 200 * HOUR);
        let from = midnight + day * 24 * HOUR;
        all.add(Progress::of_window(name, from, from + 24 * HOUR));
        all
    };
    let daily = reported("daily");
    for (all, expected) in [
        (all("daily", 0), Section::Lasting),
        (all("daily", 1), Section::Ended),
        (all("hourly", 3), Section::Lasting),
        (progress(SEEN + 200 * HOUR), Section::Lasting),
    ] {
        assert_eq!(section_of(&daily, &all, "2026-12-01"), Some(expected));
    }
    // It was seen in the first hours of a week.
    let mut weekly = AllProgress::default();
    weekly.add(Progress::of_window("weekly", midnight, midnight + 7 * 24 * HOUR));
    assert_eq!(section_of(&reported("weekly"), &weekly, "2026-12-06"), Some(Section::Lasting));
    assert_eq!(Progress::of_window("daily", 0, 1).key("f/"), "f/state/data/window/daily.json");
}

#[test]
fn a_finding_of_a_single_report_ends_after_a_week() {
    let (once, mut all) = (reported("back-fill"), AllProgress::default());
    all.add(Progress::of_window("back-fill", SEEN - HOUR, SEEN));
    // It was seen on 2026-11-29 at 6:00.
    assert_eq!(section_of(&once, &all, "2026-12-06"), Some(Section::Lasting));
    assert_eq!(section_of(&once, &all, "2026-12-07"), Some(Section::Ended));
    let ended = marked(&once, &all, day("2026-12-07")).expect("it has ended");
    let data_until = ended.memory.ended.as_ref().map(|ended| ended.data_until);
    assert_eq!((data_until, section_of(&ended, &all, "2026-12-08")), (Some(SEEN + 24 * HOUR), None));
}

#[test]
fn a_finding_does_not_end_with_its_log() {
    let listed = entry(1, Severity::Medium, |memory| memory.digest = Some("2026-11-28".to_owned()));
    let elsewhere = {
        let mut all = progress(SEEN);
        all.add(Progress::new(Some("210987654321"), Some("eu-west-1"), SEEN + 90 * HOUR));
        all
    };
    for all in [elsewhere, AllProgress::default()] {
        assert_eq!(section_of(&listed, &all, "2026-11-29"), Some(Section::Lasting));
    }
}

#[test]
fn an_end_that_was_not_sent_is_reported_by_the_next_digest() {
    let (today, tomorrow) = (day("2026-11-30"), day("2026-12-01"));
    let (listed, all) = (entry(1, Severity::Medium, |_| {}), progress(SEEN + 30 * HOUR));
    let ended = item(&listed, &all, today).expect("an item");
    let unsent = closed(&listed, &ended, today).expect("closed");
    assert_eq!(closed(&unsent, &ended, today), Some(unsent.clone()), "a repetition");
    assert_eq!(section_of(&unsent, &all, "2026-12-01"), Some(Section::Ended));
    let again = closed(&unsent, &ended, tomorrow).expect("closed");
    let sent = super::marked(&again, &ended, tomorrow).expect("sent");
    assert_eq!(section_of(&sent, &all, "2026-12-01"), Some(Section::Ended), "a repetition");
    assert_eq!((section_of(&sent, &all, "2026-12-02"), closed(&sent, &ended, day("2026-12-02"))), (None, None));
}

#[test]
fn a_finding_that_returns_during_the_digest_stays_open() {
    let today = day("2026-11-30");
    let (listed, all) = (entry(1, Severity::Medium, |_| {}), progress(SEEN + 30 * HOUR));
    let ended = item(&listed, &all, today).expect("an item");
    let seen = entry(1, Severity::Medium, |memory| memory.last_seen = SEEN + 29 * HOUR);
    assert_eq!(closed(&seen, &ended, today), None, "before the end is stored");
    let closed = closed(&listed, &ended, today).expect("closed");
    let back = SEEN + 29 * HOUR;
    let sighting = Sighting { severity: Severity::Medium, first_seen: back, last_seen: back, uid: "v" };
    let sender = Sender { token: "t", now: back, repeat_seconds: 24 * HOUR, may_wait: false };
    let Decision::Claim(anew) = memory::decide(Some(&closed.memory), &sighting, &sender) else { panic!("not sent") };
    assert_eq!(anew.claim.as_ref().map(|claim| claim.sent.notice), Some(Notice::New));
    let returned = Entry::new(&closed.id, closed.about.clone(), anew);
    assert_eq!(super::marked(&returned, &ended, today), None, "after the end is stored");
    assert_eq!(section_of(&returned, &all, "2026-12-01"), Some(Section::New));
}

#[test]
fn an_unconfirmed_claim_is_listed_and_ends_with_the_finding() {
    let unconfirmed = entry(1, Severity::Medium, |memory| {
        let sent = memory.sent.take().expect("sent");
        memory.claim = Some(Claim { sent, token: "t".to_owned(), claimed_at: SEEN });
    });
    assert_eq!(section_of(&unconfirmed, &progress(SEEN), "2026-11-29"), Some(Section::New));
    let ended = marked(&unconfirmed, &progress(SEEN + 30 * HOUR), day("2026-11-30")).expect("it has ended");
    assert_eq!((ended.memory.claim, ended.memory.ended.map(|ended| ended.data_until)), (None, Some(SEEN + 30 * HOUR)));
}

#[test]
fn one_run_sends_the_digest_of_a_day_and_its_repetition_again() {
    let today = day("2026-11-29");
    let claim = DayState::claim(today, "a", SEEN);
    let decide = |state: &DayState, token, now| DayState::decide(Some(state), token, now);
    assert_eq!(DayState::decide(None, "a", SEEN), DayDecision::Send);
    assert_eq!(decide(&claim, "a", SEEN), DayDecision::Send, "Lambda repeats the run with its request id");
    assert_eq!(decide(&claim, "b", SEEN + LEASE_SECONDS), DayDecision::InProgress);
    assert_eq!(decide(&claim, "b", SEEN + LEASE_SECONDS + 1), DayDecision::Send);
    assert_eq!(decide(&claim, "b", SEEN - LEASE_SECONDS - 1), DayDecision::Send, "a clock that is far ahead");
    assert_eq!(decide(&claim.clone().confirmed(), "a", SEEN), DayDecision::Sent);
    assert_eq!(DayState::parse(&claim.render(), today), Some(claim.clone()));
    assert_eq!(DayState::parse(&claim.render(), day("2026-11-30")), None);
}

#[test]
fn days_and_keys_are_in_utc() {
    assert_eq!(day_of("2026-11-29T23:30:00-05:00"), Some(day("2026-11-30")));
    assert_eq!((day_of("2026-11-29"), day_of("")), (None, None));
    assert_eq!(day_key("a/", day("2026-11-29")), "a/state/digests/2026-11-29.json");
    let unknown = Progress::new(None, None, 7);
    assert_eq!(unknown.key(""), "state/data/unknown/unknown.json");
    assert_eq!(Progress::parse(&unknown.render()), Some(unknown));
}

fn digest(entries: &[Entry], on: &str, not_read: usize) -> Option<(Value, Vec<String>)> {
    let progress = progress(SEEN);
    let items = entries.iter().filter_map(|entry| item(entry, &progress, day(on))).collect();
    let (output_bucket, console_region) = ("out", Some("eu-west-1"));
    let digest = Digest { day: day(on), items, not_read, progress: &progress, output_bucket, console_region };
    let alert = digest.render()?;
    assert!(alert.detail.len() < 200_000, "{}", alert.detail.len());
    let detail: Value = serde_json::from_str(&alert.detail).expect("JSON");
    assert_eq!((alert.id.as_str(), &detail["metadata"]["uid"]), (&*format!("digest-{on}"), &Value::from(&*alert.id)));
    let line = |number: usize| detail["mail"][format!("line_{number:02}")].as_str().expect("a line").to_owned();
    let lines: Vec<String> = (1..=LINES).map(line).collect();
    Some((detail, lines))
}

#[test]
fn the_mail_says_what_where_since_when_and_what_to_do() {
    let lasting = entry(2, Severity::High, |memory| memory.digest = Some("2026-11-28".to_owned()));
    let (detail, lines) = digest(&[lasting, entry(1, Severity::Medium, |_| {})], "2026-11-29", 0).expect("a digest");
    let link = "https://console.aws.amazon.com/s3/object/out?region=eu-west-1&prefix=flowsentry/summaries/x.json";
    let finding = |severity: &str, id: u32| {
        format!(
            "- {severity} port-scan: scan {id}. Where: srcaddr 10.0.0.1 (123456789012 eu-west-1). \
             Since 2026-11-29 05:00 UTC. Next: Look. Summary: {link}"
        )
    };
    let expected = [
        "flowsentry, 2026-11-29: 1 new, 1 lasting, 0 ended finding(s)",
        "NEW (1)",
        &finding("Medium", 1),
        "LASTING (1)",
        &finding("High", 2),
        "Flow logs of 1 account(s) and Region(s) were read, the latest of 2026-11-29 06:00 UTC.",
        "",
    ];
    assert_eq!(lines[..7], expected);
    assert_eq!((&detail["counts"]["new"], &detail["new"][0]["title"]), (&Value::from(1), &Value::from("scan 1.")));
}

#[test]
fn a_large_digest_is_cut_and_says_so() {
    let long = |id: u32, marker: Option<&str>| {
        let mut entry = entry(id, Severity::Medium, |memory| memory.digest = marker.map(str::to_owned));
        entry.about.title = "\u{202e}\n".repeat(5000);
        entry
    };
    let mut entries: Vec<Entry> = (0..40).map(|id| long(id, None)).collect();
    entries.extend((40..80).map(|id| long(id, Some("2026-11-28"))));
    let (detail, lines) = digest(&entries, "2026-11-29", 7).expect("a digest");
    let (shown, more) = (
        lines.iter().filter(|line| line.starts_with("- ")).count(),
        lines.iter().filter(|line| line.starts_with("...")).count(),
    );
    assert_eq!((shown, more, detail["new"].as_array().map(Vec::len)), (16, 2, Some(25)));
    assert!(lines.iter().any(|line| line.ends_with("7 older memories were not read.")), "{lines:?}");
    assert!(!detail.to_string().contains(['\u{202e}', '\n']));
}

#[test]
fn without_findings_there_is_a_mail_on_mondays_only() {
    assert_eq!(digest(&[], "2026-11-29", 0), None, "a Sunday");
    let (_, lines) = digest(&[], "2026-11-30", 0).expect("a Monday");
    assert_eq!(lines[0], "flowsentry, 2026-11-30: all quiet. No finding is new, lasts, or has ended.");
    assert_eq!(digest(&[], "2026-11-29", 1), None, "memories that were not read are no news");
}
