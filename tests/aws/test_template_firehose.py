"""The nested stack: its streams, their permissions, and the way of their objects to the function."""

import re
from datetime import datetime, timezone

import pytest

import firehose
import iam
from function import REGION
from parameter_sets import KEY, PARAMETER_SETS, deployed
from template import ACCOUNT, NESTED_STACK, Resolved, load, transformed
from test_template import PARAMETERS, event_pattern, fits, references
from test_template_policies import policy_documents

STREAM = "AWS::KinesisFirehose::DeliveryStream"
NESTED = load("stacks/firehose.yaml")
BOTH = {"CreateFirehoseStream": "yes", "SubscribedLogGroupName": "/vpc/flow-logs"}
WITH_KEYS = deployed("new buckets, own keys, own topology bucket")
NOW = datetime(2026, 11, 23, 6, 14, 59, tzinfo=timezone.utc)
either = pytest.mark.parametrize("id", ["FirehoseStack", "SubscriptionStack"])


def root(**parameters):
    parameters = {**BOTH, **parameters}
    return Resolved(transformed(parameters), parameters)


def of_firehose(stack):
    """Returns the nested stacks with a stream, by id."""
    nested = stack.resources(NESTED_STACK).items()
    return {id: one for id, one in nested if one["TemplateURL"] == "stacks/firehose.yaml"}


def destination(nested):
    return nested.one(STREAM)["ExtendedS3DestinationConfiguration"]


def test_no_stream_by_default():
    for name, given in PARAMETER_SETS.items():
        expected = ["FirehoseStack", "SubscriptionStack"] if "CreateFirehoseStream" in given else []
        assert list(of_firehose(deployed(name))) == expected
    assert list(of_firehose(root(CreateFirehoseStream="no"))) == ["SubscriptionStack"]
    assert list(of_firehose(root(SubscribedLogGroupName=""))) == ["FirehoseStack"]


def test_every_parameter_is_described_bounded_used_and_given():
    used = references([NESTED[part] for part in ("Conditions", "Resources")])
    given = [set(one["Parameters"]) for one in of_firehose(WITH_KEYS).values()]
    assert set(NESTED["Parameters"]) == set.union(*given) == used & set(NESTED["Parameters"])
    for name, parameter in NESTED["Parameters"].items():
        assert 30 <= len(parameter["Description"]) <= 300 and parameter["Description"].endswith("."), name
        assert {"AllowedValues", "AllowedPattern", "MinValue"} & set(parameter), name
    for limit in ("MinValue", "MaxValue", "Default"):
        for name in ("BufferMegabytes", "BufferSeconds"):
            assert NESTED["Parameters"][name][limit] == PARAMETERS[f"Firehose{name}"][limit]
    assert NESTED["Parameters"]["LogRetentionDays"]["AllowedValues"] == PARAMETERS["LogRetentionDays"]["AllowedValues"]


@either
@pytest.mark.parametrize("prefix", ["", "network/"])
def test_given_values_match_the_patterns(id, prefix):
    for stack in (root(SourcePrefix=prefix), WITH_KEYS):
        for name, value in stack.nested(id).parameters.items():
            pattern = NESTED["Parameters"][name].get("AllowedPattern", ".*")
            # Made-up names of buckets have capitals.
            value = value.lower() if name == "BucketName" else str(value)
            assert re.fullmatch(pattern, value), f"{name}: {value}"


def test_conditions_are_covered():
    nested = [stack.nested(id) for stack in (root(PipelineKey="aws-managed"), WITH_KEYS) for id in of_firehose(stack)]
    for condition in NESTED["Conditions"]:
        assert {one.conditions[condition] for one in nested} == {True, False}, condition


