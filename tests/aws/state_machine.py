"""The state machine of the window reports, run by moto's interpreter against real functions."""

import json
import queue
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from runtime_api import Died

DEFINITION = Path(__file__).parents[2] / "stacks" / "window.asl.json"
ROLE = "arn:aws:iam::123456789012:role/states"
# Seconds for one execution.
PATIENCE = 120


class Gateway:
    """Lambda's Invoke: sends payloads to the functions of a pool. `server.py` forwards the calls of state machines to it.

    `faults` are functions of the step's payload and of the number of calls with it; one that returns an error answers the call instead of a
    function. `losses` are the same, but the function is called, and its answer is replaced: a timeout after the work was done.
    """

    def __init__(self, start, size=2):
        self._start, self._pool = start, queue.Queue()
        for _ in range(size):
            self._pool.put(start())
        # Payloads, in the order of the calls.
        self.calls, self.faults, self.losses = [], [], []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"gateway": self}))
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.arn = f"arn:aws:lambda:us-east-1:123456789012:function:local-{self._server.server_address[1]}"

    def invoke(self, payload):
        """Returns the response and whether it is an error."""
        self.calls.append(payload)
        number = self.calls.count(payload)
        for fault in self.faults:
            if error := fault(payload["window"], number):
                return error, True
        function = self._pool.get()
        try:
            answer = function.invoke(payload)
        except Died:
            function = self._start()
            return {"errorType": "Runtime.ExitError", "errorMessage": "the function died"}, True
        finally:
            self._pool.put(function)
        for loss in self.losses:
            if error := loss(payload["window"], number):
                return error, True
        return (answer.error, True) if answer.error else (answer.response, False)

    def steps(self):
        """Returns the number of calls of each step."""
        steps = [call["window"]["step"] for call in self.calls]
        return {step: steps.count(step) for step in sorted(set(steps))}

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer, failed = self.gateway.invoke(payload)
        body = json.dumps({"answer": answer, "failed": failed}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class StateMachine:
    def __init__(self, clients, name, gateway, output, concurrency=4, pattern="*"):
        self._sfn = clients.of("stepfunctions")
        substitutions = {
            "Partition": "aws",
            "FunctionArn": gateway.arn,
            "OutputBucketName": output,
            "OutputPrefix": "flowsentry/",
            "MaximumConcurrency": str(concurrency),
            "KeyPattern": pattern,
        }
        text = re.sub(r"\$\{(\w+)\}", lambda found: substitutions[found[1]], DEFINITION.read_text())
        definition = json.dumps(without_waits(json.loads(text)))
        self._arn = self._sfn.create_state_machine(name=name, definition=definition, roleArn=ROLE)["stateMachineArn"]
        self._number = 0

    def run(self, request):
        """Runs an execution to its end; returns its status and its output, or its error."""
        return self.wait(self.start(request))

    def start(self, request):
        """Starts an execution; returns its ARN."""
        self._number += 1
        return self._sfn.start_execution(
            stateMachineArn=self._arn, name=f"run-{self._number}", input=json.dumps(request)
        )["executionArn"]

    def wait(self, execution):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            described = self._sfn.describe_execution(executionArn=execution)
            if described["status"] != "RUNNING":
                output = json.loads(described["output"]) if "output" in described else described.get("error")
                return described["status"], output
            time.sleep(0.05)
        raise TimeoutError(f"the execution does not end within {PATIENCE} s")


def without_waits(value):
    """Returns the definition with no time between attempts, and what the interpreter lacks left out."""
    if isinstance(value, dict):
        if "ErrorEquals" in value and "MaxAttempts" in value:
            value = {**value, "IntervalSeconds": 1, "BackoffRate": 1.0, "MaxDelaySeconds": 2}
        if value.get("ToleratedFailurePercentage") == 0:
            value = {**value, "ToleratedFailurePercentage": 0.0}
        return {name: without_waits(member) for name, member in value.items()}
    return [without_waits(one) for one in value] if isinstance(value, list) else value
