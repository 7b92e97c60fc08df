//! Model of two deliveries that send findings, against memories in a store. [`World::successors`] returns every state that can
//! follow, and asserts the invariants in each.

use std::collections::BTreeSet;

use super::super::*;
use super::SEEN;

/// How often a delivery waits for another one of the same input.
const WAITS: u8 = 1;

/// The inputs of a run. Each of them has the same findings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// The ids of the inputs. Equal ones are two deliveries of one input.
    pub(super) uids: [&'static str; 2],
    pub(super) severities: [Severity; 2],
    pub(super) findings: usize,
    /// How much later the records of the second input are.
    pub(super) later: i64,
    /// How much the clocks of the deliveries are ahead.
    pub(super) clocks: [i64; 2],
    /// Maximum deliveries of each input.
    pub(super) deliveries: u8,
}

impl Case {
    fn sighting(&self, worker: usize) -> Sighting<'static> {
        let last_seen = SEEN + if worker == 1 { self.later } else { 0 };
        Sighting { severity: self.severities[worker], first_seen: last_seen, last_seen, uid: self.uids[worker] }
    }

    /// Reports whether only one alert of a finding is to be sent, unless something fails.
    fn is_plain(&self) -> bool {
        let skew = (self.clocks[0] - self.clocks[1]).abs();
        self.uids[0] != self.uids[1]
            && self.severities[0] == self.severities[1]
            && self.later == 0
            && skew < LEASE_SECONDS
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    memories: Vec<Option<Memory>>,
    /// The alerts that arrived: finding, id, and severity.
    arrived: BTreeSet<(usize, String, Severity)>,
    /// How many arrived, up to two for each finding.
    counts: Vec<u8>,
    /// Whether a lease has ended.
    is_late: bool,
    /// Whether a call failed, or a lease ended.
    is_disturbed: bool,
    workers: [Worker; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Worker {
    attempts: u8,
    running: Option<Running>,
    done: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Running {
    token: String,
    waits: u8,
    /// The findings that this delivery sends, with the ids of their claims.
    to_send: Vec<(usize, String)>,
    step: Step,
}

/// The next call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Read(usize),
    /// Store the second memory if the first one is still stored.
    Store(usize, Option<Memory>, Memory),
    Send,
    /// Read a memory, to confirm the nth finding that was sent.
    ReadSent(usize),
    Confirm(usize, Option<Memory>, Memory),
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallResult {
    Done,
    /// No effect, or killed before the call.
    Failed,
    /// Done, but the response is lost, or killed after the call.
    Lost,
    /// Done, the response is lost, and the client retries.
    Retried,
    /// Only the first alert arrives.
    Partial,
}

impl World {
    pub(super) fn new(case: &Case) -> World {
        let worker = Worker { attempts: 0, running: None, done: false };
        World {
            memories: vec![None; case.findings],
            arrived: BTreeSet::new(),
            counts: vec![0; case.findings],
            is_late: false,
            is_disturbed: false,
            workers: [worker.clone(), worker],
        }
    }

    pub(super) fn successors(&self, case: &Case) -> Vec<World> {
        let mut next = Vec::new();
        if !self.is_late {
            next.push(World { is_late: true, is_disturbed: true, ..self.clone() });
        }
        for (index, worker) in self.workers.iter().enumerate() {
            match &worker.running {
                None if !worker.done && worker.attempts < case.deliveries => next.push(self.start(index)),
                None => {}
                Some(running) => {
                    let results: &[CallResult] = match running.step {
                        Step::Read(_) | Step::ReadSent(_) => &[CallResult::Done, CallResult::Failed],
                        Step::Store(..) | Step::Confirm(..) => {
                            &[CallResult::Done, CallResult::Failed, CallResult::Lost, CallResult::Retried]
                        }
                        Step::Send => &[CallResult::Done, CallResult::Failed, CallResult::Lost, CallResult::Partial],
                        Step::Done => &[CallResult::Done],
                    };
                    next.extend(results.iter().map(|result| self.after_call(index, *result, case)));
                }
            }
        }
        next
    }

    fn start(&self, index: usize) -> World {
        let mut world = self.clone();
        let worker = &mut world.workers[index];
        worker.attempts += 1;
        let token = format!("{index}-{}", worker.attempts);
        worker.running = Some(Running { token, waits: 0, to_send: Vec::new(), step: Step::Read(0) });
        world
    }

    fn after_call(&self, index: usize, result: CallResult, case: &Case) -> World {
        let mut world = self.clone();
        let mut running = world.workers[index].running.take().expect("it runs");
        world.is_disturbed |= result != CallResult::Done;
        match result {
            CallResult::Done => {
                world.perform(index, &mut running, case);
                world.workers[index].running = Some(running);
            }
            CallResult::Failed => {}
            CallResult::Lost => world.perform(index, &mut running, case),
            CallResult::Retried => {
                let mut lost = running.clone();
                world.perform(index, &mut lost, case);
                world.perform(index, &mut running, case);
                world.workers[index].running = Some(running);
            }
            CallResult::Partial => world.arrive(index, &running.to_send[0], case),
        }
        if world.workers[index].running.as_ref().is_some_and(|running| running.step == Step::Done) {
            world.workers[index] = Worker { running: None, done: true, ..world.workers[index].clone() };
            world.assert_complete(index, case);
        }
        world.assert_safe();
        world
    }

    fn perform(&mut self, index: usize, running: &mut Running, case: &Case) {
        match running.step.clone() {
            Step::Read(finding) => self.decide(index, finding, running, case),
            Step::Store(finding, before, after) => {
                if self.memories[finding] == before {
                    self.memories[finding] = Some(after.clone());
                    running.step = self.after_decision(finding, running, uid_of(&after), case);
                } else {
                    running.step = Step::Read(finding);
                }
            }
            Step::Send => {
                for sent in &running.to_send {
                    self.arrive(index, sent, case);
                }
                running.step = Step::ReadSent(0);
            }
            Step::ReadSent(place) => running.step = self.confirmation(place, running),
            Step::Confirm(place, before, after) => {
                let (finding, _) = running.to_send[place];
                if self.memories[finding] == before {
                    self.memories[finding] = Some(after);
                    running.step = next_sent(place, running);
                } else {
                    running.step = Step::ReadSent(place);
                }
            }
            Step::Done => {}
        }
    }

    fn decide(&mut self, index: usize, finding: usize, running: &mut Running, case: &Case) {
        let now = SEEN + case.clocks[index] + if self.is_late { LEASE_SECONDS + 1 } else { 0 };
        let may_wait = running.waits < WAITS;
        let sender = Sender { token: &running.token.clone(), now, repeat_seconds: 24 * 60 * 60, may_wait };
        let memory = self.memories[finding].clone();
        match decide(memory.as_ref(), &case.sighting(index), &sender) {
            Decision::Claim(after) | Decision::Quiet(Some(after)) => running.step = Step::Store(finding, memory, after),
            Decision::Send => {
                let uid = memory.as_ref().and_then(uid_of);
                running.step = self.after_decision(finding, running, uid, case);
            }
            Decision::Wait => running.waits += 1,
            Decision::Sent | Decision::Quiet(None) => running.step = self.after_decision(finding, running, None, case),
        }
    }

    fn after_decision(&self, finding: usize, running: &mut Running, uid: Option<String>, case: &Case) -> Step {
        running.to_send.extend(uid.map(|uid| (finding, uid)));
        match (finding + 1 < case.findings, running.to_send.is_empty()) {
            (true, _) => Step::Read(finding + 1),
            (false, false) => Step::Send,
            (false, true) => Step::Done,
        }
    }

    fn confirmation(&self, place: usize, running: &Running) -> Step {
        let memory = self.memories[running.to_send[place].0].clone();
        let confirmed = memory.as_ref().and_then(|memory| confirm(memory, &running.token));
        confirmed.map_or_else(|| next_sent(place, running), |confirmed| Step::Confirm(place, memory, confirmed))
    }

    /// Delivers the alert of a finding, with the id of the claim that the delivery stored.
    fn arrive(&mut self, index: usize, (finding, uid): &(usize, String), case: &Case) {
        assert!(self.memories[*finding].is_some(), "sent before it was claimed");
        self.arrived.insert((*finding, uid.clone(), case.severities[index]));
        self.counts[*finding] = (self.counts[*finding] + 1).min(2);
    }

    fn has_arrived(&self, finding: usize, severity: Severity) -> bool {
        self.arrived.iter().any(|(arrived, _, at)| *arrived == finding && *at >= severity)
    }

    fn assert_safe(&self) {
        for (finding, memory) in self.memories.iter().enumerate() {
            if let Some(Sent { severity, .. }) = memory.as_ref().and_then(|memory| memory.sent.as_ref()) {
                assert!(self.has_arrived(finding, *severity), "confirmed but not sent: {self:?}");
            }
        }
    }

    /// Asserts that a delivery that completes leaves no finding unsent, except to an input that is still to be completed.
    fn assert_complete(&self, index: usize, case: &Case) {
        for finding in 0..case.findings {
            let claim = self.memories[finding].as_ref().and_then(|memory| memory.claim.as_ref());
            let is_left = claim.is_some_and(|claim| {
                let owner = case.uids.iter().position(|uid| *uid == claim.sent.uid).expect("an input");
                owner != index && !self.workers[owner].done && claim.sent.severity >= case.severities[index]
            });
            assert!(is_left || self.has_arrived(finding, case.severities[index]), "lost by {index}: {self:?}");
        }
    }

    /// Asserts the invariants of a final state. Returns whether both inputs were completed.
    pub(super) fn assert_final(&self, case: &Case) -> bool {
        let all_done = self.workers.iter().all(|worker| worker.done);
        for finding in 0..case.findings {
            let highest = case.severities[0].max(case.severities[1]);
            assert!(!all_done || self.has_arrived(finding, highest), "lost: {self:?}");
            let ids: BTreeSet<_> = self.arrived.iter().filter(|(arrived, ..)| *arrived == finding).collect();
            if case.is_plain() {
                assert!(ids.len() <= 1, "the same notice with two ids: {self:?}");
                assert!(self.is_disturbed || self.counts[finding] == 1, "sent twice: {self:?}");
            }
        }
        all_done
    }
}

fn uid_of(memory: &Memory) -> Option<String> {
    memory.claim.as_ref().map(|claim| claim.sent.uid.clone())
}

fn next_sent(place: usize, running: &Running) -> Step {
    if place + 1 < running.to_send.len() { Step::ReadSent(place + 1) } else { Step::Done }
}
