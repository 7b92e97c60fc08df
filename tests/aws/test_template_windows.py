"""The nested stack of the window reports: its function, its state machine, and their permissions."""

import json
import re

import pytest

import iam
import iam_calls
from flow_logs import ACCOUNT
from function import REGION
from parameter_sets import KEY, PARAMETER_SETS, deployed
from state_machine import DEFINITION
from template import NESTED_STACK, Resolved, load, transformed
from test_template import PARAMETERS, references
from test_windows import REQUEST, Reports, name, slow_scan

NESTED = load("stacks/windows.yaml")
FUNCTION = "AWS::Lambda::Function"
MACHINE = "AWS::StepFunctions::StateMachine"
SETS = [name for name, given in PARAMETER_SETS.items() if given.get("WindowReports", "off") != "off"]
every_set = pytest.mark.parametrize("parameter_set", SETS)


def nested(parameter_set):
    return deployed(parameter_set).nested("WindowsStack")


def role(stack, id):
    return iam.statements(*(policy["PolicyDocument"] for policy in stack.properties(id)["Policies"]))


def test_no_stack_by_default():
    for name in PARAMETER_SETS:
        assert ("WindowsStack" in deployed(name).resources(NESTED_STACK)) == (name in SETS)
    off = Resolved(transformed({}), {})
    assert "StartWindowReportCommand" not in off.outputs()
    command = deployed(SETS[0]).outputs()["StartWindowReportCommand"]
    assert nested(SETS[0]).ref("StateMachine") in command
    request = json.loads(re.search(r"--input '(.*)'", command)[1])
    assert set(request) == set(REQUEST)


def test_every_parameter_is_described_bounded_used_and_given():
    used = references([NESTED[part] for part in ("Conditions", "Resources")])
    given = deployed(SETS[0]).properties("WindowsStack")["Parameters"]
    defaults = {name for name, parameter in NESTED["Parameters"].items() if "Default" in parameter}
    assert set(given) | {"MemorySize", "OutputPrefix"} == set(NESTED["Parameters"]) == used & set(NESTED["Parameters"])
    assert set(NESTED["Parameters"]) - defaults <= set(given)
    for name, parameter in NESTED["Parameters"].items():
        assert 20 <= len(parameter["Description"]) <= 300 and parameter["Description"].endswith("."), name
        assert {"AllowedValues", "AllowedPattern", "MinValue"} & set(parameter), name
    assert NESTED["Parameters"]["Architecture"]["AllowedValues"] == PARAMETERS["Architecture"]["AllowedValues"]


@every_set
def test_given_values_match_the_patterns(parameter_set):
    for name, value in nested(parameter_set).parameters.items():
        parameter = NESTED["Parameters"][name]
        # Made-up names of buckets have capitals.
        value = value.lower() if re.search("Bucket|Path|InputArns", name) else str(value)
        assert re.fullmatch(parameter.get("AllowedPattern", ".*"), value), f"{name}: {value}"
        assert value in map(str, parameter.get("AllowedValues", [value])), f"{name}: {value}"


def test_conditions_are_covered():
    for condition in NESTED["Conditions"]:
        assert {nested(name).conditions[condition] for name in SETS} == {True, False}, condition


@every_set
def test_function_has_the_settings_of_the_other(parameter_set):
    """What decides a summary is the same; the sources are those of the rule."""
    other = deployed(parameter_set).one(FUNCTION)["Environment"]["Variables"]
    own = nested(parameter_set).one(FUNCTION)["Environment"]["Variables"]
    assert set(other) - set(own) == {"WINDOW_REPORTS"} and set(own) - set(other) <= {"TOPOLOGY_TTL_SECONDS", "TOPOLOGY_URI"}
    given = lambda settings: {name: settings[name] for name in settings if settings[name] != "" and name in other}
    assert given(own) == {name: value for name, value in given(other).items() if name in own}
    assert own["TOPOLOGY_TTL_SECONDS"] == "1"


@every_set
def test_schedule(parameter_set):
    stack = nested(parameter_set)
    schedule = PARAMETER_SETS[parameter_set]["WindowReports"]
    made = list(stack.resources("AWS::Scheduler::Schedule").values())
    if schedule == "manual":
        assert made == []
        return
    [properties] = made
    assert json.loads(properties["Target"]["Input"]) == {"schedule": schedule, "time": "<aws.scheduler.scheduled-time>"}
    assert properties["ScheduleExpression"] == {"hourly": "cron(20 * * * ? *)", "daily": "cron(30 2 * * ? *)"}[schedule]
    needed = [iam.call("states:StartExecution", stack.ref("StateMachine"), stack.arn("ScheduleRole"))]
    own = role(stack, "ScheduleRole")
    assert iam.denied(needed, own) == [] and iam.not_needed(needed, own) == []
    trust = iam.statements(stack.properties("ScheduleRole")["AssumeRolePolicyDocument"])
    assume = lambda account: iam.call("sts:AssumeRole", "role", "scheduler.amazonaws.com", aws__SourceAccount=account)
    assert iam.is_allowed(assume(ACCOUNT), [], trust) and not iam.is_allowed(assume("999999999999"), [], trust)


