"""The template as it is deployed: from an object in the source bucket to a message at the topic's subscriber.

Each variant of the stack lives once, through all that can happen to objects; the tests look at what became of them.
"""

import json
import re
from dataclasses import dataclass, field

import pytest

import calls
import faults
import iam
from flow_logs import END, flow_log, key, record, records
from function import Written
from stack import Stack
from world import s3_event

PEERING = "pcx-0123456789abcdef0"
TOPOLOGY = {
    "Vpcs": [
        {"VpcId": vpc, "CidrBlock": block, "CidrBlockAssociationSet": [{"CidrBlock": block, "CidrBlockState": {"State": "associated"}}]}
        for vpc, block in [("vpc-0a", "10.0.0.0/16"), ("vpc-0b", "10.2.0.0/16")]
    ],
    "VpcPeeringConnections": [
        {
            "VpcPeeringConnectionId": PEERING,
            "Status": {"Code": "active"},
            "RequesterVpcInfo": {"VpcId": "vpc-0a", "CidrBlock": "10.0.0.0/16"},
            "AccepterVpcInfo": {"VpcId": "vpc-0b", "CidrBlock": "10.2.0.0/16"},
        }
    ],
}
# Two records between the VPCs that are let through, one that is refused.
BETWEEN_VPCS = record(dst="10.2.0.5") * 2 + record(dst="10.2.0.5", action="REJECT")


def new_buckets(stack):
    """All that the template makes by itself, and a topology beside the results."""
    return {"Topology": "output-bucket", "PeeringConnectionIds": PEERING}


def existing_buckets(stack):
    """Buckets that were there before, the flow logs' with versions and below a prefix; keys of AWS's for the rest."""
    stack.version(stack.source)
    return {
        "SourceBucketName": stack.source,
        "SourcePrefix": "network/",
        "OutputBucketName": stack.output,
        "PipelineKey": "aws-managed",
    }


def new_buckets_with_keys(stack):
    """Keys of the customer's for all that is stored, and a topology in a bucket of its own."""
    topology, key_ = stack.bucket("topology"), stack.key()
    stack.encrypt(topology, key_)
    return {
        "SourceKmsKeyArn": stack.key(),
        "OutputKmsKeyArn": stack.key(),
        "Topology": "own-bucket",
        "TopologyBucketName": topology,
        "TopologyPrefix": "inventory/",
        "TopologyKmsKeyArn": key_,
        "PipelineKey": "existing",
        "PipelineKmsKeyArn": stack.key(),
        "PeeringConnectionIds": PEERING,
    }


def existing_buckets_with_keys(stack):
    """Buckets that were there before, and encrypt with keys of the customer's."""
    keys = {bucket: stack.key() for bucket in [stack.source, stack.output]}
    for bucket, key_ in keys.items():
        stack.encrypt(bucket, key_)
    return {
        "SourceBucketName": stack.source,
        "SourceKmsKeyArn": keys[stack.source],
        "OutputBucketName": stack.output,
        "OutputKmsKeyArn": keys[stack.output],
        "OutputPrefix": "flowsentry/results/",
    }


def one_bucket(stack):
    """Flow logs and results in the same bucket."""
    return {"SourceBucketName": stack.source, "OutputBucketName": stack.source, "OnPermanentFailure": "quarantine"}


VARIANTS = [new_buckets, existing_buckets, new_buckets_with_keys, existing_buckets_with_keys, one_bucket]


