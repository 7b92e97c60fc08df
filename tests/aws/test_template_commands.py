"""The commands in the stack outputs have the intended effect, and stop if a step fails."""

import json
import os
import re
import subprocess
import sys

import pytest

from run import PROJECT
from template import PATH, Resolved, load, transformed
from parameter_sets import PARAMETER_SETS, deployed

EXISTING = "existing buckets, no keys, no email"
ELSEWHERE = "new buckets, own key, own topology bucket"

# Records its arguments and prints the file with the command's name; fails if there is none.
AWS = f"""#!{sys.executable}
import json, os, pathlib, shutil, sys
import jmespath

notes, command = pathlib.Path(os.environ["NOTES"]), sys.argv[1:]
with open(notes / "asked", "a") as asked:
    print(*command, file=asked)
if command[-1].startswith("file://"):
    shutil.copy(command[-1].removeprefix("file://"), notes / "given")
answer = (notes / command[1]).read_text()
if "--query" in command:
    found = jmespath.search(command[command.index("--query") + 1], json.loads(answer or "{{}}"))
    # As with --output text.
    answer = "\\t".join(found) if isinstance(found, list) else json.dumps(found)
print(answer)
"""


class Shell:
    """A shell with a fake `aws`."""

    def __init__(self, folder):
        self.folder, self.notes = folder / "here", folder / "notes"
        for path in (self.folder, self.notes, folder / "bin"):
            path.mkdir()
        program = folder / "bin" / "aws"
        program.write_text(AWS)
        program.chmod(0o755)
        self.environment = {"NOTES": str(self.notes), "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def answers(self, command, text):
        (self.notes / command).write_text(text)

    def run(self, line):
        """Runs a command and returns the exit status."""
        return subprocess.run(["sh", "-c", line], cwd=self.folder, env=self.environment, timeout=60).returncode

    def asked(self):
        return (self.notes / "asked").read_text().splitlines()


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


OTHERS = {"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:us-east-1:1:q", "Events": ["s3:ObjectCreated:*"]}]}


@pytest.mark.parametrize("before", [{}, OTHERS])
def test_eventbridge_command_keeps_other_notifications(shell, before):
    """For a bucket without notifications, AWS returns nothing."""
    shell.answers("get-bucket-notification-configuration", json.dumps(before) if before else "")
    shell.answers("put-bucket-notification-configuration", "")
    assert shell.run(deployed(EXISTING).outputs()["EnableEventBridgeCommand"]) == 0
    assert [line.split()[:4] for line in shell.asked()] == [
        ["s3api", f"{verb}-bucket-notification-configuration", "--bucket", "our-logs"] for verb in ("get", "put")
    ]
    assert json.loads((shell.notes / "given").read_text()) == {**before, "EventBridgeConfiguration": {}}


def test_eventbridge_command_stops_on_read_failure(shell):
    assert shell.run(deployed(EXISTING).outputs()["EnableEventBridgeCommand"]) != 0
    assert len(shell.asked()) == 1


KINDS = [
    "vpcs",
    "subnets",
    "vpc-peering-connections",
    "network-interfaces",
    "route-tables",
    "security-groups",
    "network-acls",
    "prefix-lists",
]


def prefix_lists(*ids):
    return json.dumps({"PrefixLists": [{"PrefixListId": id} for id in ids]})


@pytest.mark.parametrize(
    ("parameter_set", "uri"),
    [(EXISTING, "s3://our-results/flowsentry/topology/"), (ELSEWHERE, "s3://our-inventory/vpc/")],
)
def test_topology_is_uploaded_where_the_function_reads(shell, parameter_set, uri):
    for kind in KINDS:
        shell.answers(f"describe-{kind}", json.dumps({kind: []}))
    shell.answers("describe-managed-prefix-lists", prefix_lists("pl-1", "pl-2"))
    shell.answers("get-managed-prefix-list-entries", json.dumps({"Entries": []}))
    shell.answers("cp", "")
    assert shell.run(deployed(parameter_set).outputs()["UploadTopologyCommand"]) == 0
    expected = [f"ec2 describe-{kind} --region us-east-1 --output json" for kind in KINDS]
    expected.append("ec2 describe-managed-prefix-lists --region us-east-1 --query PrefixLists[].PrefixListId --output text")
    entries = "ec2 get-managed-prefix-list-entries --region us-east-1 --prefix-list-id"
    expected += [f"{entries} {list} --output json" for list in ("pl-1", "pl-2")]
    # Other files in the folder must not be uploaded.
    just = "--exclude * --include 123456789012-us-east-1-*.json --include pl-*.json"
    assert shell.asked() == [*expected, f"s3 cp --recursive {just} topology {uri}"]
    documents = {path.name: json.loads(path.read_text()) for path in (shell.folder / "topology").iterdir()}
    described = {f"123456789012-us-east-1-{kind}.json": {kind: []} for kind in KINDS}
    assert documents == described | {f"{list}.json": {"Entries": []} for list in ("pl-1", "pl-2")}


