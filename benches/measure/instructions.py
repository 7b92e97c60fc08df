"""Instructions, which hardly vary from run to run: what a machine that is disturbed can be held to."""

import re
import shutil
import subprocess
import sys

from . import build, logs
from .flowsentry import FEW_BLOCKS, ONE_THREAD, analyze

# 1 MB of gzip.
RECORDS = 45_000


def measure(format, at_most):
    """Ends with status 1 if flowsentry takes more than so many times the instructions of decompression alone."""
    log = logs.log(RECORDS, format)
    of_flowsentry = instructions(analyze(log, logs.topology(FEW_BLOCKS), *ONE_THREAD))
    of_decompression = instructions([build.decompress(), log])
    ratio = of_flowsentry / of_decompression
    print(
        f"\nInstructions for each of {RECORDS:,} records of the format {format!r}, with a topology of {FEW_BLOCKS} blocks: "
        f"flowsentry {of_flowsentry / RECORDS:,.0f}, decompression alone {of_decompression / RECORDS:,.0f}: "
        f"ratio {ratio:.3f}."
    )
    if at_most is not None and ratio > at_most:
        sys.exit(f"the ratio {ratio:.3f} is above {at_most}")


def instructions(command):
    """Both programs lack what valgrind's processor lacks, AVX-512 for one."""
    if not shutil.which("valgrind"):
        sys.exit("instructions are counted by valgrind: install it")
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    result = subprocess.run([*callgrind, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    collected = re.search(r"Collected : (\d+)", result.stderr)
    if result.returncode != 0 or not collected:
        sys.exit(f"{command[0]} failed:\n{result.stderr}")
    return int(collected[1])
