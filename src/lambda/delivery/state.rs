//! The order of the steps that store and publish a result.
//!
//! Invariants, for any number of concurrent deliveries of one event and whenever the function is killed:
//! - There is one summary per version of an object.
//! - Its metrics are emitted at most once.
//! - Its alerts are sent at least once, and never before the summary is stored.
//! - A quarantine receipt is written only if there is no summary.
//!
//! A delivery requests one [`Action`] after another and gets an [`ActionOutcome`] for each. The caller makes the calls. A
//! call that fails ends the delivery: the event is redelivered, and the next delivery finds the steps that were completed.
//!
//! ```text
//! PutSummary ─ done ────────────────────────────▶ EmitMetrics ▶ PutFindings ▶ SendAlerts ▶ PutReceipt
//!     └ exists ▶ HeadSummary ─ ours ──────────────▲              ▲
//!                    └ theirs ▶ HeadReceipt / HeadFindings ─ missing ▶ ReadSummary
//!                                        └ exists: complete
//! ```
//!
//! Every step after `PutSummary` uses the stored summary, not the result of this delivery: another delivery may have used
//! another topology. Steps without work, because there are no findings or no alerts, are skipped. The tests explore all
//! interleavings of two deliveries; a new [`Action`] needs its effects and failures there too.

/// The result of analyzing an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectResult {
    /// The object was read to its end; its summary needs these outputs.
    Summary(PendingOutputs),
    /// The object can never be read.
    Quarantine,
}

/// The outputs to produce after a summary is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PendingOutputs {
    /// The summary has findings, which are also stored separately.
    pub findings: bool,
    /// Some findings are to be sent as alerts.
    pub alerts: bool,
}

impl PendingOutputs {
    /// No outputs.
    pub const NONE: PendingOutputs = PendingOutputs { findings: false, alerts: false };
}

/// A step that a delivery requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Store the summary, unless it exists.
    PutSummary,
    /// Find out which delivery stored the summary, and which outputs it needs.
    HeadSummary,
    /// Emit the metrics of the summary. This can't fail.
    EmitMetrics,
    /// Store the findings of the stored summary, unless they exist.
    PutFindings,
    /// Check whether the findings are stored.
    HeadFindings,
    /// Check whether there is a receipt for the alerts.
    HeadReceipt,
    /// Read the findings of the stored summary.
    ReadSummary,
    /// Send an alert for each finding of the stored summary that is severe enough.
    SendAlerts,
    /// Record that the alerts were sent, unless a receipt exists.
    PutReceipt,
    /// Store a quarantine receipt, unless it exists.
    PutQuarantine,
    /// Find out which delivery stored the quarantine receipt.
    HeadQuarantine,
    /// Emit the metrics of a quarantined object. This can't fail.
    EmitQuarantineMetrics,
}

/// The outcome of an action that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionOutcome {
    /// The action is done.
    Done,
    /// The output to store exists already. Perhaps this very delivery stored it and lost the response.
    Exists,
    /// This delivery stored the object.
    Ours,
    /// Another delivery stored the object. If it is a summary, these are the outputs it needs.
    Theirs(PendingOutputs),
    /// The object does not exist.
    Missing,
}

/// The next step of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Execute this action.
    Execute(Action),
    /// The delivery is complete.
    Complete(Completion),
}

/// How a delivery without failed calls ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Completion {
    /// This delivery stored the summary.
    Summarized,
    /// Another delivery stored the summary.
    AlreadySummarized,
    /// This delivery stored the quarantine receipt.
    Quarantined,
    /// Another delivery stored the quarantine receipt.
    AlreadyQuarantined,
    /// The outputs are being created and deleted during this delivery.
    Conflict,
}

/// How often an output that was reported to exist may be missing at the next call.
const MAX_CONCURRENT_DELETES: u8 = 2;

/// The state of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryState {
    result: ObjectResult,
    /// The action that was requested last.
    current: Action,
    /// The outputs that the stored summary needs.
    pending: PendingOutputs,
    /// Whether this delivery stored the summary.
    first: bool,
    concurrent_deletes: u8,
}

