"""The score is asked for on its own, every opening can be recorded, and it tells no case of the blind audit apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi import FastAPI
from fastapi.testclient import TestClient
from page_reading import without_varying
from serving_cases import always, request_body, routed
from signing_in import signed_in_client
from sqlalchemy import select

from models.types import Route, TriageResult
from serving import score_page
from serving.app import create_app
from serving.errors import StoreUnavailableError
from serving.score_page import WITHHELD, score_view
from serving.settings import Settings
from serving.store import Store
from serving.tables import TrailRow

NUMBERS = ("0.973", "0.941", "+1.84")


def app_of(folder: Path, triage: Any = routed, draw: Callable[[], float] = lambda: 1.0) -> FastAPI:
    folder.mkdir(exist_ok=True)
    return create_app(Settings(database_url=database_in(folder), model_dir=folder), triage=triage, draw=draw)


def submitted(client: TestClient) -> str:
    return str(client.post("/v1/authorizations", json=request_body()).json()["authorization_id"])


def test_the_note_comes_before_the_number(tmp_path: Path) -> None:
    with signed_in_client(app_of(tmp_path)) as client:
        case = submitted(client)
        page = client.get(f"/cases/{case}").text
        score = client.get(f"/cases/{case}/score").text

    assert f'href="/cases/{case}/score"' in page
    assert '<details class="score" open' not in page
    assert not any(number in page for number in NUMBERS)
    assert all(number in score for number in NUMBERS)
    assert f'href="/cases/{case}"' in score


def test_no_case_of_the_blind_audit_is_told_from_a_cautious_one_by_asking_for_its_score(tmp_path: Path) -> None:
    def asked(name: str, triage: Any, draw: Callable[[], float]) -> str:
        with signed_in_client(app_of(tmp_path / name, triage, draw)) as client:
            return without_varying(client.get(f"/cases/{submitted(client)}/score").text)

    drawn = asked("drawn", routed, lambda: 0.0)
    for code in ("score_below_threshold", "no_guarantee", "fast_track_off"):
        assert asked(code, always(Route.NURSE_REVIEW, code), lambda: 1.0) == drawn
    assert WITHHELD in drawn
    assert not any(number in drawn for number in (*NUMBERS, "audit", "selected", "fast"))


def test_a_decided_case_shows_its_score(tmp_path: Path) -> None:
    with signed_in_client(app_of(tmp_path)) as client:
        from models.result import result_from_trace_text

        case = client.app.state.service.case(submitted(client))  # type: ignore[attr-defined]  # Starlette's app
        cautious: TriageResult = always(Route.NURSE_REVIEW, "score_below_threshold")(case.stored.request)
        assert result_from_trace_text(case.latest.trace).approval_score == cautious.approval_score
    assert score_view("ID", cautious).withheld == WITHHELD
    assert score_view("ID", cautious, decided=True).score == "0.973"


def test_opening_a_score_is_recorded(tmp_path: Path) -> None:
    app = app_of(tmp_path)
    with signed_in_client(app) as client:
        case = submitted(client)
        client.get(f"/cases/{case}")
        assert "score_opened" not in recorded(app, case)
        client.get(f"/cases/{case}/score")
        assert recorded(app, case)[-1] == "score_opened"


def test_a_score_whose_opening_cannot_be_recorded_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_arguments: object) -> None:
        raise StoreUnavailableError("the database cannot be written")

    monkeypatch.setattr(score_page, "score_opened", unavailable)
    with signed_in_client(app_of(tmp_path)) as client:
        answer = client.get(f"/cases/{submitted(client)}/score", headers={"accept": "text/html"})
    assert answer.status_code == 503
    assert not any(number in answer.text for number in NUMBERS)


def recorded(app: FastAPI, authorization_id: str) -> list[str]:
    """What the trail holds of a case, oldest first."""
    store: Store = app.state.store
    with store.reading() as session:
        of_case = select(TrailRow.action).where(TrailRow.authorization_id == authorization_id)
        return list(session.scalars(of_case.order_by(TrailRow.number)))


@pytest.mark.parametrize("name", ["01JD3K8Q5T6V7W8X9Y0Z1A2B3C", "Jane-Roe"])
def test_an_unknown_case_has_no_score_page(tmp_path: Path, name: str) -> None:
    with signed_in_client(app_of(tmp_path)) as client:
        answer = client.get(f"/cases/{name}/score", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "Jane" not in answer.text