@dataclass
class Life:
    """What was done to a stack, and what came of it."""

    stack: Stack
    parameters: dict
    # What was stored, by name.
    stored: dict = field(default_factory=dict)
    # So many messages lay among the dead letters when something was wrong, and when it was mended.
    dead_letters: list = field(default_factory=list)
    # What the subscriber got, by what had just been stored.
    messages: dict = field(default_factory=dict)
    # What the function asked for, and what AWS asks for on its behalf.
    calls: list = field(default_factory=list)
    written: Written = None

    def put(self, name, content):
        stored = self.stack.put(self.prefix + key(name), content, self.stack.source)
        self.stored[name] = stored
        return stored

    @property
    def has_topology(self):
        return "TOPOLOGY_URI" in self.stack.environment

    @property
    def prefix(self):
        return self.parameters.get("SourcePrefix", "")

    def documents(self, name, kind):
        """The outputs of one kind that tell of what was stored by that name."""
        uris = lambda one: [source["uri"] for source in one.get("sources", [one])]
        return [one for one in self.stack.documents(kind) if self.stored[name].uri in uris(one)]


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda variant: variant.__name__)
def life(clients, request):
    stack = Stack(clients)
    try:
        parameters = request.param(stack)
        stack.deploy(**parameters)
        yield live(stack, parameters)
    finally:
        stack.close()


def live(stack, parameters):
    """All that can happen to objects."""
    life = Life(stack, parameters)
    if "SourceBucketName" in parameters:
        # The operator does this, as the stack's outputs say.
        stack.notify(stack.source)
    subscriber, function = stack.subscribe(), stack.function()

    def feed(name):
        stack.feed(function)
        stack.relay()
        life.messages[name] = stack.received(subscriber)

    # Denied, or, where there is one, without its topology: five times in vain, then among the dead letters.
    if "TOPOLOGY_URI" not in stack.environment:
        stack.proxy.add(faults.refuse(403, "AccessDenied"), "GET", path="denied")
    life.put("denied", flow_log(scans=1, accepted=7))
    feed("denied, in vain")
    life.dead_letters.append(stack.waiting("DeadLetters"))
    stack.proxy.clear()
    if uri := stack.environment.get("TOPOLOGY_URI"):
        bucket, folder = uri.removeprefix("s3://").split("/", 1)
        stack.s3.put_object(Bucket=bucket, Key=f"{folder}all.json", Body=json.dumps(TOPOLOGY))
        # It would look again when the old one is too old.
        function.stop()
        function = stack.function()
    stack.redrive("DeadLetters")
    feed("denied")
    life.dead_letters.append(stack.waiting("DeadLetters"))

    life.put("good", flow_log(scans=2, accepted=3, extra=BETWEEN_VPCS))
    feed("good")

    body = stack.s3.get_object(Bucket=stack.source, Key=life.stored["good"].key)["Body"].read()
    life.put("corrupt", body[:-9])
    feed("corrupt")

    # A storm, whose alerts are rolled up.
    life.put("storm", flow_log(scans=25))
    feed("storm")

    # Gone before it is read.
    gone = life.put("gone", flow_log())
    stack.s3.delete_object(Bucket=gone.bucket, Key=gone.key, **({"VersionId": gone.version_id} if gone.version_id else {}))
    feed("gone")

    # A message that comes again, as a replay without the version has it, and one of what is not to be read.
    elsewhere = stack.put("elsewhere/" + key("x"), flow_log(), stack.source)
    for event in [s3_event(_without_version(life.stored["good"])), s3_event(elsewhere)]:
        stack.sqs.send_message(QueueUrl=stack.url("Queue"), MessageBody=json.dumps(event))
    feed("again")

    life.calls = stack.calls()
    life.written = stack.stop()
    return life


def _without_version(stored):
    return type(stored)(stored.bucket, stored.key, stored.etag, None)


def only(values):
    [value] = values
    return value


