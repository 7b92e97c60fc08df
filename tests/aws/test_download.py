"""Broken downloads: the summary covers the whole object, or there is none."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import faults
from flow_logs import SCAN_PORTS, flow_log, gzip, key, record
from aws_env import DONE, in_queue

FAILED = {"batchItemFailures": [{"itemIdentifier": "1"}]}
# Each waits before it resumes; in parallel, they wait no longer than one.
FUNCTIONS = 8
SMALL = gzip(flow_log(accepted=2))


def totals(summary):
    """Returns a summary without the identity of the object."""
    return {name: value for name, value in summary.items() if name != "sources"}


def cut_at(env, cuts):
    """Stores objects with the same bytes, broken at the given positions; returns the summaries by position."""
    functions = [env.function() for _ in range(FUNCTIONS)]
    stored = {}
    for places in cuts:
        name = "-".join(map(str, places))
        stored[places] = env.put(f"cut-{name}", SMALL)
        for place in places:
            env.proxy.add(faults.cut(place), "GET", path=f"/cut-{name}$", times=1)

    def invoke(function, share):
        return [function.invoke(in_queue(stored[places])).response for places in share]

    with ThreadPoolExecutor(FUNCTIONS) as pool:
        shares = [cuts[number::FUNCTIONS] for number in range(FUNCTIONS)]
        answers = [answer for share in pool.map(invoke, functions, shares) for answer in share]
    assert answers == [DONE] * len(cuts)
    return {summary["sources"][0]["key"]: summary for summary in env.documents("summaries")}


def ranges(env, name):
    return [request.headers.get("range") for request in env.proxy.sent("GET", f"/cut-{name}$")]


def test_download_broken_at_any_byte_is_resumed(env):
    """Resumed at exactly that byte, with the same summary."""
    cuts = [(place,) for place in range(len(SMALL) + 1)]
    summaries = cut_at(env, cuts)
    assert env.function().invoke(in_queue(env.put("whole", SMALL))).response == DONE
    whole = next(one for one in env.documents("summaries") if one["sources"][0]["key"] == "whole")
    assert whole["records"]["accepted"] == 2 and len(summaries) == len(SMALL) + 1
    for place in range(len(SMALL)):
        assert ranges(env, place) == [None, f"bytes={place}-"]
    # Received bytes are not requested again.
    assert ranges(env, len(SMALL)) == [None]
    for summary in summaries.values():
        assert totals(summary) == totals(whole)
        assert summary["sources"][0]["compressed_bytes"] == len(SMALL)


def test_download_broken_twice_is_resumed(env):
    """The resumed download may break too, at once or later."""
    half = len(SMALL) // 2
    cuts = [(half, place) for place in range(0, len(SMALL) - half, 7)] + [(10, 10, 10, 10, 10)]
    summaries = cut_at(env, cuts)
    assert len(summaries) == len(cuts)
    assert {summary["records"]["accepted"] for summary in summaries.values()} == {2}
    assert ranges(env, "10-10-10-10-10") == [None, *(f"bytes={place}-" for place in [10, 20, 30, 40, 50])]


def test_download_that_always_breaks_stores_nothing(env):
    """A break in transit is not corruption: nothing is quarantined, and a redelivery succeeds."""
    env.proxy.add(faults.cut(5), "GET")
    stored = env.put(key("a"), flow_log(accepted=2))
    function = env.function()
    assert function.invoke(in_queue(stored)).response == FAILED
    assert len(env.proxy.sent("GET")) == 6 and env.keys() == []
    env.proxy.clear()
    assert function.invoke(in_queue(stored)).response == DONE
    written = function.stop()
    assert written.outcomes() == [("failed", "read_failed"), ("summarized", None)]
    assert written.values("RecordsProcessed") == [2] and written.values("ObjectsFailed") == [1]


def test_object_replaced_during_download_is_superseded(env):
    """The rest would belong to another object: S3 responds 412 to If-Match."""
    stored = env.put(key("a"), flow_log(accepted=2))
    newer = []
    replace = lambda: newer.append(env.put(key("a"), flow_log(accepted=3)))
    env.proxy.add(faults.cut(20, replace), "GET", times=1)
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    assert [request.status for request in env.proxy.sent("GET")] == [200, 412]
    assert env.keys() == []
    written = function.stop()
    assert written.outcomes() == [("ignored", "superseded")]
    [line] = written.log
    assert (line["etag"], line["current_etag"]) == (stored.etag, newer[0].etag)


def test_version_is_read_despite_newer_version(env):
    """With versioning, nothing is superseded."""
    bucket = env.bucket("versioned", versioned=True)
    stored = env.put(key("a"), flow_log(accepted=2), bucket)
    replace = lambda: env.put(key("a"), flow_log(accepted=3), bucket)
    env.proxy.add(faults.cut(20, replace), "GET", times=1)
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    assert env.only("summaries")["records"]["accepted"] == 2
    assert all(f"versionId={stored.version_id}" in request.query for request in env.proxy.sent("GET"))


def test_object_deleted_during_download_is_quarantined(env):
    """Like a deleted object: the rest is lost."""
    stored = env.put(key("a"), flow_log(accepted=2))
    env.proxy.add(faults.cut(20, lambda: env.delete(stored)), "GET", times=1)
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    assert [request.status for request in env.proxy.sent("GET")] == [200, 404]
    assert env.only("quarantine")["error"] == "object_deleted"
    assert function.stop().outcomes() == [("quarantined", "object_deleted")]


def test_slow_download_is_completed(env):
    """Slow is not broken."""
    env.proxy.add(faults.drip(len(SMALL) // 10, 0.1), "GET")
    function = env.function()
    assert function.invoke(in_queue(env.put("slow", SMALL))).response == DONE
    assert len(env.proxy.sent("GET")) == 1
    assert env.only("summaries")["records"]["accepted"] == 2


def test_download_past_deadline_is_returned_as_failed(env):
    """Returned three seconds before the deadline, and nothing is stored."""
    env.proxy.add(faults.drip(1, 0.5), "GET", times=1)
    stored = env.put("slow", SMALL)
    function = env.function()
    answer = function.invoke(in_queue(stored), seconds=5)
    assert answer.response == FAILED and 3 <= answer.seconds_left < 4
    assert env.keys() == []
    assert function.invoke(in_queue(stored)).response == DONE
    written = function.stop()
    assert written.outcomes() == [("failed", "deadline_exceeded"), ("summarized", None)]
    assert written.values("RecordsProcessed") == [2]


def test_long_analysis_is_returned_before_deadline(env):
    """The download is fast and the analysis slow; it does not delay further events."""
    many = 600_000
    stored = env.put(key("a"), flow_log(extra=record() * many))
    function = env.function()
    answer = function.invoke(in_queue(stored), seconds=4)
    # Unless it took less than a fifth of a second.
    assert answer.response in (FAILED, DONE) and answer.seconds_left >= 3
    assert function.invoke(in_queue(stored)).response == DONE
    assert env.only("summaries")["records"]["accepted"] == many + 1
    assert function.stop().values("RecordsProcessed") == [many + 1]


def test_broken_chunked_download_is_resumed(env):
    """A large object, broken several times; every record counts once."""
    accepted = 40_000
    log = flow_log(scans=1, extra="".join(record(dst=f"10.1.{n >> 8 & 255}.{n & 255}") for n in range(accepted)))
    stored = env.put(key("large"), log.encode())
    for place in [1_000_000, 64 << 10, 1]:
        env.proxy.add(faults.cut(place), "GET", times=1)
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    records = env.only("summaries")["records"]
    assert (records["accepted"], records["rejected"], records["malformed"]) == (accepted + 1, SCAN_PORTS, 0)
    assert len(env.proxy.sent("GET")) == 4


DAMAGES = {
    "gzip_truncated": [SMALL[:place] for place in range(2, len(SMALL), 9)],
    "gzip_corrupt": [SMALL[:-5] + bytes([SMALL[-5] ^ 1]) + SMALL[-4:], SMALL[:40] + b"\xff\xff\xff" + SMALL[43:]],
    "gzip_trailing_data": [SMALL + b"more"],
    "not_a_flow_log": [b"<html>\n<body>\n", gzip("one two three\n")],
    "parquet_corrupt": [b"PAR1 and so on"],
    "unsupported_format_parquet": [b"PARE and so on"],
}


@pytest.mark.parametrize("code", DAMAGES)
def test_damaged_object_is_quarantined(env, code):
    """With a stable code; one that also breaks in transit is resumed first."""
    stored = [env.put(f"{number}.log.gz", body) for number, body in enumerate(DAMAGES[code])]
    env.proxy.add(faults.cut(1), "GET", times=1)
    function = env.function()
    assert function.invoke(in_queue(*stored)).response == DONE
    receipts = {receipt["uri"]: receipt["error"] for receipt in env.documents("quarantine")}
    assert receipts == {one.uri: code for one in stored}
    assert env.keys() == env.keys("quarantine")
    assert function.stop().values("ObjectsQuarantined") == [1] * len(stored)


@pytest.mark.parametrize("limit, code", [("MAX_OBJECT_BYTES", "too_large"), ("MAX_LINES", "too_many_lines")])
def test_object_over_a_limit_is_quarantined(env, limit, code):
    """The limits are settings."""
    function = env.function(**{limit: "2"})
    assert function.invoke(in_queue(env.put("a", SMALL))).response == DONE
    assert env.only("quarantine")["error"] == code
