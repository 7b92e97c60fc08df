"""The template's saved queries on real outputs of the function.

Each query runs unchanged; its result is compared with sums computed here from the same outputs or from the logs.
"""

import datetime
import os
import re
import textwrap
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest
from sqlglot import exp

from corpus import BOUND_FLOWS, GAPS, HOME, HUGE, MOST, OTHER
from athena import parse
from template import load
from test_athena import KNOWN, constructs

PROJECT = Path(__file__).resolve().parents[2]


@cache
def named_queries():
    resources = load("stacks/athena.yaml")["Resources"]
    return {id.removesuffix("NamedQuery"): one for id, one in resources.items() if one["Type"] == "AWS::Athena::NamedQuery"}


def sql_of(id):
    """Returns a query of the template; its placeholders are those of Fn::Sub."""
    text = named_queries()[id]["Properties"]["QueryString"]
    return text if isinstance(text, str) else text["Fn::Sub"][0]


def test_queries_are_those_of_the_files():
    """CloudFormation takes a query only as text of the template. With UPDATE_GOLDEN=1, copies the files into it."""
    files = {path.stem: path.read_text() for path in (PROJECT / "stacks" / "athena").glob("*.sql")}
    assert sorted(files) == sorted(map(file_of, named_queries()))
    page = PROJECT / "stacks" / "athena.yaml"
    text = page.read_text()
    for id in named_queries():
        start = rf"(  {id}NamedQuery:\n(?:    .*\n|\n)*?      QueryString: "
        plain, with_values = rf"{start}\|\n)((?:        .*\n|\n)+)", rf"{start}!Sub\n        - \|\n)((?:          .*\n)+)"
        sub = isinstance(named_queries()[id]["Properties"]["QueryString"], dict)
        indented = textwrap.indent(files[file_of(id)], " " * (10 if sub else 8))
        text, count = re.subn(with_values if sub else plain, lambda found: found[1] + indented, text)
        assert count == 1, id
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(text)
    else:
        assert {id: sql_of(id) for id in named_queries()} == {id: files[file_of(id)] for id in named_queries()}
        assert text == page.read_text()


