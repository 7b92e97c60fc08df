"""Concurrent sandboxes and duplicate events, as queues and Lambda produce them under load."""

import queue
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from flow_logs import key, numbered
from aws_env import in_queue, s3_event, sqs_event

FUNCTIONS = 8
SEED = 20261124


def store(env, numbers):
    """Stores objects; returns the number of records of each."""
    logs = {number: numbered(number) for number in numbers}
    return [(env.put(key(f"race-{number}"), log), total) for number, (log, total) in logs.items()]


def assert_each_once(env, objects, written):
    """Checks that each object has its summary, is counted once, and its alerts are sent; returns the counts."""
    summaries = {summary["sources"][0]["key"]: summary for summary in env.documents("summaries")}
    found = {name: one["records"]["total"] for name, one in summaries.items()}
    assert found == {one.key: total for one, total in objects}
    totals = sorted(total for _, total in objects)
    assert sorted(written.values("RecordsProcessed")) == totals
    assert written.total("ObjectsProcessed") == len(objects) and written.total("ObjectsFailed") == 0
    findings = sorted((name, finding["id"]) for name, one in summaries.items() for finding in one["findings"])
    details = [event["detail"] for event in env.alerts()]
    finding = lambda detail: (detail["unmapped"]["object"]["key"], detail["finding_info"]["uid"])
    reported = {detail["metadata"]["uid"]: finding(detail) for detail in details}
    assert sorted(reported.values()) == findings
    noted = [id for receipt in env.documents("receipts") for id in receipt["alerts"]]
    assert sorted(noted) == sorted(reported)
    with_findings = sum(bool(one["findings"]) for one in summaries.values())
    assert len(env.keys("findings")) == len(env.keys("receipts")) == with_findings
    return f"{len(details)} events for {len(reported)} alerts"


def test_eight_functions_share_tripled_events(env, report):
    """200 objects and 600 messages in random order: 200 summaries, and nothing is counted twice."""
    env.alerting()
    objects = store(env, range(200))
    messages = [(f"{number}-{copy}", s3_event(one)) for number, (one, _) in enumerate(objects) for copy in range(3)]
    order = random.Random(SEED)
    order.shuffle(messages)
    waiting = queue.Queue()
    while messages:
        size = order.randint(1, 10)
        waiting.put(messages[:size])
        del messages[:size]

    def work(function):
        while True:
            try:
                batch = dict(waiting.get_nowait())
            except queue.Empty:
                return
            assert function.invoke(sqs_event(**batch)).failed == []

    functions = [env.function(env.endpoint) for _ in range(FUNCTIONS)]
    started = time.monotonic()
    with ThreadPoolExecutor(FUNCTIONS) as pool:
        list(pool.map(work, functions))
    seconds = time.monotonic() - started
    written = env.stop()
    alerts = assert_each_once(env, objects, written)
    outcomes = [outcome for outcome, _ in written.outcomes()]
    assert sorted(outcomes) == ["already_summarized"] * 400 + ["summarized"] * 200
    report(
        f"race: 600 deliveries of 200 objects to {FUNCTIONS} functions in {seconds:.1f} s, seed {SEED}: 200 summaries, "
        f"{written.total('RecordsProcessed'):,} records counted of {sum(total for _, total in objects):,}, {alerts}"
    )


def test_eight_functions_get_the_same_event_at_once(env, report):
    """All of them read the object, and one stores its summary."""
    env.alerting()
    objects = store(env, range(1, 25))
    start = threading.Barrier(FUNCTIONS)

    def work(function):
        for one, _ in objects:
            start.wait(60)
            assert function.invoke(in_queue(one)).failed == []

    functions = [env.function(env.endpoint) for _ in range(FUNCTIONS)]
    with ThreadPoolExecutor(FUNCTIONS) as pool:
        list(pool.map(work, functions))
    written = env.stop()
    alerts = assert_each_once(env, objects, written)
    outcomes = [outcome for outcome, _ in written.outcomes()]
    assert outcomes.count("summarized") == len(objects) and len(outcomes) == FUNCTIONS * len(objects)
    report(f"race: each of {len(objects)} objects by {FUNCTIONS} functions at once: each counted once, {alerts}")
