"""A server of the AWS protocols that exits with its parent process, even if that is killed."""

import os
import sys
import threading

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


S3Response.put_object = one_at_a_time(S3Response.put_object)
FirehoseBackend.put_s3_records = firehose.put_s3_records
threading.Thread(target=end_with_stdin, daemon=True).start()
main()
