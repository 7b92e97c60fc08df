"""Single AWS faults, simulated by the proxy between function and server."""

import pytest

import faults
from flow_logs import flow_log, key, records
from aws_env import DONE, in_queue, s3_event, sqs_event

FAILED = {"batchItemFailures": [{"itemIdentifier": "1"}]}
# Requests of an object with alerts, in order.
STEPS = ["GET", "PUT summaries", "PUT findings", "POST", "PUT receipts"]


@pytest.fixture
def event(env):
    """The event of one object with one finding and an alert."""
    env.alerting()
    return in_queue(env.put(key("a"), flow_log(scans=1)))


def asked(env):
    """Returns the requests in order, with the kind of output."""
    parts = [request.path.split("/") for request in env.proxy.requests]
    kinds = [f" {path[3]}" if len(path) > 3 and path[1] == env.output else "" for path in parts]
    return [request.method + kind for request, kind in zip(env.proxy.requests, kinds, strict=True)]


def assert_done_once(env):
    """Checks for one complete summary, counted once, with its alerts sent once."""
    summary = env.only("summaries")
    assert env.findings() == summary["findings"]
    [alert] = env.alerts()
    assert alert["detail"]["finding_info"]["uid"] == summary["findings"][0]["id"]
    assert env.only("receipts")["alerts"] == [alert["detail"]["metadata"]["uid"]]
    written = env.stop()
    assert written.values("RecordsProcessed") == [records(scans=1)]
    assert written.values("ObjectsProcessed") == [1]


def test_requests_are_in_order(env, event):
    """The summary precedes its dependent outputs; the receipt is last."""
    function = env.function()
    assert function.invoke(event).response == DONE
    assert asked(env) == STEPS
    assert_done_once(env)


@pytest.mark.parametrize("method, path", [("GET", ""), ("PUT", "/summaries/"), ("POST", "")])
def test_throttled_request_is_retried(env, event, method, path):
    """503 SlowDown is retried."""
    env.proxy.add(faults.reject(503, "SlowDown"), method, path=path, times=2)
    function = env.function()
    assert function.invoke(event).response == DONE
    assert len(env.proxy.sent(method, path)) == 3
    assert_done_once(env)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_permanent_throttling_stores_nothing(env, event, method):
    """A redelivery succeeds later."""
    env.proxy.add(faults.reject(503, "SlowDown"), method)
    function = env.function()
    assert function.invoke(event).response == FAILED
    assert (env.keys(), env.alerts()) == ([], [])
    env.proxy.clear()
    assert function.invoke(event).response == DONE
    assert_done_once(env)
    assert function.stop().outcomes() == [("failed", "SlowDown"), ("summarized", None)]


KMS = "User: arn:aws:sts::123456789012:assumed-role/f is not authorized to perform: kms:Decrypt on the resource"


@pytest.mark.parametrize(
    "method, path, message, reported",
    [
        ("GET", "", "Access Denied", "s3:GetObject"),
        ("GET", "", KMS, "kms:Decrypt on the resource"),
        ("PUT", "/summaries/", "Access Denied", "s3:PutObject"),
        ("PUT", "/findings/", "Access Denied", "s3:PutObject"),
        ("PUT", "/receipts/", "Access Denied", "s3:PutObject"),
    ],
)
def test_denied_request_names_missing_permission(env, event, method, path, message, reported):
    """The operator can fix it, so the object is not quarantined."""
    env.proxy.add(faults.reject(403, "AccessDenied", message), method, path=path)
    function = env.function()
    assert function.invoke(event).response == FAILED
    assert env.keys("quarantine") == []
    env.proxy.clear()
    assert function.invoke(event).response == DONE
    written = function.stop()
    [line] = [line for line in written.log if line.get("outcome") == "failed"]
    assert line["code"] == "AccessDenied" and reported in line["error"]
    assert len(env.keys("summaries")) == 1 and written.values("RecordsProcessed") == [records(scans=1)]


