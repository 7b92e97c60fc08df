//! The members of one JSON object.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::input::shape::MESSAGE_NAMES;

/// Names of the arrays of log events: in CloudWatch Logs' messages, and in the output of `aws logs filter-log-events`.
pub(super) const EVENT_ARRAYS: [&str; 2] = ["logEvents", "events"];

/// The members of an object in their order, with their values as JSON.
#[derive(Debug)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A string that borrows from the JSON if it has no escapes.
#[derive(Deserialize)]
struct JsonString<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Members<'a> {
    /// Parses an object. Returns `None` if it is not JSON.
    pub(super) fn parse(object: &'a [u8]) -> Option<Members<'a>> {
        serde_json::from_slice(object).ok()
    }

    /// Returns the names in order.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.0.iter().map(|(name, _)| name.as_bytes())
    }

    /// Returns the values in order: the text of a string, the digits of a number, `-` for null, and other values as JSON.
    pub fn values(&self) -> Vec<Cow<'a, [u8]>> {
        self.0.iter().map(|(_, value)| text(value)).collect()
    }

    /// Returns the position in the object's JSON at which the first of its arrays of log events begins, after the bracket.
    pub(super) fn events(&self, object: &[u8]) -> Option<usize> {
        let is_array = |value: &RawValue| value.get().starts_with('[');
        let is_events = |(name, value): &&(Cow<'_, str>, &RawValue)| EVENT_ARRAYS.contains(&&**name) && is_array(value);
        let (_, events) = self.0.iter().find(is_events)?;
        // The value is a part of the object.
        let at = (events.get().as_ptr() as usize).checked_sub(object.as_ptr() as usize)?;
        Some(at + 1)
    }

    /// Returns the value of the first member with this name.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
    }

    /// Returns the value of the first member that is a whole line.
    pub(super) fn message(&self) -> Option<&'a RawValue> {
        self.0.iter().find(|(name, _)| MESSAGE_NAMES.contains(&&**name)).map(|(_, value)| *value)
    }

    /// Returns the string of the first member with this name, or `None` if its value is not a string.
    pub(super) fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        string(self.get(name)?)
    }
}

/// Returns the text of a value, or `None` if it is not a string.
pub(super) fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    // Most values are numbers or short strings: an error for each number would take most of the time.
    let text = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    serde_json::from_str(value.get()).ok().map(|JsonString(text)| text)
}

fn text(value: &RawValue) -> Cow<'_, [u8]> {
    match string(value) {
        Some(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        None if value.get() == "null" => Cow::Borrowed(b"-"),
        None => Cow::Borrowed(value.get().as_bytes()),
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'de>, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((JsonString(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_values() {
        let json = r#"{"a": "x\ty", "b":18446744073709551615, "c": null, "\u0064": 6.0, "e": [1], "a": "2", "f": -1, "g": true}"#;
        let members = Members::parse(json.as_bytes()).expect("JSON");
        let names: Vec<_> = members.names().map(String::from_utf8_lossy).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e", "a", "f", "g"]);
        let values = members.values();
        let values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value)).collect();
        assert_eq!(values, ["x\ty", "18446744073709551615", "-", "6.0", "[1]", "2", "-1", "true"]);
        assert_eq!(members.string("a").as_deref(), Some("x\ty"));
        assert_eq!((members.string("b"), members.string("z")), (None, None));
    }

    #[test]
    fn other_bytes_are_not_members() {
        for json in
            [&b"{"[..], b"{}x", b"[]", b"{\"a\":}", b"{\"a\":1,}", b"{\"a\":\"\t\"}", b"{\"a\":\"\xff\"}", b"{a:1}"]
        {
            assert!(Members::parse(json).is_none(), "{json:?}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let members = Members::parse(deep.as_bytes()).expect("the depth of a value does not matter");
        assert_eq!((members.0.len(), members.values()[0].len()), (1, 200_001));
    }
}
