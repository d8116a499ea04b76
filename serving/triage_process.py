"""The process that triages requests, one after the other, with the reader and the model loaded once.

Started by :mod:`serving.triage_pool` with :func:`main` and a socket as standard input. It ends when the other side is gone.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection

from models.types import TriageResult
from serving.reading import Reader
from serving.settings import Settings
from serving.stderr_log import log_to_stderr

_GRACE_SECONDS = 5
"""Processor time beyond the limit after which the process ends itself: its service may be gone and cannot end it."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a process is told first: the settings to read by, the most seconds a request may take, whether to log."""

    settings: Settings
    seconds: float
    logs: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process answers: the result (None where none was asked for, or ``failed`` names the kind of error), how long
    it took, and what of the reader works.
    """

    result: TriageResult | None
    failed: str | None
    seconds: float
    readiness: Mapping[str, str]


def serve(channel: Connection) -> None:
    """Answer requests until the other side is gone; None is answered with the readiness alone."""
    # Who stops the service also reaches this process; what is being read is ended by the service, in its own time.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        orders: Orders = channel.recv()
        if orders.logs:
            log_to_stderr(orders.settings.log_format)
        reader = Reader.load(orders.settings)
        # Model and vocabulary stay: nobody needs to look through them for what can go.
        gc.collect()
        gc.freeze()
        channel.send(Answer(None, None, 0, reader.readiness()))
        while True:
            request = channel.recv()
            _limit_processor_time(orders.seconds)
            begin = time.perf_counter()
            result, failed = None, None
            try:
                result = reader.triage(request) if request is not None else None
            except Exception as error:
                # The kind alone: the message may hold note text.
                failed = type(error).__name__
            channel.send(Answer(result, failed, time.perf_counter() - begin, reader.readiness()))
    except (EOFError, ConnectionError):
        return


def _limit_processor_time(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = used.ru_utime + used.ru_stime + seconds + _GRACE_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (int(most) + 1, resource.RLIM_INFINITY))


def main() -> None:
    """Serve whoever started this process."""
    with Connection(os.dup(sys.stdin.fileno())) as parent:
        serve(parent)
