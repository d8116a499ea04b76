"""How many open cases are overdue or nearly so, counted in the database when Prometheus asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from serving.clock_alarms import AlarmCounts, alarm_counts
from serving.errors import StoreUnavailableError
from serving.store import Store

FRESH_SECONDS = 15.0
"""Counted again after so long; every process that is scraped counts for itself."""


class DueGauges(Collector):
    """The counts as gauges; of the last count where the database was asked just now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counting = threading.Lock()
        self._counts: AlarmCounts | None = None
        self._until = float("-inf")

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """What :meth:`collect` gives, without values."""
        yield GaugeMetricFamily("greenlane_cases_overdue", "Open cases past their due time.", labels=["urgency"])
        yield GaugeMetricFamily(
            "greenlane_cases_due_soon", "Open cases within the rule's alarm before it.", labels=["urgency"]
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Nothing where the database cannot be asked: a scrape still gets everything else."""
        counts = self._current()
        if counts is None:
            return
        overdue, due_soon = self.describe()
        for family, numbers in ((overdue, counts.overdue), (due_soon, counts.soon)):
            for urgency, number in numbers.items():
                family.add_metric([urgency], number)
        yield from (overdue, due_soon)

    def _current(self) -> AlarmCounts | None:
        with self._counting:
            if time.monotonic() >= self._until:
                try:
                    self._counts = alarm_counts(self._store, datetime.now(UTC))
                except StoreUnavailableError:
                    return None
                self._until = time.monotonic() + FRESH_SECONDS
            return self._counts
