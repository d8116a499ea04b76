"""A running service with cases, and people signed in to it, for tests of a working day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaints import hear_complaints
from databases import database_in
from running_server import RunningServer
from serving_cases import request_body
from signing_in import PASSWORD
from sqlalchemy import select, update
from stored_requests import accepted

from features.request import parse_request
from serving.cookies import COOKIE
from serving.job_tables import JobRow
from serving.people import IDLE_LIMIT
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, DraftRow, PersonRow, SignInRow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NOTE_WITH_SIGNS = (
    "\U0001f600 58-year-old with low back pain for four months.\r\n"
    "\tCompleted eight weeks of physical therapy from 8/17/2026 to 10/12/2026.\r\n"
    "Now with foot drop on the left."
)


class CaseDesk:
    """The service, its store, and a way in for each person."""

    def __init__(self, folder: Path, chromium: Browser) -> None:
        now = datetime.now(UTC)
        bodies = [
            request_body(f"PA-{number}", NOTE_WITH_SIGNS, received_at=(now - timedelta(hours=20 - number)).isoformat())
            for number in range(1, 9)
        ]
        requests = folder / "requests.jsonl"
        requests.write_text("\n".join(json.dumps(body) for body in bodies))
        self.server = RunningServer(folder, "--load", str(requests))
        self.server.start()
        self.store = Store.open(database_in(folder))
        self._people = PeopleStore(self.store)
        self._tokens: dict[str, str] = {}
        self._chromium = chromium

    def close(self) -> None:
        """End the service."""
        self.store.close()
        self.server.close()

    def leave_unread(self, external_id: str) -> None:
        """Store a request that somebody far away has been reading ever since."""
        request = parse_request(request_body(external_id))
        now = datetime.now(UTC)
        case = accepted(self.store, request, now=now, due_at=now + timedelta(days=2), lease_for=lambda _: "far away")
        self.lease_ends(case.authorization_id, datetime(2100, 1, 1, tzinfo=UTC))

    def lease_ends(self, authorization_id: str, at: datetime) -> None:
        """Let whoever holds a case's job hold it until then."""
        with self.store.writing() as session:
            session.execute(update(JobRow).where(JobRow.authorization_id == authorization_id).values(run_after=at))

    @contextmanager
    def page_of(self, role: Role, name: str, *, password: bool = False, **options: Any) -> Iterator[Page]:
        """A browser in which somebody is signed in, who may have PASSWORD to sign in again.

        What the console complains of fails the test, a refusal excepted.
        """
        if password or name not in self._tokens:
            way_in = {"password": PASSWORD} if password else {"oidc_subject": name}
            person = self._people.named(name) or self._people.add(
                name, name.title(), role, now=datetime.now(UTC), **way_in
            )
            self._tokens[name] = self._people.sign_in(person, now=datetime.now(UTC))
        context = self._chromium.new_context(
            base_url=self.server.url, viewport={"width": 1280, "height": 720}, **options
        )
        context.add_cookies([{"name": COOKIE, "value": self._tokens[name], "url": self.server.url}])
        page = context.new_page()
        complaints: list[str] = []
        hear_complaints(page, complaints, but=("status of 4",))
        yield page
        context.close()
        assert complaints == []

    def row(self, external_id: str) -> AuthorizationRow:
        """The stored case."""
        with self.store.reading() as session:
            return session.scalars(select(AuthorizationRow).where(AuthorizationRow.external_id == external_id)).one()

    def let_idle(self, name: str) -> None:
        """Let somebody's sign-ins have been idle for longer than they last."""
        with self.store.writing() as session:
            theirs = select(PersonRow.person_id).where(PersonRow.sign_in_name == name).scalar_subquery()
            session.execute(
                update(SignInRow)
                .where(SignInRow.person_id == theirs, SignInRow.ended_at.is_(None))
                .values(last_seen_at=datetime.now(UTC) - IDLE_LIMIT - timedelta(seconds=5))
            )

    def drafts(self, external_id: str) -> list[str]:
        """The names of the forms that somebody began on it."""
        case = self.row(external_id).authorization_id
        with self.store.reading() as session:
            return list(session.scalars(select(DraftRow.form).where(DraftRow.authorization_id == case)))

    def kept(self, external_id: str) -> list[tuple[str, dict[str, Any]]]:
        """What was done on it, kind and content."""
        case = self.row(external_id).authorization_id
        with self.store.reading() as session:
            rows = session.scalars(
                select(CaseActionRow)
                .where(CaseActionRow.authorization_id == case)
                .order_by(CaseActionRow.at, CaseActionRow.action_id)
            )
            return [(row.kind, json.loads(row.content)) for row in rows]
