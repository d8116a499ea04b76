"""What happens when something around the service fails: each has one answer (docs/operations.md), and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database_in, sqlite_only
from fastapi.testclient import TestClient
from identity_provider import CLIENT_ID, IdentityProviderServer, tls_of_own_authority
from running_server import ROOT
from serving_cases import request_body, routed
from signing_in import add_person, sign_in
from sqlalchemy import event, func, select

from features.types import AuthorizationRequest
from models.types import Reason, TriageResult
from serving.app import create_app
from serving.people import IDLE_LIMIT
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.settings import Settings
from serving.store import Store
from serving.tables import AuthorizationRow, DocumentRow
from serving.trail_chain import verify

LONG = "He completed physical therapy for 8 weeks. Denies saddle anesthesia.\n" * 3000
BODY_LIMIT = 1_000_000


class SmallDisk:
    """A file system of a few megabytes that can be filled, emptied and made read-only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, client: TestClient) -> None:
        with self._filler.open("wb") as filler:
            while True:
                try:
                    os.write(filler.fileno(), b"x" * 4096)
                except OSError:
                    return

    def empty(self, client: TestClient) -> None:
        self._filler.unlink()

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)


class FewPages:
    """A database that may not grow: what SQLite says then is what it says of a full disk, where no disk can be made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._most = 2**30

    def fill(self, client: TestClient) -> None:
        engine = store_of(client).engine
        if not event.contains(engine, "connect", self._limit):
            event.listen(engine, "connect", self._limit)
        self._most = 1
        engine.dispose()

    def empty(self, client: TestClient) -> None:
        self._most = 2**30
        store_of(client).engine.dispose()

    def _limit(self, connection: Any, _record: object) -> None:
        # SQLite takes the present size for any number below it.
        connection.execute(f"PRAGMA max_page_count={self._most}")


def store_of(client: TestClient) -> Store:
    return client.app.state.store  # type: ignore[attr-defined,no-any-return]  # an ASGI app's type has no state


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(params=["disk", "pages"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk | FewPages]:
    if request.param == "pages":
        (tmp_path / "disk").mkdir()
        yield FewPages(tmp_path / "disk")
        return
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    monkeypatch.setattr("serving.readiness.FRESH_SECONDS", 0)
    monkeypatch.setattr("serving.jobs.LEASE", timedelta(seconds=1))
    started: list[TestClient] = []

    def start(
        folder: Path, triage: Callable[[AuthorizationRequest], TriageResult] = routed, **named: Any
    ) -> TestClient:
        settings = Settings(database_url=database_in(folder), model_dir=tmp_path, body_limit=BODY_LIMIT, **named)
        client = TestClient(create_app(settings, triage=triage))
        client.__enter__()
        started.append(client)
        return client

    yield start
    for client in started:
        client.__exit__(None, None, None)


def stored(client: TestClient) -> tuple[int, int]:
    """How many requests and documents there are."""
    with store_of(client).reading() as session:
        requests = session.scalar(select(func.count()).select_from(AuthorizationRow)) or 0
        return requests, session.scalar(select(func.count()).select_from(DocumentRow)) or 0


@sqlite_only
def test_a_full_disk_stores_nothing_by_halves_says_so_and_is_got_over(
    room: SmallDisk | FewPages, start: Callable[..., TestClient]
) -> None:
    client = start(room.folder, sync_characters=BODY_LIMIT)
    first = client.post("/v1/authorizations", json=request_body("PA-1"))
    room.fill(client)
    refused = client.post("/v1/authorizations", json=request_body("PA-2", LONG))
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:greenlane:problem:store-unavailable")
    assert refused.json()["detail"] == "the database cannot be used right now"
    assert stored(client) == (1, 1)
    assert client.get(f"/v1/authorizations/{first.json()['authorization_id']}").json() == first.json()
    if isinstance(room, SmallDisk):
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "free beside the database" in ready.json()["checks"]["disk"]

    room.empty(client)
    assert client.post("/v1/authorizations", json=request_body("PA-2", LONG)).status_code == 201
    assert client.post("/v1/authorizations", json=request_body("PA-1")).json() == first.json()
    assert verify(store_of(client)).first is None
    if isinstance(room, SmallDisk):
        assert client.get("/readyz").status_code == 200


@sqlite_only
def test_a_disk_that_fills_while_a_request_is_read_loses_neither_the_request_nor_its_result(
    room: SmallDisk | FewPages, start: Callable[..., TestClient]
) -> None:
    filled: list[bool] = []

    def filling(request: AuthorizationRequest) -> TriageResult:
        if not filled:
            filled.append(True)
            room.fill(client)
        # Long enough not to fit into what SQLite has of room already.
        return routed(request, reasons=(Reason("all_criteria_met", LONG),))

    client = start(room.folder, filling)
    body = request_body("PA-1")
    assert client.post("/v1/authorizations", json=body).status_code == 503
    assert client.get("/v1/authorizations").json()["items"][0]["status"] == "received"
    room.empty(client)
    until(lambda: client.get("/v1/authorizations").json()["items"][0]["status"] == "triaged")
    assert client.post("/v1/authorizations", json=body).status_code == 200


@sqlite_only
def test_a_database_file_that_becomes_read_only_is_named_and_still_read(
    tmp_path: Path, start: Callable[..., TestClient]
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        client = start(disk.folder)
        first = client.post("/v1/authorizations", json=request_body("PA-1")).json()
        # A file system that is in use for writing cannot be made read-only.
        store_of(client).engine.dispose()
        with read_only(disk, client):
            refused = client.post("/v1/authorizations", json=request_body("PA-2"))
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:greenlane:problem:store-unavailable")
            ready = client.get("/readyz")
            assert ready.status_code == 503
            assert ready.json()["checks"]["database"] == "the database cannot be used right now"
        assert client.post("/v1/authorizations", json=request_body("PA-2")).status_code == 201
        assert client.get(f"/v1/authorizations/{first['authorization_id']}").json() == first


@contextmanager
def read_only(disk: SmallDisk, client: TestClient) -> Iterator[None]:
    def remounted() -> bool:
        # The workers look for jobs meanwhile, and hold the file open while they do.
        store_of(client).engine.dispose()
        how = ["mount", "-o", "remount,ro", str(disk.folder)]
        return subprocess.run(how, capture_output=True, check=False).returncode == 0

    until(remounted)
    try:
        yield
    finally:
        disk.remount("rw")


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets the system's clock, as far as what is behind the endpoints asks for it, off by so much."""
    off = timedelta(0)
    real = datetime

    class AnyMoment(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

    class Shifted(datetime, metaclass=AnyMoment):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return real.now(tz) + off

    def set_off(by: timedelta) -> None:
        nonlocal off
        off = by

    for name in list(sys.modules):
        module = sys.modules[name]
        asks = name.startswith("serving.") and getattr(module, "datetime", None) is real
        # Endpoints and tables are built from the type itself.
        if asks and not hasattr(module, "router") and not name.endswith(("tables", "schemas")):
            monkeypatch.setattr(module, "datetime", Shifted)
    monkeypatch.setattr("serving.ulid.time.time", lambda of=time.time: of() + off.total_seconds())
    return set_off


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1)], ids=["back", "forward"])
def test_a_clock_that_jumps_moves_no_due_date_no_order_and_not_the_trail(
    tmp_path: Path, start: Callable[..., TestClient], clock: Callable[[timedelta], None], jump: timedelta
) -> None:
    client = start(tmp_path / "here")
    before = client.post("/v1/authorizations", json=request_body("PA-1")).json()
    sign_in(client, Role.NURSE)
    clock(jump)
    after = client.post("/v1/authorizations", json=request_body("PA-2")).json()
    assert after["authorization_id"] > before["authorization_id"]
    # From when the payer received it, which the request says, not from when we did.
    assert after["due_at"] == before["due_at"]
    add_person(client.app, Role.LEAD)  # type: ignore[arg-type]  # a FastAPI
    assert client.get("/readyz").status_code == 200
    clock(timedelta(0))
    again = client.post("/v1/authorizations", json=request_body("PA-3")).json()
    assert again["authorization_id"] > after["authorization_id"]
    assert verify(store_of(client)).first is None


