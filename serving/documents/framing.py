"""What goes between the service and the processes that read: frames of JSON and bytes over a socket.

No pickle: a process taken over by a hostile document could answer with one, and loading it would run its code in the service.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

FOLDER_PREFIX = "greenlane-"
"""How the folder of temporary files of each reading process begins."""

_LENGTHS = struct.Struct(">II")


def send_frame(channel: socket.socket, head: Mapping[str, Any], body: bytes, *, deadline: float | None = None) -> None:
    """Send one frame. Raises OSError (TimeoutError after ``deadline`` of the monotonic clock)."""
    data = json.dumps(head).encode()
    channel.settimeout(_left(deadline))
    channel.sendall(_LENGTHS.pack(len(data), len(body)) + data)
    channel.settimeout(_left(deadline))
    channel.sendall(body)


def receive_frame(
    channel: socket.socket, *, most: int, deadline: float | None = None
) -> tuple[dict[str, Any], bytes] | None:
    """The next frame, None where the other side is gone.

    Raises OSError, or ValueError for a broken frame and one of more than ``most`` bytes.
    """
    lengths = _receive(channel, _LENGTHS.size, deadline)
    if lengths is None:
        return None
    head_length, body_length = _LENGTHS.unpack(lengths)
    if head_length + body_length > most:
        raise ValueError("a frame is longer than it may be")
    head, body = _receive(channel, head_length, deadline), _receive(channel, body_length, deadline)
    if head is None or body is None:
        return None
    parsed = json.loads(head)
    if not isinstance(parsed, dict):
        raise ValueError("a frame's head is no object")
    return parsed, body


def _receive(channel: socket.socket, length: int, deadline: float | None) -> bytes | None:
    data = bytearray()
    while len(data) < length:
        channel.settimeout(_left(deadline))
        chunk = channel.recv(min(1 << 20, length - len(data)))
        if not chunk:
            return None
        data += chunk
    return bytes(data)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
