"""The stack of a stream next to that of the template: its permissions, and the way of its objects to the function."""

import re
from datetime import datetime, timezone

import pytest

import firehose
import iam
from function import REGION
from parameter_sets import KEY, deployed
from template import ACCOUNT, Resolved, load, transformed
from test_template import event_pattern, fits, references
from test_template_policies import policy_documents

STREAM = "AWS::KinesisFirehose::DeliveryStream"
NESTED = load("stacks/firehose.yaml")
NOW = datetime(2026, 11, 23, 6, 14, 59, tzinfo=timezone.utc)
GROUP = "/vpc/flow-logs"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
either = pytest.mark.parametrize("group", ["", GROUP], ids=["flow logs", "subscription"])


def stream(group, root=None, **parameters):
    """Returns a stack next to that of the template, with values of its outputs."""
    root = root or deployed("defaults")
    outputs = root.outputs()
    given = {"BucketName": outputs["SourceBucketName"], "TopicArn": outputs["TopicArn"]}
    given |= {"PipelineKmsKeyArn": outputs.get("KmsKeyArn", ""), "SubscribedLogGroupName": group}
    return Resolved(NESTED, {**given, **parameters}, stack="flowsentry-firehose")


def plain(group):
    return stream(group, PipelineKmsKeyArn="")


def with_keys(group):
    more = {"BucketKmsKeyArn": f"{KEY}1", "PipelineKmsKeyArn": f"{KEY}3", "PermissionsBoundaryArn": BOUNDARY}
    return stream(group, BufferMegabytes="128", BufferSeconds="300", SourcePrefix="network/", **more)


def destination(nested):
    return nested.one(STREAM)["ExtendedS3DestinationConfiguration"]


def test_every_parameter_is_described_bounded_and_used():
    used = references([NESTED[part] for part in ("Conditions", "Resources")])
    assert set(NESTED["Parameters"]) == used & set(NESTED["Parameters"])
    for name, parameter in NESTED["Parameters"].items():
        assert 30 <= len(parameter["Description"]) <= 300 and parameter["Description"].endswith("."), name
        assert {"AllowedValues", "AllowedPattern", "MinValue"} & set(parameter), name


@either
def test_outputs_of_the_template_match_the_patterns(group):
    for name, value in (*stream(group).parameters.items(), *with_keys(group).parameters.items()):
        pattern = NESTED["Parameters"][name].get("AllowedPattern", ".*")
        # Made-up names of buckets have capitals.
        value = value.lower() if name == "BucketName" else str(value)
        assert re.fullmatch(pattern, value), f"{name}: {value}"


def test_conditions_are_covered():
    nested = [make(group) for make in (plain, with_keys) for group in ("", GROUP)]
    for condition in NESTED["Conditions"]:
        assert {one.conditions[condition] for one in nested} == {True, False}, condition