def test_an_object_becomes_a_summary_findings_and_messages(life):
    """From the bucket by rule, queue and function to the results; and by bus, rule and topic to a subscriber."""
    stored = life.stored["good"]
    summary = only(life.documents("good", "summaries/"))
    total = records(scans=2, accepted=3) + 3
    assert (summary["records"]["total"], summary["records"]["accepted"]) == (total, 5)
    source = summary["sources"][0]
    assert (source["uri"], source["etag"], source["version_id"]) == (stored.uri, stored.etag, stored.version_id)
    peered = life.has_topology
    types = ["port-scan", "port-scan", *(["rejected-peering"] if peered else [])]
    assert [finding["type"] for finding in summary["findings"]] == types
    assert (summary["peering"] is not None) == peered
    assert only(life.documents("good", "receipts/"))["uri"] == stored.uri

    messages = [text(message) for message in life.messages["good"]]
    key_ = only(key_ for key_ in life.stack.keys("summaries/") if "/good-" in key_)
    for finding, message in zip(summary["findings"], messages, strict=True):
        assert message.splitlines()[0] == f"{finding['severity'].capitalize()} {finding['type']}: {finding['title']}"
        assert f"Summary, with all findings: s3://{life.stack.output}/{key_}" in message.splitlines()
        assert f"Flows: {finding['flows']}" in message and finding["id"] in message


def text(message):
    """What a subscriber by mail would read."""
    assert message["Type"] == "Notification"
    return message["Message"]


def test_a_mail_has_no_gaps(life):
    """Also that which rolls up what else was found: nothing stands empty, and no placeholder is left."""
    messages = [text(message) for messages in life.messages.values() for message in messages]
    assert len(life.messages["storm"]) == 21
    for message in messages:
        assert "<" not in message and not re.search(r": *$|:   ", message, re.MULTILINE), message


def test_a_corrupt_object_is_quarantined(life):
    """Its event is done: nothing waits, and nobody is alerted of findings that can't be known."""
    receipt = only(life.documents("corrupt", "quarantine/"))
    assert (receipt["error"], receipt["version_id"]) == ("gzip_truncated", life.stored["corrupt"].version_id)
    assert life.documents("corrupt", "summaries/") == [] and life.messages["corrupt"] == []


def test_an_object_that_is_gone_is_quarantined(life):
    assert only(life.documents("gone", "quarantine/"))["error"] == "gone"


def test_what_fails_lies_among_the_dead_letters_until_it_is_sent_again(life):
    """As often as the queue says it was tried; then it becomes a summary and a message, as any other."""
    queue = life.stack.resolved.properties("Queue")
    code = "topology_unavailable" if life.has_topology else "AccessDenied"
    outcomes = life.written.outcomes()
    assert outcomes[:6] == [("failed", code)] * queue["RedrivePolicy"]["maxReceiveCount"] + [("summarized", None)]
    assert (life.dead_letters, life.messages["denied, in vain"]) == ([1, 0], [])
    assert only(life.documents("denied", "summaries/"))["records"]["total"] == records(scans=1, accepted=7)
    assert len(life.messages["denied"]) == 1 and life.stack.waiting("Queue") == 0


def test_a_replay_changes_nothing_and_strangers_are_ignored(life):
    """A message that comes again finds the summary; what lies elsewhere is not read."""
    assert life.written.outcomes()[-2:] == [("already_summarized", None), ("ignored", "not-allowed")]
    assert life.messages["again"] == []


def test_the_rule_takes_flow_logs_alone(life):
    """Neither results nor what else lies in the bucket comes to the queue."""
    told = [event["detail"]["object"]["key"] for event in life.stack.handed_over if event.get("source") == "aws.s3"]
    assert set(told) == {stored.key for stored in life.stored.values()}


def test_every_call_is_allowed(life):
    """Each that was seen, and each that Lambda makes in the function's name, by the role, the bucket and the key."""
    assert refused(life) == []


def test_nothing_is_allowed_that_is_not_needed(life):
    """No statement, action or resource could be left out of the role."""
    unneeded = iam.not_needed(life.calls, life.stack.role_statements(), life.stack.resource_policies())
    assert [name for name in unneeded if name not in NEEDED_ELSEWHERE] == []


# What these lives had no need for, and others have.
NEEDED_ELSEWHERE = {}


def refused(life):
    own, policies = life.stack.role_statements(), life.stack.resource_policies()
    return list(map(str, iam.refused(life.calls, own, policies)))
