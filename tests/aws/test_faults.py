"""AWS's faults, one by one, brought about by the proxy between function and server."""

import pytest

import faults
from flow_logs import flow_log, key, records
from world import DONE, in_queue, s3_event, sqs_event

FAILED = {"batchItemFailures": [{"itemIdentifier": "1"}]}
# What an object with alerts asks for, in order.
STEPS = ["GET", "PUT summaries", "PUT findings", "POST", "PUT receipts"]


@pytest.fixture
def event(world):
    """Of one object with one finding, which is alerted."""
    world.alerting()
    return in_queue(world.put(key("a"), flow_log(scans=1)))


def asked(world):
    """What was asked for, in order, each with the kind of output that it is about."""
    parts = [request.path.split("/") for request in world.proxy.requests]
    kinds = [f" {path[3]}" if len(path) > 3 and path[1] == world.output else "" for path in parts]
    return [request.method + kind for request, kind in zip(world.proxy.requests, kinds, strict=True)]


def assert_done_once(world):
    """One summary with all that belongs to it; counted once, told once."""
    summary = world.only("summaries")
    assert world.findings() == summary["findings"]
    [alert] = world.alerts()
    assert alert["detail"]["finding_info"]["uid"] == summary["findings"][0]["id"]
    assert world.only("receipts")["alerts"] == [alert["detail"]["metadata"]["uid"]]
    written = world.stop()
    assert written.values("RecordsProcessed") == [records(scans=1)]
    assert written.values("ObjectsProcessed") == [1]


def test_the_steps_are_in_order(world, event):
    """The summary before all that rests on it, the receipt last."""
    function = world.function()
    assert function.invoke(event).response == DONE
    assert asked(world) == STEPS
    assert_done_once(world)


@pytest.mark.parametrize("method, path", [("GET", ""), ("PUT", "/summaries/"), ("POST", "")])
def test_what_is_throttled_twice_is_asked_for_again(world, event, method, path):
    """503 SlowDown is no failure if it passes."""
    world.proxy.add(faults.refuse(503, "SlowDown"), method, path=path, times=2)
    function = world.function()
    assert function.invoke(event).response == DONE
    assert len(world.proxy.sent(method, path)) == 3
    assert_done_once(world)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_is_throttled_for_ever_fails_and_stores_nothing(world, event, method):
    """And is done when it comes again in better times."""
    world.proxy.add(faults.refuse(503, "SlowDown"), method)
    function = world.function()
    assert function.invoke(event).response == FAILED
    assert (world.keys(), world.alerts()) == ([], [])
    world.proxy.clear()
    assert function.invoke(event).response == DONE
    assert_done_once(world)
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
def test_what_is_denied_fails_and_says_what_is_missing(world, event, method, path, message, told):
    """An operator can put it right: it is never taken for an object that is bad or gone."""
    world.proxy.add(faults.refuse(403, "AccessDenied", message), method, path=path)
    function = world.function()
    assert function.invoke(event).response == FAILED
    assert world.keys("quarantine") == []
    world.proxy.clear()
    assert function.invoke(event).response == DONE
    written = function.stop()
    [line] = [line for line in written.log if line.get("outcome") == "failed"]
    assert line["code"] == "AccessDenied" and told in line["error"]
    assert len(world.keys("summaries")) == 1 and written.values("RecordsProcessed") == [records(scans=1)]


@pytest.mark.parametrize("path", ["/summaries/", "/findings/", "/receipts/"])
def test_a_conflict_of_writers_is_tried_again(world, event, path):
    """S3 answers 409 while somebody else writes to the same key."""
    world.proxy.add(faults.refuse(409, "ConditionalRequestConflict"), "PUT", path=path, times=3)
    function = world.function()
    assert function.invoke(event).response == DONE
    assert len(world.proxy.sent("PUT", path)) == 4
    assert_done_once(world)


