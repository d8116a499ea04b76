"""How long a call takes by itself: not what other tests left behind, nor what else the machine does."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def own_seconds(call: Callable[[], object]) -> float:
    """Processor seconds of a call, the less of two: other work only adds, a slow call is slow both times.

    Nobody's objects are looked through for garbage meanwhile.
    """
    gc.disable()
    try:
        return min(_seconds(call) for _ in range(2))
    finally:
        gc.enable()


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began
