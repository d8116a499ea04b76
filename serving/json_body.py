"""Bytes to JSON values, strictly, for everything that comes from outside: HTTP bodies and request files."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from serving.errors import UnreadableBodyError


def parse_json(body: bytes) -> Any:
    """JSON in UTF-8, strictly: no NaN, no name twice in an object.

    Raises UnreadableBodyError, whose message repeats nothing of the input.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableBodyError(f"the body is not UTF-8: byte {error.start} cannot be read") from None
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        raise UnreadableBodyError(f"the body is not JSON: line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        known = isinstance(error, _AmbiguousJsonError)
        raise UnreadableBodyError(
            str(error) if known else "the body is nested too deep or holds a huge number"
        ) from None


class _AmbiguousJsonError(ValueError):
    """JSON that parses but can be read in two ways; the message repeats nothing of it."""


def _no_constant(_name: str) -> NoReturn:
    raise _AmbiguousJsonError("the body holds NaN or Infinity, which JSON does not know")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _AmbiguousJsonError("the body names a field twice in one object")
    return found
