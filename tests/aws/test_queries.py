"""Tables and saved queries of the template, on what the function really wrote.

Logs of many kinds, days, accounts and Regions go through the function. Each query of the template then runs on its outputs,
word for word, and what it says is held against sums that are made here from the same outputs or from the logs.
"""

import datetime
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from sqlglot import exp

from athena import Athena, Table, parse
from flow_logs import HEADER, gzip
from template import Resolved, load, transformed
from test_athena import KNOWN, constructs
from world import DONE, World, in_queue

PROJECT = Path(__file__).resolve().parents[2]
SAMPLE, GOLDEN = PROJECT / "examples" / "sample", PROJECT / "tests" / "golden"
SCHEMA = json.loads((PROJECT / "docs" / "summary.schema.json").read_text())

HOME, OTHER, GAPS, HUGE, BOUNDS = "123456789012", "222222222222", "333333333333", "444444444444", "555555555555"
ACCOUNTS, REGIONS = [HOME, OTHER, GAPS, HUGE, BOUNDS], ["us-east-1", "eu-west-1"]
MOST = 2**64 - 1


# ---- What goes through the function -----------------------------------------------------------------------------------------


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
    """A log with so many rejected flows from each of these addresses."""
    return HEADER + "".join(line(day, src) * number for src, number in flows.items())


# From each address, rejected flows on two days: a summary lists the two with the most.
BOUND_FLOWS = [
    {"10.77.0.1": 9, "10.77.0.2": 5, "10.77.0.3": 4},
    {"10.77.0.1": 8, "10.77.0.2": 2, "10.77.0.3": 6, "10.77.0.4": 1},
]


@dataclass
class Run:
    """What the function was given, and what it wrote."""

    world: World
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
        """Documents of one kind from so many days ago until so many, of the accounts and Regions that the stack has, with
        their partition and key; of what was stored twice, one."""
        seen, rows = set(), []
        for key, content in sorted(self.objects.items()):
            folder, account, region, date, name = key.removeprefix("flowsentry/").split("/")
            place = [part.split("=")[1] for part in (account, region, date)]
            known = place[0] in [*ACCOUNTS, "unknown"] and place[1] in [*REGIONS, "unknown"]
            if folder != kind or not known or not str(self.day(first)) <= place[2] <= str(self.day(last)):
                continue
            # Of the same bytes under the same key, the names differ in the fingerprint alone.
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


