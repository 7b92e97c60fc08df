"""Compares flowsentry with the reference on random worlds, and both with the worlds' labels.

    python3 run.py --worlds 2000 --seed 1 --flowsentry target/release/flowsentry
    python3 run.py --worlds 1 --seed 17 --flowsentry … --keep FOLDER      keeps the files of the worlds

Prints the first differences in full, with their seed, then a table by finding type, and one by what denied the groups. Exits
with 1 if anything differs.
"""

import argparse
import collections
import json
import multiprocessing
import pathlib
import subprocess
import sys
import tempfile

import reference
from worlds import World

FINDING = ("type", "severity", "confidence", "subject", "details", "flows", "packets", "bytes", "first_seen", "last_seen")
GROUP = ("interface_id", "srcaddr", "dstaddr", "dstport", "protocol", "direction", "cause", "causes", "denied_by", "flows",
         "packets", "bytes", "first_seen", "last_seen", "src", "dst")
TOP = ("rejected_sources", "rejected_ports", "talkers")
REJECTED = ("group_count", "groups", "by_cause", "by_rule", "by_interface", "by_subnet", "by_vpc")
SECTIONS = ("exit", "sources", "failed", "window", "records", "traffic", "timeline", *REJECTED, *TOP, "connections", "vpc_pairs",
            "services", "findings", "topology_check")
RULE = ("kind", "id", "rule_number", "ids")
TOTAL = ("accepted", "rejected")
COLUMNS = {
    "sources": ("uri", "records"), "groups": GROUP, "findings": FINDING, "topology_check": ("type", "severity", "subject",
                                                                                            "details"),
    "connections": ("peering_connection_id", "status", "requester_vpc_id", "accepter_vpc_id", "inter_region", "cross_account",
                    *TOTAL),
    "vpc_pairs": ("src_vpc_id", "dst_vpc_id", "peering_connection_id", *TOTAL), "services": ("service", "interfaces", *TOTAL),
    "timeline": ("start", "seconds", *TOTAL), "rejected_sources": ("srcaddr", "flows", "packets", "bytes"),
    "rejected_ports": ("protocol", "dstport", "flows", "packets", "bytes"),
    "talkers": ("interface_id", "srcaddr", "dstaddr", "accepted"), "by_cause": ("cause", "flows", "packets", "bytes"), "by_rule": (*RULE, "direction", "group_count", "flows", "packets", "bytes"),
    "by_interface": ("interface_id", "vpc_id", "subnet_id", "flows", "packets", "bytes"),
    "by_subnet": ("subnet_id", "vpc_id", "flows", "packets", "bytes"), "by_vpc": ("vpc_id", "flows", "packets", "bytes"),
}
DETAILS = {  # the details that have rules, by type
    "transitive-peering": ("via_vpc_ids",), "inactive-peering": ("peering_connection_ids", "statuses"),
    "peering-path-mismatch": ("traffic_paths",), "ambiguous-address": ("vpc_ids",), "port-scan": ("accepted_flows",),
    "host-sweep": ("accepted_flows",), "repeated-rejects": ("direction", "cause"),
    "partial-route": ("route_table_ids", "subnet_ids"),
}
PLACE = ("scope", "vpc_id", "subnet_id", "interface_id", "service")


def sections(summary, exit, topology_findings):
    """Returns the sections to compare of a summary, with only the fields that have exact rules."""
    rejected, peering = summary["rejected"], summary["peering"] or {}
    failed = [row if isinstance(row, str) else row["uri"] for row in summary["failed"]]
    flat = {"exit": exit, "failed": failed, "topology_check": topology_findings}
    flat |= {name: summary[name] for name in ("sources", "window", "records", "traffic", "timeline", "services",
                                              "findings")}
    flat |= {name: summary["top"][name] for name in TOP}
    flat |= {name: rejected.get(name) for name in REJECTED}
    flat |= {name: peering.get(name) for name in ("connections", "vpc_pairs")}
    return {name: reduced(name, flat[name]) for name in SECTIONS}


def reduced(name, rows):
    if name not in COLUMNS or rows is None:
        return rows
    rows = [{column: row.get(column) for column in COLUMNS[name]} for row in rows]
    for row in rows:
        if "details" in row:
            row["details"] = {key: row["details"].get(key) for key in DETAILS.get(row["type"], ())}
        if row.get("denied_by"):
            row["denied_by"] = [{key: element.get(key) for key in RULE} for element in row["denied_by"]]
        for side in ("src", "dst") if name == "groups" else ():
            row[side] = row[side] and {key: row[side].get(key) for key in PLACE}
    return rows


