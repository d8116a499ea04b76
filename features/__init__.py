"""Notes to facts, facts to criteria, everything to a feature vector. No I/O beyond the package's own data files.

Importing this package is cheap: spaCy and medspaCy are loaded when the first note is read.
"""

from __future__ import annotations

# Bound here after the submodule of the same name is loaded, so that features.extract is the function for good.
from features.extract import extract

__all__ = ["extract"]
