"""Flow logs from elsewhere: events that another account or Region forwards, and several prefixes of one bucket."""

import json
import re

import pytest

import iam
from flow_logs import flow_log, key, records
from parameter_sets import deployed
from stack import Stack
from template import ACCOUNT, NESTED_STACK, PATH, Resolved, load, transformed
from test_template import fits

OTHER = "111122223333"
BUS = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
DEPLOY = PATH.parent / "docs/deploy.md"
WILDCARDS = "*/AWSLogs/*vpcflowlogs/*.log*"


def event_source(**parameters):
    """Returns the stack in the account and Region of a bucket."""
    given = {"BucketName": "their-logs", "EventBusArn": BUS, **parameters}
    return Resolved(load("stacks/event-source.yaml"), given, stack="flowsentry-events", account=OTHER, region="eu-west-1")


def test_forwarded_events_are_those_of_the_rule():
    """With the defaults of both templates, and with another pattern."""
    for parameters in ({}, {"KeyPattern": "network/exports/*.gz"}):
        theirs = event_source(**parameters).properties("Rule")["EventPattern"]
        ours = deployed("another key pattern" if parameters else "defaults").properties("FlowLogRule")["EventPattern"]
        assert (theirs["source"], theirs["detail-type"]) == (ours["source"], ours["detail-type"])
        assert theirs["detail"]["object"] == ours["detail"]["object"]
        assert theirs["detail"]["bucket"] == {"name": ["their-logs"]}
        # The rule of the stack asks for neither account nor Region, so it takes events from anywhere.
        assert set(ours) == {"source", "detail-type", "detail"} and set(ours["detail"]) == {"bucket", "object"}


def test_rule_may_send_to_that_bus_only_and_loses_nothing():
    stack = event_source()
    [target] = stack.properties("Rule")["Targets"]
    assert (target["Arn"], target["RoleArn"]) == (BUS, stack.arn("Role"))
    assert target["DeadLetterConfig"] == {"Arn": stack.arn("DeadLetterQueue")}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    role = stack.properties("Role")
    own = iam.statements(*(policy["PolicyDocument"] for policy in role["Policies"]))
    send = lambda bus: iam.call("events:PutEvents", bus, stack.arn("Role"))
    assert iam.denied([send(BUS)], own) == [] and iam.not_needed([send(BUS)], own) == []
    assert iam.denied([send(BUS.replace("default", "other"))], own)
    trust = iam.statements(role["AssumeRolePolicyDocument"])
    assume = lambda account: iam.call("sts:AssumeRole", "role", "events.amazonaws.com", aws__SourceAccount=account)
    assert iam.is_allowed(assume(OTHER), [], trust) and not iam.is_allowed(assume("999999999999"), [], trust)
    policy = iam.statements(stack.one("AWS::SQS::QueuePolicy")["PolicyDocument"])
    dead = lambda rule: iam.call(
        "sqs:SendMessage", stack.arn("DeadLetterQueue"), "events.amazonaws.com", aws__SourceArn=rule, aws__SecureTransport="true"
    )
    assert iam.is_allowed(dead(stack.arn("Rule")), [], policy)
    assert not iam.is_allowed(dead(f"{stack.arn('Rule')}-2"), [], policy)


def elsewhere():
    """Returns the statements of each role of a stack with everything that may use a bucket of another account, by its output."""
    given = {"SourceBucketName": "their-logs", "OutputBucketName": "our-results", "WindowReports": "hourly", "KmsKey": "none"}
    root = Resolved(transformed(given, load()), given)
    names = {value: name for name, value in root.outputs().items() if name.endswith("RoleArn")}
    for stack in [root, *map(root.nested, root.resources(NESTED_STACK))]:
        for id, role in stack.resources("AWS::IAM::Role").items():
            yield names.get(stack.arn(id), id), iam.statements(*(one["PolicyDocument"] for one in role.get("Policies", [])))


def using(part):
    """Returns the outputs of the roles that have a statement with this text."""
    return {name for name, own in elsewhere() if any(part in json.dumps(one) for one in own)}


def documented(marker):
    """Returns the statements of docs/deploy.md that have this text."""
    blocks = re.findall(r"```json\n(.*?)```", DEPLOY.read_text(), re.DOTALL)
    return [one for block in blocks if marker in block for one in json.loads(f"[{block}]")]


def test_documented_policies_cover_each_reader_of_the_bucket():
    """A bucket and its key in another account: the policies of both must allow the roles, besides these roles' own."""
    readers = using("s3:::their-logs")
    assert readers == {"FunctionRoleArn", "WindowsFunctionRoleArn"}
    of_bucket, of_key = documented("arn:aws:s3:::BUCKET"), documented("kms:Decrypt")
    assert len(of_bucket) == 2 and len(of_key) == 1
    object_ = "arn:aws:s3:::BUCKET/AWSLogs/1/vpcflowlogs/x.log.gz"
    for name, own in elsewhere():
        reads = {action for one in own if "s3:::their-logs" in json.dumps(one) for action in iam.listed(one["Action"])}
        for action in sorted(reads):
            on = "arn:aws:s3:::BUCKET" if action == "s3:ListBucket" else object_
            policy = of_key if action.startswith("kms:") else of_bucket
            assert iam.is_allowed(iam.call(action, on, name), [], policy), (name, action)
    assert not iam.is_allowed(iam.call("s3:PutObject", object_, "FunctionRoleArn"), [], of_bucket)
    [row] = re.findall(r"^\| flow logs in an existing bucket \|.*", DEPLOY.read_text(), re.MULTILINE)
    assert set(re.findall(r"\w+RoleArn", row)) == readers


