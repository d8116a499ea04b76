"""The fast lane's switch by service family: it holds at once, in a running service too, and is recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import database_in
from fastapi.testclient import TestClient
from running_server import ROOT, RunningServer
from serving_cases import always, request_body, routed
from signing_in import sign_in

from models.types import Route
from serving.app import create_app
from serving.fast_track_switches import fast_track_switches, is_fast_track_off, switch_fast_track
from serving.settings import Settings
from serving.store import Store

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return database_in(tmp_path)


@pytest.fixture
def store(url: str) -> Store:
    return Store.open(url)


def switch(store: Store, *, off: bool, family: str = "advanced_imaging", why: str = "audit") -> None:
    switch_fast_track(store, [family], off=off, switched_by="r.ruiz", why=why, now=NOW)


def client(url: str, triage: Any = routed, **settings: Any) -> TestClient:
    drawn = 0.0 if settings.get("audit_share") else 1.0
    return TestClient(create_app(Settings(database_url=url, **settings), triage=triage, draw=lambda: drawn))


def codes(answer: httpx.Response) -> list[str]:
    return [reason["code"] for reason in answer.json()["reasons"]]


def test_off_sends_the_family_to_a_nurse_and_on_lets_it_through_again(url: str, store: Store) -> None:
    with client(url) as service:
        assert service.post("/v1/authorizations", json=request_body("PA-1")).json()["route"] == "fast_track"
        switch(store, off=True)
        stopped = service.post("/v1/authorizations", json=request_body("PA-2"))
        assert stopped.json()["route"] == "nurse_review"
        assert codes(stopped) == ["fast_track_off"]
        assert service.post("/v1/triage", json=request_body("PA-3")).json()["route"] == "nurse_review"
        switch(store, off=False)
        assert service.post("/v1/authorizations", json=request_body("PA-4")).json()["route"] == "fast_track"


def test_another_family_is_not_touched(url: str, store: Store) -> None:
    switch(store, off=True, family="sleep_dme")
    with client(url) as service:
        assert service.post("/v1/authorizations", json=request_body()).json()["route"] == "fast_track"


def test_other_reasons_for_a_nurse_stay(url: str, store: Store) -> None:
    switch(store, off=True)
    with client(url, always(Route.NURSE_REVIEW, "no_guarantee")) as service:
        assert codes(service.post("/v1/authorizations", json=request_body())) == ["no_guarantee", "fast_track_off"]


def test_a_stopped_case_is_not_drawn_for_the_audit(url: str, store: Store) -> None:
    switch(store, off=True)
    with client(url, audit_share=1.0) as service:
        assert codes(service.post("/v1/authorizations", json=request_body())) == ["fast_track_off"]


def test_a_case_page_does_not_tell_a_stopped_case_from_a_cautious_one(url: str, store: Store) -> None:
    switch(store, off=True)
    with client(url) as service:
        case = service.post("/v1/authorizations", json=request_body()).json()["authorization_id"]
        sign_in(service)
        page = service.get(f"/cases/{case}").text
    assert "switched off" not in page
    assert "A nurse reviews this request." in page


def test_every_turn_is_kept_with_who_when_and_why(store: Store) -> None:
    switch(store, off=True, why="3 of 40 audited")
    switch(store, off=False, why="retrained")
    latest = fast_track_switches(store)
    assert [(turn.family, turn.off, turn.switched_by, turn.why, turn.switched_at) for turn in latest] == [
        ("advanced_imaging", False, "r.ruiz", "retrained", NOW)
    ]
    with store._engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT off, why FROM fast_track_switches ORDER BY switch_id").all()
    assert [tuple(row) for row in kept] == [(1, "3 of 40 audited"), (0, "retrained")]


def test_a_tenant_s_switch_is_its_own(store: Store) -> None:
    switch(store, off=True)
    assert not is_fast_track_off(store.of_tenant("other"), "advanced_imaging")


def greenlane(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GREENLANE_")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "GREENLANE_DATABASE_URL": database_in(folder)}
    return subprocess.run(
        [sys.executable, "-m", "serving.cli", *arguments],
        env=environment, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_running_server_sees_the_switch_without_a_restart(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    server.start()
    try:
        first = httpx.post(f"{server.url}/v1/authorizations", json=request_body("PA-1"), timeout=60)
        assert "fast_track_off" not in codes(first)
        done = greenlane(tmp_path, "fast-track", "off", "--family", "advanced_imaging", "--why", "drift", "--by", "ana")
        assert (done.returncode, done.stdout, done.stderr) == (0, "advanced_imaging: fast-tracking is off\n", "")
        second = httpx.post(f"{server.url}/v1/authorizations", json=request_body("PA-2"), timeout=60)
        assert second.json()["route"] == "nurse_review"
        assert "fast_track_off" in codes(second)
        printed = greenlane(tmp_path, "fast-track", "status").stdout.splitlines()
        status = {line.split("\t")[0]: line.split("\t")[1:] for line in printed}
        assert status["advanced_imaging"][0] == "off"
        assert status["advanced_imaging"][2:] == ["ana", "drift"]
        assert {shown[0] for family, shown in status.items() if family != "advanced_imaging"} == {"on"}
        greenlane(tmp_path, "fast-track", "on", "--all", "--why", "retrained")
        third = httpx.post(f"{server.url}/v1/authorizations", json=request_body("PA-3"), timeout=60)
        assert "fast_track_off" not in codes(third)
    finally:
        server.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["off", "--family", "imaging", "--why", "x"], "--family imaging: there is no such service family; there are"),
        (["off", "--why", "x"], "say which --family, or --all"),
        (["off", "--family", "sleep_dme", "--why", "  "], "must say why"),
    ],
)
def test_a_switch_that_cannot_be_turned_is_said_and_turns_nothing(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = greenlane(tmp_path, "fast-track", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "off" not in greenlane(tmp_path, "fast-track", "status").stdout