@pytest.mark.parametrize("path", ["/summaries/", "/findings/", "/receipts/"])
def test_conditional_write_conflict_is_retried(env, event, path):
    """S3 responds 409 during a concurrent write to the same key."""
    env.proxy.add(faults.reject(409, "ConditionalRequestConflict"), "PUT", path=path, times=3)
    function = env.function()
    assert function.invoke(event).response == DONE
    assert len(env.proxy.sent("PUT", path)) == 4
    assert_done_once(env)


@pytest.mark.parametrize("fault", [faults.fail_after, faults.reset_after])
@pytest.mark.parametrize("path", ["/summaries/", "/findings/", "/receipts/"])
def test_lost_response_loses_and_duplicates_nothing(env, event, fault, path):
    """S3 stored the object, but the response was lost: the token identifies the function's summary."""
    env.proxy.add(fault, "PUT", path=path, times=1)
    function = env.function()
    assert function.invoke(event).response == DONE
    # Existing outputs are checked: they must belong to this delivery or to its summary.
    assert [step for step in asked(env) if step.startswith("HEAD")] == [f"HEAD {path.strip('/')}"]
    statuses = [request.status for request in env.proxy.sent("PUT", path)]
    assert statuses == [200, 412]
    assert_done_once(env)
    assert function.stop().outcomes() == [("summarized", None)]


def test_lost_response_is_recovered_on_redelivery(env, event):
    """The function can't know whether the summary is stored: it counts nothing, and completes it later."""
    env.proxy.add(faults.fail_after, "PUT", path="/summaries/")
    env.proxy.add(faults.reject(503, "SlowDown"), "HEAD")
    function = env.function()
    assert function.invoke(event).response == FAILED
    env.proxy.clear()
    assert function.invoke(event).response == DONE
    assert len(env.keys("summaries")) == len(env.keys("receipts")) == len(env.alerts()) == 1
    written = function.stop()
    assert len(written.values("RecordsProcessed")) <= 1
    assert written.outcomes()[-1] == ("already_summarized", None)


def test_stalled_put_fails_3_seconds_before_deadline(env, event):
    """It is completed on redelivery."""
    env.proxy.add(faults.stall, "PUT", path="/summaries/")
    function = env.function()
    answer = function.invoke(event, seconds=6)
    assert answer.response == FAILED and 3 <= answer.seconds_left < 4
    assert env.keys() == []
    env.proxy.clear()
    assert function.invoke(event).response == DONE
    assert_done_once(env)
    assert env.stop().outcomes() == [("failed", "deadline_exceeded"), ("summarized", None)]


def batch_of_three(env):
    """Messages "a", "b" and "c", of an object each with one, two and three records."""
    stored = {name: env.put(key(name), flow_log(accepted=number)) for number, name in enumerate("abc", 1)}
    return sqs_event(**{name: s3_event(one) for name, one in stored.items()})


def test_stalled_message_does_not_delay_others(env):
    """The other messages are completed and are not counted again on redelivery."""
    event = batch_of_three(env)
    env.proxy.add(faults.stall, "PUT", path="/summaries/.*/b-")
    function = env.function()
    answer = function.invoke(event, seconds=8)
    assert answer.failed == ["b"] and answer.seconds_left >= 3
    assert len(env.keys("summaries")) == 2
    env.proxy.clear()
    assert function.invoke(event).response == DONE
    assert len(env.keys("summaries")) == 3
    written = function.stop()
    assert written.values("RecordsProcessed") == [1, 3, 2]
    assert written.outcomes()[:3] == [("summarized", None), ("failed", "deadline_exceeded"), ("summarized", None)]
    assert written.values("ObjectsFailed") == [1]


def test_remaining_time_is_used(env):
    """Three small objects need a fraction of the remaining three seconds."""
    function = env.function()
    answer = function.invoke(batch_of_three(env), seconds=7)
    assert answer.response == DONE and answer.seconds_left >= 3
    assert function.stop().values("RecordsProcessed") == [1, 2, 3]