impl DeliveryState {
    /// Starts the delivery of a result. Returns its first action.
    pub fn start(result: ObjectResult) -> (DeliveryState, Action) {
        let (current, pending) = match result {
            ObjectResult::Summary(pending) => (Action::PutSummary, pending),
            ObjectResult::Quarantine => (Action::HeadSummary, PendingOutputs::NONE),
        };
        (DeliveryState { result, current, pending, first: false, concurrent_deletes: 0 }, current)
    }

    /// Returns the step that follows this outcome of the current action.
    pub fn advance(&mut self, outcome: ActionOutcome) -> Step {
        let step = self.next_step(outcome);
        if let Step::Execute(action) = step {
            self.current = action;
        }
        step
    }

    fn next_step(&mut self, outcome: ActionOutcome) -> Step {
        match (self.current, outcome) {
            (Action::PutSummary, ActionOutcome::Exists) => Step::Execute(Action::HeadSummary),
            (Action::PutSummary, _) | (Action::HeadSummary, ActionOutcome::Ours) => self.stored_by_us(),
            (Action::HeadSummary, ActionOutcome::Theirs(pending)) => self.stored_by_another(pending),
            (Action::HeadSummary, _) => match self.result {
                ObjectResult::Summary(_) => self.retry_deleted(Action::PutSummary),
                ObjectResult::Quarantine => Step::Execute(Action::PutQuarantine),
            },
            (Action::EmitMetrics, _) if self.pending.findings => Step::Execute(Action::PutFindings),
            (Action::EmitMetrics, _) => self.complete(),
            (Action::HeadFindings | Action::HeadReceipt, ActionOutcome::Missing) => Step::Execute(Action::ReadSummary),
            (Action::HeadFindings | Action::HeadReceipt, _) => self.complete(),
            (Action::ReadSummary, ActionOutcome::Theirs(pending)) => {
                self.pending = pending;
                if pending.findings { Step::Execute(Action::PutFindings) } else { self.complete() }
            }
            (Action::ReadSummary, _) => Step::Complete(Completion::Conflict),
            (action @ (Action::PutFindings | Action::PutReceipt), ActionOutcome::Missing) => self.retry_deleted(action),
            (Action::PutFindings, _) if self.pending.alerts => Step::Execute(Action::SendAlerts),
            (Action::SendAlerts, _) => Step::Execute(Action::PutReceipt),
            (Action::PutFindings | Action::PutReceipt, _) => self.complete(),
            (Action::PutQuarantine, ActionOutcome::Exists) => Step::Execute(Action::HeadQuarantine),
            (Action::PutQuarantine, _) | (Action::HeadQuarantine, ActionOutcome::Ours) => {
                Step::Execute(Action::EmitQuarantineMetrics)
            }
            (Action::HeadQuarantine, ActionOutcome::Missing) => self.retry_deleted(Action::PutQuarantine),
            (Action::HeadQuarantine, _) => Step::Complete(Completion::AlreadyQuarantined),
            (Action::EmitQuarantineMetrics, _) => Step::Complete(Completion::Quarantined),
        }
    }

    fn stored_by_us(&mut self) -> Step {
        self.first = true;
        Step::Execute(Action::EmitMetrics)
    }

    /// Checks the last output that the other delivery stores: if it exists, the outputs are complete.
    fn stored_by_another(&mut self, pending: PendingOutputs) -> Step {
        self.pending = pending;
        match pending {
            PendingOutputs { alerts: true, .. } => Step::Execute(Action::HeadReceipt),
            PendingOutputs { findings: true, .. } => Step::Execute(Action::HeadFindings),
            PendingOutputs { .. } => self.complete(),
        }
    }

    fn complete(&self) -> Step {
        Step::Complete(if self.first { Completion::Summarized } else { Completion::AlreadySummarized })
    }

    /// Retries after an output was deleted during the delivery. Operators delete the outputs of an object to have it
    /// analyzed again.
    fn retry_deleted(&mut self, action: Action) -> Step {
        self.concurrent_deletes += 1;
        if self.concurrent_deletes > MAX_CONCURRENT_DELETES {
            Step::Complete(Completion::Conflict)
        } else {
            Step::Execute(action)
        }
    }
}

#[cfg(test)]
mod tests;
