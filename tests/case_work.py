"""Cases, what people did on them and what the trail says, written straight into the tables: for tests of numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, PersonRow, ResultRow, TrailRow

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""A Friday."""


class CaseWork:
    """Writes rows with the columns that numbers read; everything else is filled in. Ids grow with the calls."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0

    def person(self, name: str, role: str = "nurse", *, active: bool = True, team: str | None = None) -> str:
        """Somebody; their id is their name."""
        self._add(
            PersonRow,
            person_id=name,
            tenant=self._store.tenant,
            sign_in_name=name,
            display_name=name.title(),
            role=role,
            team=team,
            active=active,
            created_at=NOW,
        )
        return name

    def case(
        self,
        *,
        received: datetime,
        hours: float = 168,
        urgency: str = "standard",
        line: str | None = "commercial",
        family: str | None = "advanced_imaging",
        route: str | None = "nurse_review",
        reason: str = "criteria_not_documented",
        work: str = "open",
        assigned_to: str | None = None,
        held: bool = False,
        score: float | None = 0.5,
    ) -> str:
        """A case, due so many hours after it was received; returns its id."""
        key = self._next("C")
        self._add(
            AuthorizationRow,
            authorization_id=key,
            tenant=self._store.tenant,
            external_id=key,
            content_hash="h",
            likeness="l",
            request="{}",
            service_system="CPT",
            service_code="72148",
            urgency=urgency,
            accepted_at=received,
            received_at=received,
            due_at=received + timedelta(hours=hours),
            status="triaged" if route else "received",
            revision=1,
            attempts=1,
            audit_selected=held,
            route=route,
            reason_code="selected_for_review" if held else reason,
            line_of_business=line,
            family=family,
            work=work,
            assigned_to=assigned_to,
        )
        if route:
            self._add(
                ResultRow,
                authorization_id=key,
                revision=1,
                triaged_at=received,
                route=route,
                held_for_audit=held,
                pipeline_version="1",
                result="{}",
                trace="{}",
                approval_score=score,
            )
        return key

    def act(
        self,
        case: str,
        kind: str,
        person: str,
        at: datetime,
        *,
        role: str = "nurse",
        undoes: str | None = None,
        **content: Any,
    ) -> str:
        """Something a person did on a case; returns the action's id."""
        key = self._next("A")
        self._add(
            CaseActionRow,
            action_id=key,
            tenant=self._store.tenant,
            authorization_id=case,
            revision=1,
            kind=kind,
            person_id=person,
            role=role,
            at=at,
            content=json.dumps(content),
            concept=content.get("concept"),
            verdict=content.get("verdict"),
            undoes=undoes,
        )
        return key

    def opened(self, case: str, person: str, at: datetime, action: str = "case_opened") -> None:
        """The trail's entry that somebody opened a case."""
        self._number += 1
        self._add(
            TrailRow,
            number=self._number,
            tenant=self._store.tenant,
            at=at,
            person_id=person,
            role="nurse",
            sign_in_id="s",
            action=action,
            authorization_id=case,
            details="{}",
            previous_hash="0" * 64,
            hash="0" * 64,
        )

    def _next(self, letter: str) -> str:
        self._number += 1
        return f"{letter}{self._number:025d}"

    def _add(self, table: Any, **values: Any) -> None:
        with self._store.writing() as session:
            session.execute(insert(table).values(**values))
