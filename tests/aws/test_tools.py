"""The programs in tools/, run like an operator runs them: replay, local run, and software bill of materials."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import time

import boto3
import pytest

import tools
from event_source import EventSource
from flow_logs import flow_log, key
from function import ACCESS_KEY, REGION, SECRET_KEY
from run import PROJECT
from aws_env import s3_event

FOLDER = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/24/"
ODD_NAMES = ["a b+c%41.log.gz", "été =&?#.log.gz", "100%", "--prefix=x", "quote\"'$(id).log.gz"]


def load(name):
    """Loads a program of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(name, PROJECT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def replay(env, monkeypatch, tmp_path):
    """Runs tools/replay.py with the AWS CLI behind the proxy."""
    cli = tools.aws_cli() / "aws"
    # Version 1 of the AWS CLI, the one on PyPI, takes the address of SQS only from here.
    wrapper = tmp_path / "aws"
    wrapper.write_text(f'#!/bin/sh\nexec "{cli}" --endpoint-url {env.proxy.url} "$@"\n')
    wrapper.chmod(0o755)
    for name, value in {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    module = load("replay")
    monkeypatch.setattr(module, "PAGE", 7)
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["replay.py", *arguments])
        return module.main()

    return run


def waiting(env, url):
    attributes = env.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(attributes["Attributes"]["ApproximateNumberOfMessages"])


def test_day_replay_skips_summarized_objects(env, replay, capsys):
    """More objects than a page and a batch, with names that are special in a shell or a URL."""
    names = [*ODD_NAMES, *(f"{number:02}.log.gz" for number in range(18))]
    for name in names:
        env.put(FOLDER + name, flow_log(accepted=1))
    # A folder marker of the S3 console, and the next day.
    env.put(FOLDER, b"")
    env.put(FOLDER.replace("/24/", "/25/") + "x.log.gz", flow_log(accepted=1))
    url = env.queue("events")
    day = f"s3://{env.source}/{FOLDER}"

    assert replay("day", "--queue-url", url, "--dry-run", day) == 0
    assert waiting(env, url) == 0
    assert capsys.readouterr().out == f"would send 23 event(s) of objects below {day}\n"
    assert replay("day", "--queue-url", url, day) == 0
    assert waiting(env, url) == 23
    # The Region, and four pages of at most seven, twice; one contains the folder marker.
    assert len(env.proxy.sent("GET", path=f"^/{env.source}")) == 2 * (1 + 4)

    function = env.function()
    EventSource(env.sqs, url, function).drain()
    sources = sorted(summary["sources"][0]["key"] for summary in env.documents("summaries"))
    assert sources == sorted(FOLDER + name for name in names)

    assert replay("day", "--queue-url", url, day) == 0
    EventSource(env.sqs, url, function).drain()
    assert len(env.keys("summaries")) == 23
    outcomes = function.stop().outcomes()
    assert outcomes.count(("summarized", None)) == outcomes.count(("already_summarized", None)) == 23


def test_stack_outputs_name_the_queues(env, replay, capsys):
    url, lost = env.queue("events"), env.queue("lost")
    stored = env.put(f"{FOLDER}a.log.gz", flow_log(accepted=1))
    env.sqs.send_message(QueueUrl=lost, **undelivered(env, stored))
    outputs = {"QueueUrl": {"Value": url}, "RuleDeadLetterQueueUrl": {"Value": lost}}
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    names = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": REGION}
    stacks = boto3.client("cloudformation", endpoint_url=env.endpoint, **names)
    for name, given in [(env.name, outputs), (f"{env.name}-other", {})]:
        stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": topic, "Outputs": given}))

    assert replay("day", "--stack", env.name, f"s3://{env.source}/{FOLDER}") == 0
    assert replay("dead-letters", "--stack", env.name) == 0
    assert waiting(env, url) == 2
    capsys.readouterr()
    assert replay("dead-letters", "--stack", f"{env.name}-other") == 1
    assert capsys.readouterr().err == f"the stack {env.name}-other has no output QueueUrl; is it a flowsentry stack?\n"


def test_replay_of_whole_bucket_or_nothing_fails(env, replay, capsys):
    url = env.queue("events")
    for objects in [f"s3://{env.source}", f"s3://{env.source}/", env.source, "s3:///x"]:
        assert replay("day", "--queue-url", url, objects) == 1
        assert "s3://bucket/prefix" in capsys.readouterr().err
    assert replay("day", "--queue-url", url, f"s3://{env.source}/{FOLDER}") == 1
    assert "sent 0 event(s)" in capsys.readouterr().out
    assert replay("day", "--queue-url", url, f"s3://{env.source}-none/x/") == 1
    assert "NoSuchBucket" in capsys.readouterr().err
    assert waiting(env, url) == 0


@pytest.mark.parametrize(
    ("constraint", "region"), [(None, "us-east-1"), ("EU", "eu-west-1"), ("ap-south-1", "ap-south-1")], ids=str
)
def test_replayed_events_name_the_region_of_the_bucket(env, replay, constraint, region):
    """The function asks that Region. The names of the two oldest ones are special."""
    env.put(f"{FOLDER}a.log.gz", flow_log(accepted=1))
    url, asked = env.queue("events"), []

    def locate(exchange):
        if not exchange.request.query.startswith("location"):
            return exchange.reply(exchange.forward())
        asked.append(exchange.request.path)
        xml = f">{constraint}</LocationConstraint>" if constraint else "/>"
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        exchange.answer(200, "application/xml", f'<LocationConstraint xmlns="{space}"{xml}'.encode())

    env.proxy.add(locate, "GET", path=f"^/{env.source}/?$")
    assert replay("day", "--queue-url", url, f"s3://{env.source}/{FOLDER}") == 0
    [body] = env.received(url)
    assert body["Records"][0]["awsRegion"] == region and len(asked) == 1


def fail_first_entry(exchange):
    """A successful response with a failed entry."""
    request = json.loads(exchange.request.body)
    first, *others = request["Entries"]
    answer = exchange.forward(json.dumps({**request, "Entries": others}).encode())
    reply = json.loads(answer.read())
    reply["Failed"] = [{"Id": first["Id"], "SenderFault": False, "Code": "InternalError", "Message": "a test"}]
    exchange.answer(200, "application/x-amz-json-1.0", json.dumps(reply).encode())


def test_only_failed_messages_are_resent(env, replay, capsys):
    for number in range(3):
        env.put(f"{FOLDER}{number}.log.gz", flow_log(accepted=1))
    url = env.queue("events")
    env.proxy.add(fail_first_entry, target="SendMessageBatch", times=1)
    assert replay("day", "--queue-url", url, f"s3://{env.source}/{FOLDER}") == 0
    keys = [body["Records"][0]["s3"]["object"]["key"] for body in env.received(url)]
    assert sorted(keys) == [f"{FOLDER}{number}.log.gz" for number in range(3)]
    assert capsys.readouterr().out.startswith("sent 3 event(s)")


def test_unavailable_queue_is_reported(env, replay, capsys):
    """After several attempts, with the reason of SQS."""
    env.put(f"{FOLDER}a.log.gz", flow_log(accepted=1))
    url = env.queue("events")
    env.proxy.add(fail_first_entry, target="SendMessageBatch")
    assert replay("day", "--queue-url", url, f"s3://{env.source}/{FOLDER}") == 1
    assert capsys.readouterr().err == f"{url} rejected 1 message(s): InternalError: a test\n"
    assert len(env.proxy.sent(target="SendMessageBatch")) == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["day", "--stack", "x"], "day requires s3://bucket/prefix"),
        (["dead-letters", "--stack", "x", "s3://b/c"], "dead-letters takes no argument"),
        (["day", "s3://b/c"], "pass --stack or the queues"),
        (["dead-letters", "--queue-url", "x"], "pass --stack or the queues to replay"),
    ],
)
def test_command_without_effect_is_rejected(replay, capsys, arguments, words):
    with pytest.raises(SystemExit, match="2"):
        replay(*arguments)
    assert words in capsys.readouterr().err


