"""What a deployment can set, each by an environment variable with the prefix GREENLANE_ (table in docs/api.md).

Read with Pydantic alone, so that the command line works where the packages of the service are not installed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from serving.errors import SettingsError
from serving.roles import Role

PREFIX = "GREENLANE_"
_FILE = "_FILE"


class Settings(BaseModel):
    """Settings of the service. A field's environment variable is its title."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    database_url: str = Field(
        default="sqlite:///.greenlane/greenlane.db",
        title="GREENLANE_DATABASE_URL",
        description="SQLAlchemy URL of the store. SQLite is migrated when the service starts.",
    )
    model_dir: Path = Field(
        default=Path(".greenlane/models"),
        title="GREENLANE_MODEL_DIR",
        description="Where the promoted model bundle lies; the champion is loaded.",
    )
    host: str = Field(default="127.0.0.1", title="GREENLANE_HOST", description="Address `greenlane serve` listens on.")
    log_format: Literal["text", "json"] = Field(
        default="text",
        title="GREENLANE_LOG_FORMAT",
        description="How lines of the log look: `text` for people, `json` for what collects them (docs/operations.md).",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        title="GREENLANE_OTLP_ENDPOINT",
        description="Where traces are sent by OTLP over http, such as http://collector:4318; not set: there are none.",
    )
    port: int = Field(
        default=8000, ge=0, le=65535, title="GREENLANE_PORT", description="Port `greenlane serve` listens on."
    )
    audit_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        title="GREENLANE_AUDIT_SHARE",
        description="Random share of would-be fast tracks that a nurse reviews instead, score and route hidden.",
    )
    fast_track_enabled: bool = Field(
        default=True, title="GREENLANE_FAST_TRACK", description="`off` sends every request to a nurse."
    )
    quick_decision_seconds: int = Field(
        default=30,
        ge=1,
        le=3600,
        title="GREENLANE_QUICK_DECISION_SECONDS",
        description="A case decided in less than this after it was opened counts as decided in seconds.",
    )
    quick_decision_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        title="GREENLANE_QUICK_DECISION_SHARE",
        description="Share of decisions made in seconds above which the numbers show an alarm.",
    )
    plans: Path | None = Field(
        default=None,
        title="GREENLANE_PLANS",
        description="YAML file that says which plans ask for less than every criterion (docs/policies.md), and their line of "
        "business, state and time zone (docs/clocks.md).",
    )
    turnaround: Path | None = Field(
        default=None,
        title="GREENLANE_TURNAROUND",
        description="Folder of turnaround rules beside the packaged ones (docs/clocks.md).",
    )
    alarm_minutes: int = Field(
        default=15,
        ge=0,
        le=1440,
        title="GREENLANE_ALARM_MINUTES",
        description="So often `greenlane serve` writes to its log how many decisions are overdue or due soon; `0`: never.",
    )
    undo_minutes: int = Field(
        default=5,
        ge=0,
        le=60,
        title="GREENLANE_UNDO_MINUTES",
        description="So long a determination or a letter can be undone before it takes effect; `0`: at once.",
    )
    body_limit: int = Field(
        default=20_000_000,
        ge=1024,
        title="GREENLANE_BODY_LIMIT",
        description="Largest request body in bytes; more is answered with 413. A key can have a limit of its own.",
    )
    api_keys: Literal["required", "optional"] | None = Field(
        default=None,
        title="GREENLANE_API_KEYS",
        description="Whether calls need an API key. Not set: they do unless the service is for this machine alone.",
    )
    requests_per_minute: int = Field(
        default=600,
        ge=0,
        le=1_000_000,
        title="GREENLANE_REQUESTS_PER_MINUTE",
        description="Calls a key may make in a minute unless it has a limit of its own; `0`: any number.",
    )
    sync_characters: int = Field(
        default=200_000,
        ge=0,
        title="GREENLANE_SYNC_CHARACTERS",
        description="A request of plain text up to so many characters is answered with its result; others with 202.",
    )
    workers: int = Field(
        default=2,
        ge=0,
        le=64,
        title="GREENLANE_WORKERS",
        description="How many waiting requests `greenlane serve` works on at once; `0`: only `greenlane work` does.",
    )
    readers: int | None = Field(
        default=None,
        ge=0,
        le=64,
        title="GREENLANE_READERS",
        description="How many processes triage; by default one for each core and four at most. `0`: none of their own.",
    )
    reading_seconds: float = Field(
        default=300,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        title="GREENLANE_READING_SECONDS",
        description="Most seconds a process may triage one request; then it is ended and the request tried again.",
    )
    stop_seconds: float = Field(
        default=10,
        ge=0,
        le=600,
        allow_inf_nan=False,
        title="GREENLANE_STOP_SECONDS",
        description="So long a service that is stopped finishes what it has in hand before it hands it back.",
    )
    batch_bytes: int = Field(
        default=2_000_000_000,
        ge=1024,
        title="GREENLANE_BATCH_BYTES",
        description="Largest batch in bytes; what comes before the limit is taken in.",
    )
    idempotency_days: int = Field(
        default=7,
        ge=1,
        le=366,
        title="GREENLANE_IDEMPOTENCY_DAYS",
        description="So many days an Idempotency-Key is known.",
    )
    drain_seconds: float = Field(
        default=0,
        ge=0,
        le=600,
        allow_inf_nan=False,
        title="GREENLANE_DRAIN_SECONDS",
        description="So long a service that is to stop still answers, while `/readyz` says 503 and balancers turn away.",
    )
    document_bytes: int = Field(
        default=15_000_000,
        ge=1024,
        title="GREENLANE_DOCUMENT_BYTES",
        description="Largest file that is read, in bytes; a larger one is stored and goes to a nurse unread.",
    )
    document_pages: int = Field(
        default=1000, ge=1, title="GREENLANE_DOCUMENT_PAGES", description="Most pages of a file that is read."
    )
    document_characters: int = Field(
        default=2_000_000,
        ge=1000,
        le=2_000_000,
        title="GREENLANE_DOCUMENT_CHARACTERS",
        description="Most characters of text a file may hold.",
    )
    document_seconds: float = Field(
        default=60,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        title="GREENLANE_DOCUMENT_SECONDS",
        description="Most seconds one file may take to read, optical recognition apart.",
    )
    document_memory: int = Field(
        default=1_000_000_000,
        ge=256_000_000,
        title="GREENLANE_DOCUMENT_MEMORY",
        description="Most bytes of memory the process that reads a file may take.",
    )
    document_processes: int = Field(
        default=2,
        ge=1,
        le=64,
        title="GREENLANE_DOCUMENT_PROCESSES",
        description="How many files are read at once, each in a process of its own.",
    )
    ocr: bool = Field(
        default=True,
        title="GREENLANE_OCR",
        description="Recognize text in pictures where Tesseract is installed; `off` leaves them to a nurse unread.",
    )
    ocr_seconds: float = Field(
        default=120,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        title="GREENLANE_OCR_SECONDS",
        description="Most seconds optical recognition may take for one file; pages beyond stay unread.",
    )
    ocr_fast_track: bool = Field(
        default=False,
        title="GREENLANE_OCR_FAST_TRACK",
        description="`on` lets a request whose text was recognized in pictures be fast-tracked.",
    )
    envelope_key_file: Path | None = Field(
        default=None,
        title="GREENLANE_ENVELOPE_KEY_FILE",
        description="File of base64 256-bit keys, newest first; with it, what notes say is sealed in the database "
        "(docs/security.md).",
    )
    retention_years: str = Field(
        default="10",
        title="GREENLANE_RETENTION_YEARS",
        description="So many years a closed case is kept, and by line of business where that differs: "
        "`10,commercial=7` (docs/security.md).",
    )
    public_url: str | None = Field(
        default=None,
        title="GREENLANE_PUBLIC_URL",
        description="Where browsers reach the pages, such as https://greenlane.example.org.",
    )
    deliver_webhooks: bool = Field(
        default=True,
        title="GREENLANE_DELIVER_WEBHOOKS",
        description="`off`: `greenlane serve` sends no webhooks; another process does.",
    )
    webhook_private_hosts: str | None = Field(
        default=None,
        title="GREENLANE_WEBHOOK_PRIVATE_HOSTS",
        description="Host names, separated by commas, that webhooks may reach although they lie in a private network.",
    )
    webhook_ca_file: Path | None = Field(
        default=None,
        title="GREENLANE_WEBHOOK_CA_FILE",
        description="PEM file of authorities that signed receivers' certificates, instead of the public ones.",
    )
    oidc_client_id: str | None = Field(
        default=None, title="GREENLANE_OIDC_CLIENT_ID", description="What the identity provider calls this service."
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, title="GREENLANE_OIDC_CLIENT_SECRET", description="The secret it was given there, if any."
    )
    oidc_role_claim: str = Field(
        default="roles",
        min_length=1,
        title="GREENLANE_OIDC_ROLE_CLAIM",
        description="The ID token's claim that holds a person's roles or groups; dots lead into objects.",
    )
    oidc_roles: str | None = Field(
        default=None,
        title="GREENLANE_OIDC_ROLES",
        description="Which of the claim's values is which role, such as `um-nurses=nurse,um-leads=lead`.",
    )
    oidc_tenant_claim: str | None = Field(
        default=None,
        title="GREENLANE_OIDC_TENANT_CLAIM",
        description="The ID token's claim that names a person's organization; not set: everybody is of the default one.",
    )
    oidc_ca_file: Path | None = Field(
        default=None,
        title="GREENLANE_OIDC_CA_FILE",
        description="PEM file of the authority that signed the identity provider's certificate.",
    )
    oidc_issuer: str | None = Field(
        default=None,
        title="GREENLANE_OIDC_ISSUER",
        description="The identity provider people may also sign in through (OpenID Connect).",
    )

    @property
    def is_for_this_machine(self) -> bool:
        """Whether only this machine reaches the service, as far as it is told: it listens here and has no public address."""
        public = urlsplit(self.public_url).hostname if self.public_url is not None else None
        return is_loopback(self.host) and (public is None or is_loopback(public))

    @property
    def needs_keys(self) -> bool:
        """Whether a call under /v1/ needs an API key."""
        return self.api_keys == "required" or not self.is_for_this_machine

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _must_be_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ValueError("must be an https:// address (http:// on this machine only)")
        return url

    @field_validator("public_url")
    @classmethod
    def _must_be_the_root(cls, url: str) -> str:
        parts = urlsplit(url)
        if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("must be an address without a path")
        return url.rstrip("/")

    @field_validator("retention_years")
    @classmethod
    def _must_be_years(cls, text: str) -> str:
        retention_table(text)
        return text

    @field_validator("oidc_roles")
    @classmethod
    def _must_name_roles(cls, text: str) -> str:
        oidc_role_table(text)
        return text

    @field_validator("oidc_issuer")
    @classmethod
    def _must_know_itself(cls, issuer: str, info: ValidationInfo) -> str:
        if not info.data.get("oidc_client_id") or not info.data.get("public_url"):
            raise ValueError("needs GREENLANE_OIDC_CLIENT_ID and GREENLANE_PUBLIC_URL too")
        return issuer


