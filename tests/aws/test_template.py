"""The template: its parameters, and the path of an event to the function."""

import re
from itertools import product
from pathlib import Path

import pytest

from function import Function
from template import PATH, Resolved, defaults, load, transformed
from parameter_sets import A_DAY, KEY, PARAMETER_SETS, deployed
from aws_env import DONE, sqs_event

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATE = load()
PARAMETERS = TEMPLATE["Parameters"]
INTERFACE = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]

# Variables that the function reads and the template does not set, and why.
NOT_SET = {
    "AWS_LAMBDA_LOG_LEVEL": "Lambda sets it from ApplicationLogLevel",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "Lambda sets it from MemorySize",
    "AWS_REGION": "Lambda sets it",
}


def takes(name, value):
    """Returns whether CloudFormation accepts a value for a parameter."""
    parameter = PARAMETERS[name]
    allowed = [str(one) for one in parameter.get("AllowedValues", [value])]
    if parameter["Type"] == "Number":
        least, most = parameter.get("MinValue", 0), parameter.get("MaxValue", 1e18)
        return value in allowed and bool(re.fullmatch(r"\d+(\.\d+)?", value)) and least <= float(value) <= most
    fits = re.fullmatch(parameter.get("AllowedPattern", "(?s).*"), value, re.ASCII)
    return value in allowed and bool(fits) and len(value) <= parameter.get("MaxLength", 4096)


def references(node):
    """Returns the names that a part of the template refers to."""
    if isinstance(node, list):
        return set().union(*map(references, node))
    if isinstance(node, str):
        return set(re.findall(r"\$\{([\w:]+)[}.]", node))
    if not isinstance(node, dict):
        return set()
    names = {node["Ref"]} if list(node) == ["Ref"] else set()
    return names.union(*map(references, node.values()))


def test_every_parameter_is_described_bounded_and_used():
    used = references([TEMPLATE[part] for part in ("Conditions", "Resources", "Outputs")])
    for name, parameter in PARAMETERS.items():
        description = parameter["Description"]
        assert 30 <= len(description) <= 300 and description.endswith("."), name
        assert re.fullmatch("must .*[.]", parameter["ConstraintDescription"]), name
        bounds = {"AllowedValues", "AllowedPattern", "MinValue"} & set(parameter)
        assert bounds and ("MinValue" in parameter) == ("MaxValue" in parameter), name
        assert parameter["Type"] != "Number" or {"MinValue", "AllowedValues"} & bounds, name
        assert takes(name, str(parameter["Default"])), f"{name} refuses its own default"
        assert name in used, f"{name} has no effect"