def test_definition_has_the_substitutions():
    text = DEFINITION.read_text()
    properties = nested(SETS[0]).one(MACHINE)
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(properties["DefinitionSubstitutions"])
    assert properties["DefinitionS3Location"] == DEFINITION.name
    resources = {state["Resource"] for state in tasks(json.loads(text))}
    assert resources == {"arn:${Partition}:states:::lambda:invoke"}


def tasks(definition):
    """Returns all tasks of a definition."""
    for state in definition["States"].values():
        if state["Type"] == "Task":
            yield state
        if "ItemProcessor" in state:
            yield from tasks(state["ItemProcessor"])


def test_every_task_is_retried_with_jitter_and_ends():
    for task in tasks(json.loads(DEFINITION.read_text())):
        [invalid, *throttled, others] = task["Retry"]
        assert (invalid["ErrorEquals"], invalid["MaxAttempts"]) == (["WindowInvalid", "UnknownEvent"], 0)
        assert others["ErrorEquals"] == ["States.ALL"] and others["MaxAttempts"] >= 2
        for retry in [*throttled, others]:
            assert retry["JitterStrategy"] == "FULL" and retry["MaxDelaySeconds"] <= 600


def state_machine_calls(stack):
    """Returns the calls of Step Functions that AWS documents for a Distributed Map.

    https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    """
    principal, parameters = stack.arn("StateMachineRole"), stack.parameters
    make = lambda action, resource, **context: iam.call(action, resource, principal, **context)
    machine = stack.ref("StateMachine")
    outputs = f"arn:aws:s3:::{parameters['OutputBucketName']}/{parameters['OutputPrefix']}windows/"
    yield make("lambda:InvokeFunction", stack.arn("Function"))
    yield make("states:StartExecution", machine)
    executions = machine.replace(":stateMachine:", ":execution:")
    for action in ("DescribeExecution", "StopExecution", "RedriveExecution"):
        yield make(f"states:{action}", f"{executions}:0123")
        yield make(f"states:{action}", f"{executions}/Parts:0123")
    yield make("s3:GetObject", f"{outputs}hourly/x/level-0.json")
    for action in ("PutObject", "GetObject", "ListMultipartUploadParts", "AbortMultipartUpload"):
        yield make(f"s3:{action}", f"{outputs}results/0123/manifest.json")
    context = {"kms__ViaService": f"s3.{REGION}.amazonaws.com", "kms__EncryptionContext__aws__s3__arn": outputs + "x"}
    for action in ("GenerateDataKey", "Decrypt") if (key := key_of_outputs(parameters)) else ():
        yield make(f"kms:{action}", key, **context)


def key_of_outputs(parameters):
    """An existing bucket may have a key that the stack does not know; a new one has the given key, or none."""
    existing = parameters["OutputBucketName"] == "our-results"
    return parameters["DataKmsKeyArn"] or (UNKNOWN_KEY if existing else None)


UNKNOWN_KEY = f"{KEY}9"
DELEGATES = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}


@every_set
def test_state_machine_may_do_exactly_what_it_needs(parameter_set):
    stack = nested(parameter_set)
    needed, own = list(state_machine_calls(stack)), role(stack, "StateMachineRole")
    policies = {stack.parameters["DataKmsKeyArn"] or UNKNOWN_KEY: [DELEGATES]}
    assert iam.denied(needed, own, policies) == []
    # The results are below the prefix of the lists, so reading them is allowed twice.
    assert iam.not_needed(needed, own, policies) == ["StoreResults: s3:GetObject"]
    summary = f"arn:aws:s3:::{stack.parameters['OutputBucketName']}/{stack.parameters['OutputPrefix']}reports/x"
    assert iam.denied([iam.call("s3:PutObject", summary, stack.arn("StateMachineRole"))], own)


