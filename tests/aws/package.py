#!/usr/bin/env python3
"""Builds the packages that `sam deploy` would upload, and starts that of the analysis with a Runtime API; it must respond.

    python3 tests/aws/package.py

The packages are built for this machine's architecture, not the template's default. This takes minutes, mostly to compile.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import tools
from event_source import batch
from function import Function
from run import TARGET

BUILT = TARGET / "sam-build"
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
# The nested stacks, whose templates `sam package` uploads.
NESTED = [
    "AlarmsStack",
    "AlertsStack",
    "AthenaStack",
    "DashboardStack",
    "KeyStack",
    "QueuesStack",
    "StorageStack",
    "TopologyStack",
    "WindowsStack",
]
# glibc version of the runtime provided.al2023: https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html
GLIBC = (2, 34)
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
    program = BUILT / "Function" / "bootstrap"
    # `sam package` uploads the nested templates from there.
    nested = sorted(path.parent.name for path in BUILT.glob("*/template.yaml"))
    same = BUILT / "WindowsStack" / "Function" / "bootstrap"
    assert same.read_bytes() == program.read_bytes(), "both functions are one program"
    assert nested == NESTED, nested
    for name, built in (("package", program), ("discovery", BUILT / "TopologyStack" / "Function" / "bootstrap")):
        assert [path.name for path in built.parent.iterdir()] == ["bootstrap"]
        zipped, (major, minor) = size_zipped(built), newest_glibc(built)
        print(f"{name}: {built.stat().st_size:,} bytes, {zipped:,} zipped; needs GLIBC {major}.{minor}")
        assert zipped <= MOST_ZIPPED and (major, minor) <= GLIBC
    if platform.machine() == "x86_64":
        count = count_bmi2(program)
        print(f"processor: {count:,} instructions of BMI2, so the package is built for x86-64-v3")
        assert count >= LEAST_BMI2, "cargo-lambda did not build for x86-64-v3: is RUSTFLAGS set?"
    start(program)


def build():
    """Builds as documented, without any toolchain downloads."""
    sam = tools.sam()
    architecture = ARCHITECTURES[platform.machine()]
    command = ["sam", "build", "--template", "template.yaml", "--build-dir", BUILT, "--region", "us-east-1"]
    with tempfile.TemporaryDirectory() as stubs:
        stub_rustup(Path(stubs))
        path = os.pathsep.join([stubs, str(sam), os.environ["PATH"]])
        # Uses the installed toolchain; rustup must not download another one.
        variables = {"PATH": path, "RUSTUP_DIST_SERVER": "http://127.0.0.1:1", "CARGO_TARGET_DIR": str(TARGET)}
        status = tools.run(sam, *command, "--parameter-overrides", f"Architecture={architecture}", **variables)
    assert status == 0, f"sam build ends with {status}"


def stub_rustup(folder):
    """A stub of rustup: cargo-lambda asks it whether the target is installed, and would install it."""
    [host] = re.findall(r"^host: (.+)$", subprocess.check_output(["rustc", "-vV"], text=True), re.MULTILINE)
    stub = folder / "rustup"
    stub.write_text(f'#!/bin/sh\n[ "$*" = "target list --installed" ] && echo {host}\n')
    stub.chmod(0o755)


def size_zipped(program):
    with tempfile.NamedTemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
            package.write(program, "bootstrap")
        return os.stat(file.name).st_size


def newest_glibc(program):
    """Returns the newest glibc version that the program requires."""
    return max((int(major), int(minor)) for major, minor in re.findall(rb"GLIBC_(\d+)\.(\d+)", program.read_bytes()))


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