def is_loopback(host: str) -> bool:
    """Whether the host can be reached from this machine only."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def oidc_role_table(text: str | None) -> dict[str, Role]:
    """Which role each value of the role claim stands for, in the order written; None: each role's own name.

    Raises ValueError where a part is not ``value=role``.
    """
    if text is None:
        return {role.value: role for role in Role}
    table: dict[str, Role] = {}
    for part in text.split(","):
        value, _, role = part.rpartition("=")
        if not value.strip() or role.strip() not in frozenset(Role):
            raise ValueError(f"must be value=role, separated by commas; the roles are {', '.join(Role)}")
        table[value.strip()] = Role(role.strip())
    return table


MOST_RETENTION_YEARS = 100


def retention_table(text: str) -> dict[str, int]:
    """Years by line of business; under ``""`` those of every other line.

    Raises ValueError where a part is not ``YEARS`` or ``line=YEARS``, or the years of every other line are not said once.
    """
    table: dict[str, int] = {}
    for part in text.split(","):
        line, _, years = part.rpartition("=")
        line, years = line.strip(), years.strip()
        if not (years.isascii() and years.isdecimal() and 1 <= int(years) <= MOST_RETENTION_YEARS) or line in table:
            raise ValueError("must be years, and line=years for lines of business that differ, separated by commas")
        table[line] = int(years)
    if "" not in table:
        raise ValueError("must say how many years every other line of business is kept, such as 10,commercial=7")
    return table


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this environment; an empty variable counts as not set.

    ``GREENLANE_NAME_FILE`` names a file that holds the value of ``GREENLANE_NAME``: for secrets, which an environment shows
    to whoever may look at the process.

    Raises SettingsError in one line that names every variable with a value that cannot be used, or that is none of ours
    (a mistyped name would leave a default in force).
    """
    variables = {field.title or "": name for name, field in Settings.model_fields.items()}
    given = {variable: value for variable, value in environment.items() if variable.startswith(PREFIX) and value}
    given = dict(_from_file(variable, value, variables) for variable, value in given.items())
    unknown = [f"{variable}: there is no such setting" for variable in sorted(given.keys() - variables.keys())]
    try:
        settings = Settings(**{variables[variable]: given[variable] for variable in given.keys() & variables.keys()})
    except ValidationError as error:
        wrong = [f"{Settings.model_fields[str(e['loc'][0])].title}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join([*wrong, *unknown])) from None
    if unknown:
        raise SettingsError("; ".join(unknown))
    return settings


def _from_file(variable: str, value: str, variables: Mapping[str, str]) -> tuple[str, str]:
    """The variable and its value; one that names a file of another variable's value is that other."""
    meant = variable.removesuffix(_FILE)
    if variable in variables or meant == variable or meant not in variables:
        return variable, value
    try:
        return meant, Path(value).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{variable}: the file cannot be read") from None