def test_documented_key_of_the_outputs_covers_each_role():
    """The row of the outputs begins with the two roles of the row before it."""
    users = using("kms:GenerateDataKey")
    more = {"WindowsStateMachineRoleArn", "TopologyRoleArn"}
    assert users == {"FunctionRoleArn", "WindowsFunctionRoleArn"} | more
    [row] = re.findall(r"^\| outputs in an existing bucket \|.*", DEPLOY.read_text(), re.MULTILINE)
    assert set(re.findall(r"\w+RoleArn", row)) == more and "the same two roles" in row


def test_second_stack_reads_the_snapshots_of_the_first():
    """Including those in a bucket with a key; it discovers nothing itself."""
    folder = "first-out/flowsentry/topology/snapshots/"
    given = {"Topology": f"s3://{folder}", "AccountIds": OTHER, "WindowReports": "daily"}
    root = Resolved(transformed(given, load()), given)
    assert re.fullmatch(load()["Parameters"]["Topology"]["AllowedPattern"], given["Topology"])
    assert "TopologyStack" not in root.resources()
    for one in (root, root.nested("WindowsStack")):
        assert one.one("AWS::Lambda::Function")["Environment"]["Variables"]["TOPOLOGY_URI"] == f"s3://{folder}"
        own = iam.statements(*(policy["PolicyDocument"] for policy in one.properties("FunctionRole")["Policies"]))
        manifest = f"arn:aws:s3:::{folder}2026-11-23T06-00-00Z/manifest.json"
        via = {"kms__ViaService": "s3.us-east-1.amazonaws.com", "kms__EncryptionContext__aws__s3__arn": manifest}
        key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
        role = one.arn("FunctionRole")
        for action, on, more in [
            ("s3:GetObject", manifest, {}), ("s3:ListBucket", "arn:aws:s3:::first-out", {}), ("kms:Decrypt", key, via),
        ]:  # fmt: skip
            assert iam.is_allowed(iam.call(action, on, role, **more), own), action


@pytest.fixture
def stack(clients):
    stack = Stack(clients)
    yield stack
    stack.close()


def test_event_of_another_account_and_region_is_analyzed(clients, stack):
    """As the rule of the other account sends it to the default bus: the bucket itself notifies nobody here."""
    stack.deploy(SourceBucketName=stack.source, OutputBucketName=stack.output, KmsKey="none", Topology="none", Parts="none")
    stored = stack.put(key("a"), flow_log(scans=1, accepted=2), stack.source)
    detail = {
        "version": "0",
        "bucket": {"name": stored.bucket},
        "object": {"key": stored.key, "size": 1, "etag": stored.etag, "sequencer": "00"},
        "requester": "delivery.logs.amazonaws.com",
        "reason": "PutObject",
    }
    entry = {"Source": "aws.s3", "DetailType": "Object Created", "Resources": [f"arn:aws:s3:::{stored.bucket}"]}
    elsewhere = {**detail, "bucket": {"name": "another-bucket"}}
    outside = {**detail, "object": {**detail["object"], "key": "elsewhere/x.log.gz"}}
    entries = [{**entry, "Detail": json.dumps(one)} for one in (detail, elsewhere, outside)]
    clients.of("events").put_events(Entries=entries)
    function = stack.function()
    stack.feed(function)
    assert function.stop().outcomes() == [("summarized", None)]
    [summary] = stack.documents("summaries/")
    assert summary["records"]["total"] == records(scans=1, accepted=2)
    assert summary["sources"][0]["uri"] == stored.uri


def test_several_prefixes_by_one_pattern(stack):
    stack.deploy(SourceBucketName=stack.source, SourceKeyPattern=WILDCARDS, KmsKey="none", Topology="none", Parts="none")
    stack.notify(stack.source)
    names = ["network/" + key("a"), "team/b/" + key("b"), key("c"), "network/AWSLogs/1/CloudTrail/x.json.gz"]
    assert [fits(WILDCARDS, name) for name in names] == [True, True, False, False]
    stored = [stack.put(name, flow_log(scans=1), stack.source) for name in names]
    function = stack.function()
    stack.feed(function)
    assert function.stop().outcomes() == [("summarized", None)] * 2
    uris = {summary["sources"][0]["uri"] for summary in stack.documents("summaries/")}
    assert uris == {stored[0].uri, stored[1].uri}


def test_two_stacks_for_two_prefixes(clients, stack):
    """Of one bucket, with one bucket of outputs each: an object belongs to one of them."""
    second = Stack(clients)
    try:
        settings = {"SourceBucketName": stack.source, "KmsKey": "none", "Topology": "none", "Parts": "none"}
        stack.deploy(**settings, SourceKeyPattern="first/AWSLogs/*vpcflowlogs/*.log*")
        second.deploy(**settings, SourceKeyPattern="second/AWSLogs/*vpcflowlogs/*.log*")
        stack.notify(stack.source)
        stored = [stack.put(f"{name}/{key('a')}", flow_log(scans=1), stack.source) for name in ("first", "second")]
        for one, object_ in zip((stack, second), stored, strict=True):
            function = one.function()
            one.feed(function)
            assert function.stop().outcomes() == [("summarized", None)]
            [summary] = one.documents("summaries/")
            assert summary["sources"][0]["uri"] == object_.uri
        assert stack.environment["METRICS_NAMESPACE"] != second.environment["METRICS_NAMESPACE"]
    finally:
        second.close()
