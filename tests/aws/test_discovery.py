"""`flowsentry topology fetch` against a local EC2: what it writes, and what it does when AWS fails."""

import json
import subprocess
import uuid

import pytest

import discovery
from discovery import CALLS, ec2, ec2_error, environment, fetch, peered_vpcs, program, when, xml
from function import REGION
from proxy import Proxy

@pytest.fixture
def account():
    """An account of this test alone: the server is shared."""
    return str(uuid.uuid4().int)[:12].replace("0", "7")


@pytest.fixture
def proxy(clients):
    proxy = Proxy(clients.endpoint)
    yield proxy
    proxy.close()


def is_part(part, whole):
    """Returns whether each value of a document is that of AWS's own tools. Lists may have another order."""
    if isinstance(part, dict):
        return all(name in whole and is_part(value, whole[name]) for name, value in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(any(is_part(one, other) for other in whole) for one in part)
    return part == whole


def test_documents_are_those_of_the_aws_tools(clients, account, tmp_path):
    client = ec2(clients.endpoint, account)
    made = peered_vpcs(client, 20)
    done = fetch(tmp_path, environment(clients.endpoint, account))
    assert done.returncode == 0, done.stderr
    manifest, files = discovery.documents(tmp_path)
    assert list(files) == [f"{account}-{REGION}.json"]
    [document] = files.values()
    for key, call in CALLS.items():
        expected = getattr(client, call)()[key]
        assert expected and is_part(document[key], expected), key
    lists = {one["PrefixListId"]: one["Cidrs"] for one in document["PrefixLists"]}
    assert lists[made["prefix_list"]] == ["10.21.0.0/16", "192.0.2.0/24"]
    assert done.stdout.startswith(f"{account} {REGION}: NetworkAcls 3, NetworkInterfaces 2, PrefixLists ")
    assert done.stdout.endswith("VpcPeeringConnections 1, Vpcs 3\n")
    [entry] = manifest["pairs"]
    assert (manifest["complete"], entry["stale_since"], entry["error"]) == (True, None, None)
    assert entry["file"]["bytes"] == (tmp_path / entry["file"]["name"]).stat().st_size


def test_a_fetched_topology_judges_peering(clients, account, tmp_path, report):
    made = peered_vpcs(ec2(clients.endpoint, account), 30)
    topology = tmp_path / "topology"
    assert fetch(topology, environment(clients.endpoint, account)).returncode == 0
    log = tmp_path / "flows.log"
    line = "2 {} {} 10.30.1.5 10.31.1.5 40000 443 6 2 120 1795392000 1795392060 {} OK\n"
    actions = ["ACCEPT"] * 5 + ["REJECT"] * 2
    log.write_text("".join(line.format(account, made["interfaces"][0], action) for action in actions))
    command = [program("flowsentry"), "analyze", "--topology", topology, "--format", "json", log]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    [connection] = summary["peering"]["connections"]
    assert (connection["peering_connection_id"], connection["accepted"]["flows"]) == (made["peering"], 5)
    assert connection["rejected"]["flows"] == 2
    check = subprocess.run([program("flowsentry"), "topology", "check", topology], capture_output=True, text=True)
    assert check.stderr == "", "each resource is usable"


def test_an_unchanged_network_changes_nothing(clients, account, tmp_path):
    env = environment(clients.endpoint, account)
    peered_vpcs(ec2(clients.endpoint, account), 40)
    assert fetch(tmp_path, env).returncode == 0
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()}
    again = fetch(tmp_path, env)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "unchanged")
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()} == before
    ec2(clients.endpoint, account).create_vpc(CidrBlock="10.49.0.0/16")
    assert "unchanged" not in fetch(tmp_path, env).stdout
    assert len(json.loads((tmp_path / f"{account}-{REGION}.json").read_text())["Vpcs"]) == 4


def test_another_account_is_described_by_its_role(clients, account, proxy, tmp_path):
    other = account[::-1]
    mine = peered_vpcs(ec2(clients.endpoint, account), 50)
    theirs = peered_vpcs(ec2(clients.endpoint, other), 60)
    env = environment(proxy.url, account)
    role = ["--accounts", other, "--role-name", "path/reader", "--external-id", "our-secret"]
    done = fetch(tmp_path, env, *role, regions="us-east-1,eu-west-1")
    assert done.returncode == 0, done.stderr
    manifest, files = discovery.documents(tmp_path)
    names = [f"{id}-{region}.json" for id in (account, other) for region in ("eu-west-1", "us-east-1")]
    assert sorted(files) == sorted(names)
    vpcs = lambda id, region: {vpc["VpcId"] for vpc in files[f"{id}-{region}.json"]["Vpcs"]}
    assert set(mine["vpcs"]) < vpcs(account, "us-east-1") and set(theirs["vpcs"]) < vpcs(other, "us-east-1")
    assert not set(mine["vpcs"]) & vpcs(account, "eu-west-1")
    [assumed] = [one for one in map(discovery.form, proxy.requests) if one.get("RoleSessionName") == "flowsentry-topology"]
    assert assumed["RoleArn"] == f"arn:aws:iam::{other}:role/path/reader"
    assert (assumed["Action"], assumed["ExternalId"]) == ("AssumeRole", "our-secret")


