//! Which failed calls to repeat, and when.

use std::time::Duration;

/// Maximum number of attempts of a call.
pub const MAX_ATTEMPTS: u32 = 6;
/// Longest delay before the second attempt. It doubles with each attempt.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// Longest delay.
const MAX_DELAY: Duration = Duration::from_secs(20);

/// AWS's codes of a call that may succeed later:
/// <https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html>
const TRANSIENT_CODES: [&str; 8] = [
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "RequestThrottled",
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
    "Unavailable",
];

/// Reports whether an error response may be followed by a success: AWS limits the rate, or has a fault.
pub fn is_transient(status: u16, code: Option<&str>) -> bool {
    status >= 500 || status == 429 || code.is_some_and(|code| TRANSIENT_CODES.contains(&code))
}

/// Returns the delay after this number of failed attempts. `random` is from 0 to 1: it spreads the calls of several functions
/// evenly over time.
pub fn delay(failed_attempts: u32, random: f64) -> Duration {
    let doublings = failed_attempts.saturating_sub(1).min(16);
    FIRST_DELAY.saturating_mul(1 << doublings).min(MAX_DELAY).mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_and_faults_of_aws_are_repeated() {
        for (status, code) in [(503, Some("RequestLimitExceeded")), (400, Some("Throttling")), (500, None), (429, None)]
        {
            assert!(is_transient(status, code), "{status} {code:?}");
        }
        for (status, code) in [(403, Some("UnauthorizedOperation")), (401, Some("AuthFailure")), (400, None)] {
            assert!(!is_transient(status, code), "{status} {code:?}");
        }
    }

    #[test]
    fn the_delay_doubles_up_to_a_limit_and_is_spread() {
        let longest: Vec<u128> = (1..=8).map(|attempts| delay(attempts, 1.0).as_millis()).collect();
        assert_eq!(longest, [500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
        assert_eq!(delay(3, 0.25), Duration::from_millis(500));
        assert_eq!(delay(u32::MAX, 0.0), Duration::ZERO);
    }
}
