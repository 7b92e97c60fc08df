//! Model of two workers that deliver the same event against a store in memory. [`World::successors`] returns every state
//! that can follow, and asserts the invariants in each.

use crate::lambda::delivery::state::{
    Action, ActionOutcome, Completion, DeliveryState, ObjectResult, PendingOutputs, Step,
};

/// Maximum deliveries of each event.
const MAX_DELIVERIES: u8 = 3;

/// The results of attempts that can read the object: two topologies may be in use.
pub(super) type Contents = [ObjectResult; 2];

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    object: bool,
    deleted: bool,
    /// Index of the contents of the stored summary, and token of the attempt that stored it.
    pub(super) summary: Option<(usize, u8)>,
    /// Index of the contents that the findings file was rendered from.
    findings: Option<usize>,
    /// The alerts that arrived, by contents: there are two for each.
    alerts: [[bool; 2]; 2],
    receipt: bool,
    pub(super) quarantine: Option<u8>,
    metrics: u8,
    quarantine_metrics: u8,
    pub(super) workers: [Worker; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Worker {
    /// Number of deliveries of the worker's event.
    attempts: u8,
    running: Option<Running>,
    pub(super) completion: Option<Completion>,
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
    pub(super) fn new() -> World {
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

    pub(super) fn successors(&self, contents: &Contents) -> Vec<World> {
        let mut next = Vec::new();
        if self.object {
            next.push(World { object: false, deleted: true, ..self.clone() });
        }
        for (index, worker) in self.workers.iter().enumerate() {
            match &worker.running {
                None if worker.completion.is_none() && worker.attempts < MAX_DELIVERIES => {
                    next.push(self.start_attempt(index, contents));
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
            Action::EmitMetrics => {
                self.metrics += 1;
                ActionOutcome::Done
            }
            Action::PutFindings => {
                let outcome = put(self.findings.is_some());
                self.findings.get_or_insert(running.loaded.expect("read"));
                outcome
            }
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
            Action::HeadSummary => stored_by(self.summary, running.token, |stored| pending(contents, stored)),
            Action::HeadFindings => exists(self.findings.is_some()),
            Action::HeadReceipt => exists(self.receipt),
            Action::HeadQuarantine => {
                stored_by(self.quarantine.map(|token| ((), token)), running.token, |()| PendingOutputs::NONE)
            }
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

/// Returns the outcome of a check for an object that has a token.
fn stored_by<T>(stored: Option<(T, u8)>, own_token: u8, pending: impl FnOnce(T) -> PendingOutputs) -> ActionOutcome {
    match stored {
        None => ActionOutcome::Missing,
        Some((_, token)) if token == own_token => ActionOutcome::Ours,
        Some((content, _)) => ActionOutcome::Theirs(pending(content)),
    }
}

/// Returns the outcome of a check for any other object.
fn exists(exists: bool) -> ActionOutcome {
    if exists { ActionOutcome::Theirs(PendingOutputs::NONE) } else { ActionOutcome::Missing }
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
