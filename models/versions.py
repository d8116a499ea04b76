"""What can change an answer, in one place: reading, criteria and routing."""

from __future__ import annotations

from features.version import pipeline_version as reading_version

ROUTING = "1"
"""Raised whenever routing can answer differently for the same reading and score."""


def pipeline_version() -> str:
    """The version stamped on every result: code, lexicon, policies, feature schema and routing."""
    return f"{reading_version()}.routing.{ROUTING}"
