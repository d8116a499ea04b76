"""The version of everything in this room that can change an answer, in one string stamped on every result."""

from __future__ import annotations

from features.lexicon import load_lexicon
from features.policy import load_policies
from features.vector import SCHEMA

PIPELINE = "2026.11.3"
"""Raised whenever the code that reads notes or judges criteria can answer differently."""


def pipeline_version() -> str:
    """Code version, lexicon hash, policies hash and feature schema hash."""
    return (
        f"{PIPELINE}+lexicon.{load_lexicon().hash[:8]}.policies.{load_policies().hash[:8]}.features.{SCHEMA.hash[:8]}"
    )