def test_a_sign_in_begun_while_the_clock_was_ahead_ends_when_it_is_right_again(tmp_path: Path) -> None:
    store = Store.open(database_in(tmp_path), migrate_always=True)
    people = PeopleStore(store)
    now = datetime.now(UTC)
    person = people.add("ann", "Ann", Role.NURSE, password="a long enough password", now=now)
    ahead = people.sign_in(person, now=now + timedelta(days=365))
    assert people.signed_in(ahead, now=now + timedelta(days=365)) is not None
    assert people.signed_in(ahead, now=now) is None
    little = people.sign_in(person, now=now + IDLE_LIMIT / 2)
    assert people.signed_in(little, now=now) is not None
    assert verify(store).first is None
    store.close()


def test_an_expired_certificate_of_the_identity_provider_is_a_page_in_plain_words(
    tmp_path: Path, start: Callable[..., TestClient]
) -> None:
    tls, authority = tls_of_own_authority(tmp_path, expired=True)
    provider = IdentityProviderServer(tls)
    try:
        client = start(
            tmp_path / "here",
            oidc_client_id=CLIENT_ID,
            public_url="http://127.0.0.1:8000",
            oidc_issuer=provider.issuer,
            oidc_ca_file=authority,
        )
        page = client.get("/sign-in/oidc", params={"next": "/"}, headers={"accept": "text/html"})
        assert page.status_code == 502
        assert "cannot be used right now" in page.text
        assert 'name="password"' in page.text
        assert "SSL" not in page.text
        assert client.get("/readyz").status_code == 200
    finally:
        provider.close()


# Nobody listens on port 9 (discard) of this machine.
NOBODY = "http://127.0.0.1:9"


def test_the_service_asks_no_registry_for_its_model(
    tmp_path: Path, start: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    client = start(tmp_path / "here")
    assert client.post("/v1/authorizations", json=request_body()).status_code == 201
    assert client.get("/readyz").status_code == 200
    asked = subprocess.run(
        [sys.executable, "-c", "import sys, serving.app; print('mlflow' in sys.modules)"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        check=True,
    )
    assert asked.stdout == "False\n"


@pytest.mark.slow
def test_training_that_cannot_reach_its_registry_says_so_in_one_line_and_soon(tmp_path: Path) -> None:
    begin = time.monotonic()
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys\nfrom training.errors import TrainingError\nfrom training.tracking import connect\n"
            "try:\n    connect()\nexcept TrainingError as error:\n    sys.exit(str(error))",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path), "MLFLOW_TRACKING_URI": NOBODY},
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == f"the MLflow store at {NOBODY} cannot be used (MlflowException)"
    assert time.monotonic() - begin < 60