@pytest.mark.parametrize("fault", [faults.fail_after, faults.reset_after])
@pytest.mark.parametrize("path", ["/summaries/", "/findings/", "/receipts/"])
def test_an_answer_that_is_lost_counts_nothing_twice_and_loses_nothing(world, event, fault, path):
    """S3 stored it and the function did not hear of it: by its token it knows the summary for its own."""
    world.proxy.add(fault, "PUT", path=path, times=1)
    function = world.function()
    assert function.invoke(event).response == DONE
    # What is there already is looked at: it must be this delivery's, or belong to its summary.
    assert [step for step in asked(world) if step.startswith("HEAD")] == [f"HEAD {path.strip('/')}"]
    statuses = [request.status for request in world.proxy.sent("PUT", path)]
    assert statuses == [200, 412]
    assert_done_once(world)
    assert function.stop().outcomes() == [("summarized", None)]


def test_an_answer_that_is_lost_for_ever_is_found_by_the_next_delivery(world, event):
    """The function can't know whether the summary is stored: it counts nothing, and completes it later."""
    world.proxy.add(faults.fail_after, "PUT", path="/summaries/")
    world.proxy.add(faults.refuse(503, "SlowDown"), "HEAD")
    function = world.function()
    assert function.invoke(event).response == FAILED
    world.proxy.clear()
    assert function.invoke(event).response == DONE
    assert len(world.keys("summaries")) == len(world.keys("receipts")) == len(world.alerts()) == 1
    written = function.stop()
    assert len(written.values("RecordsProcessed")) <= 1
    assert written.outcomes()[-1] == ("already_summarized", None)


def test_a_stalled_store_is_given_back_three_seconds_before_the_deadline(world, event):
    """And is done when the event comes again."""
    world.proxy.add(faults.stall, "PUT", path="/summaries/")
    function = world.function()
    answer = function.invoke(event, seconds=6)
    assert answer.response == FAILED and 3 <= answer.seconds_left < 4
    assert world.keys() == []
    world.proxy.clear()
    assert function.invoke(event).response == DONE
    assert_done_once(world)
    assert world.stop().outcomes() == [("failed", "deadline_exceeded"), ("summarized", None)]


def batch_of_three(world):
    """Messages "a", "b" and "c", of an object each with one, two and three records."""
    stored = {name: world.put(key(name), flow_log(accepted=number)) for number, name in enumerate("abc", 1)}
    return sqs_event(**{name: s3_event(one) for name, one in stored.items()})


def test_a_message_that_stalls_does_not_take_the_time_of_the_others(world):
    """Those before it and those behind it are done, and none of them is counted again with it."""
    event = batch_of_three(world)
    world.proxy.add(faults.stall, "PUT", path="/summaries/.*/b-")
    function = world.function()
    answer = function.invoke(event, seconds=8)
    assert answer.failed == ["b"] and answer.seconds_left >= 3
    assert len(world.keys("summaries")) == 2
    world.proxy.clear()
    assert function.invoke(event).response == DONE
    assert len(world.keys("summaries")) == 3
    written = function.stop()
    assert written.values("RecordsProcessed") == [1, 3, 2]
    assert written.outcomes()[:3] == [("summarized", None), ("failed", "deadline_exceeded"), ("summarized", None)]
    assert written.values("ObjectsFailed") == [1]


def test_what_can_be_done_in_the_time_that_is_left_is_done(world):
    """Three small objects take a fraction of the three seconds that there are."""
    function = world.function()
    answer = function.invoke(batch_of_three(world), seconds=7)
    assert answer.response == DONE and answer.seconds_left >= 3
    assert function.stop().values("RecordsProcessed") == [1, 2, 3]


def test_a_store_that_comes_after_the_deadline_is_counted_at_most_once(world, event):
    """A summary that arrives when the function has given up is completed by the next delivery."""
    hold = world.proxy.add(faults.Hold(forwarded=False), "PUT", path="/summaries/", times=1)
    function = world.function()
    answer = function.invoke(event, seconds=6)
    assert answer.response == FAILED and answer.seconds_left >= 3
    hold.let_go()
    assert function.invoke(event).response == DONE
    assert len(world.keys("summaries")) == len(world.keys("receipts")) == len(world.alerts()) == 1
    written = function.stop()
    assert len(written.values("RecordsProcessed")) <= 1
    assert written.outcomes() == [("failed", "deadline_exceeded"), ("already_summarized", None)]


