"""Faults of requests: actions for the rules of the proxy."""

import json
import time
from threading import Event


def reject(status, code, message="rejected by a test"):
    """Responds with an error without forwarding."""
    return lambda exchange: exchange.reject(status, code, message)


def before(action):
    """Runs an action before the request is forwarded."""

    def act(exchange):
        action()
        exchange.reply(exchange.forward())

    return act


def stall(exchange):
    """Neither forwards nor responds."""
    exchange.pause(None)
    exchange.hang_up()


def fail_after(exchange):
    """Forwards the request, but responds with an error."""
    exchange.forward().read()
    exchange.reject(500, "InternalError", "a test lost the answer")


def reset_after(exchange):
    """Forwards the request, then breaks the connection."""
    exchange.forward().read()
    exchange.reset()


def cut(after, meanwhile=lambda: None):
    """Sends part of the body, runs an action, then breaks the connection."""

    def act(exchange):
        exchange.reply(exchange.forward(), cut_after=after)
        meanwhile()
        exchange.reset()

    return act


def drip(piece, seconds):
    """Sends the body in small chunks with pauses."""

    def act(exchange):
        answer = exchange.forward()
        body = answer.read()

        def pieces():
            for start in range(0, len(body), piece):
                exchange.pause(seconds)
                yield body[start : start + piece]

        answer.body = pieces()
        exchange.reply(answer)

    return act


def fail_entries(fails, code="ThrottlingException"):
    """Responds to PutEvents with failed entries; forwards the others."""

    def act(exchange):
        entries = json.loads(exchange.request.body)["Entries"]
        failed = {place for place in range(len(entries)) if fails(place)}
        good = [entry for place, entry in enumerate(entries) if place not in failed]
        answer = exchange.forward(json.dumps({"Entries": good}).encode()).read() if good else b'{"Entries": []}'
        taken = iter(json.loads(answer)["Entries"])
        failure = {"ErrorCode": code, "ErrorMessage": "rejected by a test"}
        results = [failure if place in failed else next(taken) for place in range(len(entries))]
        body = json.dumps({"FailedEntryCount": len(failed), "Entries": results})
        exchange.answer(200, "application/x-amz-json-1.1", body.encode())

    return act


class Hold:
    """Holds a request before the server, or its response before the function, until it is released (or forever)."""

    def __init__(self, forwarded):
        self._forwarded = forwarded
        self._reached, self._go, self._arrived = Event(), Event(), Event()

    def __call__(self, exchange):
        answer = exchange.forward() if self._forwarded else None
        self._reached.set()
        if not exchange.wait(self._go):
            return exchange.hang_up()
        answer = answer or exchange.forward()
        self._arrived.set()
        exchange.reply(answer)

    def wait(self, patience=20):
        """Waits until it holds a request."""
        assert self._reached.wait(patience), "nothing is held"

    def is_reached_before(self, answered, patience=20):
        """Returns whether it holds a request; otherwise the function responds without it."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            # In this order: a held function does not respond.
            if answered():
                return self._reached.is_set()
            if self._reached.wait(0.005):
                return True
        raise TimeoutError("nothing is held, and nothing is answered")

    def let_go(self, patience=20):
        """Returns when the server has the request."""
        self._go.set()
        assert self._arrived.wait(patience), "it does not arrive"
