"""The deployed template: from an object in the source bucket to a message at a subscriber of the topic.

For each kind of deployment, one stack runs all scenarios of objects; the tests check the results.
"""

import json
import re
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest

import iam_calls
import faults
import iam
import metrics
from flow_logs import flow_log, key, record, records
from discovery import sha256
from function import Written
from template import ACCOUNT
from stack import Stack
from aws_env import in_queue, s3_event

PEERING = "pcx-0123456789abcdef0"
TOPOLOGY = {
    "Vpcs": [{"VpcId": "vpc-0a", "CidrBlock": "10.0.0.0/16"}, {"VpcId": "vpc-0b", "CidrBlock": "10.2.0.0/16"}],
    "VpcPeeringConnections": [
        {
            "VpcPeeringConnectionId": PEERING,
            "Status": {"Code": "active"},
            "RequesterVpcInfo": {"VpcId": "vpc-0a", "CidrBlock": "10.0.0.0/16"},
            "AccepterVpcInfo": {"VpcId": "vpc-0b", "CidrBlock": "10.2.0.0/16"},
        }
    ],
}
SNAPSHOT = "2026-11-23T06:00:00Z"
# A value that changes nothing, and one that is invalid.
CONFIG, INVALID_CONFIG = b"port_scan_ports = 15\n", b"port_scan_ports = 0\n"
# Two accepted records between the VPCs, one rejected.
BETWEEN_VPCS = record(dst="10.2.0.5") * 2 + record(dst="10.2.0.5", action="REJECT")


def new_buckets(stack):
    """Everything that the template creates by default, and a topology in the output bucket."""
    return {"Topology": "upload"}


def existing_buckets(stack):
    """Existing buckets (the source versioned, with a prefix), no keys, and a configuration."""
    stack.version(stack.source)
    stack.s3.put_object(Bucket=stack.output, Key="settings/flowsentry.toml", Body=CONFIG)
    return {
        "ConfigUri": f"s3://{stack.output}/settings/flowsentry.toml",
        "SourceBucketName": stack.source,
        "SourceKeyPattern": "network/AWSLogs/*vpcflowlogs/*.log*",
        "OutputBucketName": stack.output,
        "KmsKey": "none",
    }


def new_buckets_with_keys(stack):
    """One key for the stack, and topology and configuration in their own buckets with their own keys."""
    topology, key_ = stack.bucket("topology"), stack.key()
    stack.encrypt(topology, key_)
    settings, settings_key = stack.bucket("settings"), stack.key()
    stack.encrypt(settings, settings_key)
    return {
        "ConfigUri": f"s3://{settings}/flowsentry.toml",
        "KmsKey": stack.key(),
        "Topology": f"s3://{topology}/inventory/",
    }


def existing_buckets_with_keys(stack):
    """Existing buckets with keys of their own, which the stack does not know."""
    for bucket in (stack.source, stack.output):
        stack.encrypt(bucket, stack.key())
    return {"SourceBucketName": stack.source, "OutputBucketName": stack.output}


def one_bucket(stack):
    """Flow logs and outputs in one bucket."""
    return {"SourceBucketName": stack.source, "OutputBucketName": stack.source}


PARAMETER_SETS = [new_buckets, existing_buckets, new_buckets_with_keys, existing_buckets_with_keys, one_bucket]


