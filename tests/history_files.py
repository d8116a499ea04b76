"""Own-history rows for tests: everything has a default, a test says only what it is about."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from features.request import EXAMPLE_REQUEST

BEGIN = datetime(2024, 1, 6, 9, tzinfo=UTC)
NOTE = "He has had low back pain for three months and takes naproxen."


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def row(number: int = 0, *, approved: bool = True, day: float | None = None, **changes: Any) -> dict[str, Any]:
    """Request ``number``, received ``day`` days (by default ``number``) after the beginning and decided two days later."""
    received = BEGIN + timedelta(days=number if day is None else day)
    request = copy.deepcopy(EXAMPLE_REQUEST)
    request |= {
        "external_id": f"PA-{number}",
        "received_at": stamp(received),
        "member": {"member_id": f"M-{number}", "birth_date": "1968-04-12", "sex": "male"},
        "documents": [
            {"document_id": "d1", "type": "progress_note", "date": received.date().isoformat(), "text": NOTE}
        ],
    }
    made: dict[str, Any] = {
        "request": request | changes.pop("request", {}),
        "outcome": "approved_as_requested" if approved else "information_requested",
        "decided_at": stamp(received + timedelta(days=2)),
        "source": "nurse",
    }
    made |= changes
    return made


def rows(n: int = 60) -> list[dict[str, Any]]:
    """``n`` requests, one a day, every third not approved as requested."""
    return [row(number, approved=number % 3 != 0) for number in range(n)]


def written(path: Path, made: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in made), encoding="utf-8")
    return path
