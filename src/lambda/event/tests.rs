use proptest::prelude::*;
use serde_json::json;

use super::*;

const ETAG: &str = "d41d8cd98f00b204e9800998ecf8427e";
const KEY: &str = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/\
                   123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz";

fn reference(bucket: &str, key: &str) -> ObjectReference {
    ObjectReference::latest(bucket, key)
}

fn created(bucket: &str, key: &str) -> Result<InputEvent, EventError> {
    Ok(InputEvent::Created(reference(bucket, key)))
}

/// Returns the event in the fixtures.
fn fixture_event(key: &str) -> Result<InputEvent, EventError> {
    let (etag, region) = (Some(ETAG.to_owned()), Some("us-east-1".to_owned()));
    Ok(InputEvent::Created(ObjectReference { etag, region, ..reference("amzn-s3-demo-bucket", key) }))
}

fn s3_record(bucket: &str, key: &str) -> Value {
    json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}})
}

fn fixture(text: &str) -> Invocation {
    read(&serde_json::from_str(text).expect("JSON")).expect("a known event")
}

macro_rules! fixtures {
    ($($name:literal),*) => { [$(($name, include_str!(concat!("../../../events/", $name, ".json")))),*] };
}

#[test]
fn every_format_of_an_event_names_the_same_object() {
    let version_id = Some("096fKKXTRTtl3on89fVO.nfljtsv6qko".to_owned());
    let Ok(InputEvent::Created(object)) = fixture_event(KEY) else { panic!("created") };
    let with_version = Ok(InputEvent::Created(ObjectReference { version_id, ..object }));
    assert_eq!(fixture(include_str!("../../../events/s3-put.json")), Invocation::Direct(vec![with_version]));
    for (name, text) in fixtures!["sns-s3", "eventbridge", "destination-s3"] {
        assert_eq!(fixture(text), Invocation::Direct(vec![fixture_event(KEY)]), "{name}");
    }
    assert_eq!(
        fixture(include_str!("../../../events/pipes-eventbridge.json")),
        Invocation::Direct(vec![fixture_event(KEY)])
    );
    for (name, text) in fixtures!["sqs-s3", "sqs-sns-s3", "sqs-eventbridge", "sqs-destination-s3", "pipes-sqs"] {
        let Invocation::Queue(messages) = fixture(text) else { panic!("{name} is a queue's") };
        assert_eq!(messages[0].events, [fixture_event(KEY)], "{name}");
    }
    for (name, text) in fixtures!["s3-batch-v1", "s3-batch-v2"] {
        let Invocation::BatchJob(job) = fixture(text) else { panic!("{name} is a job's") };
        assert_eq!(job.schema_version, if name == "s3-batch-v1" { "1.0" } else { "2.0" });
        assert_eq!(job.invocation_id, "YXNkbGZqYWRmaiBhc2RmdW9hZHNmZGpmaGFzbGtkaGZza2RmaAo");
        let event = created("amzn-s3-demo-bucket", KEY);
        assert_eq!(job.tasks, [Task { id: "dGFza2lkZ29lc2hlcmUK".to_owned(), event }], "{name}");
    }
}

#[test]
fn log_events_are_the_same_in_every_envelope() {
    let payload: Value = serde_json::from_str(include_str!("../../../events/cloudwatch-logs.json")).expect("JSON");
    let direct = read(&payload).expect("a known event");
    let Invocation::Direct(events) = &direct else { panic!("not a queue's") };
    let [Ok(InputEvent::LogEvents(log_events))] = &events[..] else { panic!("log events: {events:?}") };
    assert_eq!(log_events.timestamp_ms, Some(1_529_511_600_000));
    let identity = &log_events.identity;
    assert_eq!((identity.owner.as_str(), identity.log_group.as_str()), ("123456789012", "/vpc/flow-logs"));
    assert_eq!(identity.log_stream, "eni-1235b8ca123456789-all");
    let ids = ["00", "15"].map(|end| format!("34{end:0>54}"));
    assert_eq!([&identity.first_event_id, &identity.last_event_id], [&ids[0], &ids[1]]);
    assert_eq!(
        events[0].as_ref().ok().and_then(InputEvent::uri),
        Some(format!("cloudwatch-logs:/vpc/flow-logs/eni-1235b8ca123456789-all:{}-{}", ids[0], ids[1]))
    );

    let failed = json!({"version": "1.0", "requestPayload": payload});
    let sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": payload.to_string()}}]});
    for event in [&failed, &sns, &json!([payload]), &json!([failed])] {
        assert_eq!(read(event).as_ref(), Ok(&direct), "{event}");
    }
    let message = json!({"messageId": "1", "eventSource": "aws:sqs", "body": failed.to_string()});
    let queue = Invocation::Queue(vec![Message { id: "1".to_owned(), events: events.clone() }]);
    assert_eq!(read(&json!({"Records": [message]})), Ok(queue));

    let control = fixture(include_str!("../../../events/cloudwatch-logs-control.json"));
    assert_eq!(control, Invocation::Direct(vec![Ok(InputEvent::ControlMessage)]));
    assert!(matches!(read(&json!({"awslogs": {"data": "AAAA"}})), Err(EventError::InvalidLogEvents(_))));
}

