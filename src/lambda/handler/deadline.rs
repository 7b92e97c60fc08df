//! Until when an invocation is answered.

use std::future::Future;
use std::time::{Duration, SystemTime};

use lambda_runtime::Context;
use tokio::time::{self, Instant};

/// So long before Lambda would end the function, all that is not done is given back as failed: three seconds, and some
/// time for the answer itself: with little memory, a function has a small part of a processor only.
const RESERVE: Duration = Duration::from_millis(3_750);
/// What is not to be cut off in the middle may take so much of that.
const GRACE: Duration = Duration::from_millis(250);
/// And so much of the time of others.
const GRACE_OF_A_SHARE: Duration = Duration::from_secs(1);

/// What Lambda tells is a time, in milliseconds since 1970, and no function ends in 1970's first day: whoever tells so little
/// means a span. cargo-lambda does, which stands in for Lambda on a laptop.
const LONGEST_SPAN: Duration = Duration::from_secs(24 * 60 * 60);

/// When the work of an invocation, or of one of its objects, has to end.
#[derive(Debug, Clone, Copy)]
pub(in crate::lambda) struct Deadline {
    at: Instant,
    last: Instant,
}

impl Deadline {
    pub(in crate::lambda) fn of(context: &Context) -> Deadline {
        let at = Instant::now() + work_time(time_left(Duration::from_millis(context.deadline), clock()));
        Deadline { at, last: at + GRACE }
    }

    /// That of one object: half of what is left while others wait, so that none takes the time of all others, however
    /// often they come again together.
    pub(in crate::lambda) fn share(self, others_wait: bool) -> Deadline {
        if !others_wait {
            return self;
        }
        let at = Instant::now() + self.left() / 2;
        Deadline { at, last: self.last.min(at + GRACE_OF_A_SHARE) }
    }

    /// What is left for what should not be dropped.
    pub(in crate::lambda) fn remaining_with_grace(self) -> Duration {
        self.last.saturating_duration_since(Instant::now())
    }

    /// What is left of the time.
    pub(in crate::lambda) fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Whether there is no time left.
    pub(in crate::lambda) fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// What the work gives, if it ends in time; else it is dropped.
    pub(in crate::lambda) async fn bound<T>(self, work: impl Future<Output = T>) -> Option<T> {
        time::timeout_at(self.at, work).await.ok()
    }

    /// The same for what should not be dropped: it has a little longer.
    pub(in crate::lambda) async fn with_grace<T>(self, work: impl Future<Output = T>) -> Option<T> {
        time::timeout_at(self.last, work).await.ok()
    }
}

/// What is left until the end that is told.
fn time_left(end: Duration, now: SystemTime) -> Duration {
    if end <= LONGEST_SPAN { end } else { (SystemTime::UNIX_EPOCH + end).duration_since(now).unwrap_or_default() }
}

/// What is left for work of the time that the function still has.
fn work_time(left: Duration) -> Duration {
    left.saturating_sub(RESERVE)
}

#[expect(clippy::disallowed_methods, reason = "Lambda tells the end as a time of day")]
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
        Deadline::of(&context)
    }

    #[test]
    fn three_seconds_and_some_are_left_for_the_answer() {
        assert_eq!(work_time(Duration::from_secs(60)), Duration::from_millis(56_250));
        assert_eq!(work_time(Duration::from_secs(3)), Duration::ZERO);
    }

    #[test]
    fn an_end_is_a_time_unless_it_is_told_as_a_span() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_562_758);
        let left = |end_ms: u64| time_left(Duration::from_millis(end_ms), now).as_millis();
        assert_eq!(left(1_795_562_818_500), 60_500);
        assert_eq!(left(1_795_562_757_000), 0);
        // cargo-lambda's ten minutes.
        assert_eq!(left(600_000), 600_000);
        assert_eq!((left(86_400_000), left(86_400_001)), (86_400_000, 0));
    }

    #[tokio::test]
    async fn what_does_not_end_in_time_gives_nothing() {
        assert!(ends_in(3_000).is_over() && !ends_in(60_000).is_over());
        assert_eq!(ends_in(60_000).bound(async { 7 }).await, Some(7));
        assert_eq!(ends_in(3_850).bound(std::future::pending::<u8>()).await, None);
        let nearly = ends_in(3_760);
        let work = async || time::sleep(Duration::from_millis(100)).await;
        assert_eq!((nearly.bound(work()).await, nearly.with_grace(work()).await), (None, Some(())));
    }

    #[tokio::test]
    async fn while_others_wait_an_object_has_half_of_what_is_left() {
        let deadline = ends_in(63_750);
        let seconds = |deadline: Deadline| deadline.left().as_secs_f64().round();
        assert_eq!((seconds(deadline.share(false)), seconds(deadline.share(true))), (60.0, 30.0));
        assert_eq!(seconds(deadline.share(true).share(true)), 15.0);
        assert!(ends_in(1_000).share(true).is_over());
    }
}
