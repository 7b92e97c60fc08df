"""A server of the AWS protocols that exits with its parent process, even if that is killed."""

import json
import os
import sys
import threading
import urllib.request

from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config
from moto.firehose.models import FirehoseBackend
from moto.s3.responses import S3Response
from moto.server import main

import firehose


def one_at_a_time(method):
    """S3 checks for an object and stores it atomically; moto does not, so a lock makes it atomic."""
    lock = threading.Lock()

    def locked(self):
        with lock:
            return method(self)

    return locked


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


def invoke(self, function_name, qualifier, body, headers, response_headers):
    """Forwards calls of a function named `local-<port>` to that port. See state_machine.py."""
    port = int(function_name.rpartition(":local-")[2])
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=body if isinstance(body, bytes) else body.encode())
    with urllib.request.urlopen(request) as response:
        result = json.load(response)
    if result["failed"]:
        response_headers["x-amz-function-error"] = "Unhandled"
    return json.dumps(result["answer"]).encode()


LambdaSimpleBackend.invoke = invoke
default_user_config["lambda"]["use_docker"] = False
default_user_config["stepfunctions"]["execute_state_machine"] = True
S3Response.put_object = one_at_a_time(S3Response.put_object)
FirehoseBackend.put_s3_records = firehose.put_s3_records
threading.Thread(target=end_with_stdin, daemon=True).start()
main()
