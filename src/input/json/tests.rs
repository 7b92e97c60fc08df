use proptest::prelude::*;

use super::*;
use crate::input::lines::BufferedLines;

/// An item as text: a line, the names of an object's members, or a problem with the start of its value.
fn items(content: &[u8]) -> Result<Vec<String>, String> {
    let content = Decoder::open(content, u64::MAX).map_err(|error| error.to_string())?;
    let mut json = JsonReader::open(content).map_err(|error| error.to_string())?;
    let mut items = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
    while let Some(item) = json.next_item().map_err(|error| error.to_string())? {
        match item {
            JsonItem::Lines(batch) => {
                while let Some(line) = batch.next_buffered_line() {
                    items.push(text(line.bytes));
                }
            }
            JsonItem::Object(members, _) => {
                let names: Vec<_> = members.names().map(text).collect();
                items.push(format!("object {}", names.join(" ")));
            }
            JsonItem::Malformed(problem, value) => items.push(format!("{problem:?} {}", text(value))),
        }
    }
    Ok(items)
}

fn read(content: &str) -> Vec<String> {
    items(content.as_bytes()).expect("whole JSON")
}

const ENVELOPE: &str = r#"{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[{"id":"1","timestamp":7,"message":"a b"},{"id":"2","timestamp":8,"message":"c d"}]}"#;

