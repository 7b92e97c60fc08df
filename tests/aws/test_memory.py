"""The memory of alerts: a finding is sent when it is new, worse, or lasts, and never lost."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from py_ocsf_models.events.findings.detection_finding import DetectionFinding

import faults
from aws_env import DONE, in_queue
from flow_logs import END, START, flow_log, key, record, scan
from test_kill import WORKERS, case

HOUR = 3600
OUTSIDE = "8.8.8.8"


@pytest.fixture(autouse=True)
def alerting(env):
    env.alerting()


def remembering(env, **settings):
    return env.function(ALERT_REPEAT_HOURS="24", **settings)


def later(log, hours):
    """Returns a log with other times."""
    return log.replace(str(START), str(START + hours * HOUR)).replace(str(END), str(END + hours * HOUR))


def notices(env):
    """Returns the notice, severity, and activity of each event that has arrived since the last call."""
    details = [event["detail"] for event in env.alerts()]
    for detail in details:
        DetectionFinding.model_validate(detail)
    return [(one["unmapped"]["notice"], one["severity"], one["activity_name"]) for one in details]


def state(env):
    """Returns the only memory."""
    [found] = env.keys("state/findings")
    return json.loads(env.read(found))


def test_a_finding_is_sent_once_a_day_while_it_lasts(env):
    """By the times of the records: the objects arrive within a second."""
    function = remembering(env)
    sent = []
    for number, hours in enumerate([-72, -71, -60, -47, -46, -90]):
        stored = env.put(key(f"hour-{number}"), later(flow_log(extra=scan(OUTSIDE)), hours))
        assert function.invoke(in_queue(stored)).response == DONE
        sent.append(notices(env))
    new, lasting = ("new", "Medium", "Create"), ("lasting", "Medium", "Update")
    assert sent == [[new], [], [], [lasting], [], []]
    receipts = [len(receipt["alerts"]) for receipt in env.documents("receipts")]
    assert sorted(receipts) == [0, 0, 0, 0, 1, 1]
    memory = state(env)["memory"]
    assert (memory["first_seen"], memory["sent"]["notice"]) == (START - 90 * HOUR, "lasting")
    assert memory["claim"] is None


def test_a_finding_that_gets_worse_is_sent_at_once(env):
    """The source of a scan gets an answer, which makes the finding severe."""
    function = remembering(env)
    open_port = record(OUTSIDE, "10.0.0.5", 443)
    for number, extra in enumerate([scan(OUTSIDE), scan(OUTSIDE) + open_port, scan(OUTSIDE)]):
        assert function.invoke(in_queue(env.put(key(str(number)), flow_log(extra=extra)))).response == DONE
    assert notices(env) == [("new", "Medium", "Create"), ("worse", "High", "Update")]


def test_an_alert_says_where_since_when_and_what_to_do(env):
    function = remembering(env)
    for hours in [-30, 0]:
        stored = env.put(key(f"a{hours}"), later(flow_log(extra=scan(OUTSIDE)), hours))
        assert function.invoke(in_queue(stored)).response == DONE
    first, again = [event["detail"] for event in env.alerts()]
    assert first["metadata"]["uid"] != again["metadata"]["uid"]
    assert again["unmapped"]["where"] == f"dstaddr 10.0.0.5, srcaddr {OUTSIDE}"
    assert again["unmapped"]["since"] == first["unmapped"]["since"]
    assert again["finding_info"]["first_seen_time"] == (START - 30 * HOUR) * 1000
    assert again["start_time"] == START * 1000 and again["remediation"]["desc"]
    assert again["unmapped"]["console_url"].startswith(f"https://console.aws.amazon.com/s3/object/{env.output}?region=")
    assert again["status"] == "In Progress"


@pytest.mark.parametrize("damage", [b"", b"{}", b"x" * (64 << 10)])
def test_a_broken_memory_counts_as_none(env, damage):
    """The alert is sent as new, and the log says why."""
    function = remembering(env)
    for number in range(2):
        stored = env.put(key(str(number)), flow_log(extra=scan(OUTSIDE)))
        assert function.invoke(in_queue(stored)).response == DONE
        [found] = env.keys("state/findings")
        assert [notice for notice, *_ in notices(env)] == ["new"]
        if not number:
            env.s3.put_object(Bucket=env.output, Key=found, Body=damage)
    warnings = [line for line in function.stop().log if line["level"] == "WARN"]
    assert ["memory of a finding is not valid" in line["message"] for line in warnings] == [True]
    assert state(env)["memory"]["sent"]["notice"] == "new"


def test_eight_functions_with_the_same_finding_send_it_once(env, report):
    """Eight objects at the same moment, and each delivered twice."""
    functions = [remembering(env, endpoint=env.endpoint) for _ in range(8)]
    stored = [env.put(key(str(number)), flow_log(scans=3, accepted=number + 1)) for number in range(8)]
    start = threading.Barrier(8)

    def work(number):
        start.wait(60)
        assert functions[number].invoke(in_queue(stored[number])).response == DONE
        assert functions[number].invoke(in_queue(stored[number - 1])).response == DONE

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    details = [event["detail"] for event in env.alerts()]
    found = [detail["finding_info"]["uid"] for detail in details]
    assert len(found) == len(set(found)) == 3
    assert [detail["unmapped"]["notice"] for detail in details] == ["new"] * 3
    report(f"memory: 8 functions, 8 objects, and 3 findings in each: {len(details)} events")


def test_killed_at_every_request_loses_no_alert(clients, report):
    """Each request twice: lost with the function, or executed with a lost response. A repeated alert has the same id."""
    content = flow_log(extra=scan(OUTSIDE))

    def undisturbed():
        with case(clients, content) as alone:
            assert remembering(alone.env).invoke(alone.event).response == DONE
            return [str(request) for request in alone.env.proxy.requests]

    requests = undisturbed()
    assert len(requests) == 11, requests

    def kill(place):
        number, forwarded = place
        with case(clients, content) as victim:
            env = victim.env
            hold = faults.Hold(forwarded)
            env.proxy.add(hold, after=number - 1, times=1)
            function = remembering(env)
            function.begin(victim.event)
            assert hold.is_reached_before(function.answered)
            function.stop()
            env.proxy.clear()
            assert remembering(env).invoke(victim.event).response == DONE
            details = [event["detail"] for event in env.alerts()]
            assert len({detail["metadata"]["uid"] for detail in details}) == 1, place
            assert {detail["unmapped"]["notice"] for detail in details} == {"new"}
            memory = state(env)["memory"]
            assert (memory["claim"], memory["sent"]["uid"]) == (None, details[0]["metadata"]["uid"])
            assert len(env.only("receipts")["alerts"]) == 1
            return len(details)

    places = [(number, forwarded) for number in range(1, len(requests) + 1) for forwarded in [False, True]]
    with ThreadPoolExecutor(WORKERS) as pool:
        sent = list(pool.map(kill, places))
    assert set(sent) == {1, 2}
    report(f"memory: killed at each of {len(requests)} requests: {sent.count(1)} times sent once, {sent.count(2)} twice")


def test_another_object_takes_over_after_the_lease(env):
    """The first function is killed between claim and alert, and its event is never delivered again."""
    env.proxy.add(faults.stall, target="PutEvents")
    function = remembering(env)
    function.begin(in_queue(env.put(key("a"), flow_log(extra=scan(OUTSIDE)))))
    while not env.keys("state/findings"):
        assert not function.answered()
    function.stop()
    env.proxy.clear()
    second = env.put(key("b"), flow_log(extra=scan(OUTSIDE), accepted=2))
    assert remembering(env).invoke(in_queue(second)).response == DONE
    assert notices(env) == [], "the claim is valid"
    [found] = env.keys("state/findings")
    entry = state(env)
    claim = entry["memory"]["claim"]
    claim["claimed_at"] -= 15 * 60 + 1
    env.s3.put_object(Bucket=env.output, Key=found, Body=json.dumps(entry))
    third = env.put(key("c"), flow_log(extra=scan(OUTSIDE), accepted=3))
    assert remembering(env).invoke(in_queue(third)).response == DONE
    [event] = env.alerts()
    assert event["detail"]["metadata"]["uid"] == claim["sent"]["uid"]


def test_a_suppressed_finding_is_stored_but_not_sent(env):
    """Until its suppression expires, which the log says once."""
    day = lambda number: time.strftime("%Y-%m-%d", time.gmtime(START + number * 24 * HOUR))
    lines = '[[suppress]]\ntypes = ["port-scan"]\nsubject = {srcaddr = "%s"}\nreason = "a drill"\nexpires = %s\n'
    env.s3.put_object(Bucket=env.source, Key="c.toml", Body=lines % (OUTSIDE, day(0)))
    function = remembering(env, CONFIG_URI=f"s3://{env.source}/c.toml")
    for number, hours in enumerate([-48, 0, 0]):
        log = later(flow_log(accepted=number + 1, extra=scan(OUTSIDE)), hours)
        assert function.invoke(in_queue(env.put(key(str(number)), log))).response == DONE
    assert notices(env) == [("new", "Medium", "Create")]
    found = [json.loads(line) for name in env.keys("findings") for line in env.read(name).splitlines()]
    assert [one.get("suppressed") for one in found] == [{"reason": "a drill", "expires": day(0)}, None, None]
    expired = [line for line in function.stop().log if "has expired" in line["message"]]
    assert [line["exception"] for line in expired] == [
        f'suppress: "a drill" has expired on {day(0)}; renew or remove it'
    ]


def test_window_reports_leave_only_certain_findings_to_objects(env):
    """A scan rests on the absence of accepted records, which another object may have."""
    log = flow_log(extra=scan(OUTSIDE))
    assert env.function(WINDOW_REPORTS="daily").invoke(in_queue(env.put(key("a"), log))).response == DONE
    assert (len(env.findings()), env.alerts(), env.keys("receipts")) == (1, [], [])