@pytest.fixture(scope="module")
def run(clients, tmp_path_factory):
    world = World(clients)
    world.alerting()
    today = datetime.datetime.now(datetime.timezone.utc).date()
    day = lambda before: today - datetime.timedelta(days=before)
    sources = []

    def put(key, content, bucket=None):
        sources.append(world.put(key, content, bucket))
        return sources[-1]

    def analyse(*stored, **settings):
        assert world.function(**settings).invoke(in_queue(*stored), patience=120).response == DONE

    def topology(name, documents):
        bucket = world.bucket(f"topology-{name}")
        for document in documents:
            world.put(document.name, document.read_bytes(), bucket)
        return f"s3://{bucket}/"

    # The sample, on three days of two weeks.
    logs = sorted(SAMPLE.glob("*.log.gz"))
    stored = [put(key(f"sample-{when}", day(when)), log.read_bytes()) for log, when in zip(logs, [0, 3, 9])]
    analyse(*stored, TOPOLOGY_URI=topology("sample", (SAMPLE / "topology").glob("*.json")))
    # The golden logs, over sixteen days, two accounts and two Regions, each with its topology.
    for number, folder in enumerate(sorted(GOLDEN.iterdir())):
        place = [HOME, OTHER][number % 2], REGIONS[number // 2 % 2]
        stored = []
        for i, log in enumerate(sorted(folder.glob("*.log"))):
            name = key(f"{folder.name}-{i}", day((number + 7 * i) % 16), *place)
            stored.append(put(name, gzip(log.read_bytes())))
        documents = sorted(folder.glob("topology-*.json"))
        analyse(*stored, **({"TOPOLOGY_URI": topology(folder.name, documents)} if documents else {}))
    # A peering connection that was active, and is deleted now.
    for name, when in [("peering-before-v5", 5), ("peering-without-a-b-v5", 0)]:
        log = (GOLDEN / name / "input-1-a-to-b.log").read_text()
        documents = topology(f"{name}-again", (GOLDEN / name).glob("topology-*.json"))
        # Of the two, the later one by its records.
        log = log if when else log.replace(" 17954", " 17955")
        analyse(put(key(f"{name}-again", day(when)), log), TOPOLOGY_URI=documents)
    # Causes of all kinds, on enough days to be among the hundred that a query shows.
    causes = gzip((GOLDEN / "made-causes" / "input.log").read_bytes())
    analyse(*(put(key(f"causes-{when}", day(when), OTHER), causes) for when in range(10)))
    # Lists that are cut off, and lists that are approximate.
    for when, flows in enumerate(BOUND_FLOWS, start=1):
        analyse(put(key(f"bounds-{when}", day(when), BOUNDS), connections(day(when), flows)), TOP="2")
    many = put(key("approximate", day(2), OTHER), logs[0].read_bytes())
    analyse(many, TOP="20", MAX_REJECTED_GROUPS="50")
    folder = GOLDEN / "peering-with-a-c-v5"
    pairs = put(key("pairs", day(3)), "".join(log.read_text() for log in sorted(folder.glob("*.log"))))
    analyse(pairs, MAX_ADDRESS_PAIRS="1", TOPOLOGY_URI=topology("pairs", folder.glob("topology-*.json")))
    # The same bytes under the same key, twice.
    versioned = world.bucket("versioned", versioned=True)
    twice = connections(day(4), {"10.88.0.1": 120, "10.88.0.2": 3}) + scan(day(4), "10.88.0.3") + skipped(day(4), "eni-0888")
    analyse(*(put(key("twice", day(4)), twice, versioned) for _ in range(2)))
    # Scanners of both weeks, of the first and of the second.
    weeks = [("before", 10, ["10.66.0.1", "10.66.0.2"]), ("now", 2, ["10.66.0.2", "10.66.0.3", "8.8.4.4"])]
    for name, when, scanners in weeks:
        log = HEADER + "".join(scan(day(when), src) for src in scanners) + skipped(day(when), "eni-0661")
        log += line(day(when), "10.66.9.9", interface="eni-0662") * (4 if name == "now" else 3)
        log += line(day(when), "10.66.9.9", interface="eni-0662").replace(" 443 6 ", " 443 17 ") * (3 if name == "now" else 0)
        analyse(put(key(name, day(when)), log))
    analyse(put(key("again", day(1)), HEADER + scan(day(1), "10.66.0.3")))
    sweep = "".join(line(day(1), "10.66.0.3", f"10.0.7.{host}", 22) for host in range(1, 31))
    analyse(put(key("sweep", day(1)), HEADER + sweep))
    # As many bytes as there can be, twice.
    for number in range(2):
        analyse(put(key(f"huge-{number}", day(1), HUGE), HEADER + line(day(1), action="ACCEPT", size=MOST)))
    # Hours without logs: none three days ago, and on the other days none from ten until three in the afternoon.
    for when in [*range(1, 3), *range(4, 14)]:
        spans = [(0.0, 10.0), (15.5, 24.0)]
        parts = [put(key(f"hours-{i}", day(when), GAPS), HEADER + line(day(when), hours=span)) for i, span in enumerate(spans)]
        analyse(*parts)
    # What can't be read, and what could after all.
    damaged = gzip(HEADER + line(day(2)))
    refused = [put(key("cut-off", day(2)), damaged[:-3]), put(key("no-log", day(5), OTHER, "eu-west-1"), "nothing like it\n")]
    analyse(*refused, put(key("long-ago", day(9)), damaged[:-3]))
    late = put(key("late", day(6)), HEADER + line(day(6)) * 20)
    analyse(late, MAX_LINES="10")
    analyse(late)
    # Keys that tell little, or what the stack's parameters leave out.
    odd = connections(day(1), {"10.99.0.1": 2})
    file = f"{HOME}_vpcflowlogs_eu-west-1_fl-0123_{day(1):%Y%m%d}T1200Z_0123.log.gz"
    hive = f"aws-account-id={OTHER}/aws-service=vpcflowlogs/aws-region=eu-west-1/{day(1):year=%Y/month=%m/day=%d}"
    names = ["odd.log", f"copied/{file}", f"AWSLogs/{hive}/odd.log.gz", f"AWSLogs/{hive}/hour=07/odd.log.gz"]
    names += [f"1/vpcflowlogs/nowhere/{day(1):%Y/%m/%d}/odd é.log", f"AWSLogs/{HOME}/vpcflowlogs/us-east-1/2026/02/30/odd.log"]
    names += [key("odd", day(1), "999999999999"), key("odd", day(1), region="ap-south-1")]
    days = [datetime.date(2014, 12, 14), datetime.date(2015, 6, 1), day(-1), day(-2)]
    names += [key("odd", when) for when in days]
    analyse(*(put(name, odd) for name in names))

    objects = {key: world.read(key) for key in world.keys()}
    world.stop()
    parameters = {
        "OutputBucketName": world.output,
        "AthenaAccountIds": ",".join(ACCOUNTS),
        "AthenaRegions": ",".join(REGIONS),
    }
    stack = Resolved(transformed(parameters), parameters)
    tables = [Table(properties) for properties in stack.resources("AWS::Glue::Table").values()]
    athena = Athena(tables, tmp_path_factory.mktemp("tables"), world.output, objects, today)
    yield Run(world, today, objects, sources, stack, athena)
    world.close()


# ---- Tables -----------------------------------------------------------------------------------------------------------------

# What is no column, and why.
LEFT_OUT = {
    "summaries": {"findings": "the table findings has them, a row each"},
    "every_summary": {
        name: "the table summaries has it; this one tells what that leaves out"
        for name in ["schema", "failed", "formats", "malformed", "rejected", "peering", "services", "findings"]
    },
    "findings": {},
}


def of_schema(part):
    """The Hive type of a part of the summary's schema."""
    part = _resolved(part)
    if "oneOf" in part:
        assert {one["type"] for one in part["oneOf"]} == {"string"}
        return "string"
    if "anyOf" in part:
        # One of several objects: a struct of all of their fields.
        fields = {}
        for one in part["anyOf"]:
            for name, field in _resolved(one).get("properties", {}).items():
                assert fields.setdefault(name, of_schema(field)) == of_schema(field), name
        return "struct", fields
    match [type for type in _list(part["type"]) if type != "null"]:
        case ["integer"]:
            # 2^64 - 1 has twenty digits, and more than a bigint holds.
            return {"uint64": "decimal(20,0)", "uint16": "int", "uint8": "int"}[part["format"]]
        case ["array"]:
            return "array", of_schema(part["items"])
        case ["object"] if "properties" in part:
            return "struct", {name: of_schema(field) for name, field in part["properties"].items()}
        case ["object"]:
            return "map", "string", of_schema(part["additionalProperties"])
        case [("string" | "boolean") as name]:
            return name


def _resolved(part):
    """What a part refers to, without the null that it may be instead."""
    if "$ref" in part:
        return _resolved(SCHEMA["$defs"][part["$ref"].rsplit("/", 1)[1]])
    others = [one for one in part.get("anyOf", []) if one.get("type") != "null"]
    return _resolved(others[0]) if len(others) == 1 else part


def _list(value):
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="module")
def tables():
    resources = Resolved(transformed()).resources("AWS::Glue::Table").values()
    return {table.name: table for table in map(Table, resources)}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_columns_are_those_of_the_schema(tables, name):
    """With their types, down to the last field; and what is left out is left out for a reason."""
    schema = SCHEMA["$defs"]["Finding"] if name == "findings" else SCHEMA
    expected = {column: of_schema(part) for column, part in schema["properties"].items()}
    assert LEFT_OUT[name].keys() <= expected.keys()
    assert tables[name].columns == {column: type for column, type in expected.items() if column not in LEFT_OUT[name]}


