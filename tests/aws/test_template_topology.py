"""The nested stack of the discovery, and the role in other accounts: what they are given, and what they may do."""

import re

import pytest

import iam
from function import REGION
from parameter_sets import KEY, deployed
from template import ACCOUNT, STACK_UUID, Resolved, load, transformed
from test_template import PARAMETERS, references

OTHERS = "new buckets, discovery of other accounts"
NESTED = load("stacks/topology.yaml")
DESCRIBED = [
    "DescribeManagedPrefixLists",
    "DescribeNetworkAcls",
    "DescribeNetworkInterfaces",
    "DescribePrefixLists",
    "DescribeRouteTables",
    "DescribeSecurityGroups",
    "DescribeSubnets",
    "DescribeVpcPeeringConnections",
    "DescribeVpcs",
]
sets = pytest.mark.parametrize("name", ["defaults", OTHERS])


def nested(name):
    return deployed(name).nested("TopologyStack")


def reader(**more):
    trusted = nested(OTHERS).outputs()["FunctionRoleArn"]
    parameters = {"TrustedRoleArn": trusted, "ExternalId": STACK_UUID, **more}
    return Resolved(load("stacks/topology-reader.yaml"), parameters, account="111122223333")


def test_the_own_account_is_discovered_unless_there_is_another_topology():
    made = lambda **given: "TopologyStack" in Resolved(transformed(given), given).resources()
    assert made() and not made(Topology="none")
    assert not made(Topology="upload") and not made(Topology="s3://inventory/vpc/")


def test_every_parameter_is_described_bounded_used_and_given():
    used = references([NESTED[part] for part in ("Conditions", "Resources")])
    given = deployed(OTHERS).properties("TopologyStack")["Parameters"]
    assert set(NESTED["Parameters"]) == set(given) | {"Prefix", "RoleName"} == used & set(NESTED["Parameters"])
    for name, parameter in NESTED["Parameters"].items():
        assert 20 <= len(parameter["Description"]) <= 300 and parameter["Description"].endswith("."), name
        assert {"AllowedValues", "AllowedPattern"} & set(parameter), name
    for name in ("Regions", "AccountIds", "Architecture", "PermissionsBoundaryArn"):
        for limit in ("AllowedPattern", "AllowedValues"):
            assert NESTED["Parameters"][name].get(limit) == PARAMETERS[name].get(limit), name


@sets
def test_given_values_match_the_patterns(name):
    for parameter, value in nested(name).parameters.items():
        pattern = NESTED["Parameters"][parameter].get("AllowedPattern", ".*")
        # Made-up names of buckets have capitals.
        value = value.lower() if parameter == "BucketName" else str(value)
        assert re.fullmatch(pattern, value), f"{parameter}: {value}"


