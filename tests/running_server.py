"""``greenlane serve`` as a process of its own, on a free port, for tests that kill it or look at it in a browser."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
from databases import database_in

ROOT = Path(__file__).parents[1]


class RunningServer:
    """A server that can be killed and started again on the same port and database."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self._log = (folder / "server.log").open("ab")
        self._arguments = arguments
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.database_url = database_in(folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GREENLANE_")}
        self._environment = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "GREENLANE_DATABASE_URL": self.database_url,
            "GREENLANE_MODEL_DIR": str(folder / "models"),
            # One is enough for tests, and a machine with few cores starts it sooner.
            "GREENLANE_READERS": "1",
            **environment,
        }
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and return once it answers."""
        command = [sys.executable, "-m", "serving.cli", "serve", "--port", str(self._port), *self._arguments]
        self._process = subprocess.Popen(
            command, env=self._environment, cwd=ROOT, stdout=self._log, stderr=self._log, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{self.url}/healthz")
            except httpx.TransportError:
                assert self._process.poll() is None, "the server ended at once; see server.log"
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("the server does not answer")

    def peak_memory(self) -> int:
        """The most bytes of memory it ever held. Linux only."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    def kill(self) -> None:
        """End it as a power failure would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as an operator would; returns its exit code."""
        return self._end(signal.SIGTERM)

    def close(self) -> None:
        """End it if it runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._log.close()

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(timeout=30)
