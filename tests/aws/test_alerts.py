"""Alerts: each arrives at least once, under an id that stays, in a form that others understand."""

import json

import pytest
from py_ocsf_models.events.findings.detection_finding import DetectionFinding

import faults
from flow_logs import END, START, flow_log, key, record, records, scan, skipped
from world import DONE, in_queue

FAILED = {"batchItemFailures": [{"itemIdentifier": "1"}]}


@pytest.fixture(autouse=True)
def alerting(world):
    world.alerting()


def sent(world):
    """The ids of the alerts in each request to the bus."""
    requests = world.proxy.sent(target="PutEvents")
    return [[uid(json.loads(entry["Detail"])) for entry in json.loads(request.body)["Entries"]] for request in requests]


def uid(detail):
    return detail["metadata"]["uid"]


def everything():
    """A log with a finding of each type that needs no topology."""
    sweep = "".join(record("10.9.9.9", f"10.0.3.{host}", 22, "REJECT") for host in range(1, 26))
    again = record("10.9.9.8", "10.0.0.7", 8080, "REJECT") * 100
    out = "".join(record("10.0.0.77", f"8.8.8.{host}", 53, "REJECT").replace("0a1b", "0e77") for host in range(5))
    answered = record("10.0.0.66", "10.0.0.67", 80).replace("0a1b", "0f66")
    ends = "10.0.0.66 10.0.0.67 40000 80", "10.0.0.67 10.0.0.66 80 40000"
    refused = answered.replace(*ends).replace("ACCEPT", "REJECT")
    return flow_log(scans=1, extra=scan("8.8.8.8") + sweep + again + out + answered + refused + skipped())


def test_alerts_are_detection_findings_for_others_too(world):
    """Each type of finding, by a third party's model of OCSF; and small enough for the bus."""
    stored = world.put(key("a"), everything())
    function = world.function(ALERT_MIN_SEVERITY="low")
    assert function.invoke(in_queue(stored)).response == DONE
    summary, events = world.only("summaries"), world.alerts()
    findings = {finding["id"]: finding for finding in summary["findings"]}
    types = {"port-scan", "host-sweep", "repeated-rejects", "egress-blocked", "reply-blocked", "skipped-data"}
    assert {finding["type"] for finding in findings.values()} == types
    assert sorted(findings) == sorted(event["detail"]["finding_info"]["uid"] for event in events)
    [key_] = world.keys("summaries")
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
        assert (model.start_time, model.end_time, model.time) == (START * 1000, END * 1000, END * 1000)
        assert model.count == finding["flows"]
        assert (model.cloud.account.uid, model.cloud.region) == ("123456789012", "us-east-1")
        assert detail["unmapped"]["summary"] == f"s3://{world.output}/{key_}"
        # What the model does not know is not silently thrown away.
        known = set(DetectionFinding.model_fields) | {"is_alert"}
        assert set(detail) <= known, set(detail) - known
    assert all(size(entry) < 256 << 10 for entry in entries(world))


def entries(world):
    return [entry for request in world.proxy.sent(target="PutEvents") for entry in json.loads(request.body)["Entries"]]


