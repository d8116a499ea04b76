"""Which settings the service does not start with: what may be on a developer's own machine must not be elsewhere."""

from __future__ import annotations

from serving.errors import SettingsError
from serving.settings import Settings, is_loopback


def refuse_calls_without_keys(settings: Settings) -> None:
    """Raise SettingsError where anybody could call a service that others reach."""
    if settings.api_keys == "optional" and not settings.is_for_this_machine:
        raise SettingsError(
            "GREENLANE_API_KEYS: `optional` is for development only: the service must listen on this machine alone "
            "(GREENLANE_HOST=127.0.0.1) and have no public address (GREENLANE_PUBLIC_URL)"
        )


def refuse_plain_http(settings: Settings) -> None:
    """Raise SettingsError where the service would listen for others and nobody said that they come by https.

    It speaks plain http; keys, passwords and notes need a proxy with TLS before it.
    """
    if settings.public_url is None and not is_loopback(settings.host):
        raise SettingsError(
            f"GREENLANE_PUBLIC_URL: must say the https:// address by which others come, because GREENLANE_HOST "
            f"({settings.host}) is not this machine alone; greenlane speaks plain http, so a proxy with TLS stands before it"
        )
