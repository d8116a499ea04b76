"""A real server and a real Chromium."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# So that this folder can also be run alone.
sys.path.insert(0, str(Path(__file__).parents[1]))

from running_server import RunningServer
from serving_cases import NOTE, request_body

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, chromium: Browser, server: RunningServer) -> Iterator[Page]:
    """A page without JavaScript of ours; everything must work. Any error on the console fails the test."""
    context = chromium.new_context(
        base_url=server.url, viewport={"width": 1280, "height": 720}, color_scheme=request.param
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []
