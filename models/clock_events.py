"""What can happen to a running clock, with its time (timezone-aware). What it does, the rule says: :mod:`models.clocks`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from features.types import Urgency
from models.turnaround_rules import ExtensionReason


@dataclass(frozen=True, slots=True)
class ExtensionGranted:
    """More time was taken, for a reason, and the member was told. ``days`` None: as many as the rule allows."""

    at: datetime
    reason: ExtensionReason
    days: int | None = None


@dataclass(frozen=True, slots=True)
class InformationRequested:
    """The clinic or the member was asked for what is missing."""

    at: datetime


@dataclass(frozen=True, slots=True)
class InformationReceived:
    """What was asked for came."""

    at: datetime


@dataclass(frozen=True, slots=True)
class UrgencyChanged:
    """The request was made expedited, or the expedited review it asked for was not granted and it became a standard one."""

    at: datetime
    to: Urgency


ClockEvent = ExtensionGranted | InformationRequested | InformationReceived | UrgencyChanged
