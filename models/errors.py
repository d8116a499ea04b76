"""The errors of this room. Each message is one line for the person who sees it and never holds note text."""

from __future__ import annotations


class ModelError(Exception):
    """A model, its bundle or what it is asked to score cannot be used; the message says what and what to do."""


class BundleError(ModelError):
    """A bundle on disk is missing a part, was changed, or holds a type that is not trusted."""


class SchemaMismatchError(ModelError):
    """A feature vector was built by another feature schema than the model was trained on."""


class CalibrationError(ModelError):
    """Calibration turned the score upside down or had only one class to learn from."""


class TurnaroundError(ModelError):
    """A turnaround rule is broken or sets no time for a request; the message names the file and the place."""