def test_the_variables_of_the_function_fit_into_4_kb():
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    longest = {"KmsKey": f"arn:aws-us-gov:kms:us-gov-east-1:123456789012:key/mrk-{'1' * 32}", "OutputBucketName": "b" * 63}
    for name, entry in (("AccountIds", "123456789012,"), ("Regions", "ap-southeast-1,")):
        most = PARAMETERS[name]["MaxLength"]
        longest[name] = (entry * (most // len(entry) + 1))[: most + 1 - (most + 1) % len(entry)].removesuffix(",")
        assert re.fullmatch(PARAMETERS[name]["AllowedPattern"], longest[name])
    assert len(longest["AccountIds"].split(",")) == 220
    stack = Resolved(transformed(longest), longest, stack="s" * 70, region="ap-southeast-1").nested("TopologyStack")
    variables = stack.one("AWS::Lambda::Function")["Environment"]["Variables"]
    assert 3500 < sum(len(name) + len(value) for name, value in variables.items()) <= 4096


def test_conditions_are_covered():
    # The defaults have a key of the stack.
    plain = {"KmsKey": "none", "Parts": "none"}
    stacks = [nested(OTHERS), Resolved(transformed(plain), plain).nested("TopologyStack")]
    for condition in NESTED["Conditions"]:
        assert {one.conditions[condition] for one in stacks} == {True, False}, condition


def test_the_function_stores_where_the_other_one_reads():
    for name in ("defaults", OTHERS):
        function = nested(name).one("AWS::Lambda::Function")
        variables = function["Environment"]["Variables"]
        analysis = deployed(name).one("AWS::Lambda::Function")["Environment"]["Variables"]
        for shared in ("TOPOLOGY_URI", "OUTPUT_KMS_KEY_ARN", "METRICS_NAMESPACE"):
            assert variables[shared] == analysis[shared]
        # Complete before the flow logs of its time are analyzed: a file has five minutes.
        assert function["Timeout"] < 300
        assert function["Role"] == nested(name).arn("FunctionRole")
        assert function["Architectures"] == [deployed(name).parameters["Architecture"]]
    assert variables["TOPOLOGY_REGIONS"] == "us-east-1,eu-west-1"
    assert variables["TOPOLOGY_ACCOUNTS"] == "111122223333,444455556666"
    assert variables["TOPOLOGY_EXTERNAL_ID"] == deployed(OTHERS).outputs()["TopologyExternalId"] == STACK_UUID


def test_a_schedule_starts_the_function_every_hour():
    stack = nested("defaults")
    schedule = stack.one("AWS::Scheduler::Schedule")
    assert (schedule["ScheduleExpression"], schedule.get("State", "ENABLED")) == ("rate(1 hour)", "ENABLED")
    assert schedule["Target"]["Arn"] == stack.arn("Function")
    role = stack.properties("ScheduleRole")
    trust = iam.statements(role["AssumeRolePolicyDocument"])
    own = iam.statements(*(policy["PolicyDocument"] for policy in role["Policies"]))
    assume = lambda account: iam.call(
        "sts:AssumeRole", stack.arn("ScheduleRole"), "scheduler.amazonaws.com", aws__SourceAccount=account,
        aws__SourceArn=f"arn:aws:scheduler:{REGION}:{account}:schedule-group/default",
    )  # fmt: skip
    assert iam.is_allowed(assume(ACCOUNT), [], trust) and not iam.is_allowed(assume("999999999999"), [], trust)
    needed = [iam.call("lambda:InvokeFunction", stack.arn("Function"), stack.arn("ScheduleRole"))]
    assert iam.denied(needed, own) == [] and iam.not_needed(needed, own) == []


def calls(stack):
    """Returns the calls of the function."""
    principal, prefix = stack.arn("FunctionRole"), stack.parameters["Prefix"]
    bucket = f"arn:aws:s3:::{stack.parameters['BucketName']}"
    make = lambda action, resource, **context: iam.call(action, resource, principal, **context)
    for name in DESCRIBED:
        yield make(f"ec2:{name}", "*")
    yield make("ec2:GetManagedPrefixListEntries", f"arn:aws:ec2:{REGION}:aws:prefix-list/pl-0123")
    if stack.parameters["AccountIds"]:
        yield make("sts:AssumeRole", "arn:aws:iam::111122223333:role/flowsentry-topology-reader")
    yield make("s3:ListBucket", bucket)
    snapshot = f"{bucket}/{prefix}snapshots/2026-11-23T06-00-00Z/manifest.json"
    yield make("s3:GetObject", snapshot)
    yield make("s3:PutObject", snapshot, s3__if_none_match="*")
    yield make("s3:PutObject", f"{bucket}/{prefix}checked.json")
    if arn := stack.parameters["BucketKmsKeyArn"] or (f"{KEY}9" if stack.parameters["BucketName"] in EXISTING else None):
        for context in (bucket, snapshot):
            via = {"kms__ViaService": f"s3.{REGION}.amazonaws.com", "kms__EncryptionContext__aws__s3__arn": context}
            yield from (make(action, arn, **via) for action in ("kms:GenerateDataKey", "kms:Decrypt"))
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{stack.ref('LogGroup')}:log-stream:x"
    yield from (make(action, group) for action in ("logs:CreateLogStream", "logs:PutLogEvents"))


# An existing bucket may have a key that the stack does not know.
EXISTING = {"our-results"}


def existing_output():
    given = {"OutputBucketName": "our-results"}
    return Resolved(transformed(given), given).nested("TopologyStack")


@pytest.mark.parametrize("name", ["defaults", OTHERS, "existing output"])
def test_the_role_allows_exactly_the_calls(name):
    stack = existing_output() if name == "existing output" else nested(name)
    own = iam.statements(*(policy["PolicyDocument"] for policy in stack.properties("FunctionRole")["Policies"]))
    delegates = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    policies = {stack.parameters["BucketKmsKeyArn"] or f"{KEY}9": [delegates]}
    needed = list(calls(stack))
    assert iam.denied(needed, own, policies) == []
    assert iam.not_needed(needed, own, policies) == []
    principal, prefix = stack.arn("FunctionRole"), stack.parameters["Prefix"]
    bucket = f"arn:aws:s3:::{stack.parameters['BucketName']}"
    for action, resource in [
        ("s3:PutObject", f"{bucket}/{prefix}snapshots/2026-11-23T06-00-00Z/manifest.json"),
        ("s3:DeleteObject", f"{bucket}/{prefix}checked.json"),
        ("s3:GetObject", f"{bucket}/{prefix}../summaries/x.json"),
        ("ec2:CreateRoute", "*"),
        ("sts:AssumeRole", "arn:aws:iam::111122223333:role/admin"),
    ]:
        assert iam.denied([iam.call(action, resource, principal)], own), action
    boundary = "arn:aws:iam::123456789012:policy/boundary" if name == OTHERS else None
    assert {one.get("PermissionsBoundary") for one in stack.resources("AWS::IAM::Role").values()} == {boundary}


def test_other_accounts_trust_the_function_with_the_external_id():
    stack = reader()
    role = stack.properties("ReaderRole")
    assert role["RoleName"] == nested(OTHERS).parameters["RoleName"]
    trust = iam.statements(role["AssumeRolePolicyDocument"])
    function = nested(OTHERS).outputs()["FunctionRoleArn"]
    assume = lambda who, id: iam.call("sts:AssumeRole", stack.arn("ReaderRole"), who, sts__ExternalId=id)
    assert iam.is_allowed(assume(function, STACK_UUID), [], trust)
    assert not iam.is_allowed(assume(function, "another"), [], trust)
    assert not iam.is_allowed(assume(f"{function}2", STACK_UUID), [], trust)
    own = iam.statements(*(policy["PolicyDocument"] for policy in role["Policies"]))
    make = lambda action, resource: iam.call(action, resource, stack.arn("ReaderRole"))
    needed = [make(f"ec2:{name}", "*") for name in DESCRIBED]
    needed.append(make("ec2:GetManagedPrefixListEntries", "arn:aws:ec2:eu-west-1:aws:prefix-list/pl-0123"))
    assert iam.denied(needed, own) == [] and iam.not_needed(needed, own) == []
    actions = [action for one in own for action in iam.listed(one["Action"])]
    assert all(re.fullmatch(r"ec2:(Describe[A-Za-z]+|GetManagedPrefixListEntries)", action) for action in actions)


def test_alarms_watch_the_function_and_reach_the_topic():
    stack = nested(OTHERS)
    alarms = stack.resources("AWS::CloudWatch::Alarm")
    assert {id: (one["Namespace"], one["MetricName"]) for id, one in alarms.items()} == {
        "TopologyStaleAlarm": ("FlowSentry/flowsentry", "TopologyStale"),
        "TopologyErrorsAlarm": ("AWS/Lambda", "Errors"),
    }
    assert alarms["TopologyErrorsAlarm"]["Dimensions"] == [{"Name": "FunctionName", "Value": stack.ref("Function")}]
    for one in alarms.values():
        assert one["AlarmActions"] == one["OKActions"] == [deployed(OTHERS).ref("Topic")]
        # One check an hour: a period must have one.
        assert (one["Period"], one["DatapointsToAlarm"], one["EvaluationPeriods"]) == (3600, 3, 4)
    group = stack.properties("LogGroup")
    # The key policy of the stack's own key names these log groups.
    assert (group["LogGroupName"], group["KmsKeyId"]) == ("/flowsentry/flowsentry/topology", f"{KEY}3")
