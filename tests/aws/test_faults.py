"""AWS's faults, one by one, brought about by the proxy between function and server."""

import pytest

import faults
from flow_logs import flow_log, key, records
from aws_env import DONE, in_queue, s3_event, sqs_event

FAILED = {"batchItemFailures": [{"itemIdentifier": "1"}]}
# What an object with alerts asks for, in order.
STEPS = ["GET", "PUT summaries", "PUT findings", "POST", "PUT receipts"]


@pytest.fixture
def event(env):
    """Of one object with one finding, which is alerted."""
    env.alerting()
    return in_queue(env.put(key("a"), flow_log(scans=1)))


def asked(env):
    """What was asked for, in order, each with the kind of output that it is about."""
    parts = [request.path.split("/") for request in env.proxy.requests]
    kinds = [f" {path[3]}" if len(path) > 3 and path[1] == env.output else "" for path in parts]
    return [request.method + kind for request, kind in zip(env.proxy.requests, kinds, strict=True)]


def assert_done_once(env):
    """One summary with all that belongs to it; counted once, told once."""
    summary = env.only("summaries")
    assert env.findings() == summary["findings"]
    [alert] = env.alerts()
    assert alert["detail"]["finding_info"]["uid"] == summary["findings"][0]["id"]
    assert env.only("receipts")["alerts"] == [alert["detail"]["metadata"]["uid"]]
    written = env.stop()
    assert written.values("RecordsProcessed") == [records(scans=1)]
    assert written.values("ObjectsProcessed") == [1]


def test_requests_are_in_order(env, event):
    """The summary before all that rests on it, the receipt last."""
    function = env.function()
    assert function.invoke(event).response == DONE
    assert asked(env) == STEPS
    assert_done_once(env)


@pytest.mark.parametrize("method, path", [("GET", ""), ("PUT", "/summaries/"), ("POST", "")])
def test_throttled_request_is_retried(env, event, method, path):
    """503 SlowDown is no failure if it passes."""
    env.proxy.add(faults.refuse(503, "SlowDown"), method, path=path, times=2)
    function = env.function()
    assert function.invoke(event).response == DONE
    assert len(env.proxy.sent(method, path)) == 3
    assert_done_once(env)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_permanent_throttling_stores_nothing(env, event, method):
    """And is done when it comes again in better times."""
    env.proxy.add(faults.refuse(503, "SlowDown"), method)
    function = env.function()
    assert function.invoke(event).response == FAILED
    assert (env.keys(), env.alerts()) == ([], [])
    env.proxy.clear()
    assert function.invoke(event).response == DONE
    assert_done_once(env)
    assert function.stop().outcomes() == [("failed", "SlowDown"), ("summarized", None)]


KMS = "User: arn:aws:sts::123456789012:assumed-role/f is not authorized to perform: kms:Decrypt on the resource"


@pytest.mark.parametrize(
    "method, path, message, told",
    [
        ("GET", "", "Access Denied", "s3:GetObject"),
        ("GET", "", KMS, "kms:Decrypt on the resource"),
        ("PUT", "/summaries/", "Access Denied", "s3:PutObject"),
        ("PUT", "/findings/", "Access Denied", "s3:PutObject"),
        ("PUT", "/receipts/", "Access Denied", "s3:PutObject"),
    ],
)
def test_denied_request_names_missing_permission(env, event, method, path, message, told):
    """An operator can put it right: it is never taken for an object that is bad or gone."""
    env.proxy.add(faults.refuse(403, "AccessDenied", message), method, path=path)
    function = env.function()
    assert function.invoke(event).response == FAILED
    assert env.keys("quarantine") == []
    env.proxy.clear()
    assert function.invoke(event).response == DONE
    written = function.stop()
    [line] = [line for line in written.log if line.get("outcome") == "failed"]
    assert line["code"] == "AccessDenied" and told in line["error"]
    assert len(env.keys("summaries")) == 1 and written.values("RecordsProcessed") == [records(scans=1)]


@pytest.mark.parametrize("path", ["/summaries/", "/findings/", "/receipts/"])
def test_conditional_write_conflict_is_retried(env, event, path):
    """S3 answers 409 while somebody else writes to the same key."""
    env.proxy.add(faults.refuse(409, "ConditionalRequestConflict"), "PUT", path=path, times=3)
    function = env.function()
    assert function.invoke(event).response == DONE
    assert len(env.proxy.sent("PUT", path)) == 4
    assert_done_once(env)


