#!/usr/bin/env python3
"""Third-party tools for building and testing, each in a virtual environment under target/.

    python3 tests/aws/tools.py    installs all of them
"""

import os
import subprocess

from run import PROJECT, TARGET, TESTS, environment


def sam():
    """Returns the folder of SAM CLI, cfn-lint and cargo-lambda (with Zig as linker)."""
    return environment(TARGET / "sam", TESTS / "requirements-sam.txt").parent


def checkov():
    """Returns the folder of checkov."""
    return environment(TARGET / "checkov", TESTS / "requirements-checkov.txt").parent


def aws_cli():
    """Returns the folder of the AWS CLI."""
    return environment(TARGET / "aws-cli", TESTS / "requirements-aws-cli.txt").parent


def run(folder, *command, **variables):
    """Runs a program of a folder in the project folder, without telemetry; returns its exit status."""
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    quiet = {"SAM_CLI_TELEMETRY": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [folder / command[0], *command[1:]]
    return subprocess.run(command, cwd=PROJECT, env={**os.environ, **quiet, "PATH": path, **variables}).returncode


if __name__ == "__main__":
    environment(TARGET / "python")
    sam(), checkov(), aws_cli()
