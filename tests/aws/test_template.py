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
    "LOG_FORMAT": "log_formats in the configuration file",
    **dict.fromkeys(
        ["TOP", "TOPOLOGY_TTL_SECONDS", "ALERT_MIN_SEVERITY", "ALERT_REPEAT_HOURS", "ON_PERMANENT_FAILURE"],
        "its default suits nearly everybody",
    ),
    **dict.fromkeys(["MAX_OBJECT_BYTES", "MAX_LINES"], "a limit of safety, which no object of AWS reaches"),
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
        assert 30 <= len(description) <= 200 and description.endswith("."), name
        # sam deploy --guided asks for each: one sentence, and perhaps what an empty value means.
        assert len(re.findall(r"[.](?= |$)", description.partition("Empty")[0])) <= 1, name
        assert re.fullmatch("must .*[.]", parameter["ConstraintDescription"]), name
        bounds = {"AllowedValues", "AllowedPattern", "MinValue"} & set(parameter)
        assert bounds and ("MinValue" in parameter) == ("MaxValue" in parameter), name
        assert parameter["Type"] != "Number" or {"MinValue", "AllowedValues"} & bounds, name
        assert takes(name, str(parameter["Default"])), f"{name} refuses its own default"
        assert name in used, f"{name} has no effect"


def test_few_parameters_in_few_lines():
    """What an operator decides at the deployment; the rest has a good default or is in the configuration file."""
    assert len(PARAMETERS) <= 15
    assert len(PATH.read_text().splitlines()) <= 700


def test_every_parameter_has_one_group():
    grouped = [name for group in INTERFACE["ParameterGroups"] for name in group["Parameters"]]
    assert grouped == list(PARAMETERS), "in the order in which sam deploy --guided asks"
    assert all(group["Label"]["default"] for group in INTERFACE["ParameterGroups"])