def test_a_denied_region_keeps_its_last_document(clients, account, proxy, tmp_path):
    env = environment(proxy.url, account)
    regions = "us-east-1,eu-west-1"
    assert fetch(tmp_path, env, regions=regions).returncode == 0
    kept = (tmp_path / f"{account}-eu-west-1.json").read_bytes()
    ec2(clients.endpoint, account, "eu-west-1").create_vpc(CidrBlock="10.70.0.0/16")
    proxy.add(when("DescribeVpcs", ec2_error(403, "UnauthorizedOperation"), region="eu-west-1"))
    done = fetch(tmp_path, env, regions=regions)
    assert done.returncode == 1
    expected = f"flowsentry: {account} eu-west-1: UnauthorizedOperation: DescribeVpcs failed: from a test\n"
    assert done.stderr == expected
    manifest, _ = discovery.documents(tmp_path)
    stale, fresh = manifest["pairs"]
    assert (stale["region"], stale["error"], stale["stale_since"]) == (
        "eu-west-1", "UnauthorizedOperation", manifest["created_at"],
    )  # fmt: skip
    assert (manifest["complete"], fresh["stale_since"]) == (False, None)
    assert (tmp_path / f"{account}-eu-west-1.json").read_bytes() == kept
    # One attempt: another one would be rejected too.
    assert len([one for one in discovery.calls(proxy, "eu-west-1") if one["Action"] == "DescribeVpcs"]) == 2
    since = stale["stale_since"]
    assert fetch(tmp_path, env, regions=regions).returncode == 1
    assert discovery.documents(tmp_path)[0]["pairs"][0]["stale_since"] == since
    proxy.clear()
    assert fetch(tmp_path, env, regions=regions).returncode == 0
    manifest, files = discovery.documents(tmp_path)
    assert manifest["complete"] and len(files[f"{account}-eu-west-1.json"]["Vpcs"]) == 2


def test_all_pages_are_read(clients, account, proxy, tmp_path):
    pages = {
        None: ("vpc-1", "one"),
        "one": ("vpc-2", "tw/o+="),
        "tw/o+=": ("vpc-3", None),
    }

    def page(exchange):
        vpc, next_token = pages[discovery.form(exchange.request).get("NextToken")]
        token = f"<nextToken>{next_token}</nextToken>" if next_token else ""
        items = f"<item><vpcId>{vpc}</vpcId><cidrBlock>10.0.0.0/16</cidrBlock></item>"
        xml(f"<DescribeVpcsResponse><vpcSet>{items}</vpcSet>{token}</DescribeVpcsResponse>")(exchange)

    proxy.add(when("DescribeVpcs", page))
    assert fetch(tmp_path, environment(proxy.url, account)).returncode == 0
    [document] = discovery.documents(tmp_path)[1].values()
    assert [vpc["VpcId"] for vpc in document["Vpcs"]] == ["vpc-1", "vpc-2", "vpc-3"]
    asked = [one for one in discovery.calls(proxy) if one["Action"] == "DescribeVpcs"]
    assert [one.get("NextToken") for one in asked] == [None, "one", "tw/o+="]
    limits = {one["Action"]: one.get("MaxResults") for one in discovery.calls(proxy)}
    assert limits == {
        "DescribeVpcs": "1000",
        "DescribeSubnets": "1000",
        "DescribeVpcPeeringConnections": "1000",
        "DescribeNetworkInterfaces": "1000",
        "DescribeRouteTables": "100",
        "DescribeSecurityGroups": "1000",
        "DescribeNetworkAcls": "1000",
        "DescribePrefixLists": None,
        "DescribeManagedPrefixLists": "100",
        **({"GetManagedPrefixListEntries": "100"} if "GetManagedPrefixListEntries" in limits else {}),
    }


TRANSIENT = {
    "throttled": ec2_error(503, "RequestLimitExceeded"),
    "throttled by another code": ec2_error(400, "Throttling"),
    "a fault of AWS": ec2_error(500, "InternalError"),
    "a page of a proxy": lambda exchange: exchange.answer(502, "text/html", b"<html>Bad Gateway</html>"),
    "a login page": xml("<html><body>log in</body></html>"),
    "cut off": xml("<DescribeSubnetsResponse><subnetSet><item><subnetId>subnet-1</subnetId>"),
    "a broken connection": lambda exchange: exchange.reset(),
}


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_passing_fault_is_repeated(fault, account, proxy, tmp_path):
    proxy.add(when("DescribeSubnets", TRANSIENT[fault], times=2))
    done = fetch(tmp_path, environment(proxy.url, account))
    assert (done.returncode, done.stderr) == (0, "")
    assert len([one for one in discovery.calls(proxy) if one["Action"] == "DescribeSubnets"]) == 3


