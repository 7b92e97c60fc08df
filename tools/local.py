#!/usr/bin/env python3
"""Runs the function locally, with cargo-lambda as Lambda and moto as S3, both on loopback addresses.

    python3 tools/local.py                       # the sample, with a sample event
    python3 tools/local.py --event events/sqs-eventbridge.json --object my.log.gz

Stores the object under each key in the event, sends the event, and prints the function's response, log and outputs, which
are kept in target/local. Needs Python 3.11, cargo-lambda and a Rust toolchain, or a built function in FLOWSENTRY_LAMBDA.
Environment variables configure the function, for example `TOP=3 make local`.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote_plus

PROJECT = Path(__file__).resolve().parent.parent
TARGET = PROJECT / "target"
SAMPLE = PROJECT / "examples" / "sample"
OUTPUTS = TARGET / "local"
REGION, OUTPUT_BUCKET, TOPOLOGY_BUCKET = "us-east-1", "flowsentry-local-out", "flowsentry-local-topology"
# The sample events contain the ETag and the version ID of AWS's examples.
EXAMPLE_ETAG, EXAMPLE_VERSION = "d41d8cd98f00b204e9800998ecf8427e", "096fKKXTRTtl3on89fVO.nfljtsv6qko"
START_TIMEOUT_SECONDS, RESPONSE_TIMEOUT_SECONDS = 60, 120
# Variables with these prefixes are not passed on to the function.
EXCLUDED_PREFIXES = ("AWS_", "CARGO_", "RUST", "PYTHON")


def main():
    arguments = parse()
    sys.path.insert(0, str(PROJECT / "tests" / "aws"))
    import run

    python = run.environment(TARGET / "python")
    if Path(sys.prefix).resolve() != Path(python).parent.parent.resolve():
        # Restarts in the virtual environment, which has the packages for the local S3. execv keeps the process id for signals.
        os.execv(python, [python, __file__, *sys.argv[1:]])
    if not (shutil.which("cargo-lambda") or shutil.which("cargo-lambda", path=Path.home() / ".cargo" / "bin")):
        print("cargo-lambda not found; run `pip install cargo-lambda` or `make local`", file=sys.stderr)
        return 1
    # SIGTERM also stops the child processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return Local(arguments, run.program()).run()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--event", type=Path, default=PROJECT / "events" / "sqs-s3.json")
    parser.add_argument("--object", type=Path, default=next(iter(sorted(SAMPLE.glob("*.gz")))))
    parser.add_argument("--topology", type=Path, default=SAMPLE / "topology", help="folder of JSON documents")
    parser.add_argument("--keep", action="store_true", help="keep running until Ctrl-C, to send more events")
    arguments = parser.parse_args()
    for path in (arguments.event, arguments.object):
        if not path.is_file():
            parser.error(f"no such file: {path}")
    if not any(arguments.topology.glob("*.json")):
        parser.error(f"no *.json in {arguments.topology}")
    try:
        json.loads(arguments.event.read_text())
    except ValueError as error:
        parser.error(f"{arguments.event} is not JSON: {error}")
    return arguments


class Local:
    def __init__(self, arguments, program):
        self.arguments, self.program = arguments, program
        self.processes, self.s3_port, self.lambda_port = [], free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self.s3_port}"
        OUTPUTS.mkdir(parents=True, exist_ok=True)

    def run(self):
        try:
            self.start_s3()
            event = self.store()
            self.start_function()
            response, failed = self.invoke(event)
            print(f"\n== response\n{response}\n")
            self.print_outputs()
            if self.arguments.keep:
                self.wait()
            return 1 if failed else 0
        finally:
            for process in reversed(self.processes):
                process.kill()
                process.wait()

    def start(self, command, environment=None, **options):
        self.processes.append(subprocess.Popen(command, env=environment, **options))

    def wait_for(self, port, log):
        """Waits until the last started process listens."""
        end = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < end and self.processes[-1].poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise SystemExit(f"failed to start; see {log}")

    def start_s3(self):
        server = PROJECT / "tests" / "aws" / "server.py"
        log = (OUTPUTS / "s3.log").open("wb")
        command = [sys.executable, server, "-H", "127.0.0.1", "-p", str(self.s3_port)]
        # The server exits when its stdin is closed, that is, when this program ends.
        self.start(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        self.wait_for(self.s3_port, log.name)

    def store(self):
        """Stores the object and the topology. Returns the event with the object's ETag and version ID."""
        import boto3
        from botocore.config import Config

        names = {"aws_access_key_id": "local", "aws_secret_access_key": "not a secret", "region_name": REGION}
        config = Config(s3={"addressing_style": "path"})
        self.s3 = boto3.Session(**names).client("s3", endpoint_url=self.endpoint, config=config)
        for bucket in (OUTPUT_BUCKET, TOPOLOGY_BUCKET):
            self.s3.create_bucket(Bucket=bucket)
        for document in sorted(self.arguments.topology.glob("*.json")):
            self.s3.put_object(Bucket=TOPOLOGY_BUCKET, Key=document.name, Body=document.read_bytes())
        event = self.arguments.event.read_text()
        body = self.arguments.object.read_bytes()
        for bucket, key in sorted(set(objects(json.loads(event)))):
            self.s3.create_bucket(Bucket=bucket)
            versioning = {"Status": "Enabled" if EXAMPLE_VERSION in event else "Suspended"}
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
            stored = self.s3.put_object(Bucket=bucket, Key=key, Body=body)
            event = event.replace(EXAMPLE_ETAG, stored["ETag"].strip('"'))
            event = event.replace(EXAMPLE_VERSION, stored.get("VersionId", ""))
            print(f"stored {self.arguments.object.name} as s3://{bucket}/{key}")
        return event

    def start_function(self):
        apis = ["cargo", "lambda", "watch", "--only-lambda-apis", "--ignore-changes"]
        log = (OUTPUTS / "cargo-lambda.log").open("wb")
        # Uses the installed toolchain; rustup must not download another one.
        environment = dict(os.environ, RUSTUP_DIST_SERVER="http://127.0.0.1:1")
        self.start([*apis, "-A", "127.0.0.1", "-P", str(self.lambda_port)], environment, cwd=PROJECT, stdout=log, stderr=log)
        self.wait_for(self.lambda_port, log.name)
        settings = {name: value for name, value in os.environ.items() if not name.startswith(EXCLUDED_PREFIXES)}
        environment = {
            "OUTPUT_BUCKET": OUTPUT_BUCKET,
            "TOPOLOGY_URI": f"s3://{TOPOLOGY_BUCKET}/",
            **settings,
            "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{self.lambda_port}/.rt",
            "AWS_LAMBDA_FUNCTION_NAME": "flowsentry",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "not a secret",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        print("\n== log and metrics of the function", flush=True)
        self.start([self.program], environment)

    def invoke(self, event):
        """Returns the response, and whether the invocation or one of its messages failed."""
        path, function = OUTPUTS / "event.json", self.processes[-1]
        path.write_text(event)
        command = ["cargo", "lambda", "invoke", "-A", "127.0.0.1", "-P", str(self.lambda_port), "--data-file", path]
        self.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        client, end = self.processes.pop(), time.monotonic() + RESPONSE_TIMEOUT_SECONDS
        try:
            # cargo lambda invoke waits forever if the function has exited.
            while client.poll() is None:
                if function.poll() is not None:
                    raise SystemExit("the function exited before it responded; see its last log line")
                if time.monotonic() > end:
                    raise SystemExit(f"no response within {RESPONSE_TIMEOUT_SECONDS} seconds")
                time.sleep(0.02)
            response, error = client.communicate()
        finally:
            client.kill()
            client.wait()
        return (response or error).strip(), client.returncode != 0 or "itemIdentifier" in response

    def print_outputs(self):
        """Prints the outputs and an extract of each summary."""
        listed = self.s3.list_objects_v2(Bucket=OUTPUT_BUCKET).get("Contents", [])
        print("== outputs, in target/local/outputs")
        shutil.rmtree(OUTPUTS / "outputs", ignore_errors=True)
        for item in listed:
            body = self.s3.get_object(Bucket=OUTPUT_BUCKET, Key=item["Key"])["Body"].read()
            path = OUTPUTS / "outputs" / item["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            print(f"  {item['Key']}  {len(body):,} bytes")
        for path in sorted((OUTPUTS / "outputs").rglob("summaries/**/*.json")):
            summary = json.loads(path.read_text())
            print(f"\n== summary of {summary['sources'][0]['uri']}")
            print(json.dumps({name: summary[name] for name in ("window", "records", "traffic")}, indent=2))
            print(f"rejected connections: {summary['rejected']['group_count']}")
            for finding in summary["findings"]:
                print(f"{finding['severity']:6} {finding['type']}: {finding['title']}")

    def wait(self):
        print(f"\nS3: {self.endpoint}; send events to")
        print(f"http://127.0.0.1:{self.lambda_port}/2015-03-31/functions/_/invocations; stop with Ctrl-C")
        try:
            self.processes[-1].wait()
        except KeyboardInterrupt:
            print()


def objects(event):
    """Yields bucket and key of each object in an event, in any nesting of envelopes."""
    if isinstance(event, str) and event.startswith("{"):
        yield from objects(json.loads(event))
    elif isinstance(event, list):
        for value in event:
            yield from objects(value)
    elif isinstance(event, dict):
        if isinstance(event.get("bucket"), dict) and isinstance(event.get("object"), dict):
            key = event["object"]["key"]
            # Keys in S3 notifications are encoded, keys in EventBridge events are not.
            yield event["bucket"]["name"], unquote_plus(key) if "s3SchemaVersion" in event else key
        else:
            yield from objects(list(event.values()))


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
