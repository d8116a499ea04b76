"""``greenlane doctor``: what a deployment needs, looked at one by one, with what to do where it is missing.

Nothing here names a member, a note or a secret. Every check answers; what it cannot find out is itself a finding.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import ssl
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from serving.errors import IdentityProviderError, ServingError, SettingsError, StoreUnavailableError
from serving.settings import Settings, is_loopback, load_settings
from serving.store import Store
from serving.tables import FastTrackSwitchRow, TrailRow

LEAST_FREE_BYTES = 1_000_000_000
"""Less room than this beside the database is a warning: a day of faxes may take it."""
MOST_CLOCK_SKEW = timedelta(seconds=30)
"""Clocks further apart than this put a due time on the wrong side of a minute that counts."""
OLDEST_MODEL = timedelta(days=180)
"""A model trained longer ago is worth a look at ``training drift``."""
SHORTEST_CERTIFICATE = timedelta(days=14)
"""An identity provider's certificate that ends sooner is a warning."""
TRAIL_ENTRIES = 10_000
"""So many of the newest entries of the trail are verified; ``greenlane audit verify`` reads them all."""
_CONNECT_SECONDS = 5.0

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. ``advice`` says what to do, empty where nothing is to be done."""

    check: str
    state: State
    found: str
    advice: str = ""


def examine(environment: Mapping[str, str] = os.environ, *, now: datetime | None = None) -> tuple[Finding, ...]:
    """Every finding, in the order a newcomer would mend them."""
    return tuple(_examined(environment, now or datetime.now(UTC)))


def _examined(environment: Mapping[str, str], now: datetime) -> Iterator[Finding]:
    yield _python()
    yield from _packages()
    yield _time_zones()
    try:
        settings = load_settings(environment)
    except SettingsError as error:
        yield Finding("settings", "fail", str(error), "mend the variable; docs/api.md lists them all")
        return
    yield Finding("settings", "ok", "every GREENLANE_ variable is known and can be used")
    checks: tuple[Callable[[Settings, datetime], Iterator[Finding]], ...] = (
        _exposure,
        _database,
        _room,
        _permissions,
        _model,
        _identity_provider,
    )
    for check in checks:
        yield from check(settings, now)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("python", "ok", version)
    return Finding("python", "fail", version, "use Python 3.11, 3.12 or 3.13")


def _packages() -> Iterator[Finding]:
    documents = [name for name in ("pypdfium2", "defusedxml", "striprtf") if importlib.util.find_spec(name) is None]
    if documents:
        advice = "pip install 'greenlane[documents]'; until then files go to a nurse unread"
        yield Finding("documents", "warn", f"{', '.join(documents)} not installed", advice)
    else:
        yield Finding("documents", "ok", "PDF, RTF, DOCX, HTML, C-CDA and FHIR can be read")
    from serving.documents.recognition import Recognition

    tesseract = Recognition.available(1.0)
    if tesseract is None:
        advice = "install Tesseract and 'greenlane[ocr]'; until then scans go to a nurse unread"
        yield Finding("recognition", "warn", "pictures cannot be read", advice)
    else:
        yield Finding("recognition", "ok", tesseract.version)


def _time_zones() -> Finding:
    try:
        ZoneInfo("America/Puerto_Rico")
    except ZoneInfoNotFoundError:
        return Finding("time zones", "fail", "no time zone database", "pip install tzdata")
    return Finding("time zones", "ok", "there is a time zone database")


def _exposure(settings: Settings, _now: datetime) -> Iterator[Finding]:
    if is_loopback(settings.host):
        yield Finding("network", "ok", "listens on this machine alone")
    elif settings.public_url is None:
        advice = "put TLS before it and set GREENLANE_PUBLIC_URL to the https:// address people use"
        yield Finding("network", "warn", "listens to other machines, and no public address is set", advice)
    else:
        yield Finding("network", "ok", "listens to other machines, and people come by https")


def _database(settings: Settings, now: datetime) -> Iterator[Finding]:
    from serving.database import open_engine

    try:
        store = Store(open_engine(settings.database_url))
    except StoreUnavailableError as error:
        yield Finding("database", "fail", str(error), "see GREENLANE_DATABASE_URL")
        return
    try:
        store.check()
        _write_and_take_back(store, now)
        yield Finding(
            "database", "ok", f"{make_url(settings.database_url).get_backend_name()}, newest schema, writable"
        )
        yield _clock(store, now)
        yield _trail(store)
    except ServingError as error:
        advice = "start it, or let greenlane serve --migrate bring its schema up; a full disk shows here too"
        yield Finding("database", "fail", str(error), advice)
    finally:
        store.close()


def _write_and_take_back(store: Store, now: datetime) -> None:
    with store.writing() as session:
        switch = FastTrackSwitchRow(
            tenant=store.tenant, family="doctor", off=False, switched_by="doctor", why="writable?", switched_at=now
        )
        session.add(switch)
        session.flush()
        session.rollback()


def _clock(store: Store, now: datetime) -> Finding:
    with store.reading() as session:
        if session.get_bind().dialect.name != "postgresql":
            return Finding("clock", "ok", "the database has this machine's clock")
        there: datetime = session.scalars(text("SELECT clock_timestamp()")).one()
    skew = abs(there - now)
    if skew > MOST_CLOCK_SKEW:
        return Finding("clock", "warn", f"{skew.total_seconds():.0f} s apart from the database's", "keep both by NTP")
    return Finding("clock", "ok", f"{skew.total_seconds():.1f} s apart from the database's")


def _trail(store: Store) -> Finding:
    from serving.trail_chain import START, Anchor, head_of, verify

    head = head_of(store)
    first = head.number - TRAIL_ENTRIES
    with store.reading() as session:
        hash_before = session.scalar(select(TrailRow.hash).where(TrailRow.number == first)) if first > 0 else None
    state = verify(store, start=Anchor(first, hash_before) if hash_before is not None else START)
    if state.first is not None:
        return Finding("trail", "fail", str(state.first), "run greenlane audit verify, and tell your security officer")
    return Finding("trail", "ok", f"the newest {state.checked} of {head.number} entries hold")


def _room(settings: Settings, _now: datetime) -> Iterator[Finding]:
    place = _sqlite_file(settings)
    if place is None:
        return
    there = next((folder for folder in place.absolute().parents if folder.is_dir()), Path("/"))
    free = shutil.disk_usage(there).free
    found = f"{free / 1e9:.1f} GB free beside the database"
    if free < LEAST_FREE_BYTES:
        yield Finding("disk", "warn", found, "make room: a request that cannot be stored is answered with 503")
    else:
        yield Finding("disk", "ok", found)


def _permissions(settings: Settings, _now: datetime) -> Iterator[Finding]:
    database = _sqlite_file(settings)
    if database is not None and database.is_file():
        open_to = database.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        closed = database.parent.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH) == 0
        if open_to and not closed:
            yield Finding(
                "database file", "warn", "others on this machine may read notes in it", f"chmod 600 {database}"
            )
        else:
            yield Finding("database file", "ok", "its owner's alone")
    if settings.model_dir.is_dir() and settings.model_dir.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        advice = f"chmod go-w {settings.model_dir}: who writes there chooses what is fast-tracked"
        yield Finding("model folder", "warn", "others on this machine may write to it", advice)


def _model(settings: Settings, now: datetime) -> Iterator[Finding]:
    from features.policy import load_policies
    from models.bundle import load_champion, require_installed_schema
    from models.errors import ModelError

    try:
        bundle = load_champion(settings.model_dir)
        if bundle is not None:
            require_installed_schema(bundle)
    except ModelError as error:
        yield Finding("model", "fail", str(error), "promote another, or training rollback; until then nurses see all")
        return
    if bundle is None:
        yield Finding("model", "warn", "none is promoted: every request goes to a nurse", "see docs/retraining.md")
        return
    age = now - bundle.trained_at
    found = f"{bundle.reference.name} {bundle.reference.version}, trained {age.days} days ago"
    if age > OLDEST_MODEL:
        yield Finding("model", "warn", found, "hold it against what was served: docs/retraining.md, drift")
    else:
        yield Finding("model", "ok", found)
    families = sorted({policy.family for policy in load_policies().policies})
    closed = [family for family in families if bundle.threshold_for(family) is None]
    covered = f"{len(families) - len(closed)} of {len(families)} service families are certified"
    if closed:
        advice = f"not fast-tracked: {', '.join(closed)}"
        yield Finding("certificates", "warn" if len(closed) < len(families) else "fail", covered, advice)
    else:
        yield Finding("certificates", "ok", covered)


def _identity_provider(settings: Settings, now: datetime) -> Iterator[Finding]:
    from serving.oidc import provider_of

    name = "identity provider"
    try:
        provider = provider_of(settings)
        if provider is None:
            return
        provider.begin("/")
    except (SettingsError, IdentityProviderError) as error:
        yield Finding(name, "fail", str(error), "people can sign in by password meanwhile")
        return
    ends = _certificate_end(settings)
    if ends is not None and ends - now < SHORTEST_CERTIFICATE:
        yield Finding(name, "warn", f"its certificate ends on {ends:%Y-%m-%d}", "have it renewed")
    else:
        yield Finding(name, "ok", "can be reached, and its certificate holds")


def _certificate_end(settings: Settings) -> datetime | None:
    """When the certificate of the identity provider ends; None for plain http."""
    parts = urlsplit(settings.oidc_issuer or "")
    if parts.scheme != "https" or parts.hostname is None:
        return None
    trust = ssl.create_default_context(cafile=str(settings.oidc_ca_file) if settings.oidc_ca_file else None)
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), timeout=_CONNECT_SECONDS) as plain,
            trust.wrap_socket(plain, server_hostname=parts.hostname) as secured,
        ):
            held = secured.getpeercert() or {}
    except OSError:
        return None
    ends = held.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if isinstance(ends, str) else None


def _sqlite_file(settings: Settings) -> Path | None:
    parsed = make_url(settings.database_url)
    if (
        parsed.get_backend_name() != "sqlite"
        or not parsed.database
        or parsed.database.startswith((":memory:", "file:"))
    ):
        return None
    return Path(parsed.database)
