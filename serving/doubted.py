"""A result that was not kept because the store knows more against it."""

from __future__ import annotations

from serving.doubts import Doubts


class DoubtedError(Exception):
    """``doubts`` are all there are; the result is to heed them and be kept again."""

    def __init__(self, doubts: Doubts) -> None:
        super().__init__("the result does not heed every doubt about the request")
        self.doubts = doubts