@pytest.mark.parametrize("kind", ["summaries", "findings", "quarantine", "receipts"])
def test_columns_are_the_fields_of_what_is_written(run, tables, kind):
    """Whatever no schema tells of, too; each in some document, so that none is there by mistake."""
    texts = [text for key, content in run.objects.items() if f"/{kind}/" in key for text in content.splitlines()]
    fields = set.union(*(set(json.loads(text)) for text in texts))
    assert fields - set(LEFT_OUT.get(kind, {})) == set(tables[kind].columns)


def test_what_is_written_is_as_the_serde_needs_it(run):
    """A document a line, each ended, in a file that Athena does not take for hidden; the SerDe is the one of which the types
    are known to be supported."""
    assert len(run.objects) > 100
    for key, content in run.objects.items():
        assert content.endswith(b"}\n") and all(line.startswith(b"{") for line in content.splitlines())
        assert "/findings/" in key or content.count(b"\n") == 1
        assert key.rsplit("/", 1)[1][0] not in "_."
    assert {table.serde for table in run.athena.tables.values()} == {"org.apache.hive.hcatalog.data.JsonSerDe"}


def test_each_column_says_what_it_means(tables):
    for table in tables.values():
        for name, comment in table.comments.items():
            assert 3 <= len(comment) <= 255 and comment.endswith("."), f"{table.name}.{name}: {comment}"


def test_each_object_is_in_its_partition_or_told_to_be_left_out(run):
    """Whatever the key looked like that it was made from."""
    left_out = Counter()
    for key in run.objects:
        _, folder, account, region, date, _ = key.split("/")
        values = {part.split("=")[0]: part.split("=")[1] for part in (account, region, date)}
        reached = run.athena.tables[folder].reaches(f"s3://{run.world.output}/{key}", run.today)
        if reached is None:
            left_out[folder] += 1
            assert folder == "summaries"
        else:
            assert reached == values
    told = {(row["account_id"], row["region"]): row for row in run.query("LeftOut")}
    expected = {
        ("unknown", "unknown"): ("unknown", "unknown", 1),
        (HOME, "us-east-1"): ("2014-12-14", "unknown", 3),
        ("999999999999", "us-east-1"): (str(run.day(1)), str(run.day(1)), 1),
        (HOME, "ap-south-1"): (str(run.day(1)), str(run.day(1)), 1),
    }
    assert {place: (row["first_date"], row["last_date"], row["objects"]) for place, row in told.items()} == expected
    assert sum(row["objects"] for row in told.values()) == left_out["summaries"] == 6


def test_tables_have_what_was_stored_and_no_more(run):
    queries = {"summaries": "SELECT sources[1].uri AS uri FROM summaries", "quarantine": "SELECT uri FROM quarantine"}
    for kind, query in queries.items():
        stored = [json.loads(content) for key, content in run.objects.items() if f"/{kind}/" in key]
        uris = Counter(document["sources"][0]["uri"] if kind == "summaries" else document["uri"] for document in stored)
        found = Counter(row["uri"] for row in run.athena.query(query))
        assert sum((uris - found).values()) == (6 if kind == "summaries" else 0) and not found - uris
    everywhere = run.athena.query("SELECT count(*) AS n FROM every_summary")
    assert everywhere == [{"n": sum("/summaries/" in key for key in run.objects)}]


def test_without_parameters_the_tables_show_this_account_and_region(tables):
    for table in tables.values():
        if table.partitions:
            assert table.parameters["projection.account_id.values"] == f"{HOME},unknown"
            assert table.parameters["projection.region.values"] == "us-east-1,unknown"


def test_accounts_that_deliver_are_in_the_tables():
    parameters = {"SourceAccountIds": f"{OTHER},{HOME}"}
    tables = Resolved(transformed(parameters), parameters).resources("AWS::Glue::Table").values()
    values = [table["TableInput"]["Parameters"].get("projection.account_id.values") for table in tables]
    assert sorted(filter(None, values)) == [f"{OTHER},{HOME},unknown"] * 4


