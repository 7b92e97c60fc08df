"""Measures the start time and the size of the function."""

import io
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from . import build

NEXT = "/2018-06-01/runtime/invocation/next"
START_TIMEOUT_SECONDS = 10


class RuntimeApi(ThreadingHTTPServer):
    """The Lambda runtime API up to the first poll, to which it never responds."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Poll)
        self.polled, self.polled_at = threading.Event(), None


class Poll(BaseHTTPRequestHandler):
    def do_GET(self):
        polled_at = time.perf_counter()
        if self.path == NEXT:
            self.server.polled_at = polled_at
            self.server.polled.set()
            # Blocks until the function is killed, like an API without invocations.
            self.rfile.read()

    def log_message(self, *_):
        pass


def measure(count):
    function = build.function()
    starts = sorted(start(function) for _ in range(count))
    program, package = (f"{size / 1e6:.2f} MB" for size in stripped(function))
    print(
        f"\nTime to the first poll in {count} starts: minimum {starts[0] * 1e3:.1f} ms, "
        f"median {statistics.median(starts) * 1e3:.1f} ms, maximum {starts[-1] * 1e3:.1f} ms. "
        f"Size: {program} stripped, {package} zipped."
    )


def start(function):
    """Returns the seconds from process start to the first poll."""
    api = RuntimeApi()
    threading.Thread(target=api.serve_forever, daemon=True).start()
    variables = {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "flowsentry",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "OUTPUT_BUCKET": "summaries",
    }
    started = time.perf_counter()
    process = subprocess.Popen([function], env=variables)
    try:
        if not api.polled.wait(START_TIMEOUT_SECONDS):
            raise SystemExit(f"{function} did not poll within {START_TIMEOUT_SECONDS} seconds")
        return api.polled_at - started
    finally:
        process.kill()
        process.wait()
        api.shutdown()
        api.server_close()


def stripped(function):
    """Returns the size in bytes of the stripped program and of its zip."""
    with tempfile.TemporaryDirectory() as folder:
        bootstrap = Path(folder) / "bootstrap"
        shutil.copy(function, bootstrap)
        subprocess.run(["strip", bootstrap], check=True)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
            package.write(bootstrap, "bootstrap")
        return bootstrap.stat().st_size, len(buffer.getvalue())