def test_late_put_is_counted_at_most_once(env, event):
    """A summary that is stored after the deadline is completed on redelivery."""
    hold = env.proxy.add(faults.Hold(forwarded=False), "PUT", path="/summaries/", times=1)
    function = env.function()
    answer = function.invoke(event, seconds=6)
    assert answer.response == FAILED and answer.seconds_left >= 3
    hold.let_go()
    assert function.invoke(event).response == DONE
    assert len(env.keys("summaries")) == len(env.keys("receipts")) == len(env.alerts()) == 1
    written = function.stop()
    assert len(written.values("RecordsProcessed")) <= 1
    assert written.outcomes() == [("failed", "deadline_exceeded"), ("already_summarized", None)]


def test_no_time_left_starts_nothing(env):
    """All messages are retried, without S3 requests."""
    stored = [env.put(key(str(number)), flow_log()) for number in range(10)]
    event = sqs_event(**{one.key: s3_event(one) for one in stored})
    function = env.function()
    answer = function.invoke(event, seconds=2.5)
    assert answer.failed == [one.key for one in stored]
    assert answer.seconds_left > 1.5
    assert env.proxy.requests == []
    assert function.stop().total("ObjectsFailed") == 10


def test_deleted_object_is_quarantined(env):
    """The receipt has the version; a redelivery changes nothing."""
    stored = env.put(key("a"), flow_log())
    env.delete(stored)
    function = env.function()
    for _ in range(2):
        assert function.invoke(in_queue(stored)).response == DONE
    receipt = env.only("quarantine")
    assert (receipt["uri"], receipt["error"]) == (stored.uri, "object_deleted")
    assert (receipt["etag"], receipt["version_id"]) == (stored.etag, None)
    assert env.keys() == env.keys("quarantine")
    written = function.stop()
    assert written.outcomes() == [("quarantined", "object_deleted"), ("already_quarantined", "object_deleted")]
    assert written.values("ObjectsQuarantined") == [1]


def test_deleted_version_is_quarantined(env):
    """S3 uses another error code for it."""
    bucket = env.bucket("versioned", versioned=True)
    stored = env.put(key("a"), flow_log(), bucket)
    env.s3.delete_object(Bucket=bucket, Key=stored.key, VersionId=stored.version_id)
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    receipt = env.only("quarantine")
    assert (receipt["version_id"], receipt["error"]) == (stored.version_id, "object_deleted")


def test_archived_object_is_quarantined(env):
    """S3 responds 403, but not because of permissions."""
    stored = env.put(key("a"), flow_log())
    env.proxy.add(faults.reject(403, "InvalidObjectState"), "GET")
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    assert env.only("quarantine")["error"] == "archived"
    assert function.stop().outcomes() == [("quarantined", "archived")]


def test_permanent_faults_fail_if_configured(env):
    """With ON_PERMANENT_FAILURE=fail, they move to the dead-letter queue."""
    bad, gone = env.put(key("a"), b"PARE no text"), env.put(key("b"), flow_log())
    env.delete(gone)
    function = env.function(ON_PERMANENT_FAILURE="fail")
    for stored in [bad, gone]:
        assert function.invoke(in_queue(stored)).response == FAILED
    assert env.keys() == []
    written = function.stop()
    assert written.outcomes() == [("failed", "unsupported_format_parquet"), ("failed", "object_deleted")]
    assert written.values("ObjectsFailed") == [1, 1] and written.values("ObjectsQuarantined") == []


def test_missing_bucket_is_not_a_deleted_object(env, event):
    """The operator must create it: nothing is quarantined, and the event is retried."""
    function = env.function(OUTPUT_BUCKET=f"{env.name}-none")
    assert function.invoke(event).response == FAILED
    assert function.stop().outcomes() == [("failed", "NoSuchBucket")]


def test_plain_404_is_not_a_deleted_object(env):
    """A 404 of another server, such as a wrong endpoint, must not complete an event."""
    stored = env.put(key("a"), flow_log())
    page = b"<html><body>Not Found</body></html>"
    env.proxy.add(lambda exchange: exchange.answer(404, "text/html", page), "GET")
    function = env.function()
    assert function.invoke(in_queue(stored)).response == FAILED
    assert env.keys() == []
    assert [outcome for outcome, _ in function.stop().outcomes()] == ["failed"]
