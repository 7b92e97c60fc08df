//! Decisions by example, and model checking: every interleaving of two deliveries that have the same findings.

#![expect(clippy::print_stdout, reason = "prints the number of explored states")]

mod model;

use std::collections::HashSet;
use std::rc::Rc;

use foldhash::fast::RandomState;

use self::model::{Case, World};
use super::*;

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
/// The last record of the first sighting.
const SEEN: i64 = 1_795_000_000;

fn sighting(uid: &str, severity: Severity, last_seen: i64) -> Sighting<'_> {
    Sighting { severity, first_seen: last_seen - 60, last_seen, uid }
}

fn sender(now: i64) -> Sender<'static> {
    Sender { token: "t2", now, repeat_seconds: DAY, may_wait: false }
}

/// Returns the memory of a medium finding that was sent as new.
fn sent() -> Memory {
    let sender = Sender { token: "t1", ..sender(SEEN) };
    let Decision::Claim(claimed) = decide(None, &sighting("one", Severity::Medium, SEEN), &sender) else {
        panic!("a finding without a memory is claimed");
    };
    confirm(&claimed, "t1").expect("its own claim")
}

/// Returns the notice that a sighting claims, if it claims one.
fn claims(memory: &Memory, uid: &str, severity: Severity, last_seen: i64) -> Option<(Notice, String)> {
    match decide(Some(memory), &sighting(uid, severity, last_seen), &sender(SEEN)) {
        Decision::Claim(Memory { claim: Some(claim), .. }) => Some((claim.sent.notice, claim.sent.uid)),
        _ => None,
    }
}

#[test]
fn a_finding_is_sent_when_new_worse_or_lasting() {
    let memory = sent();
    assert_eq!((memory.first_seen, memory.last_seen, memory.first_sent), (SEEN - 60, SEEN, Some(SEEN)));
    let notice = |severity, later| claims(&memory, "two", severity, SEEN + later).map(|(notice, _)| notice);
    assert_eq!(notice(Severity::Medium, 300), None);
    assert_eq!(notice(Severity::Medium, DAY - 1), None);
    assert_eq!(notice(Severity::Medium, DAY), Some(Notice::Lasting));
    assert_eq!(notice(Severity::High, 300), Some(Notice::Worse));
    assert_eq!(notice(Severity::Low, 300), None);
    // Late objects and back-fills are no news, unless they are worse.
    assert_eq!(notice(Severity::Medium, -90 * DAY), None);
    assert_eq!(notice(Severity::High, -90 * DAY), Some(Notice::Worse));
}

#[test]
fn the_input_whose_notice_was_sent_sends_nothing_again() {
    let decision = decide(Some(&sent()), &sighting("one", Severity::Medium, SEEN), &sender(SEEN));
    assert_eq!(decision, Decision::Sent);
}

#[test]
fn a_memory_is_refreshed_once_an_hour() {
    let refreshed =
        |later: i64| match decide(Some(&sent()), &sighting("two", Severity::Medium, SEEN + later), &sender(SEEN)) {
            Decision::Quiet(memory) => memory.map(|memory| (memory.first_seen, memory.last_seen)),
            other => panic!("{other:?}"),
        };
    assert_eq!(refreshed(HOUR - 1), None);
    assert_eq!(refreshed(HOUR), Some((SEEN - 60, SEEN + HOUR)));
    assert_eq!(refreshed(60 - HOUR), None);
    assert_eq!(refreshed(-HOUR), Some((SEEN - HOUR - 60, SEEN)));
    assert_eq!(refreshed(-2 * DAY), None, "records of long before are not a part of it");
}

#[test]
fn a_finding_that_returns_after_its_end_is_new() {
    let ended = Some(Ended { data_until: SEEN + 3 * DAY, digest: "2026-11-29".to_owned(), sent: true });
    let memory = Memory { ended, digest: Some("2026-11-26".to_owned()), ..sent() };
    let notice = |later| claims(&memory, "two", Severity::Medium, SEEN + later).map(|(notice, _)| notice);
    assert_eq!(notice(DAY), None, "a late object, from before its end");
    assert_eq!(notice(2 * DAY), None);
    assert_eq!(notice(2 * DAY + 1), Some(Notice::New), "a late object shows that it had not ended");
    assert_eq!(notice(4 * DAY), Some(Notice::New));
    let Decision::Claim(again) = decide(Some(&memory), &sighting("two", Severity::Low, SEEN + 4 * DAY), &sender(SEEN))
    else {
        panic!("it is claimed");
    };
    assert_eq!((again.first_seen, again.first_sent), (SEEN + 4 * DAY - 60, Some(SEEN + 4 * DAY)));
    assert_eq!((again.ended, again.digest), (None, None));
}

