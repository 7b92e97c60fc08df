#!/usr/bin/env python3
"""Opens HTML pages in headless Chromium: each makes one request and no console message, fits its window, and axe-core finds nothing.

    cargo test --no-default-features --test html    # writes pages to target/tmp/html
    python3 tools/html_check.py                     # checks these
    python3 tools/html_check.py report.html         # checks other pages

It needs Chromium (--chromium; Debian's package by default). The Python packages are installed in target/html-check. Screenshots
(light, dark, narrow, print) are written to target/html-check/screenshots. Look at them: no check sees that a page is ugly.
"""

import argparse
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "aws"))
from run import PROJECT, TARGET, environment  # noqa: E402

SCREENSHOTS = TARGET / "html-check" / "screenshots"
# Without these, Chromium calls its vendor.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
# Chromium cannot take screenshots of any height.
MAX_HEIGHT = 12_000
# Name, width, color scheme, medium.
VIEWS = [("light", 1200, "light", "screen"), ("dark", 1200, "dark", "screen"), ("narrow", 375, "light", "screen"),
         ("print", 760, "light", "print")]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=pathlib.Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    python = environment(TARGET / "html-check" / "python", PROJECT / "tools" / "requirements-html.txt")
    if pathlib.Path(sys.prefix).resolve() != python.parent.parent.resolve():
        return subprocess.run([python, *sys.argv]).returncode
    pages = arguments.pages or sorted((TARGET / "tmp" / "html").glob("*.html"))
    if not pages:
        sys.exit("no pages: run cargo test --no-default-features --test html")
    return check_all([page.resolve() for page in pages], arguments.chromium)


def check_all(pages, chromium):
    from playwright.sync_api import sync_playwright

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        problems = [problem for page in pages for problem in check(browser, page)]
        browser.close()
    print("\n".join(problems) or f"{len(pages)} pages: no problem; screenshots in {SCREENSHOTS}")
    return 1 if problems else 0


def check(browser, path):
    """Returns the problems of a page."""
    problems = []
    for name, width, scheme, medium in VIEWS:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        requests, messages = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.emulate_media(media=medium)
        page.goto(path.as_uri())
        height = min(page.evaluate("document.documentElement.scrollHeight"), MAX_HEIGHT)
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=SCREENSHOTS / f"{path.stem}-{name}.png")
        if requests != [path.as_uri()]:
            problems.append(f"{path.name} {name}: requests {requests}")
        problems += [f"{path.name} {name}: console: {message}" for message in messages]
        if medium == "screen":
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                problems.append(f"{path.name} {name}: wider than its window")
            problems += [f"{path.name} {name}: axe: {violation}" for violation in violations(browser, path, width, scheme)]
        context.close()
    return problems


def violations(browser, path, width, scheme):
    """Returns what axe-core finds, with all parts of the page open."""
    from axe_playwright_python.sync_playwright import Axe

    # The policy of the page forbids scripts, also that of axe-core.
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    results = Axe().run(page, options={"runOnly": RULES})
    context.close()
    return [f"{violation['id']} ({len(violation['nodes'])} times): {violation['nodes'][0]['html'][:200]}"
            for violation in results.response["violations"]]


if __name__ == "__main__":
    sys.exit(main())
