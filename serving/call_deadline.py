"""A deadline for a whole HTTP call: not only each read has a time limit, but all of them together.

A limit for each read alone lets a receiver that sends one byte now and then hold a call for as long as it likes.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore2

_ends_at: ContextVar[float] = ContextVar("ends_at")


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """While inside, whatever this thread does through :class:`DeadlineNetwork` ends by then, with a TimeoutException."""
    before = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(before)


def within_deadline(timeout: float | None) -> float | None:
    """What of ``timeout`` is left until the deadline. Raises httpcore2.TimeoutException once it has passed."""
    ends_at = _ends_at.get(None)
    if ends_at is None:
        return timeout
    left = ends_at - time.monotonic()
    if left <= 0:
        raise httpcore2.TimeoutException("the call took too long")
    return left if timeout is None else min(timeout, left)


class DeadlineNetwork(httpcore2.NetworkBackend):
    """The network as it is, under the deadline of the call; a connection that misses it is closed by its pool."""

    def __init__(self) -> None:
        self._network = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect before the deadline."""
        stream = self._network.connect_tcp(host, port, within_deadline(timeout), local_address, socket_options)
        return _DeadlineStream(stream)


class _DeadlineStream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, within_deadline(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, within_deadline(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        # Python counts the timeout for a handshake as a whole.
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, within_deadline(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
