"""The reading side of the service: the champion model and the pipeline, and whether they are there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from features.errors import PolicyError
from features.extract import extract
from features.plan_settings import load_plan_settings
from features.policy import load_policies
from features.types import AuthorizationRequest, Document
from models.errors import TurnaroundError
from models.triage import triage
from models.turnaround_rules import load_turnaround_rules
from models.types import TriageResult
from serving.champion import Champion
from serving.settings import Settings

_log = logging.getLogger("greenlane.serving")


Triage = Callable[[AuthorizationRequest], TriageResult]


class OneAtATime:
    """Triage in this process, one request after the other: it is pure Python, so threads would only take turns anyway.

    ``timed`` is told the seconds each took.
    """

    def __init__(self, triage: Triage, *, timed: Callable[[float], None]) -> None:
        self._triage = triage
        self._timed = timed
        self._reading = threading.Lock()

    def __call__(self, request: AuthorizationRequest) -> TriageResult:
        with self._reading:
            begin = time.perf_counter()
            try:
                return self._triage(request)
            finally:
                self._timed(time.perf_counter() - begin)


@dataclass(frozen=True, slots=True)
class Reader:
    """Triage as this process does it. Without a usable champion nothing is fast-tracked."""

    champion: Champion
    fast_track_enabled: bool
    checks: Mapping[str, str] = field(default_factory=dict)
    trusts_recognition: bool = False

    @classmethod
    def load(cls, settings: Settings) -> Reader:
        """Load the champion of the model directory and read one sentence, so that the first request is fast.

        Never raises: what is missing stands in :meth:`readiness`.
        """
        checks = {"pipeline": "ok"}
        champion = Champion(settings.model_dir)
        try:
            extract([Document("d1", "Denies fever.")])
        except Exception as error:
            checks["pipeline"] = f"notes cannot be read: {type(error).__name__}"
        try:
            load_plan_settings(settings.plans, load_policies())
        except PolicyError as error:
            checks["plans"] = "the plan settings cannot be used, see the log: every request goes to a nurse"
            _log.error("plans: %s", error)
        try:
            load_turnaround_rules(settings.turnaround)
        except TurnaroundError as error:
            checks["turnaround"] = (
                "the turnaround rules cannot be used, see the log: 72 hours and 7 days hold meanwhile"
            )
            _log.error("turnaround: %s", error)
        for name, state in {"model": champion.state(), **checks}.items():
            if state != "ok":
                _log.warning("%s: %s", name, state)
        return cls(champion, settings.fast_track_enabled, checks, settings.ocr_fast_track)

    def triage(self, request: AuthorizationRequest) -> TriageResult:
        """:func:`models.triage.triage` with this reader's model and switch."""
        if self.trusts_recognition:
            documents = tuple(replace(document, trusts_recognition=True) for document in request.documents)
            request = replace(request, documents=documents)
        return triage(request, bundle=self.champion.current(), fast_track_enabled=self.fast_track_enabled)

    def readiness(self) -> dict[str, str]:
        """What works: ``ok`` or a sentence, for ``model``, ``pipeline`` and what else was looked at."""
        return {"model": self.champion.state(), **self.checks}
