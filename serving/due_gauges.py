"""How many open cases are overdue or nearly so, counted in the database when Prometheus asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import case, func, select

from serving.errors import StoreUnavailableError
from serving.key_tables import TenantRow
from serving.store import Store
from serving.tables import AuthorizationRow
from serving.worklist_filter import LIVE

DUE_SOON = timedelta(hours=24)
"""A case due within this time counts as due soon, whatever its urgency."""
FRESH_SECONDS = 15.0
"""Counted again after so long; every process that is scraped counts for itself."""
_URGENCIES = ("standard", "expedited")


@dataclass(frozen=True, slots=True)
class DueCounts:
    """Open cases of all tenants, by urgency."""

    overdue: dict[str, int]
    due_soon: dict[str, int]


def count_due(store: Store, *, now: datetime) -> DueCounts:
    """Raises StoreUnavailableError. Reads only what is due, by the worklist's own index."""
    is_overdue = case((AuthorizationRow.due_at < now, 1), else_=0)
    query = (
        select(AuthorizationRow.urgency, is_overdue, func.count())
        # Named one by one, because the index begins with the tenant.
        .where(
            AuthorizationRow.tenant.in_(select(TenantRow.tenant)),
            AuthorizationRow.work.in_(LIVE),
            AuthorizationRow.due_at < now + DUE_SOON,
        )
        .group_by(AuthorizationRow.urgency, is_overdue)
    )
    counts = DueCounts(dict.fromkeys(_URGENCIES, 0), dict.fromkeys(_URGENCIES, 0))
    with store.reading() as session:
        for urgency, overdue, number in session.execute(query):
            (counts.overdue if overdue else counts.due_soon)[urgency] = number
    return counts


class DueGauges(Collector):
    """The counts as gauges; of the last count where the database was asked just now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counting = threading.Lock()
        self._counts: DueCounts | None = None
        self._until = float("-inf")

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """What :meth:`collect` gives, without values."""
        yield GaugeMetricFamily("greenlane_cases_overdue", "Open cases past their due time.", labels=["urgency"])
        yield GaugeMetricFamily(
            "greenlane_cases_due_soon", "Open cases due within 24 hours, those past due apart.", labels=["urgency"]
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Nothing where the database cannot be asked: a scrape still gets everything else."""
        counts = self._current()
        if counts is None:
            return
        overdue, due_soon = self.describe()
        for family, numbers in ((overdue, counts.overdue), (due_soon, counts.due_soon)):
            for urgency, number in numbers.items():
                family.add_metric([urgency], number)
        yield from (overdue, due_soon)

    def _current(self) -> DueCounts | None:
        with self._counting:
            if time.monotonic() >= self._until:
                try:
                    self._counts = count_due(self._store, now=datetime.now(UTC))
                except StoreUnavailableError:
                    return None
                self._until = time.monotonic() + FRESH_SECONDS
            return self._counts
