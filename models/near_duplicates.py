"""Requests that ask again for what was just asked: one member, one service, a short time."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

from features.types import AuthorizationRequest

NEAR_DUPLICATE_SPAN = timedelta(days=30)
"""A second request for the same member and service within this time is looked at by a nurse."""
CODE = "near_duplicate"
"""The reason such a request is held back for."""


def likeness(request: AuthorizationRequest) -> str:
    """SHA-256 that is equal for requests of one member for one service: the member's id, else birth date and sex."""
    member = request.member
    who = [member.member_id] if member.member_id else [member.birth_date.isoformat(), member.sex]
    asked = [*who, request.service.system, request.service.code.upper()]
    return _hash(asked)


def person_likeness(request: AuthorizationRequest) -> str:
    """SHA-256 that is equal for requests for people of one birth date and sex, whatever id they have."""
    return _hash([request.member.birth_date.isoformat(), request.member.sex])


def _hash(said: list[str]) -> str:
    canonical = json.dumps(said, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