def test_without_athena_there_is_nothing_of_it():
    parameters = {"CreateAthena": "no"}
    stack = Resolved(transformed(parameters), parameters)
    kinds = {resource["Type"].split("::")[1] for resource in stack.resources().values()}
    assert not kinds & {"Glue", "Athena"}
    # Its bucket and its policy neither, nor its outputs; CloudWatch's saved queries have nothing to do with it.
    others = [id for id, resource in stack.resources().items() if resource["Type"] != "AWS::Logs::QueryDefinition"]
    assert not [id for id in [*others, *stack.outputs()] if "Query" in id]
    assert stack.broken_rules() == []
    refused = {**parameters, "AthenaRegions": "us-east-1"}
    assert len(Resolved(transformed(refused), refused).broken_rules()) == 1



# ---- Queries ----------------------------------------------------------------------------------------------------------------


@cache
def named_queries():
    resources = load()["Resources"]
    return {id.removesuffix("NamedQuery"): one for id, one in resources.items() if one["Type"] == "AWS::Athena::NamedQuery"}


def sql_of(id):
    """A query as it stands in the template; its placeholders are those of Fn::Sub."""
    text = named_queries()[id]["Properties"]["QueryString"]
    return text if isinstance(text, str) else text["Fn::Sub"][0]


@pytest.mark.parametrize("id", named_queries())
def test_a_query_is_such_as_athena_takes(id):
    """Where the engine that runs it here, or the grammar, is more lenient than Athena."""
    tree = parse(sql_of(id))
    for select in tree.find_all(exp.Select):
        assert not any(isinstance(column, exp.Star) for column in select.expressions), "name the columns"
    # An alias hides the column of its name, and so a sum of a sum would be ordered by.
    for order in tree.find_all(exp.Order):
        assert not (isinstance(order.parent, exp.Select) and list(order.find_all(exp.AggFunc))), "order by what is selected"
    # Of an array of structs, some versions of the engine make a column of each field, others one of the struct.
    for unnest in tree.find_all(exp.Unnest):
        [array] = unnest.expressions
        wrapped = isinstance(array, exp.Transform) and isinstance(array.expression.this, exp.Array)
        assert wrapped or array.sql(dialect="athena").startswith("SEQUENCE("), "wrap each struct in an array"
    unknown = constructs(sql_of(id)) - KNOWN.keys()
    assert not unknown, f"no test in test_athena.py holds the translation of {unknown}"


@pytest.mark.parametrize("id", named_queries())
def test_a_query_reads_but_the_days_that_it_needs(id, tables):
    """Every table with partitions is read with a condition on the day that Athena knows before it reads anything."""
    for table in parse(sql_of(id)).find_all(exp.Table):
        if table.name in tables and tables[table.name].partitions:
            where = table.parent_select.args["where"]
            days = [node for node in where.find_all(exp.GTE, exp.Between) if node.this.name == "date"]
            assert days and not where.find(exp.Or), table.name
            for node in days:
                bounds = [node.expression] if isinstance(node, exp.GTE) else [node.args["low"], node.args["high"]]
                assert not any(bound.find(exp.Column) for bound in bounds)


def test_each_tested_construct_is_one_of_a_query():
    """So that the translation is held for what it is used for."""
    assert set.union(*(constructs(sql_of(id)) for id in named_queries())) == KNOWN.keys()


def test_queries_are_named_described_and_in_the_work_group():
    queries = named_queries().values()
    properties = [query["Properties"] for query in queries]
    assert len({one["Name"] for one in properties}) == len(properties) == 14
    for query, one in zip(queries, properties):
        assert query["Condition"] == "HasAthena"
        assert (one["WorkGroup"], one["Database"]) == ({"Ref": "WorkGroup"}, {"Ref": "Database"})
        assert 10 <= len(one["Name"]) <= 128 and 50 <= len(one["Description"]) <= 1024
        assert one["Description"].endswith(".")


def top(expected, rows, columns, by, limit=100):
    """Holds rows against what is expected by key: those with the most, each with its values, in order."""
    assert rows and len(rows) == min(len(expected), limit)
    found = {tuple(row[column] for column in columns): row for row in rows}
    assert len(found) == len(rows), "a key stands twice"
    for place, row in found.items():
        values = {column: value for column, value in row.items() if column in expected[place]}
        assert values == expected[place], place
    assert [row[by] for row in rows] == sorted((one[by] for one in expected.values()), reverse=True)[:limit]


def least(values):
    return min((value for value in values if value is not None), default=None)


def greatest(values):
    return max((value for value in values if value is not None), default=None)


CONNECTION = ["interface_id", "srcaddr", "dstaddr", "dstport", "protocol"]


def refused(run):
    """Rejected connections of eight days by what names them: the groups of all summaries."""
    found, unlisted = defaultdict(list), {}
    for row in run.rows("summaries", 7):
        rejected = row.document["rejected"]
        complete = rejected["exact"] and rejected["group_count"] == len(rejected["groups"])
        unlisted[row.file] = 0 if complete else rejected["groups"][-1]["flows"] + rejected["error_bound"]
        for group in rejected["groups"]:
            name = (*(group[field] for field in CONNECTION[:4]), group["protocol_name"])
            found[name].append((row.file, rejected, group))
    return found, unlisted