#[test]
fn an_array_with_ids_is_a_queue_and_one_without_is_not() {
    let event = json!({"Records": [s3_record("b", "k")]});
    let eventbridge = json!({"detail": {"bucket": {"name": "b"}, "object": {"key": "k"}}});
    let message = |id: &str, body: &Value| json!({"messageId": id, "body": body});
    let parsed_by_the_pipe = message("2", &event);
    let queue = json!([message("1", &json!(event.to_string())), parsed_by_the_pipe, message("3", &json!("no JSON"))]);
    let Ok(Invocation::Queue(messages)) = read(&queue) else { panic!("a queue's") };
    assert_eq!(messages[0].events, [created("b", "k")]);
    assert_eq!(messages[1].events, [created("b", "k")]);
    assert!(matches!(&messages[2].events[..], [Err(EventError::NotJson(_))]));
    assert_eq!(messages.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    let without_id = json!([message("1", &event), {"body": "{}"}]);
    assert!(matches!(read(&without_id), Err(EventError::MissingMessageId(_))));

    let elements = json!([event, s3_record("b", "l"), eventbridge, {"body": event.to_string()}, 7, [event], {"x": 1}]);
    let Ok(Invocation::Direct(events)) = read(&elements) else { panic!("not a queue's") };
    let (k, l) = (created("b", "k"), created("b", "l"));
    let number = Err(EventError::UnknownShape("a number".to_owned()));
    let unknown = Err(EventError::UnknownShape("an object with the keys \"x\"".to_owned()));
    assert_eq!(events, [k.clone(), l, k.clone(), k.clone(), number, k, unknown]);
    assert_eq!(read(&json!([])), Ok(Invocation::Direct(vec![])));
    let deep = (0..10).fold(event, |event, _| json!([event]));
    assert_eq!(read(&deep), Ok(Invocation::Direct(vec![Err(EventError::TooDeep)])));
}

#[test]
fn kinesis_records_are_an_error_that_names_them() {
    let mapping = json!({"eventSource": "aws:kinesis", "kinesis": {"data": "H4sI", "partitionKey": "1"}});
    let pipe = json!({"eventSource": "aws:kinesis", "data": "H4sI", "partitionKey": "1"});
    for payload in [json!({"Records": [mapping]}), json!([pipe]), json!([mapping])] {
        assert_eq!(read(&payload), Ok(Invocation::Direct(vec![Err(EventError::Kinesis)])), "{payload}");
    }
}

#[test]
fn hive_keys_are_decoded() {
    let hive = fixture(include_str!("../../../events/s3-put-hive.json"));
    let key = "team a/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/\
               month=06/day=20/123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz";
    assert_eq!(hive, Invocation::Direct(vec![fixture_event(key)]));
}

#[test]
fn a_test_event_is_empty_in_every_envelope() {
    let test_event: Value = serde_json::from_str(include_str!("../../../events/s3-test-event.json")).expect("JSON");
    assert_eq!(read(&test_event), Ok(Invocation::Direct(vec![])));
    let sns = json!({"Type": "Notification", "Message": test_event.to_string()});
    let direct = json!({"Records": [{"EventSource": "aws:sns", "Sns": sns}]});
    assert_eq!(read(&direct), Ok(Invocation::Direct(vec![])));
    for body in [&test_event, &sns] {
        let queue = json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": body.to_string()}]});
        assert_eq!(read(&queue), Ok(Invocation::Queue(vec![Message { id: "1".to_owned(), events: vec![] }])));
    }
}

#[test]
fn messages_of_a_queue_are_separate() {
    let Invocation::Queue(messages) = fixture(include_str!("../../../events/sqs-s3.json")) else {
        panic!("a queue's");
    };
    assert_eq!(messages[0].id, "059f36b4-87a3-44ab-83d2-661975830a7d");
    assert_eq!(messages[0].events, [fixture_event(KEY)]);
    assert_eq!(messages[1].id, "2e1424d4-f796-459a-8184-9c92662be6da");
    assert_eq!(messages[1].events, []);
}

#[test]
fn eventbridge_keys_are_raw_with_a_decoded_alternative() {
    let event = |key: &str| {
        json!({"source": "aws.s3", "detail-type": "Object Created", "region": "eu-west-1",
        "detail": {"bucket": {"name": "b"}, "object": {"key": key, "etag": "e", "version-id": "v"}}})
    };
    let object = |key: &str| match read(&event(key)) {
        Ok(Invocation::Direct(events)) => match &events[..] {
            [Ok(InputEvent::Created(object))] => object.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let expected = ObjectReference {
        decoded_key: Some("a bA".to_owned()),
        version_id: Some("v".to_owned()),
        etag: Some("e".to_owned()),
        region: Some("eu-west-1".to_owned()),
        ..reference("b", "a+b%41")
    };
    assert_eq!(object("a+b%41"), expected);
    assert_eq!(object("a+b%41").decoded().map(|object| object.uri()).as_deref(), Some("s3://b/a bA"));
    assert_eq!((object("plain").decoded_key, object("plain").decoded()), (None, None));
}

#[test]
fn only_bucket_and_key_are_required_as_strings() {
    let odd = json!({"bucket": {"name": "b"}, "object": {"key": "k", "eTag": 5, "versionId": null, "size": "x"}});
    for event in [
        json!({"Records": [{"s3": odd}]}),
        json!({"Records": [{"s3": odd, "eventName": [], "awsRegion": {}, "eventVersion": "9.9"}]}),
        json!({"detail": odd, "detail-type": 7, "region": "evil.example/#"}),
    ] {
        assert_eq!(read(&event), Ok(Invocation::Direct(vec![created("b", "k")])), "{event}");
    }
    let local = json!({"detail": {"bucket": {"name": "b"}, "object": {"key": "k", "eTag": "\"e\""}}});
    let expected = ObjectReference { etag: Some("e".to_owned()), ..reference("b", "k") };
    assert_eq!(read(&local), Ok(Invocation::Direct(vec![Ok(InputEvent::Created(expected))])));
}

#[test]
fn envelopes_are_nested_at_most_four_deep() {
    let innermost = json!({"Records": [s3_record("b", "k"), s3_record("b", "l")]});
    let wraps: [fn(&Value) -> Value; 3] = [
        |event| json!({"Type": "Notification", "Message": event.to_string()}),
        |event| json!({"version": "1.0", "requestPayload": event}),
        |event| json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": event.to_string()}]}),
    ];
    for depth in 0..7 {
        for first in 0..3 {
            let wrapped = (0..depth).fold(innermost.clone(), |event, n| wraps[(first + n) % 3](&event));
            let events = match read(&wrapped) {
                Ok(Invocation::Direct(events)) => events,
                Ok(Invocation::Queue(messages)) => messages[0].events.clone(),
                Ok(other) => panic!("{other:?}"),
                Err(error) => vec![Err(error)],
            };
            match depth <= MAX_ENVELOPES {
                true => assert_eq!(events, [created("b", "k"), created("b", "l")], "{depth} {first}"),
                false => assert_eq!(events, [Err(EventError::TooDeep)], "{depth} {first}"),
            }
        }
    }
}

#[test]
fn an_invalid_message_fails_alone() {
    let good = json!({"Records": [s3_record("b", "k")]}).to_string();
    let record = |id: &str, body: &str| json!({"eventSource": "aws:sqs", "messageId": id, "body": body});
    let payload = json!({"Records": [record("1", "hello"), record("2", &good), record("3", "{\"foo\":1}"),
        {"eventSource": "aws:sqs", "messageId": "4"}]});
    let Ok(Invocation::Queue(messages)) = read(&payload) else { panic!("a queue's") };
    assert!(matches!(&messages[0].events[..], [Err(EventError::NotJson(_))]));
    assert_eq!(messages[1].events, [created("b", "k")]);
    assert_eq!(messages[3].events, [Err(EventError::NotJson("it is null".to_owned()))]);
    assert_eq!(messages[2].events, [Err(EventError::UnknownShape("an object with the keys \"foo\"".to_owned()))]);
}

#[test]
fn a_message_without_an_id_fails_the_invocation() {
    for id in [json!(null), json!(""), json!(7)] {
        let payload = json!({"Records": [{"eventSource": "aws:sqs", "messageId": id, "body": "{}"}]});
        assert!(matches!(read(&payload), Err(EventError::MissingMessageId(_))), "{id}");
    }
}

#[test]
fn an_invalid_record_does_not_affect_the_others() {
    let payload = json!({"Records": [s3_record("b", "one"), {"s3": {}}, s3_record("b", "two"), s3_record("b", "")]});
    let Ok(Invocation::Direct(events)) = read(&payload) else { panic!("not a queue's") };
    assert_eq!(events[0], created("b", "one"));
    assert_eq!(events[1], Err(EventError::UnknownShape("a record that is an object with the keys \"s3\"".to_owned())));
    assert_eq!(events[2], created("b", "two"));
    assert!(events[3].is_err());
    assert_eq!(read(&json!({"Records": []})), Ok(Invocation::Direct(vec![])));
}

#[test]
fn other_events_are_not_creations() {
    let is_creation = |name: &str| {
        let payload = json!({"eventName": name, "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}});
        matches!(s3_notification::from_s3_record(&payload), Ok(InputEvent::Created(_)))
    };
    assert!(is_creation("ObjectCreated:CompleteMultipartUpload"));
    assert!(is_creation("s3:ObjectCreated:Put"));
    assert!(!is_creation("ObjectRemoved:Delete"));
    assert!(!is_creation("ObjectRestore:Completed"));
    let unnamed = json!({"s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}});
    assert_eq!(s3_notification::from_s3_record(&unnamed), created("b", "k"));
    for name in ["Object Deleted", "Object Restore Completed", "Object Tags Added"] {
        let event = json!({"detail-type": name, "detail": {"bucket": {"name": "b"}, "object": {"key": "k"}}});
        let expected = InputEvent::OtherEvent { event_name: name.to_owned(), object: reference("b", "k") };
        assert_eq!(s3_notification::from_eventbridge(&event), Ok(expected));
    }
}

#[test]
fn an_unknown_structure_is_described_briefly() {
    let shown = |payload: Value| read(&payload).expect_err("unknown").to_string();
    assert!(shown(json!({})).ends_with("an empty object"));
    assert!(shown(json!(null)).ends_with(": null"));
    assert!(shown(json!({"a\u{1b}[31m": 1, "b": 2})).ends_with(r#"an object with the keys "a\u{1b}[31m", "b""#));
    let many: serde_json::Map<String, Value> = (0..1000).map(|n| (format!("{n:0>500}"), Value::Null)).collect();
    assert!(shown(Value::Object(many)).len() < 1400);
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "Records",
        "eventSource",
        "eventName",
        "messageId",
        "body",
        "s3",
        "bucket",
        "object",
        "name",
        "key",
        "Event",
        "awslogs",
        "data",
        "tasks",
        "taskId",
        "invocationSchemaVersion",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!("aws:sqs")),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_parsed_or_rejected(payload in any_json()) {
        if let Err(error) = read(&payload) {
            prop_assert!(error.to_string().len() < 6000);
        }
    }
}

#[test]
fn steps_of_a_window_are_told_by_their_member() {
    let run =
        json!({"manifest": "f/m.json", "folder": "f/r/", "context": "c", "from": "2026-11-23T06:00:00Z", "levels": 2});
    let reference: RunReference = serde_json::from_value(run.clone()).expect("a run");
    let of = |step: Value| match read(&json!({"window": step})) {
        Ok(Invocation::Window(step)) => Ok(step),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    let range = json!({"name": "x", "from": "a", "to": "b"});
    let Ok(WindowStep::Plan { request, key_pattern: None }) = of(json!({"step": "plan", "request": range})) else {
        panic!("a plan")
    };
    assert_eq!((request.name.as_deref(), request.schedule), (Some("x"), None));
    let (leaf, merge) = (json!({"level": 0, "part": 7}), json!({"level": 1, "part": 0, "first": 0, "end": 9}));
    let item = PartItem { level: 0, part: 7, first: None, end: None };
    let merged = PartItem { level: 1, part: 0, first: Some(0), end: Some(9) };
    for (json, item) in [(leaf, item), (merge, merged)] {
        assert_eq!(serde_json::to_value(item).expect("JSON"), json);
        let step = of(json!({"step": "part", "run": run, "item": json}));
        assert_eq!(step, Ok(WindowStep::Part { run: reference.clone(), item }));
    }
    let failed = json!({"Error": "Lambda.Unknown", "Cause": "{}"});
    let step = of(json!({"step": "give-up", "run": run, "item": item, "error": failed}));
    let error = StepError { error: "Lambda.Unknown".to_owned(), cause: "{}".to_owned() };
    assert_eq!(step, Ok(WindowStep::GiveUp { run: reference.clone(), item, error, all: false }));
    assert_eq!(of(json!({"step": "report", "run": run})), Ok(WindowStep::Report { run: reference }));
    for unknown in [json!({"step": "explode"}), json!({"step": "plan", "request": {"nmae": "x"}}), json!(7), json!({})]
    {
        let error = of(unknown).expect_err("invalid");
        assert!(error.starts_with("invalid step of a window's report: "), "{error}");
    }
}
