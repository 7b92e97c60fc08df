"""Dashboard, alarms and saved queries: they use emitted metrics and logged fields, and name the first step."""

import json
import re
from collections import defaultdict
from itertools import product
from pathlib import Path

import pytest

from metrics import Metric, of_aws
from template import Resolved, inlined, load
from parameter_sets import PARAMETER_SETS, deployed

PROJECT = Path(__file__).resolve().parents[2]
NAMESPACE = "FlowSentry/flowsentry"
FULL = "new buckets, own key, own topology bucket"
every_way = pytest.mark.parametrize(
    "parameter_set", [name for name, given in PARAMETER_SETS.items() if "dashboard" in given.get("Parts", "dashboard")]
)


def pascal(name):
    return "".join(word.capitalize() for word in name.split("_"))


def emitted():
    """Returns the function's metrics by dimension (or None), read from its code."""
    code = (PROJECT / "src" / "lambda" / "metrics.rs").read_text().split("#[cfg(test)]")[0]
    catalogue = re.search(r"struct Metrics \{(.*?)\n\}", code, re.DOTALL).group(1)
    metrics = {pascal(name) for name in re.findall(r"^    (\w+): Option<", catalogue, re.MULTILINE)}
    functions = dict(re.findall(r"^(?:pub )?fn (\w+)\(.*?\{\n(.*?)^\}", code, re.DOTALL | re.MULTILINE))
    values = lambda function: re.findall(r"\b(\w+): (?:count|Some)\(", functions[function])
    made_by = lambda function: set(map(pascal, values(function))) & metrics
    return {
        None: metrics - made_by("connection_document") - made_by("window_reported"),
        "FindingType": made_by("type_document"),
        "PeeringConnectionId": made_by("connection_document"),
        "Reason": made_by("ignored") | made_by("quarantined"),
        "WindowName": made_by("window_reported"),
    }


def test_emitted_metrics_are_read_from_the_code():
    assert emitted()["FindingType"] == {"Findings"}
    assert emitted()["PeeringConnectionId"] == {"PeeringBytes", "PeeringRejectedFlows"}
    assert emitted()["Reason"] == {"ObjectsIgnored", "ObjectsQuarantined"}
    assert {"RecordsProcessed", "Findings", "DeliveryLag", "ObjectsFailed"} <= emitted()[None]
    assert len(emitted()[None]) == 17
    windows = {"WindowReports", "WindowObjectsFailed", "WindowRecords", "WindowRejectedFlows", "WindowFindings"}
    assert emitted()["WindowName"] == windows


def check_is_emitted(stack, namespace, name, dimensions):
    """Checks that this stack emits the metric, with these dimensions and values."""
    if namespace == NAMESPACE:
        assert name in emitted()[next(iter(dimensions), None)], (name, dimensions)
        assert len(dimensions) <= 1
        return
    assert Metric(namespace, name, frozenset(dimensions.items())) in of_aws(stack)


def widgets(stack):
    return json.loads(stack.one("AWS::CloudWatch::Dashboard")["DashboardBody"])["widgets"]


def rows(widget):
    """Yields the rows of a chart: namespace, name, dimensions, options; searches unchanged."""
    for row in widget["properties"]["metrics"]:
        options = row[-1] if isinstance(row[-1], dict) else {}
        names = [part for part in row if isinstance(part, str)]
        yield names[:2], dict(zip(names[2::2], names[3::2])), options


SEARCH = re.compile(r"""SEARCH\('\{"([^"]+)",(\w+)\} MetricName="(\w+)"', '(Sum)', 300\)""")


