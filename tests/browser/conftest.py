"""A real server and a real Chromium."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# So that this folder can also be run alone.
sys.path.insert(0, str(Path(__file__).parents[1]))

from complaints import hear_complaints
from running_server import RunningServer
from serving_cases import NOTE, request_body
from signing_in import PASSWORD

from serving.cookies import COOKIE
from serving.people import Person
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

HOSTILE = (
    f"{NOTE}\r\nHPI:\tlow back pain for 3 months, radiating to the left leg.\r\n"
    "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\"> </div>\n"
    '\u202eRTL\u202c \u200fmark \u0000 NUL \U0001f600 &amp; "quotes" \u00a0 end  \n\n'
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Debian's chromium (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def cases() -> list[dict[str, Any]]:
    """Three requests: a plain one, a hostile one, an expedited one."""
    plain = (
        "52-year-old woman with low back pain and right leg pain for four months.\n"
        "She completed eight weeks of physical therapy from 8/17/2026 to 10/12/2026 without relief.\n"
        "Denies saddle anesthesia, fever and weight loss. Her sister has cancer.\n"
        "Straight leg raise is positive on the right. Plan: MRI, then epidural injection."
    )
    return [
        request_body("PA-plain", plain),
        request_body("PA-hostile", HOSTILE),
        request_body("PA-expedited", NOTE, urgency="expedited"),
    ]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, cases: list[dict[str, Any]]) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    samples = folder / "requests.jsonl"
    samples.write_text("\n".join(json.dumps(case) for case in cases))
    server = RunningServer(folder, "--load", str(samples))
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def store(server: RunningServer) -> Iterator[Store]:
    """The running server's database."""
    store = Store.open(server.database_url)
    yield store
    store.close()


@pytest.fixture(scope="session")
def person_of(store: Store) -> Callable[[Role], Person]:
    """One person of each role; their sign-in name is the role's, their password PASSWORD."""
    people = PeopleStore(store)

    def person_of(role: Role) -> Person:
        name = role.value
        return people.named(name) or people.add(
            name, name.replace("_", " ").title(), role, password=PASSWORD, now=datetime.now(UTC)
        )

    return person_of


@pytest.fixture(scope="session")
def sign_in(
    store: Store, server: RunningServer, person_of: Callable[[Role], Person]
) -> Callable[[BrowserContext, Role], Person]:
    """Give a browser context the cookie of somebody of this role."""
    people = PeopleStore(store)

    def sign_in(context: BrowserContext, role: Role = Role.NURSE) -> Person:
        person = person_of(role)
        token = people.sign_in(person, now=datetime.now(UTC))
        context.add_cookies([{"name": COOKIE, "value": token, "url": server.url}])
        return person

    return sign_in


@pytest.fixture
def signed_in_as(
    chromium: Browser, server: RunningServer, sign_in: Callable[[BrowserContext, Role], Person]
) -> Iterator[Callable[..., Page]]:
    """A page of somebody of this role, each in a browser context of its own."""
    contexts: list[BrowserContext] = []

    def signed_in_as(role: Role, **options: Any) -> Page:
        context = chromium.new_context(base_url=server.url, **{"viewport": {"width": 1280, "height": 720}, **options})
        contexts.append(context)
        sign_in(context, role)
        return context.new_page()

    yield signed_in_as
    for context in contexts:
        context.close()


@pytest.fixture(params=["light", "dark"])
def page(
    request: pytest.FixtureRequest,
    chromium: Browser,
    server: RunningServer,
    sign_in: Callable[[BrowserContext, Role], Person],
) -> Iterator[Page]:
    """A page of a nurse who is signed in. Any error on the console fails the test."""
    context = chromium.new_context(
        base_url=server.url, viewport={"width": 1280, "height": 720}, color_scheme=request.param
    )
    sign_in(context, Role.NURSE)
    page = context.new_page()
    complaints: list[str] = []
    hear_complaints(page, complaints)
    yield page
    context.close()
    assert complaints == []