@dataclass
class Life:
    """Events in the life of a stack, and their results."""

    parameter_set: str
    stack: Stack
    parameters: dict
    # Stored objects by name.
    stored: dict = field(default_factory=dict)
    # Numbers of messages in the dead-letter queue before and after the fix.
    dead_letters: list = field(default_factory=list)
    # Messages to the subscriber, by stored object.
    messages: dict = field(default_factory=dict)
    # Requests, function events and alert events, by stored object.
    passed: dict = field(default_factory=dict)
    # Calls of the function, and of AWS on its behalf.
    calls: list = field(default_factory=list)
    written: Written = None

    def put(self, name, content, **metadata):
        stored = self.stack.put(self.prefix + key(name), content, self.stack.source, **metadata)
        self.stored[name] = stored
        return stored

    @property
    def needs_topology(self):
        """Whether objects fail while there is no topology: if it is uploaded, and not discovered."""
        return self.parameters.get("Topology", "discover") != "discover"

    @property
    def has_config(self):
        return self.stack.environment["CONFIG_URI"] != ""

    @property
    def digest(self):
        """Returns the event of the schedule."""
        target = self.stack.resolved.properties("DigestSchedule")["Target"]
        return json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", "2026-11-29T06:00:00Z"))

    @property
    def prefix(self):
        return self.stack.resolved.parameters["SourceKeyPattern"].split("AWSLogs/")[0]

    def documents(self, name, kind):
        """Returns the outputs of one kind for the object of this name."""
        uris = lambda one: [source["uri"] for source in one.get("sources", [one])]
        return [one for one in self.stack.documents(kind) if self.stored[name].uri in uris(one)]


@pytest.fixture(scope="module", params=PARAMETER_SETS, ids=lambda parameter_set: parameter_set.__name__)
def life(clients, request):
    stack = Stack(clients)
    try:
        parameters = request.param(stack)
        stack.deploy(**parameters)
        yield live(request.param.__name__, stack, parameters)
    finally:
        stack.close()


def live(parameter_set, stack, parameters):
    """Runs every scenario of an object."""
    life = Life(parameter_set, stack, parameters)
    if "SourceBucketName" in parameters:
        # The operator's step, as in the stack outputs.
        stack.notify(stack.source)
    put_config(stack, INVALID_CONFIG)
    if not life.needs_topology:
        put_snapshot(stack)
    subscriber, function = stack.subscribe(), stack.function()

    def feed(name):
        before = len(stack.proxy.requests), len(stack.handed_over), len(stack.alerts_sent)
        stack.feed(function)
        stack.relay()
        life.messages[name] = stack.received(subscriber)
        parts = [stack.proxy.requests, stack.handed_over, stack.alerts_sent]
        life.passed[name] = [part[place:] for part, place in zip(parts, before, strict=True)]

    # Denied, or without topology or configuration: fails five times, then moves to the dead-letter queue.
    if not life.needs_topology and not life.has_config:
        stack.proxy.add(faults.reject(403, "AccessDenied"), "GET", path="denied")
    life.put("denied", flow_log(scans=1, accepted=7))
    feed("denied, in vain")
    life.dead_letters.append(stack.waiting("FunctionDeadLetterQueue"))
    stack.proxy.clear()
    put_config(stack, CONFIG)
    if life.needs_topology:
        put_topology(stack)
    stack.redrive("FunctionDeadLetterQueue")
    feed("denied")
    life.dead_letters.append(stack.waiting("FunctionDeadLetterQueue"))

    life.put("good", of_host(flow_log(scans=2, accepted=3, extra=BETWEEN_VPCS), 7))
    feed("good")

    # Incomplete outputs, because the bus failed; the next invocation completes them.
    stack.proxy.add(faults.reject(403, "AccessDenied"), target="PutEvents", times=1)
    life.put("completed", of_host(flow_log(scans=1, accepted=9), 6))
    feed("completed")

    body = stack.s3.get_object(Bucket=stack.source, Key=life.stored["good"].key)["Body"].read()
    life.put("corrupt", body[:-9])
    feed("corrupt")

    # Many findings, with a roll-up alert.
    life.put("storm", of_host(flow_log(scans=25), 8))
    feed("storm")

    # Deleted before it is read.
    gone = life.put("gone", flow_log())
    stack.s3.delete_object(Bucket=gone.bucket, Key=gone.key, **({"VersionId": gone.version_id} if gone.version_id else {}))
    feed("gone")

    # Marked as flowsentry's own output.
    life.put("marked", flow_log(), **{"flowsentry-output": "summary"})
    feed("marked")

    # Redelivered messages: a replay without a version, and an object to ignore.
    elsewhere = stack.put("elsewhere/" + key("x"), flow_log(), stack.source)
    again = [_without_version(life.stored["good"]), life.stored["corrupt"], elsewhere]
    for event in map(s3_event, again):
        stack.sqs.send_message(QueueUrl=stack.url("Queue"), MessageBody=json.dumps(event))
    feed("again")

    # The daily digest, which the schedule starts. It fires twice.
    answer = function.invoke(life.digest)
    assert answer.response is None and answer.error is None, answer
    assert function.invoke(life.digest).error is None
    feed("digest")

    life.calls = stack.calls()
    life.written = stack.stop()
    return life


