"""Counts instructions, which hardly vary between runs, even on a busy machine."""

import re
import shutil
import subprocess
import sys

from . import build, logs
from .flowsentry import FEW_BLOCKS, ONE_THREAD, analyze

# 1 MB of gzip.
RECORDS = 45_000


def measure(format, at_most):
    """Prints the ratio to decompression alone; exits with status 1 if it exceeds `at_most`."""
    log = logs.log(RECORDS, format)
    of_flowsentry = instructions(analyze(log, logs.topology(FEW_BLOCKS), *ONE_THREAD))
    of_decompression = instructions([build.decompress(), log])
    ratio = of_flowsentry / of_decompression
    print(
        f"\nInstructions per record ({RECORDS:,} records, format {format!r}, topology of {FEW_BLOCKS} blocks): "
        f"flowsentry {of_flowsentry / RECORDS:,.0f}, decompression alone {of_decompression / RECORDS:,.0f}: "
        f"ratio {ratio:.3f}."
    )
    if at_most is not None and ratio > at_most:
        sys.exit(f"the ratio {ratio:.3f} is above {at_most}")


def instructions(command):
    """Runs a command under callgrind. Its virtual CPU has no AVX-512, for any of the programs."""
    if not shutil.which("valgrind"):
        sys.exit("valgrind is required to count instructions; install it")
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    result = subprocess.run([*callgrind, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    collected = re.search(r"Collected : (\d+)", result.stderr)
    if result.returncode != 0 or not collected:
        sys.exit(f"{command[0]} failed:\n{result.stderr}")
    return int(collected[1])
