"""The page beside the report of a window."""

import base64
import hashlib
import re

from test_windows import RANGE, Reports, slow_scan


def test_a_report_has_its_page(clients, env):
    env.alerting()
    reports = Reports(clients, env)
    slow_scan(env)
    reports.run()
    [key] = env.keys("reports/pages/")
    [summary] = env.keys("reports/summaries/")
    assert key == summary.replace("/summaries/", "/pages/").replace(".json", ".html")
    assert f"/name=incident/date=2026-11-23/{RANGE}-r0001-" in key
    head = env.s3.head_object(Bucket=env.output, Key=key)
    assert head["ContentType"] == "text/html; charset=utf-8"
    page = env.read(key).decode()
    assert reports.report()["findings"][0]["title"] in page and "Report <bdi>incident</bdi> of 12 objects" in page
    [style] = re.findall("<style>(.*)</style>", page, re.DOTALL)
    assert f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in page
    [alert] = env.alerts()
    unmapped = alert["detail"]["unmapped"]
    assert unmapped["page"] == f"s3://{env.output}/{key}"
    assert unmapped["console_url"].endswith(".html")
    reports.gateway.close()


def test_a_page_that_was_removed_is_stored_again(clients, env):
    reports = Reports(clients, env)
    slow_scan(env)
    reports.run()
    [page], [summary] = env.keys("reports/pages/"), env.keys("reports/summaries/")
    content = env.read(page)
    env.s3.delete_object(Bucket=env.output, Key=page)
    reports.run()
    assert env.keys("reports/pages/") == [page] and env.read(page) == content
    assert env.keys("reports/summaries/") == [summary]
    reports.gateway.close()
