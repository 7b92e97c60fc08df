#!/usr/bin/env python3
"""Compares flowsentry with other programs: the same task, on the same file, in the same run.

    python3 benches/compare/run.py           the table of programs: minutes, longer the first time
    python3 benches/compare/run.py --all     all measurements: an hour

Each option below adds a measurement; the default is the table. Programs are built, dependencies installed (from crates.io
and PyPI) and logs generated under target/ on first use. The programs run in rounds, one after another, so that noise affects
all of them. The results are ratios of CPU seconds (user and system) within a round, mainly to decompression alone
(decompress.rs). Before timing, all programs must produce the same result.
"""

import argparse
import functools
import os
import sys

sys.dont_write_bytecode = True  # Writes no __pycache__ into the source tree.

from measure import build, cardinality, function, instructions, memory, rules, shapes, table, windows


def main():
    arguments = parsed()
    build.baseline = arguments.baseline
    if arguments.build:
        print(build.flowsentry())
        return
    parts = [arguments.memory, arguments.cardinality, arguments.function, arguments.instructions, arguments.rules,
             arguments.shapes, arguments.windows]
    for format in ["default", "wide"] if arguments.all else [arguments.format]:
        if arguments.table or arguments.all or not any(parts):
            table.measure(format, arguments.records, arguments.runs, arguments.without)
        if arguments.instructions or arguments.all:
            instructions.measure(format, arguments.at_most)
    if arguments.memory or arguments.all:
        memory.measure(arguments.format)
    if arguments.cardinality or arguments.all:
        cardinality.measure(arguments.runs)
    if arguments.shapes or arguments.all:
        shapes.measure(arguments.records, arguments.format, arguments.runs)
    if arguments.windows or arguments.all:
        windows.measure()
    if arguments.rules or arguments.all:
        rules.measure()
    if arguments.function or arguments.all:
        function.measure(arguments.starts)
    print(f"\n{build.environment()}")


def parsed():
    layout = functools.partial(argparse.RawDescriptionHelpFormatter, width=120)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    option = parser.add_argument
    option("--table", action="store_true", help="CPU, time and memory of flowsentry and other programs")
    option("--memory", action="store_true", help="peak memory with 1 MB to 380 MB of gzip")
    option("--cardinality", action="store_true", help="a log of ten million rejected groups: are the top groups exact?")
    option("--function", action="store_true", help="start time and size of the Lambda function; builds the AWS crates")
    option("--instructions", action="store_true", help="instructions ÷ instructions of decompression alone (valgrind)")
    option("--rules", action="store_true", help="instructions of evaluating security groups and network ACLs (valgrind)")
    option("--shapes", action="store_true", help="CPU and memory of the same records as text, Parquet, JSON and CSV")
    option("--windows", action="store_true", help="CPU and memory of merging up to 10,000 partials")
    option("--build", action="store_true", help="only build flowsentry, and print its path")
    option("--all", action="store_true", help="all measurements, table and instructions for both formats")
    option("--format", choices=["default", "wide"], default="default", help="14 columns (version 2) or 29 columns (version 5)")
    option("--records", type=int, default=3_260_000, help="records of the log for the table; the default is 71 MB of gzip")
    option("--runs", type=int, default=7, help="rounds of the table and of --cardinality")
    option("--starts", type=int, default=20, help="starts of the function")
    option("--without", action="append", default=[], choices=table.OTHERS, help="exclude a program from the table")
    option("--baseline", action="store_true", help="build for the baseline of the architecture, not for the function's CPU")
    option("--at-most", type=float, metavar="R", help="exit with status 1 if the ratio of instructions exceeds R")
    arguments = parser.parse_args()
    if arguments.at_most is not None and not (arguments.instructions or arguments.all):
        parser.error("--at-most requires --instructions")
    if arguments.baseline and "FLOWSENTRY" in os.environ:
        parser.error("--baseline builds flowsentry, and FLOWSENTRY names one that is built")
    return arguments


if __name__ == "__main__":
    main()
