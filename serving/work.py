"""Where a case stands with people, and what people do on it."""

from __future__ import annotations

from enum import StrEnum

from serving.roles import Permission, Role, may


class Work(StrEnum):
    """Where a case stands with people. Fast-tracked cases need nobody."""

    OPEN = "open"
    AWAITING_INFORMATION = "awaiting_information"
    REFERRED = "referred"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"
    FAST_TRACKED = "fast_tracked"
    CANCELLED = "cancelled"
    """The intake system took the request back before anything was determined: no answer is due, and none was given."""


def may_have(role: Role, work: Work | str) -> bool:
    """Whether somebody of this role may have a case that stands so: a referred one is a medical director's."""
    if work == Work.REFERRED:
        return may(role, Permission.DETERMINE_ADVERSELY)
    return may(role, Permission.WORK_ON_CASES)


class ActionKind(StrEnum):
    """What a person can do on a case. An adverse determination is a medical director's alone."""

    CLAIMED = "claimed"
    RELEASED = "released"
    ASSIGNED = "assigned"
    FACT_CORRECTED = "fact_corrected"
    NOTED = "noted"
    INFORMATION_REQUESTED = "information_requested"
    APPROVED = "approved"
    APPROVED_MODIFIED = "approved_modified"
    REFERRED = "referred"
    RETURNED = "returned"
    """The medical director gives a referred case back to the nurse."""
    DETERMINED_ADVERSELY = "determined_adversely"
    WITHDRAWN = "withdrawn"
    """The provider took the request back."""
    REOPENED = "reopened"
    EXTENDED = "extended"
    """More time is taken, as the turnaround rule allows, and the member is told."""
    MADE_EXPEDITED = "made_expedited"
    NOT_EXPEDITED = "not_expedited"
    """The expedited review that the member asked for is not granted: the standard time holds, and the member is told."""
    UNDONE = "undone"


DECIDING = frozenset({ActionKind.APPROVED, ActionKind.APPROVED_MODIFIED, ActionKind.DETERMINED_ADVERSELY})
"""The kinds that end a case."""

MOVING_CLOCK = frozenset({ActionKind.EXTENDED, ActionKind.MADE_EXPEDITED, ActionKind.NOT_EXPEDITED})
"""The kinds that change when a case is due and nothing else about it."""