def test_every_parameter_has_one_group_and_a_label():
    grouped = [name for group in INTERFACE["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(PARAMETERS)
    assert list(INTERFACE["ParameterLabels"]) == grouped, "labels stand in the order of the groups"
    assert all(group["Label"]["default"] for group in INTERFACE["ParameterGroups"])
    assert all(label["default"] for label in INTERFACE["ParameterLabels"].values())


BUCKETS = ["SourceBucketName", "OutputBucketName", "TopologyBucketName"]
KEYS = ["SourceKmsKeyArn", "OutputKmsKeyArn", "TopologyKmsKeyArn", "ConfigKmsKeyArn", "PipelineKmsKeyArn"]
TAKEN = [
    *product(BUCKETS, ["", "our-logs", "a.b-c9"]),
    *product(KEYS, ["", KEY, "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-0123456789abcdef"]),
    *product(["SourcePrefix", "TopologyPrefix"], ["", "network/", "o-abc123/eu=1/"]),
    *product(["SourceKeyPattern"], ["*", "AWSLogs/*vpcflowlogs/*.log*", "exports/*.gz", "*/eni-*-all/*.gz", "flow_*"]),
    *product(["SubscribedLogGroupName"], ["", "/vpc/flow-logs", "a.b_c#d"]),
    *product(["FirehoseBufferMegabytes"], ["1", "128"]),
    *product(["FirehoseBufferSeconds"], ["60", "900"]),
    *product(["OutputPrefix"], ["flowsentry/", "a/b.c=d/_e-f/", "AWSLog/"]),
    *product(["SourceAccountIds"], ["", "123456789012", "123456789012,000000000001"]),
    *product(["AlertEmail"], ["", "a@b.cd", "night.shift+vpc@ops.example.co.uk"]),
    *product(["PeeringConnectionIds"], ["", "pcx-0bd681fd", ",".join(["pcx-0bd681fd4c20588b9"] * 5)]),
    *product(["MetricsNamespace"], ["FlowSentry", "Net/Flow-Logs", "a:b#c_d.e"]),
    *product(["PermissionsBoundaryArn"], ["", "arn:aws:iam::123456789012:policy/a/b+c=d,e.f@g_h-i"]),
    *product(["LogFormat"], ["", "version srcaddr dstaddr", "${version} ${account-id}"]),
    *product(["LogLevel"], ["INFO", "DEBUG", "TRACE"]),
    *product(["ConfigUri"], ["", "s3://our-settings/flowsentry.toml", "s3://a.b-c9/a/b=1/config"]),
]
REFUSED = [
    *product(BUCKETS, ["arn:aws:s3:::our-logs", "s3://our-logs", "Our_Logs", "ab", "-logs", "our-logs/AWSLogs"]),
    *product(KEYS, ["alias/logs", "11111111-2222-3333-4444-555555555555", KEY.replace("key/", "alias/"), "*"]),
    *product(["SourcePrefix"], ["network", "/network/", "AWSLogs/", "a/AWSLogs/b/", "a*/", "a,b/", "a b/", "a//"]),
    # EventBridge rejects two asterisks in a row, and a backslash escapes; IAM has more wildcards than EventBridge.
    *product(["SourceKeyPattern"], ["", "exports/", "a/**/b", "/exports/*", "a\\*", "a?*", "${aws:username}/*", "a b*", "a,b*"]),
    *product(["SubscribedLogGroupName"], ["arn:aws:logs:us-east-1:123456789012:log-group:a:*", "a b", "a*"]),
    *product(["FirehoseBufferMegabytes"], ["0", "129"]),
    *product(["FirehoseBufferSeconds"], ["59", "901"]),
    # An output under it would be read as a flow log.
    *product(["OutputPrefix"], ["AWSLogs/", "AWSLogs/flowsentry/", "network/AWSLogs/x/", "xAWSLogs/", "aAWSLogsb/c/"]),
    *product(["OutputPrefix"], ["", "/", "flowsentry", "/flowsentry/", "a//b/", "./", "a/../b/", "a b/", "é/"]),
    *product(["TopologyPrefix"], ["vpc", "/vpc/", "a*/"]),
    *product(["SourceAccountIds"], ["12345678901", "123456789012, 123456789012", "123456789012,"]),
    *product(["AlertEmail"], ["nobody", "a@b", "a@b.cd,e@f.gh", "a b@c.de", "<a@b.cd>"]),
    *product(["PeeringConnectionIds"], ["pcx-1", "vpc-0bd681fd", "pcx-0bd681fd,", ",".join(["pcx-0bd681fd"] * 6)]),
    *product(["MetricsNamespace"], ["", "AWS/Lambda", ":a", 'a"b', "a'b", "a b"]),
    *product(["PermissionsBoundaryArn"], ["boundary", "arn:aws:iam::123456789012:role/boundary"]),
    # Lambda would drop the metric lines.
    *product(["LogLevel"], ["WARN", "ERROR", "FATAL", "info"]),
    *product(["LogFormat"], ['"', "a\nb", "a;b"]),
    # An asterisk would allow the role more than one object.
    *product(["ConfigUri"], ["our-settings/a.toml", "s3://our-settings", "s3://our-settings/", "s3://our-settings/*"]),
    *product(["ConfigUri"], ["s3://our-settings/a/", "s3://our-settings/a?.toml", "s3://Our/a.toml", "s3://our-settings//a"]),
    *product(["TimeoutSeconds"], ["30", "120.5", "901"]),
    *product(["MemorySize"], ["128", "10241"]),
    *product(["MaximumConcurrency"], ["1", "1001", "many"]),
    *product(["LogRetentionDays"], ["0", "31"]),
    *product(["NoDataAlarmHours"], ["0", "25"]),
]


@pytest.mark.parametrize(("name", "value"), TAKEN)
def test_valid_value_is_accepted(name, value):
    assert takes(name, value)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_invalid_value_is_rejected(name, value):
    assert not takes(name, value)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"PipelineKey": "existing"}, "PipelineKmsKeyArn is required if"),
        ({"PipelineKmsKeyArn": KEY}, "PipelineKmsKeyArn must be empty unless"),
        ({"PipelineKey": "aws-managed", "PipelineKmsKeyArn": KEY}, "PipelineKmsKeyArn must be empty unless"),
        ({"Topology": "own-bucket", "TopologyPrefix": "vpc/"}, "TopologyBucketName is required if"),
        ({"Topology": "own-bucket", "TopologyBucketName": "inventory"}, "TopologyPrefix is required if"),
        (
            {"Topology": "own-bucket", "TopologyBucketName": "a-b", "TopologyPrefix": "c/", "OutputBucketName": "a-b"},
            "TopologyBucketName must not be the output bucket",
        ),
        ({"TopologyBucketName": "inventory"}, "TopologyBucketName must be empty unless"),
        ({"Topology": "output-bucket", "TopologyPrefix": "vpc/"}, "TopologyPrefix must be empty unless"),
        ({"Topology": "output-bucket", "TopologyKmsKeyArn": KEY}, "TopologyKmsKeyArn must be empty unless"),
        ({"ConfigKmsKeyArn": KEY}, "ConfigKmsKeyArn must be empty unless"),
        (
            {"DiscoverTopology": "no", "PeeringConnectionIds": "pcx-0bd681fd4c20588b9"},
            "PeeringConnectionIds must be empty if",
        ),
        ({"DiscoverTopology": "no", "TopologyRegions": "eu-west-1"}, "TopologyRegions and TopologyAccountIds must be empty"),
        ({"Topology": "output-bucket", "TopologyRegions": "eu-west-1"}, "TopologyRegions and TopologyAccountIds must be empty"),
        ({"TopologyAccountIds": "111122223333"}, "TopologyExternalId is required if"),
        ({"SourceBucketName": "logs", "SourceAccountIds": "123456789012"}, "SourceAccountIds must be empty if"),
        (
            {"SourceBucketName": "logs", "OutputBucketName": "logs", "SourceKeyPattern": "*"},
            "OutputBucketName must not be the bucket of the flow logs",
        ),
        (
            # It excludes the outputs, but a rule cannot recognize that.
            {"SourceBucketName": "logs", "OutputBucketName": "logs", "SourceKeyPattern": "AWSLogs/*"},
            "OutputBucketName must not be the bucket of the flow logs",
        ),
        (
            {
                "SourceBucketName": "logs",
                "SourceKeyPattern": "*",
                "Topology": "own-bucket",
                "TopologyBucketName": "logs",
                "TopologyPrefix": "vpc/",
            },
            "TopologyBucketName must not be the bucket of the flow logs",
        ),
        ({"CreateFirehoseStream": "yes", "SourceKeyPattern": "exports/*"}, "SourceKeyPattern must be the default or"),
        ({"SubscribedLogGroupName": "a", "SourceKeyPattern": "exports/*"}, "SourceKeyPattern must be the default or"),
    ],
)
def test_contradicting_parameters_are_rejected(parameters, words):
    [said] = Resolved(TEMPLATE, parameters).broken_rules()
    assert words in said