def test_who_is_refused_most(run):
    found, unlisted = refused(run)
    expected = {}
    for name, parts in found.items():
        groups = [group for _, _, group in parts]
        flows = sum(group["flows"] for group in groups)
        files = {file for file, _, _ in parts}
        missed = sum(bound for file, bound in unlisted.items() if file not in files)
        expected[name] = {
            "flows": flows,
            "flows_at_most": flows + missed + sum(rejected["error_bound"] for _, rejected, _ in parts),
            "network_acl": sum(group["causes"].get("network-acl", 0) for group in groups),
            "security_group_or_network_acl": sum(group["causes"].get("security-group-or-network-acl", 0) for group in groups),
            "packets": sum(group["packets"] for group in groups),
            "bytes": sum(group["bytes"] for group in groups),
            "files": len(groups),
            "first_seen": least(group["first_seen"] for group in groups),
            "last_seen": greatest(group["last_seen"] for group in groups),
            "exact": all(rejected["exact"] for _, rejected, _ in parts),
            "service": groups[0]["service_name"],
            "src_name": greatest(group["src"]["name"] for group in groups),
            "dst_name": greatest(group["dst"]["name"] for group in groups),
        }
    rows = run.query("RefusedMost")
    top(expected, rows, CONNECTION, "flows")
    assert {row["exact"] for row in rows} == {True, False} and any(row["network_acl"] for row in rows)
    assert {row["protocol"] for row in rows if row["srcaddr"] == "10.66.9.9"} == {"TCP", "UDP"}
    assert any(row["files"] > 1 for row in rows) and any(row["dst_name"] for row in rows)


def test_bounds_hold_what_was_really_refused(run):
    """Of connections that one summary lists and another does not, by the logs themselves."""
    rows = {row["srcaddr"]: row for row in run.query("RefusedMost")}
    truth = sum((Counter(flows) for flows in BOUND_FLOWS), Counter())
    for address in ["10.77.0.1", "10.77.0.2", "10.77.0.3"]:
        assert rows[address]["flows"] <= truth[address] <= rows[address]["flows_at_most"]
    assert rows["10.77.0.1"]["flows"] == truth["10.77.0.1"] == 17
    # Each is missing on one of the days, on which the least that is listed has five or six.
    assert rows["10.77.0.2"]["flows"] == 5 < truth["10.77.0.2"] == 7
    assert rows["10.77.0.3"]["flows"] == 6 < truth["10.77.0.3"] == 10
    assert rows["10.77.0.2"]["flows_at_most"] - rows["10.77.0.2"]["flows"] >= 6
    # What was stored twice counts once.
    assert (rows["10.88.0.1"]["flows"], rows["10.88.0.1"]["files"]) == (120, 1)


CAUSES = ["network-acl", "security-group-or-network-acl", "out-of-state", "block-public-access", "encryption-controls"]


def test_network_acl_or_security_group(run):
    causes = [cause.replace("-", "_") for cause in CAUSES]
    expected = defaultdict(lambda: {"exact": True, **dict.fromkeys(["flows", "unlisted", *causes], 0)})
    for row in run.rows("summaries", 7):
        rejected = row.document["rejected"]
        for one in rejected["by_interface"]:
            sums = expected[one["interface_id"],]
            sums["flows"] += one["flows"]
            sums["unlisted"] += one["flows"]
            sums["exact"] &= rejected["exact"]
        for group in rejected["groups"]:
            sums = expected[group["interface_id"],]
            for cause, flows in group["causes"].items():
                sums[cause.replace("-", "_")] += flows
                sums["unlisted"] -= flows
    rows = run.query("RefusedByCause")
    top(expected, rows, ["interface_id"], "flows")
    for cause in causes:
        assert any(row[cause] for row in rows), cause
    assert any(row["unlisted"] for row in rows) and all(row["unlisted"] >= 0 for row in rows)
    # The sums are those of all records.
    total = sum(row.document["traffic"]["rejected"]["flows"] for row in run.rows("summaries", 7))
    assert sum(sums["flows"] for sums in expected.values()) == total


def test_which_peering_is_one_way(run):
    expected, flows = {}, Counter()
    for row in run.rows("summaries", 7):
        peering = row.document["peering"] or {"vpc_pairs": []}
        for pair in peering["vpc_pairs"]:
            way = pair["src_vpc_id"], pair["dst_vpc_id"]
            sums = expected.setdefault(way, {"unanswered_flows": 0, "unanswered_bytes": 0, "rejected_flows": 0, "exact": True})
            flows[way] += pair["accepted"]["flows"]
            sums["unanswered_flows"] += pair["unanswered"]["flows"]
            sums["unanswered_bytes"] += pair["unanswered"]["bytes"]
            sums["rejected_flows"] += pair["rejected"]["flows"]
            sums["exact"] &= peering["exact"]
    told = {}
    for row in run.rows("findings", 7):
        if row.document["type"] == "one-way-peering":
            subject = row.document["subject"]
            told.setdefault((subject["src_vpc_id"], subject["dst_vpc_id"]), set()).add(row.document["id"])
    expected = {way: sums for way, sums in expected.items() if sums["unanswered_flows"]}
    for way, sums in expected.items():
        sums["flows"], sums["flows_back"] = flows[way], flows[way[::-1]]
        sums["unanswered_percent"] = round(100 * sums["unanswered_flows"] / flows[way], 1)
        sums["finding_id"] = greatest(told.get(way, {None}))
    rows = run.query("OneWayPeering")
    top(expected, rows, ["src_vpc_id", "dst_vpc_id"], "unanswered_percent")
    assert {row["unanswered_percent"] == 100 for row in rows} == {True, False}
    assert {bool(row["finding_id"]) for row in rows} == {True, False}
    assert {bool(row["flows_back"]) for row in rows} == {row["exact"] for row in rows} == {True, False}


