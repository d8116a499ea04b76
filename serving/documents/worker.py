"""The process that reads documents, one after the other, with little memory and time and nobody's secrets.

Started by :mod:`serving.documents.pool` as ``python -m serving.documents.worker`` with a socket as standard input. What
libraries print or log goes nowhere: it may quote the document.
"""

from __future__ import annotations

import logging
import resource
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from serving.documents.framing import FOLDER_PREFIX, receive_frame, send_frame
from serving.documents.limits import Limits
from serving.documents.readers import read_content

_MOST_IN_A_FRAME = 1 << 30


def serve(channel: socket.socket) -> None:
    """Read documents until the other side is gone."""
    logging.disable(logging.CRITICAL)
    while (frame := receive_frame(channel, most=_MOST_IN_A_FRAME)) is not None:
        head, content = frame
        limits = Limits(**head["limits"])
        confine(limits)
        answer, text = _answer(content, str(head["content_type"]), limits)
        send_frame(channel, answer, text)
        if "failed" in answer:
            # Whatever a library left behind after an unforeseen error is not trusted with the next document.
            return


def confine(limits: Limits) -> None:
    """Limit this process to what one more document may use; no core file, which would hold notes."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime + limits.seconds + (limits.recognition_seconds if limits.recognition else 0)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.unpacked_bytes, resource.RLIM_INFINITY))


def _answer(content: bytes, content_type: str, limits: Limits) -> tuple[dict[str, Any], bytes]:
    try:
        read = read_content(content, content_type, limits)
        return {"record": read.record()}, read.text.encode()
    except MemoryError:
        return {"failed": "MemoryError"}, b""
    except Exception as error:
        # The kind alone: the message may quote the document.
        return {"failed": type(error).__name__}, b""


if __name__ == "__main__":
    try:
        with socket.socket(fileno=sys.stdin.fileno()) as parent:
            serve(parent)
    finally:
        # Where the service itself was killed nobody else removes what libraries wrote about documents.
        if (folder := Path(tempfile.gettempdir())).name.startswith(FOLDER_PREFIX):
            shutil.rmtree(folder, ignore_errors=True)