@every_set
def test_function_may_do_exactly_what_a_run_calls(clients, env, parameter_set):
    """Runs a report with everything that a function calls, and checks its requests against the role."""
    stack = nested(parameter_set)
    parameters = stack.parameters
    env.alerting()
    topology, settings = env.bucket("topology"), {}
    if parameters["TopologyPath"]:
        clients.s3.put_object(Bucket=topology, Key="vpc/vpcs.json", Body=b'{"Vpcs": [], "VpcPeeringConnections": []}')
        settings["TOPOLOGY_URI"] = f"s3://{topology}/vpc/"
    if parameters["ConfigPath"]:
        clients.s3.put_object(Bucket=topology, Key="flowsentry.toml", Body=b"port_scan_ports = 15")
        settings["CONFIG_URI"] = f"s3://{topology}/flowsentry.toml"
    settings["ALERT_REPEAT_HOURS"] = "24"
    reports = Reports(clients, env, **settings)
    slow_scan(env)
    gone = env.put(name(30, number=3), b"gone")
    reports.gateway.faults.append(lambda step, number: env.delete(gone) if step["step"] == "part" else None)
    reports.run()
    reports.run()
    reports.gateway.close()
    calls = list(translated(stack, env, topology, list(env.proxy.requests)))
    own = role(stack, "FunctionRole")
    policies = {key: [DELEGATES] for key in (UNKNOWN_KEY, parameters["DataKmsKeyArn"]) if key}
    assert iam.denied(calls, own, policies) == []
    # A topology in the output bucket is listed by the permission for that bucket.
    output = parameters["OutputBucketName"]
    inside = parameters["TopologyPath"].startswith(f"{output}/")
    twice = {"ListTopology", f"ListBuckets: arn:aws:s3:::{output}"} if inside else set()
    assert set(iam.not_needed(calls, own, policies)) == {"WriteLog"} | twice
    for action in ("s3:DeleteObject", "s3:PutObject"):
        resource = f"arn:aws:s3:::{parameters['OutputBucketName']}/{parameters['OutputPrefix']}reports/x"
        assert iam.denied([iam.call(action, resource, "role")], own), "without If-None-Match"


def translated(stack, env, topology, requests):
    """Returns the calls with the buckets, prefixes, keys, and the bus of the stack."""
    parameters = stack.parameters
    config, documents = parameters["ConfigPath"], parameters["TopologyPath"]
    renamed = {
        f"{env.source}/AWSLogs/": parameters["SourcePath"],
        f"{env.output}/flowsentry/": f"{parameters['OutputBucketName']}/{parameters['OutputPrefix']}",
        f"{topology}/vpc/": documents,
        f"{topology}/flowsentry.toml": config,
        env.source: parameters["SourceBucketName"],
        env.output: parameters["OutputBucketName"],
        topology: documents.partition("/")[0],
        env.bus: stack.parameters["EventBusName"],
    }

    def key_of(bucket, key="", version=None):
        """Keys that the stack does not know, and that of the outputs, if it has one. New buckets have no other."""
        inputs = UNKNOWN_KEY if parameters["InputArns"] else None
        return key_of_outputs(parameters) if bucket == env.output else inputs, False

    def rename(text):
        for old, new in renamed.items():
            text = text.replace(old, new)
        return text

    for call in iam_calls.of_function(requests, stack.arn("FunctionRole"), key_of):
        context = tuple((name, rename(value)) for name, value in call.context)
        yield iam.Call(call.action, rename(call.resource), call.principal, context, call.because)


@every_set
def test_roles_trust_one_service_of_this_account(parameter_set):
    stack = nested(parameter_set)
    boundary = stack.parameters["PermissionsBoundaryArn"]
    for id, properties in stack.resources("AWS::IAM::Role").items():
        assert properties.get("PermissionsBoundary", "") == boundary, id
        [statement] = properties["AssumeRolePolicyDocument"]["Statement"]
        service = {"FunctionRole": "lambda", "StateMachineRole": "states", "ScheduleRole": "scheduler"}[id]
        assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}
        if service != "lambda":
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_alarms_notify_the_topic():
    full = "new buckets, own key, own topology bucket"
    stack = nested(full)
    alarms = stack.resources("AWS::CloudWatch::Alarm")
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms.values()} == {(deployed(full).ref("Topic"),)}
    metrics = [one["MetricStat"]["Metric"] for one in alarms["ReportFailedAlarm"]["Metrics"] if "MetricStat" in one]
    names = {metric["MetricName"] for metric in metrics}
    assert names == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}
    dimensions = [{"Name": "StateMachineArn", "Value": stack.ref("StateMachine")}]
    assert all(metric["Dimensions"] == dimensions for metric in metrics)
    missing = alarms["ObjectsNotReadAlarm"]
    assert (missing["Namespace"], missing["MetricName"]) == (stack.parameters["MetricsNamespace"], "WindowObjectsFailed")
    assert "Dimensions" not in missing
