"""The parts of the Lambda Runtime API that a function uses:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
import sys
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

RUNTIME = "/2018-06-01/runtime/"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:flowsentry"


class Died(Exception):
    """The function exited before it responded."""


@dataclass
class Answer:
    """The result of one invocation."""

    id: str
    # Seconds left before the deadline.
    seconds_left: float
    # The response, if it succeeded.
    response: object = None
    # errorType and errorMessage, if it failed.
    error: dict | None = None

    @property
    def failed(self):
        """Returns the batch item failures."""
        assert self.error is None, self.error
        return [failure["itemIdentifier"] for failure in self.response["batchItemFailures"]]


@dataclass
class Invocation:
    id: str
    event: object
    deadline: float


class RuntimeApi:
    """The Runtime API for one function, which processes one invocation at a time."""

    def __init__(self):
        self._next, self._answers, self._deadlines = queue.Queue(), queue.Queue(), {}
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def begin(self, event, seconds, id=None):
        """Sends an event to the function, with this number of seconds until the deadline.

        Lambda repeats an asynchronous invocation with the id of the first one.
        """
        invocation = Invocation(id or str(uuid.uuid4()), event, time.time() + seconds)
        self._deadlines[invocation.id] = invocation.deadline
        self._next.put(invocation)
        return invocation.id

    def answer(self, id, patience):
        """Waits for the result of the current invocation."""
        try:
            answer = self._answers.get(timeout=patience)
        except queue.Empty:
            raise TimeoutError(f"the function does not answer within {patience} s") from None
        if answer is None:
            raise Died("the function ended before it answered")
        assert answer.id == id, f"{answer} is the answer to another invocation"
        return answer

    def has_answer(self):
        return not self._answers.empty()

    def function_ended(self):
        """Wakes up everything that waits for a result."""
        self._answers.put(None)

    def close(self):
        # Wakes up a function that still polls.
        self._next.put(None)
        self._server.shutdown()
        self._server.server_close()

    def take(self):
        return self._next.get()

    def give(self, id, response=None, error=None):
        self._answers.put(Answer(id, self._deadlines.get(id, 0) - time.time(), response, error))


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A killed function breaks its connections."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are written separately: with Nagle's algorithm, the second would wait for an acknowledgement.
    disable_nagle_algorithm = True
    api: RuntimeApi

    def do_GET(self):
        invocation = self.api.take() if self.path == RUNTIME + "invocation/next" else None
        if invocation is None:
            return self._answer(410)
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
        }
        self._answer(200, json.dumps(invocation.event).encode(), headers)

    def do_POST(self):
        body = self._body()
        match self.path.removeprefix(RUNTIME).split("/"):
            case ["invocation", id, "response"]:
                self.api.give(id, response=json.loads(body))
            case ["invocation", id, "error"]:
                self.api.give(id, error=json.loads(body))
            case ["init", "error"]:
                self.api.give("init", error=json.loads(body))
            case _:
                return self._answer(404)
        self._answer(202)

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _answer(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Silences the request log."""