def put_topology(stack):
    """Stores a document, as an operator does."""
    bucket, folder = stack.environment["TOPOLOGY_URI"].removeprefix("s3://").split("/", 1)
    stack.s3.put_object(Bucket=bucket, Key=f"{folder}all.json", Body=json.dumps(TOPOLOGY))


def put_snapshot(stack):
    """Stores a snapshot, as the function of the nested stack does."""
    bucket, folder = stack.environment["TOPOLOGY_URI"].removeprefix("s3://").split("/", 1)
    document, name = json.dumps(TOPOLOGY).encode(), f"{ACCOUNT}-us-east-1.json"
    pair = {"account_id": ACCOUNT, "region": "us-east-1", "stale_since": None, "error": None}
    pair["file"] = {"name": name, "sha256": sha256(document), "bytes": len(document)}
    manifest = {"schema": "flowsentry/topology-snapshot/v1", "created_at": SNAPSHOT, "complete": True, "pairs": [pair]}
    for file, content in ((name, document), ("manifest.json", json.dumps(manifest).encode())):
        stack.s3.put_object(Bucket=bucket, Key=f"{folder}{SNAPSHOT.replace(':', '-')}/{file}", Body=content)


def of_host(log, number):
    """Returns the log of another host, which has other findings."""
    return log.replace("10.0.0.5 ", f"10.0.0.{number} ")


def put_config(stack, content):
    """Stores the configuration, if the stack has one."""
    if uri := stack.environment["CONFIG_URI"]:
        bucket, name = uri.removeprefix("s3://").split("/", 1)
        stack.s3.put_object(Bucket=bucket, Key=name, Body=content)


def _without_version(stored):
    return type(stored)(stored.bucket, stored.key, stored.etag, None)


def only(values):
    [value] = values
    return value


def trace(life, name):
    """Returns the path of a stored object, step by step."""
    (requests, [event], alerts), stored = life.passed[name], life.stored[name]
    resolved = life.stack.resolved
    [summary] = life.documents(name, "summaries/")
    yield f"stack of {len(resolved.resources())} resources, parameters {life.parameters}"
    yield f"object   PUT {stored.uri} version {stored.version_id}"
    yield f"event    {event['source']} {event['detail-type']} {event['detail']['object']}"
    yield f"rule     {resolved.arn('FlowLogRule')}"
    yield f"queue    {resolved.arn('Queue')}"
    yield f"function {resolved.ref('Function')}"
    yield from (f"function {request}" for request in requests)
    yield f"summary  records {summary['records']}"
    yield from (f"finding  {one['severity']} {one['type']} {one['id']}" for one in summary["findings"])
    yield from (f"bus      {one['source']} {one['detail-type']} {one['detail']['metadata']['uid']}" for one in alerts)
    yield f"topic    {resolved.ref('Topic')}"
    yield from (f"message  {text(message)!r}" for message in life.messages[name])


