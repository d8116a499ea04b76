"""Make docs/images/case-page.png, a case of data_samples/ as a nurse sees it.

Run ``python docs/screenshot.py`` from the repository; it needs Debian's chromium and the browser dependency group. The
service runs on a database of its own that is thrown away; the promoted model is used where there is one.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import sync_playwright

from serving.cookies import COOKIE
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
CASE = "DS-72148-13"
WINDOW = {"width": 1280, "height": 800}


def main() -> None:
    """Start the service, photograph the page, stop it."""
    IMAGES.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "GREENLANE_DATABASE_URL": f"sqlite:///{folder}/greenlane.db",
            "GREENLANE_AUDIT_SHARE": "0",
        }
        samples = ROOT / "data_samples" / "requests.jsonl"
        command = [sys.executable, "-m", "serving.cli", "serve", "--port", str(port), "--load", str(samples)]
        server = subprocess.Popen(command, env=environment, cwd=ROOT)  # noqa: S603  (our own command)
        try:
            cases = _cases(url)
            _photograph(url, cases, _sign_in(environment["GREENLANE_DATABASE_URL"]))
        finally:
            server.terminate()
            server.wait()


def _cases(url: str) -> dict[str, str]:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{url}/v1/authorizations?limit=200") as answer:  # noqa: S310  (our own server)
                return {item["external_id"]: item["authorization_id"] for item in json.load(answer)["items"]}
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the service does not answer")


def _sign_in(database_url: str) -> str:
    """The token of a nurse's sign-in."""
    store = Store.open(database_url)
    people, now = PeopleStore(store), datetime.now(UTC)
    token = people.sign_in(people.add("ann", "Ann Lee", Role.NURSE, now=now), now=now)
    store.close()
    return token


def _photograph(url: str, cases: dict[str, str], token: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=WINDOW, color_scheme="light")
        page.context.add_cookies([{"name": COOKIE, "value": token, "url": url}])
        page.goto(f"{url}/cases/{cases[CASE]}")
        page.screenshot(path=IMAGES / "case-page.png")
        browser.close()


if __name__ == "__main__":
    main()