def test_with_no_time_left_nothing_is_begun(world):
    """All messages come again, and S3 is asked for nothing."""
    stored = [world.put(key(str(number)), flow_log()) for number in range(10)]
    event = sqs_event(**{one.key: s3_event(one) for one in stored})
    function = world.function()
    answer = function.invoke(event, seconds=2.5)
    assert answer.failed == [one.key for one in stored]
    assert answer.seconds_left > 1.5
    assert world.proxy.requests == []
    assert function.stop().total("ObjectsFailed") == 10


def test_an_object_that_is_gone_is_quarantined(world):
    """The receipt tells which version it was; when the event comes again nothing changes."""
    stored = world.put(key("a"), flow_log())
    world.delete(stored)
    function = world.function()
    for _ in range(2):
        assert function.invoke(in_queue(stored)).response == DONE
    receipt = world.only("quarantine")
    assert (receipt["uri"], receipt["error"]) == (stored.uri, "object_deleted")
    assert (receipt["etag"], receipt["version_id"]) == (stored.etag, None)
    assert world.keys() == world.keys("quarantine")
    written = function.stop()
    assert written.outcomes() == [("quarantined", "object_deleted"), ("already_quarantined", "object_deleted")]
    assert written.values("ObjectsQuarantined") == [1]


def test_a_version_that_is_gone_is_quarantined(world):
    """S3's code for it is another one."""
    bucket = world.bucket("versioned", versioned=True)
    stored = world.put(key("a"), flow_log(), bucket)
    world.s3.delete_object(Bucket=bucket, Key=stored.key, VersionId=stored.version_id)
    function = world.function()
    assert function.invoke(in_queue(stored)).response == DONE
    receipt = world.only("quarantine")
    assert (receipt["version_id"], receipt["error"]) == (stored.version_id, "object_deleted")


def test_an_archived_object_is_quarantined(world):
    """S3 says 403, but it is no matter of permissions."""
    stored = world.put(key("a"), flow_log())
    world.proxy.add(faults.refuse(403, "InvalidObjectState"), "GET")
    function = world.function()
    assert function.invoke(in_queue(stored)).response == DONE
    assert world.only("quarantine")["error"] == "archived"
    assert function.stop().outcomes() == [("quarantined", "archived")]


def test_permanent_faults_fail_where_that_is_wanted(world):
    """ON_PERMANENT_FAILURE=fail leaves them to the dead-letter queue."""
    bad, gone = world.put(key("a"), b"PAR1 no text"), world.put(key("b"), flow_log())
    world.delete(gone)
    function = world.function(ON_PERMANENT_FAILURE="fail")
    for stored in [bad, gone]:
        assert function.invoke(in_queue(stored)).response == FAILED
    assert world.keys() == []
    written = function.stop()
    assert written.outcomes() == [("failed", "unsupported_format_parquet"), ("failed", "object_deleted")]
    assert written.values("ObjectsFailed") == [1, 1] and written.values("ObjectsQuarantined") == []


def test_a_bucket_that_is_missing_is_no_object_that_is_gone(world, event):
    """It is for an operator to make: nothing is quarantined, and the event comes again."""
    function = world.function(OUTPUT_BUCKET=f"{world.name}-none")
    assert function.invoke(event).response == FAILED
    assert function.stop().outcomes() == [("failed", "NoSuchBucket")]


def test_an_answer_that_names_nothing_missing_is_no_object_that_is_gone(world):
    """A 404 of something else than S3, as from a wrong endpoint, must not make an event done."""
    stored = world.put(key("a"), flow_log())
    page = b"<html><body>Not Found</body></html>"
    world.proxy.add(lambda exchange: exchange.answer(404, "text/html", page), "GET")
    function = world.function()
    assert function.invoke(in_queue(stored)).response == FAILED
    assert world.keys() == []
    assert [outcome for outcome, _ in function.stop().outcomes()] == ["failed"]