def test_unreadable_prefix_list_is_left_out(shell):
    for kind in KINDS:
        shell.answers(f"describe-{kind}", json.dumps({kind: []}))
    shell.answers("describe-managed-prefix-lists", prefix_lists("pl-1"))
    shell.answers("cp", "")
    assert shell.run(deployed(EXISTING).outputs()["UploadTopologyCommand"]) == 0
    assert not (shell.folder / "topology" / "pl-1.json").exists()


def test_incomplete_topology_is_not_uploaded(shell):
    shell.answers("describe-vpcs", "{}")
    assert shell.run(deployed(EXISTING).outputs()["UploadTopologyCommand"]) != 0
    assert shell.asked() == [f"ec2 describe-{kind} --region us-east-1 --output json" for kind in KINDS[:2]]


def test_make_outputs_prints_whole_commands(shell):
    """SAM CLI wraps the lines of outputs."""
    outputs, template = deployed(EXISTING).outputs(), load()
    reported = [
        {"OutputKey": name, "Description": template["Outputs"][name]["Description"], "OutputValue": value}
        for name, value in outputs.items()
    ]
    shell.answers("describe-stacks", json.dumps({"Stacks": [{"Outputs": reported}]}))
    done = subprocess.run(
        ["make", "--silent", "-C", str(PATH.parent), "outputs", "STACK=ours"],
        env=shell.environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    lines = json.loads(done.stdout).split("\n")
    assert lines[::3] == [f"# {one['OutputKey']}: {one['Description']}" for one in reported]
    assert lines[1::3] == list(outputs.values())
    assert shell.asked()[0].startswith("cloudformation describe-stacks --stack-name ours ")


@pytest.mark.parametrize("parameter_set", PARAMETER_SETS)
def test_outputs_have_the_right_values(parameter_set):
    stack = deployed(parameter_set)
    outputs = stack.outputs()
    names = {
        "QueueUrl": "Queue",
        "DeadLetterQueueUrl": "FunctionDeadLetterQueue",
        # Replay sends these to the event queue; alerts must not go there.
        "RuleDeadLetterQueueUrl": "RuleDeadLetterQueue",
        "AlertDeadLetterQueueUrl": "AlertDeadLetterQueue",
        "FunctionName": "Function",
        "LogGroupName": "LogGroup",
        "TopicArn": "Topic",
    }
    assert {name: outputs[name] for name in names} == {name: stack.ref(id) for name, id in names.items()}
    move = f"aws sqs start-message-move-task --region us-east-1 --source-arn {stack.arn('FunctionDeadLetterQueue')}"
    assert outputs["RedriveCommand"] == move
    results = f"s3://{outputs['OutputBucketName']}/flowsentry/"
    assert outputs["SeeResults"] == f"aws s3 ls --recursive {results}"


@pytest.mark.parametrize("parameter_set", PARAMETER_SETS)
def test_test_object_matches_the_rule(shell, parameter_set):
    """The sample file, under a key that the function may read. Under another key pattern, there is no command."""
    stack = deployed(parameter_set)
    if stack.parameters["SourceKeyPattern"] != deployed("defaults").parameters["SourceKeyPattern"]:
        assert "UploadTestObjectCommand" not in stack.outputs()
        return
    shell.answers("cp", "")
    assert shell.run(stack.outputs()["UploadTestObjectCommand"]) == 0
    [[*command, source, target]] = [line.split() for line in shell.asked()]
    assert command == ["s3", "cp"] and (PROJECT / source).is_file()
    allowed = stack.one("AWS::Lambda::Function")["Environment"]["Variables"]["ALLOWED_SOURCES"]
    assert target.startswith(f"s3://{allowed}123456789012/vpcflowlogs/") and target.endswith("/")


def test_firehose_command_names_the_stream(shell):
    parameters = {"BucketName": "logs", "TopicArn": "arn:aws:sns:us-east-1:123456789012:t"}
    stack = Resolved(load("stacks/firehose.yaml"), parameters, stack="flowsentry-firehose")
    shell.answers("create-flow-logs", "")
    assert shell.run(stack.outputs()["CreateFlowLogCommand"]) == 0
    [asked] = shell.asked()
    assert asked.endswith(f"--log-destination-type kinesis-data-firehose --log-destination {stack.arn('Stream')}")


def test_commands_of_other_sources_are_left_out():
    assert "CreateFlowLogCommand" not in deployed(EXISTING).outputs()
    # The prefix of another pattern is the operator's.
    assert "CreateFlowLogCommand" not in deployed(ELSEWHERE).outputs()


def test_flow_log_command_has_right_location_and_fields(shell):
    stack = deployed("defaults")
    shell.answers("create-flow-logs", "")
    assert shell.run(stack.outputs()["CreateFlowLogCommand"]) == 0
    [asked] = shell.asked()
    assert f"--log-destination-type s3 --log-destination {stack.arn('SourceBucket')} --log-format" in asked
    known = re.findall(r'"([a-z-]+)" \d+ \w+;', (PROJECT / "src" / "record" / "field.rs").read_text())
    columns = re.findall(r"\$\{([\w-]+)\}", asked)
    # All fields up to version 5; the shell must not substitute them.
    assert len(columns) == len(set(columns)) == 29 and set(columns) < set(known)