@every_way
def test_dashboard_shows_existing_metrics(parameter_set):
    stack, shown = deployed(parameter_set), defaultdict(set)
    for widget in (one for one in widgets(stack) if one["type"] == "metric"):
        ids = {options["id"] for _, _, options in rows(widget) if "id" in options}
        for names, dimensions, options in rows(widget):
            if names:
                check_is_emitted(stack, *names, dimensions)
                if names[0] == NAMESPACE:
                    shown[None].add(names[1])
            elif options["expression"].startswith("SEARCH"):
                namespace, dimension, name, _ = SEARCH.fullmatch(options["expression"]).groups()
                assert namespace == NAMESPACE
                assert options["label"] == f"${{PROP('Dim.{dimension}')}}"
                assert name in emitted()[dimension]
                shown[dimension].add(name)
            else:
                band = re.fullmatch(r"ANOMALY_DETECTION_BAND\((\w+), (\d+)\)", options["expression"])
                assert band and band.group(1) in ids and band.group(2) == "3"
        general = widget["properties"].get("stat")
        statistics = {options.get("stat", general) for names, _, options in rows(widget) if names}
        assert statistics <= {"Sum", "Maximum", "p50", "p95"}, widget
        assert (widget["properties"]["region"], widget["properties"]["period"]) == ("us-east-1", 300)
    # Reports of windows are outputs to read, not a state to watch.
    watched = {dimension: names for dimension, names in emitted().items() if dimension != "WindowName"}
    assert shown == watched, "each metric is on a chart"


@every_way
def test_every_chart_has_a_text_above_it(parameter_set):
    stack = deployed(parameter_set)
    charts = [one for one in widgets(stack) if one["type"] == "metric"]
    texts = {(one["x"], one["y"] + one["height"], one["width"]): one for one in widgets(stack) if one["type"] == "text"}
    assert len(charts) >= 15 and len({one["properties"]["title"] for one in charts}) == len(charts)
    for chart in charts:
        words = texts[chart["x"], chart["y"], chart["width"]]["properties"]["markdown"]
        assert 60 <= len(words) <= 300 and words.count(". ") + words.count(": ") >= 1 and words.endswith("."), words
    # No overlaps, and nothing outside the page.
    span = lambda one, start, length: range(one[start], one[start] + one[length])
    taken = [at for one in widgets(stack) for at in product(span(one, "x", "width"), span(one, "y", "height"))]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) < 24
    assert "${" not in "".join(one["properties"].get("markdown", "") for one in widgets(stack))


def alarms(stack):
    return stack.resources("AWS::CloudWatch::Alarm")


def metrics_of(alarm):
    stats = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one] or [alarm]
    return [(one["Namespace"], one["MetricName"], one.get("Dimensions", [])) for one in stats]


@every_way
def test_every_alarm_has_first_step_and_action(parameter_set):
    stack = deployed(parameter_set)
    for id, alarm in alarms(stack).items():
        assert id.endswith("Alarm"), id
        description = alarm["AlarmDescription"]
        assert 120 <= len(description) <= 1024 and re.search(r"\bfirst\b", description, re.IGNORECASE), id
        assert alarm["AlarmActions"] == [stack.ref("Topic")], id
        assert alarm.get("OKActions", [stack.ref("Topic")]) == [stack.ref("Topic")]
        for namespace, name, dimensions in metrics_of(alarm):
            check_is_emitted(stack, namespace, name, {one["Name"]: one["Value"] for one in dimensions})


@every_way
def test_every_alarm_uses_valid_m_of_n_periods(parameter_set):
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    for id, alarm in alarms(deployed(parameter_set)).items():
        stats = [one["MetricStat"] for one in alarm.get("Metrics", [alarm]) if "MetricStat" in one] or [alarm]
        [period] = {one["Period"] for one in stats}
        m, n = int(alarm["DatapointsToAlarm"]), int(alarm["EvaluationPeriods"])
        assert 1 <= m <= n, id
        assert period % 60 == 0 and period * n <= (7 if period >= 3600 else 1) * 24 * 60 * 60, id
        assert alarm["TreatMissingData"] in ("notBreaching", "breaching"), id