@pytest.mark.parametrize("fault", [faults.fail_after, faults.reset_after])
@pytest.mark.parametrize("path", ["/summaries/", "/findings/", "/receipts/"])
def test_lost_response_loses_and_duplicates_nothing(env, event, fault, path):
    """S3 stored it and the function did not hear of it: by its token it knows the summary for its own."""
    env.proxy.add(fault, "PUT", path=path, times=1)
    function = env.function()
    assert function.invoke(event).response == DONE
    # What is there already is looked at: it must be this delivery's, or belong to its summary.
    assert [step for step in asked(env) if step.startswith("HEAD")] == [f"HEAD {path.strip('/')}"]
    statuses = [request.status for request in env.proxy.sent("PUT", path)]
    assert statuses == [200, 412]
    assert_done_once(env)
    assert function.stop().outcomes() == [("summarized", None)]


def test_lost_response_is_recovered_on_redelivery(env, event):
    """The function can't know whether the summary is stored: it counts nothing, and completes it later."""
    env.proxy.add(faults.fail_after, "PUT", path="/summaries/")
    env.proxy.add(faults.refuse(503, "SlowDown"), "HEAD")
    function = env.function()
    assert function.invoke(event).response == FAILED
    env.proxy.clear()
    assert function.invoke(event).response == DONE
    assert len(env.keys("summaries")) == len(env.keys("receipts")) == len(env.alerts()) == 1
    written = function.stop()
    assert len(written.values("RecordsProcessed")) <= 1
    assert written.outcomes()[-1] == ("already_summarized", None)


def test_stalled_put_fails_3_seconds_before_deadline(env, event):
    """And is done when the event comes again."""
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
    """Those before it and those behind it are done, and none of them is counted again with it."""
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
    """Three small objects take a fraction of the three seconds that there are."""
    function = env.function()
    answer = function.invoke(batch_of_three(env), seconds=7)
    assert answer.response == DONE and answer.seconds_left >= 3
    assert function.stop().values("RecordsProcessed") == [1, 2, 3]


def test_late_put_is_counted_at_most_once(env, event):
    """A summary that arrives when the function has given up is completed by the next delivery."""
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
    """All messages come again, and S3 is asked for nothing."""
    stored = [env.put(key(str(number)), flow_log()) for number in range(10)]
    event = sqs_event(**{one.key: s3_event(one) for one in stored})
    function = env.function()
    answer = function.invoke(event, seconds=2.5)
    assert answer.failed == [one.key for one in stored]
    assert answer.seconds_left > 1.5
    assert env.proxy.requests == []
    assert function.stop().total("ObjectsFailed") == 10


def test_deleted_object_is_quarantined(env):
    """The receipt tells which version it was; when the event comes again nothing changes."""
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
    """S3's code for it is another one."""
    bucket = env.bucket("versioned", versioned=True)
    stored = env.put(key("a"), flow_log(), bucket)
    env.s3.delete_object(Bucket=bucket, Key=stored.key, VersionId=stored.version_id)
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    receipt = env.only("quarantine")
    assert (receipt["version_id"], receipt["error"]) == (stored.version_id, "object_deleted")


def test_archived_object_is_quarantined(env):
    """S3 says 403, but it is no matter of permissions."""
    stored = env.put(key("a"), flow_log())
    env.proxy.add(faults.refuse(403, "InvalidObjectState"), "GET")
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    assert env.only("quarantine")["error"] == "archived"
    assert function.stop().outcomes() == [("quarantined", "archived")]


def test_permanent_faults_fail_if_configured(env):
    """ON_PERMANENT_FAILURE=fail leaves them to the dead-letter queue."""
    bad, gone = env.put(key("a"), b"PAR1 no text"), env.put(key("b"), flow_log())
    env.delete(gone)
    function = env.function(ON_PERMANENT_FAILURE="fail")
    for stored in [bad, gone]:
        assert function.invoke(in_queue(stored)).response == FAILED
    assert env.keys() == []
    written = function.stop()
    assert written.outcomes() == [("failed", "unsupported_format_parquet"), ("failed", "object_deleted")]
    assert written.values("ObjectsFailed") == [1, 1] and written.values("ObjectsQuarantined") == []


def test_missing_bucket_is_not_a_deleted_object(env, event):
    """It is for an operator to make: nothing is quarantined, and the event comes again."""
    function = env.function(OUTPUT_BUCKET=f"{env.name}-none")
    assert function.invoke(event).response == FAILED
    assert function.stop().outcomes() == [("failed", "NoSuchBucket")]


def test_plain_404_is_not_a_deleted_object(env):
    """A 404 of something else than S3, as from a wrong endpoint, must not make an event done."""
    stored = env.put(key("a"), flow_log())
    page = b"<html><body>Not Found</body></html>"
    env.proxy.add(lambda exchange: exchange.answer(404, "text/html", page), "GET")
    function = env.function()
    assert function.invoke(in_queue(stored)).response == FAILED
    assert env.keys() == []
    assert [outcome for outcome, _ in function.stop().outcomes()] == ["failed"]
