#!/usr/bin/env python3
"""Builds the packages that `sam deploy` would upload, and starts that of the analysis with a Runtime API; it must respond.

    python3 tests/aws/package.py [--command]

With --command, the command of a release is built too: target/lambda/flowsentry/bootstrap. The functions and the command share most of the
compiled code.

The packages are built for this machine's architecture, not the template's default. This takes minutes, mostly to compile.
They are written to target/dist, where tools/prebuilt.py and the release take them from.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tools
from event_source import batch
from function import Function
from run import PROJECT, TARGET

sys.path.insert(0, str(PROJECT / "tools"))
import release  # noqa: E402

BUILT = TARGET / "sam-build"
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
# Bytes. Lambda allows six times as many, but downloads the package before a cold start.
MOST_ZIPPED = 8_000_000
# Shifts of BMI2, which x86-64-v3 has and the baseline lacks. Built for the baseline, the program has a few, in code of dependencies that
# detects the processor at run time; built for x86-64-v3, the command has about 600.
BMI2 = re.compile(rb"\t(?:shlx|shrx|sarx) ")
LEAST_BMI2 = 200
# Start timeout. Lambda allows ten seconds.
PATIENCE = 10


def main():
    build()
    # `sam package` uploads the nested templates from there.
    nested = re.findall(r"TemplateURL: (\S+)$", (BUILT / "template.yaml").read_text(), re.MULTILINE)
    expected = (PROJECT / "template.yaml").read_text().count("Type: AWS::CloudFormation::Stack")
    assert len(nested) == expected and all((BUILT / path).exists() for path in nested), nested
    for name, program in programs().items():
        package = release.function_zip(name, ARCHITECTURES[platform.machine()], program)
        zipped, (major, minor) = package.stat().st_size, release.newest_glibc(program)
        print(f"{name}: {program.stat().st_size:,} bytes, {zipped:,} zipped; needs GLIBC {major}.{minor}")
        assert zipped <= MOST_ZIPPED
    program = BUILT / "Function" / "bootstrap"
    if platform.machine() == "x86_64":
        count = count_bmi2(program)
        print(f"processor: {count:,} instructions of BMI2, so the package is built for x86-64-v3")
        assert count >= LEAST_BMI2, "cargo-lambda did not build for x86-64-v3: is RUSTFLAGS set?"
    start(program)


def programs():
    """Returns the programs of cargo-lambda by name. Each function of the stacks has one of them, and nothing else."""
    built = {path.parent.name: path for path in sorted((TARGET / "lambda").glob("*/bootstrap"))}
    names = {path.read_bytes(): name for name, path in built.items()}
    functions = sorted(BUILT.rglob("bootstrap"))
    used = {names[path.read_bytes()] for path in functions}
    assert used == {"flowsentry-lambda", "flowsentry-topology"}, used
    assert all([path.name for path in function.parent.iterdir()] == ["bootstrap"] for function in functions)
    return {name: built[name] for name in sorted(used)}


def build():
    """Builds as documented, without any toolchain downloads."""
    architecture = ARCHITECTURES[platform.machine()]
    commands = [["sam", "build", "--template", "template.yaml", "--build-dir", BUILT, "--region", "us-east-1",
                 "--parameter-overrides", f"Architecture={architecture}"]]
    if "--command" in sys.argv:
        # As sam does it: other arguments would compile everything again.
        processor = ["--arm64"] if architecture == "arm64" else []
        commands.append(["cargo-lambda", "lambda", "build", "--release", *processor, "--bin", "flowsentry"])
    sam = tools.sam()
    with tempfile.TemporaryDirectory() as stubs:
        stub_rustup(Path(stubs))
        path = os.pathsep.join([stubs, str(sam), os.environ["PATH"]])
        # Uses the installed toolchain; rustup must not download another one.
        variables = {"PATH": path, "RUSTUP_DIST_SERVER": "http://127.0.0.1:1", "CARGO_TARGET_DIR": str(TARGET)}
        for command in commands:
            status = tools.run(sam, *command, **variables)
            assert status == 0, f"{command[0]} ends with {status}"


def stub_rustup(folder):
    """A stub of rustup: cargo-lambda asks it whether the target is installed, and would install it."""
    [host] = re.findall(r"^host: (.+)$", subprocess.check_output(["rustc", "-vV"], text=True), re.MULTILINE)
    stub = folder / "rustup"
    stub.write_text(f'#!/bin/sh\n[ "$*" = "target list --installed" ] && echo {host}\n')
    stub.chmod(0o755)


def count_bmi2(program):
    """Counts instructions that only a build for x86-64-v3 uses everywhere. `objdump` comes with the C compiler."""
    return len(BMI2.findall(subprocess.check_output(["objdump", "-d", "--no-show-raw-insn", program])))


def start(program):
    """Sends the S3 test event, which needs no AWS requests."""
    os.environ["FLOWSENTRY_LAMBDA"] = str(program)
    began = time.monotonic()
    function = Function("http://127.0.0.1:1", {"OUTPUT_BUCKET": "results"})
    try:
        body = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "flow-logs"}
        answer = function.invoke(batch([{"MessageId": "1", "Body": json.dumps(body)}]), patience=PATIENCE)
        took = time.monotonic() - began
        assert answer.response == {"batchItemFailures": []}, answer
        print(f"start: answers after {took * 1000:.0f} ms, with {function.peak_memory() / (1 << 20):.1f} MiB")
    finally:
        print(b"\n".join(function.stop().stderr).decode())


if __name__ == "__main__":
    sys.exit(main())