def test_alarms_have_the_right_thresholds():
    always = {
        "FunctionErrorsAlarm": ("Errors", 1, (2, 6), "notBreaching"),
        "DroppedEventsAlarm": ("AsyncEventsDropped", 1, (1, 3), "notBreaching"),
        "ThrottlesAlarm": ("Throttles", 1, (3, 3), "notBreaching"),
        "FunctionDeadLetterQueueAlarm": ("ApproximateNumberOfMessagesVisible", 1, (1, 3), "notBreaching"),
        "RuleDeadLetterQueueAlarm": ("ApproximateNumberOfMessagesVisible", 1, (1, 3), "notBreaching"),
        "AlertDeadLetterQueueAlarm": ("ApproximateNumberOfMessagesVisible", 1, (1, 3), "notBreaching"),
        "OldestMessageAlarm": ("ApproximateAgeOfOldestMessage", 1800, (3, 3), "notBreaching"),
        "QuarantinedObjectsAlarm": ("ObjectsQuarantined", 1, (1, 3), "notBreaching"),
        "MarkedObjectsAlarm": ("ObjectsIgnored", 1, (1, 3), "notBreaching"),
        "FailedObjectsAlarm": ("ObjectsFailed", 1, (3, 6), "notBreaching"),
        "SkippedDataAlarm": ("SkippedDataRecords", 1, (3, 6), "notBreaching"),
        "NoDataAlarm": ("NumberOfMessagesSent", 1, (6, 6), "breaching"),
        "EmfParsingErrorsAlarm": ("EMFParsingErrors", 1, (1, 3), "notBreaching"),
        "EmfValidationErrorsAlarm": ("EMFValidationErrors", 1, (1, 3), "notBreaching"),
        "RejectedFlowsAlarm": ("RejectedFlows", None, (3, 4), "notBreaching"),
    }
    topology = {"TopologyAlarm": ("TopologyRefreshFailures", 1, (3, 6), "notBreaching")}
    config = {"ConfigAlarm": ("ConfigRefreshFailures", 1, (3, 6), "notBreaching")}

    def reported(parameter_set):
        periods = lambda one: (one["DatapointsToAlarm"], one["EvaluationPeriods"])
        facts = lambda one: (metrics_of(one)[0][1], one.get("Threshold"), periods(one), one["TreatMissingData"])
        return {id: facts(one) for id, one in alarms(deployed(parameter_set)).items()}

    # Those of topology and configuration cost nothing to speak of where there is none, and then stay silent.
    assert reported("defaults") == reported(FULL) == {**always, **topology, **config}
    assert reported("another key pattern") == reported("existing buckets, no keys, no email") == {}


def test_peering_alarm_of_its_own():
    parameters = {"PeeringConnectionId": "pcx-0bd681fd4c20588b9", "MetricsNamespace": NAMESPACE}
    parameters["TopicArn"] = deployed("defaults").ref("Topic")
    stack = Resolved(load("stacks/peering-alarm.yaml"), parameters)
    alarm = stack.one("AWS::CloudWatch::Alarm")
    [traffic, expected] = alarm["Metrics"]
    metric, band = traffic["MetricStat"]["Metric"], f"ANOMALY_DETECTION_BAND({traffic['Id']}, 3)"
    assert (metric["Namespace"], metric["MetricName"]) == (NAMESPACE, "PeeringBytes")
    assert metric["Dimensions"] == [{"Name": "PeeringConnectionId", "Value": "pcx-0bd681fd4c20588b9"}]
    assert "PeeringBytes" in emitted()["PeeringConnectionId"] and traffic["MetricStat"]["Stat"] == "Sum"
    assert expected == {"Id": alarm["ThresholdMetricId"], "Expression": band}
    assert alarm["ComparisonOperator"] == "LessThanLowerOrGreaterThanUpperThreshold"
    # The latest 15 minutes are incomplete, and a connection without traffic has no data.
    assert (traffic["MetricStat"]["Period"], alarm["TreatMissingData"]) == (3600, "breaching")
    assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (3, 4)
    assert alarm["AlarmActions"] == [parameters["TopicArn"]] and "OKActions" not in alarm


