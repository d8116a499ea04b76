"""Signing and checking webhooks as Standard Webhooks 1.0 says (https://www.standardwebhooks.com). Standard library alone.

What is signed with HMAC-SHA256 is ``{webhook-id}.{webhook-timestamp}.{body}``; a header may carry several signatures,
each ``v1,`` and base64, separated by spaces, while a secret is being changed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

SECRET_PREFIX = "whsec_"  # noqa: S105  what every secret begins with is none
REPLAY_WINDOW = timedelta(minutes=5)
"""A signature older than this, or so far in the future, is refused."""
_VERSION = "v1"


class WebhookSignatureError(ValueError):
    """What came is not from greenlane, or not from now. One line that repeats nothing of it."""


def signed_headers(event_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of one attempt at ``at``, signed with each of the secrets (``whsec_`` and base64)."""
    timestamp = str(int(at.timestamp()))
    signatures = [f"{_VERSION},{_signature(event_id, timestamp, body, secret)}" for secret in secrets]
    return {"webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def check_signature(
    headers: Mapping[str, str],
    body: bytes,
    secret: str,
    *,
    now: datetime | None = None,
    window: timedelta = REPLAY_WINDOW,
) -> None:
    """Raise WebhookSignatureError unless one of the signatures is the secret's and the timestamp is of now.

    ``body`` are the bytes as they came: parsed and written again they are others. Header names in any case.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        event_id, timestamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
    except KeyError as error:
        raise WebhookSignatureError(f"the header {error.args[0]} is missing") from None
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        raise WebhookSignatureError("webhook-timestamp: must be seconds since 1970")
    expected = f"{_VERSION},{_signature(event_id, timestamp, body, secret)}".encode()
    # Every one is compared, so that the time taken says nothing.
    if not sum(hmac.compare_digest(expected, one.encode()) for one in signatures):
        raise WebhookSignatureError("webhook-signature: is not this secret's")
    age = abs((now or datetime.now(UTC)).timestamp() - int(timestamp))
    if age > window.total_seconds():
        raise WebhookSignatureError("webhook-timestamp: is not of now; this may be sent a second time by somebody else")


def _signature(event_id: str, timestamp: str, body: bytes, secret: str) -> str:
    signed = b".".join((event_id.encode(), timestamp.encode(), body))
    return base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise WebhookSignatureError(f"the secret must be {SECRET_PREFIX} and base64") from None
