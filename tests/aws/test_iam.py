"""Tests of the policy evaluation: one that allows everything would prove nothing."""

import pytest

import iam

ROLE = "arn:aws:iam::123456789012:role/r"
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}


def get(**context):
    return iam.call("s3:GetObject", "arn:aws:s3:::b/k", ROLE, **context)


def allowed(statement, one=None):
    return iam.is_allowed(one or get(), [{**ALLOW, **statement}])


@pytest.mark.parametrize(
    "statement, expected",
    [
        ({}, True),
        ({"Action": "S3:getobject"}, True),
        ({"Action": "s3:Get*"}, True),
        ({"Action": ["s3:PutObject", "s3:GetObjec?"]}, True),
        ({"Action": "s3:GetObjectVersion"}, False),
        ({"Action": "s3:Get"}, False),
        ({"Resource": "arn:aws:s3:::b"}, False),
        ({"Resource": "arn:aws:s3:::b/K"}, False),
        ({"Resource": ["arn:aws:s3:::c/*", "arn:aws:s3:::?/k"]}, True),
        ({"Resource": "arn:aws:s3:::b.k"}, False),
        ({"Effect": "Deny"}, False),
    ],
)
def test_actions_and_resources(statement, expected):
    assert allowed(statement) == expected


@pytest.mark.parametrize(
    "condition, expected",
    [
        ({"StringEquals": {"aws:x": "1"}}, True),
        ({"StringEquals": {"AWS:X": ["2", "1"]}}, True),
        ({"StringEquals": {"aws:x": "2"}}, False),
        ({"StringEquals": {"aws:y": "1"}}, False),
        ({"StringEqualsIfExists": {"aws:y": "1"}}, True),
        ({"StringEqualsIfExists": {"aws:x": "2"}}, False),
        ({"StringNotEquals": {"aws:y": "1"}}, True),
        ({"StringNotEquals": {"aws:x": ["1", "2"]}}, False),
        ({"StringEquals": {"aws:x": "1", "aws:y": "1"}}, False),
        ({"StringEquals": {"aws:x": "*"}}, False),
        ({"StringLike": {"aws:x": "*"}}, True),
        ({"ArnLike": {"aws:arn": "arn:aws:events:*:1:rule/*"}}, True),
        ({"ArnLike": {"aws:arn": "arn:aws:events:*:2:rule/*"}}, False),
        ({"Null": {"aws:x": "false"}}, True),
        ({"Null": {"aws:x": "true"}}, False),
        ({"Null": {"aws:y": True}}, True),
        ({"Bool": {"aws:SecureTransport": True}}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
    ],
)
def test_conditions(condition, expected):
    one = get(aws__x="1", aws__arn="arn:aws:events:us-east-1:1:rule/r", aws__SecureTransport="true")
    assert allowed({"Condition": condition}, one) == expected


@pytest.mark.parametrize(
    "statement",
    [
        {"Condition": {"IpAddress": {"aws:x": "10.0.0.0/8"}}},
        {"Resource": "arn:aws:s3:::${aws:PrincipalTag/bucket}/*"},
        {"NotAction": "s3:PutObject"},
    ],
)
def test_unknown_condition_raises_an_error(statement):
    with pytest.raises(NotImplementedError):
        allowed(statement, get(aws__x="1"))


def test_explicit_deny_on_either_side_wins():
    deny = {**ALLOW, "Effect": "Deny", "Principal": "*"}
    assert not iam.is_allowed(get(), [ALLOW], [deny])
    assert not iam.is_allowed(get(), [ALLOW, {**ALLOW, "Effect": "Deny"}])


@pytest.mark.parametrize(
    "principal, expected",
    [
        ("*", True),
        ({"AWS": ROLE}, True),
        ({"AWS": "arn:aws:iam::123456789012:root"}, True),
        ({"AWS": "arn:aws:iam::999999999999:root"}, False),
        ({"Service": ["events.amazonaws.com"]}, False),
    ],
)
def test_resource_policy_names_the_principals(principal, expected):
    assert iam.is_allowed(get(), [], [{**ALLOW, "Principal": principal}]) == expected


def test_key_delegating_to_iam_needs_both_policies():
    key = "arn:aws:kms:us-east-1:123456789012:key/k"
    one = iam.call("kms:Decrypt", key, ROLE)
    own = [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key}]
    root = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}
    policies = lambda statement: {key: [statement]}
    assert iam.denied([one], own, policies(root)) == []
    assert iam.denied([one], [], policies(root)) == [one]
    assert iam.denied([one], own, {}) == [one]
    assert iam.denied([one], [], policies({**root, "Principal": {"AWS": ROLE}})) == []


def test_unused_permissions_are_listed():
    calls = [get()]
    actions, resources = ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::b/*", "arn:aws:s3:::c"]
    double = {**ALLOW, "Sid": "Two", "Action": actions, "Resource": resources}
    assert iam.not_needed(calls, [double]) == ["Two: s3:PutObject", "Two: arn:aws:s3:::c"]
    assert iam.not_needed(calls, [{**ALLOW, "Sid": "One"}]) == []
    assert iam.not_needed(calls, [{**ALLOW, "Sid": "One"}, {**ALLOW, "Sid": "Again"}]) == ["One", "Again"]
