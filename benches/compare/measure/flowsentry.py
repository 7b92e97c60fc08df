"""How flowsentry is run."""

import json
import subprocess

from . import build

FEW_BLOCKS, MANY_BLOCKS = 200, 10_000

# The default is one thread per processor, which takes more CPU and less time.
ONE_THREAD = ["--threads", "1"]


def analyze(log, topology=None, *options):
    located = ["--topology", topology] if topology else []
    return [build.flowsentry(), "analyze", "--format", "json", *options, *located, log]


def summary(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