def test_object_yields_summary_findings_and_messages(life, report):
    """From the bucket by rule, queue and function to the outputs, and by bus, rule and topic to a subscriber."""
    stored = life.stored["good"]
    summary = only(life.documents("good", "summaries/"))
    total = records(scans=2, accepted=3) + 3
    assert (summary["records"]["total"], summary["records"]["accepted"]) == (total, 5)
    source = summary["sources"][0]
    assert (source["uri"], source["etag"], source["version_id"]) == (stored.uri, stored.etag, stored.version_id)
    assert [finding["type"] for finding in summary["findings"]] == ["port-scan", "port-scan", "rejected-peering"]
    assert summary["peering"]["connections"][0]["peering_connection_id"] == PEERING
    snapshot = {} if life.needs_topology else {"topology": {"snapshot": SNAPSHOT.replace(":", "-")}}
    assert {name: summary[name] for name in summary if name == "topology"} == snapshot
    assert only(life.documents("good", "receipts/"))["uri"] == stored.uri

    messages = [text(message) for message in life.messages["good"]]
    key_ = only(key_ for key_ in life.stack.keys("summaries/") if "/good-" in key_)
    uri = f"https://console.aws.amazon.com/s3/object/{life.stack.output}?region=us-east-1&prefix={quote(key_)}"
    # The digest has the others.
    sent = [one for one in summary["findings"] if one["severity"] == "high"]
    for finding, message in zip(sent, messages, strict=True):
        first, *_ = message.splitlines()
        assert first == f"{finding['severity'].capitalize()}, new: {finding['title']}"
        where = ", ".join(f"{name} {value}" for name, value in sorted(finding["subject"].items()))
        parts = [f"Type: {finding['type']} ", f"Count: {finding['flows']} ", finding["id"], uri, f"Where: {where}"]
        assert all(part in message for part in parts)
    if life.parameter_set == "new_buckets":
        for line in ["", "From an object to messages:", *trace(life, "good")]:
            report(line)


def text(message):
    """Returns the text of the email."""
    assert message["Type"] == "Notification"
    return message["Message"]


def test_email_has_no_missing_values(life):
    """Including the roll-up: no empty value and no placeholder."""
    messages = [text(message) for messages in life.messages.values() for message in messages]
    assert len(life.messages["storm"]) == 21
    for message in messages:
        assert "<" not in message and not re.search(r": *$|:   ", message, re.MULTILINE), message


def test_digest_is_one_message(life):
    """With every finding of the stack's life, the most severe first."""
    [message] = [text(message) for message in life.messages["digest"]]
    first, header, line, *_ = message.splitlines()
    findings = 1 + 3 + 1 + 25
    assert first == f"flowsentry, 2026-11-29: {findings} new, 0 lasting, 0 ended finding(s)"
    assert header == f"NEW ({findings})" and line.startswith("- High port-scan: ")


def test_interrupted_outputs_are_completed(life):
    """The alert that the bus rejected is sent on the next attempt, and there is one summary."""
    outcomes = life.written.outcomes()
    place = outcomes.index(("already_summarized", None))
    assert outcomes[place - 1] == ("failed", "AccessDenied")
    assert only(life.documents("completed", "summaries/"))["records"]["total"] == records(scans=1, accepted=9)
    assert len(life.messages["completed"]) == 1


def test_corrupt_object_is_quarantined(life):
    """Its event is completed, without messages and alerts."""
    receipt = only(life.documents("corrupt", "quarantine/"))
    assert (receipt["error"], receipt["version_id"]) == ("gzip_truncated", life.stored["corrupt"].version_id)
    assert life.documents("corrupt", "summaries/") == [] and life.messages["corrupt"] == []


def test_deleted_object_is_quarantined(life):
    assert only(life.documents("gone", "quarantine/"))["error"] == "object_deleted"


