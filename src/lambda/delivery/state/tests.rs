//! Model checking: explores every interleaving of two deliveries of one event against a store in memory.
//!
//! Each call may succeed, fail without effect, take effect with its response lost, or be the last one before the function is
//! killed. Between any two calls the other delivery may continue, and once the object may be deleted. A delivery that does
//! not succeed is redelivered.

#![expect(clippy::print_stdout, reason = "prints the number of explored states")]

mod model;

use std::collections::HashSet;
use std::rc::Rc;

use foldhash::fast::RandomState;

use self::model::{Contents, World};
use super::*;

const NOTHING: PendingOutputs = PendingOutputs::NONE;
const FINDINGS: PendingOutputs = PendingOutputs { findings: true, alerts: false };
const ALERTS: PendingOutputs = PendingOutputs { findings: true, alerts: true };

#[derive(Debug, Default)]
struct Explored {
    states: usize,
    transitions: usize,
    /// Final states.
    outcomes: usize,
    /// Final states in which both events were completed.
    all_done: usize,
    /// Final states in which an event failed in each of its deliveries.
    abandoned: usize,
    /// Final states in which the object was deleted between the reads of two attempts.
    receipt_and_summary: usize,
}

fn explore(contents: Contents) -> Explored {
    let mut explored = Explored::default();
    let start = Rc::new(World::new());
    let mut seen: HashSet<Rc<World>, RandomState> = HashSet::from_iter([Rc::clone(&start)]);
    let mut queue = vec![start];
    while let Some(world) = queue.pop() {
        explored.states += 1;
        let next = world.successors(&contents);
        explored.transitions += next.len();
        if next.is_empty() {
            explored.outcomes += 1;
            let done = world.workers.iter().all(|worker| worker.completion.is_some());
            explored.all_done += usize::from(done);
            explored.abandoned += usize::from(!done);
            explored.receipt_and_summary += usize::from(world.summary.is_some() && world.quarantine.is_some());
        }
        queue.extend(next.into_iter().map(Rc::new).filter(|world| seen.insert(Rc::clone(world))));
    }
    explored
}

#[test]
fn two_deliveries_keep_the_invariants_in_any_interleaving() {
    let summaries = [NOTHING, FINDINGS, ALERTS].map(ObjectResult::Summary);
    let mut sum = Explored::default();
    for first in summaries {
        for second in summaries {
            let explored = explore([first, second]);
            assert!(explored.all_done > 0 && explored.abandoned > 0, "{explored:?}");
            sum.states += explored.states;
            sum.transitions += explored.transitions;
            sum.outcomes += explored.outcomes;
            sum.all_done += explored.all_done;
            sum.abandoned += explored.abandoned;
            sum.receipt_and_summary += explored.receipt_and_summary;
        }
    }
    println!("{sum:#?}");
    assert!(sum.states > 100_000, "{sum:?}");
}

#[test]
fn two_deliveries_of_an_unreadable_object_quarantine_it_once() {
    let explored = explore([ObjectResult::Quarantine; 2]);
    println!("{explored:#?}");
    assert!(explored.all_done > 0 && explored.receipt_and_summary == 0, "{explored:?}");
}

/// For example if the limits were changed between two deliveries.
#[test]
fn an_object_that_only_one_delivery_can_read_is_completed() {
    for pending in [NOTHING, FINDINGS, ALERTS] {
        let explored = explore([ObjectResult::Summary(pending), ObjectResult::Quarantine]);
        assert!(explored.all_done > 0, "{explored:?}");
    }
}

/// Returns the actions of a delivery with these outcomes, and its completion.
fn run(result: ObjectResult, outcomes: &[ActionOutcome]) -> (Vec<Action>, Option<Completion>) {
    let (mut delivery, first) = DeliveryState::start(result);
    let mut actions = vec![first];
    for outcome in outcomes {
        match delivery.advance(*outcome) {
            Step::Execute(action) => actions.push(action),
            Step::Complete(completion) => return (actions, Some(completion)),
        }
    }
    (actions, None)
}

#[test]
fn an_undisturbed_delivery_executes_only_the_needed_actions() {
    let done = [ActionOutcome::Done; 5];
    let summarized = |pending: PendingOutputs| run(ObjectResult::Summary(pending), &done);
    let end = Some(Completion::Summarized);
    assert_eq!(summarized(NOTHING), (vec![Action::PutSummary, Action::EmitMetrics], end));
    assert_eq!(summarized(FINDINGS), (vec![Action::PutSummary, Action::EmitMetrics, Action::PutFindings], end));
    let all =
        vec![Action::PutSummary, Action::EmitMetrics, Action::PutFindings, Action::SendAlerts, Action::PutReceipt];
    assert_eq!(summarized(ALERTS), (all, end));
    let quarantined =
        run(ObjectResult::Quarantine, &[ActionOutcome::Missing, ActionOutcome::Done, ActionOutcome::Done]);
    assert_eq!(
        quarantined,
        (
            vec![Action::HeadSummary, Action::PutQuarantine, Action::EmitQuarantineMetrics],
            Some(Completion::Quarantined)
        )
    );
}

#[test]
fn a_duplicate_costs_two_checks_and_emits_nothing() {
    let duplicate = |theirs: PendingOutputs, last: &[ActionOutcome]| {
        let outcomes = [&[ActionOutcome::Exists, ActionOutcome::Theirs(theirs)], last].concat();
        run(ObjectResult::Summary(ALERTS), &outcomes)
    };
    let end = Some(Completion::AlreadySummarized);
    assert_eq!(duplicate(NOTHING, &[]), (vec![Action::PutSummary, Action::HeadSummary], end));
    let exists = [ActionOutcome::Theirs(NOTHING)];
    assert_eq!(
        duplicate(FINDINGS, &exists),
        (vec![Action::PutSummary, Action::HeadSummary, Action::HeadFindings], end)
    );
    assert_eq!(duplicate(ALERTS, &exists), (vec![Action::PutSummary, Action::HeadSummary, Action::HeadReceipt], end));
}

#[test]
fn outputs_that_are_deleted_repeatedly_are_a_conflict() {
    let outcomes = [ActionOutcome::Exists, ActionOutcome::Missing].repeat(4);
    let (actions, end) = run(ObjectResult::Summary(NOTHING), &outcomes);
    assert_eq!((actions.len(), end), (6, Some(Completion::Conflict)));
    let outcomes = [&[ActionOutcome::Missing][..], &[ActionOutcome::Exists, ActionOutcome::Missing].repeat(4)].concat();
    let (actions, end) = run(ObjectResult::Quarantine, &outcomes);
    assert_eq!((actions.len(), end), (7, Some(Completion::Conflict)));
    // The same holds for outputs that belong to a summary.
    let outcomes = [&[ActionOutcome::Done; 2][..], &[ActionOutcome::Missing; 4]].concat();
    let (actions, end) = run(ObjectResult::Summary(FINDINGS), &outcomes);
    assert_eq!((&actions[2..], end), (&[Action::PutFindings; 3][..], Some(Completion::Conflict)));
    // If the summary is removed once, to have the object analyzed again, it is stored again.
    let outcomes = [ActionOutcome::Exists, ActionOutcome::Missing, ActionOutcome::Done, ActionOutcome::Done];
    assert_eq!(run(ObjectResult::Summary(NOTHING), &outcomes).1, Some(Completion::Summarized));
}
