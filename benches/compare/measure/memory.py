"""Measures peak memory for objects of several sizes."""

import sys

from . import build, logs
from .flowsentry import FEW_BLOCKS, ONE_THREAD, analyze, summary
from .rounds import median, print_table, rounds

# 1, 71 and 380 MB of gzip in the default format.
SIZES = [45_000, 3_260_000, 17_400_000]
# Up to this size, every rejected group is counted exactly.
EXACT_UP_TO = 3_260_000

# Peak memory hardly varies.
ROUNDS = 3


HEAD = ["records", "MB of gzip", "decompression alone", "flowsentry, 1 thread", "default threads", "groups", "exact"]


def measure(format):
    topology = logs.topology(FEW_BLOCKS)
    rows, exact = [], {}
    for records in SIZES:
        log = logs.log(records, format)
        rejected = summary(analyze(log, topology))["rejected"]
        exact[records] = rejected["exact"]
        commands = {
            "decompression": [build.decompress(), log],
            "1 thread": analyze(log, topology, *ONE_THREAD),
            "default threads": analyze(log, topology),
        }
        peaks = [f"{median(runs, 'memory'):,.0f}" for runs in rounds(commands, ROUNDS).values()]
        megabytes = f"{log.stat().st_size / 1e6:.1f}"
        rows.append([f"{records:,}", megabytes, *peaks, f"{rejected['group_count']:,}", str(rejected["exact"]).lower()])
    title = (
        f"Peak memory in MiB, format {format!r}, with a topology of {FEW_BLOCKS} blocks; medians of {ROUNDS} rounds. "
        f"The last two columns are rejected.group_count and rejected.exact of the summary."
    )
    print_table(title, HEAD, rows)
    if wrong := [records for records in SIZES if records <= EXACT_UP_TO and not exact[records]]:
        sys.exit(f"rejected.exact is false with {wrong} records")
