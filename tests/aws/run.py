#!/usr/bin/env python3
"""Tests the function against local S3, SQS, SNS and EventBridge servers with fault injection, on loopback addresses.

    python3 tests/aws/run.py [arguments for pytest, such as -k kill, -s or --numprocesses 2]

Creates a virtual environment in target/python, builds the function unless FLOWSENTRY_LAMBDA is set, and exits with pytest's
status.
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
    # Writes no __pycache__ into the source tree.
    variables = dict(os.environ, FLOWSENTRY_LAMBDA=program(), PYTHONDONTWRITEBYTECODE="1")
    pytest = [python, "-m", "pytest", "-o", f"cache_dir={TARGET / 'python' / 'pytest-cache'}"]
    return subprocess.run([*pytest, TESTS, *sys.argv[1:]], env=variables).returncode


def environment(folder, requirements=TESTS / "requirements.txt"):
    """Returns the interpreter of a virtual environment with the packages of a requirements file."""
    python, installed = folder / "bin" / "python", folder / "requirements.txt"
    wanted = requirements.read_bytes()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A lock for concurrent runs.
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_bytes() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", requirements], check=True)
            # Written last, so that an incomplete environment is created again.
            installed.write_bytes(wanted)
    return python


def program():
    """Returns the absolute path of the function to test."""
    if ready := os.environ.get("FLOWSENTRY_LAMBDA"):
        return str(Path(ready).resolve(strict=True))
    # Uses the installed toolchain; rustup must not download another one.
    variables = dict(os.environ, RUSTUP_DIST_SERVER="http://127.0.0.1:1")
    build = ["cargo", "build", "--locked", "--bins", "--target-dir", TARGET]
    subprocess.run(build, cwd=PROJECT, env=variables, check=True)
    return str(TARGET / "debug" / "flowsentry-lambda")


if __name__ == "__main__":
    sys.exit(main())
