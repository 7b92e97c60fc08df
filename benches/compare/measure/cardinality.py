"""Measures a log with more rejected groups than fit into the memory limits, and checks its heavy groups."""

import sys

from . import build, logs
from .flowsentry import FEW_BLOCKS, ONE_THREAD, analyze, summary
from .rounds import median, print_table, ratios, rounds

GROUPS = 10_000_000
LISTED = 100

# The heavy groups of generate --distinct-rejects; see generate/cardinality.rs.
HEAVY = {f"22.0.7.{group}": 400 + 40 * group for group in range(150)}
BYTES_A_RECORD = 44


def measure(count):
    log, topology = logs.log_of_rejects(GROUPS), logs.topology(FEW_BLOCKS)
    commands = {
        "decompression alone": [build.decompress(), log],
        "flowsentry, 1 thread": analyze(log, topology, *ONE_THREAD),
        "flowsentry, default threads": analyze(log, topology),
    }
    found = {name: summary(command) for name, command in commands.items() if name.startswith("flowsentry")}
    figures = rounds(commands, count)
    bounds = {summary["rejected"].get("error_bound") for summary in found.values()}
    title = (
        f"{GROUPS:,} rejected groups of one record and {len(HEAVY)} heavy ones ({log.stat().st_size / 1e6:.1f} MB of gzip); "
        f"medians of {count} rounds. Error bound: {', '.join(map(str, bounds))} flows."
    )
    rows = [
        [
            name,
            f"{median(runs, 'cpu'):.2f}",
            ratios(runs, figures["decompression alone"]),
            f"{median(runs, 'wall'):.2f}",
            f"{median(runs, 'memory'):,.0f}",
        ]
        for name, runs in figures.items()
    ]
    print_table(title, ["program", "CPU s", "÷ decompression", "wall s", "peak MiB"], rows)
    wrong = [f"{name}: {problem}" for name, summary in found.items() for problem in problems(summary)]
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"\nTotals are exact, and the {LISTED} listed groups are the {LISTED} groups with the most flows.")


def problems(summary):
    """Yields the errors in the summary of that log."""
    records = GROUPS + sum(HEAVY.values())
    rejected, traffic = summary["rejected"], summary["traffic"]["rejected"]
    totals = [summary["records"]["total"], summary["records"]["rejected"], traffic["flows"], traffic["bytes"]]
    if totals != (expected := [records, records, records, records * BYTES_A_RECORD]):
        yield f"the totals are {totals} instead of {expected}"
    if rejected["exact"]:
        yield "rejected.exact is true"
    bound = rejected.get("error_bound")
    if bound is None:
        yield "rejected.error_bound is missing"
    heaviest = set(sorted(HEAVY, key=HEAVY.get)[-LISTED:])
    listed = {group["srcaddr"]: group["flows"] for group in rejected["groups"]}
    if missing := sorted(heaviest - listed.keys()):
        yield f"{len(missing)} of the {LISTED} heaviest groups are not listed: {', '.join(missing)}"
    for source in sorted(heaviest & listed.keys()):
        if abs(listed[source] - HEAVY[source]) > (bound or 0):
            yield f"{source} has {listed[source]} flows instead of {HEAVY[source]}; the error exceeds {bound}"