class MoveTasks:
    """StartMessageMoveTask, which the local server does not support."""

    def __init__(self, env):
        self.env, self.asked = env, []

    def start(self, exchange):
        request = json.loads(exchange.request.body)
        self.asked.append(request)
        url_of = lambda arn: self.env.sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        for body in self.env.received(url_of(request["SourceArn"])):
            self.env.sqs.send_message(QueueUrl=url_of(request["DestinationArn"]), MessageBody=json.dumps(body))
        exchange.answer(200, "application/x-amz-json-1.0", b'{"TaskHandle": "handle"}')

    def list(self, exchange):
        # First missing, then running, then completed; the previous task failed.
        status = [None, "RUNNING", "COMPLETED"][len(self.env.proxy.sent(target="ListMessageMoveTasks")) - 1]
        task = {"Status": status, "ApproximateNumberOfMessagesMoved": 1, "ApproximateNumberOfMessagesToMove": 1}
        before = {"Status": "FAILED", "ApproximateNumberOfMessagesMoved": 0}
        results = {"Results": [task, before] if status else []}
        exchange.answer(200, "application/x-amz-json-1.0", json.dumps(results).encode())


def undelivered(env, stored):
    """An event in a rule's dead-letter queue, with its reason."""
    event = json.loads((PROJECT / "events" / "eventbridge.json").read_text())
    event["detail"]["bucket"]["name"] = stored.bucket
    event["detail"]["object"] = {"key": stored.key, "size": 1, "etag": stored.etag}
    attributes = {"ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"}}
    return {"MessageBody": json.dumps(event), "MessageAttributes": attributes}