def run_json(command):
    """Returns the exit status and the JSON of a command. Raises RuntimeError if it prints none."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    try:
        return done.returncode, json.loads(done.stdout)
    except json.JSONDecodeError:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr[-500:]}") from None


def by_flowsentry(options, logs, topology, config):
    command = [options.flowsentry, "analyze", "--format", "json"]
    command += ["--topology", topology] if topology else []
    command += ["--config", config] if config else []
    exit, summary = run_json(command + logs)
    checked = run_json([options.flowsentry, "topology", "check", "--format", "json",
                        topology])[1]["findings"] if topology else []
    return sections(summary, exit, checked)


def by_reference(logs, topology, config):
    summary = reference.analyze(logs, [topology] if topology else None, config)
    checked = reference.check_topology(reference.Topology([topology])) if topology else []
    return sections(summary, 1 if summary["failed"] else 0, checked)


def first_difference(ours, theirs):
    """Returns where two values first differ and the two parts there, or None."""
    if isinstance(ours, list) and isinstance(theirs, list):
        for index in range(max(len(ours), len(theirs))):
            one, other = (values[index] if index < len(values) else "nothing" for values in (ours, theirs))
            if one != other:
                return f"row {index}", one, other
    return None if ours == theirs else ("", ours, theirs)


def found_types(findings, label):
    return any(row["type"] == label["type"] and label["subject"].items() <= row["subject"].items() for row in findings)


def compare(task):
    """Returns (seed, differences, rows of the table) of one world."""
    seed, options = task
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.keep, str(seed)) if options.keep else pathlib.Path(temporary)
        world = World(seed)
        logs, topology, config = world.write(folder)
        config = None if options.no_config else config
        expected = by_reference(logs, topology, config)
        try:
            actual = by_flowsentry(options, logs, topology, config) if options.flowsentry else expected
        except RuntimeError as error:
            return seed, [("run", "", "", str(error))], []
    wanted = options.only.split(",") if options.only else SECTIONS
    differences = [(name, *found) for name in wanted if (found := first_difference(expected[name], actual[name]))]
    rows = table_rows(expected, actual, [] if options.no_config else world.labels)
    return seed, differences, rows + outcomes(expected["groups"])


def table_rows(expected, actual, labels):
    """Returns (type, column) for each count of the table."""
    rows = []
    for name in ("findings", "topology_check"):
        by_type = [collections.defaultdict(list), collections.defaultdict(list)]
        for side, summary in zip(by_type, (expected, actual)):
            for row in summary[name]:
                side[row["type"]].append(row)
        for type in {*by_type[0], *by_type[1]}:
            rows += [(type, column) for column, side in zip(("reference", "flowsentry"), by_type) if type in side]
            rows += [(type, "differ")] if by_type[0].get(type) != by_type[1].get(type) else []
    for label in labels:
        rows.append((label["type"], "present" if label["must"] else "absent"))
        for program, summary in (("reference", expected), ("flowsentry", actual)):
            if found_types(summary["findings"], label) != label["must"]:
                rows.append((label["type"], f"{program} {'misses' if label['must'] else 'alarms'}"))
                if program == "reference":
                    rows.append((f"! {label}", "the reference contradicts"))
    return rows


def outcomes(groups):
    """Returns ("= cause", what denies) for each group."""
    names = {(): "none", ("network-acl",): "acl", ("security-group",): "sg", ("network-acl", "security-group"): "acl, sg",
             ("security-group", "network-acl"): "sg, acl"}
    rows = []
    for group in groups:
        rows.append((f"= {group['cause']}", names[tuple(element["kind"] for element in group["denied_by"])]))
        if any(element["kind"] == "network-acl" and element["rule_number"] is None for element in group["denied_by"]):
            rows.append((f"= {group['cause']}", "acl by no entry"))
    return rows


def print_outcomes(rows):
    columns = ("none", "acl", "acl, sg", "sg", "sg, acl", "acl by no entry")
    print("\ngroups of the reference by cause and denied_by; how many of them no entry of the network ACL matches")
    print(f"{'cause':32}" + "".join(f"{column.replace(' ', '-'):>18}" for column in columns))
    for cause in sorted({type for type, _ in rows if type.startswith("=")}):
        print(f"{cause[2:]:32}" + "".join(f"{rows[cause, column] or '·':>18}" for column in columns))


def print_table(rows):
    columns = ("present", "absent", "reference", "flowsentry", "differ", "reference misses", "reference alarms",
               "flowsentry misses",
               "flowsentry alarms")
    print("\nlabels present and absent; worlds with the type by each program, and where they differ; missed and false labels")
    print(f"{'type':24}" + "".join(f"{column.replace(' ', '-'):>18}" for column in columns))
    for type in sorted({type for type, _ in rows if type[0] not in "!="}):
        print(f"{type:24}" + "".join(f"{rows[type, column] or '·':>18}" for column in columns))
    for type, _ in sorted(rows):
        if type.startswith("!"):
            print(type)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flowsentry", help="the command; without it the reference is held against the labels only")
    parser.add_argument("--show", type=int, default=5, help="differences of each section to print in full")
    parser.add_argument("--only", help="sections to compare, with commas between them: " + ", ".join(SECTIONS))
    parser.add_argument("--no-config", action="store_true", help="default thresholds; labels are left out")
    parser.add_argument("--keep", help="folder for the files of the worlds")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    shown, rows, bad = collections.Counter(), collections.Counter(), 0
    with multiprocessing.Pool(options.jobs) as pool:
        tasks = ((seed, options) for seed in range(options.seed, options.seed + options.worlds))
        for seed, differences, counted in pool.imap(compare, tasks, chunksize=4):
            rows.update(counted)
            bad += bool(differences)
            for name, where, ours, theirs in differences:
                shown[name] += 1
                if shown[name] <= options.show:
                    print(f"seed {seed}: {name} {where}\n  reference  {json.dumps(ours)}\n  flowsentry {json.dumps(theirs)}")
    print_table(rows)
    print_outcomes(rows)
    print(f"\n{bad} of {options.worlds} worlds differ: " + (", ".join(f"{name} {count}" for name,
                                                                      count in shown.items()) or "none"))
    contradictions = any(type.startswith("!") for type, _ in rows)
    return 1 if bad or contradictions else 0


if __name__ == "__main__":
    sys.exit(main())
