"""The interface does what its OpenAPI document says, whatever is sent: no 500, no status, type or field beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from running_server import ROOT, RunningServer

from serving.api_keys import Scope
from serving.key_store import KeyStore
from serving.store import Store

pytestmark = pytest.mark.slow

SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "100"))
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance"
)
"""No 500, and no status, type, header or field beside the document."""


def test_nothing_that_is_sent_is_answered_otherwise_than_documented(tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="needs the package schemathesis")
    server = RunningServer(tmp_path, GREENLANE_API_KEYS="required", GREENLANE_REQUESTS_PER_MINUTE="0")
    store = Store.open(server.database_url)
    made = KeyStore(store).add("schemathesis", store.tenant, list(Scope), created_by="a test", now=datetime.now(UTC))
    store.close()
    server.start()
    try:
        # The command of CONTRIBUTING.md, for a shorter time; schemathesis.toml says which answers are checked.
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "tests" / "schemathesis.toml")),
                *("run", f"{server.url}/openapi.json", "--max-time", str(SECONDS), "--no-color"),
                *("-H", f"Authorization: Bearer {made.token}", "--checks", CHECKS),
                # JSON Lines are none of the types it can write.
                *("--exclude-path", "/v1/batches"),
            ],
            # Its folder of what it keeps between runs comes to lie here.
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
        generated = re.search(r"(\d+) generated", done.stdout)
        assert generated is not None
        assert int(generated[1]) >= 100
        assert httpx.get(f"{server.url}/healthz").status_code == 200
    finally:
        server.close()
    assert "Traceback" not in (tmp_path / "server.log").read_text()
