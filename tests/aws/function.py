"""The function's program, run like Lambda runs it."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from threading import Thread

from runtime_api import RuntimeApi

REGION, ACCESS_KEY, SECRET_KEY = "us-east-1", "local", "not a secret"


@dataclass
class Written:
    """Everything that functions wrote."""

    # Lines of stdout and of stderr, as bytes.
    stdout: list[bytes] = field(default_factory=list)
    stderr: list[bytes] = field(default_factory=list)

    def __add__(self, other):
        return Written(self.stdout + other.stdout, self.stderr + other.stderr)

    @property
    def metrics(self):
        """Returns the metric documents (stdout)."""
        return [json.loads(line) for line in self.stdout]

    @property
    def log(self):
        """Returns the log lines (stderr)."""
        return [json.loads(line) for line in self.stderr]

    def values(self, metric):
        """Returns all values of a metric, from documents without dimensions."""
        dimensions = lambda document: document["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
        plain = [document for document in self.metrics if dimensions(document) == [[]]]
        return [document[metric] for document in plain if metric in document]

    def total(self, metric):
        return sum(self.values(metric))

    def outcomes(self):
        """Returns the outcome of each object, in order, with the code or reason if there is one."""
        lines = [line for line in self.log if line["message"] in ("object processed", "object failed")]
        return [(line["outcome"], line.get("code") or line.get("reason")) for line in lines]


class Function:
    """One sandbox: a process that gets one event after another."""

    def __init__(self, endpoint, settings, program=None):
        self._api = RuntimeApi()
        # The environment contains only Lambda's variables, the local services and the settings.
        environment = {
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "flowsentry",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            **settings,
        }
        pipe = subprocess.PIPE
        program = program or os.environ["FLOWSENTRY_LAMBDA"]
        self._process = subprocess.Popen([program], env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        self._written = Written()
        pipes = [(self._process.stdout, self._written.stdout), (self._process.stderr, self._written.stderr)]
        self._readers = [Thread(target=self._read, args=arguments, daemon=True) for arguments in pipes]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe, lines):
        with pipe:
            for line in pipe:
                lines.append(line.removesuffix(b"\n"))
        self._api.function_ended()

    def invoke(self, event, seconds=60.0, patience=45.0, id=None):
        """Sends an event and waits for the response. Lambda would time out after this number of seconds."""
        return self._api.answer(self._api.begin(event, seconds, id), patience)

    def begin(self, event, seconds=60.0, id=None):
        """Sends an event without waiting."""
        self._api.begin(event, seconds, id)

    def answered(self):
        """Returns whether it has responded to the event."""
        return self._api.has_answer()

    def peak_memory(self):
        """Returns its peak memory in bytes."""
        with open(f"/proc/{self._process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) << 10

    def stop(self):
        """Kills it and returns everything that it wrote."""
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        self._api.close()
        return self._written
