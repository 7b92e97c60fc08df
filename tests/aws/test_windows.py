"""Reports of time windows: the state machine of the stack with real functions."""

import json
import re
import time

import pytest

import faults
from flow_logs import ACCOUNT, HEADER, record
from function import REGION
from state_machine import Gateway, StateMachine

FROM, TO = "2026-11-23T06:00:00Z", "2026-11-23T07:00:00Z"
REQUEST = {"name": "incident", "from": FROM, "to": TO}
RANGE = "20261123T060000Z-20261123T070000Z"
FLOW_LOG = "fl-0123456789abcdef0"
FIREHOSE = (
    f"AWSLogs/firehose/{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/23/06/"
    "flow-logs-1-2026-11-23-06-14-59-b6a9f3de-1c1d-4b57-8e2c-0123456789ab.log.gz"
)


class Reports:
    """The state machine of one test."""

    def __init__(self, clients, env, pattern="*", **settings):
        self.env = env
        settings = {"ALLOWED_SOURCES": f"{env.source}/AWSLogs/", **settings}
        self.gateway = Gateway(lambda: env.function(**settings))
        self.machine = StateMachine(clients, env.name, self.gateway, env.output, pattern=pattern)

    def run(self, **changes):
        """Runs an execution that must succeed; returns the run."""
        status, output = self.machine.run({**REQUEST, **changes})
        assert status == "SUCCEEDED", output
        return output

    def report(self):
        return self.env.only("reports/summaries/")


@pytest.fixture
def reports(clients, env):
    reports = Reports(clients, env)
    yield reports
    reports.gateway.close()


def name(minute, flow_log=FLOW_LOG, number=0, hive=False):
    """Returns a key of AWS."""
    file = f"{ACCOUNT}_vpcflowlogs_{REGION}_{flow_log}_20261123T06{minute:02}Z_{number:08x}.log.gz"
    if hive:
        folders = f"aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region={REGION}/year=2026/month=11/day=23"
    else:
        folders = f"{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/23"
    return f"AWSLogs/{folders}/{file}"


def rejects(*ports, source="203.0.113.9"):
    return HEADER + "".join(record(source, port=port, action="REJECT") for port in ports)


def slow_scan(env):
    """Stores twelve objects, each with 14 ports of one scan: too few for a finding."""
    for index in range(12):
        env.put(name(5 * index), rejects(*range(1 + 14 * index, 15 + 14 * index)))


def test_a_scan_that_no_object_shows_is_reported(reports):
    env = reports.env
    slow_scan(env)
    for other in ["20261123T0555Z", "20261123T0700Z"]:
        env.put(name(0).replace("20261123T0600Z", other), rejects(22))
    run = reports.run()
    report = reports.report()
    assert [(finding["type"], finding["details"]["distinct_ports"]) for finding in report["findings"]] == [("port-scan", 168)]
    assert (report["records"]["total"], report["failed"]) == (168, [])
    [source] = report["sources"]
    manifest = f"flowsentry/reports/manifests/incident/{RANGE}/r0001.json"
    assert source["window"]["manifest"] == source["uri"] == f"s3://{env.output}/{manifest}"
    assert {member: source["window"][member] for member in ("name", "from", "to", "revision", "objects")} == {
        **REQUEST,
        "revision": 1,
        "objects": 12,
    }
    stored = json.loads(env.read(manifest))
    assert (stored["objects"], stored["parts"], stored["skipped"]) == (12, [1, 1], {})
    assert run["manifest"] == manifest
    assert reports.gateway.steps() == {"part": 2, "plan": 1, "report": 1}
    [findings] = env.keys("reports/findings/")
    assert json.loads(env.read(findings)) == report["findings"][0]


def test_a_second_start_changes_nothing(reports):
    slow_scan(reports.env)
    first = reports.run()
    keys = {key: reports.env.read(key) for key in reports.env.keys() if "/results/" not in key}
    assert reports.run() == first
    assert {key: reports.env.read(key) for key in reports.env.keys() if "/results/" not in key} == keys
    written = reports.env.stop()
    outcomes = [line["outcome"] for line in written.log if line["message"] == "window step done"]
    assert outcomes.count("made") == 2 and outcomes.count("already_made") == 2
    # Metrics are emitted once.
    assert [document["WindowRecords"] for document in written.metrics if "WindowRecords" in document] == [168]
    assert written.total("RecordsProcessed") == 0


