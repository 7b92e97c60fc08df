"""Policies for each parameter set: least privilege, TLS, encryption, and immutable outputs."""

import json
import re

import pytest

from template import PATH, Resolved, inlined, load, transformed
from parameter_sets import A_DAY, KEY, PARAMETER_SETS, deployed

KINDS = ["summaries", "findings", "receipts", "quarantine"]
every_way = pytest.mark.parametrize("parameter_set", PARAMETER_SETS)


def statements(document):
    """Returns a policy's statements, with actions and resources as lists."""
    listed = lambda value: value if isinstance(value, list) else [value]
    as_lists = lambda one: {name: listed(one[name]) for name in ("Action", "Resource") if name in one}
    return [{**one, **as_lists(one)} for one in document["Statement"]]


def of_role(stack):
    [policy] = stack.properties("FunctionRole")["Policies"]
    return {one["Sid"]: one for one in statements(policy["PolicyDocument"])}


def resource_policies(stack):
    """Returns the resource policies, by resource."""
    for kind, names in (("S3::Bucket", "Bucket"), ("SQS::Queue", "Queues"), ("SNS::Topic", "Topics")):
        for properties in stack.resources(f"AWS::{kind}Policy").values():
            of = properties[names] if isinstance(properties[names], list) else [properties[names]]
            yield from ((one, statements(properties["PolicyDocument"])) for one in of)


@every_way
def test_role_has_no_wildcard_resources(parameter_set):
    """Actions have no asterisk, resources only at the end of a prefix, and objects cannot be deleted."""
    stack = deployed(parameter_set)
    role = of_role(stack)
    assert all(one["Effect"] == "Allow" for one in role.values())
    actions = {action for one in role.values() for action in one["Action"]}
    assert not any("*" in action for action in actions)
    assert not {action for action in actions if re.search("Delete|Acl|Tag|Policy", action)} - {"sqs:DeleteMessage"}
    for resource in (resource for one in role.values() for resource in one["Resource"]):
        service, name = re.fullmatch(r"arn:aws:(\w+):[\w-]*[*]?:[\d*]*:(.+)", resource).groups()
        if service == "s3":
            bucket, _, key = name.partition("/")
            # A bucket, a prefix, or the one object of the configuration.
            assert "*" not in bucket and (key == "" or re.fullmatch(r"([\w.=-]+/)+\*(\.json)?|[\w./=-]+", key)), resource
        else:
            streams = service == "logs" and re.fullmatch(r"log-group:/flowsentry/\w+:\*", name)
            # Any key, but only by S3 and for its data: test_role_with_a_kms_key_and_own_topology_bucket.
            keys = service == "kms" and name == "key/*"
            assert "*" not in name or streams or keys, resource
    trust = stack.properties("FunctionRole")["AssumeRolePolicyDocument"]
    assert [one["Principal"] for one in trust["Statement"]] == [{"Service": "lambda.amazonaws.com"}]
    assert "ManagedPolicyArns" not in stack.properties("FunctionRole")


# Statements with an asterisk as action, resource or part of an action, and why.
ALLOWED_EVERYTHING = {
    ("Key", "AllowAdministrationByIam"): "without it nobody could administer the key; IAM says who may",
    ("Key", "AllowCloudWatchLogs"): "kms:ReEncrypt* and kms:GenerateDataKey*, as AWS documents it",
    ("QueryPolicy", "ListWorkGroups"): "Athena's lists know no resources; they are for people, not for the function",
}


def policy_documents(node):
    """Yields all policies in a resource, at any depth."""
    if isinstance(node, dict):
        if "Statement" in node:
            yield node
        for part in node.values():
            yield from policy_documents(part)
    for part in node if isinstance(node, list) else []:
        yield from policy_documents(part)


def test_no_policy_allows_everything():
    """In a key policy, the resource `*` is the key itself."""
    found = set()
    for parameter_set in PARAMETER_SETS:
        for id, resource in deployed(parameter_set).resources().items():
            key = resource["Type"] == "AWS::KMS::Key"
            for one in (one for document in policy_documents(resource) for one in statements(document)):
                assert one.get("Principal") != "*" or one["Effect"] == "Deny", id
                if one["Effect"] == "Allow":
                    assert "NotAction" not in one and "NotResource" not in one
                    everything = not key and "*" in one.get("Resource", [])
                    if everything or any("*" in action for action in one["Action"]):
                        found.add((id, one["Sid"]))
    assert found == set(ALLOWED_EVERYTHING)