def file_of(id):
    """Returns the name of the file of a query: kebab case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", id).lower()


@pytest.mark.parametrize("id", named_queries())
def test_query_is_valid_for_athena(id):
    """Checks cases in which the local engine or the grammar is more lenient than Athena."""
    tree = parse(sql_of(id))
    for select in tree.find_all(exp.Select):
        assert not any(isinstance(column, exp.Star) for column in select.expressions), "name the columns"
    # An alias shadows the column of the same name, so ORDER BY would use a sum of a sum.
    for order in tree.find_all(exp.Order):
        assert not (isinstance(order.parent, exp.Select) and list(order.find_all(exp.AggFunc))), "order by what is selected"
    # Some engine versions expand an array of structs to columns, others to one struct.
    for unnest in tree.find_all(exp.Unnest):
        [array] = unnest.expressions
        wrapped = isinstance(array, exp.Transform) and isinstance(array.expression.this, exp.Array)
        assert wrapped or array.sql(dialect="athena").startswith("SEQUENCE("), "wrap each struct in an array"
    unknown = constructs(sql_of(id)) - KNOWN.keys()
    assert not unknown, f"no test in test_athena.py holds the translation of {unknown}"


@pytest.mark.parametrize("id", named_queries())
def test_query_reads_only_the_needed_days(id, tables):
    """Every partitioned table is read with a condition on the date that Athena can evaluate in advance."""
    for table in parse(sql_of(id)).find_all(exp.Table):
        if table.name in tables and tables[table.name].partitions:
            where = table.parent_select.args["where"]
            days = [node for node in where.find_all(exp.GTE, exp.Between) if node.this.name == "date"]
            assert days and not where.find(exp.Or), table.name
            for node in days:
                bounds = [node.expression] if isinstance(node, exp.GTE) else [node.args["low"], node.args["high"]]
                assert not any(bound.find(exp.Column) for bound in bounds)


def test_every_tested_construct_occurs_in_a_query():
    """So that the translation is tested for every use."""
    assert set.union(*(constructs(sql_of(id)) for id in named_queries())) == KNOWN.keys()


def test_queries_have_name_description_and_workgroup():
    queries = named_queries().values()
    properties = [query["Properties"] for query in queries]
    assert len({one["Name"] for one in properties}) == len(properties) == 15
    for one in properties:
        assert (one["WorkGroup"], one["Database"]) == ({"Ref": "WorkGroup"}, {"Ref": "Database"})
        assert 10 <= len(one["Name"]) <= 128 and 50 <= len(one["Description"]) <= 1024
        assert one["Description"].endswith(".")


def top(expected, rows, columns, by, limit=100):
    """Compares the top rows with the expected values by key, in order."""
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


def rejected_groups(run):
    """Returns the rejected connections of eight days by key, from the groups of all summaries."""
    found, unlisted = defaultdict(list), {}
    for row in run.rows("summaries", 7):
        rejected = row.document["rejected"]
        complete = rejected["exact"] and rejected["group_count"] == len(rejected["groups"])
        unlisted[row.file] = 0 if complete else rejected["groups"][-1]["flows"] + rejected["error_bound"]
        for group in rejected["groups"]:
            name = (*(group[field] for field in CONNECTION[:4]), group["protocol_name"])
            found[name].append((row.file, rejected, group))
    return found, unlisted


def test_top_rejected_connections(run):
    found, unlisted = rejected_groups(run)
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
            "security_group": sum(group["causes"].get("security-group", 0) for group in groups),
            "rules_allow": sum(group["causes"].get("rules-allow", 0) for group in groups),
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
    rows = run.query("TopRejectedConnections")
    top(expected, rows, CONNECTION, "flows")
    assert {row["exact"] for row in rows} == {True, False} and any(row["network_acl"] for row in rows)
    assert {row["protocol"] for row in rows if row["srcaddr"] == "10.66.9.9"} == {"TCP", "UDP"}
    assert any(row["files"] > 1 for row in rows) and any(row["dst_name"] for row in rows)


def test_bounds_contain_the_real_rejected_flows(run):
    """For connections that one summary lists and another does not, compared with the logs."""
    rows = {row["srcaddr"]: row for row in run.query("TopRejectedConnections")}
    truth = sum((Counter(flows) for flows in BOUND_FLOWS), Counter())
    for address in ["10.77.0.1", "10.77.0.2", "10.77.0.3"]:
        assert rows[address]["flows"] <= truth[address] <= rows[address]["flows_at_most"]
    assert rows["10.77.0.1"]["flows"] == truth["10.77.0.1"] == 17
    # Each is missing on one of the days, where the smallest listed group has five or six flows.
    assert rows["10.77.0.2"]["flows"] == 5 < truth["10.77.0.2"] == 7
    assert rows["10.77.0.3"]["flows"] == 6 < truth["10.77.0.3"] == 10
    assert rows["10.77.0.2"]["flows_at_most"] - rows["10.77.0.2"]["flows"] >= 6
    # Duplicate objects are counted once.
    assert (rows["10.88.0.1"]["flows"], rows["10.88.0.1"]["files"]) == (120, 1)


CAUSES = [
    "network-acl",
    "security-group",
    "rules-allow",
    "security-group-or-network-acl",
    "out-of-state",
    "block-public-access",
    "encryption-controls",
]


def test_rejected_flows_by_cause(run):
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
    rows = run.query("RejectedByCause")
    top(expected, rows, ["interface_id"], "flows")
    for cause in causes:
        assert any(row[cause] for row in rows), cause
    assert any(row["unlisted"] for row in rows) and all(row["unlisted"] >= 0 for row in rows)
    # Totals include all records.
    total = sum(row.document["traffic"]["rejected"]["flows"] for row in run.rows("summaries", 7))
    assert sum(sums["flows"] for sums in expected.values()) == total


def test_rejected_flows_by_rule(run):
    expected = defaultdict(lambda: {"flows": 0, "packets": 0, "bytes": 0, "files": 0, "exact": True, "names": None})
    for row in run.rows("summaries", 7):
        rejected = row.document["rejected"]
        for rule in rejected["by_rule"]:
            ids = rule.get("id") or ", ".join(rule["ids"])
            sums = expected[rule["kind"], ids, rule.get("rule_number"), rule["direction"]]
            for field in ("flows", "packets", "bytes"):
                sums[field] += rule[field]
            sums["files"] += 1
            sums["exact"] &= rejected["by_cause_exact"]
            sums["names"] = rule.get("name") or ", ".join(rule.get("names", {}).values()) or None
    rows = run.query("RejectedByRule")
    top(expected, rows, ["kind", "ids", "rule_number", "direction"], "flows")
    assert {row["kind"] for row in rows} == {"network-acl", "security-group"}
    assert {row["direction"] for row in rows} == {"ingress", "egress"} and any(row["files"] > 1 for row in rows)


def test_one_way_peering(run):
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
    reported = {}
    for row in run.rows("findings", 7):
        if row.document["type"] == "one-way-peering":
            subject = row.document["subject"]
            reported.setdefault((subject["src_vpc_id"], subject["dst_vpc_id"]), set()).add(row.document["id"])
    expected = {way: sums for way, sums in expected.items() if sums["unanswered_flows"]}
    for way, sums in expected.items():
        sums["flows"], sums["flows_back"] = flows[way], flows[way[::-1]]
        sums["unanswered_percent"] = round(100 * sums["unanswered_flows"] / flows[way], 1)
        sums["finding_id"] = greatest(reported.get(way, {None}))
    rows = run.query("OneWayPeering")
    top(expected, rows, ["src_vpc_id", "dst_vpc_id"], "unanswered_percent")
    assert {row["unanswered_percent"] == 100 for row in rows} == {True, False}
    assert {bool(row["finding_id"]) for row in rows} == {True, False}
    assert {bool(row["flows_back"]) for row in rows} == {row["exact"] for row in rows} == {True, False}


def test_transitive_peering_attempts(run):
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
    rows = run.query("TransitivePeering")
    top(expected, rows, ["id"], "flows")
    assert {row["type"] for row in rows} == kinds and any(row["via_vpc_ids"] for row in rows)


def test_new_resolved_and_ongoing_findings(run):
    weeks = defaultdict(lambda: ([], []))
    for now, rows in [(0, run.rows("findings", 7, 1)), (1, run.rows("findings", 14, 8))]:
        for row in rows:
            weeks[row.document["id"]][now].append(row)
    expected = {}
    rank = ["low", "medium", "high"].index
    for id, (now, before) in weeks.items():
        all_ = [row.document for row in now + before]
        expected[id,] = {
            "change": "new" if not before else "ongoing" if now else "resolved",
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
    order = [(["new", "resolved", "ongoing"].index(row["change"]), -rank(row["severity"]), -row["flows"]) for row in rows]
    assert order == sorted(order)
    scans = [row for row in rows if row["type"] == "port-scan" and "10.66.0." in row["title"]]
    scanners = {re.search(r"10[.]66[.]0[.]\d", row["title"])[0]: row["change"] for row in scans}
    assert scanners == {"10.66.0.1": "resolved", "10.66.0.2": "ongoing", "10.66.0.3": "new"}


def test_rejected_flows_compared_with_last_week(run):
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


def test_top_scanners(run):
    found = defaultdict(lambda: ([], []))
    for row in run.rows("findings", 7):
        if row.document["type"] in ("port-scan", "host-sweep"):
            found[row.document["subject"]["srcaddr"]][row.document["type"] == "host-sweep"].append(row)
    expected = {}
    for source, (scans, sweeps) in found.items():
        all_ = [row.document for row in scans + sweeps]
        expected[source] = {
            "srcaddr": source,
            "high_severity": any(one["severity"] == "high" for one in all_),
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
    assert (expected["8.8.4.4"]["high_severity"], both["high_severity"]) == (False, True)


def test_quarantined_objects(run):
    rows = run.query("Quarantined")
    named = {re.search(r"/([a-z0-9-]+)[.]log", row["uri"])[1]: row for row in rows}
    # Without old ones; the date of the log decides.
    assert sorted(named) == ["cut-off", "late", "no-log", "replaced"] and len(rows) == 4
    for name, error, account, region, before, has_summary in [
        ("cut-off", "gzip_truncated", HOME, "us-east-1", 2, False),
        ("no-log", "not_a_flow_log", OTHER, "eu-west-1", 5, False),
        ("late", "too_many_lines", HOME, "us-east-1", 6, True),
        ("replaced", "gzip_truncated", HOME, "us-east-1", 3, False),
    ]:
        row = named[name]
        assert (row["account_id"], row["region"], row["date"]) == (account, region, str(run.day(before)))
        assert (row["error"], row["has_summary"]) == (error, has_summary) and len(row["message"]) > 20
    assert [row["date"] for row in rows] == sorted((row["date"] for row in rows), reverse=True)


def test_hours_without_flow_logs(run):
    """For the account with known gaps, these; for the others, derived from their windows."""
    rows = run.query("MissingHours")
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
        reported = {at_ for start, end, _ in found[place] for at_ in hours if start <= at_ < end}
        assert reported == missing and sum(count for _, _, count in found[place]) == len(missing), place


def test_interfaces_with_skipped_data(run):
    found = defaultdict(list)
    for row in run.rows("findings", 7):
        if row.document["type"] == "skipped-data":
            found[row.account_id, row.region, row.document["subject"]["interface_id"]].append(row)
    expected = {
        place: {"skipped_records": sum(row.document["flows"] for row in rows), "files": len({row.file for row in rows})}
        for place, rows in found.items()
    }
    rows = run.query("SkippedData")
    top(expected, rows, ["account_id", "region", "interface_id"], "skipped_records")
    assert expected[HOME, "us-east-1", "eni-0888"] == {"skipped_records": 1, "files": 1}


def test_data_quality(run):
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
    rows = run.query("DataQuality")
    places = [(row["date"], row["account_id"], row["region"]) for row in rows]
    assert places == sorted(expected)
    for place, row in zip(places, rows):
        names = row.keys() - {"date", "account_id", "region"}
        assert {name: row[name] for name in names} == {name: expected[place][name] for name in names}
        assert row["records"] == sum(row[name] for name in classes)
    assert all(any(row[name] for row in rows) for name in [*classes, "files_with_limits_reached"])
    # More than a bigint.
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
    rows = run.query("TrafficByService")
    top(expected, rows, ["service"], "bytes")
    assert len(rows) > 1


def test_queries_in_the_docs_run(run):
    """The SQL and shell examples of docs/query.md."""
    page = (PROJECT / "docs" / "query.md").read_text()
    queries = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    queries += [text.replace('\\"', '"') for text in re.findall(r'--query-string "(.*?[^\\])"', page, re.DOTALL)]
    assert len(queries) >= 2
    for query in queries:
        assert run.athena.query(query), query
