"""Metrics that the template uses, and metrics that a function emitted."""

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One metric by name and dimensions; the value None matches any value."""

    namespace: str
    name: str
    dimensions: frozenset = frozenset()

    def is_one_of(self, metrics):
        return any(self._is(other) for other in metrics)

    def _is(self, other):
        if (self.namespace, self.name) != (other.namespace, other.name):
            return False
        mine, its = dict(self.dimensions), dict(other.dimensions)
        return mine.keys() == its.keys() and all(value in (None, its[name]) for name, value in mine.items())


# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
OF_AWS = {
    ("AWS/SQS", "QueueName", "AWS::SQS::Queue"): [
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible",
        "NumberOfMessagesDeleted",
        "NumberOfMessagesReceived",
        "NumberOfMessagesSent",
    ],
    ("AWS/Lambda", "FunctionName", "AWS::Lambda::Function"): [
        "AsyncEventsDropped",
        "ConcurrentExecutions",
        "Duration",
        "Errors",
        "Invocations",
        "Throttles",
    ],
    ("AWS/Logs", "LogGroupName", "AWS::Logs::LogGroup"): ["EMFParsingErrors", "EMFValidationErrors", "IncomingBytes"],
    ("AWS/Events", "RuleName", "AWS::Events::Rule"): ["FailedInvocations", "Invocations", "ThrottledRules"],
}


def of_aws(resolved):
    """Returns the metrics of AWS services for the stack's resources."""
    found = set()
    for (namespace, dimension, kind), names in OF_AWS.items():
        for id in resolved.resources(kind):
            # The name of a queue differs from its Ref.
            value = resolved.ref(id).rsplit("/", 1)[-1] if kind == "AWS::SQS::Queue" else resolved.ref(id)
            found |= {Metric(namespace, name, frozenset({(dimension, value)})) for name in names}
    return found


def emitted(documents):
    """Returns the metrics of lines in Embedded Metric Format."""
    return {
        Metric(directive["Namespace"], metric["Name"], frozenset((name, document[name]) for name in names))
        for document in documents
        for directive in document["_aws"]["CloudWatchMetrics"]
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def shown(resolved):
    """Returns the metrics on dashboards, by widget title."""
    for dashboard in resolved.resources("AWS::CloudWatch::Dashboard").values():
        for widget in json.loads(dashboard["DashboardBody"])["widgets"]:
            if widget["type"] == "metric":
                yield from _of_widget(widget["properties"])


def _of_widget(properties):
    ids, expressions = set(), []
    for row in properties["metrics"]:
        *names, options = row if isinstance(row[-1], dict) else [*row, {}]
        assert not {".", "..."} & set(names), f"abbreviations are not understood: {row}"
        ids.add(options.get("id"))
        if names:
            namespace, name, *dimensions = names
            pairs = zip(dimensions[::2], dimensions[1::2], strict=True)
            yield properties["title"], Metric(namespace, name, frozenset(pairs))
        else:
            expressions.append(options["expression"])
    for expression in expressions:
        for metric in _of_expression(expression, ids):
            yield properties["title"], metric


def watched(resolved):
    """Returns the metrics of alarms, by logical id."""
    for id, alarm in resolved.resources("AWS::CloudWatch::Alarm").items():
        queries = alarm.get("Metrics", [])
        ids = {query["Id"] for query in queries}
        asked = [query["MetricStat"]["Metric"] for query in queries if "MetricStat" in query]
        for metric in [alarm] if "MetricName" in alarm else asked:
            dimensions = frozenset((pair["Name"], pair["Value"]) for pair in metric.get("Dimensions", []))
            yield id, Metric(metric["Namespace"], metric["MetricName"], dimensions)
        for query in queries:
            for metric in _of_expression(query.get("Expression", ""), ids):
                yield id, metric
        assert alarm.get("ThresholdMetricId") in {None, *ids}


_SEARCH = re.compile(r"SEARCH\('\{\"?([^,\"]+)\"?((?:,\w+)*)\} MetricName=\"(\w+)\"', '\w+', \d+\)")
_NAME = re.compile(r"\b[a-z]\w*\b")


def _of_expression(expression, ids):
    """Returns the metrics that an expression searches for; checks that its ids exist."""
    for namespace, dimensions, name in _SEARCH.findall(expression):
        yield Metric(namespace, name, frozenset((dimension, None) for dimension in dimensions.split(",") if dimension))
    rest = _SEARCH.sub("", expression)
    assert "SEARCH" not in rest, f"a search that is not understood: {expression}"
    assert set(_NAME.findall(rest)) <= ids, f"{expression} names none of {ids}"