def test_alarms_watch_the_named_resource():
    stack = deployed(FULL)
    queues = {
        "FunctionDeadLetterQueueAlarm": "FunctionDeadLetterQueue",
        "RuleDeadLetterQueueAlarm": "RuleDeadLetterQueue",
        "AlertDeadLetterQueueAlarm": "AlertDeadLetterQueue",
        "OldestMessageAlarm": "Queue",
        "NoDataAlarm": "Queue",
    }
    for alarm, queue in queues.items():
        [(_, _, [dimension])] = metrics_of(alarms(stack)[alarm])
        assert dimension == {"Name": "QueueName", "Value": stack.ref(queue).rsplit("/", 1)[-1]}
    reasons = re.findall(r'IgnoreReason::\w+ => "([\w-]+)"', (PROJECT / "src" / "lambda" / "metrics.rs").read_text())
    [(_, _, [dimension])] = metrics_of(alarms(stack)["MarkedObjectsAlarm"])
    assert dimension == {"Name": "Reason", "Value": "flowsentry-output"} and dimension["Value"] in reasons


# Gauges; all other metrics are counters, whose average would be misleading.
AT_A_TIME = {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"}


def test_gauges_use_maximum_and_counters_use_sum():
    for id, alarm in alarms(deployed(FULL)).items():
        [statistic] = [one["MetricStat"]["Stat"] for one in alarm.get("Metrics", []) if "MetricStat" in one] or [
            alarm["Statistic"]
        ]
        [(_, name, _)] = metrics_of(alarm)
        assert statistic == ("Maximum" if name in AT_A_TIME else "Sum"), id


def test_queue_charts_show_the_named_queue():
    stack, shown = deployed(FULL), defaultdict(set)
    queues = {stack.ref(id).rsplit("/", 1)[-1]: id for id in stack.resources("AWS::SQS::Queue")}
    for widget in (one for one in widgets(stack) if one["type"] == "metric"):
        for names, dimensions, _ in rows(widget):
            if "QueueName" in dimensions:
                assert widget["properties"]["stat"] == "Maximum"
                shown[widget["properties"]["title"]].add((names[1], queues[dimensions["QueueName"]]))
    visible = "ApproximateNumberOfMessagesVisible"
    assert shown == {
        "Age of the oldest message": {("ApproximateAgeOfOldestMessage", "Queue")},
        "Messages": {(visible, "Queue"), ("ApproximateNumberOfMessagesNotVisible", "Queue")},
        "Dead letters": {(visible, id) for id in ("FunctionDeadLetterQueue", "RuleDeadLetterQueue", "AlertDeadLetterQueue")},
    }


def test_anomaly_alarms_have_the_right_direction():
    """An anomaly alarm compares one metric with its own band; CloudWatch would reject a search."""
    directions = {"RejectedFlowsAlarm": "GreaterThanUpperThreshold"}
    for id, alarm in alarms(deployed(FULL)).items():
        assert "SEARCH" not in json.dumps(alarm), id
        # One dead letter is enough for an alarm; an age must exceed its threshold.
        limit = "GreaterThanThreshold" if id == "OldestMessageAlarm" else "GreaterThanOrEqualToThreshold"
        if "ThresholdMetricId" in alarm:
            [traffic, expected] = alarm["Metrics"]
            band = f"ANOMALY_DETECTION_BAND({traffic['Id']}, 3)"
            assert expected == {"Id": alarm["ThresholdMetricId"], "Expression": band}
            assert alarm["ComparisonOperator"] == directions.get(id, "LessThanLowerOrGreaterThanUpperThreshold")
            assert not {"Threshold", "MetricName", "Period"} & set(alarm)
        else:
            assert alarm["ComparisonOperator"] == ("LessThanThreshold" if id == "NoDataAlarm" else limit), id
            assert alarm["Threshold"] >= 1


def logged():
    """Returns the field names of the function's log lines, and all outcomes."""
    sources = [path.read_text() for path in (PROJECT / "src").rglob("*.rs")]
    code = "\n".join(text for text in sources if "use tracing::" in text)
    names = {"level", "message"}
    for arguments in re.findall(r"\b(?:info|warn|error)!\((.*?)\);", code, re.DOTALL):
        without_text = re.sub(r'"[^"]*"', "", arguments)
        names |= set(re.findall(r"(?:^|,)\s*[%?]?(\w+)(?= = |,|$)", without_text))
    return names, set(re.findall(r'"(\w+)"', " ".join(re.findall(r"\boutcome = [^;,]*", code))))


# Fields of Lambda's own log lines: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
OF_LAMBDA = {"type", "record.metrics.maxMemoryUsedMB", "record.metrics.durationMs"}
WORDS = {"fields", "filter", "sort", "limit", "stats", "desc", "as", "by", "like", "in", "and", "or"}
WORDS |= {"count", "latest", "max", "pct", "ispresent"}


def test_saved_queries_use_logged_fields():
    names, outcomes = logged()
    assert {"outcome", "uri", "code", "duration_ms", "last_good_in_use", "message_id", "current_etag"} <= names
    assert outcomes == {"summarized", "already_summarized", "quarantined", "already_quarantined", "ignored", "failed"}
    stack = deployed("defaults")
    queries = stack.resources("AWS::Logs::QueryDefinition")
    assert len(queries) >= 8
    for id, query in queries.items():
        assert query["Name"].startswith("flowsentry/") and query["LogGroupNames"] == [stack.ref("LogGroup")]
        text = query["QueryString"]
        made = set(re.findall(r"\bas (\w+)", text))
        asked = set(re.findall(r"(?<![\w.@])[a-z_][\w.]*", re.sub(r'"[^"]*"|/[^/]*/|bin\(\w+\)', "", text)))
        assert asked - made - WORDS <= names | OF_LAMBDA, id
        assert set(re.findall(r'outcome (?:=|like) "(\w+)"', text)) <= outcomes
        assert text.startswith(("fields ", "filter ", "stats ")) and "\n| " in text


def test_saved_queries_match_their_names():
    asked = {
        "failed objects": ['filter outcome = "failed"', "sort @timestamp desc"],
        "failures by code": ["filter ispresent(code)", "sort times desc"],
        # Including redelivered events of quarantined objects.
        "quarantined objects": ['filter outcome like "quarantined"', "sort @timestamp desc"],
        "ignored objects": ['filter outcome = "ignored"', "sort objects desc"],
        "objects with most findings": ['filter outcome = "summarized" and findings > 0', "sort findings desc"],
        "slowest objects": ['filter outcome = "summarized"', "sort duration_ms desc"],
        "history of one object": ["filter uri like /REPLACE_WITH_PART_OF_ITS_KEY/", "sort @timestamp desc"],
        "errors and warnings": ['filter level in ["ERROR", "WARN"]', "sort @timestamp desc"],
        "topology and configuration": [
            "filter message like /^(topology|configuration|document) /",
            "sort @timestamp desc",
        ],
        "memory and duration of invocations": ['filter type = "platform.report"'],
    }
    queries = deployed("defaults").resources("AWS::Logs::QueryDefinition").values()
    steps = {one["Name"].removeprefix("flowsentry/"): re.split(r"\n\| ", one["QueryString"].strip()) for one in queries}
    chosen = lambda name: [step for step in steps[name] if step.startswith(("filter ", "sort "))]
    assert {name: chosen(name) for name in asked} == asked
    assert set(steps) == set(asked)


def test_alarms_name_existing_queries_and_outputs():
    stack, template = deployed(FULL), inlined(load())
    titles = {one["Name"].split("/")[1] for one in stack.resources("AWS::Logs::QueryDefinition").values()}
    text = " ".join(one["AlarmDescription"] for one in alarms(stack).values())
    named = re.findall(r"saved query:? ([a-z ]+?)(?: first|;|\)|,|:|\.|$)", text)
    assert len(named) >= 4 and set(named) <= titles
    outputs = re.findall(r"output ([A-Z]\w+)", text)
    assert set(outputs) == {"RedriveCommand", "EnableEventBridgeCommand"} and set(outputs) <= set(template["Outputs"])
