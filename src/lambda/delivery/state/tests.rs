//! Every way in which two deliveries of one event can go, against a store in memory: each call may be done, fail undone,
//! be done with its answer lost, or be the last before the function is killed; between any two calls the other delivery
//! may go on, and once the object may be deleted. A delivery that does not succeed comes again.

#![expect(clippy::print_stdout, reason = "how much was explored is worth knowing")]

use std::collections::HashSet;

use super::*;

const NOTHING: PendingOutputs = PendingOutputs { findings: false, alerts: false };
const FINDINGS: PendingOutputs = PendingOutputs { findings: true, alerts: false };
const ALERTS: PendingOutputs = PendingOutputs { findings: true, alerts: true };

/// Each event may be delivered so often.
const DELIVERIES: u8 = 3;

/// What attempts come to if they can read the object: two topologies may be in use.
type Contents = [ObjectResult; 2];

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    object: bool,
    deleted: bool,
    /// The contents of the stored summary, and the attempt that stored it.
    summary: Option<(usize, u8)>,
    /// The contents that the findings file was made of.
    findings: Option<usize>,
    /// Alerts of these contents that arrived: there are two of each.
    alerts: [[bool; 2]; 2],
    receipt: bool,
    quarantine: Option<u8>,
    metrics: u8,
    metrics_of_quarantine: u8,
    workers: [Worker; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Worker {
    /// How often its event was delivered.
    attempts: u8,
    running: Option<Running>,
    ended: Option<Completion>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Running {
    delivery: DeliveryState,
    asked: Action,
    token: u8,
    /// Whether there was a summary when the attempt began.
    summary_before: bool,
    /// The contents that metrics, findings and alerts are made of.
    in_hand: Option<usize>,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    /// Not done, and that is known; or the function is killed before.
    Failed,
    /// Done, but nobody hears of it; or the function is killed after.
    Lost,
    /// Done, the answer is lost, and the client asks once more.
    Retried,
    /// Half of it is done.
    Partial,
}

fn fates(call: Action) -> &'static [Fate] {
    match call {
        // Killed before or after it.
        Action::EmitMetrics | Action::EmitQuarantineMetrics => &[Fate::Done, Fate::Failed, Fate::Lost],
        Action::SendAlerts => &[Fate::Done, Fate::Failed, Fate::Lost, Fate::Retried, Fate::Partial],
        Action::PutSummary | Action::PutFindings | Action::PutReceipt | Action::PutQuarantine => {
            &[Fate::Done, Fate::Failed, Fate::Lost, Fate::Retried]
        }
        Action::HeadSummary
        | Action::LookAtFindings
        | Action::LookAtReceipt
        | Action::ReadSummary
        | Action::LookAtQuarantine => &[Fate::Done, Fate::Failed],
    }
}

impl World {
    fn new() -> World {
        let worker = Worker { attempts: 0, running: None, ended: None };
        World {
            object: true,
            deleted: false,
            summary: None,
            findings: None,
            alerts: [[false; 2]; 2],
            receipt: false,
            quarantine: None,
            metrics: 0,
            metrics_of_quarantine: 0,
            workers: [worker.clone(), worker],
        }
    }

    fn successors(&self, contents: &Contents) -> Vec<World> {
        let mut next = Vec::new();
        if self.object {
            next.push(World { object: false, deleted: true, ..self.clone() });
        }
        for (at, worker) in self.workers.iter().enumerate() {
            match &worker.running {
                None if worker.ended.is_none() && worker.attempts < DELIVERIES => next.push(self.begun(at, contents)),
                None => {}
                Some(running) => next.extend(fates(running.asked).iter().map(|fate| self.after(at, *fate, contents))),
            }
        }
        next
    }

    /// The attempt reads the object, by the topology of its turn.
    fn begun(&self, at: usize, contents: &Contents) -> World {
        let mut world = self.clone();
        let worker = &mut world.workers[at];
        worker.attempts += 1;
        let own = (at + usize::from(worker.attempts)) % 2;
        let verdict = if self.object { contents[own] } else { ObjectResult::Quarantine };
        let (delivery, asked) = DeliveryState::start(verdict);
        let in_hand = matches!(verdict, ObjectResult::Summary(_)).then_some(own);
        let (token, summary_before) = (token(at, worker.attempts), self.summary.is_some());
        worker.running = Some(Running { delivery, asked, token, summary_before, in_hand });
        world
    }

    fn after(&self, at: usize, fate: Fate, contents: &Contents) -> World {
        let mut world = self.clone();
        let mut running = world.workers[at].running.take().expect("it runs");
        let answer = match fate {
            Fate::Done => Some(world.perform(&mut running, contents)),
            Fate::Failed => None,
            Fate::Lost => {
                world.perform(&mut running, contents);
                None
            }
            Fate::Retried => {
                world.perform(&mut running, contents);
                Some(world.perform(&mut running, contents))
            }
            Fate::Partial => {
                world.alerts[running.in_hand.expect("read")][0] = true;
                None
            }
        };
        let worker = &mut world.workers[at];
        match answer.map(|answer| running.delivery.answered(answer)) {
            Some(Step::Ask(asked)) => worker.running = Some(Running { asked, ..running }),
            Some(Step::Completion(end)) => worker.ended = Some(end),
            None => {}
        }
        if let Some(end) = worker.ended {
            world.assert_promise_of_success(end, contents);
        }
        world.assert_safe(contents);
        world
    }

    fn perform(&mut self, running: &mut Running, contents: &Contents) -> ActionOutcome {
        let put = |there: bool| if there { ActionOutcome::Exists } else { ActionOutcome::Done };
        match running.asked {
            Action::PutSummary => {
                let answer = put(self.summary.is_some());
                self.summary.get_or_insert((running.in_hand.expect("its own"), running.token));
                answer
            }
            Action::HeadSummary => match self.summary {
                None => ActionOutcome::Missing,
                Some((_, token)) if token == running.token => ActionOutcome::Ours,
                Some((stored, _)) => ActionOutcome::Theirs(work(contents, stored)),
            },
            Action::EmitMetrics => {
                self.metrics += 1;
                ActionOutcome::Done
            }
            Action::PutFindings => {
                let answer = put(self.findings.is_some());
                self.findings.get_or_insert(running.in_hand.expect("read"));
                answer
            }
            Action::LookAtFindings if self.findings.is_none() => ActionOutcome::Missing,
            Action::LookAtReceipt if !self.receipt => ActionOutcome::Missing,
            Action::LookAtFindings | Action::LookAtReceipt => ActionOutcome::Theirs(NOTHING),
            Action::ReadSummary => {
                let (stored, _) = self.summary.expect("it was looked at");
                running.in_hand = Some(stored);
                ActionOutcome::Theirs(work(contents, stored))
            }
            Action::SendAlerts => {
                self.alerts[running.in_hand.expect("read")] = [true; 2];
                ActionOutcome::Done
            }
            Action::PutReceipt => {
                let answer = put(self.receipt);
                self.receipt = true;
                answer
            }
            Action::PutQuarantine => {
                assert!(!running.summary_before, "quarantined though there is a summary: {self:?}");
                let answer = put(self.quarantine.is_some());
                self.quarantine.get_or_insert(running.token);
                answer
            }
            Action::LookAtQuarantine => match self.quarantine {
                None => ActionOutcome::Missing,
                Some(token) if token == running.token => ActionOutcome::Ours,
                Some(_) => ActionOutcome::Theirs(NOTHING),
            },
            Action::EmitQuarantineMetrics => {
                self.metrics_of_quarantine += 1;
                ActionOutcome::Done
            }
        }
    }

    /// What holds at any time, whatever fails.
    fn assert_safe(&self, contents: &Contents) {
        assert!(self.metrics <= 1 && self.metrics_of_quarantine <= 1, "told twice: {self:?}");
        let stored = self.summary.map(|(stored, _)| stored);
        assert!(self.metrics == 0 || stored.is_some(), "told before it was stored: {self:?}");
        assert!(self.findings.is_none() || self.findings == stored, "findings of another summary: {self:?}");
        for (of, arrived) in self.alerts.iter().enumerate() {
            assert!(!arrived[0] && !arrived[1] || stored == Some(of), "alerts of no stored summary: {self:?}");
        }
        assert!(!self.receipt || self.alerts[stored.expect("stored")] == [true; 2], "a false receipt: {self:?}");
        let readable = contents.iter().all(|verdict| matches!(verdict, ObjectResult::Summary(_)));
        assert!(self.quarantine.is_none() || self.deleted || !readable, "quarantined though readable: {self:?}");
    }

    /// Whether the attempt of this token came to its end.
    fn has_ended(&self, of: u8) -> bool {
        let mut workers = self.workers.iter().enumerate();
        workers.any(|(at, worker)| worker.ended.is_some() && token(at, worker.attempts) == of)
    }

    /// What holds as soon as one delivery succeeds. Whoever stored something and came to its end has told it. That it quarantined the object while another one, which had begun to
    /// read it before it was deleted, stores a summary, can't be excluded without a further object for each object.
    fn assert_promise_of_success(&self, end: Completion, contents: &Contents) {
        if let Some((_, token)) = self.summary.filter(|(_, token)| self.has_ended(*token)) {
            assert_eq!(self.metrics, 1, "attempt {token} told nothing: {self:?}");
        }
        if let Some(token) = self.quarantine.filter(|token| self.has_ended(*token)) {
            assert_eq!(self.metrics_of_quarantine, 1, "attempt {token} told nothing: {self:?}");
        }
        match (end, self.summary) {
            (Completion::Summarized | Completion::AlreadySummarized, Some((stored, _))) => {
                let work = work(contents, stored);
                assert!(!work.findings || self.findings == Some(stored), "no findings: {self:?}");
                assert!(!work.alerts || (self.alerts[stored] == [true; 2] && self.receipt), "no alerts: {self:?}");
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

/// No two attempts have the same.
fn token(worker: usize, attempt: u8) -> u8 {
    10 * u8::try_from(worker).expect("two workers") + attempt
}

fn work(contents: &Contents, stored: usize) -> PendingOutputs {
    match contents[stored] {
        ObjectResult::Summary(work) => work,
        ObjectResult::Quarantine => panic!("no summary was made"),
    }
}

#[derive(Debug, Default)]
struct Explored {
    states: usize,
    transitions: usize,
    /// States in which nothing can happen any more.
    outcomes: usize,
    /// Of these, those in which both events were done, those in which one was not, and those in which the object was
    /// deleted while one attempt was reading it and another one was not any more.
    all_done: usize,
    given_up: usize,
    receipt_beside_summary: usize,
}

fn explore(contents: Contents) -> Explored {
    let mut explored = Explored::default();
    let mut met = HashSet::from([World::new()]);
    let mut waiting = vec![World::new()];
    while let Some(world) = waiting.pop() {
        explored.states += 1;
        let next = world.successors(&contents);
        explored.transitions += next.len();
        if next.is_empty() {
            explored.outcomes += 1;
            let done = world.workers.iter().all(|worker| worker.ended.is_some());
            explored.all_done += usize::from(done);
            explored.given_up += usize::from(!done);
            explored.receipt_beside_summary += usize::from(world.summary.is_some() && world.quarantine.is_some());
        }
        waiting.extend(next.into_iter().filter(|world| met.insert(world.clone())));
    }
    explored
}

#[test]
fn two_deliveries_keep_the_promise_however_they_go() {
    let works = [NOTHING, FINDINGS, ALERTS].map(ObjectResult::Summary);
    let mut sum = Explored::default();
    for first in works {
        for second in works {
            let explored = explore([first, second]);
            assert!(explored.all_done > 0 && explored.given_up > 0, "{explored:?}");
            sum.states += explored.states;
            sum.transitions += explored.transitions;
            sum.outcomes += explored.outcomes;
            sum.all_done += explored.all_done;
            sum.given_up += explored.given_up;
            sum.receipt_beside_summary += explored.receipt_beside_summary;
        }
    }
    println!("{sum:#?}");
    assert!(sum.states > 100_000, "{sum:?}");
}

#[test]
fn two_deliveries_of_what_can_t_be_read_quarantine_it_once() {
    let explored = explore([ObjectResult::Quarantine; 2]);
    println!("{explored:#?}");
    assert!(explored.all_done > 0 && explored.receipt_beside_summary == 0, "{explored:?}");
}

/// The limits were changed between two deliveries.
#[test]
fn what_one_delivery_can_read_and_the_other_can_t_is_settled_all_the_same() {
    for work in [NOTHING, FINDINGS, ALERTS] {
        let explored = explore([ObjectResult::Summary(work), ObjectResult::Quarantine]);
        assert!(explored.all_done > 0, "{explored:?}");
    }
}

/// The steps of a delivery that is answered so.
fn steps(verdict: ObjectResult, answers: &[ActionOutcome]) -> (Vec<Action>, Option<Completion>) {
    let (mut delivery, first) = DeliveryState::start(verdict);
    let mut calls = vec![first];
    for answer in answers {
        match delivery.answered(*answer) {
            Step::Ask(call) => calls.push(call),
            Step::Completion(end) => return (calls, Some(end)),
        }
    }
    (calls, None)
}

#[test]
fn a_delivery_that_nothing_disturbs_asks_for_what_it_has_to_do() {
    let done = [ActionOutcome::Done; 5];
    let summarized = |work: PendingOutputs| steps(ObjectResult::Summary(work), &done);
    let end = Some(Completion::Summarized);
    assert_eq!(summarized(NOTHING), (vec![Action::PutSummary, Action::EmitMetrics], end));
    assert_eq!(summarized(FINDINGS), (vec![Action::PutSummary, Action::EmitMetrics, Action::PutFindings], end));
    let all =
        vec![Action::PutSummary, Action::EmitMetrics, Action::PutFindings, Action::SendAlerts, Action::PutReceipt];
    assert_eq!(summarized(ALERTS), (all, end));
    let quarantined =
        steps(ObjectResult::Quarantine, &[ActionOutcome::Missing, ActionOutcome::Done, ActionOutcome::Done]);
    assert_eq!(
        quarantined,
        (
            vec![Action::HeadSummary, Action::PutQuarantine, Action::EmitQuarantineMetrics],
            Some(Completion::Quarantined)
        )
    );
}

#[test]
fn a_duplicate_costs_two_looks_and_tells_nothing() {
    let of = |theirs: PendingOutputs, last: &[ActionOutcome]| {
        let answers = [&[ActionOutcome::Exists, ActionOutcome::Theirs(theirs)], last].concat();
        steps(ObjectResult::Summary(ALERTS), &answers)
    };
    let end = Some(Completion::AlreadySummarized);
    assert_eq!(of(NOTHING, &[]), (vec![Action::PutSummary, Action::HeadSummary], end));
    let there = [ActionOutcome::Theirs(NOTHING)];
    assert_eq!(of(FINDINGS, &there), (vec![Action::PutSummary, Action::HeadSummary, Action::LookAtFindings], end));
    assert_eq!(of(ALERTS, &there), (vec![Action::PutSummary, Action::HeadSummary, Action::LookAtReceipt], end));
}

#[test]
fn a_summary_that_comes_and_goes_is_an_end() {
    let answers = [ActionOutcome::Exists, ActionOutcome::Missing].repeat(4);
    let (calls, end) = steps(ObjectResult::Summary(NOTHING), &answers);
    assert_eq!((calls.len(), end), (6, Some(Completion::Conflict)));
    let answers = [&[ActionOutcome::Missing][..], &[ActionOutcome::Exists, ActionOutcome::Missing].repeat(4)].concat();
    let (calls, end) = steps(ObjectResult::Quarantine, &answers);
    assert_eq!((calls.len(), end), (7, Some(Completion::Conflict)));
    // So it is with what belongs to a summary.
    let answers = [&[ActionOutcome::Done; 2][..], &[ActionOutcome::Missing; 4]].concat();
    let (calls, end) = steps(ObjectResult::Summary(FINDINGS), &answers);
    assert_eq!((&calls[2..], end), (&[Action::PutFindings; 3][..], Some(Completion::Conflict)));
    // Removed once to have the object analysed anew, it is stored again.
    let answers = [ActionOutcome::Exists, ActionOutcome::Missing, ActionOutcome::Done, ActionOutcome::Done];
    assert_eq!(steps(ObjectResult::Summary(NOTHING), &answers).1, Some(Completion::Summarized));
}
