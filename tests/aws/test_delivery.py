"""From an object that is stored to what its readers get, by the ways that notifications take."""

import json
from urllib.parse import quote_plus

import pytest

import faults
from event_source import EventSource
from flow_logs import END, HEADER, flow_log, key, record, records
from world import DONE, in_queue, s3_event, sqs_event

CREATED = ["s3:ObjectCreated:*"]


def notify_queue(world, url):
    """S3 tells the queue itself, and first sends its test event."""
    configuration = {"QueueConfigurations": [{"QueueArn": world.queue_arn(url), "Events": CREATED}]}
    world.s3.put_bucket_notification_configuration(Bucket=world.source, NotificationConfiguration=configuration)


def notify_by_event_bridge(world, url):
    """S3 tells EventBridge, which tells the queue."""
    configuration = {"EventBridgeConfiguration": {}}
    world.s3.put_bucket_notification_configuration(Bucket=world.source, NotificationConfiguration=configuration)
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [world.source]}}}
    world.route("objects", pattern, url)


def notify_by_sns(world, url, raw):
    """S3 tells a topic, which tells the queue, wrapped in its own envelope unless it is to be raw."""
    topic = world.sns.create_topic(Name=f"{world.name}-topic")["TopicArn"]
    attributes = {"RawMessageDelivery": "true"} if raw else {}
    world.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=world.queue_arn(url), Attributes=attributes)
    configuration = {"TopicConfigurations": [{"TopicArn": topic, "Events": CREATED}]}
    world.s3.put_bucket_notification_configuration(Bucket=world.source, NotificationConfiguration=configuration)


WAYS = {
    "sqs": notify_queue,
    "eventbridge": notify_by_event_bridge,
    "sns": lambda world, url: notify_by_sns(world, url, raw=False),
    "sns-raw": lambda world, url: notify_by_sns(world, url, raw=True),
}

ODD_KEYS = [
    "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2026/month=11/day=24/x.log.gz",
    "team a/plus+and%41percent/été =&?#.log.gz",
    "100%",
]


@pytest.mark.parametrize("way", WAYS)
def test_an_object_becomes_a_summary_findings_metrics_and_alerts(world, way):
    """By each way that a notification takes, and with each kind of output told once."""
    world.alerting()
    url = world.queue("events")
    WAYS[way](world, url)
    stored = world.put(key("a"), flow_log(scans=2, accepted=3))
    function = world.function()
    events = EventSource(world.sqs, url, function)
    events.drain()
    # S3 first tests whether it can reach queues and topics.
    assert events.messages == (1 if way == "eventbridge" else 2)

    summary = world.only("summaries")
    total = records(scans=2, accepted=3)
    assert summary["records"]["total"] == total
    assert (summary["records"]["accepted"], summary["records"]["rejected"]) == (3, total - 3)
    source = summary["sources"][0]
    assert (source["uri"], source["etag"], source["version_id"]) == (stored.uri, stored.etag, None)
    assert [finding["type"] for finding in summary["findings"]] == ["port-scan"] * 2
    assert world.findings() == summary["findings"]
    ids = [finding["id"] for finding in summary["findings"]]
    assert sorted(alert["detail"]["finding_info"]["uid"] for alert in world.alerts()) == sorted(ids)
    written = function.stop()
    metrics = ["RecordsProcessed", "RejectedFlows", "Findings", "ObjectsProcessed"]
    assert [written.values(metric) for metric in metrics] == [[total], [total - 3], [2], [1]]
    assert {document["_aws"]["Timestamp"] for document in written.metrics} == {END * 1000}
    assert written.outcomes() == [("summarized", None)]


@pytest.mark.parametrize("way", ["sqs", "eventbridge", "sns"])
def test_odd_keys_are_found(world, way):
    """Each source of events encodes keys in its own way, or not at all."""
    url = world.queue("events")
    WAYS[way](world, url)
    stored = [world.put(odd, flow_log(accepted=number)) for number, odd in enumerate(ODD_KEYS, 1)]
    function = world.function()
    EventSource(world.sqs, url, function).drain()
    summaries = {summary["sources"][0]["key"]: summary["records"]["total"] for summary in world.documents("summaries")}
    assert summaries == {one.key: number for number, one in enumerate(stored, 1)}
    assert function.stop().outcomes() == [("summarized", None)] * len(ODD_KEYS)
    assert "account_id=123456789012/region=us-east-1/date=2026-11-24" in " ".join(world.keys("summaries"))


