#!/usr/bin/env python3
"""Programs of others that the project is tested, built and checked with, each in a virtual environment below target/.

    python3 tests/aws/tools.py    makes them all, where they are not there
"""

import os
import subprocess

from run import PROJECT, TARGET, TESTS, environment


def sam():
    """The folder of SAM CLI, cfn-lint and cargo-lambda, which brings Zig for its linker."""
    return environment(TARGET / "sam", TESTS / "requirements-sam.txt").parent


def checkov():
    """The folder of checkov."""
    return environment(TARGET / "checkov", TESTS / "requirements-checkov.txt").parent


def aws_cli():
    """The folder of the AWS CLI."""
    return environment(TARGET / "aws-cli", TESTS / "requirements-aws-cli.txt").parent


def run(folder, *command, **variables):
    """Runs a program of a folder in the project's, and gives its exit status; it tells nobody that it ran."""
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    quiet = {"SAM_CLI_TELEMETRY": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [folder / command[0], *command[1:]]
    return subprocess.run(command, cwd=PROJECT, env={**os.environ, **quiet, "PATH": path, **variables}).returncode


if __name__ == "__main__":
    environment(TARGET / "python")
    sam(), checkov(), aws_cli()
