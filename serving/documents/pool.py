"""A few processes that read documents. One that hangs, dies or eats memory is killed and replaced; no request is lost."""

from __future__ import annotations

import builtins
import contextlib
import logging
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from dataclasses import asdict
from typing import Self

from serving.documents.framing import FOLDER_PREFIX, receive_frame, send_frame
from serving.documents.limits import Limits
from serving.documents.read_document import ReadDocument, unread_document
from serving.errors import ServiceStoppingError
from serving.settings import Settings

READ_BY = "pool 1"
"""Stands as the reader where the process that read was ended before it answered."""

_DOCUMENTS_EACH = 200
"""A process is replaced after so many documents, so that what a library leaks goes with it."""
_BYTES_A_CHARACTER = 4
_RECORD_BYTES = 4_000_000
_LOOKS = 100
_TAKEN_ALONG = ("PATH", "LANG", "LC_ALL", "TZ", "TESSDATA_PREFIX", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Of the environment; nothing else, so that no secret of the service is within a document's reach."""

_log = logging.getLogger("greenlane.serving")


class ReadingPool:
    """Reads documents in processes of its own, started when first needed. Safe to share between threads: as many documents
    are read at once as there are processes, the others wait their turn.
    """

    def __init__(self, limits: Limits, *, processes: int = 2) -> None:
        self._limits = limits
        # Last in, first out: a process that runs is taken before another is started.
        self._turns: queue.LifoQueue[_ReadingProcess | None] = queue.LifoQueue()
        self._processes: set[_ReadingProcess] = set()
        self._changing = threading.Lock()
        self._closed = False
        for _ in range(processes):
            self._turns.put(None)
        # Also for those who forget to close it, and at the end of the interpreter.
        weakref.finalize(self, _end_all, self._processes)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The pool a deployment has set. Nothing is started yet."""
        limits = Limits(
            file_bytes=settings.document_bytes,
            pages=settings.document_pages,
            characters=settings.document_characters,
            seconds=settings.document_seconds,
            memory_bytes=settings.document_memory,
            recognition=settings.ocr,
            recognition_seconds=settings.ocr_seconds,
        )
        return cls(limits, processes=settings.document_processes)

    def read(self, content: bytes, content_type: str) -> ReadDocument:
        """The document read, or unread with the reason: nothing a document does raises.

        Raises ServiceStoppingError after :meth:`close`; the document may then be read another day.
        """
        if len(content) > self._limits.file_bytes:
            return unread_document("is a larger file than this service reads", READ_BY)
        return self._read(self._turns.get(), content, content_type)

    def try_out(self) -> str | None:
        """Why no file can be read just now, None where one can. Where all processes are reading, one can.

        Raises ServiceStoppingError after :meth:`close`.
        """
        try:
            process = self._turns.get_nowait()
        except queue.Empty:
            return None
        return self._read(process, b"<p>Denies fever.</p>", "text/html").unread

    def _read(self, process: _ReadingProcess | None, content: bytes, content_type: str) -> ReadDocument:
        """With a process whose turn it is, which is given back or replaced."""
        kept: _ReadingProcess | None = None
        try:
            if process is None:
                process = self._start()
            read = process.read(content, content_type)
            kept = process if process.served < _DOCUMENTS_EACH else None
            return read
        except _ReadingFailedError as failure:
            if self._closed:
                raise ServiceStoppingError(
                    "the service is stopping; what it accepted is read when it starts again"
                ) from None
            _log.warning("a document was given up: %s", failure)
            return unread_document(failure.why, READ_BY)
        except OSError as error:
            _log.error("no process can be started to read documents: %s", type(error).__name__)
            return unread_document("could not be read just now", READ_BY)
        finally:
            if process is not None and kept is None:
                self._end(process)
            self._turns.put(kept)

    def close(self) -> None:
        """End every process, also one that is reading. May be called twice."""
        with self._changing:
            self._closed = True
        _end_all(self._processes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> _ReadingProcess:
        with self._changing:
            if self._closed:
                raise ServiceStoppingError("the service is stopping; what it accepted is read when it starts again")
            process = _ReadingProcess(self._limits)
            self._processes.add(process)
        return process

    def _end(self, process: _ReadingProcess) -> None:
        process.end()
        with self._changing:
            self._processes.discard(process)


def _end_all(processes: set[_ReadingProcess]) -> None:
    for process in tuple(processes):
        process.end()
    processes.clear()


class _ReadingFailedError(Exception):
    """A process did not answer; ``why`` completes "Document d1 ...", the message is for the log."""

    def __init__(self, why: str, kind: str) -> None:
        self.why = why
        super().__init__(kind)


class _ReadingProcess:
    """One process with a folder of its own for what its libraries write while they read."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.served = 0
        self._ending = threading.Lock()
        self._ended = False
        self._folder = tempfile.mkdtemp(prefix=FOLDER_PREFIX)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-s", "-m", "serving.documents.worker"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_environment(self._folder),
                    cwd=self._folder,
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                shutil.rmtree(self._folder, ignore_errors=True)
                raise
        self._channel = ours

    def read(self, content: bytes, content_type: str) -> ReadDocument:
        """Raises _ReadingFailedError where it does not answer properly and in time; then it must be ended."""
        limits = self._limits
        deadline = time.monotonic() + limits.seconds + (limits.recognition_seconds if limits.recognition else 0)
        most = limits.characters * _BYTES_A_CHARACTER + _RECORD_BYTES
        self.served += 1
        try:
            send_frame(
                self._channel, {"content_type": content_type, "limits": asdict(limits)}, content, deadline=deadline
            )
            frame = receive_frame(self._channel, most=most, deadline=deadline)
            if frame is None:
                raise self._died()
            answer, text = frame
            if "failed" in answer:
                raise _failed(str(answer["failed"])[:60])
            return ReadDocument.from_record(text.decode(), answer["record"])
        except TimeoutError:
            raise _ReadingFailedError("took too long to read", "timeout") from None
        except ConnectionError:
            raise self._died() from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise _ReadingFailedError("could not be read", type(error).__name__) from None

    def end(self) -> None:
        """Kill it with everything it started, and remove its folder. May be called twice."""
        with self._ending:
            if self._ended:
                # Its number may belong to another process by now.
                return
            self._ended = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._channel.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _died(self) -> _ReadingFailedError:
        ended_by = self._signal()
        if ended_by == signal.SIGXCPU:
            return _ReadingFailedError("took too long to read", "processor time")
        return _ReadingFailedError("could not be read: its reader broke off", f"signal {ended_by}")

    def _signal(self) -> int:
        """The signal that ended it, 0 where there was none. It is left to :meth:`end` to reap it."""
        for _ in range(_LOOKS):
            with contextlib.suppress(ChildProcessError):
                found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
                if found is not None:
                    return found.si_status if found.si_code in (os.CLD_KILLED, os.CLD_DUMPED) else 0
            time.sleep(0.01)
        return 0


def _failed(kind: str) -> _ReadingFailedError:
    if kind == "MemoryError":
        return _ReadingFailedError("needs more memory than a document may use", kind)
    # A process that a document took over could answer with the document's words.
    return _ReadingFailedError("could not be read", kind if hasattr(builtins, kind) else "another error")


def _environment(folder: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _TAKEN_ALONG if name in os.environ}
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    # One thread each: the processes share the machine with whoever scores.
    return {
        **kept,
        "PYTHONPATH": paths,
        "TMPDIR": folder,
        "HOME": folder,
        "OMP_THREAD_LIMIT": "1",
        "OMP_NUM_THREADS": "1",
    }