BUCKETS = ["SourceBucketName", "OutputBucketName"]
TAKEN = [
    *product(BUCKETS, ["", "our-logs", "a.b-c9"]),
    *product(["KmsKey"], ["new", "none", KEY, "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-0123456789abcdef"]),
    *product(["SourceKeyPattern"], ["*", "AWSLogs/*vpcflowlogs/*.log*", "exports/*.gz", "*/eni-*-all/*.gz", "flow_*"]),
    *product(["SourceKeyPattern"], ["o-abc123/eu=1/AWSLogs/*vpcflowlogs/*.log*", "*/AWSLogs/*vpcflowlogs/*.log*"]),
    *product(["AccountIds"], ["", "123456789012", "123456789012,000000000001"]),
    *product(["Regions"], ["", "eu-west-1", "us-gov-west-1,cn-north-1"]),
    *product(["AlertEmail"], ["", "a@b.cd", "night.shift+vpc@ops.example.co.uk"]),
    *product(["PermissionsBoundaryArn"], ["", "arn:aws:iam::123456789012:policy/a/b+c=d,e.f@g_h-i"]),
    *product(["ConfigUri"], ["", "s3://our-settings/flowsentry.toml", "s3://a.b-c9/a/b=1/config"]),
    *product(["Topology"], ["discover", "upload", "none", "s3://our-inventory/vpc/", "s3://a.b-c9/a!/b=1/"]),
    *product(["Parts"], ["none", "alarms", "athena,dashboard", "alarms,dashboard,athena"]),
]
REFUSED = [
    *product(BUCKETS, ["arn:aws:s3:::our-logs", "s3://our-logs", "Our_Logs", "ab", "-logs", "our-logs/AWSLogs"]),
    *product(["KmsKey"], ["", "alias/logs", "11111111-2222-3333-4444-555555555555", KEY.replace("key/", "alias/"), "*"]),
    # EventBridge rejects two asterisks in a row, and a backslash escapes; IAM has more wildcards than EventBridge.
    *product(["SourceKeyPattern"], ["", "exports/", "a/**/b", "/exports/*", "a\\*", "a?*", "${aws:username}/*", "a b*", "a,b*"]),
    *product(["AccountIds"], ["12345678901", "123456789012, 123456789012", "123456789012,"]),
    *product(["Regions"], ["eu", "eu-west-1, us-east-1", "eu-west-1,"]),
    *product(["AlertEmail"], ["nobody", "a@b", "a@b.cd,e@f.gh", "a b@c.de", "<a@b.cd>"]),
    *product(["PermissionsBoundaryArn"], ["boundary", "arn:aws:iam::123456789012:role/boundary"]),
    # An asterisk would allow the role more than one object.
    *product(["ConfigUri"], ["our-settings/a.toml", "s3://our-settings", "s3://our-settings/", "s3://our-settings/*"]),
    *product(["ConfigUri"], ["s3://our-settings/a/", "s3://our-settings/a?.toml", "s3://Our/a.toml", "s3://our-settings//a"]),
    # Without a prefix, or with an asterisk, other objects of the bucket would be read.
    *product(["Topology"], ["", "yes", "output-bucket", "s3://our-inventory", "s3://our-inventory/", "s3://inventory/vpc"]),
    *product(["Topology"], ["s3://inventory/a*/", "s3://inventory//a/", "our-inventory/vpc/"]),
    *product(["Parts"], ["", "alarm", "alarms,", "alarms, athena", "none,alarms", "athena,athena,athena,athena"]),
    *product(["SourceRetentionDays"], ["0", "3654", "many"]),
    *product(["OutputRetentionDays"], ["29", "many"]),
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
        (
            {"SourceBucketName": "logs", "OutputBucketName": "logs", "SourceKeyPattern": "*"},
            "OutputBucketName must not be the bucket of the flow logs",
        ),
        (
            # It excludes the outputs, but a rule cannot recognize that.
            {"SourceBucketName": "logs", "OutputBucketName": "logs", "SourceKeyPattern": "AWSLogs/*"},
            "OutputBucketName must not be the bucket of the flow logs",
        ),
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
    prefix = stack.parameters["SourceKeyPattern"].split("AWSLogs/")[0]
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
@pytest.mark.parametrize("prefix", ["", "network/", "a/b=c/"])
def test_key_pattern_selects_the_keys(pattern, matching, others, prefix):
    assert takes("SourceKeyPattern", prefix + pattern)
    parameters = {"SourceKeyPattern": prefix + pattern, "SourceBucketName": "logs"}
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


def test_one_pattern_may_have_several_prefixes():
    """Then the role may read the whole bucket, because the prefix ends at the first asterisk."""
    pattern = "*/AWSLogs/*vpcflowlogs/*.log*"
    parameters = {"SourceKeyPattern": pattern, "SourceBucketName": "logs"}
    stack = Resolved(transformed(parameters), parameters)
    [key] = event_pattern(stack)["detail"]["object"]["key"]
    assert all(fits(key["wildcard"], f"{prefix}{DAY}/{FILE}.log.gz") for prefix in ("network/", "a/b=c/"))
    assert not fits(key["wildcard"], f"{DAY}/{FILE}.log.gz")
    assert stack.one("AWS::Lambda::Function")["Environment"]["Variables"]["ALLOWED_SOURCES"] == "logs/"


def test_outputs_never_match_the_rule():
    parameters = {"SourceBucketName": "one", "OutputBucketName": "one"}
    stack = Resolved(transformed(parameters), parameters)
    assert stack.broken_rules() == []
    [key] = event_pattern(stack)["detail"]["object"]["key"]
    partition = f"account_id=123456789012/region=us-east-1/date=2018-06-20/{FILE}.log.gz-0123456789abcdef"
    for kind, extension in product(["summaries", "findings", "receipts", "quarantine", "topology"], ["json", "log.gz"]):
        assert not fits(key["wildcard"], f"flowsentry/{kind}/{partition}.{extension}")


def test_visibility_timeout_is_six_timeouts():
    stack = deployed("defaults")
    function = stack.one("AWS::Lambda::Function")
    assert function["Timeout"] == 120 and function["MemorySize"] == 1024
    assert int(stack.properties("Queue")["VisibilityTimeout"]) == 6 * function["Timeout"]


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
        "ScalingConfig": {"MaximumConcurrency": 10},
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
    # A reservation would take it from the other functions of the account.
    assert "ReservedConcurrentExecutions" not in function
    topologies = {
        "defaults": None,
        "existing buckets, no keys, no email": "s3://our-results/flowsentry/topology/",
        "new buckets, own key, own topology bucket": "s3://our-inventory/vpc/",
        "one bucket": "s3://our-bucket/flowsentry/topology/",
        "another key pattern": None,
        "new buckets, discovery of other accounts": None,
        "new buckets, reports, no alarms": None,
    }
    variables, outputs = function["Environment"]["Variables"], stack.outputs()
    assert topologies[parameter_set] == outputs.get("TopologyUri")
    snapshots = f"s3://{outputs['OutputBucketName']}/flowsentry/topology/snapshots/"
    discovered = snapshots if stack.conditions["DiscoversTopology"] else None
    assert variables.get("TOPOLOGY_URI") == (topologies[parameter_set] or discovered)
    assert variables["OUTPUT_BUCKET"] == outputs["OutputBucketName"]
    assert variables["CONFIG_URI"] == stack.parameters["ConfigUri"]
    key = stack.parameters["KmsKey"]
    assert variables["OUTPUT_KMS_KEY_ARN"] == (key if key.startswith("arn:") else "")
    assert variables["METRICS_NAMESPACE"] == outputs["MetricsNamespace"] == "FlowSentry/flowsentry"
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
    default = re.search(r'DEFAULT_OUTPUT_PREFIX: &str = "(.*)";', (PROJECT / "src/lambda/settings.rs").read_text()).group(1)
    assert variables["OUTPUT_PREFIX"] == default == "flowsentry/"


def extremes():
    """Returns the minimum and maximum of each parameter, or all allowed values."""
    for name, parameter in PARAMETERS.items():
        yield name, [str(value) for value in parameter.get("AllowedValues", [])] or [
            str(parameter[bound]) for bound in ("MinValue", "MaxValue") if bound in parameter
        ]


@pytest.mark.parametrize("at", [0, -1])
def test_function_accepts_all_allowed_values(at):
    """Otherwise it would fail at its start."""
    parameters = {name: values[at] for name, values in extremes() if values}
    if at == -1:
        last = dict(TAKEN)
        parameters |= {name: last[name] for name in ("SourceKeyPattern", "KmsKey", "ConfigUri", "Topology")}
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
