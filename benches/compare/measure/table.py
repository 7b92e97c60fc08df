"""Compares flowsentry with other programs on one log."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from . import build, logs
from .flowsentry import FEW_BLOCKS, MANY_BLOCKS, ONE_THREAD, analyze
from .rounds import median, print_table, ratios, rounds

DECOMPRESSION, FLOWSENTRY = "decompression alone", "flowsentry, 1 thread"
# A program that is a hundred times slower reads this fraction of the records; its CPU seconds are scaled.
FEWER = 10

# Programs that can be excluded.
OTHERS = ["DuckDB", "polars", "awk", "vrl", "flowlogs-reader"]


class Program(NamedTuple):
    command: list
    log: Path
    """The log to read; programs with the same log must produce the same result."""
    parse: Callable | None = None
    """Parses the result from the output."""
    scale: int = 1
    """Factor for its CPU seconds."""


def measure(format, records, count, excluded):
    log, fewer = logs.log(records, format), logs.log(records // FEWER, format)
    programs = competitors(log, fewer, excluded)
    compare(programs | {"flowsentry": Program(analyze(fewer), fewer, of_summary)})
    figures = rounds({name: program.command for name, program in programs.items()}, count)
    for name, runs in figures.items():
        figures[name] = [run._replace(cpu=run.cpu * programs[name].scale) for run in runs]
    title = (
        f"{records:,} records of the format {format!r} ({log.stat().st_size / 1e6:.1f} MB of gzip), with a topology of "
        f"{FEW_BLOCKS} blocks unless stated otherwise; medians of {count} rounds, ratios as median (minimum–maximum). "
        f"All programs with a result produced the same result."
    )
    head = ["program", "CPU s", "÷ decompression", "÷ flowsentry", "wall s", "wall ÷ decompression", "peak MiB"]
    print_table(title, head, [row(name, program, figures) for name, program in programs.items()])


def competitors(log, fewer, excluded):
    """Returns the programs; excluded ones are not built."""
    few, many = logs.topology(FEW_BLOCKS), logs.topology(MANY_BLOCKS)
    script = lambda name, log: [build.python(), build.PROGRAMS / name, log]
    awk = ["sh", "-c", 'gzip -dc "$1" | awk -f "$0"', build.PROGRAMS / "with.awk", log]
    programs = {
        DECOMPRESSION: lambda: Program([build.decompress(), log], log),
        FLOWSENTRY: lambda: Program(analyze(log, few, *ONE_THREAD), log, of_summary),
        "flowsentry, default threads": lambda: Program(analyze(log, few), log, of_summary),
        f"flowsentry, 1 thread, {MANY_BLOCKS:,} blocks": lambda: Program(
            analyze(log, many, *ONE_THREAD), log, of_summary
        ),
        "flowsentry, 1 thread, no topology": lambda: Program(analyze(log, None, *ONE_THREAD), log, of_summary),
        "gzip -dc": lambda: Program(["gzip", "-dc", log], log),
        "DuckDB, 1 thread": lambda: Program(script("with_duckdb.py", log), log, json.loads),
        "polars, 1 thread": lambda: Program(script("with_polars.py", log), log, json.loads),
        "gzip -dc and awk": lambda: Program(awk, log, of_awk),
        "vrl": lambda: Program([build.with_vrl(), log], log, json.loads),
        "flowlogs-reader, a tenth of the log, CPU × 10": lambda: Program(
            script("with_flowlogs_reader.py", fewer), fewer, json.loads, FEWER
        ),
    }
    return {name: program() for name, program in programs.items() if not any(part in name for part in excluded)}


def compare(programs):
    """Exits unless all programs produce the same result for the same log."""
    expected = {}
    for name, program in programs.items():
        if not program.parse:
            continue
        result = program.parse(subprocess.run(program.command, check=True, capture_output=True).stdout)
        other, known = expected.setdefault(program.log, (name, result))
        if result != known:
            sys.exit(f"{name} and {other} produce different results:\n{json.dumps(result)}\n{json.dumps(known)}")


def of_summary(output):
    """Returns total, accepted and rejected records, rejected bytes, and flows, packets and bytes of the top ten groups."""
    summary = json.loads(output)
    counts, rejected = summary["records"], summary["traffic"]["rejected"]
    top = [[group["flows"], group["packets"], group["bytes"]] for group in summary["rejected"]["groups"][:10]]
    return {"sums": [counts["total"], counts["accepted"], counts["rejected"], rejected["bytes"]], "top": top}


def of_awk(output):
    *top, sums = [[int(cell) for cell in line.split()] for line in output.splitlines()]
    return {"sums": sums, "top": top}


def row(name, program, figures):
    runs, decompression = figures[name], figures[DECOMPRESSION]
    has_wall = program.scale == 1
    return [
        name,
        f"{median(runs, 'cpu'):.2f}",
        ratios(runs, decompression),
        ratios(runs, figures[FLOWSENTRY]),
        f"{median(runs, 'wall'):.2f}" if has_wall else "",
        ratios(runs, decompression, "wall") if has_wall else "",
        f"{median(runs, 'memory'):,.0f}",
    ]
