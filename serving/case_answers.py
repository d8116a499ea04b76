"""What people answered on cases, as queries: actions that were not undone, and the first of them on each case."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, literal, select
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import Subquery

from serving.periods import Period
from serving.tables import CaseActionRow, ResultRow
from serving.work import DECIDING, ActionKind

ANSWERS = (
    ActionKind.APPROVED,
    ActionKind.APPROVED_MODIFIED,
    ActionKind.INFORMATION_REQUESTED,
    ActionKind.REFERRED,
    ActionKind.DETERMINED_ADVERSELY,
)
"""What can be a case's first answer, as in models.decisions.Outcome."""

REVIEWER_ANSWERS = (ActionKind.APPROVED, ActionKind.APPROVED_MODIFIED, ActionKind.REFERRED)
"""What a nurse can answer without waiting for anybody; two of them on one case can be compared."""

REVIEWER_ROLES = ("nurse", "lead")


def stands(action: type[CaseActionRow]) -> ColumnElement[bool]:
    """Whether the action was not undone."""
    # Few actions are undone: a set found once is cheaper than a look for each action.
    undoing = aliased(CaseActionRow)
    return action.action_id.not_in(select(undoing.undoes).where(undoing.undoes.is_not(None)))


def actions_in(tenant: str, period: Period, kinds: Collection[ActionKind]) -> Select[Any]:
    """Actions of these kinds in the period that were not undone."""
    return select(CaseActionRow).where(
        CaseActionRow.tenant == tenant,
        CaseActionRow.kind.in_([kind.value for kind in kinds]),
        CaseActionRow.at >= period.start,
        CaseActionRow.at < period.end,
        stands(CaseActionRow),
    )


def first_of_case(tenant: str, period: Period, kinds: Collection[ActionKind]) -> Subquery:
    """Those of :func:`actions_in` before which no other of these kinds stands on the same case."""
    earlier = aliased(CaseActionRow)
    return (
        actions_in(tenant, period, kinds)
        .where(
            ~exists(literal(1)).where(
                earlier.authorization_id == CaseActionRow.authorization_id,
                earlier.kind.in_([kind.value for kind in kinds]),
                earlier.action_id < CaseActionRow.action_id,
                stands(earlier),
            )
        )
        .subquery("first")
    )


def result_answered(answer: Subquery) -> ColumnElement[bool]:
    """Joins an answer to the result that it was given on."""
    # Plus nothing: SQLite would else take the primary key's index and read the whole result for each row.
    return and_(ResultRow.authorization_id == answer.c.authorization_id, ResultRow.revision + 0 == answer.c.revision)


def determinations(tenant: str, period: Period) -> Subquery:
    """The action that decided each case, where that was in the period."""
    return first_of_case(tenant, period, DECIDING)


def first_answers(tenant: str, period: Period) -> Subquery:
    """The first answer on each case, where that was in the period."""
    return first_of_case(tenant, period, ANSWERS)
