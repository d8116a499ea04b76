"""What people decided about requests, and the columns in which past decisions travel from the service to training.

Only people record outcomes; nothing in greenlane sets, suggests or predicts one other than "as requested".
docs/own-history.md explains every column.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


class Outcome(StrEnum):
    """What became of a request at its first decision, as it was asked for.

    A request for which anything was asked first is ``information_requested``, whatever came after. ``withdrawn`` says
    nothing about the request.
    """

    APPROVED_AS_REQUESTED = "approved_as_requested"
    APPROVED_MODIFIED = "approved_modified"
    INFORMATION_REQUESTED = "information_requested"
    REFERRED = "referred"
    ADVERSE = "adverse"
    WITHDRAWN = "withdrawn"


class DecisionSource(StrEnum):
    """Who decided: a nurse, a medical director, nobody (the fast lane), or a nurse to whom the blind audit gave it."""

    NURSE = "nurse"
    MEDICAL_DIRECTOR = "medical_director"
    FAST_TRACK = "fast_track"
    BLIND_AUDIT = "blind_audit"


Role = Literal["nurse", "medical_director"]
DecisionKind = Literal["decision", "overturned"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about one request, when, in which role.

    ``kind`` ``overturned``: this outcome replaced an earlier one, on appeal or because an approval was taken back.
    """

    outcome: Outcome
    decided_at: datetime
    decided_by: str
    role: Role
    kind: DecisionKind = "decision"


HISTORY_COLUMNS = (
    "request",
    "outcome",
    "decided_at",
    "source",
    "audit_probability",
    "overturned_at",
    "overturned_to",
    "member_key",
    "documents_added",
    "model_version",
)
"""The columns of an own-history file, in order."""

NEEDED_COLUMNS = ("request", "outcome", "decided_at", "source")
"""Those that every file must have; the others may be left out."""