def size(entry):
    """As EventBridge counts: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""
    return sum(len(entry[name].encode()) for name in ["Source", "DetailType", "Detail"])


@pytest.mark.parametrize("severity, told", [("low", 3), ("medium", 2), ("high", 1)])
def test_findings_below_the_severity_that_is_set_are_not_told(world, severity, told):
    """They are stored all the same."""
    log = flow_log(scans=1, extra=scan("8.8.8.8") + skipped())
    function = world.function(ALERT_MIN_SEVERITY=severity)
    assert function.invoke(in_queue(world.put(key("a"), log))).response == DONE
    assert (len(world.findings()), len(world.alerts())) == (3, told)


def test_findings_that_are_too_mild_need_no_receipt(world):
    """Nothing is sent, and the findings file is the last thing that is stored."""
    stored = world.put(key("a"), flow_log(extra=skipped()))
    function = world.function()
    for _ in range(2):
        assert function.invoke(in_queue(stored)).response == DONE
    assert (len(world.findings()), world.keys("receipts"), world.alerts()) == (1, [], [])
    assert world.proxy.sent(target="PutEvents") == []


def test_ids_stay_and_tell_the_trouble_from_the_message(world):
    """The same trouble in two objects is one finding by its id, and two alerts."""
    stored = [world.put(key(name), flow_log(scans=1, accepted=number)) for number, name in enumerate("ab")]
    assert world.function().invoke(in_queue(*stored)).response == DONE
    first, second = [event["detail"] for event in world.alerts()]
    assert first["finding_info"]["uid"] == second["finding_info"]["uid"]
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


def test_many_findings_are_told_in_twenty_alerts_and_a_roll_up(world):
    """A storm of findings is no storm of alerts; ten of them at most go in a request."""
    stored = world.put(key("a"), flow_log(scans=50))
    assert world.function().invoke(in_queue(stored)).response == DONE
    assert [len(ids) for ids in sent(world)] == [10, 10, 1]
    details = [event["detail"] for event in world.alerts()]
    [roll_up] = [detail for detail in details if detail["finding_info"]["types"] == ["roll-up"]]
    DetectionFinding.model_validate(roll_up)
    assert (roll_up["count"], roll_up["unmapped"]["findings_by_type"]) == (30, {"port-scan": 30})
    told = [finding["id"] for finding in world.findings()[:20]]
    assert sorted(detail["finding_info"]["uid"] for detail in details if detail is not roll_up) == sorted(told)
    assert sorted(world.only("receipts")["alerts"]) == sorted(map(uid, details))


def test_alerts_that_the_bus_did_not_take_are_sent_again_and_only_those(world):
    """PutEvents succeeds although entries fail: whoever looks at the status alone loses alerts."""
    stored = world.put(key("a"), flow_log(scans=12))
    for failing in [[3, 7], [1]]:
        world.proxy.add(faults.fail_entries(failing.__contains__), target="PutEvents", times=1)
    function = world.function()
    assert function.invoke(in_queue(stored)).response == DONE
    first, *again = sent(world)
    assert len(first) == 10 and [len(ids) for ids in again] == [2, 1, 2]
    assert set(again[0]) < set(first) and set(again[1]) < set(again[0])
    arrived = [uid(event["detail"]) for event in world.alerts()]
    assert len(arrived) == len(set(arrived)) == 12
    assert sorted(arrived) == sorted(world.only("receipts")["alerts"])


def test_alerts_that_can_t_be_sent_come_again_with_their_event(world):
    """The summary stays one, the metrics are not counted again, and no alert is lost."""
    stored = world.put(key("a"), flow_log(scans=12))
    world.proxy.add(faults.fail_entries(lambda place: place == 0), target="PutEvents")
    function = world.function()
    assert function.invoke(in_queue(stored)).response == FAILED
    assert len(world.keys("summaries")) == len(world.keys("findings")) == 1 and world.keys("receipts") == []
    before = world.read(world.keys("summaries")[0])
    world.proxy.clear()
    assert function.invoke(in_queue(stored)).response == DONE
    assert world.read(world.keys("summaries")[0]) == before
    expected = sorted(finding["id"] for finding in world.findings())
    details = [event["detail"] for event in world.alerts()]
    assert sorted({detail["finding_info"]["uid"] for detail in details}) == expected
    assert len({uid(detail) for detail in details}) == len(expected) == 12
    written = function.stop()
    assert written.outcomes() == [("failed", "ThrottlingException"), ("already_summarized", None)]
    assert written.values("RecordsProcessed") == [records(scans=12)]


@pytest.mark.parametrize("fault", [faults.fail_after, faults.reset_after])
def test_an_answer_of_the_bus_that_is_lost_sends_the_same_ids_again(world, fault):
    """Whoever listens can tell that it is the same alert."""
    world.proxy.add(fault, target="PutEvents", times=1)
    assert world.function().invoke(in_queue(world.put(key("a"), flow_log(scans=2)))).response == DONE
    first, second = sent(world)
    assert first == second
    assert sorted(uid(event["detail"]) for event in world.alerts()) == sorted(first * 2)


def test_alerts_of_an_object_that_is_gone_are_completed_from_its_summary(world):
    """What was found is told, though the object was deleted since; it is not quarantined."""
    stored = world.put(key("a"), flow_log(scans=2))
    world.proxy.add(faults.refuse(400, "ThrottlingException"), target="PutEvents")
    function = world.function()
    assert function.invoke(in_queue(stored)).response == FAILED
    world.proxy.clear()
    world.delete(stored)
    assert function.invoke(in_queue(stored)).response == DONE
    assert world.keys("quarantine") == []
    ids = [finding["id"] for finding in world.findings()]
    assert sorted(event["detail"]["finding_info"]["uid"] for event in world.alerts()) == sorted(ids)
    assert len(world.only("receipts")["alerts"]) == 2
    written = function.stop()
    assert written.outcomes() == [("failed", "ThrottlingException"), ("already_summarized", None)]
    assert written.values("RecordsProcessed") == [records(scans=2)]
