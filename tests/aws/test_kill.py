"""Kills the function at each of its requests, before the server gets it and before the response arrives, and again while
another function completes the work. The delivery guarantees always hold.
"""

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

import faults
from flow_logs import flow_log, gzip, key, records
from function import Written
from aws_env import DONE, AwsEnv, in_queue

# Alerts for more than one request.
SCANS = 12
# Number of parallel environments, because each mostly waits.
WORKERS = 4


class Case:
    """One object in its own environment, and the output of all functions that processed it."""

    def __init__(self, env, content):
        env.alerting()
        self.env, self.written = env, Written()
        self.event = in_queue(env.put(key("a"), content))

    def kill_at(self, number, forwarded):
        """Kills a function at its nth request; returns the request, or None if there is no such request."""
        hold = faults.Hold(forwarded)
        self.env.proxy.clear()
        self.env.proxy.add(hold, after=number - 1, times=1)
        before = len(self.env.proxy.requests)
        function = self.env.function()
        function.begin(self.event)
        killed = hold.is_reached_before(function.answered)
        self.written += function.stop()
        return self.env.proxy.requests[before + number - 1] if killed else None

    def deliver(self):
        """Runs a function without a kill; returns its number of requests."""
        self.env.proxy.clear()
        before = len(self.env.proxy.requests)
        function = self.env.function()
        assert function.invoke(self.event).response == DONE
        self.written += function.stop()
        return len(self.env.proxy.requests) - before


@contextlib.contextmanager
def case(clients, content):
    env = AwsEnv(clients)
    try:
        yield Case(env, content)
    finally:
        env.close()


def step(request):
    """Describes a kill point."""
    kind = request.path.split("/")[3] if "/flowsentry/" in request.path else "object"
    return f"{'after' if request.status else 'before'} {request.method} {request.target or kind}"


def lost(metric, killed_at, kind):
    """Metrics can be lost only between the PUT of their summary and its response."""
    stored = [request for request in killed_at if request.method == "PUT" and request.status == 200]
    return [] if any(f"/{kind}/" in request.path for request in stored) else [metric]


def assert_summarized(case, killed_at):
    """Checks for one summary with all dependent outputs, in order; alerts at least once, metrics at most once."""
    env = case.env
    summary = env.only("summaries")
    assert summary["records"]["total"] == records(scans=SCANS)
    assert env.findings() == summary["findings"] and len(summary["findings"]) == SCANS
    details = [event["detail"] for event in env.alerts()]
    reported = {detail["metadata"]["uid"]: detail["finding_info"]["uid"] for detail in details}
    assert sorted(reported.values()) == sorted(finding["id"] for finding in summary["findings"])
    assert sorted(env.only("receipts")["alerts"]) == sorted(reported)
    assert env.keys("quarantine") == []
    stored = [request.answered for request in env.proxy.sent("PUT", "/summaries/") if request.status == 200]
    assert len(stored) == 1
    assert min(request.arrived for request in env.proxy.sent(target="PutEvents")) > stored[0]
    counted = case.written.values("RecordsProcessed")
    assert counted == lost(records(scans=SCANS), killed_at, "summaries")
    return f"metrics {len(counted)}, alerts {len(reported)} + {len(details) - len(reported)} again"


def assert_quarantined(case, killed_at):
    """Checks for one receipt without a summary, counted at most once."""
    env = case.env
    assert env.only("quarantine")["error"] == "gzip_truncated"
    assert env.keys() == env.keys("quarantine")
    counted = case.written.values("ObjectsQuarantined")
    assert counted == lost(1, killed_at, "quarantine")
    assert case.written.values("RecordsProcessed") == []
    return f"metrics {len(counted)}"


KINDS = {
    "summarized": (flow_log(scans=SCANS), assert_summarized, 6),
    "quarantined": (gzip(flow_log())[:-9], assert_quarantined, 3),
}


@pytest.mark.parametrize("kind", KINDS)
def test_killed_once_at_every_request(clients, kind, report):
    """Each request twice: lost with the function, or executed with a lost response."""
    content, check, requests = KINDS[kind]
    with case(clients, content) as undisturbed:
        assert undisturbed.deliver() == requests
        check(undisturbed, [])
    report(f"{kind}: {requests} requests; killed at each")
    for number in range(1, requests + 1):
        for forwarded in [False, True]:
            with case(clients, content) as victim:
                request = victim.kill_at(number, forwarded)
                left = "+".join(name.split("/")[1] for name in victim.env.keys()) or "nothing"
                took = victim.deliver()
                report(f"  {step(request):34} left {left:28} then {took} requests, {check(victim, [request])}")


@pytest.mark.parametrize("kind", KINDS)
def test_killed_twice_at_every_two_requests(clients, kind, report):
    """The function that completes the work of a killed one is killed too, at each of its requests.

    Each of these requests takes effect: a kill before it leaves what a kill after the request before it leaves.
    """
    content, check, requests = KINDS[kind]

    def kill_again(first):
        pairs = 0
        for second in itertools.count(1):
            with case(clients, content) as victim:
                killed_at = [victim.kill_at(first, forwarded=True)]
                # A kill without effect equals no kill; single kills are tested above.
                if not victim.env.keys():
                    return pairs
                # Until the delivery has no request with this number.
                if not (request := victim.kill_at(second, forwarded=True)):
                    return pairs
                victim.deliver()
                check(victim, [*killed_at, request])
                pairs += 1

    places = range(1, requests + 1)
    with ThreadPoolExecutor(WORKERS) as pool:
        pairs = sum(pool.map(kill_again, places))
    report(f"{kind}: killed where something is left, and then at every place of the next delivery: {pairs} pairs")
    assert pairs > len(places) / 2
