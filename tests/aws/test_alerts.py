"""Alerts: each arrives at least once, with a stable id, in a standard format."""

import json

import pytest
from py_ocsf_models.events.findings.detection_finding import DetectionFinding

import faults
from flow_logs import END, START, flow_log, key, record, records, scan, skipped
from aws_env import DONE, in_queue

FAILED = {"batchItemFailures": [{"itemIdentifier": "1"}]}


@pytest.fixture(autouse=True)
def alerting(env):
    env.alerting()


def sent(env):
    """Returns the alert ids of each request to the bus."""
    requests = env.proxy.sent(target="PutEvents")
    return [[uid(json.loads(entry["Detail"])) for entry in json.loads(request.body)["Entries"]] for request in requests]


def uid(detail):
    return detail["metadata"]["uid"]


def everything():
    """Returns a log with a finding of each type that needs no topology."""
    sweep = "".join(record("10.9.9.9", f"10.0.3.{host}", 22, "REJECT") for host in range(1, 26))
    again = record("10.9.9.8", "10.0.0.7", 8080, "REJECT") * 100
    out = "".join(record("10.0.0.77", f"8.8.8.{host}", 53, "REJECT").replace("0a1b", "0e77") for host in range(5))
    answered = record("10.0.0.66", "10.0.0.67", 80).replace("0a1b", "0f66")
    ends = "10.0.0.66 10.0.0.67 40000 80", "10.0.0.67 10.0.0.66 80 40000"
    rejected = answered.replace(*ends).replace("ACCEPT", "REJECT")
    return flow_log(scans=1, extra=scan("8.8.8.8") + sweep + again + out + answered + rejected + skipped())


def test_alerts_are_valid_ocsf_detection_findings(env):
    """Checks each finding type against a third-party OCSF model, and its size against the bus limit."""
    stored = env.put(key("a"), everything())
    function = env.function(ALERT_MIN_SEVERITY="low")
    assert function.invoke(in_queue(stored)).response == DONE
    summary, events = env.only("summaries"), env.alerts()
    findings = {finding["id"]: finding for finding in summary["findings"]}
    types = {"port-scan", "host-sweep", "repeated-rejects", "egress-blocked", "reply-blocked", "skipped-data"}
    assert {finding["type"] for finding in findings.values()} == types
    assert sorted(findings) == sorted(event["detail"]["finding_info"]["uid"] for event in events)
    [key_] = env.keys("summaries")
    for event in events:
        assert (event["source"], event["detail-type"]) == ("flowsentry", "VPC Flow Finding")
        detail = event["detail"]
        model = DetectionFinding.model_validate(detail)
        finding = findings[model.finding_info.uid]
        assert (model.class_uid, model.category_uid, int(model.type_uid)) == (2004, 2, 200401)
        assert model.severity_id.name.lower() == finding["severity"]
        assert model.confidence_id.name.lower() == finding["confidence"]
        assert (model.message, model.finding_info.title) == (finding["title"], finding["title"])
        assert model.finding_info.types == [finding["type"]]
        assert model.remediation.desc == (finding["next_step"] or detail["remediation"]["desc"]) != ""
        assert (model.start_time, model.end_time, model.time) == (START * 1000, END * 1000, END * 1000)
        assert model.count == finding["flows"]
        assert (model.cloud.account.uid, model.cloud.region) == ("123456789012", "us-east-1")
        assert detail["unmapped"]["summary"] == f"s3://{env.output}/{key_}"
        # The model must not drop unknown fields silently.
        known = set(DetectionFinding.model_fields) | {"is_alert"}
        assert set(detail) <= known, set(detail) - known
    assert all(size(entry) < 256 << 10 for entry in entries(env))


def entries(env):
    return [entry for request in env.proxy.sent(target="PutEvents") for entry in json.loads(request.body)["Entries"]]


