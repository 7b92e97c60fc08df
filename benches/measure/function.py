"""How soon the function asks for its first invocation, and how large it is."""

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
PATIENCE_SECONDS = 10


class RuntimeApi(ThreadingHTTPServer):
    """Lambda's runtime API as far as the first poll, which it never answers."""

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
            # The function waits until it is ended, as it would for an invocation.
            self.rfile.read()

    def log_message(self, *_):
        pass


def measure(count):
    function = build.function()
    starts = sorted(start(function) for _ in range(count))
    program, package = (f"{size / 1e6:.2f} MB" for size in stripped(function))
    print(
        f"\nThe function polls for its first invocation after {starts[0] * 1e3:.1f} ms at least, "
        f"{statistics.median(starts) * 1e3:.1f} in the median, {starts[-1] * 1e3:.1f} at most of {count} starts. "
        f"Stripped it is {program}, and {package} as a zip."
    )


def start(function):
    """Seconds from the start of the process to its first poll."""
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
        if not api.polled.wait(PATIENCE_SECONDS):
            raise SystemExit(f"{function} asked for nothing within {PATIENCE_SECONDS} seconds")
        return api.polled_at - started
    finally:
        process.kill()
        process.wait()
        api.shutdown()
        api.server_close()


def stripped(function):
    """The bytes of the program without symbols, and of the zip that would be deployed."""
    with tempfile.TemporaryDirectory() as folder:
        bootstrap = Path(folder) / "bootstrap"
        shutil.copy(function, bootstrap)
        subprocess.run(["strip", bootstrap], check=True)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
            package.write(bootstrap, "bootstrap")
        return bootstrap.stat().st_size, len(buffer.getvalue())