#[test]
fn messages_are_lines_with_or_without_separators() {
    let values =
        [r#"{"message":"a b"}"#, r#"{ "message" : "c\u002dd" , "timestamp" : 1 }"#, r#"{"x":{"y":[1]},"message":"e"}"#];
    for separator in ["", "\n", "\r\n", " ", ",", "\n\n"] {
        assert_eq!(read(&values.join(separator)), ["a b", "c-d", "e"], "{separator:?}");
        assert_eq!(read(&format!("[{}]", values.join(&format!("{separator},")))), ["a b", "c-d", "e"]);
    }
    assert_eq!(read("\u{feff}[]"), [""; 0]);
    assert_eq!(read("[{\"message\":\"a\"}][{\"message\":\"b\"}]"), ["a", "b"]);
}

#[test]
fn a_message_is_one_line() {
    assert_eq!(
        read(r#"{"message":"a\n"}{"message":"b\r\n"}{"message":"c\nd"}{"message":""}"#),
        ["a", "b", "c\u{b}d", ""]
    );
}

#[test]
fn log_events_are_lines() {
    assert_eq!(read(&ENVELOPE.repeat(2)), ["a b", "c d", "a b", "c d"]);
    assert_eq!(read(&format!("[{ENVELOPE},{ENVELOPE}]")), ["a b", "c d", "a b", "c d"]);
    let pretty = r#"{
        "events": [
            {"logStreamName": "s", "message": "a", "eventId": "1"},
            {"message": "b"}
        ],
        "searchedLogStreams": [{"message": "not an event"}]
    }"#;
    assert_eq!(read(pretty), ["a", "b"]);
    assert_eq!(read(r#"{"logEvents":[],"message":"of no event"}{"message":"a"}"#), ["a"]);
}

#[test]
fn control_messages_have_no_lines() {
    let control = ENVELOPE.replace("DATA", "CONTROL");
    assert_eq!(read(&format!("{control}{ENVELOPE}")), ["a b", "c d"]);
    // Programs that sort keys write the type last.
    assert_eq!(read(r#"{"logEvents":[{"message":"check"}],"messageType":"CONTROL_MESSAGE"}"#), [""; 0]);
    assert_eq!(read(r#"{"logEvents":[{"message":"a"}],"messageType":"DATA_MESSAGE"}"#), ["a"]);
}

#[test]
fn other_objects_are_given_with_their_members() {
    assert_eq!(read(r#"{"srcaddr":"1.2.3.4","end":7}{"message":"a"}{}"#), ["object srcaddr end", "a", "object "]);
    assert_eq!(read(r#"{"events":{"a":1}}"#), ["object events"]);
}

#[test]
fn values_of_other_kinds_are_malformed_one_by_one() {
    assert_eq!(
        read(r#"[1, "a", null, {"message":"b"}, [{"message":"c"}], {"message":7}, {"logEvents":7}, -2.5e3]"#),
        [
            "NotARecord 1",
            "NotARecord \"a\"",
            "NotARecord null",
            "b",
            "NotARecord [{\"message\":\"c\"}]",
            "NoMessage {\"message\":7}",
            "NotARecord {\"logEvents\":7}",
            "NotARecord -2.5e3",
        ]
    );
    assert_eq!(
        read(r#"{"logEvents":[{"id":"1"},7,{"message":"a"},{"message":null},"b",{"logEvents":[{"message":"c"}]}]}"#),
        [
            "NoMessage {\"id\":\"1\"}",
            "NoMessage 7",
            "a",
            "NoMessage {\"message\":null}",
            "NoMessage \"b\"",
            "NoMessage {\"logEvents\":[{\"message\":\"c\"}]}",
        ]
    );
}

#[test]
fn what_is_not_json_is_malformed_and_the_rest_is_read() {
    assert_eq!(read("{\"message\":\"a\"}{message:1}{\"message\":\"b\"}"), ["a", "NotJson {message:1}", "b"]);
    assert_eq!(read("{\"message\":\"a\tb\"}{\"message\":\"c\"}"), ["NotJson {\"message\":\"a\tb\"}", "c"]);
    // A lost quote costs one line.
    assert_eq!(read("{\"message\":\"a}\n{\"message\":\"b\"}\n"), ["NotJson {\"message\":\"a}", "b"]);
    assert_eq!(read("{\"message\":\"a\"}\n2 1 eni-1 -\n{\"message\":\"b\"}"), ["a", "2 1 eni-1 -", "b"]);
    // A lost bracket costs one value.
    for lost in ["{\"message\":\"a\"", "{\"a\":[1}", "{\"a\":1", "{\"a\":{\"b\":[]}"] {
        for end in ["", " ", "\n", "\r\n"] {
            let content = format!("{{\"message\":\"1\"}}{lost}{end}{{\"message\":\"2\"}}");
            let items = read(&content);
            assert_eq!((items.len(), &items[0][..], &items[2][..]), (3, "1", "2"), "{content}");
            assert!(items[1].starts_with(&format!("NotJson {lost}")), "{items:?}");
        }
    }
    let events = "{\"logEvents\":[{\"message\":\"a\"}]\n";
    assert_eq!(read(&format!("{events}{{\"message\":\"b\"}}")), [&format!("NotJson {events}")[..], "b"]);
    // A line of text between values is a line.
    assert_eq!(read("[garbage]\na b\r\nc d"), ["NotARecord garbage", "a b", "c d"]);
    assert_eq!(read("{\"message\":\"a\"}]}{\"message\":\"b\"}"), ["a", "NotARecord ]}", "b"]);
    assert_eq!(items(b"{\"message\":\"a\xff\"}{\"message\":\"b\"}").expect("whole")[1], "b");
}

#[test]
fn a_cut_off_value_is_an_error() {
    let content = format!("[{ENVELOPE},{{\"message\":\"a\"}}]");
    for cut in 1..content.len() {
        let error = items(&content.as_bytes()[..cut]).expect_err("cut off");
        assert!(error.starts_with(&format!("truncated JSON: the text ends at byte {cut}")), "{cut}: {error}");
    }
    assert_eq!(read(&content).len(), 3);
}

#[test]
fn log_events_may_be_longer_than_the_window() {
    let event = |number: usize| format!("{{\"id\":\"{number}\",\"timestamp\":1,\"message\":\"line {number}\"}}");
    let count = 4 * MAX_VALUE_BYTES / event(100_000).len();
    let events: Vec<String> = (0..count).map(event).collect();
    let expected: Vec<String> = (0..count).map(|number| format!("line {number}")).collect();
    for (name, end) in [("events", ",\"searchedLogStreams\":[]}"), ("logEvents", ",\"messageType\":\"DATA_MESSAGE\"}")]
    {
        let content = format!("{{\"owner\":\"1\",\"{name}\": [{}]{end}{{\"message\":\"last\"}}", events.join(", "));
        let mut read = read(&content);
        assert_eq!(read.pop().as_deref(), Some("last"));
        assert!(read == expected, "{name}");
    }
    let control = format!("{{\"messageType\":\"CONTROL_MESSAGE\",\"logEvents\":[{}]}}", events.join(","));
    assert!(read(&format!("{control}{{\"message\":\"last\"}}")).last().is_some_and(|last| last == "last"));
}

#[test]
fn values_that_are_too_long_are_skipped() {
    let long = |length: usize| "x".repeat(length);
    let message = |length: usize| format!("{{\"message\":\"{}\"}}", long(length));
    let last = "{\"message\":\"last\"}";
    let kinds = |content: String| -> Vec<String> {
        read(&(content + last)).iter().map(|item| item.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(kinds(message(MAX_LINE_BYTES))[1..], ["last"]);
    for length in [MAX_LINE_BYTES + 1, MAX_VALUE_BYTES - 14, MAX_VALUE_BYTES - 13, 3 * MAX_VALUE_BYTES + 5] {
        assert_eq!(kinds(message(length)), ["TooLong", "last"], "{length}");
    }
    assert_eq!(kinds(format!("{{\"srcaddr\":\"{}\"}}", long(MAX_LINE_BYTES))), ["TooLong", "last"]);
    assert_eq!(kinds(format!("[{},1]", "[".repeat(2 << 20) + &"]".repeat(2 << 20))), ["TooLong", "NotARecord", "last"]);
    assert_eq!(kinds(format!("[{}\n]", long(3 * MAX_VALUE_BYTES))), ["TooLong", "last"]);
    assert_eq!(kinds(format!("[\"{}\"]", long(3 * MAX_VALUE_BYTES))), ["TooLong", "last"]);
    assert_eq!(kinds(format!("{{\"message\":\"{}\n", long(2 * MAX_VALUE_BYTES))), ["TooLong", "NotJson", "last"]);
}

/// Hands out a few bytes a call.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let (piece, rest) = self.0.split_at(self.1.min(self.0.len()).min(out.len()));
        out[..piece.len()].copy_from_slice(piece);
        self.0 = rest;
        Ok(piece.len())
    }
}

proptest! {
    #[test]
    fn any_bytes_are_items_or_an_error(start in prop::sample::select(&["", "{", "[", "{\"message\":\"", "{\"logEvents\":["][..]),
        bytes in prop::collection::vec(prop_oneof![prop::sample::select(&b"{}[]\",:\\\n a1"[..]), any::<u8>()], 0..60)) {
        let content = [start.as_bytes(), &bytes].concat();
        prop_assume!(!content.starts_with(&[0x1f, 0x8b]));
        drop(items(&content));
    }

    #[test]
    fn items_do_not_depend_on_read_sizes(size in 1..200_usize, values in prop::collection::vec(prop::sample::select(&[
        "{\"message\":\"a b\"}", ENVELOPE, "{\"srcaddr\":1}", "7", "\n", "{\"message\":\"\\\"}\"}", "{\"message\":\"x\n"][..]), 0..20)) {
        let content = values.concat();
        let whole = items(content.as_bytes());
        let decoder = Decoder::open(Pieces(content.as_bytes(), size), u64::MAX).expect("opened");
        let mut json = JsonReader::open(decoder).expect("opened");
        let (mut lines, mut others) = (0, 0);
        let result = loop {
            match json.next_item() {
                Ok(Some(JsonItem::Lines(batch))) => while batch.next_buffered_line().is_some() { lines += 1 },
                Ok(Some(_)) => others += 1,
                Ok(None) => break Ok(lines + others),
                Err(error) => break Err(error.to_string()),
            }
        };
        prop_assert_eq!(result, whole.map(|items| items.len()));
    }
}
