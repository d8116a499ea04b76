"""Make the pictures in docs/images/: the workbench with the cases of data_samples/, as nurses and their lead see it.

Run ``PYTHONPATH=. python docs/screenshots.py`` from the repository; it needs Debian's chromium and the browser dependency
group. The service runs on a database of its own that is thrown away; the promoted model is used where there is one
(``GREENLANE_MODEL_DIR``). The cases are received over the last week, so some routes may differ from those written beside
them.
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from serving.case_actions import CaseActions
from serving.cookies import COOKIE
from serving.people import SignedIn
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store
from serving.trail import record
from serving.work import ActionKind

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
CASE = "DS-72148-13"
REFERRED = "DS-E0601-11"
WINDOW = {"width": 1280, "height": 720}
BETWEEN = timedelta(hours=3.4)
UNDO_WINDOW = timedelta(minutes=5)
STAFF = (
    ("ann", "Ann Lee", Role.NURSE),
    ("ben", "Ben Ortiz", Role.NURSE),
    ("lena", "Lena Novak", Role.LEAD),
    ("dora", "Dora Weiss", Role.MEDICAL_DIRECTOR),
)
LETTER = {"letter": "Please send what is missing.", "answer_by": "2100-01-01"}
A_SHIFT: tuple[tuple[ActionKind, dict[str, Any]], ...] = (
    (ActionKind.APPROVED, {}),
    (ActionKind.APPROVED, {}),
    (ActionKind.INFORMATION_REQUESTED, LETTER),
    (ActionKind.APPROVED, {}),
    (ActionKind.REFERRED, {"summary": "Please look at the dates of therapy."}),
    (ActionKind.INFORMATION_REQUESTED, LETTER),
)
"""What two nurses do on one case after the other, over and over."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """The running service, its cases by the intake system's id, and the people who are signed in."""

    url: str
    store: Store
    cases: Mapping[str, str]
    staff: Mapping[str, SignedIn]
    tokens: Mapping[str, str]


def main() -> None:
    """Start the service, let people work, photograph the pages, stop it."""
    IMAGES.mkdir(exist_ok=True)
    with _workplace() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        _work(place)
        for name, person, taken in (
            ("worklist", "ann", _worklist),
            ("case-page", "ann", _case),
            ("correction", "ann", _correction),
            ("referral", "ann", _referral),
            ("numbers", "lena", _numbers),
        ):
            page = _page(browser, place, person)
            taken(page, place)
            page.screenshot(path=IMAGES / f"{name}.png")
            page.context.close()
        browser.close()


@contextmanager
def _workplace() -> Iterator[Workplace]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/greenlane.db"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "GREENLANE_DATABASE_URL": database,
            "GREENLANE_AUDIT_SHARE": "0",
        }
        samples = Path(folder) / "requests.jsonl"
        samples.write_text(_of_this_week((ROOT / "data_samples" / "requests.jsonl").read_text(encoding="utf-8")))
        command = [sys.executable, "-m", "serving.cli", "serve", "--port", str(port), "--load", str(samples)]
        server = subprocess.Popen(command, env=environment, cwd=ROOT)  # noqa: S603  (our own command)
        try:
            cases = _cases(url)
            store = Store.open(database)
            yield _staffed(url, store, cases)
            store.close()
        finally:
            server.terminate()
            server.wait()


def _of_this_week(lines: str) -> str:
    """The samples in their order, received over the last days: as they stand, all would soon be overdue."""
    samples = sorted((json.loads(line) for line in lines.splitlines()), key=lambda sample: sample["received_at"])
    newest = datetime.now(UTC) - timedelta(hours=9)
    for back, sample in enumerate(reversed(samples)):
        sample["received_at"] = (newest - back * BETWEEN).isoformat()
    return "\n".join(json.dumps(sample) for sample in samples)


def _cases(url: str) -> dict[str, str]:
    for _ in range(1200):
        try:
            with urllib.request.urlopen(f"{url}/v1/authorizations?limit=200") as answer:  # noqa: S310  (our own server)
                return {item["external_id"]: item["authorization_id"] for item in json.load(answer)["items"]}
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the service does not answer")


def _staffed(url: str, store: Store, cases: Mapping[str, str]) -> Workplace:
    people, now = PeopleStore(store), datetime.now(UTC)
    staff, tokens = {}, {}
    for name, display_name, role in STAFF:
        tokens[name] = people.sign_in(people.add(name, display_name, role, oidc_subject=name, now=now), now=now)
        signed_in = people.signed_in(tokens[name], now=now)
        if signed_in is not None:
            staff[name] = signed_in
    return Workplace(url, store, cases, staff, tokens)


def _work(place: Workplace) -> None:
    """Open and decide every other case that waits for a person, a quarter of an hour each."""
    actions = CaseActions(place.store, undo_window=UNDO_WINDOW)
    waiting = [case for name, case in place.cases.items() if name not in (CASE, REFERRED) and _is_open(actions, case)]
    opened = datetime.now(UTC) - timedelta(hours=8)
    for case, name, (kind, content) in zip(waiting[::2], cycle(("ann", "ben")), cycle(A_SHIFT), strict=False):
        who = place.staff[name]
        with place.store.writing() as session:
            details = {"revision": 1}
            record(
                session, place.store.tenant, "case_opened", at=opened, who=who, authorization_id=case, details=details
            )
        decided = opened + timedelta(minutes=4 + len(content))
        actions.act(who, case, kind, content, turn=actions.standing(case).turn, now=decided)
        opened += timedelta(minutes=15)


def _is_open(actions: CaseActions, case: str) -> bool:
    return actions.standing(case).work == "open"


def _page(browser: Browser, place: Workplace, person: str) -> Page:
    context = browser.new_context(viewport=WINDOW, color_scheme="light", base_url=place.url)
    context.add_cookies([{"name": COOKIE, "value": place.tokens[person], "url": place.url}])
    return context.new_page()


def _worklist(page: Page, _place: Workplace) -> None:
    page.goto("/")


def _case(page: Page, place: Workplace) -> None:
    page.goto(f"/cases/{place.cases[CASE]}")


def _correction(page: Page, place: Workplace) -> None:
    _case(page, place)
    page.locator(".note-text [data-facts]").nth(3).click()
    page.locator("#fact-panel").wait_for()


def _referral(page: Page, place: Workplace) -> None:
    page.goto(f"/cases/{place.cases[REFERRED]}")
    page.locator("#do-refer > summary").click()


def _numbers(page: Page, _place: Workplace) -> None:
    page.goto("/numbers")


if __name__ == "__main__":
    main()
