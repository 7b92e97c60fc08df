"""Random combination: concurrent functions, faults of all kinds, and killed functions."""

import queue
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import faults
from flow_logs import flow_log, gzip, key, numbered
from proxy import pass_on
from runtime_api import Died
from aws_env import s3_event, sqs_event

SEED = 20261124
FUNCTIONS = 6
OBJECTS, BAD, COPIES = 60, 6, 3
# Probabilities of a faulty request and of a killed function.
FAULTS, KILLS = 0.12, 0.25

ALL_FAULTS = [
    faults.reject(500, "InternalError"),
    faults.reject(503, "SlowDown"),
    faults.reject(403, "AccessDenied"),
    faults.fail_after,
    faults.reset_after,
    faults.cut(30),
]


class Sandboxes:
    """Processes batches until the queue is empty; starts a new function after each kill."""

    def __init__(self, env, messages):
        self._env, self._random, self._waiting = env, random.Random(SEED), queue.Queue()
        self._random.shuffle(messages)
        self._left, self._lock, self._all_done = len(messages), threading.Lock(), threading.Event()
        self.kills = self.failures = 0
        for message in messages:
            self._waiting.put(message)

    def act(self, exchange):
        """Most requests have no fault."""
        wrong = self._random.random() < FAULTS
        (self._random.choice(ALL_FAULTS) if wrong else pass_on)(exchange)

    def work(self, _number):
        function = self._env.function()
        while not self._all_done.is_set():
            batch = dict(self._some())
            if not batch:
                self._all_done.wait(0.02)
                continue
            killer = threading.Timer(self._random.uniform(0, 0.5), function.stop)
            if kills := self._random.random() < KILLS:
                killer.start()
            try:
                failed = function.invoke(sqs_event(**batch)).failed
            except Died:
                failed = list(batch)
            self.failures += len(failed)
            for id in failed:
                self._waiting.put((id, batch[id]))
            self._finish(len(batch) - len(failed))
            if kills:
                self.kills += 1
                killer.join()
                function = self._env.function()

    def _some(self):
        """A batch of at most the queue's batch size."""
        for _ in range(self._random.randint(1, 5)):
            try:
                yield self._waiting.get_nowait()
            except queue.Empty:
                return

    def _finish(self, messages):
        with self._lock:
            self._left -= messages
            if self._left == 0:
                self._all_done.set()


def test_random_faults_keep_exactly_one_summary(env, report):
    """Each object has one summary or quarantine receipt, is counted at most once, and every alert arrives at least once."""
    env.alerting()
    good = []
    for number in range(OBJECTS):
        log, total = numbered(number)
        good.append((env.put(key(f"good-{number}"), log), total))
    bad = [env.put(key(f"bad-{number}"), gzip(flow_log(accepted=number))[:-9]) for number in range(BAD)]
    events = [s3_event(one) for one, _ in good] + [s3_event(one) for one in bad]
    messages = [(f"{number}-{copy}", event) for number, event in enumerate(events) for copy in range(COPIES)]
    sandboxes = Sandboxes(env, messages)
    env.proxy.add(sandboxes.act)
    with ThreadPoolExecutor(FUNCTIONS) as pool:
        list(pool.map(sandboxes.work, range(FUNCTIONS)))
    written = env.stop()

    summaries = {summary["sources"][0]["key"]: summary for summary in env.documents("summaries")}
    found = {name: summary["records"]["total"] for name, summary in summaries.items()}
    assert found == {one.key: total for one, total in good}
    assert len(env.keys("summaries")) == len(good)
    receipts = [receipt["uri"] for receipt in env.documents("quarantine")]
    assert sorted(receipts) == sorted(one.uri for one in bad)
    counted = written.values("RecordsProcessed")
    assert len(counted) == len(set(counted)) and set(counted) <= set(found.values())
    assert len(written.values("ObjectsQuarantined")) <= len(bad)

    details = [event["detail"] for event in env.alerts()]
    reported = {detail["metadata"]["uid"]: detail["finding_info"]["uid"] for detail in details}
    findings = [finding["id"] for summary in summaries.values() for finding in summary["findings"]]
    assert sorted(reported.values()) == sorted(findings)
    assert sorted(id for receipt in env.documents("receipts") for id in receipt["alerts"]) == sorted(reported)
    stored = [request.path for request in env.proxy.sent("PUT", "/summaries/") if request.status == 200]
    assert len(stored) == len(set(stored)) == len(good)
    report(
        f"chaos: {len(messages)} messages, {sandboxes.kills} functions killed, {sandboxes.failures} messages that came "
        f"again, seed {SEED}: {len(counted)} of {len(good)} objects counted, none twice; {len(details)} events for "
        f"{len(reported)} alerts"
    )