def test_role_with_default_parameters():
    stack = deployed("defaults")
    source, output = map(stack.arn, ("SourceBucket", "OutputBucket"))
    results = [f"{output}/flowsentry/{kind}/*" for kind in KINDS]
    expected = {
        "ReadFlowLogs": (["s3:GetObject", "s3:GetObjectVersion"], [f"{source}/AWSLogs/*"]),
        "ListForMissingObjects": (["s3:ListBucket"], [source, output]),
        "StoreOutputsOnce": (["s3:PutObject"], results),
        "CreateState": (["s3:PutObject"], [f"{output}/flowsentry/state/*"]),
        "ChangeState": (["s3:PutObject"], [f"{output}/flowsentry/state/*"]),
        "ReadOwnOutputs": (["s3:GetObject"], [*results, f"{output}/flowsentry/state/*"]),
        "SendAlerts": (["events:PutEvents"], [stack.arn("AlertBus")]),
        "ReceiveFromQueue": (["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], [stack.arn("Queue")]),
        "WriteLog": (["logs:CreateLogStream", "logs:PutLogEvents"], [stack.arn("LogGroup")]),
        "ReadTopology": (["s3:GetObject"], [f"{output}/flowsentry/topology/snapshots/*.json"]),
        "DecryptQueue": (["kms:Decrypt"], [stack.arn("Key")]),
    }
    role = of_role(stack)
    assert {sid: (one["Action"], one["Resource"]) for sid, one in role.items()} == expected
    kinds = ["VPC Flow Finding", "VPC Flow Digest"]
    assert {sid: one["Condition"] for sid, one in role.items() if "Condition" in one} == {
        "StoreOutputsOnce": {"Null": {"s3:if-none-match": "false"}},
        "CreateState": {"Null": {"s3:if-none-match": "false"}},
        "ChangeState": {"Null": {"s3:if-match": "false"}},
        "SendAlerts": {"StringEquals": {"events:source": "flowsentry", "events:detail-type": kinds}},
        "DecryptQueue": {"StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}},
    }
    assert "PermissionsBoundary" not in stack.properties("FunctionRole")


def test_role_with_a_kms_key_and_own_topology_bucket():
    stack = deployed("new buckets, own key, own topology bucket")
    role, (source, output) = of_role(stack), map(stack.arn, ("SourceBucket", "OutputBucket"))
    keys = {"DecryptInputs": "arn:aws:kms:*:*:key/*", "EncryptOutputs": f"{KEY}3", "DecryptQueue": f"{KEY}3"}
    assert {sid: role[sid]["Resource"] for sid in keys} == {sid: [key] for sid, key in keys.items()}
    inventory, settings = "arn:aws:s3:::our-inventory", "arn:aws:s3:::our-settings"
    inputs = [source, f"{source}/network/AWSLogs/*", inventory, f"{inventory}/vpc/*", settings, f"{settings}/flowsentry.toml"]
    assert role["DecryptInputs"]["Action"] == ["kms:Decrypt"]
    assert role["DecryptInputs"]["Condition"] == {
        "StringLike": {"kms:ViaService": "s3.*.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": inputs},
    }
    assert role["EncryptOutputs"]["Condition"] == {
        "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": [output, f"{output}/flowsentry/*"]},
    }
    assert role["EncryptOutputs"]["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
    assert role["DecryptQueue"]["Condition"] == {"StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}}
    what = lambda sid: (role[sid]["Action"], role[sid]["Resource"])
    assert what("ReadTopology") == (["s3:GetObject"], [f"{inventory}/vpc/*.json"])
    assert what("ListTopology") == (["s3:ListBucket"], [inventory])
    assert what("ReadConfig") == (["s3:GetObject"], ["arn:aws:s3:::our-settings/flowsentry.toml"])
    assert stack.properties("FunctionRole")["PermissionsBoundary"] == "arn:aws:iam::123456789012:policy/boundary"


def test_role_may_use_the_keys_of_existing_buckets():
    """The stack cannot know them, and the conditions limit their use to the data."""
    role = of_role(deployed("existing buckets, no keys, no email"))
    source, output, settings = "arn:aws:s3:::our-logs", "arn:aws:s3:::our-results", "flowsentry/config.toml"
    contexts = {sid: role[sid]["Condition"]["StringLike"]["kms:EncryptionContext:aws:s3:arn"] for sid in role if "crypt" in sid}
    assert contexts == {
        "DecryptInputs": [source, f"{source}/AWSLogs/*", output, f"{output}/{settings}"],
        "EncryptOutputs": [output, f"{output}/flowsentry/*"],
    }
    assert role["EncryptOutputs"]["Resource"] == ["arn:aws:kms:us-east-1:*:key/*"]


@every_way
def test_role_can_read_the_topology_prefix(parameter_set):
    stack = deployed(parameter_set)
    uri = stack.one("AWS::Lambda::Function")["Environment"]["Variables"].get("TOPOLOGY_URI")
    readable = of_role(stack).get("ReadTopology", {}).get("Resource")
    assert readable == (uri and [f"arn:aws:s3:::{uri.removeprefix('s3://')}*.json"])


@every_way
def test_role_can_read_one_configuration_file(parameter_set):
    stack = deployed(parameter_set)
    uri = stack.one("AWS::Lambda::Function")["Environment"]["Variables"]["CONFIG_URI"]
    readable = of_role(stack).get("ReadConfig", {}).get("Resource")
    assert readable == ([f"arn:aws:s3:::{uri.removeprefix('s3://')}"] if uri else None)


@every_way
def test_all_policies_require_tls(parameter_set):
    stack = deployed(parameter_set)
    policies = dict(resource_policies(stack))
    kinds = ["AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SNS::Topic"]
    made = {stack.ref(id) for kind in kinds for id in stack.resources(kind)}
    assert set(policies) == made and len(made) >= 5
    for of, document in policies.items():
        [tls] = [one for one in document if one.get("Condition", {}).get("Bool") == {"aws:SecureTransport": "false"}]
        assert (tls["Effect"], tls["Principal"]) == ("Deny", "*")
        assert tls["Action"] in (["s3:*"], ["sqs:*"], ["sns:Publish"]), of
        bucket = f"arn:aws:s3:::{of}"
        assert tls["Action"] != ["s3:*"] or tls["Resource"] == [bucket, f"{bucket}/*"]


@every_way
def test_services_can_send_only_for_this_stack(parameter_set):
    """Queue and topic policies allow only one EventBridge rule, or alarms of the stack."""
    stack = deployed(parameter_set)
    allowed = {
        of: [(one["Action"], one["Principal"], one["Condition"]) for one in document if one["Effect"] == "Allow"]
        for of, document in resource_policies(stack)
    }
    events = {"Service": "events.amazonaws.com"}
    by = lambda rule: {"ArnEquals": {"aws:SourceArn": stack.arn(rule)}}
    by_alert_rules = {"ArnEquals": {"aws:SourceArn": list(map(stack.arn, ("AlertRule", "DigestRule")))}}
    alarms = {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:flowsentry-*"},
    }
    receivers = ("Queue", "FunctionDeadLetterQueue", "RuleDeadLetterQueue", "AlertDeadLetterQueue", "Topic")
    assert {id: allowed[stack.ref(id)] for id in receivers} == {
        "Queue": [(["sqs:SendMessage"], events, by("FlowLogRule"))],
        "FunctionDeadLetterQueue": [],
        "RuleDeadLetterQueue": [(["sqs:SendMessage"], events, by("FlowLogRule"))],
        "AlertDeadLetterQueue": [(["sqs:SendMessage"], events, by_alert_rules)],
        "Topic": [
            (["sns:Publish"], events, by_alert_rules),
            (["sns:Publish"], {"Service": "cloudwatch.amazonaws.com"}, alarms),
        ],
    }
    for id in ("RuleDeadLetterQueue", "AlertDeadLetterQueue"):
        assert stack.properties(id)["RedriveAllowPolicy"] == {"redrivePermission": "denyAll"}


def test_given_accounts_can_deliver_to_a_new_bucket():
    for parameter_set, accounts, prefix in (
        ("defaults", "123456789012", ""),
        ("new buckets, own key, own topology bucket", ["123456789012", "111122223333"], "network/"),
    ):
        stack = deployed(parameter_set)
        [document] = [document for of, document in resource_policies(stack) if of == stack.ref("SourceBucket")]
        write, check = [one for one in document if one["Effect"] == "Allow"]
        assert write["Principal"] == check["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
        bucket = stack.arn("SourceBucket")
        assert (write["Action"], write["Resource"]) == (["s3:PutObject"], [f"{bucket}/{prefix}AWSLogs/*"])
        assert (check["Action"], check["Resource"]) == (["s3:GetBucketAcl", "s3:ListBucket"], [bucket])
        equals = {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceAccount": accounts}
        assert write["Condition"]["StringEquals"] == equals
        assert check["Condition"]["StringEquals"] == {"aws:SourceAccount": accounts}
        assert write["Condition"]["ArnLike"] == check["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:logs:*:*:*"}


@every_way
def test_buckets_are_private_encrypted_and_retained(parameter_set):
    stack, template = deployed(parameter_set), inlined(load())
    buckets = stack.resources("AWS::S3::Bucket")
    kept = {"SourceBucket", "OutputBucket"} if "new" in parameter_set or parameter_set == "defaults" else set()
    assert set(buckets) - {"QueryResultsBucket"} == kept
    for id, bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        # Running the query again recreates its result.
        assert bucket.get("VersioningConfiguration") == ({"Status": "Enabled"} if id in kept else None)
        key = stack.parameters["KmsKey"] if stack.conditions["HasOwnKey"] else None
        [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        assert encryption["ServerSideEncryptionByDefault"] == (by_key if key else {"SSEAlgorithm": "AES256"})
        assert encryption["BucketKeyEnabled"] is bool(key)
    # Without its policy, retained data could be overwritten. A failed deployment retains nothing.
    stays = [id for id, one in template["Resources"].items() if one["Type"].startswith("AWS::S3::Bucket")]
    assert len(stays) == 6
    for resource in map(template["Resources"].get, stays):
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_outputs_are_immutable_until_they_expire():
    stack = deployed("new buckets, own key, own topology bucket")
    [document] = [document for of, document in resource_policies(stack) if of == stack.ref("OutputBucket")]
    results = [f"{stack.arn('OutputBucket')}/flowsentry/{kind}/*" for kind in [*KINDS, "topology/snapshots", "reports"]]
    denied = {one["Sid"]: one for one in document}
    assert all(one["Effect"] == "Deny" and one["Principal"] == "*" for one in denied.values())
    once, stay = denied["AppendOnly"], denied["KeepVersions"]
    assert (once["Action"], once["Resource"]) == (["s3:PutObject"], results)
    assert once["Condition"] == {"Null": {"s3:if-none-match": "true"}}
    assert (stay["Action"], stay["Resource"]) == (["s3:DeleteObjectVersion"], results)
    assert "Condition" not in stay
    rules = {one.get("Prefix"): one for one in stack.properties("OutputBucket")["LifecycleConfiguration"]["Rules"]}
    for kind in KINDS:
        rule = rules[f"flowsentry/{kind}/"]
        assert (rule["ExpirationInDays"], rule["NoncurrentVersionExpiration"]) == (400, {"NoncurrentDays": 30})
    # A new snapshot comes every week, so there is always one that has not expired. Others upload the topology, and it does not
    # expire.
    assert rules["flowsentry/topology/snapshots/"]["ExpirationInDays"] == 400
    assert "ExpirationInDays" not in rules["flowsentry/topology/"]
    assert not {"ExpirationInDays", "ExpirationDate", "NoncurrentVersionExpiration"} & set(rules[None])
    flow_logs = stack.properties("SourceBucket")["LifecycleConfiguration"]["Rules"]
    assert [rule.get("ExpirationInDays") for rule in flow_logs] == [365, None]
    [expiry] = stack.properties("QueryResultsBucket")["LifecycleConfiguration"]["Rules"]
    assert expiry["ExpirationInDays"] == 30 and "Prefix" not in expiry
    every = [rule for one in stack.resources("AWS::S3::Bucket").values() for rule in one["LifecycleConfiguration"]["Rules"]]
    assert {rule["Status"] for rule in every} == {"Enabled"}


@pytest.mark.parametrize("key", ["new", KEY, "none"])
def test_queues_topic_and_log_use_the_chosen_key(key):
    parameters = {"KmsKey": key}
    stack = Resolved(transformed(parameters), parameters)
    expected = {"new": lambda: stack.arn("Key"), KEY: lambda: KEY, "none": lambda: None}[key]()
    queues = stack.resources("AWS::SQS::Queue").values()
    assert {one.get("KmsMasterKeyId") for one in queues} == {expected}
    assert {one.get("SqsManagedSseEnabled") for one in queues} == {None if expected else True}
    assert stack.properties("Topic").get("KmsMasterKeyId") == stack.properties("LogGroup").get("KmsKeyId") == expected
    assert bool(stack.resources("AWS::KMS::Key")) == (key == "new")


def test_services_can_use_the_stack_key():
    """EventBridge without a condition, because its KMS requests contain neither rule nor account."""
    key = deployed("defaults").one("AWS::KMS::Key")
    assert (key["EnableKeyRotation"], key["PendingWindowInDays"]) == (True, 30)
    policy = {one["Sid"]: one for one in statements(key["KeyPolicy"])}
    use = ["kms:Decrypt", "kms:GenerateDataKey"]
    events, alarms = policy["AllowEventBridge"], policy["AllowCloudWatchAlarms"]
    assert (events["Principal"], events["Action"]) == ({"Service": "events.amazonaws.com"}, use)
    assert "Condition" not in events
    assert (alarms["Principal"], alarms["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, use)
    assert alarms["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:flowsentry-*"},
    }
    log = policy["AllowCloudWatchLogs"]
    assert log["Principal"] == {"Service": "logs.us-east-1.amazonaws.com"}
    group = deployed("defaults").ref("LogGroup")
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}"
    # Including the log groups of nested stacks, and of stacks next to this one.
    assert log["Condition"] == {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": [arn, f"{arn}/*", f"{arn}-*"]}}
    # No other principal: the account administers it through IAM.
    assert policy["AllowAdministrationByIam"]["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert len(policy) == 4


def test_findings_reach_topic_and_email():
    stack = deployed("new buckets, own key, own topology bucket")
    rule = stack.properties("AlertRule")
    assert rule["EventBusName"] == stack.ref("AlertBus")
    pattern = {"source": ["flowsentry"], "detail-type": ["VPC Flow Finding"]}
    # The digest lists what has ended.
    detail = {"severity_id": [4], "unmapped": {"notice": [{"anything-but": ["resolved"]}]}}
    assert rule["EventPattern"] == {**pattern, "detail": detail}
    [target] = rule["Targets"]
    assert (target["Arn"], target["DeadLetterConfig"]) == (stack.ref("Topic"), {"Arn": stack.arn("AlertDeadLetterQueue")})
    assert target["RetryPolicy"] == A_DAY
    template, paths = target["InputTransformer"]["InputTemplate"], target["InputTransformer"]["InputPathsMap"]
    # Each line is a JSON string, which EventBridge joins to lines of text.
    assert all(isinstance(json.loads(line), str) for line in template.splitlines()) and len(template.splitlines()) >= 4
    assert set(re.findall("<([^>]+)>", template)) == set(paths)
    # AWS's API reference requires dots; its guide allows more.
    assert len(template) <= 8192 and all(re.fullmatch(r"\$\.detail(\.\w+)+", path) for path in paths.values())
    mail = stack.one("AWS::SNS::Subscription")
    assert mail == {"TopicArn": stack.ref("Topic"), "Protocol": "email", "Endpoint": "night@example.com"}
    assert deployed("defaults").resources("AWS::SNS::Subscription") == {}


def test_every_skipped_lint_has_a_reason():
    skips = {
        (id, skip["id"]): skip["comment"]
        for id, resource in inlined(load())["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    }
    assert skips and all(len(comment) >= 40 and comment.endswith(".") for comment in skips.values()), skips
    assert "cfn-lint" not in PATH.read_text()
