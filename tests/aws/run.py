#!/usr/bin/env python3
"""Tests the function's own program against what it meets in AWS, all of it on this machine's loopback.

    python3 tests/aws/run.py [arguments for pytest, such as -k kill or -s]

Makes a virtual environment in target/python, builds the function unless FLOWSENTRY_LAMBDA names one that is ready, and
ends with pytest's exit status.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PROJECT = TESTS.parent.parent
TARGET = PROJECT / "target"


def main():
    python = environment(TARGET / "python")
    # Nothing is left between the sources.
    variables = dict(os.environ, FLOWSENTRY_LAMBDA=program(), PYTHONDONTWRITEBYTECODE="1")
    pytest = [python, "-m", "pytest", "-o", f"cache_dir={TARGET / 'python' / 'pytest-cache'}"]
    return subprocess.run([*pytest, TESTS, *sys.argv[1:]], env=variables).returncode


def environment(folder, requirements=TESTS / "requirements.txt"):
    """The interpreter of a virtual environment with just what a file of requirements names."""
    python, installed = folder / "bin" / "python", folder / "requirements.txt"
    wanted = requirements.read_bytes()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Two that run at once make it once.
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_bytes() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", requirements], check=True)
            # Last, so that an environment that was made by half is made anew.
            installed.write_bytes(wanted)
    return python


def program():
    """The function to test, with an absolute path."""
    if ready := os.environ.get("FLOWSENTRY_LAMBDA"):
        return str(Path(ready).resolve(strict=True))
    # The toolchain is what the machine has: nothing may fetch another.
    variables = dict(os.environ, RUSTUP_DIST_SERVER="http://127.0.0.1:1")
    build = ["cargo", "build", "--locked", "--bin", "flowsentry-lambda", "--target-dir", TARGET]
    subprocess.run(build, cwd=PROJECT, env=variables, check=True)
    return str(TARGET / "debug" / "flowsentry-lambda")


if __name__ == "__main__":
    sys.exit(main())