def test_failed_event_stays_in_dlq_until_redrive(life):
    """It is retried as often as configured; after the fix, it yields a summary and a message."""
    queue = life.stack.resolved.properties("Queue")
    code = "topology_unavailable" if life.needs_topology else "AccessDenied"
    code = "config_unavailable" if life.has_config else code
    outcomes = life.written.outcomes()
    assert outcomes[:6] == [("failed", code)] * queue["RedrivePolicy"]["maxReceiveCount"] + [("summarized", None)]
    assert (life.dead_letters, life.messages["denied, in vain"]) == ([1, 0], [])
    assert only(life.documents("denied", "summaries/"))["records"]["total"] == records(scans=1, accepted=7)
    assert len(life.messages["denied"]) == 1 and life.stack.waiting("Queue") == 0


def test_replay_changes_nothing_and_ignores_others(life):
    """A redelivered message finds the stored summary; objects elsewhere are not read."""
    outcomes = [("already_summarized", None), ("already_quarantined", "gzip_truncated"), ("ignored", "not-allowed")]
    assert life.written.outcomes()[-3:] == outcomes
    assert life.messages["again"] == []


def test_marked_objects_are_ignored_and_counted(life):
    outcomes = life.written.outcomes()
    assert outcomes[-4] == ("ignored", "flowsentry-output")
    assert life.documents("marked", "summaries/") == life.messages["marked"] == []
    alarm = life.stack.resolved.properties("MarkedObjectsAlarm")
    dimensions = frozenset((one["Name"], one["Value"]) for one in alarm["Dimensions"])
    watched = metrics.Metric(life.stack.environment["METRICS_NAMESPACE"], alarm["MetricName"], dimensions)
    assert watched.is_one_of(metrics.emitted(life.written.metrics))


def test_rule_matches_only_flow_logs(life):
    """Neither outputs nor other objects of the bucket reach the queue."""
    reported = [event["detail"]["object"]["key"] for event in life.stack.handed_over if event.get("source") == "aws.s3"]
    assert set(reported) == {stored.key for stored in life.stored.values()}


def test_every_call_is_allowed(life):
    """All recorded calls, and Lambda's calls with the function's role, are allowed by role, bucket and key."""
    assert denied(life) == []


def test_role_has_no_unused_permissions(life):
    """Every statement, action and resource of the role is needed."""
    unneeded = iam.not_needed(life.calls, life.stack.role_statements(), life.stack.resource_policies())
    # The template cannot know whether an existing bucket is versioned.
    elsewhere = [] if life.stored["good"].version_id else ["ReadFlowLogs: s3:GetObjectVersion"]
    assert unneeded == [*elsewhere, *unknown_keys(life)]


def unknown_keys(life):
    """Statements for keys of existing buckets, of which the template cannot know whether there are any."""
    has_none = life.parameter_set in ("existing_buckets", "one_bucket")
    return ["DecryptInputs", "EncryptOutputs"] if has_none else []


def test_missing_or_unused_statement_is_detected(life):
    """Removes each statement of the role in turn; adds excessive ones."""
    own, policies = life.stack.role_statements(), life.stack.resource_policies()
    for place, statement in enumerate(own):
        if statement["Sid"] in unknown_keys(life):
            continue
        assert iam.denied(life.calls, own[:place] + own[place + 1 :], policies), statement
    results = f"arn:aws:s3:::{life.stack.output}/*"
    more = {"Sid": "More", "Effect": "Allow", "Action": "s3:DeleteObject", "Resource": results}
    assert "More" in iam.not_needed(life.calls, [*own, more], policies)
    [place] = [place for place, one in enumerate(own) if one["Sid"] == "ReadFlowLogs"]
    for element, part in [("Action", "s3:PutObjectAcl"), ("Resource", results)]:
        wider = {**own[place], element: [*iam.listed(own[place][element]), part]}
        unneeded = iam.not_needed(life.calls, [*own[:place], wider, *own[place + 1 :]], policies)
        assert f"ReadFlowLogs: {part}" in unneeded


