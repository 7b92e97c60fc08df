//! Model checking: explores every interleaving of two deliveries of one event against a store in memory.
//!
//! Each call may succeed, fail without effect, take effect with its response lost, or be the last one before the function is
//! killed. Between any two calls the other delivery may continue, and once the object may be deleted. A delivery that does
//! not succeed is redelivered.

#![expect(clippy::print_stdout, reason = "prints the number of explored states")]

use std::collections::HashSet;

use super::*;

const NOTHING: PendingOutputs = PendingOutputs::NONE;
const FINDINGS: PendingOutputs = PendingOutputs { findings: true, alerts: false };
const ALERTS: PendingOutputs = PendingOutputs { findings: true, alerts: true };

/// Maximum deliveries of each event.
const MAX_DELIVERIES: u8 = 3;

/// The results of attempts that can read the object: two topologies may be in use.
type Contents = [ObjectResult; 2];

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    object: bool,
    deleted: bool,
    /// Index of the contents of the stored summary, and token of the attempt that stored it.
    summary: Option<(usize, u8)>,
    /// Index of the contents that the findings file was rendered from.
    findings: Option<usize>,
    /// The alerts that arrived, by contents: there are two for each.
    alerts: [[bool; 2]; 2],
    receipt: bool,
    quarantine: Option<u8>,
    metrics: u8,
    quarantine_metrics: u8,
    workers: [Worker; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Worker {
    /// Number of deliveries of the worker's event.
    attempts: u8,
    running: Option<Running>,
    completion: Option<Completion>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Running {
    delivery: DeliveryState,
    action: Action,
    token: u8,
    /// Whether there was a summary when the attempt started.
    summary_before: bool,
    /// Index of the contents that metrics, findings and alerts are derived from.
    loaded: Option<usize>,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallResult {
    Done,
    /// No effect, and the caller gets an error; or the function is killed before the call.
    Failed,
    /// Done, but the response is lost; or the function is killed after the call.
    Lost,
    /// Done, the response is lost, and the client retries.
    Retried,
    /// Partly done.
    Partial,
}

fn call_results(action: Action) -> &'static [CallResult] {
    match action {
        // The function is killed before or after it.
        Action::EmitMetrics | Action::EmitQuarantineMetrics => {
            &[CallResult::Done, CallResult::Failed, CallResult::Lost]
        }
        Action::SendAlerts => {
            &[CallResult::Done, CallResult::Failed, CallResult::Lost, CallResult::Retried, CallResult::Partial]
        }
        Action::PutSummary | Action::PutFindings | Action::PutReceipt | Action::PutQuarantine => {
            &[CallResult::Done, CallResult::Failed, CallResult::Lost, CallResult::Retried]
        }
        Action::HeadSummary
        | Action::HeadFindings
        | Action::HeadReceipt
        | Action::ReadSummary
        | Action::HeadQuarantine => &[CallResult::Done, CallResult::Failed],
    }
}

impl World {
    fn new() -> World {
        let worker = Worker { attempts: 0, running: None, completion: None };
        World {
            object: true,
            deleted: false,
            summary: None,
            findings: None,
            alerts: [[false; 2]; 2],
            receipt: false,
            quarantine: None,
            metrics: 0,
            quarantine_metrics: 0,
            workers: [worker.clone(), worker],
        }
    }

    fn successors(&self, contents: &Contents) -> Vec<World> {
        let mut next = Vec::new();
        if self.object {
            next.push(World { object: false, deleted: true, ..self.clone() });
        }
        for (index, worker) in self.workers.iter().enumerate() {
            match &worker.running {
                None if worker.completion.is_none() && worker.attempts < MAX_DELIVERIES => {
                    next.push(self.start_attempt(index, contents))
                }
                None => {}
                Some(running) => next.extend(
                    call_results(running.action).iter().map(|result| self.after_call(index, *result, contents)),
                ),
            }
        }
        next
    }

    /// Starts an attempt, which reads the object with alternating topologies.
    fn start_attempt(&self, index: usize, contents: &Contents) -> World {
        let mut world = self.clone();
        let worker = &mut world.workers[index];
        worker.attempts += 1;
        let content = (index + usize::from(worker.attempts)) % 2;
        let result = if self.object { contents[content] } else { ObjectResult::Quarantine };
        let (delivery, action) = DeliveryState::start(result);
        let loaded = matches!(result, ObjectResult::Summary(_)).then_some(content);
        let (token, summary_before) = (token(index, worker.attempts), self.summary.is_some());
        worker.running = Some(Running { delivery, action, token, summary_before, loaded });
        world
    }

    fn after_call(&self, index: usize, result: CallResult, contents: &Contents) -> World {
        let mut world = self.clone();
        let mut running = world.workers[index].running.take().expect("it runs");
        let outcome = match result {
            CallResult::Done => Some(world.perform(&mut running, contents)),
            CallResult::Failed => None,
            CallResult::Lost => {
                world.perform(&mut running, contents);
                None
            }
            CallResult::Retried => {
                world.perform(&mut running, contents);
                Some(world.perform(&mut running, contents))
            }
            CallResult::Partial => {
                world.alerts[running.loaded.expect("read")][0] = true;
                None
            }
        };
        let worker = &mut world.workers[index];
        match outcome.map(|outcome| running.delivery.advance(outcome)) {
            Some(Step::Execute(action)) => worker.running = Some(Running { action, ..running }),
            Some(Step::Complete(completion)) => worker.completion = Some(completion),
            None => {}
        }
        if let Some(completion) = worker.completion {
            world.assert_complete(completion, contents);
        }
        world.assert_safe(contents);
        world
    }

    fn perform(&mut self, running: &mut Running, contents: &Contents) -> ActionOutcome {
        let put = |exists: bool| if exists { ActionOutcome::Exists } else { ActionOutcome::Done };
        match running.action {
            Action::PutSummary => {
                let outcome = put(self.summary.is_some());
                self.summary.get_or_insert((running.loaded.expect("a summary of this attempt"), running.token));
                outcome
            }
            Action::HeadSummary => match self.summary {
                None => ActionOutcome::Missing,
                Some((_, token)) if token == running.token => ActionOutcome::Ours,
                Some((stored, _)) => ActionOutcome::Theirs(pending(contents, stored)),
            },
            Action::EmitMetrics => {
                self.metrics += 1;
                ActionOutcome::Done
            }
            Action::PutFindings => {
                let outcome = put(self.findings.is_some());
                self.findings.get_or_insert(running.loaded.expect("read"));
                outcome
            }
            Action::HeadFindings if self.findings.is_none() => ActionOutcome::Missing,
            Action::HeadReceipt if !self.receipt => ActionOutcome::Missing,
            Action::HeadFindings | Action::HeadReceipt => ActionOutcome::Theirs(NOTHING),
            Action::ReadSummary => {
                let (stored, _) = self.summary.expect("the summary was found");
                running.loaded = Some(stored);
                ActionOutcome::Theirs(pending(contents, stored))
            }
            Action::SendAlerts => {
                self.alerts[running.loaded.expect("read")] = [true; 2];
                ActionOutcome::Done
            }
            Action::PutReceipt => {
                let outcome = put(self.receipt);
                self.receipt = true;
                outcome
            }
            Action::PutQuarantine => {
                assert!(!running.summary_before, "quarantined although there is a summary: {self:?}");
                let outcome = put(self.quarantine.is_some());
                self.quarantine.get_or_insert(running.token);
                outcome
            }
            Action::HeadQuarantine => match self.quarantine {
                None => ActionOutcome::Missing,
                Some(token) if token == running.token => ActionOutcome::Ours,
                Some(_) => ActionOutcome::Theirs(NOTHING),
            },
            Action::EmitQuarantineMetrics => {
                self.quarantine_metrics += 1;
                ActionOutcome::Done
            }
        }
    }

    /// Asserts the invariants of every state.
    fn assert_safe(&self, contents: &Contents) {
        assert!(self.metrics <= 1 && self.quarantine_metrics <= 1, "emitted twice: {self:?}");
        let stored = self.summary.map(|(stored, _)| stored);
        assert!(self.metrics == 0 || stored.is_some(), "emitted before it was stored: {self:?}");
        assert!(self.findings.is_none() || self.findings == stored, "findings of another summary: {self:?}");
        for (index, arrived) in self.alerts.iter().enumerate() {
            assert!(
                !arrived[0] && !arrived[1] || stored == Some(index),
                "alerts of a summary that is not stored: {self:?}"
            );
        }
        assert!(!self.receipt || self.alerts[stored.expect("stored")] == [true; 2], "a false receipt: {self:?}");
        let readable = contents.iter().all(|result| matches!(result, ObjectResult::Summary(_)));
        assert!(self.quarantine.is_none() || self.deleted || !readable, "quarantined although readable: {self:?}");
    }

    /// Reports whether the attempt with this token completed.
    fn has_completed(&self, attempt: u8) -> bool {
        let mut workers = self.workers.iter().enumerate();
        workers.any(|(index, worker)| worker.completion.is_some() && token(index, worker.attempts) == attempt)
    }

    /// Asserts the invariants after a delivery succeeded. An attempt that stored an output and completed has emitted its metrics.
    ///
    /// One outcome is allowed that looks wrong: a quarantine receipt next to a summary, if one attempt started to read the
    /// object before it was deleted and another one started afterwards. To exclude it, each object would need one more
    /// stored object.
    fn assert_complete(&self, completion: Completion, contents: &Contents) {
        if let Some((_, token)) = self.summary.filter(|(_, token)| self.has_completed(*token)) {
            assert_eq!(self.metrics, 1, "attempt {token} emitted nothing: {self:?}");
        }
        if let Some(token) = self.quarantine.filter(|token| self.has_completed(*token)) {
            assert_eq!(self.quarantine_metrics, 1, "attempt {token} emitted nothing: {self:?}");
        }
        match (completion, self.summary) {
            (Completion::Summarized | Completion::AlreadySummarized, Some((stored, _))) => {
                let pending = pending(contents, stored);
                assert!(!pending.findings || self.findings == Some(stored), "no findings: {self:?}");
                assert!(!pending.alerts || (self.alerts[stored] == [true; 2] && self.receipt), "no alerts: {self:?}");
            }
            (Completion::Quarantined | Completion::AlreadyQuarantined, _) => {
                assert!(self.quarantine.is_some(), "no receipt: {self:?}");
            }
            (Completion::Summarized | Completion::AlreadySummarized | Completion::Conflict, _) => {
                panic!("nothing is stored: {self:?}")
            }
        }
    }
}

/// Returns a unique token for an attempt.
fn token(worker: usize, attempt: u8) -> u8 {
    10 * u8::try_from(worker).expect("two workers") + attempt
}

fn pending(contents: &Contents, stored: usize) -> PendingOutputs {
    match contents[stored] {
        ObjectResult::Summary(pending) => pending,
        ObjectResult::Quarantine => panic!("no summary was made"),
    }
}

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
    let mut seen = HashSet::from([World::new()]);
    let mut queue = vec![World::new()];
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
        queue.extend(next.into_iter().filter(|world| seen.insert(world.clone())));
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