def test_keys_that_event_bridge_should_not_have_encoded_are_found(world):
    """Some imitations encode them: the entity tag proves that the decoded key is the one that is meant."""
    stored = world.put("team a/plus+é.log", flow_log())
    entity = {"key": quote_plus(stored.key, safe="/"), "etag": stored.etag}
    detail = {"bucket": {"name": stored.bucket}, "object": entity}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    function = world.function()
    assert function.invoke(sqs_event(one=event)).response == DONE
    assert world.only("summaries")["sources"][0]["uri"] == stored.uri
    assert world.keys("quarantine") == []


def test_an_event_that_comes_again_changes_nothing(world):
    """Not in this sandbox nor in another; and nothing is sent or counted a second time."""
    world.alerting()
    event = in_queue(world.put(key("a"), flow_log(scans=1)))
    functions = [world.function(), world.function()]
    before = None
    for function in [functions[0], functions[0], functions[1]]:
        assert function.invoke(event).response == DONE
        outputs = {name: world.read(name) for name in world.keys()}
        assert before in (None, outputs)
        before = outputs
    assert [name.split("/")[1] for name in sorted(before)] == ["findings", "receipts", "summaries"]
    assert len(world.alerts()) == 1
    written = world.stop()
    assert written.values("RecordsProcessed") == [records(scans=1)]
    assert written.outcomes() == [("summarized", None)] + [("already_summarized", None)] * 2


def test_outputs_say_what_they_are(world):
    """Metadata tell every reader, this function too, who stored an object and what for."""
    world.alerting()
    stored = world.put(key("a"), flow_log(scans=1))
    bad = world.put(key("b"), b"PAR1 no text")
    assert world.function().invoke(in_queue(stored, bad)).response == DONE
    metadata = {}
    for folder in ["summaries", "findings", "receipts", "quarantine"]:
        [name] = world.keys(folder)
        metadata[folder] = world.s3.head_object(Bucket=world.output, Key=name)["Metadata"]
    token = metadata["summaries"].pop("flowsentry-token")
    assert len(token) == len(metadata["quarantine"].pop("flowsentry-token")) == 36
    assert metadata == {
        "summaries": {"flowsentry-output": "summary", "flowsentry-findings": "1", "flowsentry-alerts": "1"},
        "findings": {"flowsentry-output": "findings", "flowsentry-summary": token},
        "receipts": {"flowsentry-output": "receipt", "flowsentry-summary": token},
        "quarantine": {"flowsentry-output": "quarantine"},
    }
    receipt, [alert] = world.only("receipts"), world.alerts()
    assert (receipt["uri"], receipt["alerts"]) == (stored.uri, [alert["detail"]["metadata"]["uid"]])


def test_each_version_of_an_object_has_its_own_summary(world):
    """An event names the version; that there is a newer one meanwhile, or a delete marker, does not matter."""
    bucket = world.bucket("versioned", versioned=True)
    versions = [world.put(key("a"), flow_log(accepted=number), bucket) for number in [1, 2]]
    world.delete(versions[0])
    function = world.function()
    assert function.invoke(in_queue(*versions)).response == DONE
    sources = [summary["sources"][0] for summary in world.documents("summaries")]
    found = {source["version_id"]: source["records"] for source in sources}
    assert found == {versions[0].version_id: 1, versions[1].version_id: 2}
    assert function.stop().outcomes() == [("summarized", None)] * 2


def test_an_object_that_is_stored_again_is_another_one(world):
    """Without versions the entity tag tells them apart: the old one is superseded, the new one summarized."""
    old = world.put(key("a"), flow_log(accepted=1))
    new = world.put(key("a"), flow_log(accepted=2))
    function = world.function()
    assert function.invoke(in_queue(old)).response == DONE
    assert world.keys() == []
    assert function.invoke(in_queue(new)).response == DONE
    assert world.only("summaries")["records"]["total"] == 2
    written = function.stop()
    assert written.outcomes() == [("ignored", "superseded"), ("summarized", None)]
    assert written.values("ObjectsIgnored") == [1]


