//! A week of objects, simulated with the decisions alone: how many emails come with and without a memory.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};

use super::tests::marked;
use super::{AllProgress, Item, Progress, Section, item};
use crate::findings::types::Severity;
use crate::lambda::delivery::memory::entry::{About, Entry};
use crate::lambda::delivery::memory::{self, Decision, Memory, Notice, Sender, Sighting};
use crate::lambda::digest::mail::Digest;

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
/// Seconds between two objects.
const STEP: i64 = 300;
/// Monday, 2026-11-23, 00:00 UTC.
const START: i64 = 1_795_392_000;
const FIRST_DAY: Date = date(2026, 11, 23);

/// A trouble of the week: its severity at a time of the week, in seconds from its start, and whether the configuration suppresses it.
struct Trouble {
    severity: fn(i64) -> Option<Severity>,
    is_suppressed: bool,
}

const TROUBLES: [Trouble; 7] = [
    // Three that last all week.
    Trouble { severity: |_| Some(Severity::Medium), is_suppressed: false },
    Trouble { severity: |_| Some(Severity::Medium), is_suppressed: false },
    Trouble { severity: |_| Some(Severity::High), is_suppressed: false },
    // One gets worse on Wednesday at noon.
    Trouble {
        severity: |time| Some(if time < 2 * DAY + 12 * HOUR { Severity::Medium } else { Severity::High }),
        is_suppressed: false,
    },
    // One ends on Tuesday at midnight.
    Trouble { severity: |time| (time < 2 * DAY).then_some(Severity::Medium), is_suppressed: false },
    // A nightly job, for an hour.
    Trouble { severity: |time| (time % DAY < HOUR).then_some(Severity::Medium), is_suppressed: false },
    // The user's own scanner.
    Trouble { severity: |_| Some(Severity::High), is_suppressed: true },
];

/// The emails of a day, by kind.
type Mails = BTreeMap<&'static str, usize>;

/// Runs the week. Returns the emails by day, and the number of events on the bus.
fn run(repeat_hours: i64) -> (Vec<Mails>, usize) {
    let mut days = vec![Mails::new(); 7];
    let mut events = 0;
    let mut entries: BTreeMap<usize, Entry> = BTreeMap::new();
    for step in 0..7 * DAY / STEP {
        let time = step * STEP;
        let day = usize::try_from(time / DAY).expect("a day of the week");
        for (index, trouble) in TROUBLES.iter().enumerate() {
            let Some(severity) = (trouble.severity)(time) else { continue };
            if repeat_hours == 0 {
                events += 1;
                *days[day].entry("finding").or_default() += 1;
            } else if !trouble.is_suppressed
                && let Some(notice) = see(&mut entries, index, severity, time, repeat_hours)
            {
                events += 1;
                if severity == Severity::High {
                    *days[day].entry(notice.name()).or_default() += 1;
                }
            }
        }
        // The digest comes at 6:00, after the objects of that time.
        if repeat_hours > 0 && time % DAY == 6 * HOUR {
            events += digest(&mut entries, time, &mut days[day]);
        }
    }
    (days, events)
}

/// Lets an object show a trouble. Returns the notice that is sent.
fn see(
    entries: &mut BTreeMap<usize, Entry>,
    index: usize,
    severity: Severity,
    time: i64,
    repeat_hours: i64,
) -> Option<Notice> {
    let uid = format!("{time}-{index}");
    let last_seen = START + time;
    let sighting = Sighting { severity, first_seen: last_seen - STEP, last_seen, uid: &uid };
    let sender = Sender { token: &uid, now: last_seen + 600, repeat_seconds: repeat_hours * HOUR, may_wait: false };
    let known = entries.get(&index).map(|entry| &entry.memory);
    let (stored, notice): (Memory, Option<Notice>) = match memory::decide(known, &sighting, &sender) {
        Decision::Claim(claimed) => {
            let confirmed = memory::confirm(&claimed, &uid).expect("its own claim");
            let notice = confirmed.sent.as_ref().map(|sent| sent.notice);
            (confirmed, notice)
        }
        Decision::Quiet(later) => (later?, None),
        other => panic!("{other:?}"),
    };
    let about = About { account_id: Some("123456789012".to_owned()), ..About::default() };
    entries.insert(index, Entry::new(&format!("{index:032x}"), about, stored));
    notice
}

/// Sends a digest. Returns the number of events: the ends of findings, and the digest.
fn digest(entries: &mut BTreeMap<usize, Entry>, time: i64, mails: &mut Mails) -> usize {
    let day = FIRST_DAY.saturating_add(jiff::Span::new().days(time / DAY));
    let mut progress = AllProgress::default();
    progress.add(Progress::new(Some("123456789012"), None, START + time));
    let items: Vec<Item> = entries.values().filter_map(|entry| item(entry, &progress, day)).collect();
    for entry in entries.values_mut() {
        if let Some(marked) = marked(entry, &progress, day) {
            *entry = marked;
        }
    }
    let ended = items.iter().filter(|item| item.section == Section::Ended);
    let ended = ended.count();
    let (not_read, output_bucket, console_region) = (0, "out", None);
    let sent = Digest { day, items, not_read, progress: &progress, output_bucket, console_region }.render();
    if sent.is_some() {
        *mails.entry("digest").or_default() += 1;
    }
    ended + usize::from(sent.is_some())
}

#[test]
fn a_memory_makes_19_emails_of_10740_in_a_week() {
    let total = |days: &[Mails]| days.iter().flat_map(BTreeMap::values).sum::<usize>();
    let (before, events) = run(0);
    // Five findings in each object, a sixth on two days, and a seventh for an hour of each day.
    let per_day = 288 * 5 + 12;
    let expected = |day: usize| per_day + if day < 2 { 288 } else { 0 };
    let findings: Vec<usize> = before.iter().map(|mails| mails["finding"]).collect();
    assert_eq!(findings, (0..7).map(expected).collect::<Vec<_>>());
    assert_eq!((total(&before), events), (10_740, 10_740));

    let (after, events) = run(24);
    let mails = |kinds: &[(&'static str, usize)]| kinds.iter().copied().collect::<Mails>();
    let expected = [
        mails(&[("new", 1), ("digest", 1)]),
        mails(&[("lasting", 1), ("digest", 1)]),
        // One has got worse.
        mails(&[("lasting", 1), ("worse", 1), ("digest", 1)]),
        mails(&[("lasting", 2), ("digest", 1)]),
        mails(&[("lasting", 2), ("digest", 1)]),
        mails(&[("lasting", 2), ("digest", 1)]),
        mails(&[("lasting", 2), ("digest", 1)]),
    ];
    assert_eq!(after, expected);
    assert_eq!((total(&after), events), (19, 46));
}