def test_only_expected_services_are_allowed(life):
    """EventBridge sends, alarms publish, the log is encrypted: each for this stack only."""
    stack, policies = life.stack, life.stack.resource_policies()
    theirs = of_services(life)
    allowed = lambda one: iam.denied([one], [], policies) == []
    assert [str(one) for one in theirs if not allowed(one)] == []
    assert {one.action for one in theirs} >= {"sqs:SendMessage", "sns:Publish"}
    for one in theirs:
        if "aws:SourceArn" in dict(one.context):
            other = "999999999999"
            elsewhere = {"aws:SourceArn": f"arn:aws:events:us-east-1:{other}:rule/x", "aws:SourceAccount": other}
            assert not allowed(changed(one, **elsewhere)), one
        if "aws:SecureTransport" in dict(one.context):
            assert not allowed(changed(one, **{"aws:SecureTransport": "false"})), one


def of_services(life):
    """The owner of an existing bucket decides who may deliver."""
    new = "SourceBucketName" not in life.parameters
    deliveries = iam_calls.of_log_delivery(life.stack.source, life.prefix) if new else []
    return [*iam_calls.of_services(life.stack.resolved), *deliveries]


def test_services_have_no_unused_permissions(life):
    """Every statement of bucket, queue, topic and key policies is needed by a call."""
    own, policies = life.stack.role_statements(), life.stack.resource_policies()

    def is_all_allowed(policies):
        return not iam.denied(life.calls, own, policies) and not iam.denied(of_services(life), [], policies)

    assert is_all_allowed(policies)
    for arn, held in policies.items():
        for statement in held:
            less = {**policies, arn: [one for one in held if one is not statement]}
            assert statement["Effect"] == "Deny" or not is_all_allowed(less), (arn, statement)


def changed(one, **context):
    return iam.Call(one.action, one.resource, one.principal, tuple({**dict(one.context), **context}.items()), one.because)


def test_outputs_are_append_only(life):
    """The role cannot replace or delete outputs; in a bucket of the template, no caller can, only expiration."""
    own, policies = life.stack.role_statements(), life.stack.resource_policies()
    is_state = lambda one: "/state/" in one.resource
    puts = [one for one in life.calls if one.action == "s3:PutObject" and not is_state(one)]
    assert {one.resource.split("/")[-5] for one in puts} == {"summaries", "findings", "receipts", "quarantine"}
    for one in puts:
        context = tuple(item for item in one.context if item[0] != "s3:if-none-match")
        without = iam.Call(one.action, one.resource, one.principal, context)
        everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        assert iam.denied([without], own, policies)
        if "OutputBucketName" not in life.parameters:
            assert iam.denied([without], everything, policies)
        for action in ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectAcl"]:
            assert iam.denied([iam.Call(action, one.resource, one.principal, one.context)], own, policies)


def test_state_is_changed_only_with_a_condition(life):
    """What the function remembers may be replaced, but not unseen."""
    own, policies = life.stack.role_statements(), life.stack.resource_policies()
    puts = [one for one in life.calls if one.action == "s3:PutObject" and "/state/" in one.resource]
    kinds = {one.resource.split("/state/")[1].split("/")[0] for one in puts}
    assert kinds == {"findings", "data", "digests"}
    for one in puts:
        context = tuple(item for item in one.context if item[0] not in ("s3:if-none-match", "s3:if-match"))
        assert len(context) == len(one.context) - 1
        without = iam.Call(one.action, one.resource, one.principal, context)
        everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        assert iam.denied([without], own, policies)
        assert iam.denied([without], everything, policies) or "OutputBucketName" in life.parameters


def test_outputs_name_the_given_kms_key(life):
    """Each PUT, so that an existing bucket may deny all others."""
    names = ["x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"]
    puts = [request for request in life.stack.proxy.requests if request.method == "PUT"]
    kind = lambda request: "state" if "/state/" in request.path else request.path.split("/")[-5]
    kinds = {"summaries", "findings", "receipts", "quarantine", "state"}
    assert set(map(kind, puts)) == kinds
    key_ = life.parameters["KmsKey"] if life.stack.resolved.conditions["HasOwnKey"] else None
    expected = ("aws:kms", key_) if key_ else (None, None)
    assert {tuple(map(request.headers.get, names)) for request in puts} == {expected}


