"""From a stored object to its outputs, for each notification path."""

import json
from urllib.parse import quote_plus

import pytest

import faults
from event_source import EventSource
from flow_logs import END, HEADER, flow_log, key, record, records
from aws_env import DONE, in_queue, s3_event, sqs_event

CREATED = ["s3:ObjectCreated:*"]


def notify_queue(env, url):
    """S3 notifies the queue, after a test event."""
    configuration = {"QueueConfigurations": [{"QueueArn": env.queue_arn(url), "Events": CREATED}]}
    env.s3.put_bucket_notification_configuration(Bucket=env.source, NotificationConfiguration=configuration)


def notify_by_event_bridge(env, url):
    """S3 notifies EventBridge, which sends to the queue."""
    configuration = {"EventBridgeConfiguration": {}}
    env.s3.put_bucket_notification_configuration(Bucket=env.source, NotificationConfiguration=configuration)
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [env.source]}}}
    env.route("objects", pattern, url)


def notify_by_sns(env, url, raw):
    """S3 notifies a topic, which sends to the queue, in its envelope or raw."""
    topic = env.sns.create_topic(Name=f"{env.name}-topic")["TopicArn"]
    attributes = {"RawMessageDelivery": "true"} if raw else {}
    env.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=env.queue_arn(url), Attributes=attributes)
    configuration = {"TopicConfigurations": [{"TopicArn": topic, "Events": CREATED}]}
    env.s3.put_bucket_notification_configuration(Bucket=env.source, NotificationConfiguration=configuration)


WAYS = {
    "sqs": notify_queue,
    "eventbridge": notify_by_event_bridge,
    "sns": lambda env, url: notify_by_sns(env, url, raw=False),
    "sns-raw": lambda env, url: notify_by_sns(env, url, raw=True),
}

ODD_KEYS = [
    "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2026/month=11/day=24/x.log.gz",
    "team a/plus+and%41percent/été =&?#.log.gz",
    "100%",
]


@pytest.mark.parametrize("way", WAYS)
def test_object_yields_summary_findings_metrics_alerts(env, way):
    """For each notification path, with each kind of output once."""
    env.alerting()
    url = env.queue("events")
    WAYS[way](env, url)
    stored = env.put(key("a"), flow_log(scans=2, accepted=3))
    function = env.function()
    events = EventSource(env.sqs, url, function)
    events.drain()
    # S3 first sends a test event to queues and topics.
    assert events.messages == (1 if way == "eventbridge" else 2)

    summary = env.only("summaries")
    total = records(scans=2, accepted=3)
    assert summary["records"]["total"] == total
    assert (summary["records"]["accepted"], summary["records"]["rejected"]) == (3, total - 3)
    source = summary["sources"][0]
    assert (source["uri"], source["etag"], source["version_id"]) == (stored.uri, stored.etag, None)
    assert [finding["type"] for finding in summary["findings"]] == ["port-scan"] * 2
    assert env.findings() == summary["findings"]
    ids = [finding["id"] for finding in summary["findings"]]
    assert sorted(alert["detail"]["finding_info"]["uid"] for alert in env.alerts()) == sorted(ids)
    written = function.stop()
    metrics = ["RecordsProcessed", "RejectedFlows", "Findings", "ObjectsProcessed"]
    assert [written.values(metric) for metric in metrics] == [[total], [total - 3], [2], [1]]
    assert {document["_aws"]["Timestamp"] for document in written.metrics} == {END * 1000}
    assert written.outcomes() == [("summarized", None)]


@pytest.mark.parametrize("way", ["sqs", "eventbridge", "sns"])
def test_odd_keys_are_read(env, way):
    """Each event source has its own key encoding, or none."""
    url = env.queue("events")
    WAYS[way](env, url)
    stored = [env.put(odd, flow_log(accepted=number)) for number, odd in enumerate(ODD_KEYS, 1)]
    function = env.function()
    EventSource(env.sqs, url, function).drain()
    summaries = {summary["sources"][0]["key"]: summary["records"]["total"] for summary in env.documents("summaries")}
    assert summaries == {one.key: number for number, one in enumerate(stored, 1)}
    assert function.stop().outcomes() == [("summarized", None)] * len(ODD_KEYS)
    assert "account_id=123456789012/region=us-east-1/date=2026-11-24" in " ".join(env.keys("summaries"))


