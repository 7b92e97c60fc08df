"""What can happen to a request: actions for the rules of the proxy."""

import json
import time
from threading import Event


def refuse(status, code, message="a test refuses it"):
    """Not forwarded."""
    return lambda exchange: exchange.refuse(status, code, message)


def stall(exchange):
    """Neither forwarded nor answered."""
    exchange.pause(None)
    exchange.hang_up()


def fail_after(exchange):
    """Forwarded, and answered as if something had gone wrong."""
    exchange.forward().read()
    exchange.refuse(500, "InternalError", "a test lost the answer")


def reset_after(exchange):
    """Forwarded, and then the connection breaks."""
    exchange.forward().read()
    exchange.reset()


def cut(after, meanwhile=lambda: None):
    """So much of the body comes, something happens, and then the connection breaks."""

    def act(exchange):
        exchange.reply(exchange.forward(), cut_after=after)
        meanwhile()
        exchange.reset()

    return act


def drip(piece, seconds):
    """The body comes in small pieces, with pauses."""

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
    """PutEvents as it is when the bus refuses entries; those whose places don't fail are forwarded."""

    def act(exchange):
        entries = json.loads(exchange.request.body)["Entries"]
        failed = {place for place in range(len(entries)) if fails(place)}
        good = [entry for place, entry in enumerate(entries) if place not in failed]
        answer = exchange.forward(json.dumps({"Entries": good}).encode()).read() if good else b'{"Entries": []}'
        taken = iter(json.loads(answer)["Entries"])
        failure = {"ErrorCode": code, "ErrorMessage": "a test refuses it"}
        results = [failure if place in failed else next(taken) for place in range(len(entries))]
        body = json.dumps({"FailedEntryCount": len(failed), "Entries": results})
        exchange.answer(200, "application/x-amz-json-1.1", body.encode())

    return act


class Hold:
    """Keeps a request from the server, or its answer from the function, until it is let go; that may be never."""

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
        """Until it holds something."""
        assert self._reached.wait(patience), "nothing is held"

    def is_reached_before(self, answered, patience=20):
        """Whether it holds something; else the function answers without."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            # In this order: a function that was held does not answer.
            if answered():
                return self._reached.is_set()
            if self._reached.wait(0.005):
                return True
        raise TimeoutError("nothing is held, and nothing is answered")

    def let_go(self, patience=20):
        """Returns when the server has it."""
        self._go.set()
        assert self._arrived.wait(patience), "it does not arrive"