def test_traffic_that_tries_to_pass_through_a_peering(run):
    kinds = {"transitive-peering", "edge-to-edge-routing"}
    found = defaultdict(list)
    for row in run.rows("findings", 7):
        if row.document["type"] in kinds:
            found[row.document["id"],].append(row)
    expected = {}
    for id, rows in found.items():
        all_ = [row.document for row in rows]
        expected[id] = {
            "type": all_[0]["type"],
            **{field: all_[0]["subject"].get(field) for field in ["src_vpc_id", "dst_vpc_id", "dst_scope"]},
            "via_vpc_ids": sorted({vpc for one in all_ for vpc in one["details"].get("via_vpc_ids", [])}),
            **{field: sum(one[field] for one in all_) for field in ["flows", "packets", "bytes"]},
            "files": len({row.file for row in rows}),
            "first_seen": least(one["first_seen"] for one in all_),
            "last_seen": greatest(one["last_seen"] for one in all_),
            "exact": all(one["exact"] for one in all_),
        }
    rows = run.query("TransitiveAttempts")
    top(expected, rows, ["id"], "flows")
    assert {row["type"] for row in rows} == kinds and any(row["via_vpc_ids"] for row in rows)


def test_which_findings_are_new_and_gone(run):
    weeks = defaultdict(lambda: ([], []))
    for now, rows in [(0, run.rows("findings", 7, 1)), (1, run.rows("findings", 14, 8))]:
        for row in rows:
            weeks[row.document["id"]][now].append(row)
    expected = {}
    rank = ["low", "medium", "high"].index
    for id, (now, before) in weeks.items():
        all_ = [row.document for row in now + before]
        expected[id,] = {
            "change": "new" if not before else "stays" if now else "gone",
            "severity": max((one["severity"] for one in all_), key=rank),
            "type": all_[0]["type"],
            "files": len({row.file for row in now}),
            "files_before": len({row.file for row in before}),
            "flows": sum(row.document["flows"] for row in now),
            "flows_before": sum(row.document["flows"] for row in before),
            "first_seen": least(one["first_seen"] for one in all_),
            "last_seen": greatest(one["last_seen"] for one in all_),
            "exact": all(one["exact"] for one in all_),
        }
    rows = run.query("FindingsChanged")
    assert {(row["id"],): {name: row[name] for name in expected[row["id"],]} for row in rows} == expected
    titles = {id: {row.document["title"] for row in now + before} for id, (now, before) in weeks.items()}
    assert all(row["title"] in titles[row["id"]] for row in rows)
    order = [(["new", "gone", "stays"].index(row["change"]), -rank(row["severity"]), -row["flows"]) for row in rows]
    assert order == sorted(order)
    scans = [row for row in rows if row["type"] == "port-scan" and "10.66.0." in row["title"]]
    scanners = {re.search(r"10[.]66[.]0[.]\d", row["title"])[0]: row["change"] for row in scans}
    assert scanners == {"10.66.0.1": "gone", "10.66.0.2": "stays", "10.66.0.3": "new"}


def test_rejects_by_interface_beside_last_week(run):
    expected = defaultdict(lambda: {"flows": 0, "flows_before": 0})
    for name, rows in [("flows", run.rows("summaries", 7, 1)), ("flows_before", run.rows("summaries", 14, 8))]:
        for row in rows:
            for one in row.document["rejected"]["by_interface"]:
                expected[one["interface_id"],][name] += one["flows"]
    rows = [row | {"size": abs(row["change"])} for row in run.query("RejectsChanged")]
    for sums in expected.values():
        sums["change"] = sums["flows"] - sums["flows_before"]
        sums["size"] = abs(sums["change"])
    top(expected, rows, ["interface_id"], "size")
    assert {row["change"] > 0 for row in rows} == {True, False}
    assert expected["eni-0662",] == {"flows": 7, "flows_before": 3, "change": 4, "size": 4}


def test_traffic_by_peering_connection(run):
    expected, seen = {}, {}
    for row in run.rows("summaries", 7):
        for one in (row.document["peering"] or {"connections": []})["connections"]:
            place = one["peering_connection_id"], one["requester_vpc_id"], one["accepter_vpc_id"]
            names = ["flows", "bytes", "rejected_flows", "rejected_bytes"]
            sums = expected.setdefault(place, dict.fromkeys(names, 0) | {"cross_account": None, "inter_region": None})
            for name in ["flows", "bytes"]:
                sums[name] += one["accepted"][name]
                sums[f"rejected_{name}"] += one["rejected"][name]
            for name in ["cross_account", "inter_region"]:
                if one[name] is not None:
                    sums[name] = bool(sums[name]) or one[name]
            last = (row.document["window"] or {}).get("end") or row.date
            seen.setdefault(place, {}).setdefault(last, set()).add(one["status"])
    for sums in expected.values():
        sums["rejected_percent"] = round(100 * sums["rejected_flows"] / (sums["flows"] + sums["rejected_flows"]), 1)
    rows = run.query("PeeringTraffic")
    top(expected, rows, ["peering_connection_id", "requester_vpc_id", "accepter_vpc_id"], "bytes")
    for row in rows:
        statuses = seen[row["peering_connection_id"], row["requester_vpc_id"], row["accepter_vpc_id"]]
        assert row["status"] in statuses[max(statuses)]
    [between] = [row for row in rows if row["peering_connection_id"] == "pcx-ab"]
    assert between["status"] == "deleted"
    assert any(row["rejected_flows"] for row in rows) and {row["cross_account"] for row in rows} >= {False, True}