def test_both_dead_letter_queues_are_replayed(env, replay, capsys):
    first, *others = [env.put(key(name), flow_log(accepted=1)) for name in "abcdefghijklm"]
    dead, lost, url = env.queue("dead"), env.queue("lost"), env.queue("events")
    env.sqs.send_message(QueueUrl=dead, MessageBody=json.dumps(s3_event(first)))
    for stored in others:
        env.sqs.send_message(QueueUrl=lost, **undelivered(env, stored))
    tasks = MoveTasks(env)
    env.proxy.add(tasks.start, target="StartMessageMoveTask")
    env.proxy.add(tasks.list, target="ListMessageMoveTasks")
    queues = ["--queue-url", url, "--dead-letter-queue-url", dead, "--undelivered-queue-url", lost]

    assert replay("dead-letters", *queues, "--dry-run") == 0
    assert (waiting(env, dead), waiting(env, lost), waiting(env, url)) == (1, 12, 0)
    capsys.readouterr()
    assert replay("dead-letters", *queues) == 0
    name = env.name
    assert capsys.readouterr().out.splitlines() == [
        f"{name}-dead: 1 message(s)",
        "  moved 1 of 1: COMPLETED",
        f"{name}-lost: 12 message(s)",
        "  sent 12; 12 × NO_PERMISSIONS",
    ]
    assert tasks.asked == [{"SourceArn": env.queue_arn(dead), "DestinationArn": env.queue_arn(url)}]
    assert (waiting(env, dead), waiting(env, lost), waiting(env, url)) == (0, 0, 13)

    EventSource(env.sqs, url, env.function()).drain()
    sources = sorted(summary["sources"][0]["key"] for summary in env.documents("summaries"))
    assert sources == sorted(stored.key for stored in [first, *others])
    # Without messages, there are no further requests.
    assert replay("dead-letters", *queues) == 0
    assert len(tasks.asked) == 1