def test_a_late_object_makes_a_new_revision(reports):
    slow_scan(reports.env)
    reports.run()
    reports.env.put(name(55, number=1), rejects(4443))
    reports.run()
    summaries = [json.loads(reports.env.read(key)) for key in sorted(reports.env.keys("reports/summaries/"))]
    revisions = [(one["sources"][0]["window"]["revision"], one["records"]["total"]) for one in summaries]
    assert revisions == [(1, 168), (2, 169)]
    assert {one["findings"][0]["id"] for one in summaries} == {summaries[0]["findings"][0]["id"]}


def test_both_layouts_and_several_accounts_are_read(reports):
    env = reports.env
    env.put(name(0), rejects(22))
    env.put(name(5, hive=True), rejects(22))
    env.put(name(10).replace(ACCOUNT, "210987654321"), rejects(22))
    env.put(name(15).replace(REGION, "eu-west-1"), rejects(22))
    env.put(name(20).replace("vpcflowlogs/", "CloudTrail/"), rejects(22))
    env.put("AWSLogs/o-abcdef1234/trail.json.gz", b"{}")
    env.put("AWSLogs/copies/of/others.log.gz", rejects(22))
    env.put(FIREHOSE, rejects(22))
    env.put(name(25).replace(".log.gz", ".txt"), rejects(22))
    reports.run()
    assert reports.report()["records"]["total"] == 5
    manifest = json.loads(env.read(f"flowsentry/reports/manifests/incident/{RANGE}/r0001.json"))
    assert manifest["objects"] == 5
    unlisted = [f"s3://{env.source}/AWSLogs/copies/of/"]
    assert manifest["unlisted_folders"] == unlisted
    assert manifest["skipped"]["not_a_flow_log"]["objects"] == 1


def test_an_object_that_cannot_be_read_is_listed(reports):
    slow_scan(reports.env)
    damaged = reports.env.put(name(30, number=9), b"\x1f\x8b not gzip")
    reports.run()
    report = reports.report()
    assert [failure["uri"] for failure in report["failed"]] == [damaged.uri]
    assert report["records"]["total"] == 168
    written = reports.env.stop()
    [document] = [document for document in written.metrics if "WindowRecords" in document]
    assert (document["WindowObjectsFailed"], document["WindowName"]) == (1, "incident")
    assert written.values("WindowObjectsFailed") == [1], "for the alarm"
    # It is damaged for good, so there is nothing to try again.
    assert not [key for key in reports.env.keys("reports/manifests/") if "retry" in key]


def test_a_failed_part_is_retried_alone(reports):
    reports.env.put(name(0), rejects(22))
    unavailable = {"errorType": "Lambda.ServiceException", "errorMessage": "try again"}
    reports.gateway.faults.append(lambda step, number: unavailable if step["step"] == "part" and number < 3 else None)
    reports.run()
    assert reports.report()["records"]["total"] == 1
    # The batch and the merge fail twice each.
    assert reports.gateway.steps() == {"part": 6, "plan": 1, "report": 1}


def test_a_part_that_always_fails_is_listed_and_made_again(reports):
    slow_scan(reports.env)
    killed = {"errorType": "Runtime.ExitError", "errorMessage": "out of memory"}
    is_killed = lambda step: step["step"] == "give-up" and "all" not in step or (
        step["step"] == "part" and step["item"]["level"] == 0
    )
    reports.gateway.faults.append(lambda step, number: killed if is_killed(step) else None)
    reports.run()
    report = reports.report()
    assert (report["records"]["total"], len(report["failed"])) == (0, 12)
    assert "Runtime.ExitError" in report["failed"][0]["error"]
    reports.gateway.faults.clear()
    reports.run()
    totals = [json.loads(reports.env.read(key))["records"]["total"] for key in sorted(reports.env.keys("reports/summaries/"))]
    assert totals == [0, 168], "a new revision"


def test_an_execution_that_was_stopped_goes_on(reports):
    """The parts that are done are not made again."""
    slow_scan(reports.env)
    invalid = {"errorType": "WindowInvalid", "errorMessage": "stop here"}
    reports.gateway.faults.append(lambda step, number: invalid if step["step"] == "report" else None)
    status, error = reports.machine.run(REQUEST)
    assert (status, error) == ("FAILED", "WindowInvalid")
    assert reports.env.keys("reports/summaries/") == []
    reports.gateway.faults.clear()
    reports.run()
    assert reports.report()["records"]["total"] == 168
    outcomes = [line["outcome"] for line in reports.env.stop().log if line["message"] == "window step done"]
    assert (outcomes.count("made"), outcomes.count("already_made")) == (2, 2)


