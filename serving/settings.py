"""What a deployment can set, each by an environment variable with the prefix GREENLANE_ (table in docs/api.md).

Read with Pydantic alone, so that the command line works where the packages of the service are not installed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.errors import SettingsError

PREFIX = "GREENLANE_"


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
        description="YAML file that says which plans ask for less than every criterion (docs/policies.md).",
    )
    body_limit: int = Field(
        default=20_000_000,
        ge=1024,
        title="GREENLANE_BODY_LIMIT",
        description="Largest request body in bytes; more is answered with 413.",
    )


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this environment; an empty variable counts as not set.

    Raises SettingsError in one line that names every variable with a value that cannot be used, or that is none of ours
    (a mistyped name would leave a default in force).
    """
    variables = {field.title or "": name for name, field in Settings.model_fields.items()}
    given = {variable: value for variable, value in environment.items() if variable.startswith(PREFIX) and value}
    unknown = [f"{variable}: there is no such setting" for variable in sorted(given.keys() - variables.keys())]
    try:
        settings = Settings(**{variables[variable]: given[variable] for variable in given.keys() & variables.keys()})
    except ValidationError as error:
        wrong = [f"{Settings.model_fields[str(e['loc'][0])].title}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join([*wrong, *unknown])) from None
    if unknown:
        raise SettingsError("; ".join(unknown))
    return settings
