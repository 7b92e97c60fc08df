"""Outputs of the function for many kinds of logs, days, accounts and Regions, and the template's tables over them."""

import datetime
import json
from dataclasses import dataclass
from pathlib import Path

from athena import Athena, Table
from flow_logs import HEADER, gzip
from template import Resolved, transformed
from aws_env import DONE, AwsEnv, in_queue

PROJECT = Path(__file__).resolve().parents[2]
SAMPLE, GOLDEN = PROJECT / "examples" / "sample", PROJECT / "tests" / "golden"

HOME, OTHER, GAPS, HUGE, BOUNDS = "123456789012", "222222222222", "333333333333", "444444444444", "555555555555"
ACCOUNTS, REGIONS = [HOME, OTHER, GAPS, HUGE, BOUNDS], ["us-east-1", "eu-west-1"]
MOST = 2**64 - 1


def key(name, day, account=HOME, region="us-east-1"):
    return f"AWSLogs/{account}/vpcflowlogs/{region}/{day:%Y/%m/%d}/{name}.log.gz"


def seconds(day, hours=0.0):
    midnight = datetime.datetime.combine(day, datetime.time(), datetime.timezone.utc)
    return int(midnight.timestamp() + hours * 3600)


def line(day, src="10.0.0.9", dst="10.0.0.5", port=443, action="REJECT", interface="eni-0a1b", hours=(12.0, 12.01), size=120):
    start, end = (seconds(day, hour) for hour in hours)
    return f"2 {HOME} {interface} {src} {dst} 40000 {port} 6 2 {size} {start} {end} {action} OK\n"


def scan(day, src):
    return "".join(line(day, src, port=port) for port in range(1, 16))


def skipped(day, interface):
    return f"2 {HOME} {interface} - - - - - - - {seconds(day)} {seconds(day) + 60} - SKIPDATA\n"


def connections(day, flows):
    """Returns a log with this number of rejected flows per address."""
    return HEADER + "".join(line(day, src) * number for src, number in flows.items())


# Rejected flows by address on two days; a summary lists the top two addresses.
BOUND_FLOWS = [
    {"10.77.0.1": 9, "10.77.0.2": 5, "10.77.0.3": 4},
    {"10.77.0.1": 8, "10.77.0.2": 2, "10.77.0.3": 6, "10.77.0.4": 1},
]


@dataclass
class Run:
    """Inputs and outputs of the function."""

    env: AwsEnv
    today: datetime.date
    objects: dict
    sources: list
    stack: Resolved
    athena: Athena

    def day(self, before):
        return self.today - datetime.timedelta(days=before)

    def query(self, id):
        return self.athena.query(self.stack.properties(f"{id}NamedQuery")["QueryString"])

    def rows(self, kind, first, last=-1):
        """Returns the documents of one kind in a range of days, for the stack's accounts and Regions, with partition and key;
        duplicates once."""
        seen, rows = set(), []
        for key, content in sorted(self.objects.items()):
            folder, account, region, date, name = key.removeprefix("flowsentry/").split("/")
            place = [part.split("=")[1] for part in (account, region, date)]
            known = place[0] in [*ACCOUNTS, "unknown"] and place[1] in [*REGIONS, "unknown"]
            if folder != kind or not known or not str(self.day(first)) <= place[2] <= str(self.day(last)):
                continue
            # Duplicate objects (same key and content) have names that differ in the fingerprint only.
            file = key.rsplit("-", 1)[0]
            for text in content.splitlines():
                document = json.loads(text)
                source = document["sources"][0] if kind == "summaries" else None
                once = (source["uri"], source["etag"]) if source else (file, document["id"])
                if once not in seen:
                    seen.add(once)
                    rows.append(Row(*place, file, document))
        return rows


@dataclass
class Row:
    account_id: str
    region: str
    date: str
    file: str
    document: dict


