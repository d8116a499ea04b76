"""From what was read to a route: score, threshold, reasons. No HTTP, no database, no MLflow.

Importing this package is cheap: scikit-learn is loaded with the model.
"""

from __future__ import annotations

# Bound here after the submodule of the same name is loaded, so that models.triage is the function for good.
from models.triage import triage

__all__ = ["triage"]
