"""Who holds a lease on a job: a process, named so that another one on the same machine can tell when it is gone.

A lease that nobody renews ends by itself; that takes half a minute. Where the process died on this machine, nobody needs to
wait for it.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

_LONGEST_HOST = 40


def owner_name() -> str:
    """This process, and one of its queues: ``place/process id/start/random``. At most 120 characters."""
    return f"{_place()}/{os.getpid()}/{_started(os.getpid()) or '-'}/{secrets.token_hex(4)}"


def is_gone(owner: str) -> bool:
    """Whether that process certainly runs no more: it was on this machine, and is not there or is another one now."""
    place, _, rest = owner.partition("/")
    pid, _, rest = rest.partition("/")
    started = rest.partition("/")[0]
    if place != _place() or not pid.isdecimal() or not started.isdecimal():
        return False
    return _started(int(pid)) != started


def _place() -> str:
    """The machine and its space of process ids: containers of one machine may each have their own number 1."""
    try:
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        space = 0
    return f"{socket.gethostname()[:_LONGEST_HOST].replace('/', '-')}:{space}"


def _started(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None where it does not run or the system does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name of the program stands in parentheses and may hold anything.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]