def test_two_executions_at_once_make_one_report(reports):
    """A schedule may fire twice."""
    slow_scan(reports.env)
    executions = [reports.machine.start({**REQUEST, "batch_objects": 3, "fan_in": 2}) for _ in range(2)]
    results = [reports.machine.wait(execution) for execution in executions]
    assert [status for status, _ in results] == ["SUCCEEDED"] * 2, results
    assert reports.report()["records"]["total"] == 168
    assert len(reports.env.keys("reports/manifests/")) == 1
    # Four batches, merged by two: each part is stored once, though both executions may have made it.
    assert len([key for key in reports.env.keys("windows/") if key.endswith(".fspart")]) == 7
    written = reports.env.stop()
    assert [document["WindowReports"] for document in written.metrics if "WindowReports" in document] == [1]


def test_a_step_whose_answer_is_lost_is_not_done_twice(reports):
    """The function ends after Step Functions has given up waiting for it."""
    slow_scan(reports.env)
    timeout = {"errorType": "Sandbox.Timedout", "errorMessage": "no answer in time"}
    reports.gateway.losses.append(lambda step, number: timeout if number == 1 else None)
    reports.run()
    assert reports.gateway.steps() == {"part": 4, "plan": 2, "report": 2}
    assert reports.report()["records"]["total"] == 168
    written = reports.env.stop()
    outcomes = [line["outcome"] for line in written.log if line["message"] == "window step done"]
    assert {one: outcomes.count(one) for one in set(outcomes)} == {
        "planned": 1,
        "already_planned": 1,
        "made": 2,
        "already_made": 2,
        "reported": 2,
    }
    assert [document["WindowReports"] for document in written.metrics if "WindowReports" in document] == [1]


def test_functions_that_die_are_replaced(reports):
    slow_scan(reports.env)
    died = []

    def kill(step, number):
        if step["step"] == "part" and not died:
            died.append(step)
            function = reports.env._functions[0]
            function._process.kill()
        return None

    reports.gateway.faults.append(kill)
    reports.run()
    assert died and reports.report()["records"]["total"] == 168


def test_a_window_without_objects_is_reported(reports):
    reports.env.put(name(0), rejects(22))
    run = reports.run(**{"from": "2026-11-23T12:00:00Z", "to": "2026-11-23T13:00:00Z"})
    assert run["levels"] == 0
    report = reports.report()
    assert (report["records"]["total"], report["sources"][0]["window"]["objects"]) == (0, 0)


def test_a_schedule_reports_the_hour_before_the_last(reports):
    slow_scan(reports.env)
    status, output = reports.machine.run({"schedule": "hourly", "time": "2026-11-23T08:20:00Z"})
    assert status == "SUCCEEDED", output
    window = reports.report()["sources"][0]["window"]
    assert (window["name"], window["from"], window["to"], window["objects"]) == ("hourly", FROM, TO, 12)


@pytest.mark.parametrize(
    "request_, message",
    [
        ({"name": "x"}, r"must have name, from, and to"),
        ({**REQUEST, "name": "../x"}, r"name is"),
        ({**REQUEST, "sources": ["someone-elses/AWSLogs/"]}, r"is not one of ALLOWED_SOURCES"),
        ({**REQUEST, "sources": []}, r"sources is an empty list"),
        ({**REQUEST, "topology": "x"}, r"unknown field `topology`"),
    ],
)
def test_invalid_requests_fail_at_once(reports, request_, message):
    status, error = reports.machine.run(request_)
    assert (status, error) in [("FAILED", "WindowInvalid"), ("FAILED", "UnknownEvent")]
    assert reports.gateway.steps() == {"plan": 1}
    answer, failed = reports.gateway.invoke(reports.gateway.calls[0])
    assert failed and re.search(message, answer["errorMessage"]), answer


def test_parts_of_another_topology_are_refused(reports):
    slow_scan(reports.env)
    reports.gateway.faults.append(
        lambda step, number: step["run"].update(context="topology-000000000000-configuration-000000000000")
        if step["step"] == "part"
        else None
    )
    # The interpreter goes on after a failed child, so that the report fails: it has no part.
    status, error = reports.machine.run(REQUEST)
    assert (status, error) == ("FAILED", "WindowFailed")
    assert reports.env.keys("reports/summaries/") == []
    assert "give-up" not in reports.gateway.steps()