@either
def test_stream_writes_large_gzip_objects_in_lines(group):
    nested = stream(group)
    properties, target = nested.one(STREAM), destination(nested)
    assert properties["DeliveryStreamType"] == "DirectPut"
    assert (target["CompressionFormat"], target["BufferingHints"]) == ("GZIP", {"SizeInMBs": 64, "IntervalInSeconds": 900})
    assert destination(with_keys(group))["BufferingHints"] == {"SizeInMBs": 128, "IntervalInSeconds": 300}
    processors = target["ProcessingConfiguration"]["Processors"]
    newline = {"Type": "AppendDelimiterToRecord", "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}
    parameter = lambda name, value: [{"ParameterName": name, "ParameterValue": value}]
    extraction = [
        {"Type": "Decompression", "Parameters": parameter("CompressionFormat", "GZIP")},
        {"Type": "CloudWatchLogProcessing", "Parameters": parameter("DataMessageExtraction", "true")},
    ]
    assert processors == ([*extraction, newline] if group else [newline])
    # Flow logs may be delivered only to a stream with this tag, and not to one that decompresses.
    tags = None if group else [{"Key": "LogDeliveryEnabled", "Value": "true"}]
    assert properties.get("Tags") == tags


@either
def test_streams_use_the_keys(group):
    own = with_keys(group)
    encryption = lambda nested: nested.one(STREAM)["DeliveryStreamEncryptionConfigurationInput"]
    assert encryption(plain(group)) == {"KeyType": "AWS_OWNED_CMK"}
    assert encryption(own) == {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": f"{KEY}3"}
    assert encryption(stream(group))["KeyARN"] == deployed("defaults").arn("Key")
    assert "EncryptionConfiguration" not in destination(plain(group))
    assert destination(own)["EncryptionConfiguration"] == {"KMSEncryptionConfig": {"AWSKMSKeyARN": f"{KEY}1"}}
    assert "KmsKeyId" not in plain(group).properties("LogGroup") and own.properties("LogGroup")["KmsKeyId"] == f"{KEY}3"
    # The policy of the template's key allows the log groups of stacks with such a name.
    assert own.ref("LogGroup") == "/flowsentry/flowsentry-firehose"


@either
@pytest.mark.parametrize(("prefix", "pattern"), [("", "AWSLogs/*vpcflowlogs/*.log*"), ("a/b/", "a/b/*")])
def test_rule_matches_objects_of_the_streams(group, prefix, pattern):
    parameters = {"SourceKeyPattern": pattern}
    root = Resolved(transformed(parameters), parameters)
    nested = stream(group, root, SourcePrefix=prefix)
    key = firehose.object_key("flow-logs", 1, destination(nested), NOW)
    folder = "cloudwatch-logs" if group else "firehose"
    # The partitions of the outputs are these parts of the key: account, Region and date.
    partition = f"{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/23/06"
    assert re.fullmatch(rf"{prefix}AWSLogs/{folder}/{partition}/flow-logs-1-2026-11-23-06-14-59-[\w-]+\.log\.gz", key)
    [wildcard] = event_pattern(root)["detail"]["object"]["key"]
    assert fits(wildcard["wildcard"], key)
    failed = f"{prefix}firehose-errors/{folder}/decompression-failed/2026/11/23/x"
    assert destination(nested)["ErrorOutputPrefix"].startswith(f"{prefix}firehose-errors/{folder}/!{{")
    # An asterisk alone matches them too; the function ignores them.
    assert fits(wildcard["wildcard"], failed) == (pattern != "AWSLogs/*vpcflowlogs/*.log*")
    # The columns of headerless records, by the beginning of the object's URI.
    entry = nested.outputs()["LogFormatsEntry"].split('"')[1]
    assert f"s3://{root.outputs()['SourceBucketName']}/{key}".startswith(entry) and entry.endswith(f"/{folder}/")


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
    for prefix in ("Prefix", "ErrorOutputPrefix"):
        key = f"{bucket}/{destination(nested)[prefix].split('!')[0]}2026/11/23/x"
        for action in ("s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"):
            yield make(action, key)
        if arn := nested.parameters["BucketKmsKeyArn"]:
            for context in (bucket, key):
                via = {"kms__ViaService": f"s3.{REGION}.amazonaws.com", "kms__EncryptionContext__aws__s3__arn": context}
                yield from (make(action, arn, **via) for action in ("kms:GenerateDataKey", "kms:Decrypt"))
    group = nested.ref("LogGroup")
    yield make("logs:PutLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:{nested.ref('LogStream')}")


@either
@pytest.mark.parametrize("make", [stream, with_keys])
def test_delivery_role_allows_exactly_the_documented_calls(make, group):
    nested = make(group)
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
        ("s3:DeleteObject", f"{bucket}/{destination(nested)['Prefix'].split('!')[0]}x"),
    ]:
        assert iam.denied([iam.call(action, resource, principal)], own)


@either
def test_roles_trust_one_service(group):
    nested = stream(group)
    trusts = lambda name: iam.statements(nested.properties(name)["AssumeRolePolicyDocument"])
    assume = lambda who, **context: iam.call("sts:AssumeRole", nested.arn("DeliveryRole"), who, **context)
    assert iam.is_allowed(assume("firehose.amazonaws.com"), [], trusts("DeliveryRole"))
    assert not iam.is_allowed(assume("logs.amazonaws.com"), [], trusts("DeliveryRole"))
    if not group:
        assert list(nested.resources("AWS::IAM::Role")) == ["DeliveryRole"]
        return
    arn, service = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*", f"logs.{REGION}.amazonaws.com"
    subscribed = lambda arn: iam.is_allowed(assume(service, aws__SourceArn=arn), [], trusts("SubscriptionRole"))
    assert subscribed(arn) and not subscribed(arn.replace(ACCOUNT, "999999999999"))


def test_subscription_sends_to_its_stream_only():
    nested = stream(GROUP)
    arn, principal = nested.arn("Stream"), nested.arn("SubscriptionRole")
    needed = [iam.call(action, arn, principal) for action in ("firehose:PutRecord", "firehose:PutRecordBatch")]
    own = role(nested, "SubscriptionRole")
    assert iam.denied(needed, own) == [] and iam.not_needed(needed, own) == []
    assert iam.denied([iam.call("firehose:PutRecord", f"{arn}-2", principal)], own)
    assert nested.one("AWS::Logs::SubscriptionFilter") == {
        "LogGroupName": "/vpc/flow-logs",
        "FilterPattern": "",
        "DestinationArn": arn,
        "RoleArn": principal,
    }


@either
def test_policies_have_no_wildcards_and_roles_the_boundary(group):
    nested = with_keys(group)
    for resource in nested.resources().values():
        for one in (one for document in policy_documents(resource) for one in iam.statements(document)):
            assert not any("*" in action for action in iam.listed(one["Action"]))
            assert "*" not in iam.listed(one.get("Resource", []))
    for properties in nested.resources("AWS::IAM::Role").values():
        assert properties["PermissionsBoundary"] == "arn:aws:iam::123456789012:policy/boundary"
        assert "ManagedPolicyArns" not in properties
    for properties in stream(group).resources("AWS::IAM::Role").values():
        assert "PermissionsBoundary" not in properties


@either
def test_alarms_watch_the_stream_and_reach_the_topic(group):
    root, nested = deployed("defaults"), stream(group)
    alarms = nested.resources("AWS::CloudWatch::Alarm")
    decompresses = {"DecompressionAlarm": "OutputDecompressedRecords.Failed"} if group else {}
    expected = {"FirehoseDelayAlarm": "DeliveryToS3.DataFreshness", **decompresses}
    assert {name: alarm["MetricName"] for name, alarm in alarms.items()} == expected
    for alarm in alarms.values():
        assert alarm["Namespace"] == "AWS/Firehose"
        assert alarm["Dimensions"] == [{"Name": "DeliveryStreamName", "Value": nested.ref("Stream")}]
        assert alarm["AlarmActions"] == alarm["OKActions"] == [root.ref("Topic")]
    # Longer than the longest buffer.
    assert alarms["FirehoseDelayAlarm"]["Threshold"] >= 2 * NESTED["Parameters"]["BufferSeconds"]["MaxValue"]
    # CloudFormation names the alarms after their stack, so that the topic policy allows them.
    [policy] = root.resources("AWS::SNS::TopicPolicy").values()
    arn = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:flowsentry-firehose-FirehoseDelayAlarm-1ABCDEFGHIJKL"
    sends = iam.call(
        "sns:Publish", root.ref("Topic"), "cloudwatch.amazonaws.com", aws__SourceArn=arn, aws__SourceAccount=ACCOUNT,
        aws__SecureTransport="true",
    )  # fmt: skip
    assert iam.is_allowed(sends, [], iam.statements(policy["PolicyDocument"]))