def test_busiest_scanners(run):
    found = defaultdict(lambda: ([], []))
    for row in run.rows("findings", 7):
        if row.document["type"] in ("port-scan", "host-sweep"):
            found[row.document["subject"]["srcaddr"]][row.document["type"] == "host-sweep"].append(row)
    expected = {}
    for source, (scans, sweeps) in found.items():
        all_ = [row.document for row in scans + sweeps]
        expected[source] = {
            "srcaddr": source,
            "private_source": any(one["severity"] == "high" for one in all_),
            "hosts_scanned": len({row.document["subject"]["dstaddr"] for row in scans}),
            "most_ports_of_a_host": greatest(row.document["details"]["distinct_ports"] for row in scans),
            "ports_swept": len({(row.document["subject"]["dstport"], row.document["subject"]["protocol"]) for row in sweeps}),
            "most_hosts_of_a_port": greatest(row.document["details"]["distinct_hosts"] for row in sweeps),
            "port_scan_flows": sum(row.document["flows"] for row in scans),
            "host_sweep_flows": sum(row.document["flows"] for row in sweeps),
            "files": len({row.file for row in scans + sweeps}),
            "first_seen": least(one["first_seen"] for one in all_),
            "last_seen": greatest(one["last_seen"] for one in all_),
            "exact": all(one["exact"] for one in all_),
        }
    rows = run.query("Scanners")
    assert {row["srcaddr"]: row for row in rows} == expected and len(rows) == len(expected)
    most = [max(row["port_scan_flows"], row["host_sweep_flows"]) for row in rows]
    assert most == sorted(most, reverse=True)
    both = expected["10.66.0.3"]
    assert (both["hosts_scanned"], both["port_scan_flows"], both["ports_swept"], both["host_sweep_flows"]) == (1, 30, 1, 30)
    assert (expected["8.8.4.4"]["private_source"], both["private_source"]) == (False, True)


def test_quarantined_objects(run):
    rows = run.query("Quarantined")
    named = {re.search(r"/([a-z0-9-]+)[.]log", row["uri"])[1]: row for row in rows}
    # Not those of long ago, which the day of the log tells.
    assert sorted(named) == ["cut-off", "late", "no-log"] and len(rows) == 3
    for name, error, account, region, before, has_summary in [
        ("cut-off", "gzip_truncated", HOME, "us-east-1", 2, False),
        ("no-log", "not_a_flow_log", OTHER, "eu-west-1", 5, False),
        ("late", "too_many_lines", HOME, "us-east-1", 6, True),
    ]:
        row = named[name]
        assert (row["account_id"], row["region"], row["date"]) == (account, region, str(run.day(before)))
        assert (row["error"], row["has_summary"]) == (error, has_summary) and len(row["message"]) > 20
    assert [row["date"] for row in rows] == sorted((row["date"] for row in rows), reverse=True)


def test_hours_without_flow_logs(run):
    """Of the account whose logs leave out known hours, those; of the others, what their windows leave."""
    rows = run.query("Gaps")
    found = defaultdict(list)
    for row in rows:
        found[row["account_id"], row["region"]].append((row["missing_from"], row["missing_until"], row["hours"]))
    midnight = lambda before: datetime.datetime.combine(run.day(before), datetime.time())
    at = lambda before, hour: midnight(before) + datetime.timedelta(hours=hour)
    expected = []
    for before in range(7, 0, -1):
        expected.append((midnight(before), at(before, 24), 24) if before == 3 else (at(before, 10), at(before, 15), 5))
    assert found[GAPS, "us-east-1"] == expected
    windows = defaultdict(list)
    for row in run.rows("summaries", 14):
        windows[row.account_id, row.region].append(row.document["window"] or {"start": None, "end": None})
    assert windows.keys() == found.keys() and len(found) > 5
    written = lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}"
    for place, spans in windows.items():
        hours = [at(7, number) for number in range(7 * 24)]
        known = [span for span in spans if span["start"]]
        after = lambda hour: hour + datetime.timedelta(hours=1)
        covered = lambda hour: any(one["start"] < written(after(hour)) and one["end"] > written(hour) for one in known)
        missing = {hour for hour in hours if not covered(hour)}
        told = {at_ for start, end, _ in found[place] for at_ in hours if start <= at_ < end}
        assert told == missing and sum(count for _, _, count in found[place]) == len(missing), place


def test_interfaces_with_skipped_data(run):
    found = defaultdict(list)
    for row in run.rows("findings", 7):
        if row.document["type"] == "skipped-data":
            found[row.account_id, row.region, row.document["subject"]["interface_id"]].append(row)
    expected = {
        place: {"skipped_records": sum(row.document["flows"] for row in rows), "files": len({row.file for row in rows})}
        for place, rows in found.items()
    }
    rows = run.query("Skipped")
    top(expected, rows, ["account_id", "region", "interface_id"], "skipped_records")
    assert expected[HOME, "us-east-1", "eni-0888"] == {"skipped_records": 1, "files": 1}