@either
def test_stream_writes_large_gzip_objects_in_lines(id):
    nested = root().nested(id)
    stream, target = nested.one(STREAM), destination(nested)
    assert stream["DeliveryStreamType"] == "DirectPut"
    assert (target["CompressionFormat"], target["BufferingHints"]) == ("GZIP", {"SizeInMBs": 64, "IntervalInSeconds": 900})
    assert destination(WITH_KEYS.nested(id))["BufferingHints"] == {"SizeInMBs": 128, "IntervalInSeconds": 300}
    processors = target["ProcessingConfiguration"]["Processors"]
    newline = {"Type": "AppendDelimiterToRecord", "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}
    parameter = lambda name, value: [{"ParameterName": name, "ParameterValue": value}]
    extraction = [
        {"Type": "Decompression", "Parameters": parameter("CompressionFormat", "GZIP")},
        {"Type": "CloudWatchLogProcessing", "Parameters": parameter("DataMessageExtraction", "true")},
    ]
    assert processors == ([*extraction, newline] if id == "SubscriptionStack" else [newline])
    # Flow logs may be delivered only to a stream with this tag, and not to one that decompresses.
    tags = None if id == "SubscriptionStack" else [{"Key": "LogDeliveryEnabled", "Value": "true"}]
    assert stream.get("Tags") == tags
    assert nested.parameters["TopicArn"] == root().ref("Topic")


@either
def test_streams_use_the_keys_of_the_stack(id):
    plain, own = root(PipelineKey="aws-managed").nested(id), WITH_KEYS.nested(id)
    encryption = lambda nested: nested.one(STREAM)["DeliveryStreamEncryptionConfigurationInput"]
    assert encryption(plain) == {"KeyType": "AWS_OWNED_CMK"}
    assert encryption(own) == {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": f"{KEY}3"}
    assert encryption(root().nested(id))["KeyARN"] == root().arn("PipelineKmsKey")
    assert "EncryptionConfiguration" not in destination(plain)
    assert destination(own)["EncryptionConfiguration"] == {"KMSEncryptionConfig": {"AWSKMSKeyARN": f"{KEY}1"}}
    assert "KmsKeyId" not in plain.properties("LogGroup") and own.properties("LogGroup")["KmsKeyId"] == f"{KEY}3"
    # The key policy of the stack's own key names these log groups.
    assert own.ref("LogGroup").startswith("/flowsentry/flowsentry/")


@either
@pytest.mark.parametrize("parameters", [{}, {"SourcePrefix": "network/"}, {"SourceKeyPattern": "*", "SourcePrefix": "a/b/"}])
def test_rule_matches_objects_of_the_streams(id, parameters):
    stack = root(**parameters)
    assert stack.broken_rules() == []
    key = firehose.object_key("flow-logs", 1, destination(stack.nested(id)), NOW)
    folder = {"FirehoseStack": "firehose", "SubscriptionStack": "cloudwatch-logs"}[id]
    prefix = stack.parameters["SourcePrefix"]
    # The partitions of the outputs are these parts of the key: account, Region and date.
    partition = f"{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/23/06"
    assert re.fullmatch(rf"{prefix}AWSLogs/{folder}/{partition}/flow-logs-1-2026-11-23-06-14-59-[\w-]+\.log\.gz", key)
    [pattern] = event_pattern(stack)["detail"]["object"]["key"]
    assert fits(pattern["wildcard"], key)
    failed = f"{prefix}firehose-errors/{folder}/decompression-failed/2026/11/23/x"
    assert destination(stack.nested(id))["ErrorOutputPrefix"].startswith(f"{prefix}firehose-errors/{folder}/!{{")
    # An asterisk alone matches them too; the function ignores them.
    assert fits(pattern["wildcard"], failed) == ("SourceKeyPattern" in parameters)


def role(nested, id):
    return iam.statements(*(policy["PolicyDocument"] for policy in nested.properties(id)["Policies"]))


def calls(nested):
    """Returns the calls of Firehose that AWS documents, for an object, a failed record and a line of its log.

    https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-s3
    """
    principal, bucket = nested.arn("DeliveryRole"), f"arn:aws:s3:::{nested.parameters['BucketName']}"
    make = lambda action, resource, **context: iam.call(action, resource, principal, **context)
    for action in ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"):
        yield make(action, bucket)
    for prefix in ("Prefix", "ErrorPrefix"):
        key = f"{bucket}/{nested.parameters[prefix]}2026/11/23/x"
        for action in ("s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"):
            yield make(action, key)
        if arn := nested.parameters["BucketKmsKeyArn"]:
            for context in (bucket, key):
                via = {"kms__ViaService": f"s3.{REGION}.amazonaws.com", "kms__EncryptionContext__aws__s3__arn": context}
                yield from (make(action, arn, **via) for action in ("kms:GenerateDataKey", "kms:Decrypt"))
    group = nested.ref("LogGroup")
    yield make("logs:PutLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:{nested.ref('LogStream')}")


@either
@pytest.mark.parametrize("stack", [root(), WITH_KEYS], ids=["defaults", "with keys"])
def test_delivery_role_allows_exactly_the_documented_calls(stack, id):
    nested = stack.nested(id)
    own, needed = role(nested, "DeliveryRole"), list(calls(nested))
    delegates = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    policies = {nested.parameters["BucketKmsKeyArn"] or "none": [delegates]}
    assert iam.denied(needed, own, policies) == []
    assert iam.not_needed(needed, own, policies) == []
    bucket = f"arn:aws:s3:::{nested.parameters['BucketName']}"
    principal = nested.arn("DeliveryRole")
    for action, resource in [
        ("s3:PutObject", f"{bucket}/AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/23/x.log.gz"),
        ("s3:PutObject", f"{bucket}/flowsentry/summaries/x"),
        ("s3:DeleteObject", f"{bucket}/{nested.parameters['Prefix']}x"),
    ]:
        assert iam.denied([iam.call(action, resource, principal)], own)


@either
def test_roles_trust_one_service(id):
    nested = root().nested(id)
    trusts = lambda name: iam.statements(nested.properties(name)["AssumeRolePolicyDocument"])
    assume = lambda who, **context: iam.call("sts:AssumeRole", nested.arn("DeliveryRole"), who, **context)
    assert iam.is_allowed(assume("firehose.amazonaws.com"), [], trusts("DeliveryRole"))
    assert not iam.is_allowed(assume("logs.amazonaws.com"), [], trusts("DeliveryRole"))
    if id == "FirehoseStack":
        assert list(nested.resources("AWS::IAM::Role")) == ["DeliveryRole"]
        return
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/vpc/flow-logs:*"
    subscribed = lambda arn: iam.is_allowed(assume("logs.amazonaws.com", aws__SourceArn=arn), [], trusts("SubscriptionRole"))
    assert subscribed(group) and not subscribed(group.replace(ACCOUNT, "999999999999"))


def test_subscription_sends_to_its_stream_only():
    nested = root().nested("SubscriptionStack")
    stream, principal = nested.arn("Stream"), nested.arn("SubscriptionRole")
    needed = [iam.call(action, stream, principal) for action in ("firehose:PutRecord", "firehose:PutRecordBatch")]
    own = role(nested, "SubscriptionRole")
    assert iam.denied(needed, own) == [] and iam.not_needed(needed, own) == []
    assert iam.denied([iam.call("firehose:PutRecord", f"{stream}-2", principal)], own)
    assert nested.one("AWS::Logs::SubscriptionFilter") == {
        "LogGroupName": "/vpc/flow-logs",
        "FilterPattern": "",
        "DestinationArn": stream,
        "RoleArn": principal,
    }


@either
def test_policies_have_no_wildcards_and_roles_the_boundary(id):
    nested = WITH_KEYS.nested(id)
    for resource in nested.resources().values():
        for one in (one for document in policy_documents(resource) for one in iam.statements(document)):
            assert not any("*" in action for action in iam.listed(one["Action"]))
            assert "*" not in iam.listed(one.get("Resource", []))
    for properties in nested.resources("AWS::IAM::Role").values():
        assert properties["PermissionsBoundary"] == "arn:aws:iam::123456789012:policy/boundary"
        assert "ManagedPolicyArns" not in properties
    for properties in root().nested(id).resources("AWS::IAM::Role").values():
        assert "PermissionsBoundary" not in properties


@either
def test_alarms_watch_the_stream_and_reach_the_topic(id):
    stack = root()
    nested = stack.nested(id)
    alarms = nested.resources("AWS::CloudWatch::Alarm")
    decompresses = {"DecompressionAlarm": "OutputDecompressedRecords.Failed"} if id == "SubscriptionStack" else {}
    expected = {"FirehoseDelayAlarm": "DeliveryToS3.DataFreshness", **decompresses}
    assert {name: alarm["MetricName"] for name, alarm in alarms.items()} == expected
    for alarm in alarms.values():
        assert alarm["Namespace"] == "AWS/Firehose"
        assert alarm["Dimensions"] == [{"Name": "DeliveryStreamName", "Value": nested.ref("Stream")}]
        assert alarm["AlarmActions"] == alarm["OKActions"] == [stack.ref("Topic")]
    # Longer than the longest buffer.
    assert alarms["FirehoseDelayAlarm"]["Threshold"] >= 2 * NESTED["Parameters"]["BufferSeconds"]["MaxValue"]
    # CloudFormation names the alarms after the nested stack, so that the topic policy allows them.
    [policy] = stack.resources("AWS::SNS::TopicPolicy").values()
    arn = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:flowsentry-{id}-1ABCDEFGHIJKL-FirehoseDelayAlarm-1"
    sends = iam.call(
        "sns:Publish", stack.ref("Topic"), "cloudwatch.amazonaws.com", aws__SourceArn=arn, aws__SourceAccount=ACCOUNT,
        aws__SecureTransport="true",
    )  # fmt: skip
    assert iam.is_allowed(sends, [], iam.statements(policy["PolicyDocument"]))
