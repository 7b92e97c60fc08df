"""The daily digest: one a day, never lost, and the end of findings."""

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from py_ocsf_models.events.findings.detection_finding import DetectionFinding

import faults
from aws_env import DONE, AwsEnv, in_queue
from flow_logs import flow_log, key, scan
from test_memory import later, remembering

# Sundays, whose digests are not sent without findings.
DAY, NEXT = "2026-11-29", "2026-12-06"


@pytest.fixture(autouse=True)
def alerting(env):
    env.alerting()


def digest_event(day=DAY):
    return {"flowsentry": {"digest": {"time": f"{day}T06:00:00Z"}}}


def read(function, env, name, log):
    assert function.invoke(in_queue(env.put(key(name), log))).response == DONE


def by_type(env):
    """Returns the digests and the findings that have arrived since the last call."""
    events = env.alerts()
    details = lambda kind: [event["detail"] for event in events if event["detail-type"] == kind]
    assert len(details("VPC Flow Digest")) + len(details("VPC Flow Finding")) == len(events)
    return details("VPC Flow Digest"), details("VPC Flow Finding")


def test_a_finding_is_new_then_lasts_then_ends(env):
    function = remembering(env)
    read(function, env, "a", later(flow_log(extra=scan("8.8.8.8")), -50))
    by_type(env)
    digests = []
    for day in ["2026-11-24", "2026-11-25"]:
        assert function.invoke(digest_event(day)).response is None
        [one], findings = by_type(env)
        assert findings == []
        digests.append(one)
    read(function, env, "b", flow_log())
    assert function.invoke(digest_event("2026-11-26")).response is None
    [one], [closed] = by_type(env)
    digests.append(one)
    model = DetectionFinding.model_validate(closed)
    assert (model.activity_name, model.status, closed["unmapped"]["notice"]) == ("Close", "Resolved", "resolved")
    counts = [tuple(one["counts"][name] for name in ["new", "lasting", "ended"]) for one in digests]
    assert counts == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert digests[0]["mail"]["line_01"] == "flowsentry, 2026-11-24: 1 new, 0 lasting, 0 ended finding(s)"
    assert digests[0]["mail"]["line_03"].startswith("- Medium port-scan: ")
    # Then nothing is left to say, until the finding returns.
    assert function.invoke(digest_event("2026-11-27")).response is None
    assert by_type(env) == ([], [])
    read(function, env, "c", flow_log(extra=scan("8.8.8.8")))
    assert [one["unmapped"]["notice"] for one in by_type(env)[1]] == ["new"]


def test_a_finding_of_a_silent_log_does_not_end(env):
    function = remembering(env)
    read(function, env, "a", later(flow_log(extra=scan("8.8.8.8")), -50))
    for day in ["2026-11-24", "2026-11-25", "2026-11-26"]:
        assert function.invoke(digest_event(day)).response is None
    digests, findings = by_type(env)
    assert [one["counts"]["ended"] for one in digests] == [0, 0, 0] and len(findings) == 1


def test_eight_runs_send_one_digest(env):
    read(remembering(env), env, "a", flow_log(extra=scan("8.8.8.8")))
    functions = [remembering(env, endpoint=env.endpoint) for _ in range(8)]
    start = threading.Barrier(8)

    def work(function):
        start.wait(60)
        assert function.invoke(digest_event()).response is None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, functions))
    assert len(by_type(env)[0]) == 1


def test_no_digest_without_memory_or_findings(env):
    for function in [env.function(), remembering(env)]:
        assert function.invoke(digest_event()).response is None
        assert by_type(env) == ([], [])
    assert remembering(env).invoke(digest_event("2026-11-30")).response is None
    [[monday], _] = by_type(env)
    assert "all quiet" in monday["mail"]["line_01"]


def test_a_failed_digest_is_repeated(env):
    """A request that fails fails the invocation, and Lambda repeats it. The token is another one here, so the lease ends first."""
    function = remembering(env)
    read(function, env, "a", flow_log(extra=scan("8.8.8.8")))
    by_type(env)
    env.proxy.add(faults.reject(400, "AccessDenied"), target="PutEvents")
    failed = function.invoke(digest_event())
    assert failed.error["errorType"] == "DigestFailed"
    env.proxy.clear()
    assert function.invoke(digest_event()).response is None
    assert by_type(env) == ([], []), "the claim of the first run is valid"
    [found] = env.keys("state/digests")
    state = json.loads(env.read(found))
    env.s3.put_object(Bucket=env.output, Key=found, Body=json.dumps({**state, "claimed_at": state["claimed_at"] - 901}))
    assert function.invoke(digest_event()).response is None
    [[one], _] = by_type(env)
    assert one["counts"]["new"] == 1