HOSTILE = {
    "entities": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><DescribeSubnetsResponse>&a;</DescribeSubnetsResponse>',
    "depth": b"<DescribeSubnetsResponse>" + b"<a>" * 100_000,
    "not text": b"<DescribeSubnetsResponse>\xff\xfe</DescribeSubnetsResponse>",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_response_fails_its_pair_only(kind, account, proxy, tmp_path):
    proxy.add(when("DescribeSubnets", xml(HOSTILE[kind]), region="eu-west-1"))
    done = fetch(tmp_path, environment(proxy.url, account), regions="us-east-1,eu-west-1")
    assert done.returncode == 1
    assert f"{account} eu-west-1: invalid_response: DescribeSubnets failed: not XML near byte" in done.stderr
    manifest, files = discovery.documents(tmp_path)
    assert list(files) == [f"{account}-us-east-1.json"]
    assert [(one["region"], one["error"], one["file"] is None) for one in manifest["pairs"]] == [
        ("eu-west-1", "invalid_response", True),
        ("us-east-1", None, False),
    ]


def test_a_huge_response_is_not_read(account, proxy, tmp_path):
    def huge(exchange):
        exchange.answer(200, "text/xml", b"<DescribeSubnetsResponse>" + b" " * (65 << 20))

    proxy.add(when("DescribeSubnets", huge))
    done = fetch(tmp_path, environment(proxy.url, account))
    assert done.returncode == 1
    assert "response_too_large: DescribeSubnets failed: the response has more than 67108864 bytes" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_prefix_list_is_named(clients, account, proxy, tmp_path):
    made = peered_vpcs(ec2(clients.endpoint, account), 80)
    proxy.add(when("GetManagedPrefixListEntries", ec2_error(403, "UnauthorizedOperation")))
    done = fetch(tmp_path, environment(proxy.url, account))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"more without blocks: " in done.stdout
    manifest, _ = discovery.documents(tmp_path)
    assert made["prefix_list"] in manifest["pairs"][0]["unreadable_prefix_lists"]


def test_requests_are_signed_and_have_the_session(clients, account, proxy, tmp_path):
    assert fetch(tmp_path, environment(proxy.url, account), regions="eu-west-1").returncode == 0
    described = [one for one in proxy.requests if "/ec2/" in one.headers["authorization"]]
    assert len(described) >= 9
    for request in described:
        authorization = request.headers["authorization"]
        assert authorization.startswith("AWS4-HMAC-SHA256 Credential=") and "/eu-west-1/ec2/aws4_request" in authorization
        assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token" in authorization
        assert (request.method, request.path) == ("POST", "/")


def test_a_run_that_was_killed_is_made_up_for(clients, account, proxy, tmp_path):
    """A later run removes documents that it does not fetch, says so, and restores those of the manifest that have changed."""
    env = environment(proxy.url, account)
    west, east = tmp_path / f"{account}-eu-west-1.json", tmp_path / f"{account}-us-east-1.json"
    assert fetch(tmp_path, env, regions="eu-west-1").returncode == 0
    whole = west.read_bytes()
    removed = f"{east.name}: removed, because it is not of the accounts and Regions that this run described"
    for damage in (None, b"{}", whole):
        # Killed before its manifest.
        east.write_text("{}")
        (tmp_path / "fetch-started.txt").write_text(f"{west.name}\n{east.name}")
        west.unlink() if damage is None else west.write_bytes(damage)
        done = fetch(tmp_path, env, regions="eu-west-1")
        assert (done.returncode, removed in done.stderr, "unchanged" in done.stdout) == (0, True, damage == whole)
        assert west.read_bytes() == whole
        assert sorted(file.name for file in tmp_path.iterdir()) == [west.name, "manifest.json"]


def test_documents_of_others_are_not_touched(clients, account, proxy, tmp_path):
    document = tmp_path / f"{account}-eu-west-1.json"
    document.write_text("{}")
    done = fetch(tmp_path, environment(proxy.url, account), regions="eu-west-1,us-east-1")
    assert (done.returncode, f"it has {document.name}, which no run wrote" in done.stderr) == (2, True)
    assert ([file.name for file in tmp_path.iterdir()], document.read_text()) == ([document.name], "{}")


def test_wrong_usage_changes_nothing(account, proxy, tmp_path):
    (tmp_path / "vpcs.json").write_text("{}")
    env = environment(proxy.url, account)
    done = fetch(tmp_path, env)
    assert (done.returncode, "it has vpcs.json, which no run wrote" in done.stderr) == (2, True)
    assert fetch(tmp_path / "new", env, regions="eu-west-1.evil.example").returncode == 2
    assert fetch(tmp_path / "new", env, "--accounts", "999999999999").returncode == 2
    assert not discovery.calls(proxy) and [file.name for file in tmp_path.iterdir()] == ["vpcs.json"]
    nobody = fetch(tmp_path / "new", {**env, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert (nobody.returncode, "GetCallerIdentity failed" in nobody.stderr) == (2, True)
