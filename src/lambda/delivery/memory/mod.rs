//! The memory of alerts: decides whether a finding is sent, from what is stored about it. It makes no calls.
//!
//! There is one small stored object per finding. A delivery that sends a finding changes it twice, each time only if nobody else
//! has changed it in between:
//!
//! ```text
//! read ▶ decide ─ Claim ▶ store the claim ▶ send ▶ store that it was sent
//!            ├─── Send: the claim is already stored
//!            ├─── Wait: another delivery of the same input is about to send it ▶ read again
//!            └─── Quiet, Sent: nothing to send
//! ```
//!
//! Invariants, for any number of concurrent deliveries and wherever the function is killed:
//! - A finding is sent only after its claim is stored. A claim without its confirmation is sent again, with the same id.
//! - A delivery completes only if the finding was sent, or if the claim belongs to another input whose delivery is not complete.
//!   That delivery is repeated until it sends the finding.
//! - Two inputs that have the same finding at the same time send it once.
//! - What was sent is compared by the time of the records. The clock serves only for leases: a claim that is older than
//!   [`LEASE_SECONDS`] is taken over, so that a finding is not silent while the event of another input waits in a dead-letter queue. A wrong
//!   clock makes that earlier or later, which costs at most a second event with the same id.
//!
//! The tests explore all interleavings of two deliveries, with failures, lost responses, kills, and clocks that differ.

pub mod entry;

use serde::{Deserialize, Serialize};

use crate::findings::types::Severity;

/// How long a claim keeps other inputs from sending the finding, in seconds. It is the longest time that Lambda lets a function run.
pub const LEASE_SECONDS: i64 = 15 * 60;
/// How far the last record of a finding must advance before a memory is stored for that alone, in seconds.
pub const REFRESH_SECONDS: i64 = 60 * 60;
/// How long the records of an account and Region must continue without a finding until it has ended, in seconds.
pub const QUIET_SECONDS: i64 = 24 * 60 * 60;

/// Why a finding is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// It is new, or has returned.
    New,
    /// Its severity is higher than when it was last sent.
    Worse,
    /// It was sent some time ago, and lasts.
    Lasting,
    /// It has ended.
    Resolved,
}

impl Notice {
    /// Returns the keyword used in alerts.
    pub fn name(self) -> &'static str {
        match self {
            Notice::New => "new",
            Notice::Worse => "worse",
            Notice::Lasting => "lasting",
            Notice::Resolved => "resolved",
        }
    }
}

/// What is known of one finding. All times are in seconds since the Unix epoch, and those of records unless stated otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Memory {
    /// When it began. It begins anew if it returns after it has ended.
    pub first_seen: i64,
    /// Its last record, to the hour.
    pub last_seen: i64,
    /// The last record at its first notice.
    pub first_sent: Option<i64>,
    /// The last notice that the event bus accepted.
    pub sent: Option<Sent>,
    /// A notice that is being sent.
    pub claim: Option<Claim>,
    /// Set before a digest reports its end, so that a finding that returns meanwhile is new.
    pub ended: Option<Ended>,
    /// The day of the digest that lists it as new.
    pub digest: Option<String>,
}

/// A notice that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sent {
    /// Why it was sent.
    pub notice: Notice,
    /// The severity at that time.
    pub severity: Severity,
    /// The id of the alert.
    pub uid: String,
    /// The last record of the finding at that time.
    pub last_seen: i64,
}

/// A notice that a delivery is about to send.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The notice. It becomes [`Memory::sent`].
    pub sent: Sent,
    /// The delivery, unique among all deliveries.
    pub token: String,
    /// When it was claimed, by the clock of the delivery.
    pub claimed_at: i64,
}

/// The end of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ended {
    /// The latest record of its account and Region when the end was reported.
    pub data_until: i64,
    /// The day of the digest that reported it.
    pub digest: String,
    /// Whether the event bus has it. If not, the next digest reports it.
    pub sent: bool,
}

/// A finding in an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting<'a> {
    /// Its severity.
    pub severity: Severity,
    /// Its first record.
    pub first_seen: i64,
    /// Its last record.
    pub last_seen: i64,
    /// The id of an alert about this finding in this input.
    pub uid: &'a str,
}

/// A delivery that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender<'a> {
    /// Unique among all deliveries.
    pub token: &'a str,
    /// Its clock.
    pub now: i64,
    /// After how many seconds a finding that lasts is sent again.
    pub repeat_seconds: i64,
    /// Whether it may wait for another delivery of the same input.
    pub may_wait: bool,
}

/// What a delivery does with a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Store this memory, with the claim, then send the notice.
    Claim(Memory),
    /// Send the notice: its claim is stored.
    Send,
    /// Another delivery of this input is about to send it. Read the memory again a little later.
    Wait,
    /// This input's notice was sent.
    Sent,
    /// Nothing to send. The memory, if any, has a later or an earlier record: it may be stored.
    Quiet(Option<Memory>),
}

