"""The function is killed at every request that it makes, before the server has it and before the answer comes, and once
more while another one completes what the first began. Whatever happens, the promise holds.
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
# So many worlds at once, as each waits most of the time.
WORKERS = 4


class Case:
    """One object in a env of its own, and what all functions wrote that worked on it."""

    def __init__(self, env, content):
        env.alerting()
        self.env, self.written = env, Written()
        self.event = in_queue(env.put(key("a"), content))

    def kill_at(self, number, forwarded):
        """Kills a function at its request of this number: the request, or none if it does not make so many."""
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
        """Lets a function do its work in peace: how many requests that took."""
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
    """A place to be killed at, for people."""
    kind = request.path.split("/")[3] if "/flowsentry/" in request.path else "object"
    return f"{'after' if request.status else 'before'} {request.method} {request.target or kind}"


def lost(metric, killed_at, kind):
    """Metrics are lost in one gap only, between the store of what they tell of and its answer."""
    stored = [request for request in killed_at if request.method == "PUT" and request.status == 200]
    return [] if any(f"/{kind}/" in request.path for request in stored) else [metric]


def assert_summarized(case, killed_at):
    """One summary, and everything that rests on it; in order, told at least once, counted at most once."""
    env = case.env
    summary = env.only("summaries")
    assert summary["records"]["total"] == records(scans=SCANS)
    assert env.findings() == summary["findings"] and len(summary["findings"]) == SCANS
    details = [event["detail"] for event in env.alerts()]
    told = {detail["metadata"]["uid"]: detail["finding_info"]["uid"] for detail in details}
    assert sorted(told.values()) == sorted(finding["id"] for finding in summary["findings"])
    assert sorted(env.only("receipts")["alerts"]) == sorted(told)
    assert env.keys("quarantine") == []
    stored = [request.answered for request in env.proxy.sent("PUT", "/summaries/") if request.status == 200]
    assert len(stored) == 1
    assert min(request.arrived for request in env.proxy.sent(target="PutEvents")) > stored[0]
    counted = case.written.values("RecordsProcessed")
    assert counted == lost(records(scans=SCANS), killed_at, "summaries")
    return f"metrics {len(counted)}, alerts {len(told)} + {len(details) - len(told)} again"


def assert_quarantined(case, killed_at):
    """One receipt and no summary, counted at most once."""
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
    """Each place twice: the request is lost with the function, or it is done and nobody hears of it."""
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
    """The function that completes what a killed one began is killed too, at each of its requests."""
    content, check, requests = KINDS[kind]

    def kill_again(first):
        pairs = 0
        for second in ((number, forwarded) for number in itertools.count(1) for forwarded in [False, True]):
            with case(clients, content) as victim:
                killed_at = [victim.kill_at(*first)]
                # What left nothing is as if it had not been, and killed once is tested above.
                if not victim.env.keys():
                    return pairs
                # Until the delivery makes no request of this number any more.
                if not (request := victim.kill_at(*second)):
                    return pairs
                victim.deliver()
                check(victim, [*killed_at, request])
                pairs += 1

    places = [(number, forwarded) for number in range(1, requests + 1) for forwarded in [False, True]]
    with ThreadPoolExecutor(WORKERS) as pool:
        pairs = sum(pool.map(kill_again, places))
    report(f"{kind}: killed where something is left, and then at every place of the next delivery: {pairs} pairs")
    assert pairs > len(places) / 2
