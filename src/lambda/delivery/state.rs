//! The order of the steps in which a result is stored and told. This order is what keeps the promise: one summary for
//! each version of an object, its metrics at most once, its alerts at least once and never before it is stored, whoever
//! else works on the same object and wherever the function is killed.
//!
//! A delivery asks for one [`Action`] after another and is told the [`ActionOutcome`]; who makes the calls is not its concern. A
//! call that fails ends the delivery: the event comes again, and finds what is done already.
//!
//! ```text
//! PutSummary ─ done ────────────────────────────▶ EmitMetrics ▶ PutFindings ▶ SendAlerts ▶ PutReceipt
//!     └ exists ▶ HeadSummary ─ our own ───────────▲              ▲
//!                    └ another's ▶ LookAtReceipt / LookAtFindings ─ missing ▶ ReadSummary
//!                                        └ there: nothing is left to do
//! ```
//!
//! Everything after the summary is made of the summary that is stored, not of what this delivery came to: another
//! delivery may have used another topology. Steps that have nothing to do, as there are no findings or no alerts, are
//! left out. A quarantine receipt is written only where no summary is.

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectResult {
    /// The object was read whole; its summary asks for this.
    Summary(PendingOutputs),
    /// The object can never be read.
    Quarantine,
}

/// What is to be done after a summary is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PendingOutputs {
    /// It has findings, which are stored by themselves too.
    pub findings: bool,
    /// Some of them are to be told.
    pub alerts: bool,
}

/// Something that a delivery asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Store the summary, unless there is one.
    PutSummary,
    /// Who stored the summary, and what it asks for.
    HeadSummary,
    /// Emit the metrics of the summary. It can't fail.
    EmitMetrics,
    /// Store the findings of the stored summary, unless they are.
    PutFindings,
    /// Whether the findings are stored.
    LookAtFindings,
    /// Whether there is a receipt for the alerts.
    LookAtReceipt,
    /// Read what the stored summary found.
    ReadSummary,
    /// Send an alert of each finding of the stored summary that is bad enough.
    SendAlerts,
    /// TrafficClass that the alerts are sent, unless that is noted.
    PutReceipt,
    /// Store a quarantine receipt, unless there is one.
    PutQuarantine,
    /// Who stored the quarantine receipt.
    LookAtQuarantine,
    /// Emit the metrics of a quarantined object. It can't fail.
    EmitQuarantineMetrics,
}

/// What is answered to a call that does not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionOutcome {
    /// It is done.
    Done,
    /// Of something to store: it is there already. Perhaps this very delivery stored it, and did not hear of it.
    Exists,
    /// Of something to look at: this delivery stored it.
    Ours,
    /// Of something to look at or to read: another delivery stored it. What it asks for, if it is a summary.
    Theirs(PendingOutputs),
    /// Of something to look at: it is not there.
    Missing,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// This call.
    Ask(Action),
    /// Nothing.
    Completion(Completion),
}

/// How a delivery ends whose calls did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Completion {
    /// This delivery stored the summary.
    Summarized,
    /// Another one had stored it.
    AlreadySummarized,
    /// This delivery stored the quarantine receipt.
    Quarantined,
    /// Another one had stored it.
    AlreadyQuarantined,
    /// What is stored comes and goes while this delivery looks.
    Conflict,
}

/// So often something that is said to exist may be missing when it is looked at.
const MAX_CONCURRENT_DELETES: u8 = 2;

/// The steps of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryState {
    verdict: ObjectResult,
    asked: Action,
    /// Of the stored summary.
    work: PendingOutputs,
    /// Whether this delivery stored the summary.
    first: bool,
    vanishings: u8,
}

impl DeliveryState {
    /// The delivery of what an object came to, and its first call.
    pub fn start(verdict: ObjectResult) -> (DeliveryState, Action) {
        let (asked, work) = match verdict {
            ObjectResult::Summary(work) => (Action::PutSummary, work),
            ObjectResult::Quarantine => (Action::HeadSummary, PendingOutputs { findings: false, alerts: false }),
        };
        (DeliveryState { verdict, asked, work, first: false, vanishings: 0 }, asked)
    }

    /// What comes after this answer to the call that was asked for last.
    pub fn answered(&mut self, answer: ActionOutcome) -> Step {
        let step = match (self.asked, answer) {
            (Action::PutSummary, ActionOutcome::Exists) => Step::Ask(Action::HeadSummary),
            (Action::PutSummary, _) | (Action::HeadSummary, ActionOutcome::Ours) => self.stored_by_us(),
            (Action::HeadSummary, ActionOutcome::Theirs(work)) => self.stored_by_another(work),
            (Action::HeadSummary, _) => match self.verdict {
                ObjectResult::Summary(_) => self.vanished(Action::PutSummary),
                ObjectResult::Quarantine => Step::Ask(Action::PutQuarantine),
            },
            (Action::EmitMetrics, _) if self.work.findings => Step::Ask(Action::PutFindings),
            (Action::EmitMetrics, _) => self.settled(),
            (Action::LookAtFindings | Action::LookAtReceipt, ActionOutcome::Missing) => Step::Ask(Action::ReadSummary),
            (Action::LookAtFindings | Action::LookAtReceipt, _) => self.settled(),
            (Action::ReadSummary, ActionOutcome::Theirs(work)) => {
                self.work = work;
                if work.findings { Step::Ask(Action::PutFindings) } else { self.settled() }
            }
            (Action::ReadSummary, _) => Step::Completion(Completion::Conflict),
            (again @ (Action::PutFindings | Action::PutReceipt), ActionOutcome::Missing) => self.vanished(again),
            (Action::PutFindings, _) if self.work.alerts => Step::Ask(Action::SendAlerts),
            (Action::SendAlerts, _) => Step::Ask(Action::PutReceipt),
            (Action::PutFindings | Action::PutReceipt, _) => self.settled(),
            (Action::PutQuarantine, ActionOutcome::Exists) => Step::Ask(Action::LookAtQuarantine),
            (Action::PutQuarantine, _) | (Action::LookAtQuarantine, ActionOutcome::Ours) => {
                Step::Ask(Action::EmitQuarantineMetrics)
            }
            (Action::LookAtQuarantine, ActionOutcome::Missing) => self.vanished(Action::PutQuarantine),
            (Action::LookAtQuarantine, _) => Step::Completion(Completion::AlreadyQuarantined),
            (Action::EmitQuarantineMetrics, _) => Step::Completion(Completion::Quarantined),
        };
        if let Step::Ask(call) = step {
            self.asked = call;
        }
        step
    }

    fn stored_by_us(&mut self) -> Step {
        self.first = true;
        Step::Ask(Action::EmitMetrics)
    }

    /// The last thing that is stored tells whether anything is left to do.
    fn stored_by_another(&mut self, work: PendingOutputs) -> Step {
        self.work = work;
        match work {
            PendingOutputs { alerts: true, .. } => Step::Ask(Action::LookAtReceipt),
            PendingOutputs { findings: true, .. } => Step::Ask(Action::LookAtFindings),
            PendingOutputs { .. } => self.settled(),
        }
    }

    fn settled(&self) -> Step {
        Step::Completion(if self.first { Completion::Summarized } else { Completion::AlreadySummarized })
    }

    /// Somebody removed it in between: to remove the outputs of an object is how an operator has it analysed anew.
    fn vanished(&mut self, again: Action) -> Step {
        self.vanishings += 1;
        if self.vanishings > MAX_CONCURRENT_DELETES { Step::Completion(Completion::Conflict) } else { Step::Ask(again) }
    }
}

#[cfg(test)]
mod tests;
