"""Shared fixtures: one server of the AWS protocols, on a loopback address."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpus import analyze_corpus
from athena import Table
from template import Resolved, transformed
from aws_env import Clients, AwsEnv

REPORT = pytest.StashKey[list]()


@pytest.fixture(scope="session")
def clients(tmp_path_factory):
    """A server and its clients."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, Path(__file__).with_name("server.py"), "-H", "127.0.0.1", "-p", str(port)]
    # The server logs a line per request.
    with open(tmp_path_factory.mktemp("moto") / "log", "wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
    try:
        _wait_for(server, port)
        yield Clients(f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.wait()


def _wait_for(server, port, patience=60):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        assert server.poll() is None, "the server ended"
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise TimeoutError("the server does not listen")


@pytest.fixture
def env(clients):
    """The environment of one test."""
    env = AwsEnv(clients)
    yield env
    env.close()


@pytest.fixture(scope="session")
def run(clients, tmp_path_factory):
    """Many analyzed logs, and tables over the outputs; read-only."""
    env = AwsEnv(clients)
    yield analyze_corpus(env, tmp_path_factory.mktemp("tables"))
    env.close()


@pytest.fixture(scope="session")
def tables():
    """The Glue tables by name, with default parameters."""
    resources = Resolved(transformed()).resources("AWS::Glue::Table").values()
    return {table.name: table for table in map(Table, resources)}


@pytest.fixture
def report(request):
    """Collects lines to print after the tests, whether they pass or fail."""
    return request.config.stash.setdefault(REPORT, []).append


def pytest_sessionfinish(session):
    # A process of --numprocesses sends its lines to the one that prints.
    if output := getattr(session.config, "workeroutput", None):
        output["report"] = session.config.stash.get(REPORT, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash.setdefault(REPORT, []).extend(getattr(node, "workeroutput", {}).get("report", []))


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(REPORT, []):
        terminalreporter.write_line(line)


def pytest_configure(config):
    if "FLOWSENTRY_LAMBDA" not in os.environ:
        raise pytest.UsageError("FLOWSENTRY_LAMBDA names no program to test: run tests/aws/run.py")