def test_only_lambda_can_assume_the_role(life):
    role = life.stack.resolved.properties("FunctionRole")
    trust = iam.statements(role["AssumeRolePolicyDocument"])
    takes = lambda who: iam.is_allowed(iam.call("sts:AssumeRole", life.stack.role, who), [], trust)
    assert takes("lambda.amazonaws.com")
    assert not takes("ec2.amazonaws.com") and not takes("arn:aws:iam::123456789012:user/somebody")


def test_used_metrics_are_emitted(life):
    """With the same namespace and dimensions; metrics of AWS services belong to this stack's resources."""
    emitted = metrics.emitted(life.written.metrics)
    known = emitted | metrics.of_aws(life.stack.resolved)
    used = [*metrics.shown(life.stack.resolved), *metrics.watched(life.stack.resolved)]
    # The discovery emits this one: test_discovery_function.py.
    not_emitted = {"TopologyStale"}
    not_emitted |= set() if life.needs_topology else {"TopologyRefreshFailures"}
    not_emitted |= set() if life.has_config else {"ConfigRefreshFailures"}
    missing = {
        (where, metric)
        for where, metric in used
        if not metric.is_one_of(known) and metric.name not in not_emitted
    }
    assert missing == set()
    # Every emitted metric is used.
    used_names = {metric.name for _, metric in used}
    assert {metric.name for metric in emitted} <= used_names


def test_missing_metric_is_detected(life):
    emitted = metrics.emitted(life.written.metrics)
    namespace = life.stack.environment["METRICS_NAMESPACE"]
    assert metrics.Metric(namespace, "Findings", frozenset({("FindingType", None)})).is_one_of(emitted)
    for wrong in [
        metrics.Metric("FlowSentry", "Findings"),
        metrics.Metric(namespace, "Finding"),
        metrics.Metric(namespace, "Findings", frozenset({("Type", None)})),
        metrics.Metric(namespace, "ObjectsFailed", frozenset({("Reason", None)})),
        metrics.Metric(namespace, "Findings", frozenset({("FindingType", "host-sweep")})),
    ]:
        assert not wrong.is_one_of(emitted)


@pytest.mark.parametrize("left_out", [None, "ReadFlowLogs", "StoreOutputsOnce", "SendAlerts"])
def test_local_iam_gives_the_same_decisions(clients, left_out):
    """A cross-check: the local services enforce the role's policy and must come to the same decisions.

    They support no conditions, and no resources for EventBridge, so these are removed.
    """
    stack = Stack(clients)
    try:
        stack.deploy(**existing_buckets(stack))
        stack.notify(stack.source)
        stack.allow([simple(one) for one in stack.role_statements() if one["Sid"] != left_out])
        stored = stack.put("network/" + key("a"), flow_log(scans=1))
        function = stack.function()
        with stack.enforcing():
            answer = function.invoke(in_queue(stored))
        assert (answer.failed == []) == (left_out is None)
        # The local EventBridge uses another error format than AWS.
        code = "RequestFailed" if left_out == "SendAlerts" else "AccessDenied"
        assert function.stop().outcomes() == [("summarized", None) if left_out is None else ("failed", code)]
    finally:
        stack.close()


def simple(statement):
    """As far as the local services support it."""
    less = {name: part for name, part in statement.items() if name != "Condition"}
    return {**less, "Resource": "*"} if statement["Action"] == "events:PutEvents" else less


def denied(life):
    own, policies = life.stack.role_statements(), life.stack.resource_policies()
    return list(map(str, iam.denied(life.calls, own, policies)))
