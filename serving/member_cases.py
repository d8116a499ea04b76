"""Whose a case is or ever was: an update may name another member, and what was kept of the first is still theirs."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, literal, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, aliased

from serving.batch_tables import RequestVersionRow
from serving.database import without_nul
from serving.tables import AuthorizationRow


def ever_of_member(tenant: str, member_id: str) -> ColumnElement[bool]:
    """Whether the case of the enclosing query is this tenant's and is, or was before an update, this member's."""
    wanted = without_nul(member_id)
    # Each half by its own index; an OR over both tables reads every case of the tenant on PostgreSQL.
    now = aliased(AuthorizationRow)
    ids = union_all(
        select(now.authorization_id).where(now.tenant == tenant, now.member_id == wanted),
        select(RequestVersionRow.authorization_id).where(RequestVersionRow.member_id == wanted),
    )
    return and_(AuthorizationRow.tenant == tenant, AuthorizationRow.authorization_id.in_(ids))


def ever_of_same_member(member_id: InstrumentedAttribute[str | None]) -> ColumnElement[bool]:
    """Whether the case of the enclosing query is, or was before an update, of the member that this column names."""
    before = exists(literal(1)).where(
        RequestVersionRow.authorization_id == AuthorizationRow.authorization_id,
        RequestVersionRow.member_id == member_id,
    )
    return or_(AuthorizationRow.member_id == member_id, before)


def has_contents(
    tenant: InstrumentedAttribute[str], member_id: InstrumentedAttribute[str | None]
) -> ColumnElement[bool]:
    """Whether a case that is not erased is, or was before an update, of the member that these columns name."""
    not_erased = and_(AuthorizationRow.tenant == tenant, AuthorizationRow.erased_at.is_(None))
    before = exists(literal(1)).where(
        RequestVersionRow.member_id == member_id,
        AuthorizationRow.authorization_id == RequestVersionRow.authorization_id,
        not_erased,
    )
    return or_(exists(literal(1)).where(not_erased, AuthorizationRow.member_id == member_id), before)