#[test]
fn a_claim_is_left_to_its_input_until_its_lease_ends() {
    let Decision::Claim(claimed) =
        decide(None, &sighting("one", Severity::Medium, SEEN), &Sender { token: "t1", ..sender(SEEN) })
    else {
        panic!("claimed");
    };
    let by_other = |now, severity| match decide(Some(&claimed), &sighting("two", severity, SEEN), &sender(now)) {
        Decision::Claim(Memory { claim: Some(claim), .. }) => Some((claim.sent.notice, claim.sent.uid)),
        Decision::Quiet(None) => None,
        other => panic!("{other:?}"),
    };
    let (first, own) = (Some((Notice::New, "one".to_owned())), Some((Notice::New, "two".to_owned())));
    assert_eq!(by_other(SEEN + LEASE_SECONDS, Severity::Medium), None);
    assert_eq!(by_other(SEEN + LEASE_SECONDS + 1, Severity::Medium), first, "the same alert, with the same id");
    assert_eq!(by_other(SEEN - LEASE_SECONDS - 1, Severity::Medium), first, "a clock that is far ahead");
    assert_eq!(by_other(SEEN, Severity::High), own, "the other input does not send this severity");
    assert_eq!(by_other(SEEN + LEASE_SECONDS + 1, Severity::Low), own, "an alert says what its own input shows");
    let again = |token, may_wait| {
        let sender = Sender { token, may_wait, ..sender(SEEN) };
        decide(Some(&claimed), &sighting("one", Severity::Medium, SEEN), &sender)
    };
    assert_eq!((again("t1", false), again("t3", true)), (Decision::Send, Decision::Wait));
    assert!(matches!(again("t3", false), Decision::Claim(_)));
    assert_eq!(confirm(&claimed, "t3"), None);
}

#[derive(Debug, Default)]
struct Explored {
    states: usize,
    /// Final states in which both inputs were completed.
    all_done: usize,
    /// Final states in which an input failed in each of its deliveries.
    abandoned: usize,
}

fn explore(case: &Case) -> Explored {
    let mut explored = Explored::default();
    let start = Rc::new(World::new(case));
    let mut seen: HashSet<Rc<World>, RandomState> = HashSet::from_iter([Rc::clone(&start)]);
    let mut queue = vec![start];
    while let Some(world) = queue.pop() {
        explored.states += 1;
        let next = world.successors(case);
        if next.is_empty() {
            let done = world.assert_final(case);
            explored.all_done += usize::from(done);
            explored.abandoned += usize::from(!done);
        }
        queue.extend(next.into_iter().map(Rc::new).filter(|world| seen.insert(Rc::clone(world))));
    }
    println!("{case:?}: {explored:?}");
    assert!(explored.all_done > 0 && explored.abandoned > 0, "{case:?}: {explored:?}");
    explored
}

/// The clocks of the two deliveries: equal, minutes apart, and so wrong that a lease means nothing.
const CLOCKS: [[i64; 2]; 4] = [[0, 0], [0, 300], [300, 0], [0, 2 * LEASE_SECONDS]];

#[test]
fn two_inputs_with_one_finding_keep_the_invariants() {
    let (medium, high) = (Severity::Medium, Severity::High);
    let mut states = 0;
    for clocks in CLOCKS {
        for severities in [[medium, medium], [medium, high]] {
            for later in [0, 25 * HOUR] {
                let case = Case { uids: ["one", "two"], severities, findings: 1, later, clocks, deliveries: 3 };
                states += explore(&case).states;
            }
        }
    }
    assert!(states > 10_000, "{states}");
}

#[test]
fn two_deliveries_of_one_input_keep_the_invariants() {
    for clocks in CLOCKS {
        let severities = [Severity::Medium; 2];
        explore(&Case { uids: ["one", "one"], severities, findings: 1, later: 0, clocks, deliveries: 3 });
    }
}

#[test]
fn two_inputs_with_two_findings_keep_the_invariants() {
    let mut states = 0;
    for severities in [[Severity::Medium; 2], [Severity::Medium, Severity::High]] {
        let (uids, clocks) = (["one", "two"], [0, 0]);
        states += explore(&Case { uids, severities, findings: 2, later: 0, clocks, deliveries: 2 }).states;
    }
    assert!(states > 100_000, "{states}");
}
