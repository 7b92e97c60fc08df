"""A second, independent program for the rules that flowsentry implements.

This program is slow, plain, and shares no code with flowsentry. It prints the part of the summary that has exact rules, so
that `run.py` can compare both programs on random inputs. One function per rule, from the records to the findings.

    python3 reference.py LOG... [--topology PATH...] [--config FILE] [--top N]
    python3 reference.py --topology-check PATH...
    python3 -m unittest reference        (in this folder)

Left out: approximate results at a memory limit, and inputs that are not text.
"""

import argparse
import ipaddress
import json
import pathlib
import sys
import tomllib

from summary import summarize
from terms import Report
from topology import Topology, check_topology


def plain(value):
    """Returns a value as JSON has it: addresses as text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    kinds = ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network
    return str(value) if isinstance(value, kinds) else value


def analyze(logs, topology_paths=None, config=None, top=100, filter=None):
    """Returns the summary of log files, as JSON values."""
    report = Report(Topology(topology_paths) if topology_paths else None, filter)
    for path in logs:
        report.read(str(path), pathlib.Path(path).read_bytes())
    thresholds = tomllib.loads(pathlib.Path(config).read_text()) if config else {}
    return plain(summarize(report, thresholds, top))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("logs", nargs="*")
    parser.add_argument("--topology", action="append")
    parser.add_argument("--config")
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--topology-check", nargs="+")
    options = parser.parse_args()
    if options.topology_check:
        print(json.dumps(check_topology(Topology(options.topology_check)), indent=1))
        return 0
    summary = analyze(options.logs, options.topology, options.config, options.top)
    print(json.dumps(summary, indent=1))
    return 1 if summary["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