@pytest.mark.parametrize("damage", [b"", b"{}"])
def test_broken_states_do_not_stop_the_digest(env, damage):
    function = remembering(env)
    read(function, env, "a", flow_log(scans=2))
    by_type(env)
    broken = [env.keys("state/findings")[0], *env.keys("state/data"), f"flowsentry/state/digests/{DAY}.json"]
    for name in broken:
        env.s3.put_object(Bucket=env.output, Key=name, Body=damage)
    assert function.invoke(digest_event()).response is None
    [[one], _] = by_type(env)
    assert one["counts"]["new"] == 1
    warnings = [line for line in function.stop().log if line["level"] == "WARN"]
    assert len([line for line in warnings if "not valid" in line["message"]]) == 3


def test_killed_at_every_request_loses_no_digest(clients, report):
    """The repeated run has the request id of the killed one, as with Lambda, and sends events with the same ids.

    Each request takes effect: a kill before it leaves what a kill after the request before it leaves.
    """

    def prepared(env):
        env.alerting()
        function = remembering(env)
        read(function, env, "a", later(flow_log(extra=scan("8.8.8.8")), -50))
        read(function, env, "b", flow_log(extra=scan("8.8.4.4")))
        env.alerts()
        env.proxy.requests.clear()

    def run(number):
        env = AwsEnv(clients)
        try:
            prepared(env)
            hold = faults.Hold(forwarded=True)
            env.proxy.add(hold, after=number - 1, times=1)
            function = remembering(env)
            function.begin(digest_event(), id="same")
            killed = hold.is_reached_before(function.answered)
            function.stop()
            env.proxy.clear()
            if not killed:
                return None
            assert remembering(env).invoke(digest_event(), id="same").response is None
            digests, findings = by_type(env)
            assert {one["metadata"]["uid"] for one in digests} == {f"digest-{DAY}"}
            assert {(one["counts"]["new"], one["counts"]["ended"]) for one in digests} == {(1, 1)}
            assert len({one["metadata"]["uid"] for one in findings}) == 1
            return len(digests)
        finally:
            env.close()

    sent = list(itertools.takewhile(lambda count: count, map(run, itertools.count(1))))
    assert len(sent) > 9 and set(sent) == {1, 2}
    report(f"digest: killed at each of {len(sent)} requests: {sent.count(1)} times sent once, {sent.count(2)} twice")


def test_a_suppressed_finding_is_neither_listed_nor_closed(env):
    """It may have ended or not: nobody hears of it."""
    read(remembering(env), env, "a", later(flow_log(extra=scan("8.8.8.8")), -50))
    by_type(env)
    lines = '[[suppress]]\nsubject = {srcaddr = "8.8.8.8"}\nreason = "a drill"\nexpires = 2026-11-26\n'
    env.s3.put_object(Bucket=env.source, Key="c.toml", Body=lines)
    function = remembering(env, CONFIG_URI=f"s3://{env.source}/c.toml")
    read(function, env, "b", flow_log())
    for day in ["2026-11-24", "2026-11-25"]:
        assert function.invoke(digest_event(day)).response is None
        assert by_type(env) == ([], [])
    # The suppression has expired, and no record has shown the finding since.
    assert function.invoke(digest_event("2026-11-26")).response is None
    [digest], [closed] = by_type(env)
    assert (digest["counts"]["ended"], closed["unmapped"]["notice"]) == (1, "resolved")


def test_a_finding_lasts_after_its_suppression(env):
    """Objects that had it meanwhile prolong its memory."""
    scanned, now = flow_log(extra=scan("8.8.8.8")), datetime.now(UTC)
    yesterday = -12 - now.hour
    read(remembering(env), env, "a", later(scanned, yesterday - 30))
    by_type(env)
    lines = f'[[suppress]]\nsubject = {{srcaddr = "8.8.8.8"}}\nreason = "a drill"\nexpires = {now.date()}\n'
    env.s3.put_object(Bucket=env.source, Key="c.toml", Body=lines)
    function = remembering(env, CONFIG_URI=f"s3://{env.source}/c.toml")
    read(function, env, "b", later(scanned, yesterday))
    read(function, env, "c", later(flow_log(), yesterday + 10))
    assert by_type(env) == ([], [])
    assert function.invoke(digest_event(str(now.date()))).response is None
    [digest], sent = by_type(env)
    assert (digest["counts"]["ended"], digest["counts"]["new"], sent) == (0, 1, [])
