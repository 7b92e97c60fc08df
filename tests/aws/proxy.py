"""An HTTP proxy in front of a server of the AWS protocols. It records every request and injects faults.

The first matching rule handles a request. Its action is a function of the `Exchange`; faults.py has the actions. Without a
matching rule, requests and responses are forwarded unchanged.
"""

import itertools
import json
import re
import socket
import socketserver
import struct
import sys
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

PIECE = 64 << 10


@dataclass
class Request:
    """A request of the function."""

    # A common counter for request arrivals and server responses.
    arrived: int
    method: str
    path: str  # Decoded, without the query.
    query: str
    headers: dict  # Names in lower case.
    body: bytes  # As it came, with the framing that it has.
    url: str
    answered: int | None = None
    status: int | None = None  # Of the upstream server; none if the request never got there.

    @property
    def target(self):
        """The operation of a service with a single path, such as AWSEvents.PutEvents."""
        return self.headers.get("x-amz-target", "")

    def __str__(self):
        # Escaped, because paths are untrusted input.
        what = ascii(self.target or self.path)[1:-1]
        return " ".join([self.method, what, *filter(None, [self.headers.get("range")]), "->", str(self.status)])


@dataclass
class Rule:
    """Selects the requests for an action."""

    action: object
    method: str | None = None
    # Regular expressions, matched anywhere.
    path: str = ""
    target: str = ""
    # Skips this number of matching requests, then applies to this number of them (None: all).
    after: int = 0
    times: int | None = None
    seen: int = 0
    used: int = 0

    def takes(self, request):
        fits = self.method in (None, request.method) and re.search(self.path, request.path)
        if not fits or not re.search(self.target, request.target):
            return False
        self.seen += 1
        if self.seen <= self.after or self.used == self.times:
            return False
        self.used += 1
        return True


class Proxy:
    """Listens on its own port and forwards to the URL `upstream`."""

    def __init__(self, upstream):
        self.upstream = (urlsplit(upstream).hostname, urlsplit(upstream).port)
        self.requests, self._rules = [], []
        self.closing, self._lock, self._count = Event(), Lock(), itertools.count(1)
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def add(self, action, method=None, **rule):
        """Adds a rule for an action. Earlier rules take precedence."""
        with self._lock:
            self._rules.append(Rule(action, method, **rule))
        return action

    def clear(self):
        """Removes all rules."""
        with self._lock:
            self._rules.clear()

    def close(self):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def count(self):
        return next(self._count)

    def sent(self, method=None, path="", target=""):
        """Returns the matching requests so far."""
        rule = Rule(None, method, path, target)
        return [request for request in list(self.requests) if rule.takes(request)]

    def note(self, request):
        """Records a request and returns its action."""
        with self._lock:
            self.requests.append(request)
            return next((rule.action for rule in self._rules if rule.takes(request)), pass_on)


@dataclass
class Answer:
    """A response of the server, or a made-up one."""

    status: int
    headers: list
    # Chunks of the body, with the framing of the headers.
    body: object = field(default_factory=lambda: iter(()))

    def read(self):
        return b"".join(self.body)


class Exchange:
    """One request, and the actions on it."""

    def __init__(self, proxy, request, connection):
        self.request, self._proxy, self._connection = request, proxy, connection
        self.is_open = True

    def forward(self, body=None):
        """Forwards the request, optionally with another body, and returns the response."""
        request = self.request
        headers = {**request.headers, "connection": "close"}
        headers.pop("expect", None)
        if body is not None:
            headers["content-length"] = str(len(body))
        upstream = socket.create_connection(self._proxy.upstream)
        lines = [f"{request.method} {request.url} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        upstream.sendall(_head(lines) + (request.body if body is None else body))
        reader = upstream.makefile("rb")
        status = int(reader.readline().split()[1])
        request.status, request.answered = status, self._proxy.count()
        return Answer(status, list(_read_headers(reader)), _pieces(reader, upstream))

    def reply(self, answer, cut_after=None):
        """Sends a response, or its head and part of its body."""
        headers = [(name, value) for name, value in answer.headers if name != "connection"]
        framed = {"content-length", "transfer-encoding"} & {name for name, _ in headers}
        self.is_open = self.is_open and bool(framed) and cut_after is None
        headers.append(("connection", "keep-alive" if self.is_open else "close"))
        lines = [f"HTTP/1.1 {answer.status} .", *(f"{name}: {value}" for name, value in headers)]
        self._connection.sendall(_head(lines))
        left = cut_after
        for piece in answer.body:
            piece = piece[:left]
            self._connection.sendall(piece)
            if left is not None and (left := left - len(piece)) == 0:
                return

    def reject(self, status, code, message):
        """Responds with an error like AWS."""
        if self.request.target:
            kind, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message})
        else:
            kind, body = "application/xml", f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        self.answer(status, kind, body.encode())

    def answer(self, status, kind, body):
        head = [("content-type", kind), ("content-length", str(len(body)))]
        self.reply(Answer(status, head, iter([b"" if self.request.method == "HEAD" else body])))

    def reset(self):
        """Resets the connection, like a host that disappears."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.is_open = False

    def hang_up(self):
        """Closes the connection."""
        self.is_open = False

    def pause(self, seconds):
        """Waits, at most until the test ends."""
        self._proxy.closing.wait(seconds)

    def wait(self, event):
        """Waits for an event; returns whether it happened before the test ended."""
        while not event.wait(0.02):
            if self._proxy.closing.is_set():
                return False
        return True


def pass_on(exchange):
    """The default action."""
    exchange.reply(exchange.forward())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    proxy: Proxy

    def shutdown_request(self, request):
        """Closes without the graceful shutdown that would replace a reset."""
        self.close_request(request)

    def handle_error(self, request, client_address):
        """A killed function, or one without time left, breaks its connections."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        is_open = True
        while is_open and (request := self._read_request()):
            proxy = self.server.proxy
            exchange = Exchange(proxy, request, self.connection)
            exchange.is_open = request.headers.get("connection", "").lower() != "close"
            proxy.note(request)(exchange)
            is_open = exchange.is_open

    def _read_request(self):
        line = self.rfile.readline()
        if not line.strip():
            return None
        method, url, _ = line.decode("latin-1").split()
        headers = dict(_read_headers(self.rfile))
        if headers.get("expect", "").lower() == "100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _read_body(self.rfile, headers)
        parts = urlsplit(url)
        return Request(self.server.proxy.count(), method, unquote(parts.path), parts.query, headers, body, url)


def _head(lines):
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _read_headers(reader):
    while line := reader.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        yield name.strip().lower(), value.strip()


def _read_body(reader, headers):
    """Yields the raw bytes, including chunk framing and trailers."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return reader.read(int(headers.get("content-length", 0)))
    body = b""
    while True:
        line = reader.readline()
        size = int(line.split(b";")[0], 16)
        body += line
        if size == 0:
            break
        body += reader.read(size + len(b"\r\n"))
    while (line := reader.readline()).strip():
        body += line
    return body + line


def _pieces(reader, connection):
    with connection, reader:
        while piece := reader.read1(PIECE):
            yield piece