def test_encoded_eventbridge_keys_are_read(env):
    """Some emulators encode them; the ETag proves that the decoded key is correct."""
    stored = env.put("team a/plus+é.log", flow_log())
    entity = {"key": quote_plus(stored.key, safe="/"), "etag": stored.etag}
    detail = {"bucket": {"name": stored.bucket}, "object": entity}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    function = env.function()
    assert function.invoke(sqs_event(one=event)).response == DONE
    assert env.only("summaries")["sources"][0]["uri"] == stored.uri
    assert env.keys("quarantine") == []


def test_redelivered_event_changes_nothing(env):
    """In the same sandbox and in another one; nothing is sent or counted twice."""
    env.alerting()
    event = in_queue(env.put(key("a"), flow_log(scans=1)))
    functions = [env.function(), env.function()]
    before = None
    for function in [functions[0], functions[0], functions[1]]:
        assert function.invoke(event).response == DONE
        outputs = {name: env.read(name) for name in env.keys()}
        assert before in (None, outputs)
        before = outputs
    assert [name.split("/")[1] for name in sorted(before)] == ["findings", "receipts", "summaries"]
    assert len(env.alerts()) == 1
    written = env.stop()
    assert written.values("RecordsProcessed") == [records(scans=1)]
    assert written.outcomes() == [("summarized", None)] + [("already_summarized", None)] * 2


def test_outputs_have_content_types_and_metadata(env):
    """Metadata identify the producer and the kind of output, also for this function."""
    env.alerting()
    stored = env.put(key("a"), flow_log(scans=1))
    bad = env.put(key("b"), b"PARE no text")
    assert env.function().invoke(in_queue(stored, bad)).response == DONE
    metadata = {}
    for folder in ["summaries", "findings", "receipts", "quarantine"]:
        [name] = env.keys(folder)
        metadata[folder] = env.s3.head_object(Bucket=env.output, Key=name)["Metadata"]
    token = metadata["summaries"].pop("flowsentry-token")
    assert len(token) == len(metadata["quarantine"].pop("flowsentry-token")) == 36
    assert metadata == {
        "summaries": {"flowsentry-output": "summary", "flowsentry-findings": "1", "flowsentry-alerts": "1"},
        "findings": {"flowsentry-output": "findings", "flowsentry-summary": token},
        "receipts": {"flowsentry-output": "receipt", "flowsentry-summary": token},
        "quarantine": {"flowsentry-output": "quarantine"},
    }
    receipt, [alert] = env.only("receipts"), env.alerts()
    assert (receipt["uri"], receipt["alerts"]) == (stored.uri, [alert["detail"]["metadata"]["uid"]])


def test_each_object_version_has_its_own_summary(env):
    """The event names the version; a newer version or a delete marker does not matter."""
    bucket = env.bucket("versioned", versioned=True)
    versions = [env.put(key("a"), flow_log(accepted=number), bucket) for number in [1, 2]]
    env.delete(versions[0])
    function = env.function()
    assert function.invoke(in_queue(*versions)).response == DONE
    sources = [summary["sources"][0] for summary in env.documents("summaries")]
    found = {source["version_id"]: source["records"] for source in sources}
    assert found == {versions[0].version_id: 1, versions[1].version_id: 2}
    assert function.stop().outcomes() == [("summarized", None)] * 2


def test_rewritten_object_gets_a_new_summary(env):
    """Without versioning, the ETag distinguishes them: the old one is superseded, the new one summarized."""
    old = env.put(key("a"), flow_log(accepted=1))
    new = env.put(key("a"), flow_log(accepted=2))
    function = env.function()
    assert function.invoke(in_queue(old)).response == DONE
    assert env.keys() == []
    assert function.invoke(in_queue(new)).response == DONE
    assert env.only("summaries")["records"]["total"] == 2
    written = function.stop()
    assert written.outcomes() == [("ignored", "superseded"), ("summarized", None)]
    assert written.values("ObjectsIgnored") == [1]


