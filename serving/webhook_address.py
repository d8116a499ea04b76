"""Where webhooks may be sent: https addresses of the public internet, and what the deployer names besides.

A webhook's address is somebody's word. Without these rules it could make the service call what only it can reach: a
database, a cloud's metadata, its own pages (server-side request forgery).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from serving.errors import WebhookRefusedError
from serving.settings import Settings, is_loopback

_LONGEST_URL = 2000
_Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one attempt goes: the address that was checked, and the name that its certificate must carry."""

    host: str
    port: int
    address: str


@dataclass(frozen=True, slots=True)
class AddressRule:
    """``private_hosts``: names that may lie in a private network. ``loopback``: this machine may be called too."""

    private_hosts: frozenset[str]
    loopback: bool

    @staticmethod
    def of(settings: Settings) -> AddressRule:
        """As the settings say: this machine may be called where the service listens on it alone (development)."""
        named = (settings.webhook_private_hosts or "").split(",")
        hosts = frozenset(host.strip().lower() for host in named if host.strip())
        return AddressRule(hosts, is_loopback(settings.host))

    def checked(self, url: str) -> str:
        """The url, where it can be a webhook's at all. Raises WebhookRefusedError; looks nothing up."""
        if len(url) > _LONGEST_URL or not url.isascii() or any(character <= " " for character in url):
            raise WebhookRefusedError("url: must be an address of at most 2000 characters, without blanks")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise WebhookRefusedError("url: is not an address") from None
        if not host or port == 0:
            raise WebhookRefusedError("url: names no host")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
            raise WebhookRefusedError("url: must begin with https:// (http:// on this machine only)")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise WebhookRefusedError("url: must hold no user name, password or fragment")
        literal = _literal(host)
        if is_loopback(host) or literal is not None:
            self._check(host, literal or ip_address("127.0.0.1"))
        return url

    def destination(self, url: str) -> Destination:
        """Where the url leads now. Every address of its name must be allowed, and the one given is one of them.

        Raises WebhookRefusedError, or OSError where the name cannot be found.
        """
        parts = urlsplit(self.checked(url))
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        for address in found:
            self._check(host, ip_address(address.partition("%")[0]))
        if not found:
            raise OSError("the name has no address")
        return Destination(host, port, found[0])

    def _check(self, host: str, address: _Address) -> None:
        mapped = getattr(address, "ipv4_mapped", None)
        seen: _Address = mapped or address
        if host.lower() in self.private_hosts:
            return
        if seen.is_loopback:
            if not self.loopback:
                raise WebhookRefusedError("url: leads to this machine; GREENLANE_WEBHOOK_PRIVATE_HOSTS would allow it")
        elif not seen.is_global or seen.is_multicast or seen.is_reserved or _holds_another(seen):
            raise WebhookRefusedError(
                "url: leads into a private network; GREENLANE_WEBHOOK_PRIVATE_HOSTS would allow it"
            )


def _holds_another(address: _Address) -> bool:
    """Whether a translator would take it elsewhere: 6to4, Teredo and NAT64 addresses hold an IPv4 address."""
    if isinstance(address, IPv4Address):
        return False
    nat64 = address.packed[:12] == bytes.fromhex("0064ff9b0000000000000000")
    return nat64 or address.sixtofour is not None or address.teredo is not None


def _literal(host: str) -> _Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