def size(entry):
    """As EventBridge counts: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""
    return sum(len(entry[name].encode()) for name in ["Source", "DetailType", "Detail"])


@pytest.mark.parametrize("severity, reported", [("low", 3), ("medium", 2), ("high", 1)])
def test_findings_below_min_severity_are_not_sent(env, severity, reported):
    """They are still stored."""
    log = flow_log(scans=1, extra=scan("8.8.8.8") + skipped())
    function = env.function(ALERT_MIN_SEVERITY=severity)
    assert function.invoke(in_queue(env.put(key("a"), log))).response == DONE
    assert (len(env.findings()), len(env.alerts())) == (3, reported)


def test_no_receipt_without_alerts(env):
    """Nothing is sent, and the findings file is the last output."""
    stored = env.put(key("a"), flow_log(extra=skipped()))
    function = env.function()
    for _ in range(2):
        assert function.invoke(in_queue(stored)).response == DONE
    assert (len(env.findings()), env.keys("receipts"), env.alerts()) == (1, [], [])
    assert env.proxy.sent(target="PutEvents") == []


def test_alert_ids_are_stable_and_differ_from_finding_ids(env):
    """The same problem in two objects is one finding id and two alert ids."""
    stored = [env.put(key(name), flow_log(scans=1, accepted=number)) for number, name in enumerate("ab")]
    assert env.function().invoke(in_queue(*stored)).response == DONE
    first, second = [event["detail"] for event in env.alerts()]
    assert first["finding_info"]["uid"] == second["finding_info"]["uid"]
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


def test_many_findings_become_20_alerts_and_a_roll_up(env):
    """Many findings do not cause many alerts; a request has at most ten entries."""
    stored = env.put(key("a"), flow_log(scans=50))
    assert env.function().invoke(in_queue(stored)).response == DONE
    assert [len(ids) for ids in sent(env)] == [10, 10, 1]
    details = [event["detail"] for event in env.alerts()]
    [roll_up] = [detail for detail in details if detail["finding_info"]["types"] == ["roll-up"]]
    DetectionFinding.model_validate(roll_up)
    assert (roll_up["count"], roll_up["unmapped"]["findings_by_type"]) == (30, {"port-scan": 30})
    reported = [finding["id"] for finding in env.findings()[:20]]
    assert sorted(detail["finding_info"]["uid"] for detail in details if detail is not roll_up) == sorted(reported)
    assert sorted(env.only("receipts")["alerts"]) == sorted(map(uid, details))


def test_only_failed_entries_are_resent(env):
    """PutEvents succeeds although entries fail: the status alone is not enough."""
    stored = env.put(key("a"), flow_log(scans=12))
    for failing in [[3, 7], [1]]:
        env.proxy.add(faults.fail_entries(failing.__contains__), target="PutEvents", times=1)
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    first, *again = sent(env)
    assert len(first) == 10 and [len(ids) for ids in again] == [2, 1, 2]
    assert set(again[0]) < set(first) and set(again[1]) < set(again[0])
    arrived = [uid(event["detail"]) for event in env.alerts()]
    assert len(arrived) == len(set(arrived)) == 12
    assert sorted(arrived) == sorted(env.only("receipts")["alerts"])


def test_unsent_alerts_are_sent_on_redelivery(env):
    """There is one summary, metrics are not counted twice, and no alert is lost."""
    stored = env.put(key("a"), flow_log(scans=12))
    env.proxy.add(faults.fail_entries(lambda place: place == 0), target="PutEvents")
    function = env.function()
    assert function.invoke(in_queue(stored)).response == FAILED
    assert len(env.keys("summaries")) == len(env.keys("findings")) == 1 and env.keys("receipts") == []
    before = env.read(env.keys("summaries")[0])
    env.proxy.clear()
    assert function.invoke(in_queue(stored)).response == DONE
    assert env.read(env.keys("summaries")[0]) == before
    expected = sorted(finding["id"] for finding in env.findings())
    details = [event["detail"] for event in env.alerts()]
    assert sorted({detail["finding_info"]["uid"] for detail in details}) == expected
    assert len({uid(detail) for detail in details}) == len(expected) == 12
    written = function.stop()
    assert written.outcomes() == [("failed", "ThrottlingException"), ("already_summarized", None)]
    assert written.values("RecordsProcessed") == [records(scans=12)]


@pytest.mark.parametrize("fault", [faults.fail_after, faults.reset_after])
def test_lost_bus_response_resends_the_same_ids(env, fault):
    """Consumers can recognize the duplicate."""
    env.proxy.add(fault, target="PutEvents", times=1)
    assert env.function().invoke(in_queue(env.put(key("a"), flow_log(scans=2)))).response == DONE
    first, second = sent(env)
    assert first == second
    assert sorted(uid(event["detail"]) for event in env.alerts()) == sorted(first * 2)


def test_alerts_of_deleted_object_come_from_its_summary(env):
    """The findings are sent although the object was deleted; it is not quarantined."""
    stored = env.put(key("a"), flow_log(scans=2))
    env.proxy.add(faults.reject(400, "ThrottlingException"), target="PutEvents")
    function = env.function()
    assert function.invoke(in_queue(stored)).response == FAILED
    env.proxy.clear()
    env.delete(stored)
    assert function.invoke(in_queue(stored)).response == DONE
    assert env.keys("quarantine") == []
    ids = [finding["id"] for finding in env.findings()]
    assert sorted(event["detail"]["finding_info"]["uid"] for event in env.alerts()) == sorted(ids)
    assert len(env.only("receipts")["alerts"]) == 2
    written = function.stop()
    assert written.outcomes() == [("failed", "ThrottlingException"), ("already_summarized", None)]
    assert written.values("RecordsProcessed") == [records(scans=2)]
