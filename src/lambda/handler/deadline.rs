//! Deadlines of an invocation and of its objects.
//!
//! A deadline has a small grace time, for work that must not be interrupted halfway. All of it ends before Lambda would kill
//! the function, so that the invocation can still respond.

use std::future::Future;
use std::time::{Duration, SystemTime};

use lambda_runtime::Context;
use tokio::time::{self, Instant};

/// Time before Lambda's timeout at which unfinished work is reported as failed. Three seconds, and a margin for the response,
/// because a function with little memory has a small share of a CPU.
const RESERVE: Duration = Duration::from_millis(3_750);
/// The part of the reserve for work that must not be interrupted.
const GRACE: Duration = Duration::from_millis(250);
/// The grace time of one object, which is taken from the time of the others.
const OBJECT_GRACE: Duration = Duration::from_secs(1);

/// Lambda sends the deadline as Unix milliseconds; cargo-lambda sends the remaining time. Values of up to 24 hours are
/// treated as a duration.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// When the work of an invocation, or of one of its objects, must end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    /// The end of the grace time.
    grace_end: Instant,
}

impl Deadline {
    /// Creates the deadline of an invocation.
    pub(crate) fn from_context(context: &Context) -> Deadline {
        let at = Instant::now() + work_time(time_left(Duration::from_millis(context.deadline), clock()));
        Deadline { at, grace_end: at + GRACE }
    }

    /// Returns the deadline of one object. While others wait, it has half of the remaining time, so that one object can't use
    /// the time of all others, even if they are redelivered together.
    pub(crate) fn split(self, others_wait: bool) -> Deadline {
        if !others_wait {
            return self;
        }
        let at = Instant::now() + self.remaining() / 2;
        Deadline { at, grace_end: self.grace_end.min(at + OBJECT_GRACE) }
    }

    /// Returns the remaining time, including the grace time.
    pub(crate) fn remaining_with_grace(self) -> Duration {
        self.grace_end.saturating_duration_since(Instant::now())
    }

    /// Returns the remaining time.
    pub(crate) fn remaining(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Reports whether no time is left.
    pub(crate) fn is_over(self) -> bool {
        self.remaining().is_zero()
    }

    /// Runs the work until the deadline. Returns `None`, and drops the work, if it does not end in time.
    pub(crate) async fn with_deadline<T>(self, work: impl Future<Output = T>) -> Option<T> {
        time::timeout_at(self.at, work).await.ok()
    }

    /// Runs the work until the end of the grace time. For work that should not be interrupted.
    pub(crate) async fn with_grace<T>(self, work: impl Future<Output = T>) -> Option<T> {
        time::timeout_at(self.grace_end, work).await.ok()
    }
}

/// Returns the time until Lambda's timeout.
fn time_left(deadline: Duration, now: SystemTime) -> Duration {
    if deadline <= MAX_DURATION {
        deadline
    } else {
        (SystemTime::UNIX_EPOCH + deadline).duration_since(now).unwrap_or_default()
    }
}

/// Returns the part of the remaining time that can be used for work.
fn work_time(left: Duration) -> Duration {
    left.saturating_sub(RESERVE)
}

#[expect(clippy::disallowed_methods, reason = "Lambda sends the deadline as wall-clock time")]
fn clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_in(milliseconds: u64) -> Deadline {
        let now = clock().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
        let mut context = Context::default();
        context.deadline = u64::try_from(now).expect("before the year 500,000,000") + milliseconds;
        Deadline::from_context(&context)
    }

    #[test]
    fn time_is_reserved_for_the_response() {
        assert_eq!(work_time(Duration::from_secs(60)), Duration::from_millis(56_250));
        assert_eq!(work_time(Duration::from_secs(3)), Duration::ZERO);
    }

    #[test]
    fn small_deadlines_are_durations() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_562_758);
        let left = |deadline_ms: u64| time_left(Duration::from_millis(deadline_ms), now).as_millis();
        assert_eq!(left(1_795_562_818_500), 60_500);
        assert_eq!(left(1_795_562_757_000), 0);
        // The ten minutes of cargo-lambda.
        assert_eq!(left(600_000), 600_000);
        assert_eq!((left(86_400_000), left(86_400_001)), (86_400_000, 0));
    }

    #[tokio::test]
    async fn work_that_exceeds_the_deadline_is_dropped() {
        assert!(ends_in(3_000).is_over() && !ends_in(60_000).is_over());
        assert_eq!(ends_in(60_000).with_deadline(async { 7 }).await, Some(7));
        assert_eq!(ends_in(3_850).with_deadline(std::future::pending::<u8>()).await, None);
        let nearly = ends_in(3_760);
        let work = async || time::sleep(Duration::from_millis(100)).await;
        assert_eq!((nearly.with_deadline(work()).await, nearly.with_grace(work()).await), (None, Some(())));
    }

    #[tokio::test]
    async fn an_object_has_half_of_the_time_while_others_wait() {
        let deadline = ends_in(63_750);
        let seconds = |deadline: Deadline| deadline.remaining().as_secs_f64().round();
        assert_eq!((seconds(deadline.split(false)), seconds(deadline.split(true))), (60.0, 30.0));
        assert_eq!(seconds(deadline.split(true).split(true)), 15.0);
        assert!(ends_in(1_000).split(true).is_over());
    }
}
