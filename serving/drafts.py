"""What people have written in the forms of a case and not sent yet. It is kept here and never in a browser's storage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from serving.errors import BodyTooLargeError, InvalidParameterError, UnknownAuthorizationError
from serving.records import dumps
from serving.store import Store
from serving.stored_case import refuse_erased
from serving.tables import AuthorizationRow, DraftRow

LONGEST_FORM_NAME = 32
LONGEST_DRAFT = 200_000
"""Characters of one draft."""
_NOT_WRITTEN = frozenset({"form_token", "turn", "draft"})
"""Fields the page fills in itself: a kept ``turn`` would pass an old view of the case off as a new one."""


class DraftStore:
    """Drafts of one tenant: one for each person, case and form. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(
        self, person_id: str, authorization_id: str, form: str, fields: Mapping[str, str], *, now: datetime
    ) -> None:
        """Keep the fields in place of what was kept before; where nothing is written, nothing is kept.

        Raises UnknownAuthorizationError, InvalidParameterError (the form's name) or BodyTooLargeError.
        """
        if not form or len(form) > LONGEST_FORM_NAME or not form.replace("-", "_").isidentifier():
            raise InvalidParameterError("form", "is no name of a form")
        content = dumps(dict(fields))
        if sum(map(len, fields.values())) > LONGEST_DRAFT:
            raise BodyTooLargeError(f"a draft may be {LONGEST_DRAFT} characters")
        with self._store.writing() as session:
            refuse_erased(self._must_be_ours(session, authorization_id))
            if any(value.strip() for value in fields.values()):
                session.merge(
                    DraftRow(
                        person_id=person_id,
                        authorization_id=authorization_id,
                        form=form,
                        content=content,
                        saved_at=now,
                    )
                )
            else:
                clear_draft(session, person_id, authorization_id, form)

    def load(self, person_id: str, authorization_id: str, form: str) -> dict[str, str]:
        """The fields of one form, empty where nothing is kept. Raises UnknownAuthorizationError."""
        return self.drafts_of(person_id, authorization_id).get(form, {})

    def drafts_of(self, person_id: str, authorization_id: str) -> dict[str, dict[str, str]]:
        """The fields of every form that this person has begun on this case, by the form's name: for templates.

        Raises UnknownAuthorizationError.
        """
        query = select(DraftRow).where(DraftRow.person_id == person_id, DraftRow.authorization_id == authorization_id)
        with self._store.reading() as session:
            self._must_be_ours(session, authorization_id)
            return {row.form: json.loads(row.content) for row in session.scalars(query)}

    def clear(self, person_id: str, authorization_id: str, form: str) -> None:
        """Forget a draft: it was sent, or thrown away. Raises UnknownAuthorizationError."""
        with self._store.writing() as session:
            self._must_be_ours(session, authorization_id)
            clear_draft(session, person_id, authorization_id, form)

    def _must_be_ours(self, session: Session, authorization_id: str) -> AuthorizationRow:
        case = session.get(AuthorizationRow, authorization_id)
        if case is None or case.tenant != self._store.tenant:
            raise UnknownAuthorizationError("authorization_id: no authorization has this id")
        return case


def clear_draft(session: Session, person_id: str, authorization_id: str, form: str) -> None:
    """Forget a draft in the transaction that does what the draft was written for."""
    session.execute(
        delete(DraftRow).where(
            DraftRow.person_id == person_id, DraftRow.authorization_id == authorization_id, DraftRow.form == form
        )
    )


def written_fields(form: FormData) -> dict[str, str]:
    """What a person wrote in a posted form: a field that comes several times has a line for each."""
    fields: dict[str, str] = {}
    for name, value in form.multi_items():
        if isinstance(value, str) and name not in _NOT_WRITTEN:
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return fields
