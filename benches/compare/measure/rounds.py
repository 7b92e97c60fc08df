"""Runs programs in rounds, so that noise affects all of them, and prints the figures."""

import statistics
import subprocess
import sys
from typing import NamedTuple


class Figures(NamedTuple):
    """Figures of one run of a program."""

    cpu: float
    """Seconds, user and system."""
    wall: float
    """Seconds."""
    memory: float
    """Peak in MiB."""


# The peak memory of a process is at least that of its parent, so the parent is a small process of about 9 MiB.
TIMED = """
import os, sys, time
started = time.perf_counter()
nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=nowhere)
_, status, used = os.wait4(child, 0)
print(used.ru_utime + used.ru_stime, time.perf_counter() - started, used.ru_maxrss / 1024, status)
"""


def timed(command):
    command = [str(part) for part in command]
    figures = subprocess.run([sys.executable, "-S", "-c", TIMED, *command], check=True, capture_output=True).stdout
    *figures, status = map(float, figures.split())
    if status != 0:
        sys.exit(f"{command} failed")
    return Figures(*figures)


def rounds(commands, count):
    """Returns the figures of each command in each round."""
    figures = {name: [] for name in commands}
    for number in range(count):
        for name, command in commands.items():
            show_progress(f"round {number + 1} of {count}: {name}")
            figures[name].append(timed(command))
    show_progress("")
    return figures


def show_progress(progress):
    """Overwrites the last progress line, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def ratios(figures, others, kind="cpu"):
    """Returns the ratios of all rounds as "median (minimum–maximum)"."""
    of_rounds = [getattr(run, kind) / getattr(other, kind) for run, other in zip(figures, others)]
    return f"{statistics.median(of_rounds):.2f} ({min(of_rounds):.2f}–{max(of_rounds):.2f})"


def median(figures, kind):
    return statistics.median(getattr(run, kind) for run in figures)


def print_table(title, head, rows):
    """Prints a Markdown table for the docs."""
    print(f"\n{title}\n")
    for row in [head, ["---"] * len(head), *rows]:
        print(f"| {' | '.join(row)} |")
