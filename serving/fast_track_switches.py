"""The fast lane's switch of each service family. Turns are only added, the latest holds, and a running service sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select

from serving.store import Store
from serving.tables import FastTrackSwitchRow


@dataclass(frozen=True, slots=True)
class FastTrackSwitch:
    """How a service family's switch stands: since when, by whom, why."""

    family: str
    off: bool
    switched_by: str
    why: str
    switched_at: datetime


def switch_fast_track(
    store: Store, families: Sequence[str], *, off: bool, switched_by: str, why: str, now: datetime
) -> None:
    """Turn the fast lane of service families off or on, all of them or none. What was before stays recorded."""
    with store.writing() as session:
        for family in families:
            session.add(
                FastTrackSwitchRow(
                    tenant=store.tenant,
                    family=family,
                    off=off,
                    switched_by=switched_by,
                    why=why,
                    switched_at=now,
                )
            )


def fast_track_switches(store: Store) -> tuple[FastTrackSwitch, ...]:
    """How every switch that was ever turned stands, by family."""
    latest = (
        select(func.max(FastTrackSwitchRow.switch_id))
        .where(FastTrackSwitchRow.tenant == store.tenant)
        .group_by(FastTrackSwitchRow.family)
    )
    query = (
        select(FastTrackSwitchRow).where(FastTrackSwitchRow.switch_id.in_(latest)).order_by(FastTrackSwitchRow.family)
    )
    with store.reading() as session:
        return tuple(
            FastTrackSwitch(row.family, row.off, row.switched_by, row.why, row.switched_at.astimezone(UTC))
            for row in session.scalars(query)
        )


def is_fast_track_off(store: Store, family: str) -> bool:
    """Whether a service family's fast lane is switched off now."""
    query = (
        select(FastTrackSwitchRow.off)
        .where(FastTrackSwitchRow.tenant == store.tenant, FastTrackSwitchRow.family == family)
        .order_by(FastTrackSwitchRow.switch_id.desc())
        .limit(1)
    )
    with store.reading() as session:
        return bool(session.scalar(query))
