"""Processes of greenlane's own commands, started again at once whenever they end, as a supervisor would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
_START_SECONDS = 180
_LOOK_SECONDS = 0.2


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Supervised:
    """One command. It is up once it answers on its ``port``, or, without one, once its log says ``ready_words``."""

    def __init__(
        self,
        name: str,
        *arguments: str,
        folder: Path,
        settings: Mapping[str, str],
        port: int | None = None,
        ready_words: bytes = b"working on the queue",
    ) -> None:
        self.name = name
        self.port = port
        self.log = folder / f"{name}.log"
        self.starts = 0
        self._arguments = arguments
        self._ready_words = ready_words
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GREENLANE_")}
        self.environment = {**kept, "PYTHONPATH": _paths(), **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._logged = 0
        self._is_up = False

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process that runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; it is not up yet."""
        with self.log.open("ab") as log:
            self._logged = log.tell()
            command = [sys.executable, "-m", "serving.cli", *self._arguments]
            self._process = subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=log, stderr=log)
        self.starts += 1
        self._is_up = False

    def supervise(self) -> None:
        """Start it again if it ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            self.start()

    def is_up(self) -> bool:
        """Whether it has come so far that it does its work."""
        self.supervise()
        self._is_up = self._is_up or (self._answers() if self.port else self._says_so())
        return self._is_up

    def until_up(self) -> None:
        """Wait until it is up. Raises TimeoutError."""
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_up():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not come up; see {self.log.name}")
            time.sleep(_LOOK_SECONDS)

    def kill(self) -> None:
        """End it as a power failure would, without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port or 0), timeout=1) as caller:
                caller.settimeout(1)
                caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return caller.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def _says_so(self) -> bool:
        with self.log.open("rb") as log:
            log.seek(self._logged)
            return self._ready_words in log.read()


def _paths() -> str:
    # Dependencies may lie outside of the environment that runs this.
    return os.pathsep.join([str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
