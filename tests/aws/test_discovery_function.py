"""The function that discovers the network: the snapshots that it stores, and the analysis with them."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import discovery
import faults
from aws_env import DONE, in_queue
from discovery import credentials, ec2, ec2_error, peered_vpcs, program, when
from flow_logs import HEADER, key, record
from function import REGION, Function
from test_discovery import account  # noqa: F401

FOLDER = "flowsentry/topology/snapshots/"
CHECKED = "flowsentry/topology/checked.json"


class Discovery:
    """The function that discovers the network of one account, behind the proxy."""

    def __init__(self, env, account):
        self.env, self.account, self.s3 = env, account, env.s3

    def start(self, **settings):
        names = {name.upper(): value for name, value in credentials(self.env.endpoint, self.account).items()}
        settings = {"TOPOLOGY_URI": f"s3://{self.env.output}/{FOLDER}", **names, **settings}
        function = Function(self.env.proxy.url, settings, program("flowsentry-topology"))
        self.env._functions.append(function)
        return function

    def check(self, **settings):
        """Starts a function for one check, and returns its response."""
        function = self.start(**settings)
        answer = function.invoke({}, seconds=240)
        function.stop()
        return outcome(answer)

    def keys(self):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.env.output)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def read(self, key):
        return json.loads(self.s3.get_object(Bucket=self.env.output, Key=key)["Body"].read())

    def ids(self):
        """Returns the snapshots with a manifest."""
        return [key.split("/")[-2] for key in self.keys() if key.endswith("/manifest.json")]

    def copy(self, id, to, change=lambda document: document):
        """Stores a snapshot as one of another time, with a changed document."""
        [name] = [one["file"]["name"] for one in self.read(f"{FOLDER}{id}/manifest.json")["pairs"]]
        document = json.dumps(change(self.read(f"{FOLDER}{id}/{name}"))).encode()
        manifest = self.read(f"{FOLDER}{id}/manifest.json")
        manifest["pairs"][0]["file"].update(sha256=discovery.sha256(document), bytes=len(document))
        for file, content in ((name, document), ("manifest.json", json.dumps(manifest).encode())):
            self.s3.put_object(Bucket=self.env.output, Key=f"{FOLDER}{to}/{file}", Body=content)


def outcome(answer):
    return ("error", answer.error) if answer.error else ("response", answer.response)


@pytest.fixture
def found(env, account):  # noqa: F811
    return Discovery(env, account)


def wait_for_the_next_second():
    """Snapshots are named after the second."""
    time.sleep(1.1)


def test_a_check_stores_a_snapshot_only_if_something_changed(found, account):  # noqa: F811
    peered_vpcs(ec2(found.env.endpoint, account), 20)
    status, first = found.check()
    assert (status, first["is_new"], first["stale"]) == ("response", True, 0)
    folder = f"{FOLDER}{first['snapshot']}/"
    assert found.keys() == [CHECKED, f"{folder}{account}-{REGION}.json", f"{folder}manifest.json"]
    manifest = found.read(f"{folder}manifest.json")
    assert manifest["schema"] == "flowsentry/topology-snapshot/v1" and manifest["complete"]
    assert manifest["created_at"].replace(":", "-") == first["snapshot"]
    puts = [request for request in found.env.proxy.sent("PUT")]
    assert [request.path.rsplit("/", 1)[-1] for request in puts] == [f"{account}-{REGION}.json", "manifest.json", "checked.json"]
    # Only the last one replaces an object.
    assert [request.headers.get("if-none-match") for request in puts] == ["*", "*", None]

    wait_for_the_next_second()
    checked = found.read(CHECKED)
    status, second = found.check()
    assert (status, second) == ("response", {**first, "is_new": False})
    assert len(found.keys()) == 3 and found.read(CHECKED)["checked_at"] > checked["checked_at"]
    assert found.read(CHECKED)["snapshot"] == first["snapshot"]

    ec2(found.env.endpoint, account).create_vpc(CidrBlock="10.99.0.0/16")
    wait_for_the_next_second()
    _, third = found.check()
    assert third["is_new"] and found.ids() == [first["snapshot"], third["snapshot"]]
    written = found.env.stop()
    assert written.values("TopologyStale") == [0, 0, 0]
    checks = [line for line in written.log if line["message"] == "network checked"]
    assert [(line["snapshot"], line["is_new"]) for line in checks] == [
        (first["snapshot"], True), (first["snapshot"], False), (third["snapshot"], True),
    ]  # fmt: skip


def test_a_denied_region_keeps_its_document_and_counts_as_stale(found, account):  # noqa: F811
    regions = {"TOPOLOGY_REGIONS": "eu-west-1,us-east-1"}
    _, first = found.check(**regions)
    found.env.proxy.add(when("DescribeVpcs", ec2_error(403, "UnauthorizedOperation"), region="eu-west-1"))
    wait_for_the_next_second()
    _, second = found.check(**regions)
    assert (second["is_new"], second["stale"]) == (True, 1)
    document = lambda one: found.read(f"{FOLDER}{one['snapshot']}/{account}-eu-west-1.json")
    assert document(first) == document(second)
    stale = found.read(f"{FOLDER}{second['snapshot']}/manifest.json")["pairs"][0]
    assert (stale["region"], stale["error"]) == ("eu-west-1", "UnauthorizedOperation")
    [listed] = found.read(CHECKED)["stale"]
    assert (listed["account_id"], listed["region"], listed["since"]) == (account, "eu-west-1", stale["stale_since"])
    wait_for_the_next_second()
    assert found.check(**regions)[1] == {**second, "is_new": False}, "it is as stale as before"
    written = found.env.stop()
    assert written.values("TopologyStale") == [0, 1, 1]
    [line, _] = [line for line in written.log if line["message"] == "account and Region not described"]
    assert (line["region"], line["code"]) == ("eu-west-1", "UnauthorizedOperation")


def test_nothing_described_is_an_error(found):
    found.env.proxy.add(when("DescribeVpcs", ec2_error(403, "UnauthorizedOperation")))
    status, answer = found.check()
    assert (status, answer["errorType"]) == ("error", "NothingDescribed")
    assert found.keys() == []


def test_a_crash_before_the_manifest_leaves_no_snapshot(found, account):  # noqa: F811
    _, first = found.check()
    ec2(found.env.endpoint, account).create_vpc(CidrBlock="10.98.0.0/16")
    wait_for_the_next_second()
    hold = found.env.proxy.add(faults.Hold(forwarded=False), "PUT", path="manifest.json")
    function = found.start()
    function.begin({}, seconds=240)
    hold.wait()
    function.stop()
    found.env.proxy.clear()
    assert len(found.keys()) == 4 and found.ids() == [first["snapshot"]], "a document without a manifest"
    summary = analyze(found, "a")
    assert summary["topology"] == {"snapshot": first["snapshot"]}
    wait_for_the_next_second()
    _, third = found.check()
    assert third["is_new"] and found.ids() == [first["snapshot"], third["snapshot"]]


def test_a_lost_response_does_not_lose_the_snapshot(found):
    found.env.proxy.add(faults.fail_after, "PUT", path="manifest.json", times=1)
    status, answer = found.check()
    assert (status, answer["is_new"], found.ids()) == ("response", True, [answer["snapshot"]])


def test_two_at_once_store_whole_snapshots(found, account):  # noqa: F811
    peered_vpcs(ec2(found.env.endpoint, account), 30)
    functions = [found.start() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        answers = [outcome(one) for one in pool.map(lambda function: function.invoke({}, seconds=240), functions)]
    stored = {answer["snapshot"] for status, answer in answers if status == "response"}
    assert stored and stored == set(found.ids())
    for status, answer in answers:
        assert status == "response" or answer["errorType"] == "SnapshotNotStored"
    for id in stored:
        for entry in found.read(f"{FOLDER}{id}/manifest.json")["pairs"]:
            body = found.s3.get_object(Bucket=found.env.output, Key=f"{FOLDER}{id}/{entry['file']['name']}")["Body"].read()
            assert (discovery.sha256(body), len(body)) == (entry["file"]["sha256"], entry["file"]["bytes"])


BETWEEN_VPCS = HEADER + record(src="10.40.1.5", dst="10.41.1.5") * 3 + record(src="10.40.1.5", dst="10.41.1.5", action="REJECT")


def analyze(found, name):
    """Analyzes a log with data of 2018-06-20T17:00Z, and returns its summary."""
    function = found.env.function(TOPOLOGY_URI=f"s3://{found.env.output}/{FOLDER}")
    file = f"123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1700Z_{name}.log.gz"
    stored = found.env.put(f"AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/{file}", BETWEEN_VPCS)
    assert function.invoke(in_queue(stored)).response == DONE
    function.stop()
    [summary] = [one for one in found.env.documents("summaries") if one["sources"][0]["uri"] == stored.uri]
    return summary


def test_without_a_snapshot_peering_is_not_judged(found):
    summary = analyze(found, "a")
    assert summary["peering"] is None and "topology" not in summary
    assert found.env.stop().total("TopologyRefreshFailures") == 0


def test_a_discovered_network_judges_peering(found, account, report):  # noqa: F811
    made = peered_vpcs(ec2(found.env.endpoint, account), 40)
    _, answer = found.check()
    summary = analyze(found, "a")
    assert summary["topology"] == {"snapshot": answer["snapshot"]}, "the earliest one, because the log is older"
    [connection] = summary["peering"]["connections"]
    assert (connection["peering_connection_id"], connection["status"]) == (made["peering"], "active")
    assert (connection["accepted"]["flows"], connection["rejected"]["flows"]) == (3, 1)


def test_the_snapshot_in_force_at_the_time_of_the_data_is_used(found, account):  # noqa: F811
    peered_vpcs(ec2(found.env.endpoint, account), 40)
    _, answer = found.check()
    unpeered = lambda document: {**document, "VpcPeeringConnections": []}
    found.copy(answer["snapshot"], "2018-06-20T00-00-00Z")
    found.copy(answer["snapshot"], "2018-06-20T16-00-00Z", unpeered)
    found.copy(answer["snapshot"], "2018-06-20T18-00-00Z")
    summary = analyze(found, "a")
    assert summary["topology"] == {"snapshot": "2018-06-20T16-00-00Z"}
    assert summary["peering"]["connections"] == []
    # A damaged one is passed over.
    broken = f"{FOLDER}2018-06-20T16-00-00Z/{account}-{REGION}.json"
    found.s3.put_object(Bucket=found.env.output, Key=broken, Body=b"{}")
    summary = analyze(found, "b")
    assert summary["topology"] == {"snapshot": "2018-06-20T00-00-00Z"}
    assert len(summary["peering"]["connections"]) == 1
    unusable = [line for line in found.env.stop().log if line["message"] == "snapshot not usable"]
    assert [line["code"] for line in unusable] == ["topology_snapshot_invalid"]


def test_damaged_snapshots_alone_are_an_error(found, account):  # noqa: F811
    """A missing topology is no error, but a damaged one would hide problems. The next check stores a new one."""
    _, answer = found.check()
    found.s3.put_object(Bucket=found.env.output, Key=f"{FOLDER}{answer['snapshot']}/manifest.json", Body=b"{}")
    function = found.env.function(TOPOLOGY_URI=f"s3://{found.env.output}/{FOLDER}")
    event = in_queue(found.env.put(key("a"), BETWEEN_VPCS))
    assert function.invoke(event).error["errorType"] == "TopologyUnavailable"
    wait_for_the_next_second()
    _, second = found.check()
    assert second["is_new"] and second["snapshot"] > answer["snapshot"]
    assert found.env.function(TOPOLOGY_URI=f"s3://{found.env.output}/{FOLDER}").invoke(event).response == DONE
    assert found.env.only("summaries")["topology"] == {"snapshot": second["snapshot"]}


def test_a_snapshot_is_read_once(found, account):  # noqa: F811
    _, answer = found.check()
    function = found.env.function(TOPOLOGY_URI=f"s3://{found.env.output}/{FOLDER}")
    for name in "abc":
        assert function.invoke(in_queue(found.env.put(key(name), BETWEEN_VPCS))).response == DONE
    assert len(found.env.proxy.sent("GET", path=f"{answer['snapshot']}/{account}-{REGION}.json")) == 1
    lists = [request for request in found.env.proxy.sent("GET", path=f"/{found.env.output}") if "list-type=2" in request.query]
    # One of the discovery, and one of the analysis.
    assert len(lists) == 2
