//! Timestamps: seconds since the Unix epoch, displayed as RFC 3339 in UTC.

use std::fmt;
use std::num::NonZeroU64;

use jiff::{SignedDuration, civil};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whole seconds since 1970-01-01T00:00:00Z, at most 9999-12-31T23:59:59Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(
    /// Seconds plus 1, so that `Option<Timestamp>` has the same size.
    NonZeroU64,
);

/// 9999-12-31T23:59:59Z, the last second that RFC 3339 can express.
const MAX_SECONDS: u64 = 253_402_300_799;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(NonZeroU64::MIN);

    /// 9999-12-31T23:59:59Z.
    pub const MAX: Timestamp = match Timestamp::from_seconds(MAX_SECONDS) {
        Some(time) => time,
        None => Timestamp::EPOCH,
    };

    /// Creates a timestamp. Returns `None` after the year 9999.
    pub const fn from_seconds(seconds: u64) -> Option<Timestamp> {
        match NonZeroU64::new(seconds.wrapping_add(1)) {
            Some(one_more) if seconds <= MAX_SECONDS => Some(Timestamp(one_more)),
            _ => None,
        }
    }

    /// Converts a date and time in UTC. Returns `None` before 1970.
    pub fn from_utc(time: civil::DateTime) -> Option<Timestamp> {
        let seconds = time.duration_since(civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_secs();
        Timestamp::from_seconds(u64::try_from(seconds).ok()?)
    }

    /// Returns the seconds since the epoch.
    pub const fn seconds(self) -> u64 {
        self.0.get() - 1
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `civil::DateTime` covers all of the year 9999; `jiff::Timestamp` ends 26 hours earlier.
        let seconds = i64::try_from(self.seconds()).map_err(|_| fmt::Error)?;
        let epoch = civil::date(1970, 1, 1).at(0, 0, 0, 0);
        let moment = epoch.checked_add(SignedDuration::from_secs(seconds)).map_err(|_| fmt::Error)?;
        write!(f, "{moment}Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = text.strip_suffix('Z').and_then(|text| text.parse().ok()).and_then(Timestamp::from_utc);
        // Fractions of seconds, for example, would not be written again.
        let is_exact = time.is_some_and(|time| time.to_string() == text);
        time.filter(|_| is_exact).ok_or_else(|| D::Error::custom("a time must be as 2026-11-23T06:00:00Z"))
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "RFC 3339, UTC, to the second",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc_3339_to_the_second() {
        let shown = |seconds| Timestamp::from_seconds(seconds).map(|t| t.to_string());
        assert_eq!(shown(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(shown(1_795_413_600).as_deref(), Some("2026-11-23T06:00:00Z"));
        assert_eq!(shown(MAX_SECONDS).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(shown(MAX_SECONDS + 1), None);
        assert_eq!(shown(u64::MAX), None);
    }

    #[test]
    fn reads_what_it_writes() {
        let read = |text: &str| serde_json::from_value::<Timestamp>(text.into()).ok().map(Timestamp::seconds);
        assert_eq!(read("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(read("2026-11-23T06:00:00Z"), Some(1_795_413_600));
        assert_eq!(read("9999-12-31T23:59:59Z"), Some(MAX_SECONDS));
        let others = ["", "Z", "2026-11-23", "2026-11-23T06:00:00", "2026-11-23T06:00:00.5Z", "1969-12-31T23:59:59Z"];
        assert_eq!(others.map(read), [None; 6]);
    }
}
