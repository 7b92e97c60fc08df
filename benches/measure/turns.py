"""Programs in turn, so that what disturbs one disturbs all, and what becomes of their figures."""

import statistics
import subprocess
import sys
from typing import NamedTuple


class Figures(NamedTuple):
    """Of one run of a program."""

    cpu: float
    """Seconds, user and system."""
    wall: float
    """Seconds."""
    memory: float
    """The most at any time, in MiB."""


# The peak memory of a process is at least that of the process which started it: so that is a small one, of some 9 MiB.
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


def turns(commands, count):
    """The figures of each command in each turn."""
    figures = {name: [] for name in commands}
    for turn in range(count):
        for name, command in commands.items():
            tell(f"turn {turn + 1} of {count}: {name}")
            figures[name].append(timed(command))
    tell("")
    return figures


def tell(progress):
    """In place of what was told before, where somebody looks on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def ratios(figures, others, kind="cpu"):
    """Median, least and most of the ratios of each turn, as text."""
    of_turns = [getattr(run, kind) / getattr(other, kind) for run, other in zip(figures, others)]
    return f"{statistics.median(of_turns):.2f} ({min(of_turns):.2f}–{max(of_turns):.2f})"


def median(figures, kind):
    return statistics.median(getattr(run, kind) for run in figures)


def print_table(title, head, rows):
    """As Markdown, to be pasted into a document."""
    print(f"\n{title}\n")
    for row in [head, ["---"] * len(head), *rows]:
        print(f"| {' | '.join(row)} |")