/// Decides whether a finding is sent. Without a memory it is new.
pub fn decide(memory: Option<&Memory>, sighting: &Sighting<'_>, sender: &Sender<'_>) -> Decision {
    let Some(memory) = memory else { return claim(None, Notice::New, sighting.uid, sighting, sender) };
    if let Some(held) = &memory.claim {
        return decide_claimed(memory, held, sighting, sender);
    }
    match &memory.sent {
        Some(sent) if sent.uid == sighting.uid => Decision::Sent,
        Some(sent) => match notice(memory, sent, sighting, sender) {
            Some(notice) => claim(Some(memory), notice, sighting.uid, sighting, sender),
            None => Decision::Quiet(refreshed(memory, sighting)),
        },
        None => claim(Some(memory), Notice::New, sighting.uid, sighting, sender),
    }
}

/// Decides while a claim is not confirmed.
fn decide_claimed(memory: &Memory, held: &Claim, sighting: &Sighting<'_>, sender: &Sender<'_>) -> Decision {
    let Sent { notice, severity, uid, .. } = &held.sent;
    if held.token == sender.token {
        return Decision::Send;
    }
    if *uid == sighting.uid {
        return if sender.may_wait { Decision::Wait } else { claim(Some(memory), *notice, uid, sighting, sender) };
    }
    let is_sent_here = memory.sent.as_ref().is_some_and(|sent| sent.uid == sighting.uid);
    let begins = *notice == Notice::New;
    if sighting.severity > *severity {
        let notice = if begins { Notice::New } else { Notice::Worse };
        claim(Some(memory), notice, sighting.uid, sighting, sender)
    } else if is_sent_here {
        Decision::Sent
    } else if held.is_valid(sender.now) {
        Decision::Quiet(None)
    } else if sighting.severity == *severity {
        claim(Some(memory), *notice, uid, sighting, sender)
    } else {
        // The other input may never be delivered, so this one sends what it has. If the other one is delivered, it is worse.
        let lasting = memory.sent.as_ref().and_then(|sent| self::notice(memory, sent, sighting, sender));
        let notice = if begins { Some(Notice::New) } else { lasting };
        notice.map_or(Decision::Quiet(None), |notice| claim(Some(memory), notice, sighting.uid, sighting, sender))
    }
}

impl Claim {
    /// Reports whether others leave the notice to this claim. One from the future is that of a wrong clock.
    fn is_valid(&self, now: i64) -> bool {
        (now - LEASE_SECONDS..=now + LEASE_SECONDS).contains(&self.claimed_at)
    }
}

/// Returns why a finding that was sent is sent again, or `None` if it is not.
fn notice(memory: &Memory, sent: &Sent, sighting: &Sighting<'_>, sender: &Sender<'_>) -> Option<Notice> {
    if let Some(ended) = &memory.ended {
        // Late records from before its end are no news, unless they show that it had not ended.
        let is_back = sighting.last_seen.saturating_add(QUIET_SECONDS) > ended.data_until;
        return (is_back && sighting.last_seen > memory.last_seen).then_some(Notice::New);
    }
    if sighting.severity > sent.severity {
        return Some(Notice::Worse);
    }
    let age = sighting.last_seen.saturating_sub(sent.last_seen);
    (age >= sender.repeat_seconds).then_some(Notice::Lasting)
}

/// Returns the memory with a claim of this notice.
fn claim(memory: Option<&Memory>, notice: Notice, uid: &str, sighting: &Sighting<'_>, sender: &Sender<'_>) -> Decision {
    let mut claimed = match memory {
        Some(memory) if memory.ended.is_none() => extended(memory, sighting),
        // A finding that returns after its end begins anew.
        ended => Memory {
            first_seen: sighting.first_seen,
            last_seen: sighting.last_seen,
            first_sent: None,
            sent: ended.and_then(|memory| memory.sent.clone()),
            claim: None,
            ended: None,
            digest: None,
        },
    };
    let sent = Sent { notice, severity: sighting.severity, uid: uid.to_owned(), last_seen: sighting.last_seen };
    claimed.claim = Some(Claim { sent, token: sender.token.to_owned(), claimed_at: sender.now });
    claimed.first_sent.get_or_insert(sighting.last_seen);
    Decision::Claim(claimed)
}

/// Returns the memory with the records of a sighting. Records of long before the finding are not a part of it.
fn extended(memory: &Memory, sighting: &Sighting<'_>) -> Memory {
    let mut extended = memory.clone();
    if sighting.last_seen.saturating_add(QUIET_SECONDS) >= memory.first_seen {
        extended.first_seen = memory.first_seen.min(sighting.first_seen);
    }
    extended.last_seen = memory.last_seen.max(sighting.last_seen);
    extended
}

/// Returns the memory with the records of a sighting, if they extend it so far that it is worth a request.
pub fn refreshed(memory: &Memory, sighting: &Sighting<'_>) -> Option<Memory> {
    let extended = extended(memory, sighting);
    let later = extended.last_seen.saturating_sub(memory.last_seen);
    let earlier = memory.first_seen.saturating_sub(extended.first_seen);
    (memory.ended.is_none() && later.max(earlier) >= REFRESH_SECONDS).then_some(extended)
}

/// Returns the memory after the claim of this delivery was sent, or `None` if another claim has replaced it.
pub fn confirm(memory: &Memory, token: &str) -> Option<Memory> {
    let claim = memory.claim.as_ref().filter(|claim| claim.token == token)?;
    Some(Memory { sent: Some(claim.sent.clone()), claim: None, ..memory.clone() })
}

#[cfg(test)]
mod tests;
