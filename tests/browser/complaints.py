"""What a page complains of while a test uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_READER_WAS_FASTER = "Autofocus processing was blocked"
"""Chromium says this where somebody clicked or typed before the page gave a field its focus, which is as it should be."""


def hear_complaints(page: Page, into: list[str], *, but: tuple[str, ...] = ()) -> None:
    """Collect whatever the page says on the console or throws from now on; ``but``: not what holds one of these."""
    unheard = (_READER_WAS_FASTER, *but)

    def hear(text: str) -> None:
        if not any(part in text for part in unheard):
            into.append(text)

    page.on("console", lambda message: hear(message.text))
    page.on("pageerror", lambda error: hear(str(error)))
