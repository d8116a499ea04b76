"""Decisions from a file, for plans whose nurses decide in another system: JSON Lines, one decision a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from features.errors import RequestRefusedError
from features.request import refusal
from models.decisions import Decision, DecisionKind, Outcome
from serving.errors import ServingError
from serving.past_decisions import record_decision
from serving.request_files import entries
from serving.store import Store


class DecisionBody(BaseModel):
    """One line: which request, what was decided, when, by whom in which role; ``kind`` ``overturned`` for an appeal."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    external_id: str = Field(min_length=1, max_length=200)
    outcome: Outcome
    decided_at: AwareDatetime
    decided_by: str = Field(min_length=1, max_length=200)
    role: Literal["nurse", "medical_director"]
    kind: DecisionKind = "decision"


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """What became of one line: recorded now, recorded before, or refused for ``problems``."""

    place: str
    new: bool
    problems: tuple[str, ...] = ()


def record_decisions(store: Store, names: Sequence[str]) -> Iterator[RecordedLine]:
    """Record every decision of the files, each by itself: one that is refused does not hold up the others."""
    for entry in entries(names):
        if entry.problems:
            yield RecordedLine(entry.place, False, entry.problems)
            continue
        try:
            body = DecisionBody.model_validate(entry.data)
            decision = Decision(body.outcome, body.decided_at, body.decided_by, body.role, body.kind)
            yield RecordedLine(entry.place, record_decision(store, body.external_id, decision, now=datetime.now(UTC)))
        except ValidationError as error:
            yield RecordedLine(entry.place, False, _sentences(refusal(error)))
        except ServingError as error:
            yield RecordedLine(entry.place, False, (str(error),))


def _sentences(refused: RequestRefusedError) -> tuple[str, ...]:
    return tuple(f"{field}: {message}" for field, message in refused.problems)