def test_poison_batch_fails_only_retryable_messages(env):
    """Ten messages, all but one wrong in different ways."""
    env.proxy.add(faults.reject(403, "AccessDenied"), "GET", path="denied")
    good, denied = env.put(key("good"), flow_log()), env.put(key("denied"), flow_log(accepted=2))
    body = env.s3.get_object(Bucket=good.bucket, Key=good.key)["Body"].read()
    truncated = env.put(key("truncated"), body[:-9])
    missing = env.put(key("missing"), flow_log())
    env.delete(missing)
    event = sqs_event(
        good=s3_event(good),
        truncated=s3_event(truncated),
        missing=s3_event(missing),
        denied=s3_event(denied),
        test={"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": env.source},
        parquet=s3_event(env.put(key("parquet"), b"PARE no text")),
        no_json="not JSON",
        unknown={"hello": "env"},
        removed=s3_event(good, name="ObjectRemoved:Delete"),
        mixed=s3_event(env.put(key("other"), flow_log(accepted=3)), denied),
    )
    function = env.function()
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
    receipts = {receipt["uri"]: receipt["error"] for receipt in env.documents("quarantine")}
    assert receipts[truncated.uri] == "gzip_truncated" and receipts[missing.uri] == "object_deleted" and len(receipts) == 3


def test_repeated_failure_ends_in_dead_letter_queue(env):
    """Completed messages are deleted."""
    env.proxy.add(faults.reject(403, "AccessDenied"), "GET", path="denied")
    dead_letters = env.queue("dead")
    url = env.queue("events", dead_letters, max_receives=2)
    events = [s3_event(env.put(key(name), flow_log())) for name in ["good", "denied"]]
    for event in events:
        env.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
    function = env.function()
    EventSource(env.sqs, url, function).drain()
    assert env.received(dead_letters) == [events[1]]
    assert len(env.keys("summaries")) == 1
    assert function.stop().outcomes() == [("summarized", None), ("failed", "AccessDenied"), ("failed", "AccessDenied")]


def test_direct_invocation_fails_as_a_whole(env):
    """Only a queue supports partial failures; completed objects stay completed."""
    env.proxy.add(faults.reject(403, "AccessDenied"), "GET", path="denied", times=1)
    event = s3_event(env.put(key("denied"), flow_log(accepted=1)), env.put(key("good"), flow_log(accepted=2)))
    function = env.function()
    assert function.invoke(event).error["errorType"] == "ObjectsFailed"
    assert len(env.keys("summaries")) == 1
    answer = function.invoke(event)
    assert (answer.error, answer.response) == (None, None)
    assert len(env.keys("summaries")) == 2
    assert function.stop().values("RecordsProcessed") == [2, 1]


def test_only_allowed_sources_are_read(env):
    """There is no S3 request for an object elsewhere."""
    stored = [env.put(name, HEADER + record() * number) for number, name in enumerate(["a/x", "b/x", "ab/x"], 1)]
    function = env.function(ALLOWED_SOURCES=f"{env.source}/a/, {env.source}/c/")
    assert function.invoke(in_queue(*stored)).response == DONE
    assert env.only("summaries")["sources"][0]["key"] == "a/x"
    assert [request.path for request in env.proxy.sent("GET")] == [f"/{env.source}/a/x"]
    assert function.stop().outcomes() == [("summarized", None)] + [("ignored", "not-allowed")] * 2


def test_old_data_has_summary_but_no_metrics(env):
    """CloudWatch rejects metrics older than two weeks."""
    old = flow_log(scans=1).replace(str(END), str(END - 14 * 86400)).replace(str(END - 60), str(END - 60 - 14 * 86400))
    function = env.function()
    assert function.invoke(in_queue(env.put(key("a"), old))).response == DONE
    assert env.only("summaries")["records"]["total"] == records(scans=1)
    written = function.stop()
    assert (written.metrics, written.outcomes()) == ([], [("summarized", None)])