def test_how_far_the_data_can_be_trusted(run):
    classes = ["accepted", "rejected", "no_data", "skip_data", "other", "malformed"]
    expected = defaultdict(Counter)
    for row in run.rows("summaries", 7):
        document = row.document
        expected[row.date, row.account_id, row.region] += Counter(
            files=1,
            records=document["records"]["total"],
            **{name: document["records"][name] for name in classes},
            accepted_bytes=document["traffic"]["accepted"]["bytes"],
            rejected_bytes=document["traffic"]["rejected"]["bytes"],
            files_with_limits_reached=1 if document["limits_reached"] else 0,
        )
    rows = run.query("Quality")
    places = [(row["date"], row["account_id"], row["region"]) for row in rows]
    assert places == sorted(expected)
    for place, row in zip(places, rows):
        names = row.keys() - {"date", "account_id", "region"}
        assert {name: row[name] for name in names} == {name: expected[place][name] for name in names}
        assert row["records"] == sum(row[name] for name in classes)
    assert all(any(row[name] for row in rows) for name in [*classes, "files_with_limits_reached"])
    # More than a bigint holds.
    [huge] = [row for row in rows if row["account_id"] == HUGE]
    assert (huge["accepted_bytes"], huge["files"]) == (2 * MOST, 2)


def test_traffic_by_aws_service(run):
    expected = {}
    for row in run.rows("summaries", 7):
        for one in row.document["services"]:
            names = ["most_interfaces_of_a_file", "flows", "bytes", "rejected_flows", "rejected_bytes"]
            sums = expected.setdefault((one["service"],), dict.fromkeys(names, 0))
            sums["most_interfaces_of_a_file"] = max(sums["most_interfaces_of_a_file"], one["interfaces"])
            for name in ["flows", "bytes"]:
                sums[name] += one["accepted"][name]
                sums[f"rejected_{name}"] += one["rejected"][name]
    rows = run.query("Services")
    top(expected, rows, ["service"], "bytes")
    assert len(rows) > 1


def test_the_queries_of_the_page_run(run):
    """Those that docs/query.md shows, in SQL and in the shell."""
    page = (PROJECT / "docs" / "query.md").read_text()
    queries = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    queries += [text.replace('\\"', '"') for text in re.findall(r'--query-string "(.*?[^\\])"', page, re.DOTALL)]
    assert len(queries) >= 2
    for query in queries:
        assert run.athena.query(query), query


# ---- Work group and policies ------------------------------------------------------------------------------------------------


def test_nobody_gets_past_the_work_group_s_settings():
    group = Resolved(transformed()).one("AWS::Athena::WorkGroup")
    settings = group["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True and settings["PublishCloudWatchMetricsEnabled"] is True
    assert settings["BytesScannedCutoffPerQuery"] == 10 * 2**30
    assert settings["EngineVersion"] == {"SelectedEngineVersion": "Athena engine version 3"}
    assert settings["ResultConfiguration"]["EncryptionConfiguration"] == {"EncryptionOption": "SSE_S3"}
    assert settings["ResultConfiguration"]["ExpectedBucketOwner"] == HOME
    assert group["RecursiveDeleteOption"] is True and group["State"] == "ENABLED"


def test_with_a_key_results_of_queries_are_encrypted_with_it():
    arn = f"arn:aws:kms:us-east-1:{HOME}:key/0123"
    parameters = {"OutputKmsKeyArn": arn}
    stack = Resolved(transformed(parameters), parameters)
    result = stack.one("AWS::Athena::WorkGroup")["WorkGroupConfiguration"]["ResultConfiguration"]
    assert result["EncryptionConfiguration"] == {"EncryptionOption": "SSE_KMS", "KmsKey": arn}
    [rule] = stack.properties("QueryResultsBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
    [use] = [one for one in statements(stack) if one["Sid"] == "UseTheKeyOfTheResults"]
    assert (use["Action"], use["Resource"]) == (["kms:Decrypt", "kms:GenerateDataKey"], arn)
    assert not [one for one in statements(Resolved(transformed())) if "kms:" in str(one)]


def statements(stack):
    return stack.properties("QueryPolicy")["PolicyDocument"]["Statement"]


def test_whoever_queries_reads_the_tables_and_writes_nothing_but_results(run):
    """The policy covers each table's folder; what it lets write is in the bucket of queries' results."""
    resources = lambda action: [
        resource for one in statements(run.stack) if action in _list(one["Action"]) for resource in _list(one["Resource"])
    ]
    results = f"{run.stack.arn('QueryResultsBucket')}/*"
    locations = {f"arn:aws:s3:::{table.location.removeprefix('s3://')}*" for table in run.athena.tables.values()}
    assert {*resources("s3:GetObject")} == {*locations, results}
    assert resources("s3:PutObject") == [results]
    actions = {action for one in statements(run.stack) for action in _list(one["Action"])}
    assert {action for action in actions if re.search("Delete|Put|Create|Update|Tag|[*]", action)} == {"s3:PutObject"}
    # What has no narrower resource.
    [everywhere] = [one for one in statements(run.stack) if "*" in _list(one["Resource"])]
    assert everywhere["Action"] == ["athena:ListDataCatalogs", "athena:ListEngineVersions", "athena:ListWorkGroups"]
    location = run.stack.one("AWS::Athena::WorkGroup")["WorkGroupConfiguration"]["ResultConfiguration"]["OutputLocation"]
    assert results == f"arn:aws:s3:::{location.removeprefix('s3://')}*"
