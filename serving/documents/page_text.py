"""The one place where extracted text is normalised. What comes out is stored, and offsets point into it."""

from __future__ import annotations

import re
import unicodedata

_BREAKS = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
# What pdfium writes for a hyphen at a line's end.
_HYPHEN = "\ufffe"
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
# Characters without a width and those that turn the direction of writing: a reader sees nothing of them.
_UNSEEN = dict.fromkeys([0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF])
_UNPRINTABLE = dict.fromkeys(
    [*range(0x09), *range(0x0E, 0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFF], "\ufffd"
)
_SPACES = dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
_HYPHENS = dict.fromkeys([0x2010, 0x2011, ord(_HYPHEN)], "-")
_TABLE = {**_UNPRINTABLE, **_UNSEEN, **_SPACES, **_LIGATURES, **_HYPHENS}
_TRAILING = re.compile(r"[ \t]+(?=\n|\Z)")
_BLANK_LINES = re.compile(r"\n{3,}")


def clean(text: str) -> str:
    """``text`` of one page with one kind of line break and without ligatures, unseen and impossible characters.

    A character that cannot be shown becomes U+FFFD, which tells the guard against unreadable documents.
    """
    broken = _BREAKS.sub("\n", text).translate(_TABLE)
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", unicodedata.normalize("NFC", broken))).strip("\n")