def analyze_corpus(env, tables_in):
    """Analyzes the logs and creates the tables over the outputs, with files in a separate folder."""
    env.alerting()
    today = datetime.datetime.now(datetime.timezone.utc).date()
    day = lambda before: today - datetime.timedelta(days=before)
    sources = []

    def put(key, content, bucket=None):
        sources.append(env.put(key, content, bucket))
        return sources[-1]

    def analyze(*stored, **settings):
        assert env.function(**settings).invoke(in_queue(*stored), patience=120).response == DONE

    def topology(name, documents):
        bucket = env.bucket(f"topology-{name}")
        for document in documents:
            env.put(document.name, document.read_bytes(), bucket)
        return f"s3://{bucket}/"

    def config(name, value):
        bucket = env.bucket(f"config-{name.replace('_', '-')}")
        env.put("flowsentry.toml", f"{name} = {value}\n".encode(), bucket)
        return f"s3://{bucket}/flowsentry.toml"

    # The sample, on three days in two weeks.
    logs = sorted(SAMPLE.glob("*.log.gz"))
    stored = [put(key(f"sample-{when}", day(when)), log.read_bytes()) for log, when in zip(logs, [0, 3, 9])]
    analyze(*stored, TOPOLOGY_URI=topology("sample", (SAMPLE / "topology").glob("*.json")))
    # The golden logs, over sixteen days, two accounts and two Regions, each with its topology.
    for number, folder in enumerate(sorted(GOLDEN.iterdir())):
        place = [HOME, OTHER][number % 2], REGIONS[number // 2 % 2]
        stored = []
        for i, log in enumerate(sorted(folder.glob("*.log"))):
            name = key(f"{folder.name}-{i}", day((number + 7 * i) % 16), *place)
            stored.append(put(name, gzip(log.read_bytes())))
        documents = sorted(folder.glob("topology*.json"))
        analyze(*stored, **({"TOPOLOGY_URI": topology(folder.name, documents)} if documents else {}))
    # A peering connection that was active and is now deleted.
    for name, when in [("peering-before-v5", 5), ("peering-without-a-b-v5", 0)]:
        log = (GOLDEN / name / "input-1-a-to-b.log").read_text()
        documents = topology(f"{name}-again", (GOLDEN / name).glob("topology-*.json"))
        # The object with the later records determines the status.
        log = log if when else log.replace(" 17954", " 17955")
        analyze(put(key(f"{name}-again", day(when)), log), TOPOLOGY_URI=documents)
    # Causes of all kinds, on enough days to be in the top hundred of a query.
    causes = gzip((GOLDEN / "made-causes" / "input.log").read_bytes())
    analyze(*(put(key(f"causes-{when}", day(when), OTHER), causes) for when in range(10)))
    # Truncated and approximate lists.
    for when, flows in enumerate(BOUND_FLOWS, start=1):
        analyze(put(key(f"bounds-{when}", day(when), BOUNDS), connections(day(when), flows)), TOP="2")
    many = put(key("approximate", day(2), OTHER), logs[0].read_bytes())
    analyze(many, TOP="20", CONFIG_URI=config("max_rejected_groups", 50))
    folder = GOLDEN / "peering-with-a-c-v5"
    pairs = put(key("pairs", day(3)), "".join(log.read_text() for log in sorted(folder.glob("*.log"))))
    analyze(pairs, CONFIG_URI=config("max_address_pairs", 1), TOPOLOGY_URI=topology("pairs", folder.glob("topology-*.json")))
    # A duplicate object (same key and content).
    versioned = env.bucket("versioned", versioned=True)
    twice = connections(day(4), {"10.88.0.1": 120, "10.88.0.2": 3}) + scan(day(4), "10.88.0.3") + skipped(day(4), "eni-0888")
    analyze(*(put(key("twice", day(4)), twice, versioned) for _ in range(2)))
    # Scanners of both weeks, of the first week and of the second week.
    weeks = [("before", 10, ["10.66.0.1", "10.66.0.2"]), ("now", 2, ["10.66.0.2", "10.66.0.3", "8.8.4.4"])]
    for name, when, scanners in weeks:
        log = HEADER + "".join(scan(day(when), src) for src in scanners) + skipped(day(when), "eni-0661")
        log += line(day(when), "10.66.9.9", interface="eni-0662") * (4 if name == "now" else 3)
        log += line(day(when), "10.66.9.9", interface="eni-0662").replace(" 443 6 ", " 443 17 ") * (3 if name == "now" else 0)
        analyze(put(key(name, day(when)), log))
    analyze(put(key("again", day(1)), HEADER + scan(day(1), "10.66.0.3")))
    sweep = "".join(line(day(1), "10.66.0.3", f"10.0.7.{host}", 22) for host in range(1, 31))
    analyze(put(key("sweep", day(1)), HEADER + sweep))
    # The maximum number of bytes, twice.
    for number in range(2):
        analyze(put(key(f"huge-{number}", day(1), HUGE), HEADER + line(day(1), action="ACCEPT", size=MOST)))
    # Hours without logs: the whole day three days ago, and 10:00 to 15:00 on the other days.
    for when in [*range(1, 3), *range(4, 14)]:
        spans = [(0.0, 10.0), (15.5, 24.0)]
        parts = [put(key(f"hours-{i}", day(when), GAPS), HEADER + line(day(when), hours=span)) for i, span in enumerate(spans)]
        analyze(*parts)
    # Unreadable objects, and one that was read later.
    damaged = gzip(HEADER + line(day(2)))
    rejected = [put(key("cut-off", day(2)), damaged[:-3]), put(key("no-log", day(5), OTHER, "eu-west-1"), "nothing like it\n")]
    analyze(*rejected, put(key("long-ago", day(9)), damaged[:-3]))
    # The next version of an object is independent of the previous one.
    analyze(put(key("replaced", day(3)), damaged[:-3], versioned))
    analyze(put(key("replaced", day(3)), damaged, versioned))
    late = put(key("late", day(6)), HEADER + line(day(6)) * 20)
    analyze(late, MAX_LINES="10")
    analyze(late)
    # Keys with little information, and keys outside the stack's parameters.
    odd = connections(day(1), {"10.99.0.1": 2})
    file = f"{HOME}_vpcflowlogs_eu-west-1_fl-0123_{day(1):%Y%m%d}T1200Z_0123.log.gz"
    hive = f"aws-account-id={OTHER}/aws-service=vpcflowlogs/aws-region=eu-west-1/{day(1):year=%Y/month=%m/day=%d}"
    names = ["odd.log", f"copied/{file}", f"AWSLogs/{hive}/odd.log.gz", f"AWSLogs/{hive}/hour=07/odd.log.gz"]
    names += [f"1/vpcflowlogs/nowhere/{day(1):%Y/%m/%d}/odd é.log", f"AWSLogs/{HOME}/vpcflowlogs/us-east-1/2026/02/30/odd.log"]
    names += [key("odd", day(1), "999999999999"), key("odd", day(1), region="ap-south-1")]
    days = [datetime.date(2014, 12, 14), datetime.date(2015, 6, 1), day(-1), day(-2)]
    names += [key("odd", when) for when in days]
    analyze(*(put(name, odd) for name in names))

    objects = {key: env.read(key) for key in env.keys()}
    env.stop()
    others = ",".join(account for account in ACCOUNTS if account != HOME)
    parameters = {"OutputBucketName": env.output, "AccountIds": others, "Regions": ",".join(REGIONS)}
    stack = Resolved(transformed(parameters), parameters)
    tables = [Table(properties) for properties in stack.resources("AWS::Glue::Table").values()]
    athena = Athena(tables, tables_in, env.output, objects, today)
    return Run(env, today, objects, sources, stack, athena)
