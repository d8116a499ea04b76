"""A case that was worked on and decided through the pages: with a correction, a note, a draft and a letterless decision."""

from __future__ import annotations

import re

from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving_cases import NOTE, request_body
from signing_in import add_person, sign_in_again

from serving.people import Person
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store

SAID = ("Quetzalcoatlus", "saddle anesthesia", "1968-04-12", "Archaeopteryx", "Pteranodon")
"""Words of its note, its request, a note to its file and a draft."""


def store_of(client: TestClient) -> Store:
    """Where the application behind the client keeps its cases."""
    return client.app.state.store  # type: ignore[attr-defined,no-any-return]  # an ASGI app's type has no state


def closed_case(client: TestClient, external_id: str = "PA-1") -> str:
    """A case of the member ``M-`` and its external id, decided; returns our id. The application lets nothing be undone."""
    body = request_body(external_id, f"{NOTE} Quetzalcoatlus.")
    case = str(client.post("/v1/authorizations", json=body).json()["authorization_id"])
    who = sign_in_again(client, _nurse(client))

    def post(path: str, **fields: str) -> None:
        page = client.get(f"/cases/{case}", headers={"accept": "text/html"}).text
        turn = re.search(r'name="turn" value="(\d+)"', page)
        assert turn is not None
        data = {"form_token": who.form_token, "turn": turn[1], **fields}
        answer = client.post(f"/cases/{case}/{path}", data=data, follow_redirects=False)
        assert answer.status_code in (204, 303), answer.text

    post("corrections", verdict="confirmed", fact_id="f1")
    post("notes", text="Archaeopteryx was mentioned.")
    post("drafts/refer", summary="Pteranodon half written")
    post("approve")
    return case


def _nurse(client: TestClient) -> Person:
    app = client.app
    assert isinstance(app, FastAPI)
    return PeopleStore(store_of(client)).named("nurse") or add_person(app, Role.NURSE)
