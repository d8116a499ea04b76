"""``greenlane backup`` and ``greenlane restore``: the store in one file, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def backup(
    file: Annotated[Path, typer.Argument(help="File to write. It will hold notes: keep it as you keep the database.")],
) -> None:
    """Copy the store to one file while the service runs, and check the copy: its pages, its schema, its trail."""
    from serving.backup import back_up
    from serving.settings import load_settings

    held = back_up(load_settings().database_url, file)
    typer.echo(f"{file}: {held.authorizations} authorizations; the trail holds")
    typer.echo(f"head {held.head}")


def restore(
    file: Annotated[Path, typer.Argument(help="What greenlane backup wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where the store holds something; that is kept beside the new one.")
    ] = False,
) -> None:
    """Make the store from a backup, after checking it. The service must be stopped."""
    from serving.backup import restore as restored_from
    from serving.settings import load_settings

    done = restored_from(file, load_settings().database_url, replace=replace, now=datetime.now(UTC))
    typer.echo(f"restored {done.held.authorizations} authorizations; the trail holds")
    typer.echo(f"head {done.held.head}")
    if done.kept is not None:
        typer.echo(f"the store before it: {done.kept}")
