"""``greenlane serve``: the application under uvicorn, with requests loaded at start where asked."""

from __future__ import annotations

import gc
import logging
import math
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn

from features.errors import RequestRefusedError
from serving.app import create_app
from serving.demo_people import demo_people_lines
from serving.errors import ServingError, SettingsError
from serving.records import dumps
from serving.request_files import EVALUATION_FIELDS, entries
from serving.safe_start import refuse_plain_http
from serving.service import AuthorizationService
from serving.settings import load_settings
from serving.stderr_log import log_to_stderr
from serving.triage_pool import default_processes

_log = logging.getLogger("greenlane.serving")


def serve(*, host: str | None, port: int | None, load: Sequence[str], migrate: bool, demo_people: bool) -> None:
    """Serve until stopped. Raises SettingsError, StoreUnavailableError or FeaturesError where it cannot start."""
    settings = load_settings()
    log_to_stderr(settings.log_format)
    readers = default_processes() if settings.readers is None else settings.readers
    settings = settings.model_copy(update={"host": host or settings.host, "readers": readers})
    if demo_people and not settings.is_for_this_machine:
        raise SettingsError("--demo-people: only where the service listens on this machine alone (127.0.0.1)")
    refuse_plain_http(settings)
    listening = _listen(settings.host, settings.port if port is None else port)
    app = create_app(settings, migrate=migrate, deliver=settings.deliver_webhooks)
    if demo_people:
        for line in demo_people_lines(app.state.people):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    if not settings.needs_keys:
        _log.warning("for development only: calls without an API key are taken, and belong to the tenant default")
    failed = load_requests(app.state.service, load)
    if failed:
        _log.warning("%d inputs could not be loaded", failed)
    address, bound = listening.getsockname()[:2]
    _log.info("greenlane on http://%s:%d/", f"[{address}]" if ":" in address else address, bound)
    # Access lines are our own: uvicorn's hold paths and queries.
    config = uvicorn.Config(
        app,
        access_log=False,
        # Its own handlers would write tracebacks, which may quote what was being read.
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.stop_seconds),
    )
    # What is loaded stays: without this, looking for what nobody needs any more stops all answers for a tenth of a second.
    gc.collect()
    gc.freeze()
    StoppableServer(config, drain_seconds=settings.drain_seconds, stop=app.state.readiness.stop).run(
        sockets=[listening]
    )


class StoppableServer(uvicorn.Server):
    """Told to stop, it calls ``stop``, goes on for ``drain_seconds``, answers what is in flight and ends with exit code 0.

    Told twice, it stops at once.
    """

    def __init__(self, config: uvicorn.Config, *, drain_seconds: float, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._stop = stop
        self._told = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """What SIGTERM and SIGINT do. Not uvicorn's own, which ends the process by the signal in spite of an orderly end."""
        self._stop()
        if self.should_exit:
            self.force_exit = sig == signal.SIGINT
        elif self._told or not self._drain_seconds:
            self.should_exit = True
        else:
            self._told = True
            timer = threading.Timer(self._drain_seconds, setattr, (self, "should_exit", True))
            timer.daemon = True
            timer.start()


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens from now on, so that a port in use is found before anything is loaded."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
    # asyncio sends small parts at once (TCP_NODELAY) only on sockets that say they are TCP, which Python's own do not:
    # the second part of each answer would wait 40 ms for the caller's acknowledgement of the first.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listening.detach())


def load_requests(service: AuthorizationService, names: Sequence[str]) -> int:
    """Store and triage the requests of files; those stored before stay as they are. Returns how many failed."""
    failed = 0
    for entry in entries(names):
        problems = list(entry.problems)
        if isinstance(entry.data, dict):
            data = {field: value for field, value in entry.data.items() if field not in EVALUATION_FIELDS}
            try:
                service.submit(dumps(data).encode(), at_once=True)
            except RequestRefusedError as error:
                problems += [f"{field}: {message}" for field, message in error.problems]
            except ServingError as error:
                problems.append(str(error))
        elif not problems:
            problems.append("must be a JSON object")
        failed += bool(problems)
        for problem in problems:
            sys.stderr.write(f"{entry.place}: {problem}\n")
    return failed