def test_unsendable_messages_stay_in_the_queue(env, replay, capsys):
    stored = env.put(key("a"), flow_log(accepted=1))
    lost, url = env.queue("lost"), env.queue("events")
    env.sqs.send_message(QueueUrl=lost, **undelivered(env, stored))
    env.proxy.add(lambda exchange: exchange.reject(403, "AccessDenied", "a test"), target="SendMessageBatch")
    assert replay("dead-letters", "--queue-url", url, "--undelivered-queue-url", lost) == 1
    assert "AccessDenied" in capsys.readouterr().err
    assert not env.proxy.sent(target="DeleteMessageBatch")
    attributes = env.sqs.get_queue_attributes(QueueUrl=lost, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    assert attributes["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_failure_of_one_queue_does_not_stop_the_other(env, replay, capsys):
    """For example if the first queue already has a running task."""
    dead, lost, url = env.queue("dead"), env.queue("lost"), env.queue("events")
    stored = env.put(key("a"), flow_log(accepted=1))
    env.sqs.send_message(QueueUrl=dead, MessageBody=json.dumps(s3_event(stored)))
    env.sqs.send_message(QueueUrl=lost, **undelivered(env, stored))
    env.proxy.add(lambda exchange: exchange.reject(400, "UnsupportedOperation", "a test"), target="StartMessageMoveTask")
    queues = ["--queue-url", url, "--dead-letter-queue-url", dead, "--undelivered-queue-url", lost]
    assert replay("dead-letters", *queues) == 1
    assert "UnsupportedOperation" in capsys.readouterr().err
    assert (waiting(env, dead), waiting(env, lost), waiting(env, url)) == (1, 0, 1)


@pytest.mark.parametrize("event", ["s3-put.json", "sqs-eventbridge.json", "sqs-sns-s3.json"])
def test_local_run_processes_each_event(event):
    """With cargo-lambda, whose emulator sends the deadline in its own format."""
    done = by_hand("--event", PROJECT / "events" / event)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "high   transitive-peering" in done.stdout
    assert re.search(r"^  flowsentry/summaries/.* bytes$", done.stdout, re.MULTILINE)


def by_hand(*arguments, **variables):
    path = f"{tools.sam()}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, PROJECT / "tools" / "local.py", *arguments]
    environment = {**os.environ, "PATH": path, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)


def test_local_run_decodes_keys_like_their_source(tmp_path):
    """EventBridge keys are not encoded, even if they contain escape sequences."""
    text = (PROJECT / "events" / "sqs-eventbridge.json").read_text()
    event = tmp_path / "event.json"
    event.write_text(text.replace("fe123456", "a+b%41"))
    done = by_hand("--event", event, AWS_REGION="eu-west-1", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a+b%41.log.gz\n" in done.stdout


def test_local_run_reports_failure(tmp_path):
    """A failed message, an unsupported event, and invalid settings, which fail at once."""
    failed = by_hand(ON_PERMANENT_FAILURE="fail", MAX_LINES="1")
    assert failed.returncode == 1 and "itemIdentifier" in failed.stdout
    event = tmp_path / "event.json"
    event.write_text('{"Vpcs": []}')
    unknown = by_hand("--event", event)
    assert unknown.returncode == 1 and "UnknownEvent" in unknown.stdout
    began = time.monotonic()
    wrong = by_hand(TOP="many")
    assert wrong.returncode == 1 and "TOP is" in wrong.stderr and "the function exited" in wrong.stderr
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--event", "none.json"], "no such file: none.json"),
        (["--event", PROJECT / "README.md"], "README.md is not JSON"),
        (["--object", "none.gz"], "no such file: none.gz"),
        (["--topology", "none"], "no *.json in none"),
    ],
)
def test_local_run_rejects_wrong_arguments(arguments, words):
    done = by_hand(*arguments)
    assert done.returncode == 2 and words in done.stderr


def test_sbom_lists_the_linked_crates(monkeypatch):
    sbom = load("sbom")
    monkeypatch.setattr(sbom, "FOLDER", PROJECT / "target" / "sbom-test")
    assert sbom.main() is None
    bills = [json.loads(path.read_text()) for path in sorted(sbom.FOLDER.glob("*.json"))]
    assert len(bills) == 2
    for bill in bills:
        names = {one["name"] for one in bill["components"]}
        assert {"aws-sdk-s3", "zlib-rs", "rustls"} <= names
        # Test dependencies.
        assert not {"s3s", "proptest", "ring", "openssl"} & names
        refs = {one["bom-ref"] for one in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
        assert {one["ref"] for one in bill["dependencies"]} == refs
        assert {used for one in bill["dependencies"] for used in one["dependsOn"]} < refs
        assert all(re.fullmatch("[0-9a-f]{64}", one["hashes"][0]["content"]) for one in bill["components"])
