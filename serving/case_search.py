"""How cases stand, by the intake system's own ids: for a system that lost track."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from serving.store import Store
from serving.stored_case import ListedCase, listed_case
from serving.tables import AuthorizationRow


def cases_of(store: Store, external_ids: Sequence[str]) -> tuple[ListedCase, ...]:
    """The stored cases of these external ids, in the order asked; ids that are not stored are left out."""
    with store.reading() as session:
        rows = session.scalars(
            select(AuthorizationRow).where(
                AuthorizationRow.tenant == store.tenant, AuthorizationRow.external_id.in_(set(external_ids))
            )
        )
        found = {row.external_id: listed_case(row) for row in rows}
    return tuple(found[wanted] for wanted in dict.fromkeys(external_ids) if wanted in found)
