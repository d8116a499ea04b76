"""The errors of this room. Each message is one line for the person who sees it and never holds note text."""

from __future__ import annotations


class TrainingError(Exception):
    """A training step cannot go on; the message names the file or the cases and says what to do."""


class DatasetError(TrainingError):
    """The cases cannot be read or trained on: a broken line, a missing split, one class only."""


class PromotionRefusedError(TrainingError):
    """The candidate does not pass the gates. Nothing was promoted; the champion in service stays."""
