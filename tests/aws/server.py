"""A server of AWS's protocols, which ends with whoever started it, however that ends."""

import os
import sys
import threading

from moto.server import main


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_stdin, daemon=True).start()
main()
