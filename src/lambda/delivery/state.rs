//! The order of the steps in which a result is stored and told. This order is what keeps the promise: one summary for
//! each version of an object, its metrics at most once, its alerts at least once and never before it is stored, whoever
//! else works on the same object and wherever the function is killed.
//!
//! A delivery asks for one [`Call`] after another and is told the [`Answer`]; who makes the calls is not its concern. A
//! call that fails ends the delivery: the event comes again, and finds what is done already.
//!
//! ```text
//! PutSummary ─ done ────────────────────────────▶ TellMetrics ▶ PutFindings ▶ SendAlerts ▶ PutReceipt
//!     └ exists ▶ LookAtSummary ─ our own ───────────▲              ▲
//!                    └ another's ▶ LookAtReceipt / LookAtFindings ─ missing ▶ ReadSummary
//!                                        └ there: nothing is left to do
//! ```
//!
//! Everything after the summary is made of the summary that is stored, not of what this delivery came to: another
//! delivery may have used another topology. Steps that have nothing to do, as there are no findings or no alerts, are
//! left out. A quarantine receipt is written only where no summary is.

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The object was read whole; its summary asks for this.
    Summary(Work),
    /// The object can never be read.
    Quarantine,
}

/// What is to be done after a summary is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Work {
    /// It has findings, which are stored by themselves too.
    pub findings: bool,
    /// Some of them are to be told.
    pub alerts: bool,
}

/// Something that a delivery asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Store the summary, unless there is one.
    PutSummary,
    /// Who stored the summary, and what it asks for.
    LookAtSummary,
    /// Emit the metrics of the summary. It can't fail.
    TellMetrics,
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
    /// Note that the alerts are sent, unless that is noted.
    PutReceipt,
    /// Store a quarantine receipt, unless there is one.
    PutQuarantine,
    /// Who stored the quarantine receipt.
    LookAtQuarantine,
    /// Emit the metrics of a quarantined object. It can't fail.
    TellQuarantined,
}

/// What is answered to a call that does not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is done.
    Done,
    /// Of something to store: it is there already. Perhaps this very delivery stored it, and did not hear of it.
    Exists,
    /// Of something to look at: this delivery stored it.
    Ours,
    /// Of something to look at or to read: another delivery stored it. What it asks for, if it is a summary.
    Theirs(Work),
    /// Of something to look at: it is not there.
    Missing,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// This call.
    Ask(Call),
    /// Nothing.
    End(End),
}

/// How a delivery ends whose calls did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// This delivery stored the summary.
    Summarized,
    /// Another one had stored it.
    AlreadySummarized,
    /// This delivery stored the quarantine receipt.
    Quarantined,
    /// Another one had stored it.
    AlreadyQuarantined,
    /// What is stored comes and goes while this delivery looks.
    Unsettled,
}

/// So often something that is said to exist may be missing when it is looked at.
const MAX_VANISHINGS: u8 = 2;

/// The steps of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delivery {
    verdict: Verdict,
    asked: Call,
    /// Of the stored summary.
    work: Work,
    /// Whether this delivery stored the summary.
    first: bool,
    vanishings: u8,
}

impl Delivery {
    /// The delivery of what an object came to, and its first call.
    pub fn start(verdict: Verdict) -> (Delivery, Call) {
        let (asked, work) = match verdict {
            Verdict::Summary(work) => (Call::PutSummary, work),
            Verdict::Quarantine => (Call::LookAtSummary, Work { findings: false, alerts: false }),
        };
        (Delivery { verdict, asked, work, first: false, vanishings: 0 }, asked)
    }

    /// What comes after this answer to the call that was asked for last.
    pub fn answered(&mut self, answer: Answer) -> Step {
        let step = match (self.asked, answer) {
            (Call::PutSummary, Answer::Exists) => Step::Ask(Call::LookAtSummary),
            (Call::PutSummary, _) | (Call::LookAtSummary, Answer::Ours) => self.stored_by_us(),
            (Call::LookAtSummary, Answer::Theirs(work)) => self.stored_by_another(work),
            (Call::LookAtSummary, _) => match self.verdict {
                Verdict::Summary(_) => self.vanished(Call::PutSummary),
                Verdict::Quarantine => Step::Ask(Call::PutQuarantine),
            },
            (Call::TellMetrics, _) if self.work.findings => Step::Ask(Call::PutFindings),
            (Call::TellMetrics, _) => self.settled(),
            (Call::LookAtFindings | Call::LookAtReceipt, Answer::Missing) => Step::Ask(Call::ReadSummary),
            (Call::LookAtFindings | Call::LookAtReceipt, _) => self.settled(),
            (Call::ReadSummary, Answer::Theirs(work)) => {
                self.work = work;
                if work.findings { Step::Ask(Call::PutFindings) } else { self.settled() }
            }
            (Call::ReadSummary, _) => Step::End(End::Unsettled),
            (again @ (Call::PutFindings | Call::PutReceipt), Answer::Missing) => self.vanished(again),
            (Call::PutFindings, _) if self.work.alerts => Step::Ask(Call::SendAlerts),
            (Call::SendAlerts, _) => Step::Ask(Call::PutReceipt),
            (Call::PutFindings | Call::PutReceipt, _) => self.settled(),
            (Call::PutQuarantine, Answer::Exists) => Step::Ask(Call::LookAtQuarantine),
            (Call::PutQuarantine, _) | (Call::LookAtQuarantine, Answer::Ours) => Step::Ask(Call::TellQuarantined),
            (Call::LookAtQuarantine, Answer::Missing) => self.vanished(Call::PutQuarantine),
            (Call::LookAtQuarantine, _) => Step::End(End::AlreadyQuarantined),
            (Call::TellQuarantined, _) => Step::End(End::Quarantined),
        };
        if let Step::Ask(call) = step {
            self.asked = call;
        }
        step
    }

    fn stored_by_us(&mut self) -> Step {
        self.first = true;
        Step::Ask(Call::TellMetrics)
    }

    /// The last thing that is stored tells whether anything is left to do.
    fn stored_by_another(&mut self, work: Work) -> Step {
        self.work = work;
        match work {
            Work { alerts: true, .. } => Step::Ask(Call::LookAtReceipt),
            Work { findings: true, .. } => Step::Ask(Call::LookAtFindings),
            Work { .. } => self.settled(),
        }
    }

    fn settled(&self) -> Step {
        Step::End(if self.first { End::Summarized } else { End::AlreadySummarized })
    }

    /// Somebody removed it in between: to remove the outputs of an object is how an operator has it analysed anew.
    fn vanished(&mut self, again: Call) -> Step {
        self.vanishings += 1;
        if self.vanishings > MAX_VANISHINGS { Step::End(End::Unsettled) } else { Step::Ask(again) }
    }
}

#[cfg(test)]
mod tests;