def test_a_batch_of_poison_fails_just_the_messages_that_must_come_again(world):
    """Ten messages, each wrong in its own way but one."""
    world.proxy.add(faults.refuse(403, "AccessDenied"), "GET", path="denied")
    good, denied = world.put(key("good"), flow_log()), world.put(key("denied"), flow_log(accepted=2))
    body = world.s3.get_object(Bucket=good.bucket, Key=good.key)["Body"].read()
    truncated = world.put(key("truncated"), body[:-9])
    missing = world.put(key("missing"), flow_log())
    world.delete(missing)
    event = sqs_event(
        good=s3_event(good),
        truncated=s3_event(truncated),
        missing=s3_event(missing),
        denied=s3_event(denied),
        test={"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": world.source},
        parquet=s3_event(world.put(key("parquet"), b"PAR1 no text")),
        no_json="not JSON",
        unknown={"hello": "world"},
        removed=s3_event(good, name="ObjectRemoved:Delete"),
        mixed=s3_event(world.put(key("other"), flow_log(accepted=3)), denied),
    )
    function = world.function()
    assert function.invoke(event).failed == ["denied", "no_json", "unknown", "mixed"]
    written = function.stop()
    assert written.outcomes() == [
        ("summarized", None),
        ("quarantined", "gzip_truncated"),
        ("quarantined", "object_deleted"),
        ("failed", "AccessDenied"),
        ("quarantined", "unsupported_format_parquet"),
        ("failed", "unknown_event"),
        ("failed", "unknown_event"),
        ("ignored", "not-a-creation-event"),
        ("summarized", None),
        ("failed", "AccessDenied"),
    ]
    names = ["ObjectsProcessed", "ObjectsQuarantined", "ObjectsIgnored", "ObjectsFailed", "RecordsProcessed"]
    assert [written.total(name) for name in names] == [2, 3, 1, 4, 4]
    receipts = {receipt["uri"]: receipt["error"] for receipt in world.documents("quarantine")}
    assert receipts[truncated.uri] == "gzip_truncated" and receipts[missing.uri] == "object_deleted" and len(receipts) == 3


def test_what_fails_again_and_again_lies_in_the_dead_letter_queue(world):
    """And nothing else does; a message that is done is removed."""
    world.proxy.add(faults.refuse(403, "AccessDenied"), "GET", path="denied")
    dead_letters = world.queue("dead")
    url = world.queue("events", dead_letters, max_receives=2)
    events = [s3_event(world.put(key(name), flow_log())) for name in ["good", "denied"]]
    for event in events:
        world.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
    function = world.function()
    EventSource(world.sqs, url, function).drain()
    assert world.received(dead_letters) == [events[1]]
    assert len(world.keys("summaries")) == 1
    assert function.stop().outcomes() == [("summarized", None), ("failed", "AccessDenied"), ("failed", "AccessDenied")]


def test_from_elsewhere_an_invocation_fails_as_a_whole(world):
    """Nobody but a queue understands what failed; what was done stays done."""
    world.proxy.add(faults.refuse(403, "AccessDenied"), "GET", path="denied", times=1)
    event = s3_event(world.put(key("denied"), flow_log(accepted=1)), world.put(key("good"), flow_log(accepted=2)))
    function = world.function()
    assert function.invoke(event).error["errorType"] == "ObjectsFailed"
    assert len(world.keys("summaries")) == 1
    answer = function.invoke(event)
    assert (answer.error, answer.response) == (None, None)
    assert len(world.keys("summaries")) == 2
    assert function.stop().values("RecordsProcessed") == [2, 1]


def test_only_allowed_sources_are_read(world):
    """Nothing is asked of S3 for an object elsewhere."""
    stored = [world.put(name, HEADER + record() * number) for number, name in enumerate(["a/x", "b/x", "ab/x"], 1)]
    function = world.function(ALLOWED_SOURCES=f"{world.source}/a/, {world.source}/c/")
    assert function.invoke(in_queue(*stored)).response == DONE
    assert world.only("summaries")["sources"][0]["key"] == "a/x"
    assert [request.path for request in world.proxy.sent("GET")] == [f"/{world.source}/a/x"]
    assert function.stop().outcomes() == [("summarized", None)] + [("ignored", "not-allowed")] * 2


def test_old_data_has_a_summary_and_no_metrics(world):
    """CloudWatch takes none of more than two weeks ago."""
    old = flow_log(scans=1).replace(str(END), str(END - 14 * 86400)).replace(str(END - 60), str(END - 60 - 14 * 86400))
    function = world.function()
    assert function.invoke(in_queue(world.put(key("a"), old))).response == DONE
    assert world.only("summaries")["records"]["total"] == records(scans=1)
    written = function.stop()
    assert (written.metrics, written.outcomes()) == ([], [("summarized", None)])
