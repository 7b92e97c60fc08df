//! A second reader of JSON, which reads all of it at once and says what its values are.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value. Objects keep their order and names that occur twice.
pub enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    Other,
}

/// Returns what the values are: lines, names of the members of records, and malformed values. `None` if this is not JSON, or has
/// something else than objects and arrays.
pub fn items(bytes: &[u8]) -> Option<Vec<String>> {
    let mut items = Vec::new();
    for value in serde_json::Deserializer::from_slice(bytes).into_iter::<Json>() {
        match value.ok()? {
            Json::Array(elements) => elements.iter().for_each(|element| add(element, &mut items)),
            object @ Json::Object(_) => add(&object, &mut items),
            Json::Text(_) | Json::Other => return None,
        }
    }
    Some(items)
}

fn add(value: &Json, items: &mut Vec<String>) {
    let Json::Object(members) = value else { return items.push("NotARecord".to_owned()) };
    let first = |name: &str| members.iter().find(|(found, _)| found == name).map(|(_, value)| value);
    if first("logEvents").is_some_and(|events| !matches!(events, Json::Array(_))) {
        return items.push("NotARecord".to_owned());
    }
    let arrays = members.iter().filter(|(name, _)| name == "logEvents" || name == "events");
    let events =
        arrays.filter_map(|(_, value)| if let Json::Array(events) = value { Some(events) } else { None }).next();
    match events {
        Some(_) if matches!(first("messageType"), Some(Json::Text(kind)) if kind == "CONTROL_MESSAGE") => {}
        Some(events) => events.iter().for_each(|event| add_event(event, items)),
        None if message(members).is_none() => {
            let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            items.push(format!("object {}", names.join(" ")));
        }
        None => add_event(value, items),
    }
}

fn add_event(value: &Json, items: &mut Vec<String>) {
    let text = if let Json::Object(members) = value { message(members) } else { None };
    items.push(match text {
        Some(Json::Text(text)) => format!("line {}", text.trim_end_matches(['\r', '\n'])),
        _ => "NoMessage".to_owned(),
    });
}

fn message(members: &[(String, Json)]) -> Option<&Json> {
    members.iter().find(|(name, _)| name == "message" || name == "@message").map(|(_, value)| value)
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        struct AnyValue;
        impl<'de> Visitor<'de> for AnyValue {
            type Value = Json;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Json::Object(members))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Json, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = array.next_element()? {
                    elements.push(element);
                }
                Ok(Json::Array(elements))
            }

            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Other)
            }
        }
        deserializer.deserialize_any(AnyValue)
    }
}
