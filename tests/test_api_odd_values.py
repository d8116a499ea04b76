"""Every field with every odd value: a refusal by name or an answer, never a failure of ours, never a fast track by it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from serving_cases import request_body
from signing_in import sign_in

from serving.app import create_app
from serving.settings import Settings

ODD_NUMBERS: tuple[Any, ...] = (None, True, -1, 0, 1e308, 10**30)
ODD_TEXTS = ("", " ", "\0", "\x1b[31m", "a" * 5000, "\u0661\u0662", "\u202e", "\U0010ffff", "__class__", "%s%n{0}")
ODD_TIMES = (
    "9999-12-31",
    "0001-01-01",
    "2026-02-30",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "2026-11-20T15:04:05",
)
ODD_SHAPES: tuple[Any, ...] = ([], {}, [[]], [None], [{}], {"a": 1})
ODD_VALUES = (*ODD_NUMBERS, *ODD_TEXTS, *ODD_TIMES, *ODD_SHAPES)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("odd")
    settings = Settings(database_url=database_in(folder), model_dir=folder)
    with TestClient(create_app(settings)) as client:
        sign_in(client)
        yield client


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value inside ``value``, itself excluded."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(body: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """A copy of ``body`` with another value at ``path``."""
    copied: Any = copy.deepcopy(body)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    whole: dict[str, Any] = copied
    return whole


@pytest.mark.slow
@pytest.mark.parametrize("path", list(places(request_body())), ids=lambda path: ".".join(map(str, path)))
def test_a_field_with_an_odd_value_is_answered_or_refused_by_name(
    client: TestClient, path: tuple[str | int, ...]
) -> None:
    for number, value in enumerate(ODD_VALUES):
        body = changed(request_body(f"PA-{'.'.join(map(str, path))}-{number}"), path, value)
        answer = client.post("/v1/authorizations", content=json.dumps(body).encode())

        assert answer.status_code in (200, 201, 409, 422), (path, number)
        if answer.status_code == 422:
            assert answer.json()["errors"][0]["field"].split(".")[0] == path[0]
        elif answer.status_code < 300:
            result = answer.json()
            assert result["route"] == "nurse_review"
            assert "system_error" not in [reason["code"] for reason in result["reasons"]], (path, number)
            assert client.get(f"/cases/{result['authorization_id']}").status_code == 200
    assert client.get("/").status_code == 200
