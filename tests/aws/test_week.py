"""A week with the real program: four objects and a digest a day, and the emails that they cause."""

import json

from aws_env import DONE, in_queue
from flow_logs import START, flow_log, key, record, scan
from test_memory import later

DAY = 24
LASTING, ENDING, OWN = "8.8.8.8", "8.8.4.4", "9.9.9.9"
CONFIG = '[[suppress]]\ntypes = ["port-scan"]\nsubject = {srcaddr = "%s"}\nreason = "ours"\nexpires = 2099-01-01\n' % OWN


def week(env, **settings):
    """Returns the emails of each day, by kind: with a memory, only severe findings are sent at once."""
    function, days = env.function(**settings), []
    has_memory = settings["ALERT_REPEAT_HOURS"] != "0"
    for day in range(7):
        for quarter in range(4):
            # One lasts and gets worse on the fourth day, one ends after the second day, and one is suppressed.
            traffic = scan(LASTING) + scan(OWN) + (scan(ENDING) if day < 2 else "")
            traffic += record(LASTING, "10.0.0.5", 443) if day >= 3 else ""
            log = later(flow_log(extra=traffic), (day - 7) * DAY + 6 * quarter)
            assert function.invoke(in_queue(env.put(key(f"{day}-{quarter}-{has_memory}"), log))).response == DONE
        digest = {"flowsentry": {"digest": {"time": f"2026-11-{23 + day}T06:00:00Z"}}}
        assert function.invoke(digest).response is None
        mails = []
        for event in env.alerts():
            detail = event["detail"]
            if event["detail-type"] == "VPC Flow Digest":
                mails.append(("digest", *(detail["counts"][name] for name in ["new", "lasting", "ended"])))
            elif not has_memory or (detail["severity_id"] == 4 and detail["unmapped"]["notice"] != "resolved"):
                mails.append(detail["unmapped"]["notice"])
        days.append(sorted(mails, key=str))
    return days


def test_a_week_has_few_emails(env, report):
    env.alerting()
    before = week(env, ALERT_REPEAT_HOURS="0")
    # The scanner of the user counts too: nothing is suppressed.
    assert [len(mails) for mails in before] == [12, 12, 8, 8, 8, 8, 8]
    env.s3.put_object(Bucket=env.source, Key="c.toml", Body=CONFIG)
    after = week(env, ALERT_REPEAT_HOURS="24", CONFIG_URI=f"s3://{env.source}/c.toml")
    digests = [mail for mails in after for mail in mails if mail[0] == "digest"]
    # New, lasting, ended.
    # It has ended when the records continue for more than a day.
    counts = [(2, 0, 0), (0, 2, 0), (0, 2, 0), (0, 1, 1), (0, 1, 0), (0, 1, 0), (0, 1, 0)]
    assert digests == [("digest", *each) for each in counts]
    notices = [[mail for mail in mails if mail[0] != "digest"] for mails in after]
    assert notices == [[], [], [], ["worse"], ["lasting"], ["lasting"], ["lasting"]]
    report(f"week: {sum(map(len, before))} emails without a memory, {sum(map(len, after))} with it")
    assert json.loads(env.read(env.keys("state/data")[0]))["data_until"] > START - DAY * 3600