def test_findings_of_a_window_are_sent(clients, env):
    env.alerting()
    reports = Reports(clients, env)
    slow_scan(env)
    reports.run()
    [alert] = env.alerts()
    detail = alert["detail"]
    assert detail["finding_info"]["uid"] == reports.report()["findings"][0]["id"]
    assert detail["unmapped"]["window"]["name"] == "incident"
    [receipt] = env.documents("reports/receipts/")
    assert len(receipt["alerts"]) == 1
    reports.run()
    assert env.alerts() == [], "sent once"
    reports.gateway.close()


def test_a_tree_of_merges_is_one_report(reports):
    """300 objects of 20 flow logs in 75 batches, merged by 8: the report is that of one batch."""
    for number in range(300):
        ports = [1 + number % 20, 30 + number // 20]
        reports.env.put(name(5 * (number % 12), f"fl-{number % 20:017x}", number), rejects(*ports))
    one = reports.run(name="one", batch_objects=300)
    tree = reports.run(name="tree", batch_objects=4, fan_in=8)
    assert (one["levels"], tree["levels"]) == (2, 4)
    manifest = json.loads(reports.env.read(f"flowsentry/reports/manifests/tree/{RANGE}/r0001.json"))
    assert (manifest["objects"], manifest["parts"]) == (300, [75, 10, 2, 1])
    assert reports.gateway.steps() == {"part": 2 + 75 + 10 + 2 + 1, "plan": 2, "report": 2}
    summaries = [json.loads(reports.env.read(key)) for key in reports.env.keys("reports/summaries/")]
    first, second = ({**one, "sources": None} for one in summaries)
    # Accepted records of another batch do not decide about the cause.
    exact = {summary["rejected"].pop("by_cause_exact") for summary in (first, second)}
    assert exact == {True, False}
    # Nor do they say whether a scanner was let in: the one batch says 0 flows, the tree that it is not known.
    for summary, is_exact in ((first, True), (second, False)):
        [finding] = summary["findings"]
        details = finding.pop("details")
        assert (finding.pop("exact"), details["distinct_ports"], "no-accepted-records" in finding.pop("evidence")) == (
            is_exact,
            35,
            is_exact,
        )
        del finding["title"]
    assert first == second
    assert first["records"]["total"] == 600


def archive(reports):
    """Stores the scan, and an object that is archived. Returns a function that restores it."""
    slow_scan(reports.env)
    archived = name(55, number=1)
    reports.env.put(archived, rejects(4443))
    reports.env.proxy.add(faults.reject(403, "InvalidObjectState"), "GET", path=archived)
    return reports.env.proxy.clear


def records_and_failed(reports):
    """Returns the records and the number of failed objects of each revision."""
    summaries = [json.loads(reports.env.read(key)) for key in sorted(reports.env.keys("reports/summaries/"))]
    return [(one["records"]["total"], len(one["failed"])) for one in summaries]


def test_only_the_part_that_lacks_objects_is_made_again(reports):
    """Four batches, one of which has an archived object that is restored later."""
    restore = archive(reports)
    reports.run(batch_objects=4)
    restore()
    reports.run(batch_objects=4)
    assert records_and_failed(reports) == [(168, 1), (169, 0)]
    outcomes = [line["outcome"] for line in reports.env.stop().log if line["message"] == "window step done"]
    # Four batches and a merge, then three batches are taken over.
    assert (outcomes.count("made"), outcomes.count("taken_over")) == (5 + 2, 3)
    reads = [one.path for one in reports.env.proxy.requests if one.method == "GET" and "/AWSLogs/" in one.path]
    assert len(reads) == 13 + 4, "the objects of one batch are read again"


def test_inputs_that_return_are_read_again(reports):
    """The parts that the first run made of the same batches lack an object."""
    restore = archive(reports)
    reports.run()
    restore()
    reports.run(batch_objects=4)
    reports.run()
    assert records_and_failed(reports) == [(168, 1), (169, 0), (169, 0)]
    reports.run()
    assert len(records_and_failed(reports)) == 3, "nothing has changed"


def test_a_damaged_part_of_an_earlier_run_is_made_again(reports):
    restore = archive(reports)
    reports.run(batch_objects=4)
    [part] = [key for key in reports.env.keys("windows/") if key.endswith("/0-00000.fspart")]
    reports.env.s3.put_object(Bucket=reports.env.output, Key=part, Body=b"damaged")
    restore()
    reports.run(batch_objects=4)
    assert records_and_failed(reports) == [(168, 1), (169, 0)]


def test_columns_that_change_during_a_run_are_refused(clients, env):
    columns = "srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
    swapped = columns.replace("srcaddr dstaddr", "dstaddr srcaddr")

    def configure(columns):
        lines = f'[log_formats]\n"s3://{env.source}/" = "{columns}"\n'
        env.s3.put_object(Bucket=env.source, Key="c.toml", Body=lines)

    configure(columns)
    reports = Reports(clients, env, CONFIG_URI=f"s3://{env.source}/c.toml", TOPOLOGY_TTL_SECONDS="1")
    row = "203.0.113.9 10.0.0.5 40000 22 6 1 40 1795413600 1795413660 REJECT OK\n"
    env.put(name(0), row)
    env.put(name(30), row)

    def change(step, number):
        if step["step"] == "part" and step["item"]["part"] == 1:
            configure(swapped)
            time.sleep(1.5)

    reports.gateway.faults.append(change)
    assert reports.machine.run({**REQUEST, "batch_objects": 1})[0] == "FAILED"
    reports.gateway.close()
    assert env.keys("reports/summaries/") == []
    refused = [line["error"] for line in env.stop().log if line["message"] == "window step failed"]
    assert any("the run was planned with" in error for error in refused), refused


def test_a_window_of_one_object_has_the_confidence_of_a_window(reports):
    reports.env.put(name(0), rejects(*range(1, 30)))
    reports.run()
    [finding] = reports.report()["findings"]
    assert (finding["type"], finding["confidence"]) == ("port-scan", "medium")


def test_one_denied_object_does_not_take_the_others_with_it(reports):
    """After the last attempt, the objects of a batch are read one by one; once access is given, the window has all."""
    slow_scan(reports.env)
    denied = name(30, number=3)
    reports.env.put(denied, rejects(4443))
    reports.env.proxy.add(faults.reject(403, "AccessDenied"), "GET", path=denied)
    reports.run()
    report = reports.report()
    assert (report["records"]["total"], [one["uri"] for one in report["failed"]]) == (
        168,
        [f"s3://{reports.env.source}/{denied}"],
    )
    assert "AccessDenied" in report["failed"][0]["error"]
    assert reports.gateway.steps()["give-up"] == 1
    reports.env.proxy.clear()
    reports.run()
    totals = [json.loads(reports.env.read(key))["records"]["total"] for key in sorted(reports.env.keys("reports/summaries/"))]
    assert totals == [168, 169]


@pytest.mark.parametrize(
    "source, pattern, records",
    [
        ("", "*", 4),
        ("", "team-a/*", 1),
        ("AWSLogs/", f"AWSLogs/*vpcflowlogs/{REGION}/*", 2),
        (f"AWSLogs/{ACCOUNT}/", "*", 2),
        (f"AWSLogs/{ACCOUNT}/vpcflowlogs/eu-west-1/", "*", 1),
        (f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/", "*", 1),
    ],
)
def test_the_prefix_and_the_pattern_decide(clients, env, source, pattern, records):
    reports = Reports(clients, env, pattern=pattern, ALLOWED_SOURCES=f"{env.source}/{source}")
    env.put(name(0), rejects(22))
    env.put(name(5).replace(REGION, "eu-west-1"), rejects(22))
    env.put(name(10, number=1).replace(ACCOUNT, "210987654321"), rejects(22))
    env.put("team-a/" + name(15), rejects(22))
    env.put(name(0).replace("20261123T0600Z", "20261122T0600Z").replace("/23/", "/22/"), rejects(22))
    reports.run()
    assert reports.report()["records"]["total"] == records
    reports.gateway.close()


def test_a_list_that_lost_the_race_is_made_again(reports):
    """Another run stores the first revision while this one lists: the second must have the newer objects."""
    slow_scan(reports.env)
    manifest = f"reports/manifests/incident/{RANGE}/r0001.json"
    reports.env.proxy.add(faults.before(lambda: other_run(reports)), "PUT", path=manifest, times=1)
    reports.run()
    summaries = [json.loads(reports.env.read(key)) for key in sorted(reports.env.keys("reports/summaries/"))]
    assert [one["records"]["total"] for one in summaries] == [169]


def other_run(reports):
    """Adds an object and plans, as another execution does."""
    reports.env.put(name(55, number=1), rejects(4443))
    function = reports.env.function(reports.env.endpoint, ALLOWED_SOURCES=f"{reports.env.source}/AWSLogs/")
    assert function.invoke({"window": {"step": "plan", "request": REQUEST}}).error is None
