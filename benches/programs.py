#!/usr/bin/env python3
"""Measures flowsentry beside other programs: the same work, on the same file, in the same run.

    python3 benches/programs.py           the table of programs: minutes, and more the first time
    python3 benches/programs.py --all     everything there is: an hour

Each option below adds a part; without any there is the table. All that is needed is built, installed (from crates.io and
PyPI) and made below target/ when it is first asked for. Programs run in turn, so that what disturbs one disturbs all, and
what counts are ratios of CPU seconds (user and system) within a turn, above all to decompression alone, which is
programs/decompress.rs. Before anything is timed, all programs have to give the same answer.
"""

import argparse
import functools
import sys

sys.dont_write_bytecode = True  # Nothing is left between the sources.

from measure import build, function, instructions, memory, table, variety


def main():
    arguments = parsed()
    parts = [arguments.memory, arguments.variety, arguments.function, arguments.instructions]
    for format in ["default", "wide"] if arguments.all else [arguments.format]:
        if arguments.table or arguments.all or not any(parts):
            table.measure(format, arguments.records, arguments.runs, arguments.without)
        if arguments.instructions or arguments.all:
            instructions.measure(format, arguments.at_most)
    if arguments.memory or arguments.all:
        memory.measure(arguments.format)
    if arguments.variety or arguments.all:
        variety.measure(arguments.runs)
    if arguments.function or arguments.all:
        function.measure(arguments.starts)
    print(f"\n{build.circumstances()}")


def parsed():
    layout = functools.partial(argparse.RawDescriptionHelpFormatter, width=120)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    option = parser.add_argument
    option("--table", action="store_true", help="CPU, time and memory beside other programs")
    option("--memory", action="store_true", help="peak memory with 1 MB to 380 MB of gzip")
    option("--variety", action="store_true", help="a log of ten million rejected groups: is what counts still found?")
    option("--function", action="store_true", help="the Lambda function's start and size; builds all of AWS's crates")
    option("--instructions", action="store_true", help="instructions ÷ those of decompression alone, by valgrind")
    option("--all", action="store_true", help="all of these, the table and instructions of both formats")
    option("--format", choices=["default", "wide"], default="default", help="14 columns of version 2, or 29 of version 5")
    option("--records", type=int, default=3_260_000, help="of the table's log; by default 71 MB of gzip")
    option("--runs", type=int, default=7, help="turns of the table and of variety")
    option("--starts", type=int, default=20, help="starts of the function")
    option("--without", action="append", default=[], choices=table.OTHERS, help="a program to leave out of the table")
    option("--at-most", type=float, metavar="R", help="end with status 1 if the ratio of instructions is above R")
    arguments = parser.parse_args()
    if arguments.at_most is not None and not (arguments.instructions or arguments.all):
        parser.error("--at-most is of --instructions")
    return arguments


if __name__ == "__main__":
    main()
