"""Shared fixtures; the builders they use stand in building.py."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

# Two test processes on two cores: scikit-learn's own threads would fight each other and take thirty times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def real_notes() -> list[str]:
    """The texts of the transcribed notes beside the repository; skips where they are not there."""
    path = SHARED_DATA / "mtsamples_notes.jsonl"
    if not path.exists():
        pytest.skip("the transcribed notes are not beside this repository (../shared/data/mtsamples_notes.jsonl)")
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="session")
def sample_bodies() -> list[dict[str, Any]]:
    """The written sample requests, each with the route it should take."""
    path = Path(__file__).parents[1] / "data_samples" / "requests.jsonl"
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