@pytest.mark.parametrize("parameter_set", PARAMETER_SETS)
def test_parameter_set_passes_rules_and_resolves(parameter_set):
    """No reference to a missing resource, and every value is valid for CloudFormation."""
    assert all(takes(name, value) for name, value in PARAMETER_SETS[parameter_set].items())
    stack = deployed(parameter_set)
    assert stack.broken_rules() == []
    assert stack.resources() and all(stack.outputs().values())


def test_parameter_sets_cover_every_condition():
    for condition in TEMPLATE["Conditions"]:
        assert {deployed(parameter_set).conditions[condition] for parameter_set in PARAMETER_SETS} == {True, False}, condition


def event_pattern(stack):
    return stack.properties("FlowLogRule")["EventPattern"]


def fits(pattern, key):
    """Matches an EventBridge wildcard: an asterisk matches any characters, including slashes, or none."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), key) is not None


FILE = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456"
HIVE = "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20"


@pytest.mark.parametrize("parameter_set", PARAMETER_SETS)
def test_rule_matches_only_the_bucket(parameter_set):
    stack = deployed(parameter_set)
    pattern = event_pattern(stack)
    assert pattern["detail"]["bucket"]["name"] == [stack.outputs()["SourceBucketName"]]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
    assert pattern["detail"].keys() == {"bucket", "object"} and pattern["detail"]["object"].keys() == {"key"}


@pytest.mark.parametrize("parameter_set", [name for name in PARAMETER_SETS if name != "another key pattern"])
def test_rule_matches_only_flow_logs(parameter_set):
    stack = deployed(parameter_set)
    [key] = event_pattern(stack)["detail"]["object"]["key"]
    prefix = stack.parameters["SourcePrefix"]
    day = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20"
    for folder in (day, f"{day}/16", HIVE, f"{HIVE}/hour=16", HIVE.replace("aws-service", "service")):
        for extension in (".log.gz", ".log", ".log.parquet"):
            assert fits(key["wildcard"], f"{prefix}{folder}/{FILE}{extension}")
    for other in (
        f"{prefix}AWSLogs/123456789012/elasticloadbalancing/us-east-1/2018/06/20/a.log.gz",
        f"{prefix}AWSLogs/123456789012/CloudTrail/us-east-1/2018/06/20/a.json.gz",
        f"elsewhere/{day}/{FILE}.log.gz",
        f"{prefix}{day}/{FILE}.txt",
    ):
        assert not fits(key["wildcard"], other)


# Keys as Firehose and CloudWatch Logs make them.
FIREHOSE_NAME = "flow-logs-1-2026-11-23-06-14-59-6f1d0a3e-9f0b-4f7e-8a53-0d5c4a1f6f10"
EXPORTED = "export/8b8c7c39-1d2b-4a6e-9a2f-6a1f0f5e2c11/eni-0a1b2c3d4e5f60718-all/000000.gz"
DAY = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/23"


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*", [f"2026/11/23/06/{FIREHOSE_NAME}", f"2026/11/23/06/{FIREHOSE_NAME}.gz", EXPORTED, "a.csv"], []),
        ("export/*/*.gz", [EXPORTED], ["export/aws-logs-write-test", "export/000000.gz", f"a/{EXPORTED}"]),
        # An export into the layout of AWS: the asterisks also match slashes.
        ("AWSLogs/*vpcflowlogs/*.log*", [f"{DAY}/{EXPORTED.replace('export', 'export.log')}"], [f"{DAY}/{EXPORTED}", EXPORTED]),
    ],
)
@pytest.mark.parametrize("prefix", ["", "network/"])
def test_key_pattern_selects_the_keys(pattern, matching, others, prefix):
    assert takes("SourceKeyPattern", pattern)
    parameters = {"SourceKeyPattern": pattern, "SourcePrefix": prefix, "SourceBucketName": "logs"}
    stack = Resolved(transformed(parameters), parameters)
    assert stack.broken_rules() == []
    [key] = event_pattern(stack)["detail"]["object"]["key"]
    assert all(fits(key["wildcard"], prefix + name) for name in matching)
    assert not any(fits(key["wildcard"], prefix + name) for name in others)
    # The role may read, and the function accepts, every key that the rule matches.
    allowed = stack.one("AWS::Lambda::Function")["Environment"]["Variables"]["ALLOWED_SOURCES"]
    [read] = [one for one in stack.properties("FunctionRole")["Policies"][0]["PolicyDocument"]["Statement"]][:1]
    assert read["Sid"] == "ReadFlowLogs" and read["Resource"] == f"arn:aws:s3:::{allowed}*"
    assert all(f"logs/{prefix}{name}".startswith(allowed) for name in matching)


@pytest.mark.parametrize("source", ["", "network/", "flowsentry/", "flowsentry/summaries/", "a/flowsentry/"])
@pytest.mark.parametrize("output", ["flowsentry/", "network/", "a/vpcflowlogs/", "a/vpcflowlogs/x.log/", "AWSLog/s/"])
def test_outputs_never_match_the_rule(source, output):
    assert takes("SourcePrefix", source) and takes("OutputPrefix", output)
    parameters = {"SourceBucketName": "one", "OutputBucketName": "one", "SourcePrefix": source, "OutputPrefix": output}
    [key] = event_pattern(Resolved(TEMPLATE, parameters))["detail"]["object"]["key"]
    partition = f"account_id=123456789012/region=us-east-1/date=2018-06-20/{FILE}.log.gz-0123456789abcdef"
    for kind, extension in product(["summaries", "findings", "receipts", "quarantine", "topology"], ["json", "log.gz"]):
        assert not fits(key["wildcard"], f"{output}{kind}/{partition}.{extension}")


@pytest.mark.parametrize("timeout", PARAMETERS["TimeoutSeconds"]["AllowedValues"])
def test_visibility_timeout_is_six_timeouts(timeout):
    parameters = {"TimeoutSeconds": str(timeout)}
    stack = Resolved(transformed(parameters), parameters)
    function = stack.one("AWS::Lambda::Function")
    assert function["Timeout"] == timeout
    assert int(stack.properties("Queue")["VisibilityTimeout"]) == 6 * timeout


@pytest.mark.parametrize("parameter_set", PARAMETER_SETS)
def test_rule_queue_and_function_are_connected(parameter_set):
    stack = deployed(parameter_set)
    queue, dead, undelivered = map(stack.arn, ("Queue", "FunctionDeadLetterQueue", "RuleDeadLetterQueue"))
    [target] = stack.properties("FlowLogRule")["Targets"]
    assert (target["Arn"], target["DeadLetterConfig"], target["RetryPolicy"]) == (queue, {"Arn": undelivered}, A_DAY)
    assert stack.properties("Queue")["RedrivePolicy"] == {"deadLetterTargetArn": dead, "maxReceiveCount": 5}
    allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [queue]}
    assert stack.properties("FunctionDeadLetterQueue")["RedriveAllowPolicy"] == allowed
    fourteen_days = 14 * 24 * 60 * 60
    assert {one["MessageRetentionPeriod"] for one in stack.resources("AWS::SQS::Queue").values()} == {fourteen_days}
    mapping = stack.one("AWS::Lambda::EventSourceMapping")
    assert mapping == {
        "BatchSize": 10,
        "EventSourceArn": queue,
        "FunctionName": stack.ref("Function"),
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": stack.parameters["MaximumConcurrency"]},
    }


@pytest.mark.parametrize("parameter_set", PARAMETER_SETS)
def test_function_properties(parameter_set):
    stack = deployed(parameter_set)
    function = stack.one("AWS::Lambda::Function")
    assert (function["Runtime"], function["Handler"]) == ("provided.al2023", "bootstrap")
    assert function["Architectures"] == [stack.parameters["Architecture"]]
    assert function["Role"] == stack.arn("FunctionRole")
    assert function["RecursiveLoop"] == "Terminate"
    assert function["LoggingConfig"] == {
        "LogGroup": stack.ref("LogGroup"),
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "INFO",
    }
    reserved = {"new buckets, own keys, own topology bucket": 50, "new buckets, discovery of other accounts": 10}
    assert function.get("ReservedConcurrentExecutions") == reserved.get(parameter_set)
    topologies = {
        "defaults": None,
        "existing buckets, no keys, no email": "s3://our-results/flowsentry/topology/",
        "new buckets, own keys, own topology bucket": "s3://our-inventory/vpc/",
        "one bucket": "s3://our-bucket/network/flowsentry/topology/",
        "another key pattern": None,
        "new buckets, discovery of other accounts": None,
    }
    variables, outputs = function["Environment"]["Variables"], stack.outputs()
    assert topologies[parameter_set] == outputs.get("TopologyUri")
    snapshots = f"s3://{outputs['OutputBucketName']}/{outputs['OutputPrefix']}topology/snapshots/"
    discovered = snapshots if stack.conditions["DiscoversTopology"] else None
    assert variables.get("TOPOLOGY_URI") == (topologies[parameter_set] or discovered)
    assert variables["OUTPUT_BUCKET"] == outputs["OutputBucketName"]
    for variable, parameter in {"CONFIG_URI": "ConfigUri", "OUTPUT_KMS_KEY_ARN": "OutputKmsKeyArn"}.items():
        assert variables[variable] == stack.parameters[parameter]
    [key] = event_pattern(stack)["detail"]["object"]["key"]
    bucket, prefix = variables["ALLOWED_SOURCES"].split("/", 1)
    assert bucket == outputs["SourceBucketName"] and key["wildcard"].startswith(prefix)


def variables_that_the_function_reads():
    settings = (PROJECT / "src" / "lambda" / "settings" / "env.rs").read_text()
    named = re.findall(r'\.(?:parse_or|required)\(\s*"([A-Z_]+)"', settings) + re.findall(r'&str = "(AWS_\w+)";', settings)
    return set(named)


def test_template_sets_every_variable_of_the_function():
    read = variables_that_the_function_reads()
    assert {"OUTPUT_BUCKET", "EVENT_BUS_NAME", "TOP", "MAX_LINES", "CONFIG_URI", "OUTPUT_KMS_KEY_ARN"} <= read
    variables = TEMPLATE["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    assert set(variables) == read - set(NOT_SET)
    assert set(NOT_SET) <= read


def test_defaults_match_the_function():
    variables = deployed("defaults").one("AWS::Lambda::Function")["Environment"]["Variables"]
    source = lambda name, pattern: re.search(pattern, (PROJECT / "src" / name).read_text()).group(1)
    assert str(variables["MAX_OBJECT_BYTES"]) == str(16 << 30)
    assert source("input/decoder.rs", r"DEFAULT_MAX_OBJECT_BYTES: u64 = (.*);") == "16 << 30"
    expected = {
        "OUTPUT_PREFIX": source("lambda/settings.rs", r'DEFAULT_OUTPUT_PREFIX: &str = "(.*)";'),
        "METRICS_NAMESPACE": source("lambda/settings.rs", r'DEFAULT_METRICS_NAMESPACE: &str = "(.*)";'),
        "TOPOLOGY_TTL_SECONDS": source("lambda/settings.rs", r"DEFAULT_TOPOLOGY_TTL_SECONDS: u64 = (\d+);"),
        "TOP": source("summary/build.rs", r"DEFAULT_MAX_LISTED_GROUPS: usize = (\d+);"),
        "MAX_LINES": source("input/lines.rs", r"DEFAULT_MAX_LINES: u64 = (.*);").replace("_", ""),
        "ALERT_MIN_SEVERITY": source("lambda/settings/env.rs", r"Severity::(\w+), parse::severity\)").lower(),
        "ON_PERMANENT_FAILURE": source("lambda/settings.rs", r"#\[default\]\s+(Quarantine),").lower(),
        "LOG_FORMAT": "",
    }
    assert {name: str(variables[name]) for name in expected} == expected
    assert PARAMETERS["LogLevel"]["Default"].capitalize() == source("lambda/settings.rs", r"#\[default\]\s+(Info),")


def extremes():
    """Returns the minimum and maximum of each parameter, or all allowed values."""
    for name, parameter in PARAMETERS.items():
        yield name, [str(value) for value in parameter.get("AllowedValues", [])] or [
            str(parameter[bound]) for bound in ("MinValue", "MaxValue") if bound in parameter
        ]


@pytest.mark.parametrize("at", [0, -1])
def test_function_accepts_all_allowed_values(at):
    """Otherwise it would fail at its start."""
    parameters = {name: values[at] for name, values in extremes() if values and name not in ("PipelineKey", "Topology")}
    if at == -1:
        last = dict(TAKEN)
        texts = ("SourcePrefix", "SourceKeyPattern", "OutputPrefix", "MetricsNamespace", "LogFormat")
        parameters |= {name: last[name] for name in texts}
    stack = Resolved(transformed(parameters), parameters)
    variables = stack.one("AWS::Lambda::Function")["Environment"]["Variables"]
    function = Function("http://127.0.0.1:1", {name: str(value) for name, value in variables.items()})
    try:
        answer = function.invoke(sqs_event(**{"1": {"Event": "s3:TestEvent", "Service": "Amazon S3", "Bucket": "b"}}))
        assert answer.response == DONE
    finally:
        written = function.stop()
    assert not any("settings" in line.get("error", "") for line in written.log)


def test_template_is_within_cloudformation_limits():
    """CloudFormation rejects YAML aliases; its own parsers accept them."""
    text = PATH.read_text()
    assert not re.search(r"^[^#]*[:\-] [&*][a-z][\w-]*$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 128
    assert len(text.encode()) <= 1_000_000
    assert len(PARAMETERS) <= 200 and len(TEMPLATE["Outputs"]) <= 200 and len(defaults(TEMPLATE)) == len(PARAMETERS)
