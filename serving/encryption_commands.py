"""``greenlane encryption``: how what notes say is sealed in the database; docs/security.md tells the whole way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from serving.opened_store import opened_store

if TYPE_CHECKING:
    from serving.data_keys import DataKeys
    from serving.store import Store

encryption_app = typer.Typer(
    help="Sealing what notes say in the database.", no_args_is_help=True, rich_markup_mode=None
)


@encryption_app.command("status")
def status() -> None:
    """Print every column that can be sealed with how many values are sealed and plain, and the data keys."""
    from serving.data_keys import DataKeys
    from serving.seal_rows import counts

    with opened_store() as store:
        for count in counts(store):
            typer.echo(f"{count.place}\t{count.sealed} sealed\t{count.plain} plain")
        for key in DataKeys(store.engine, None).kept():
            state = "retired" if key.retired_at else "in use"
            typer.echo(f"data key {key.key_id}\t{key.created_at:%Y-%m-%d}\twrapped by {key.wrapped_by}\t{state}")


@encryption_app.command("seal")
def seal() -> None:
    """Seal what was stored before the key was set. Interrupted, it goes on where it stopped. The service may run."""
    with _keyed() as (store, _):
        _rewrite(store, seal=True)


@encryption_app.command("unseal")
def unseal() -> None:
    """Write everything plain again and retire the data keys: the way back. Stop the service first."""
    with _keyed() as (store, keys):
        keys.retire(now=datetime.now(UTC))
        _rewrite(store, seal=False)


@encryption_app.command("rotate")
def rotate(
    data_key: Annotated[
        bool, typer.Option("--data-key", help="Also make a new data key for what is stored from now on.")
    ] = False,
) -> None:
    """Wrap the data keys by the newest key of the file. No note is rewritten. The service may run."""
    with _keyed() as (_, keys):
        wrapped = keys.rewrap()
        typer.echo(f"{wrapped} data key{'' if wrapped == 1 else 's'} wrapped anew")
        if data_key:
            typer.echo(
                f"data key {keys.add(now=datetime.now(UTC))} seals what is stored from now on; restart the service"
            )


@encryption_app.command("scrub")
def scrub_command() -> None:
    """Write a SQLite file anew, so that nothing of what was overwritten is left in it or in its log."""
    with opened_store() as store:
        _scrub(store)


@contextmanager
def _keyed() -> Iterator[tuple[Store, DataKeys]]:
    from serving.data_keys import DataKeys
    from serving.envelope_keys import VARIABLE, envelope_of
    from serving.errors import SettingsError
    from serving.sealed_types import seal_with
    from serving.settings import load_settings

    envelope = envelope_of(load_settings())
    if envelope is None:
        raise SettingsError(f"{VARIABLE}: name the file that holds the envelope key")
    with opened_store() as store:
        keys = DataKeys(store.engine, envelope)
        keys.prepare()
        seal_with(store.engine.dialect, keys)
        yield store, keys


def _rewrite(store: Store, *, seal: bool) -> None:
    from serving.seal_rows import rewrite

    rows = sum(rewrite(store, seal=seal))
    typer.echo(f"{rows} row{'' if rows == 1 else 's'} {'sealed' if seal else 'unsealed'}")
    if rows and seal:
        _scrub(store)


def _scrub(store: Store) -> None:
    from serving.scrubbing import scrub, what_is_left

    left = what_is_left(store.engine, scrubbed=scrub(store.engine))
    if left is not None:
        typer.echo(f"note: {left}")
